#!/usr/bin/env bash
# A whole grid on this machine: a bare repository in build/demo, three workers, a dozen tasks that they race for.
# DGRID_DEMO_ENGINE=docker|podman|bwrap chooses the engine (default: the first that can run a task here).
set -eu
cd "$(dirname "$0")/.."
demo=build/demo
rm -rf "$demo"
mkdir -p "$demo"
export DGRID_REPO_URL="$PWD/$demo/grid.git"
workers=()
stop() {
	for pid in "${workers[@]}"; do kill "$pid" 2>/dev/null || true; done
	for pid in "${workers[@]}"; do wait "$pid" || true; done
	workers=()
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Docker and Podman need the grid's image; where it is neither here nor to be had, bubblewrap runs the scripts.
can_run() { # ENGINE
	"$1" version >/dev/null 2>&1 || return 1
	"$1" image inspect alpine:3.22 >/dev/null 2>&1 || timeout 60 "$1" pull --quiet alpine:3.22 >/dev/null 2>&1
}
engine=${DGRID_DEMO_ENGINE:-}
why=
for candidate in docker podman; do
	[ -z "$engine" ] || break
	if ! command -v "$candidate" >/dev/null; then
		why="$why $candidate is not installed;"
	elif can_run "$candidate"; then
		engine=$candidate
	else
		why="$why $candidate does not answer or cannot get alpine:3.22;"
	fi
done
if [ -z "$engine" ]; then
	engine=bwrap
	echo "Sandboxes by bubblewrap, because:${why%;}."
else
	echo "Sandboxes by $engine."
fi

./dgrid init "$demo/grid.git"
for n in 1 2 3; do
	LOG_FILE=$demo/worker-$n.log ./dgrid worker --node-id "demo-$n" --slots 2 --engine "$engine" \
		--work-dir "$demo/worker-$n" 2>/dev/null &
	workers+=($!)
done
ready() { # all three have joined
	for n in 1 2 3; do git --git-dir="$demo/grid.git" cat-file -e "main:nodes/demo-$n.json" 2>/dev/null || return 1; done
}
tries=0
until ready; do
	tries=$((tries + 1))
	if [ "$tries" -gt 300 ]; then
		cat "$demo"/worker-*.log >&2
		exit 69
	fi
	sleep 0.1
done
echo "Three workers with two slots each have joined; a dozen tasks from examples/ are queued:"
./dgrid submit examples/*.json >"$demo/ids"
mapfile -t ids <"$demo/ids"
code=0
./dgrid wait --timeout 120 "${ids[@]}" || code=$?
if [ "$code" -gt 3 ]; then
	cat "$demo"/worker-*.log >&2
	exit "$code"
fi
stop
echo "(Three of them are meant not to: one fails, one never ends, one is a fork bomb.)"
echo
./dgrid status
echo
./dgrid nodes
echo
./dgrid dashboard -o "$demo/site" --title 'dgrid demo' >/dev/null
echo "The dashboard, for a browser: file://$PWD/$demo/site/index.html"
cat <<EOF

What to try next                                        in this folder, with
                                                        export DGRID_REPO_URL=$demo/grid.git
  see one task, script, attempts and output             ./dgrid show times-out
  see every step: who claimed what, and what came of it git --git-dir=$demo/grid.git log --stat main
  see the grid as it was three commits ago              ./dgrid status --at main~3
  submit a task of your own                             ./dgrid submit --id mine -- 'echo hello'
  ask why it does not run                               ./dgrid why mine
  run it, and see what it printed                       ./dgrid worker --engine $engine --once && ./dgrid logs mine
  write the dashboard anew                              ./dgrid dashboard -o $demo/site --title 'dgrid demo'
EOF
