#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The verbs that look: status, nodes, show, logs, why; at any commit; and never a stranger's escape sequence.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

once() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"; }
json() { python3 -c "import json,sys; o=json.load(sys.stdin); print($1)" <<<"$output"; }

@test "an empty grid says what to do first" {
	run -0 "$DGRID" status
	[[ "$output" == *"no task yet: dgrid submit"* ]]
	run -0 "$DGRID" nodes
	[[ "$output" == *"no node yet: dgrid worker"* ]]
	git init -q --bare -b main "$T/bare.git"
	run -66 "$DGRID" --repo "$T/bare.git" status
	[[ "$output" == *"dgrid init"* ]]
	run -64 env -u DGRID_REPO_URL "$DGRID" status
	[[ "$output" == *DGRID_REPO_URL* ]]
}

@test "who waits for what nobody can run is told after a while where to look" {
	"$DGRID" submit --id waits --label gpu -- true
	"$DGRID" wait waits 2>"$T/said" 3>&- &
	waiter=$!
	wait_until 30 grep -q 'none of these runs yet; dgrid why waits says why' "$T/said"
	"$DGRID" cancel waits
	wait "$waiter" && false || [ $? -eq 3 ]
	[ "$(grep -c 'none of these' "$T/said")" = 1 ]
}

@test "wait --exec runs a command once, when all have ended, and tells it how; its failure is one" {
	"$DGRID" submit --id good -- true
	"$DGRID" submit --id bad -- 'exit 3'
	once
	run -1 --separate-stderr "$DGRID" wait --exec 'echo "code $DGRID_EXIT_CODE"; cat; echo said >&2' good bad
	[ "$output" = $'code 1\ngood success\nbad failed' ]
	[[ "$stderr" == said*"1 of 2 did not succeed: bad (failed)"* ]]
	run -0 "$DGRID" wait --exec 'read -r id how && [ "$id $how $DGRID_EXIT_CODE" = "good success 0" ]' good
	run -69 "$DGRID" wait --exec 'exit 7' good
	[[ "$output" == *"--exec: the command ended with exit code 7"* ]]
	run -1 "$DGRID" wait --exec 'exit 7' bad
	[[ "$output" == *"the command ended with exit code 7"*"bad did not succeed: failed"* ]]
	"$DGRID" submit --id waits --label gpu -- true
	run -75 "$DGRID" wait --timeout 1 --exec 'echo it ran' waits
	[[ "$output" != *"it ran"* ]]
	run -64 "$DGRID" wait --exec
}

@test "why says from when on others may have the task of a node that is gone" {
	at() { date -u -d "$1 seconds" +%Y-%m-%dT%H:%M:%SZ; }
	gone() { # SECONDS: since the last sign of life, and a lease that ran out half as long ago
		rm -rf "$T/c"
		tgit clone -q "$ORIGIN" "$T/c"
		seen=$(at -"$1") lease=$(at -$(($1 / 2)))
		mkdir -p "$T/c/nodes" "$T/c/tasks/in_progress"
		printf '{"schema": 1, "orphan_after_seconds": 10, "max_clock_skew_seconds": 60}' >"$T/c/grid.json"
		printf '{"node_id": "n1", "status": "active", "last_heartbeat": "%s", "next_due": "%s"}' "$seen" "$(at -$(($1 - 3)))" >"$T/c/nodes/n1.json"
		printf '{"task_id": "t", "script": "true", "timeout_seconds": 20, "claim": {"node": "n1", "attempt": 1, "nonce": "0", "claimed_at": "%s", "lease_until": "%s"}}' \
			"$(at -600)" "$lease" >"$T/c/tasks/in_progress/t.json"
		tgit -C "$T/c" add -A
		tgit -C "$T/c" commit -qm gone
		tgit -C "$T/c" push -q origin HEAD:main
		beat=$(tgit -C "$ORIGIN" commit-tree -m "$(git -C "$ORIGIN" show main:nodes/n1.json)" "$(git -C "$ORIGIN" mktree </dev/null)")
		git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/n1 "$beat"
		run -0 "$DGRID" why t
	}
	gone 40
	[[ "$output" == *"node n1 has sent no heartbeat since $seen: unless it does, any idle node or dgrid heal requeues it from $(date -u -d "$seen 70 seconds" +%FT%TZ) on, 60 s of max_clock_skew_seconds included"* ]]
	[[ "$output" == *"its lease expired at $lease, and any idle node or dgrid heal requeues it from $(date -u -d "$lease 60 seconds" +%FT%TZ) on, 60 s of max_clock_skew_seconds included"* ]]
	run -0 "$DGRID" heal --dry-run
	[[ "$output" == *"no orphans"* ]]
	gone 160
	[[ "$output" == *"node n1 has sent no heartbeat since $seen: the task is requeued by any idle node or dgrid heal"* ]]
	[[ "$output" == *"its lease expired at $lease: it is requeued by any idle node or dgrid heal"* && "$output" != *max_clock_skew* ]]
	git -C "$ORIGIN" update-ref -d refs/dgrid/heartbeats/n1
	run -0 "$DGRID" why t
	[[ "$output" == *"node n1 has pushed nothing since $seen, and its heartbeat is not at the remote, so the lease decides"* ]]
}

