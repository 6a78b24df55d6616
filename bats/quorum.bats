#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# Tasks that several nodes run until enough of them have found the same: real workers, real sandboxes. A liar is a node
# whose bwrap says something more.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

submit() { # ID SCRIPT [MEMBERS]
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 30%s}\n' "$1" "$2" "${3-, \"replicas\": 3}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}
once() { # NODE [OPTIONS]: all that it can do now
	local node=$1
	shift
	"$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" --once "$@" 2>>"$T/$node.log"
}
worker() { # NODE [OPTIONS]: in the background
	local node=$1
	shift
	spawn "$T/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" "$@"
	wait_until 20 grep -q "node $node: engine" "$T/$node.log"
}
liar() { # NODE
	local real
	mkdir -p "$T/liar"
	# root runs bwrap as another user; a probe says ready
	chmod a+x "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$(dirname "$T")" "$T" 2>/dev/null || true
	real=$(command -v bwrap)
	printf '#!/bin/sh\nPATH=%s\ncase "$*" in *ready* | --version) ;; *) echo "and more" ;; esac\nexec "%s" "$@"\n' \
		"$PATH" "$real" >"$T/liar/bwrap"
	chmod +x "$T/liar/bwrap"
	PATH=$T/liar:$PATH once "$@"
}
field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}
outliers() { # NODE: as nodes --json has it
	"$DGRID" nodes --json | python3 -c 'import json,sys; print([n["outliers"] for n in json.load(sys.stdin)["nodes"] if n["node_id"] == sys.argv[1]][0])' "$1"
}
subjects() { git -C "$ORIGIN" log --reverse --format=%s main; }

# Each of these histories keeps every rule.
audited() {
	run -0 "$DGRID" audit
	[[ "$output" == *"no violation"* ]] || { echo "$output"; false; }
}

@test "two of three nodes agree, and that is enough; a vote shows nothing of what it found" {
	submit sum 'echo 42; echo note >&2'
	run -0 "$DGRID" why sum
	[[ "$output" == *"up to 3 nodes run it, 2 must find the same"*"at least 2 more nodes are needed"* ]]
	once n1
	# The vote: the claim's fields, and of the run only these.
	[ "$(field queue sum 't["attempts"][0]["outcome"], sorted(t["attempts"][0])')" = "voted ['attempt', 'claimed_at', 'commitment', 'duration_ms', 'ended_at', 'engine', 'image_digest', 'lease_until', 'node', 'nonce', 'outcome', 'quorum', 'replicas']" ]
	[ "$(subjects | grep -c '^n1: vote sum$')" = 1 ]
	# Nor does anything else that the node says tell how it ended.
	[ "$(git -C "$ORIGIN" show main:nodes/n1.json | python3 -c 'import json,sys; n=json.load(sys.stdin); print(n["tasks_completed"], n["tasks_failed"], n["tasks_voted"])')" = "0 0 1" ]
	run ! grep -E 'exit_code|"stdout|"stderr|success|'"$(printf '42\n' | sha256sum | cut -c 1-64)" <(git -C "$ORIGIN" log -p main -- tasks nodes)
	# It waits for another node, and says so; the same node does not take it again.
	once n1
	[ "$(subjects | grep -c 'claim sum')" = 1 ]
	run -0 "$DGRID" why sum
	[[ "$output" == *"1 of 3 nodes has voted (n1), 2 must find the same: it waits for another node"*"at least 1 more node is needed"* ]]
	run -0 "$DGRID" status
	[[ "$output" == *"1 queued task waits for a quorum: 1 more node is needed"*"voted 1/3"* ]]
	run -0 "$DGRID" status --json
	[ "$(python3 -c 'import json,sys; t=json.loads(sys.argv[1])["tasks"][0]; print(t["replicas"], t["quorum"], t["votes"], t["nodes_missing"])' "$output")" = "3 2 1 1" ]
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"warn  quorum"*"1 queued task waits for other nodes to find the same: at least 1 more needed"* ]]
	run -75 "$DGRID" logs sum
	[[ "$output" == *"no output yet, for votes show none"* ]]
	run -0 "$DGRID" metrics
	[[ "$output" == *$'\ndgrid_tasks_short_of_nodes 1\n'* ]]
	once n2
	run -0 "$DGRID" wait sum
	[ "$(field completed sum 't["result"]["quorum"] == {"replicas": 3, "quorum": 2, "agreed": ["n1", "n2"], "outliers": []}, [a["outcome"] for a in t["attempts"]], t["result"]["attempt"]')" = "True ['voted', 'success'] 1" ]
	[ "$("$DGRID" logs sum 2>/dev/null)" = 42 ]
	# What n1 had committed to is what n2 found: worked out from docs/TASK_FORMAT.md alone.
	ledger_json completed sum >"$T/sum"
	python3 - "$T/sum" <<-'PY'
		import hashlib, json, sys
		t = json.load(open(sys.argv[1]))
		v, r = t["attempts"][0], t["result"]
		assert r["stdout_sha256"] == hashlib.sha256(b"42\n").hexdigest()
		words = ["dgrid-vote", v["node"], v["nonce"], "success", "0", "-", hashlib.sha256(b"42\n").hexdigest(), hashlib.sha256(b"note\n").hexdigest()]
		assert v["commitment"] == hashlib.sha256("".join(w + "\n" for w in words).encode()).hexdigest()
	PY
	# The third is not asked.
	once n3
	[ "$(subjects | grep -c 'claim sum')" = 2 ]
	run -0 "$DGRID" show sum
	[[ "$output" == *"agreed      n1, n2"* ]]
	audited
}

