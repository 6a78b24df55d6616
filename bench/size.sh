#!/usr/bin/env bash
# What a grid's repository grows by, a task: docs/OPERATIONS.md has the figures.   bench/size.sh [TASKS]
# Tasks come ten at a time while a worker (bubblewrap) runs them; sizes are those of the bare repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dgrid=$PWD/dgrid tasks=${1:-200}
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-size.XXXXXX")
worker=''
cleanup() {
	if [[ -n $worker ]] && kill "$worker" 2>/dev/null; then wait "$worker" || true; fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
size() { du -sk "$work/grid.git" | cut -f 1; }

measure() { # NAME SLOTS SCRIPT
	local n before loose packed start=1
	rm -rf "${work:?}"/*
	export DGRID_REPO_URL=$work/grid.git
	"$dgrid" init "$work/grid.git" >/dev/null 2>&1
	git --git-dir="$work/grid.git" config receive.autogc false
	before=$(size)
	"$dgrid" worker --engine bwrap --slots "$2" --work-dir "$work/worker" >/dev/null 2>"$work/log" &
	worker=$!
	while ((start <= tasks)); do
		for ((n = start; n < start + 10 && n <= tasks; n++)); do
			jq -n --arg id "t-$n" --arg script "$3" '{task_id: $id, script: $script, timeout_seconds: 30}' >"$work/t-$n.json"
		done
		"$dgrid" submit "$work"/t-*.json >/dev/null
		rm "$work"/t-*.json
		start=$n
	done
	until "$dgrid" status --json | jq -e '.counts | .queue + .in_progress == 0' >/dev/null; do sleep 0.5; done
	kill "$worker"
	wait "$worker" || true
	worker=''
	loose=$(size)
	git --git-dir="$work/grid.git" gc -q --prune=now
	packed=$(size)
	printf '%-34s %6d %8d %10.1f %10.1f\n' "$1" "$tasks" "$(git --git-dir="$work/grid.git" rev-list --count main)" \
		"$(jq -n "($loose - $before) / $tasks")" "$(jq -n "($packed - $before) / $tasks")"
}
printf '%-34s %6s %8s %10s %10s\n' '' tasks commits 'KB loose' 'KB packed'
measure 'a line of output, 16 slots' 16 'echo done'
measure 'a line of output, 1 slot' 1 'echo done'
measure '10 KB that do not compress' 16 'head -c 7500 /dev/urandom | base64'
