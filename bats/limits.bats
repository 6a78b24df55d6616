#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# How many run at a time: concurrency groups, labels, submitters, fair share; and when: start_after and deadline.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
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
ended() { [[ $(ledger_ls completed | wc -l) = "$1" ]]; }
task() { # ID MEMBERS [SCRIPT]
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 30, %s}\n' "$1" "${3:-true}" "$2" >"$T/$1.json"
}
# The most tasks in in_progress/ at any commit whose document holds PATTERN.
most_running() { # PATTERN
	local commit n most=0
	for commit in $(git -C "$ORIGIN" rev-list --first-parent main -- tasks/in_progress); do
		n=$(git -C "$ORIGIN" grep -lE "$1" "$commit" -- tasks/in_progress | wc -l)
		((n > most)) && most=$n
	done
	echo "$most"
}
# The ids in the order in which they were claimed.
claimed() { git -C "$ORIGIN" log --reverse --format=%B main | sed -n 's/^\(.*: \)\{0,1\}claim \([a-z0-9-]*\)$/\2/p' | tr '\n' ' '; }
field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}

@test "six workers race for forty tasks of a group: never more than two run, and all end" {
	local i n
	"$DGRID" config concurrency '{"licence": 2}'
	mkdir "$T/tasks"
	for i in $(seq 40); do
		printf '{"task_id": "t%s", "script": "true", "timeout_seconds": 30, "concurrency_group": "licence"}' "$i" >"$T/tasks/t$i.json"
	done
	"$DGRID" submit "$T"/tasks/*.json >/dev/null
	for n in 1 2 3 4 5 6; do worker "w$n" --slots 3; done
	wait_until 240 ended 40
	# Two at a time, not one: seen at some commit.
	[ "$(most_running concurrency_group)" = 2 ]
	run -0 "$DGRID" audit
}

@test "one at a time without a setting; others go ahead; the next begins in the commit that ends the last" {
	task a '"concurrency_group": "deploy-db", "created_at": "2026-01-01T00:00:00Z"'
	task b '"concurrency_group": "deploy-db", "created_at": "2026-01-02T00:00:00Z"'
	task c '"concurrency_group": "deploy-db", "created_at": "2026-01-03T00:00:00Z", "priority": 9'
	task free '"created_at": "2026-01-04T00:00:00Z"'
	"$DGRID" submit "$T"/{a,b,c,free}.json
	once n1 --slots 4
	[ "$(most_running concurrency_group)" = 1 ]
	run claimed
	[[ "$output" = "c free a b " || "$output" = "free c a b " ]]
	git -C "$ORIGIN" log --format=%B main >"$T/said"
	# success of one and claim of the next, in one commit's body
	python3 - "$T/said" <<-'PY'
		import re, sys
		bodies = open(sys.argv[1]).read().split("dgrid-nonce")
		assert any(re.search(r"success a\n", b) and re.search(r"claim b\n", b) for b in bodies), bodies
	PY
	run -0 "$DGRID" audit
}

@test "why and limits say who runs and who waits; status tells of what is full; metrics of what is set" {
	"$DGRID" config concurrency '{"deploy-db": 1, "label:gpu": 2, "frozen": 0, "submitter:*": 9}'
	task migrate-7 '"concurrency_group": "deploy-db"' 'sleep 25'
	task migrate-8 '"concurrency_group": "deploy-db"'
	task stays '"concurrency_group": "frozen"'
	"$DGRID" submit "$T/migrate-7.json"
	worker n2 --slots 4
	wait_until 20 ledger_has in_progress migrate-7
	"$DGRID" submit "$T/migrate-8.json" "$T/stays.json"
	run -0 "$DGRID" why migrate-8
	[[ "$output" == *"it waits: 1 of 1 of deploy-db runs (migrate-7 on n2)"* ]]
	[[ "$output" != *"nothing blocks it"* ]]
	run -0 "$DGRID" why stays
	[[ "$output" == *"it waits: none of frozen may run, for grid.json says 0"* ]]
	run -0 "$DGRID" limits
	[[ "${lines[0]}" == LIMIT*MOST*RUNNING*WAITING ]]
	[[ "$output" == *"deploy-db"*" 1 "*" 1 "*" 1"*"frozen"*"label:gpu"* ]]
	run -0 "$DGRID" limits --json
	run -0 python3 -c 'import json,sys; print(*sorted((l["limit"], l["most"], l["running"], l["waiting"]) for l in json.loads(sys.argv[1])["limits"]))' "$output"
	[ "$output" = "('deploy-db', 1, 1, 1) ('frozen', 0, 0, 1) ('label:gpu', 2, 0, 0) ('submitter:$(field queue stays 't["submitted_by"]')', 9, 1, 2)" ]
	run -0 "$DGRID" status
	[[ "$output" == *"limits reached: deploy-db: 1 of 1, 1 waits; frozen: 0 of 0, 1 waits"* ]]
	run -0 "$DGRID" metrics
	[[ "$output" == *'dgrid_limit_running_tasks{limit="deploy-db"} 1'* ]]
	[[ "$output" == *'dgrid_limit_queued_tasks{limit="frozen"} 1'* ]]
	[[ "$output" != *nobody* ]]
	# Nothing of the frozen group runs until the setting says so.
	"$DGRID" cancel migrate-7
	wait_until 20 ledger_has completed migrate-8
	ledger_has queue stays
	"$DGRID" config concurrency '{"frozen": 1}'
	wait_until 20 ledger_has completed stays
	run -0 "$DGRID" audit
}

@test "submit --max-running limits its own tasks, --concurrency-group names them; a lowered limit ends nothing" {
	local i
	for i in 1 2 3 4 5 6; do task "p$i" '"priority": 3' 'sleep 1'; done
	"$DGRID" submit --max-running 2 "$T"/p*.json
	[ "$(field queue p4 't["concurrency_group"], t["max_running"], t["priority"]')" = "p1 2 3" ]
	once n1 --slots 6
	ended 6
	[ "$(most_running max_running)" = 2 ]
	"$DGRID" submit --id one --concurrency-group shared --max-running 3 -- true
	run -0 "$DGRID" show one
	[[ "$output" == *"concurrency_group"*"shared"*"max_running"*3* ]]
	run -64 "$DGRID" submit --concurrency-group 'a b' -- true
	[[ "$output" == *"--concurrency-group: expected 1-64 of A-Z a-z 0-9 _ -, found 'a b'"* ]]
	run -64 "$DGRID" submit --max-running 0 -- true
	[[ "$output" == *"--max-running: expected a whole number from 1 to 100000, found '0'"* ]]
	run -65 "$DGRID" config concurrency '{"label:": 1}'
	[[ "$output" == *'concurrency: "label:" is not valid (expected a group'* ]]
	run -0 "$DGRID" audit
}

@test "labels and submitters have limits too" {
	local i
	"$DGRID" config concurrency '{"label:gpu": 1, "submitter:ann": 2}'
	for i in 1 2 3; do task "g$i" '"labels": ["gpu"]' 'sleep 1'; done
	for i in 1 2 3 4; do task "a$i" '"submitted_by": "ann"' 'sleep 1'; done
	for i in 1 2 3; do task "b$i" '"submitted_by": "bob"' 'sleep 1'; done
	"$DGRID" submit "$T"/[gab]*.json >/dev/null
	once n1 --slots 12 --labels gpu
	ended 10
	[ "$(most_running '"gpu"')" = 1 ]
	[ "$(most_running '"submitted_by": "ann"')" = 2 ]
	[ "$(most_running '"submitted_by": "bob"')" = 3 ]
	run -0 "$DGRID" audit
}

@test "with fair_share who has the fewest running goes first, without it the oldest" {
	local i
	for i in 1 2 3; do task "a$i" '"submitted_by": "ann", "created_at": "2026-01-0'$i'T00:00:00Z"' 'sleep 2'; done
	task b1 '"submitted_by": "bob", "created_at": "2026-02-01T00:00:00Z"'
	"$DGRID" submit "$T"/a[12].json
	once n0 --drain-after 1
	run claimed
	[ "$output" = "a1 " ]
	"$DGRID" submit "$T"/{a3,b1}.json
	"$DGRID" config fair_share true
	once n1 --slots 2 --drain-after 2
	run claimed
	[ "$output" = "a1 a2 b1 " ]
}

@test "who supersedes ends what is queued of its group, and nothing that runs or is of another" {
	task runs '"concurrency_group": "site"' 'sleep 25'
	task old '"concurrency_group": "site"'
	task other '"concurrency_group": "api"'
	"$DGRID" submit "$T/runs.json"
	worker n1
	wait_until 20 ledger_has in_progress runs
	"$DGRID" submit "$T"/{old,other}.json
	run -0 --separate-stderr "$DGRID" submit --id new --concurrency-group site --supersede -- true
	[ "$output" = new ]
	[[ "$stderr" == *"cancelled old, which was queued"* ]]
	[ "$(field failed old 't["result"]["status"], t["result"]["reason"]')" = "cancelled superseded by new" ]
	ledger_has in_progress runs
	[ "$(git -C "$ORIGIN" log -1 --format=%B main | grep -c 'submit new\|cancel old')" = 2 ]
	run -65 "$DGRID" submit --supersede -- true
	[[ "$output" == *'supersede: without "concurrency_group" (expected both, or neither)'* ]]
	run -0 "$DGRID" audit
}

@test "of submits that race and supersede each other the last one stays" {
	local i pids=()
	for i in 1 2 3 4 5; do
		spawn "$T/s$i.log" "$DGRID" submit --id "s$i" --concurrency-group site --supersede -- true
		pids+=("$SPAWNED")
	done
	for i in "${pids[@]}"; do wait_until 30 pid_ended "$i"; done
	[ "$(ledger_ls queue | wc -l)" = 1 ]
	[ "$(ledger_ls failed | wc -l)" = 4 ]
	run -0 "$DGRID" audit
}

@test "start_after is waited for, by workers and in words; --once does not wait for it" {
	"$DGRID" submit --id later --start-after +1h -- true
	run -0 "$DGRID" why later
	[[ "$output" == *"it starts after "*Z,* && "$output" != *"nothing blocks it"* ]]
	once n1
	ledger_has queue later
	worker n2
	"$DGRID" submit --id soon --start-after +3s -- true
	wait_until 20 ledger_has completed soon
	[ "$(field completed soon 't["result"]["started_at"] >= t["start_after"]')" = True ]
	ledger_has queue later
	run -64 "$DGRID" submit --start-after tomorrow -- true
	[[ "$output" == *"--start-after: expected a time such as 2026-11-23T02:00:00Z, or +30s, +10m, +2h, +1d, found 'tomorrow'"* ]]
	run -65 "$DGRID" submit --start-after +2h --deadline +1h -- true
	[[ "$output" == *"deadline: "*"is not valid (expected a time after start_after)"* ]]
	run -0 "$DGRID" audit
}

@test "what is queued beyond its deadline ends as expired, by a worker or by maintain; retry lifts it; what runs goes on" {
	task gone '"deadline": "2026-01-01T00:00:00Z", "labels": ["nobody-has-it"]'
	"$DGRID" submit "$T/gone.json"
	run -0 "$DGRID" why gone
	[[ "$output" == *"its deadline was 2026-01-01T00:00:00Z: the next worker, or dgrid maintain, ends it as expired"* ]]
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would end gone, which was queued beyond its deadline"* ]]
	ledger_has queue gone
	run -0 "$DGRID" maintain
	[[ "$output" == *"ended gone, which was queued beyond its deadline"* ]]
	[ "$(field failed gone 't["result"]["status"]')" = expired ]
	run -1 "$DGRID" wait gone
	# By a worker that does not carry its labels; and one that was claimed in time runs on.
	task too '"deadline": "2026-01-01T00:00:00Z", "labels": ["nobody-has-it"]'
	"$DGRID" submit "$T/too.json"
	for s in 4 16 64; do # as long as it takes here to claim one
		"$DGRID" submit --replace --id runs --deadline "+${s}s" -- "sleep $((s + 2))"
		once n1 --slots 2
		if ledger_has completed runs; then break; fi
	done
	[ "$(field failed too 't["result"]["status"]')" = expired ]
	[ "$(field completed runs 't["result"]["finished_at"] > t["deadline"]')" = True ]
	worker n2
	task back '"deadline": "2026-01-01T00:00:00Z"'
	"$DGRID" submit "$T/back.json"
	wait_until 20 ledger_has failed back
	"$DGRID" retry back
	wait_until 20 ledger_has completed back
	run -0 "$DGRID" audit
}

@test "a node that is cut off ends the run of a group before another may be given it; any other runs on" {
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 8, "max_clock_skew_seconds": 0, "lease_seconds": 5'
	task alone '"concurrency_group": "g"' 'sleep 28'
	task any '"priority": 1' 'sleep 28'
	"$DGRID" submit "$T"/{alone,any}.json
	worker n1 --slots 2
	wait_until 20 grep -q 'claimed alone' "$T/n1.log"
	wait_until 20 grep -q 'claimed any' "$T/n1.log"
	# A lease of a group is never shorter than others wait.
	[ "$(field in_progress alone '(lambda p: p(t["claim"]["lease_until"]) - p(t["claim"]["claimed_at"]) >= 8)(lambda x: __import__("calendar").timegm(__import__("time").strptime(x, "%Y-%m-%dT%H:%M:%SZ")))')" = True ]
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 30 grep -q 'alone is ended: the grid is out of reach' "$T/n1.log"
	run ! grep -q 'any is ended' "$T/n1.log"
	mv "$ORIGIN.away" "$ORIGIN"
	released() { git -C "$ORIGIN" log --format=%B main | grep -q 'release alone\|requeue alone'; }
	wait_until 40 released
	run -0 "$DGRID" audit
}

@test "a hook refuses a claim beyond a limit" {
	"$DGRID" init --hook "$ORIGIN" >/dev/null
	task a '"concurrency_group": "g"' 'sleep 25'
	task b '"concurrency_group": "g"'
	"$DGRID" submit "$T"/{a,b}.json
	worker n1
	wait_until 20 ledger_has in_progress a
	tgit clone -q "$ORIGIN" "$T/forge"
	python3 - "$T/forge" <<-'PY'
		import json, sys, time
		path = sys.argv[1] + "/tasks/"
		now = time.time()
		stamp = lambda t: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))
		t = json.load(open(path + "queue/b.json"))
		t["claim"] = {"node": "n1", "attempt": 1, "nonce": "0" * 32, "claimed_at": stamp(now), "lease_until": stamp(now + 60)}
		json.dump(t, open(path + "in_progress/b.json", "w"))
	PY
	rm "$T/forge/tasks/queue/b.json"
	tgit -C "$T/forge" add -A
	tgit -C "$T/forge" commit -qm "n1: claim b"
	run ! tgit -C "$T/forge" push origin HEAD:main
	[[ "$output" == *"group.limit: tasks/in_progress/b.json: with this claim 2 of g run, and 1 may"* ]]
}
