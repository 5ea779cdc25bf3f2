#!/usr/bin/env bash
# The whole test: checks first (they are quick), then the suites. Ends what it started.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.venv/bin
had_engine=yes
docker version >/dev/null 2>&1 || had_engine=no
finish() { [ "$had_engine" = yes ] || tools/dockerd.sh stop; }
trap finish EXIT

echo "== ruff";   $bin/ruff check .
echo "== mypy";   $bin/mypy
echo "== layers"; $bin/lint-imports --no-cache
tools/dockerd.sh start
deploy/images/build.sh
echo "== pytest"
# Much of the time is spent waiting for engines: two workers, a file's tests in one of them.
# No exec: the trap has to run.
$bin/pytest -q -n 2 --dist loadfile --durations=10 "$@"