@test "status, nodes, show and logs, as text and as JSON" {
	"$DGRID" submit --id good --description 'says hello' -- 'echo hello; echo oops >&2'
	"$DGRID" submit --id bad -- 'exit 3'
	"$DGRID" submit --id waits --label gpu -- true
	once
	run -0 "$DGRID" status
	[[ "$output" == *"1 queued, 0 running, 1 completed, 1 failed"* && "$output" == *hello* ]]
	run -0 "$DGRID" status --json
	[ "$(json 'o["schema"], o["counts"]["completed"], sorted(t["task_id"] for t in o["tasks"])')" = "1 1 ['bad', 'good', 'waits']" ]
	[ "$(json 'o["throughput"]["finished"], o["throughput"]["seconds"], o["throughput"]["oldest_queued_seconds"] >= 0')" = "2 600 True" ]
	run -0 "$DGRID" nodes --json
	[ "$(json 'o["nodes"][0]["node_id"], o["nodes"][0]["state"], o["nodes"][0]["engine"]')" = "n1 left bwrap" ]
	[ "$(json 'all(o["nodes"][0][k] for k in ("cpu_count", "memory_mb", "disk_gb", "os", "arch", "dgrid_version", "engine_version"))')" = True ]
	run -0 "$DGRID" show good
	[[ "$output" == *"says hello"*"success"*"stdout, 6 bytes"*hello*"stderr"*oops* ]]
	run -0 "$DGRID" show --json good
	[ "$(json 'o["state"], o["result"]["exit_code"]')" = "completed 0" ]
	run -0 "$DGRID" logs --json good
	[ "$(json 'o["stdout"].strip(), o["stderr"].strip()')" = "hello oops" ]
	run -66 "$DGRID" show nobody
	run -75 "$DGRID" logs waits
	run -64 "$DGRID" show
	run -64 "$DGRID" status --frobnicate
}

@test "--at shows the grid as it was" {
	"$DGRID" submit --id one -- true
	run -0 "$DGRID" status --at main --json
	before=$(json 'o["commit"]')
	once
	run -0 "$DGRID" status --at "$before" --json
	[ "$(json 'o["counts"]["queue"], o["counts"]["completed"]')" = "1 0" ]
	run -0 "$DGRID" show --at "$before" one
	[[ "$output" == *"state       queue"* ]]
	run -66 "$DGRID" status --at 2001-01-01
	run -64 "$DGRID" status --at --help-me-not
}

@test "a clone stands for its origin, -C and the current folder too; over HTTP through a cache" {
	"$DGRID" submit --id one -- true
	tgit clone -q "$ORIGIN" "$T/clone"
	unset DGRID_REPO_URL
	run -0 "$DGRID" -C "$T/clone" status
	[[ "$output" == *"1 queued"* ]]
	cd "$T/clone"
	run -0 "$DGRID" status
	[[ "$output" == *"1 queued"* ]]
	"$DGRID" submit --id two -- true
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	for _ in 1 2; do
		run -0 "$DGRID" --repo "$HTTP_URL" status
		[[ "$output" == *"2 queued"* ]]
	done
	run -0 "$DGRID" --repo "$HTTP_URL" status --at main~1
	[[ "$output" == *"1 queued"* ]]
	run -1 grep -rlF -- "$GIT_TOKEN" "$HOME"
}

