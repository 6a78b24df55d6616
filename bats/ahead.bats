#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output
# Where pushes are scarce a node claims more than it can run at once: the claims wait in it, and go back when that serves nobody.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	grid_settings '"pushes_per_minute": 60'
}
teardown() { common_teardown; }

submit_many() { # PREFIX COUNT SCRIPT [MEMBERS]
	local i
	mkdir -p "$T/$1"
	for i in $(seq "$2"); do
		printf '{"task_id": "%s%s", "script": "%s", "timeout_seconds": 100%s}' "$1" "$i" "$3" "${4:-}" >"$T/$1/$1$i.json"
	done
	"$DGRID" submit "$T/$1"/*.json >/dev/null
}
worker() { spawn "$T/w.log" "$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w"; }
# One runs, and others wait behind it: claims whose task has "ahead".
waiting() { # ids that were claimed ahead
	ledger_ls in_progress | while read -r id; do ledger_json in_progress "$id" | grep -q '"ahead"' && echo "$id"; done
}
some_wait() { waiting | grep -q ^s; }
none_wait() { [ "$(ledger_ls in_progress | wc -l)" -le 2 ]; }
ended() { ! ledger_has in_progress "$1" && ! ledger_has queue "$1"; }

@test "short tasks are claimed ahead: a push carries many of them, each once, in the order of their priority" {
	submit_many t 60 true
	submit_many u 2 true ', "priority": 9'
	"$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w" --once 2>"$T/w.log"
	[ "$(ledger_ls completed | wc -l)" = 62 ]
	read -r pushes < <(sed -n 's/.*left: 62 completed, 0 failed, \([0-9]*\) pushes.*/\1/p' "$T/w.log")
	[ "$pushes" -le 20 ] # two at a time it was more than thirty
	[ "$(grep -c 'claimed [tu]' "$T/w.log")" = 62 ]
	[[ "$(grep -m1 claimed "$T/w.log")" == *" claimed u"* ]]
	"$DGRID" audit
}

@test "--ahead 0: no more claims than slots" {
	submit_many t 12 true
	"$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w" --ahead 0 --drain-after 8 2>"$T/w.log"
	[ -z "$(git -C "$ORIGIN" log -S'"ahead"' --format=%h main -- tasks/in_progress)" ]
	[ "$(ledger_ls completed | wc -l)" = 8 ]
}

@test "what waits is told, can be cancelled, and goes back when the node drains" {
	submit_many t 8 true ', "priority": 9'
	submit_many s 12 'sleep 100'
	worker
	wait_until 30 some_wait
	id=$(waiting | grep ^s | tail -n 1)
	run -0 "$DGRID" why "$id"
	[[ "$output" == *"it was claimed before a slot was free for it"* ]]
	run -0 "$DGRID" nodes
	[[ "$output" == *"2/2 +"* ]]
	# It is not shown as running, and those that run are.
	shown() {
		run -0 "$DGRID" status --all
		[[ "$output" =~ 2\ running,\ ([0-9]+)\ claimed\ and\ waiting, ]] && [ "$(grep -cE '^s[0-9]+ .* running ' <<<"$output")" = 2 ] &&
			[ "$(grep -cE '^s[0-9]+ .* claimed .*waits for a slot' <<<"$output")" = "${BASH_REMATCH[1]}" ]
	}
	wait_until 60 shown
	n=$(grep -c 'waits for a slot' <<<"$output")
	[ "$("$DGRID" status --json --all | jq '[.tasks[] | select(.state == "in_progress") | select(.waiting_for_slot | not)] | length')" = 2 ]
	"$DGRID" dashboard --output "$T/site" >/dev/null
	grep -q 'Claimed; it waits for a slot' "$T/site/t/$id.html"
	[ "$(grep -o '"claimed","n1"' "$T/site/index.html" | wc -l)" = "$n" ]
	"$DGRID" cancel "$id"
	wait_until 30 ended "$id"
	[ "$(ledger_json failed "$id" | python3 -c 'import json,sys; print(json.load(sys.stdin)["result"]["status"])')" = cancelled ]
	kill -TERM "$SPAWNED"
	wait_until 30 none_wait
	[ "$(ledger_ls in_progress | wc -l)" = 2 ] # they run on
	back=$(ledger_ls queue | head -n 40 | while read -r i; do ledger_json queue "$i" | grep -q 'the node is draining' && echo "$i"; done | head -n 1)
	[ "$(ledger_json queue "$back" | python3 -c 'import json,sys; a=json.load(sys.stdin)["attempts"][-1]; print(a["outcome"], a["ahead"] > 0)')" = "released True" ]
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	"$DGRID" audit
}

@test "of what waits in a node others get their share when they have nothing to do" {
	submit_many t 10 true ', "priority": 9'
	submit_many s 8 'sleep 100'
	worker
	wait_until 30 some_wait
	spawn "$T/w2.log" "$DGRID" worker --node-id n2 --engine bwrap --slots 8 --work-dir "$T/w2"
	shared() { grep -q 'claimed s' "$T/w2.log"; }
	wait_until 40 shared
	grep -q 'other nodes have nothing to do' "$T/w.log"
	"$DGRID" audit
}
