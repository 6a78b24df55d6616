#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# Drains from afar, pauses of the queue, retired nodes, nodes on which tasks fail.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

worker() { # NODE [OPTIONS]: in the background, log in $T/NODE.log
	local node=$1
	shift
	spawn "$T/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" "$@"
}
once() { # NODE [OPTIONS]
	"$DGRID" worker --node-id "$1" --engine bwrap --work-dir "$T/$1" --once "${@:2}" 2>>"$T/$1.log"
}
submit() { "$DGRID" submit --timeout 100 --id "$@" >/dev/null; }
state_of() { "$DGRID" nodes --json | python3 -c "import json,sys; print(*[n['state'] for n in json.load(sys.stdin)['nodes'] if n['node_id'] == '$1'])"; }
no_queue() { [[ -z $(ledger_ls queue)$(ledger_ls in_progress) ]]; }
has_state() { [[ $(state_of "$1") = "$2" ]]; }
says() { "$DGRID" "${@:2}" | grep -q "$1"; } # PATTERN VERB...
audited() {
	run -0 "$DGRID" audit
	[[ "$output" == *"no violations"* ]]
}

@test "a drained node ends what runs, claims nothing, says who and why, and goes on after undrain" {
	worker attic --slots 2 --labels big
	submit runs -- "until [ -e $T/go ]; do sleep 0.1; done"
	wait_until 60 ledger_has in_progress runs
	run -0 "$DGRID" drain attic --reason 'new disk'
	[ "$output" = 'drained attic' ]
	run -0 git -C "$ORIGIN" log -1 --format=%B main
	[[ "$output" == "ann: drain attic"*"new disk"* ]]
	run -0 "$DGRID" drain attic
	[ "$output" = 'already drained: attic' ]
	submit waits -- true
	wait_until 60 grep -q 'no claims: this node is drained by ann since .*: new disk' "$T/attic.log"
	[ "$(state_of attic)" = draining ]
	run -0 "$DGRID" nodes
	[[ "$output" == *"attic "*draining*"drained by ann since "*": new disk"* ]]
	run -0 "$DGRID" why waits
	[[ "$output" == *"node attic is drained by ann since "*": new disk"* ]]
	run -0 "$DGRID" why --json waits
	[[ "$output" == *'"code": "drained"'* ]]
	run -0 "$DGRID" status
	[[ "$output" == *"1 node alive"*"drained: attic"* ]]
	ledger_has in_progress runs
	"$DGRID" cancel runs >/dev/null # bwrap's /tmp is its own: it would wait for ever
	wait_until 60 ledger_has failed runs
	ledger_has queue waits
	run -0 "$DGRID" undrain --all
	[ "$output" = 'undrained attic' ]
	wait_until 60 ledger_has completed waits
	[ "$(state_of attic)" = active ]
	audited
}

@test "drain --release gives back what runs, no attempt spent; nodes by label; unknown ones are refused" {
	worker attic --labels big
	submit long -- 'sleep 90'
	wait_until 60 ledger_has in_progress long
	run -66 --separate-stderr "$DGRID" drain nobody
	[[ "$stderr" == *"no node 'nobody' in this grid"*"--force"* ]]
	run -66 --separate-stderr "$DGRID" undrain nobody
	[[ "$stderr" == *"no node 'nobody' in this grid (see: dgrid nodes)"* ]]
	run -66 --separate-stderr "$DGRID" drain --label small
	[[ "$stderr" == *"carries the label small"* ]]
	run -0 "$DGRID" drain --force later
	run -0 "$DGRID" drain --release --label big
	[ "$output" = 'drained attic' ]
	wait_until 60 ledger_has queue long
	run -0 ledger_json queue long
	[[ "$output" == *'"outcome": "released"'*"the node was drained by ann"* ]]
	# One that joins drained claims nothing.
	once later
	ledger_has queue long
	run -0 "$DGRID" undrain later
	[ "$output" = 'undrained later' ]
	audited
}