@test "why: nobody alive, labels, all slots busy, what goes first, running, ended, invalid" {
	"$DGRID" submit --id plain --priority 1 -- 'echo x'
	run -0 "$DGRID" why plain
	[[ "$output" == *"no node has ever joined"* ]]
	"$DGRID" submit --id gpu --label gpu --label big -- true
	"$DGRID" submit --id busy --timeout 60 --priority 9 -- 'sleep 30'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1" --labels big
	wait_until 20 ledger_has in_progress busy
	run -0 "$DGRID" why gpu
	[[ "$output" == *"node n1 lacks the label gpu"* ]]
	wait_until 20 sh -c '"$1" why plain | grep -q "all 1 slots of node n1 are busy"' sh "$DGRID"
	run -0 "$DGRID" why plain
	[[ "$output" == *"1 queued task comes before it"* ]]
	run -0 "$DGRID" why --json busy
	[ "$(json 'o["state"], o["reasons"][0]["code"]')" = "in_progress running" ]
	"$DGRID" cancel busy
	wait_until 20 ledger_has failed busy
	run -0 "$DGRID" why busy
	[[ "$output" == *cancelled*"dgrid retry busy"* ]]
	run -66 "$DGRID" why nobody
}

@test "hostile text in tasks and nodes reaches no terminal" {
	tgit clone -q "$ORIGIN" "$T/c"
	printf '{"task_id":"evil","result":{"status":"\\u001b[31mred","node":"\\u001b]0;title\\u0007","stdout":"\\u001b[2Jgone","reason":"\\u009b"},"description":"\\u001b[2J"}' >"$T/c/tasks/failed/evil.json"
	printf '{"node_id":"evil","status":"\\u001b[2J","labels":["\\u001b[2J"],"engine":"\\u001b[2J","slots":"x"}' >"$T/c/nodes/evil.json"
	echo '{"task_id":' >"$T/c/tasks/queue/broken.json"
	echo '[1]' >"$T/c/nodes/list.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm evil
	tgit -C "$T/c" push -q origin HEAD:main
	for verb in status nodes 'show evil' 'why evil' 'why broken'; do
		# shellcheck disable=SC2086 # verb and its operand
		run -0 "$DGRID" $verb
		[[ "$output" != *$'\033'* && "$output" != *$'\007'* && "$output" != *$'\302\233'* ]]
	done
	run -65 "$DGRID" show broken
	[[ "$output" == *"tasks/queue/broken.json:"*:* ]]
}

@test "a ledger of the well-known attempt can be read" {
	tgit clone -q "$ORIGIN" "$T/c"
	cd "$T/c"
	echo '{"node_id":"old","node_name":"old","cpu_count":2,"memory_gb":4,"disk_gb":10,"last_heartbeat":"2024-01-01T00:00:00","status":"active"}' >nodes/old.json
	echo '{"task_id":"run","script":"x","timeout_seconds":10}' >tasks/in_progress/old-run.json
	echo '{"task_id":"done","script":"x","timeout_seconds":10}' >tasks/completed/done.json
	echo 'its output' >tasks/completed/done.json.log
	tgit add -A
	tgit commit -qm old
	tgit push -q origin HEAD:main
	run -0 "$DGRID" logs "done"
	[ "$output" = 'its output' ]
	run -0 "$DGRID" show run
	[[ "$output" == *in_progress* ]]
	run -0 "$DGRID" nodes
	[[ "$output" == *old*silent* ]]
	run -0 "$DGRID" status
	run -0 "$DGRID" why run
}

