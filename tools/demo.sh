#!/usr/bin/env bash
# A one-node cluster, the Pod of two containers, its page fetched from the Pod's address. A second run is harmless.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${DATA_DIR:-$PWD/.cache/demo}
port=${SECURE_PORT:-6443}
export KUBECONFIG=$data/admin.conf
kubectl=.cache/bin/kubectl
step=0
say() { step=$((step + 1)); printf '[%d/6] %s\n' "$step" "$*"; }

say "a Docker Engine"
tools/dockerd.sh start
say "the images (built here, no registry)"
deploy/images/build.sh
say "the cluster"
.venv/bin/minikube-py up --data-dir "$data" --secure-port "$port" | sed 's/^/      /'
say "kubectl apply -f deploy/examples/two-containers.yaml"
$kubectl apply -f deploy/examples/two-containers.yaml | sed 's/^/      /'
say "waiting for the Pod to serve its page"
ip=
for _ in $(seq 300); do
    read -r ip running <<< "$($kubectl get pod two-containers -o jsonpath='{.status.podIP} {.status.containerStatuses[?(@.name=="web-container")].state.running.startedAt}')"
    [ -n "$running" ] && page=$(curl -sf --max-time 2 "http://$ip/index.html") && break
    sleep 0.1
done
[ -n "${page:-}" ] || { echo "the page did not come; see: $kubectl describe pod two-containers" >&2; exit 1; }
say "http://$ip/index.html says: $page"
echo
$kubectl get pods -o wide
cat <<END

The cluster stays up. Use it with:

  export KUBECONFIG=$KUBECONFIG
  $PWD/$kubectl get pods -A

\`make down\` takes it away.
END