@test "a paused queue, group or label is claimed by nobody until it is resumed" {
	submit plain -- true
	submit grouped --group sweep -- true
	submit labelled --label gpu -- true
	run -0 "$DGRID" pause --reason 'licence server'
	[ "$output" = 'paused: the whole queue' ]
	run -0 "$DGRID" pause --group sweep --label gpu
	once n1 --labels gpu
	[ "$(ledger_ls queue | wc -l)" = 3 ]
	run -0 "$DGRID" status
	[[ "$output" == *"paused: the whole queue by ann since "*": licence server"* ]]
	run -0 "$DGRID" why plain
	[[ "$output" == *"the whole queue is paused by ann since "*": licence server"* ]]
	run -0 "$DGRID" status --json
	[[ "$output" == *'"paused": ['* ]]
	run -0 "$DGRID" metrics
	[[ "$output" == *"dgrid_tasks_paused 3"* ]]
	run -0 "$DGRID" resume
	[[ "$output" == "resumed: the whole queue"*"still paused: the group sweep"*"still paused: the label gpu"* ]]
	once n1 --labels gpu
	[ "$(ledger_ls queue | tr '\n' ' ')" = 'grouped labelled ' ]
	run -0 "$DGRID" why grouped
	[[ "$output" == *"the group sweep is paused by ann"* ]]
	run -0 --separate-stderr "$DGRID" resume --group nog
	[[ "$stderr" == 'dgrid: not paused: the group nog' && "$output" == *"still paused: the group sweep"* ]]
	run -0 "$DGRID" resume --group sweep --label gpu
	run -128 git -C "$ORIGIN" cat-file -e main:tasks/paused.json
	once n1 --labels gpu
	[ "$(ledger_ls completed | wc -l)" = 3 ]
	audited
}

@test "retire ends a node for good: its file, key and refs go, its name and key stay taken" {
	ssh-keygen -q -t ed25519 -N '' -C attic -f "$T/key"
	"$DGRID" enroll attic "$T/key.pub"
	worker attic --slots 2
	submit long -- 'sleep 90'
	wait_until 60 ledger_has in_progress long
	run -1 --separate-stderr "$DGRID" retire attic
	[[ "$stderr" == *"node 'attic' holds 1 claim (long)"* ]]
	"$DGRID" cancel long >/dev/null
	wait_until 60 ledger_has failed long
	run -1 --separate-stderr "$DGRID" retire attic
	[[ "$stderr" == *"sign of life"*"stop its worker first"* ]]
	submit again -- 'sleep 90'
	"$DGRID" submit --id once --timeout 100 --max-attempts 1 -- 'sleep 90' >/dev/null
	wait_until 60 ledger_has in_progress once
	wait_until 60 ledger_has in_progress again
	run -0 "$DGRID" retire --force attic --reason stolen
	[[ "$output" == $'retired attic (1 key revoked)\nrequeue again: node attic is retired by ann since '*$'\nlost once: node attic is retired by ann since '*': stolen' ]]
	# In the same commit.
	run -0 git -C "$ORIGIN" show --format=%B --name-status --no-renames main
	for line in 'retire attic' 'requeue again' 'lost once' $'D\tnodes/attic.json' $'A\ttasks/queue/again.json' $'D\ttasks/in_progress/again.json' \
		$'A\ttasks/failed/once.json'; do grep -qxF "$line" <<<"$output"; done
	[ "$(ledger_json queue again | jq -r '.claim, (.attempts[] | [.node, .outcome, .evidence.retired] | map(. != null) | all)' | tr '\n' ' ')" = 'null true ' ]
	wait_until 60 grep -q 'this node is retired by ann since .*: stolen; it stops' "$T/attic.log"
	wait_until 60 pid_ended "$SPAWNED"
	run -0 git -C "$ORIGIN" ls-tree -r --name-only main nodes
	[[ "$output" != *nodes/attic.json* && "$output" != *attic.pub* && "$output" == *nodes/retired/attic.json* ]]
	run -0 git -C "$ORIGIN" for-each-ref
	[[ "$output" != *refs/dgrid/heartbeats/attic* ]]
	run -77 --separate-stderr "$DGRID" worker --node-id attic --engine bwrap --work-dir "$T/attic" --once
	[[ "$stderr" == *"node 'attic' is retired by ann since "*": stolen; give this one another --node-id"* ]]
	run -65 --separate-stderr "$DGRID" enroll bob "$T/key.pub"
	[[ "$stderr" == *"was that of the retired node 'attic'"* ]]
	ssh-keygen -q -t ed25519 -N '' -C other -f "$T/other"
	run -65 --separate-stderr "$DGRID" enroll attic "$T/other.pub"
	[[ "$stderr" == *"'attic' is a retired node"* ]]
	run -66 --separate-stderr "$DGRID" retire nobody
	run -0 "$DGRID" retire attic
	[ "$output" = 'already retired: attic' ]
	audited
}