@test "a liar is the outlier, and stays counted through retry and archive" {
	submit honest 'echo 42'
	once n1
	liar n2
	[ "$(field queue honest 'len(t["attempts"])')" = 2 ]
	once n3
	[ "$(field completed honest 't["result"]["stdout"].strip(), t["result"]["quorum"]["agreed"], t["result"]["quorum"]["outliers"]')" = "42 ['n1', 'n3'] ['n2']" ]
	[ "$(outliers n1) $(outliers n2) $(outliers n3)" = "0 1 0" ]
	run -0 "$DGRID" nodes
	[[ "${lines[0]}" == *"VOTED"*"OUTLIER"* ]]
	run -0 "$DGRID" why honest
	[[ "$output" == *"n1, n3 found the same; something else: n2"* ]]
	run -0 "$DGRID" show honest
	[[ "$output" == *"outliers    n2"* ]]
	run -0 "$DGRID" metrics
	[[ "$output" == *'dgrid_node_outliers_total{node="n2"} 1'* && "$output" == *'dgrid_node_tasks_finished_total{node="n2",outcome="voted"} 1'* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q '"id":"n2"[^}]*"voted":1,"outliers":1' "$T/site/index.html"
	grep -q 'something else was found by n2' "$T/site/index.html"
	grep -q 'Found something else</dt><dd>n2<' "$T/site/t/honest.html"
	# Queued again by hand its votes begin anew.
	"$DGRID" retry --force honest
	[ "$(field queue honest 'len(t["attempts"]), t["attempts"][3]["outliers"], "result" in t')" = "4 ['n2'] False" ]
	[ "$(outliers n2)" = 1 ]
	once n1
	[ "$(field queue honest 't["attempts"][4]["node"], t["attempts"][4]["outcome"]')" = "n1 voted" ]
	liar n2
	once n3
	[ "$(outliers n1) $(outliers n2) $(outliers n3)" = "0 2 0" ]
	# What is archived stays counted.
	grid_settings '"keep_finished": 1'
	submit last true ''
	once n1
	run -0 "$DGRID" maintain
	[[ "$output" == *"archived 1 task"* ]]
	[ "$(git -C "$ORIGIN" show main:tasks/archive.json | python3 -c 'import json,sys; print(json.load(sys.stdin)["outliers"])')" = "{'n2': 2}" ]
	[ "$(outliers n1) $(outliers n2) $(outliers n3)" = "0 2 0" ]
	run -0 "$DGRID" metrics
	[[ "$output" == *'dgrid_node_outliers_total{node="n2"} 2'* ]]
	audited
}

@test "all differ: disputed, which is a failure; equal failures are a failure with its exit code" {
	submit odd 'od -An -N8 -tx1 /dev/urandom'
	submit fails 'echo why >&2; exit 3'
	once n1 --slots 2
	once n2 --slots 2
	[ "$(field failed fails 't["result"]["status"], t["result"]["exit_code"], t["result"]["quorum"]["agreed"]')" = "failed 3 ['n1', 'n2']" ]
	[ "$(field queue odd '[a["outcome"] for a in t["attempts"]]')" = "['voted', 'voted']" ]
	once n3 --slots 2
	[ "$(field failed odd 't["result"]["status"], t["result"]["exit_code"], t["result"]["quorum"] == {"replicas": 3, "quorum": 2, "agreed": [], "outliers": [], "status": "success"}, t["attempts"][2]["outcome"]')" = "disputed 0 True disputed" ]
	[ "$(subjects | grep -c '^n3: disputed odd$')" = 1 ]
	run -1 "$DGRID" wait odd
	run -0 "$DGRID" why odd
	[[ "$output" == *"disputed, 3 nodes ran it, and no 2 of them found the same"* ]]
	run -0 "$DGRID" status
	[[ "$output" == *disputed* ]]
	run -0 "$DGRID" metrics --atom
	[[ "$output" == *"<title>odd: disputed"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q 'badge s-disputed' "$T/site/t/odd.html"
	[ "$(outliers n1) $(outliers n2) $(outliers n3)" = "0 0 0" ]
	# Whoever has voted may do so again after a retry.
	"$DGRID" retry --force odd
	once n1
	[ "$(field queue odd '[a["outcome"] for a in t["attempts"]]')" = "['voted', 'voted', 'disputed', 'retried', 'voted']" ]
	audited
}

@test "a voter is killed with its vote unsaid: the next start casts it; a cancel that came meanwhile wins" {
	submit held 'sleep 1; echo once'
	submit ended 'sleep 1; echo once'
	worker n1 --slots 2
	worker=$SPAWNED
	wait_until 20 ledger_has in_progress held
	wait_until 20 ledger_has in_progress ended
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 20 sh -c '[ "$(ls "$1"/n1/results/*.json | wc -l)" = 2 ]' sh "$T"
	kill -KILL "$worker"
	wait_until 10 pid_ended "$worker"
	mv "$ORIGIN.away" "$ORIGIN"
	"$DGRID" cancel ended
	once n1
	[ "$(field queue held '[(a["node"], a["outcome"]) for a in t["attempts"]]')" = "[('n1', 'voted')]" ]
	[ "$(field failed ended 't["result"]["status"], [a["outcome"] for a in t["attempts"]]')" = "cancelled ['cancelled']" ]
	[ -z "$(find "$T/n1/results" -name '*.json')" ]
	# A queued one with votes can be cancelled too.
	once n2
	[ "$(field completed held 't["result"]["quorum"]["agreed"]')" = "['n1', 'n2']" ]
	submit waits 'echo x'
	once n1
	"$DGRID" cancel waits
	[ "$(field failed waits 't["result"]["status"], [a["outcome"] for a in t["attempts"]]')" = "cancelled ['voted']" ]
	run -3 "$DGRID" wait waits
	audited
}

@test "a replica that is lost is an attempt like any other, and its node may run it again" {
	submit long 'sleep 1; echo 42' ', "replicas": 2, "max_attempts": 2'
	once n1
	worker n2
	wait_until 20 ledger_has in_progress long
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	once n2
	[ "$(field completed long '[(a["node"], a["outcome"], a["attempt"]) for a in t["attempts"]], t["result"]["quorum"]["agreed"]')" = "[('n1', 'voted', 1), ('n2', 'lost', 1), ('n2', 'success', 2)] ['n1', 'n2']" ]
	audited
}

@test "the grid's default holds from the first claim on, whatever grid.json says later; a task's own values win" {
	grid_settings '"replicas": 3, "quorum": 2'
	submit plain 'echo 42' ''
	submit own 'echo 1' ', "replicas": 1'
	# --drain-after counts a vote as a run.
	once n1 --slots 2 --drain-after 2
	[ "$(field completed own '"quorum" in t["result"], "replicas" in t["attempts"][0]')" = "False False" ]
	[ "$(field queue plain 't["attempts"][0]["replicas"], t["attempts"][0]["quorum"], "replicas" in t')" = "3 2 False" ]
	grid_settings '"keep_finished": 9'
	liar n2
	[ "$(field queue plain 'len(t["attempts"])')" = 2 ]
	once n3
	[ "$(field completed plain 't["result"]["quorum"]["replicas"], t["result"]["quorum"]["outliers"]')" = "3 ['n2']" ]
	# Nor do they move the other way.
	submit begun 'sleep 1' ''
	worker n4
	wait_until 20 ledger_has in_progress begun
	grid_settings '"replicas": 5'
	wait_until 20 ledger_has completed begun
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	# What cannot be is said, with its place.
	printf '{"task_id": "x", "script": "x", "timeout_seconds": 30,\n "retry_on_failure": true}' >"$T/x.json"
	run -65 "$DGRID" submit "$T/x.json"
	[[ "$output" == *'x.json:2:22: retry_on_failure: true is not valid of a task that 5 nodes run (expected false, or "replicas": 1)'* ]]
	printf '{"task_id": "x", "script": "x", "timeout_seconds": 30, "replicas": 4,\n "quorum": 2}' >"$T/x.json"
	run -65 "$DGRID" validate "$T/x.json"
	[[ "$output" == *'x.json:2:12: quorum: 2 is not valid (expected a whole number from 3 to 4: more than half of replicas)'* ]]
	"$DGRID" submit --id typed --replicas 3 --quorum 3 -- 'echo 1'
	[ "$(field queue typed 't["replicas"], t["quorum"]')" = "3 3" ]
	grid_settings '"replicas": 4, "quorum": 2'
	run -0 "$DGRID" status
	[[ "$output" == *'quorum: expected a whole number from 3 to 4, more than half of replicas'* ]]
	audited
}

@test "what a replica prints is on no ref while it runs; logs -f tells why and shows the result" {
	grid_settings '"heartbeat_seconds": 1'
	submit shared 'echo se''cret; sleep 2' ', "replicas": 2'
	submit plain 'echo open; sleep 3' ''
	"$DGRID" logs -f shared >"$T/out" 2>"$T/err" 3>&- &
	follower=$!
	echo "$follower" >>"$PIDS_FILE"
	wait_until 20 grep -q 'waiting for it to start' "$T/err"
	worker n1 --slots 2
	tails() { git -C "$ORIGIN" log -1 --format=%B refs/dgrid/tails/n1; }
	tells() { tails | grep -q open; }
	wait_until 20 tells
	ledger_has in_progress shared
	run ! grep -q secret <(tails)
	wait_until 20 grep -q 'nothing is shown before the end' "$T/err"
	wait_until 20 grep -q 'a node has voted; waiting for the next' "$T/err"
	[ ! -s "$T/out" ]
	# Its only node lives and has voted: what is needed is another.
	run -0 "$DGRID" why shared
	[[ "$output" == *"node n1 has voted on it already"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q 'start at least 1 more with dgrid worker' "$T/site/index.html"
	worker n2
	wait_until 20 pid_ended "$follower"
	wait "$follower"
	[ "$(cat "$T/out")" = secret ]
	audited
}