# Documents into the ledger, in one commit: PATH TEXT ...
put() {
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	while (($#)); do
		mkdir -p "$T/c/$(dirname "$1")"
		printf '%s\n' "$2" >"$T/c/$1"
		shift 2
	done
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm documents
	tgit -C "$T/c" push -q origin HEAD:main
}

@test "what failed says why in status and show: its last words, how each attempt ended, who queued it again" {
	long=$(printf 'x%.0s' {1..3000})
	put tasks/failed/full.json '{"task_id": "full", "script": "true", "timeout_seconds": 10, "env": {"LONG": "'"$long"'"},
		"attempts": [{"node": "n1", "claimed_at": "2026-11-24T09:00:00Z", "ended_at": "2026-11-24T09:01:00Z", "outcome": "failed", "exit_code": 7,
		"stderr_tail": "starting\ntar: No space left on device\n"},
		{"node": "n2", "claimed_at": "2026-11-24T09:02:00Z", "outcome": "failed", "exit_code": 137, "signal": 9},
		{"ended_at": "2026-11-24T10:00:00Z", "outcome": "retried", "by": "maria"}],
		"result": {"status": "failed", "exit_code": 2, "node": "n1", "stdout": "first line of stdout\n", "stderr": "warning\nNo space left on device\n",
		"finished_at": "2026-11-24T11:00:00Z"}}' \
		tasks/failed/late.json '{"task_id": "late", "script": "true", "timeout_seconds": 10,
		"result": {"status": "lost", "reason": "no sign of life", "finished_at": "2026-11-24T11:00:00Z"}}' \
		tasks/completed/good.json '{"task_id": "good", "script": "true", "timeout_seconds": 10,
		"result": {"status": "success", "stdout": "42\n", "stderr": "a warning\n", "finished_at": "2026-11-24T11:00:00Z"}}'
	run -0 "$DGRID" status
	grep -q '^full .* No space left on device$' <<<"$output"
	grep -q '^late .* no sign of life$' <<<"$output"
	grep -q '^good .* 42$' <<<"$output"
	run -0 "$DGRID" status --json
	[ "$(json '[t.get("reason") for t in o["tasks"] if t["task_id"] == "late"]')" = "['no sign of life']" ]
	run -0 "$DGRID" show full
	grep -qE '2026-11-24T09:00:00Z +n1 +failed +exit code 7: tar: No space left on device$' <<<"$output"
	grep -qE '2026-11-24T09:02:00Z +n2 +failed +signal 9$' <<<"$output"
	grep -qE '2026-11-24T10:00:00Z +- +retried +queued again by maria$' <<<"$output"
	# What is long is cut, and whole as JSON.
	[ "$(awk 'length > m { m = length } END { print m }' <<<"$output")" -lt 300 ]
	"$DGRID" show --json full | grep -q "$long"
}

@test "why counts as nodes choose, names labels as a worker takes them, and knows what has moved already" {
	task() { printf '{"task_id": "%s", "script": "true", "timeout_seconds": 10, "created_at": "2026-11-24T09:00:0%sZ", "labels": ["a", "b"]}' "$1" "$2"; }
	put tasks/queue/one.json "$(task one 0)" tasks/queue/three.json "$(task three 0)" tasks/queue/two.json "$(task two 0)" \
		tasks/queue/older.json '{"task_id": "older", "script": "true", "timeout_seconds": 10}' tasks/queue/younger.json "$(task younger 1)" \
		tasks/failed/odd.json '[]' nodes/n1.json "{\"node_id\": \"n1\", \"status\": \"active\", \"slots\": 1, \"last_heartbeat\": \"$(date -u +%FT%TZ)\"}"
	for expect in older:0 one:1 three:2 two:3 younger:4; do
		run -0 "$DGRID" why "${expect%:*}"
		n=$(sed -n -E 's/^ +([0-9]+) queued tasks? comes? before it.*/\1/p' <<<"$output")
		[ "${n:-0}" = "${expect#*:}" ]
	done
	[[ "$output" == *"dgrid worker --labels a,b"* ]]
	run -0 "$DGRID" why odd
	[[ "$output" == *"odd is in failed"* && "$output" != *"the next worker"* ]]
}

@test "logs of an output whose middle was not kept say so on stderr, and put nothing into the output" {
	put grid.json '{"schema": 1, "output_limit_bytes": 2000, "min_timeout_seconds": 1}'
	"$DGRID" submit --id rows -- 'i=10000; while [ $i -lt 11000 ]; do echo $i,row; i=$((i + 1)); done'
	once
	run -0 --separate-stderr "$DGRID" logs rows
	[ "$(sort -u <<<"$output" | grep -cvE '^[0-9]{5},row$')" -le 1 ] # where they meet a line may be half
	[[ "$output" == 10000,row*10999,row ]]
	[[ "$output" != *"left out"* ]]
	[ "$stderr" = "dgrid: stdout is not whole: bytes 1001 to 9000 of 10000 were not kept" ]
	run -0 --separate-stderr "$DGRID" logs -f rows
	[[ "$output" != *"left out"* && "$stderr" == *"bytes 1001 to 9000 of 10000 were not kept"* ]]
}

@test "names from other programs are understood: verbs, fields, a command without --" {
	for pair in ls:status ps:status run:submit rm:cancel restart:retry; do
		run -64 "$DGRID" "${pair%:*}"
		[[ "$output" == *"did you mean dgrid ${pair#*:}?"* ]]
	done
	run -66 "$DGRID" submit echo hi
	[[ "$output" == *"there is no task file 'echo' (a command goes after --: dgrid submit -- echo hi)"* ]]
	printf '{"task_id": "a", "script": "true", "timeout": 10, "mem": 64, "tags": ["gpu"]}' >a.json
	run -65 "$DGRID" validate a.json
	for pair in timeout:timeout_seconds mem:memory_mb tags:labels; do
		[[ "$output" == *": ${pair%:*}: unknown field (expected \"${pair#*:}\"?"* ]]
	done
}
