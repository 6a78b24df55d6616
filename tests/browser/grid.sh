#!/usr/bin/env bash
# shellcheck disable=SC2016 # scripts are for the sandbox's shell
# grid.sh FOLDER: a real grid in FOLDER/grid.git for the dashboard to show: workers with different clocks (libfaketime)
# make a day of history in half a minute, one is killed with its tasks, one runs while we look. Writes FOLDER/pids.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=$1 lib=
DGRID=${DGRID:-$PWD/dgrid}
mkdir -p "$out"
out=$(cd "$out" && pwd)
export DGRID_REPO_URL=$out/grid.git GIT_CONFIG_NOSYSTEM=1 HOME=$out XDG_CACHE_HOME=$out/cache
: >"$out/pids"
for f in /usr/lib/*/faketime/libfaketime.so.1 /usr/lib/faketime/libfaketime.so.1 /usr/lib/libfaketime.so.1; do
	[ ! -f "$f" ] || lib=$f
done
[ -n "$lib" ] || {
	echo "libfaketime.so.1 was not found" >&2
	exit 69
}
at() { # MINUTES-AGO COMMAND...
	local ago=$1
	shift
	env LD_PRELOAD="$lib" FAKETIME="-${ago}m" DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_FAKE_MONOTONIC=1 "$@"
}
# The command of a worker, in argv; at() and & take it from there.
worker() { # NODE ARGUMENTS...
	local node=$1
	shift
	argv=(env "LOG_FILE=$out/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$out/$node" "$@")
}
start() { # NODE ARGUMENTS...
	worker "$@"
	"${argv[@]}" >/dev/null 2>&1 </dev/null &
	echo $! >>"$out/pids"
}
task() { # ID DESCRIPTION SCRIPT [ARGUMENTS...]
	local id=$1 text=$2 script=$3
	shift 3
	"$DGRID" submit --id "$id" --description "$text" --timeout 60 "$@" -- "$script" >/dev/null
}
git init -q --bare -b main "$out/grid.git"
at 1500 "$DGRID" init "$out/grid.git" >/dev/null
rm -rf "$out/clone"
git clone -q "$out/grid.git" "$out/clone"
cat >"$out/clone/grid.json" <<'JSON'
{
  "schema": 1,
  "title": "Weather maps",
  "links": [{"text": "Runbook", "url": "https://example.org/runbook"}],
  "orphan_after_seconds": 5,
  "heartbeat_seconds": 2,
  "max_clock_skew_seconds": 5,
  "lease_seconds": 60
}
JSON
git -C "$out/clone" add -A
at 1500 git -C "$out/clone" -c user.name=ada -c user.email=ada@example.invalid commit -qm 'the grid has a name'
git -C "$out/clone" push -q origin HEAD:main
rm -rf "$out/clone"

# The day so far: a batch every three hours.
nodes=(atlas borealis cygnus)
kinds=('tile:One tile of the map:sleep 0.3; echo tile drawn' 'index:Index the day:seq 2000 | sha256sum'
	'report:The numbers of the day:echo $((6 * 7)) numbers' 'thumbs:Small pictures:sleep 0.2; echo 48 thumbnails'
	'lint:Look over the sources:echo "3 warnings" >&2; exit 1' 'backup:Copy to the archive:head -c 40000 /dev/urandom | od -An -tx1')
n=0
for ago in 1400 1230 1060 900 720 550 380 210 40; do
	count=$((ago / 10 % 9 + 4))
	mkdir -p "$out/batch"
	rm -f "$out"/batch/*.json
	for ((i = 0; i < count; i++)); do
		IFS=: read -r kind text script <<<"${kinds[(n + ago) % ${#kinds[@]}]}"
		[[ $kind != lint || $((n % 12)) == 0 ]] || { kind=tile text='One tile of the map' script='echo tile drawn'; }
		python3 - "$out/batch" "$kind-$((100 + n))" "$text" "$script" "$ago" <<-'PY'
			import json, sys, time
			folder, name, text, script, ago = sys.argv[1:]
			made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - int(ago) * 60))
			json.dump({"task_id": name, "script": script, "timeout_seconds": 60,
			           "description": text, "created_at": made, "submitted_by": "ada"}, open(f"{folder}/{name}.json", "w"))
		PY
		n=$((n + 1))
	done
	at "$ago" "$DGRID" submit "$out"/batch/*.json >/dev/null
	worker "${nodes[n % 3]}" --slots 4 --labels maps --once
	at "$((ago - ago / 10 % 7 - 1))" "${argv[@]}" 2>/dev/null
done
# A node that dies with a task on it, and the task's second attempt.
task wind-model 'The wind of tomorrow' 'sleep 3; echo the wind turns south-west'
worker draco --slots 1
setsid "${argv[@]}" >/dev/null 2>&1 </dev/null &
leader=$!
end() { git --git-dir="$out/grid.git" cat-file -e "main:tasks/$1/$2.json" 2>/dev/null; }
for _ in $(seq 300); do
	if end in_progress wind-model; then break; fi
	sleep 0.1
done
kill -KILL -- "-$leader"
wait "$leader" 2>/dev/null || true
# What runs, waits and fails while we look.
start atlas --slots 4 --labels maps,gpu
start borealis --slots 2 --labels maps
task snow-cover 'From the pictures of the morning' 'sleep 0.5; echo 12 % of the land is under snow'
task radar-feed 'The radar of the coast' 'wget -q -T 1 http://radar.example/ || { echo "radar.example: no route to host" >&2; exit 4; }'
task too-long 'Runs into its limit' 'echo step 1; sleep 30' --timeout 10
task no-tool 'Wants what is not there' 'ncview today.nc'
task loop 'Prints far too much' 'i=0; while [ $i -lt 3000 ]; do echo line $i of a chatty task; i=$((i + 1)); done'
for _ in $(seq 300); do
	if end completed wind-model && end completed loop && end failed too-long && end failed no-tool; then break; fi
	sleep 0.1
done
end completed wind-model && end failed too-long
task ice-drift 'A long run' 'echo the ice drifts; sleep 55; echo drifted' --priority 9
task sea-level 'A long run too' 'sleep 50; echo 3 mm'
task clouds 'Waits for a node with a big disk' 'echo clouds' --label big-disk --group weather
task sunrise 'To be looked at first' 'echo 07:41' --unapproved
for _ in $(seq 100); do
	if end in_progress ice-drift && end in_progress sea-level; then break; fi
	sleep 0.1
done
end in_progress ice-drift
for _ in $(seq 100); do
	if git --git-dir="$out/grid.git" for-each-ref '--format=%(contents)' refs/dgrid/tails | grep -q 'the ice drifts'; then break; fi
	sleep 0.1
done
