#!/usr/bin/env bash
# Gives the machine a Docker Engine when none answers, and takes away again what this started.
#   dockerd.sh start    does nothing where an engine answers; else systemd's service, else dockerd by hand
#   dockerd.sh stop     ends a dockerd that `start` started by hand, with its bridge and iptables rules
set -euo pipefail
state=${MINIKUBE_PY_DOCKER_STATE:-/var/lib/minikube-py-docker}
pid_file=$state/dockerd.pid

answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

start() {
    answers && return
    if [ -d /run/systemd/system ]; then
        as_root systemctl start docker
    else
        as_root mkdir -p "$state"
        # The FORWARD policy is the one thing that dockerd changes and that deleting its rules does not undo.
        as_root iptables -S FORWARD 2>/dev/null | head -n 1 | as_root tee "$state/forward" >/dev/null
        as_root sh -c "cat /proc/sys/net/ipv4/ip_forward > '$state/ip_forward'"
        as_root sh -c "setsid dockerd --data-root '$state/data' --exec-root '$state/exec' --pidfile '$pid_file' >'$state/dockerd.log' 2>&1 </dev/null &"
    fi
    for _ in $(seq 150); do
        answers && return
        sleep 0.2
    done
    echo "dockerd.sh: no Docker Engine answers after 30 s; see $state/dockerd.log" >&2
    tail -n 20 "$state/dockerd.log" >&2 2>/dev/null || true
    exit 1
}

stop() {
    [ -f "$pid_file" ] || return 0
    pid=$(cat "$pid_file")
    if [ -d "/proc/$pid" ] && grep -q dockerd "/proc/$pid/comm"; then
        as_root kill "$pid"
        for _ in $(seq 100); do
            [ -d "/proc/$pid" ] || break
            sleep 0.2
        done
    fi
    # dockerd leaves the network namespaces of its containers mounted.
    awk -v below="$state/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r | while read -r mount; do
        as_root umount "$mount" || true
    done
    as_root ip link delete docker0 2>/dev/null || true
    for table in filter nat; do
        as_root iptables-save -t "$table" 2>/dev/null | grep -v -e DOCKER -e docker0 -e '172\.1[78]\.0\.0/16' | as_root iptables-restore -T "$table"
    done
    as_root sh -c "[ -s '$state/forward' ] && iptables \$(cat '$state/forward')" || true
    as_root sh -c "[ -s '$state/ip_forward' ] && cat '$state/ip_forward' > /proc/sys/net/ipv4/ip_forward" || true
    as_root rm -rf "$pid_file" "$state/forward" "$state/ip_forward" "$state/exec"
}

"$@"