@test "a task that failed on one node is tried next on another; a node alone tries it again itself" {
	"$DGRID" config retry_backoff_seconds 1 >/dev/null
	worker bad
	worker good
	wait_until 60 has_state bad active
	wait_until 60 has_state good active
	# It fails wherever it runs first, and succeeds on the other one.
	"$DGRID" submit --timeout 30 --id flaky --retry-on-failure -- 'exit 7' >/dev/null
	wait_until 90 ledger_has failed flaky
	run -0 ledger_json failed flaky
	run -0 python3 -c "import json,sys; print(*[a['node'] for a in json.loads(sys.argv[1])['attempts']])" "$output"
	[[ "$output" =~ ^(bad good bad|good bad good)$ ]]
	audited
}

@test "a node on which tasks fail that succeed elsewhere stops claiming, says so, and comes back after a trial" {
	require_command nice
	local i
	for i in $(seq 40); do
		printf '{"task_id": "t%s", "group": "g", "script": "sleep 0.2; [ \\"$(nice)\\" = %s ]", "timeout_seconds": 30}' "$i" "$(nice)" >"t$i.json"
	done
	nice -n 3 "$DGRID" worker --node-id bad --engine bwrap --work-dir "$T/bad" >"$T/bad.log" 2>&1 </dev/null 3>&- &
	echo $! >>"$PIDS_FILE"
	worker good --slots 2
	wait_until 60 has_state bad active
	wait_until 60 has_state good active
	"$DGRID" submit t*.json >/dev/null
	wait_until 90 has_state bad paused
	run -0 "$DGRID" nodes
	[[ "$output" == *"trouble: tasks: "*" failed here, of the same work 0 of "*"; it tries one at "* ]]
	wait_until 90 no_queue
	# The good one has succeeded with everything, and goes on.
	[ "$(state_of good)" = active ]
	run -0 "$DGRID" drain good
	# It is tried with one that succeeds.
	"$DGRID" submit --timeout 30 --id well -- 'exit 0' >/dev/null
	wait_until 90 grep -q 'one is tried' "$T/bad.log"
	wait_until 90 ledger_has completed well
	wait_until 60 grep -q 'the task that was tried succeeded: claiming as before' "$T/bad.log"
	run -1 grep 'mended, claiming again' "$T/bad.log" # it only tried one
	wait_until 60 has_state bad active
	audited
}

@test "where commits are signed and pushes judged, only enrolled people drain, pause and retire" {
	local who
	for who in ann bob; do ssh-keygen -q -t ed25519 -N '' -C "$who" -f "$T/$who"; done
	"$DGRID" enroll --person ann "$T/ann.pub" >/dev/null
	"$DGRID" config require_signed_nodes true >/dev/null
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	export DGRID_SIGNING_KEY=$T/ann
	run -0 "$DGRID" drain --force attic
	run -0 "$DGRID" pause --group g
	GIT_USER_NAME=bob DGRID_SIGNING_KEY=$T/bob run -77 --separate-stderr "$DGRID" undrain attic
	[[ "$stderr" == *"people/bob.pub"* ]]
	GIT_USER_NAME=bob DGRID_SIGNING_KEY=$T/bob run -77 --separate-stderr "$DGRID" resume --group g
	# By hand, unsigned: the hook knows.
	tgit clone -q "$ORIGIN" "$T/c"
	tgit -C "$T/c" rm -q tasks/paused.json
	tgit -C "$T/c" commit -qm 'go on'
	run ! tgit -C "$T/c" push -q
	[[ "$output" == *"signed.commit: tasks/paused.json"* ]]
	run -0 "$DGRID" resume --group g
	run -0 "$DGRID" undrain attic
	audited
}
