#!/bin/sh
# Builds the project's images into the local engine, without a registry: minikube-py/pause:1, minikube-py/busybox:1 and
# minikube-py/web:1. An image whose content label already matches is left alone. Needs gcc, busybox-static and docker.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() {
    command -v "$1" >/dev/null 2>&1 || { echo "build.sh: $1 is missing; install it with: apt-get install $2" >&2; exit 1; }
}
need docker docker.io

# The label holds a hash over everything that goes into the image, this script included.
hash_of() {
    { cat "$here/build.sh"; for path in "$@"; do
        find "$path" -type f | LC_ALL=C sort | while read -r file; do echo "$(stat -c %a "$file") ${file#"$here"}"; cat "$file"; done
    done; } | sha256sum | cut -c1-16
}

fresh() {
    [ "$(docker image inspect --format '{{index .Config.Labels "minikube-py.content"}}' "$1" 2>/dev/null)" = "$2" ]
}

# import IMAGE HASH ROOT [CHANGE...]: one layer, the same bytes for the same content.
import() {
    image=$1 hash=$2 root=$3
    shift 3
    set -- --change "LABEL minikube-py.content=$hash" "$@"
    tar -C "$root" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -c . | docker import "$@" - "$image" >/dev/null
    echo "built $image"
}

demo_root() {
    root=$work/demo
    [ ! -d "$root" ] || return 0
    mkdir -p "$root"
    cp -r "$here/demo/." "$root/"
    mkdir -p "$root/bin" "$root/sbin" "$root/usr/sbin" "$root/tmp" "$root/root" "$root/var/run" "$root/proc" "$root/sys" "$root/dev"
    chmod 755 "$root" "$root/usr/bin/serve"
    chmod 1777 "$root/tmp"
    cp "$busybox" "$root/bin/busybox"
    "$busybox" --list-full | while read -r applet; do
        [ "$applet" = bin/busybox ] || ln -s /bin/busybox "$root/$applet" 2>/dev/null || true
    done
}

pause_hash=$(hash_of "$here/pause")
if ! fresh minikube-py/pause:1 "$pause_hash"; then
    need gcc "gcc libc6-dev"
    mkdir -p "$work/pause"
    gcc -Os -Wall -Wextra -static -s -ffunction-sections -Wl,--gc-sections -o "$work/pause/pause" "$here/pause/pause.c"
    import minikube-py/pause:1 "$pause_hash" "$work/pause" --change 'ENTRYPOINT ["/pause"]'
fi

need busybox busybox-static
busybox=$(command -v busybox)
demo_hash=$(hash_of "$here/demo" "$(readlink -f "$busybox")")
path='ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
if ! fresh minikube-py/busybox:1 "$demo_hash"; then
    demo_root
    import minikube-py/busybox:1 "$demo_hash" "$work/demo" --change "$path" --change 'CMD ["sh"]'
fi
if ! fresh minikube-py/web:1 "$demo_hash"; then
    demo_root
    import minikube-py/web:1 "$demo_hash" "$work/demo" --change "$path" --change 'ENTRYPOINT ["/usr/bin/serve"]' --change 'EXPOSE 80'
fi
