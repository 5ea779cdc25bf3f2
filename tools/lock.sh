#!/usr/bin/env bash
# Resolves the newest versions that pyproject.toml allows in an empty environment and writes them down.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.venv/bin/python -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check '.[dev]'
{
    echo "# Locked versions of everything that runs, tests and checks this project; \`make lock\` makes it anew."
    "$work/venv/bin/pip" freeze --exclude minikube_py
} > requirements.lock
