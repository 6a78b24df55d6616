#!/bin/sh
# A whole grid on this machine: a bare repository in build/demo, a dozen tasks, three workers racing for them.
set -eu
cd "$(dirname "$0")/.."
demo=$PWD/build/demo
rm -rf "$demo"
mkdir -p "$demo"
export DGRID_REPO_URL="$demo/grid.git"
engine=${DGRID_DEMO_ENGINE:-auto}
pids=
stop() {
	for pid in $pids; do
		kill "$pid" 2>/dev/null || true
	done
	wait
}
trap stop EXIT INT TERM

git init --quiet --bare --initial-branch=main "$DGRID_REPO_URL"
./dgrid init
./dgrid submit examples/*.json >"$demo/ids"
echo "queued $(wc -l <"$demo/ids") tasks from examples/ in $DGRID_REPO_URL"

# With no image store at hand Docker and Podman cannot fetch one, so the demo falls back to bubblewrap and says so.
if [ "$engine" = auto ]; then
	engine=bwrap
	if docker version >/dev/null 2>&1 && docker image inspect alpine:3.20 >/dev/null 2>&1; then
		engine=docker
	fi
fi
echo "three workers start, 4 slots each, engine $engine"
for n in 1 2 3; do
	./dgrid worker --node-id "demo-$n" --slots 4 --engine "$engine" --work-dir "$demo/worker-$n" 2>"$demo/worker-$n.log" &
	pids="$pids $!"
done

code=0
# shellcheck disable=SC2046 # ids hold no blanks
./dgrid wait --timeout 120 $(cat "$demo/ids") 2>"$demo/wait.err" || code=$?
if [ "$code" -gt 3 ]; then
	cat "$demo/wait.err" "$demo"/worker-*.log >&2
	exit "$code"
fi
for pid in $pids; do
	kill "$pid" 2>/dev/null || true
	wait "$pid" || true
done
pids=
echo
./dgrid status
echo
./dgrid nodes
cat <<EOF

Every step is a commit:   git --git-dir=build/demo/grid.git log --stat main
A task as recorded:       ./dgrid --repo build/demo/grid.git show times-out
One of your own:          ./dgrid --repo build/demo/grid.git submit --id mine -- 'echo hello'
and a worker to run it:   ./dgrid --repo build/demo/grid.git worker --engine $engine --once
EOF
