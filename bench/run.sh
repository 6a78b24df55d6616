#!/usr/bin/env bash
# What `make bench` runs: bench.py, with a private dockerd where none answers and one can be started.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-bench.XXXXXX") || exit 1
note() { printf '# %s\n' "$*" >&2; }
# shellcheck source=tests/dockerd.sh
. tests/dockerd.sh
cleanup() {
	stop_dockerd
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
if [[ $(id -u) == 0 ]] && command -v docker >/dev/null && command -v dockerd >/dev/null && ! docker info >/dev/null 2>&1; then
	start_dockerd || unset DOCKER_HOST
fi
if docker info >/dev/null 2>&1 && import_image docker >/dev/null; then export BENCH_IMAGE=dgrid-test:1; fi
python3 -B bench/bench.py "$@"
