#!/usr/bin/env bash
# Takes the demo cluster away: its processes, containers, mounts, and the engine if the demo started it.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DATA_DIR:-$PWD/.cache/demo}
if [ -d "$data" ]; then
    .venv/bin/minikube-py down --data-dir "$data" --delete-data
fi
rm -rf /var/lib/minikube-py-demo
tools/dockerd.sh stop
