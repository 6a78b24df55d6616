#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# Races and engine faults, with a fake docker that counts each start outside the ledger.

setup() {
	load helpers
	common_setup
	mkdir "$T/bin" "$T/fake"
	cp "$BATS_TEST_DIRNAME/fake-docker" "$T/bin/docker"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
}
teardown() { common_teardown; }

queue() { # N: tasks t1..tN
	local i
	mkdir -p "$T/tasks"
	for i in $(seq "$1"); do
		printf '{"task_id": "t%s", "script": "echo %s", "timeout_seconds": 60}' "$i" "$i" >"$T/tasks/t$i.json"
	done
	"$DGRID" submit "$T"/tasks/*.json >/dev/null
}
completed_all() { [ "$(ledger_ls completed | wc -l)" = "$1" ]; }

@test "eight racing workers start each of 120 tasks exactly once; one claim and one result each in the history" {
	queue 120
	for n in 1 2 3 4 5 6 7 8; do
		spawn "$T/log$n" "$DGRID" worker --node-id "n$n" --slots 4 --engine docker --once --work-dir "$T/w$n"
	done
	wait_until 200 completed_all 120
	[ -z "$(ledger_ls in_progress)$(ledger_ls queue)$(ledger_ls failed)" ]
	[ "$(wc -l <"$T/fake/starts")" = 120 ]
	[ "$(sort -u "$T/fake/starts" | wc -l)" = 120 ]
	git -C "$ORIGIN" log --format=%B main | sed -E 's/^[^ ]*: //' >"$T/history"
	for verb in claim success; do
		[ "$(grep -xc "$verb t[0-9]*" "$T/history")" = 120 ]
		[ "$(grep -x "$verb t[0-9]*" "$T/history" | sort -u | wc -l)" = 120 ]
	done
	[ "$(sed -nE 's/^dgrid-n[1-8]-(t[0-9]+)-.*/\1/p' "$T/fake/starts" | sort -u | wc -l)" = 120 ]
}

@test "a failing engine gives the claim back, uses no attempt, pauses the node, and it goes on by itself" {
	touch "$T/fake/fails"
	queue 1
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w1"
	wait_until 20 grep -q 'no claims until this is mended: engine: docker: Error response from daemon: no space' "$T/log"
	released() { git -C "$ORIGIN" log --format=%B main | grep -q 'release t1'; }
	wait_until 20 released
	rm "$T/fake/fails"
	wait_until 40 completed_all 1
	[ "$(ledger_json completed t1 | python3 -c 'import json,sys; t=json.load(sys.stdin); print(t["result"]["attempt"], {a["outcome"] for a in t["attempts"]} == {"released", "success"})')" = "1 True" ]
}

@test "a dead daemon: the node says so once, claims nothing, and resumes" {
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w1"
	wait_until 20 grep -q 'node n1: engine docker 99.fake' "$T/log"
	queue 1
	wait_until 20 completed_all 1
	touch "$T/fake/dead"
	printf '{"task_id": "next", "script": "echo next", "timeout_seconds": 60}' >"$T/next.json"
	"$DGRID" submit "$T/next.json"
	wait_until 20 grep -q 'Cannot connect to the Docker daemon' "$T/log"
	wait_until 20 sh -c 'git -C "$1" show main:nodes/n1.json | grep -q "\"status\": \"paused\""' sh "$ORIGIN"
	rm "$T/fake/dead"
	wait_until 60 completed_all 2
	[ "$(grep -c 'no claims until' "$T/log")" -le 2 ]
}

@test "auto takes the engine that can run a task, not the first that answers, and says what it passed by; so does doctor" {
	require_bwrap
	queue 1
	mkdir "$T/pod"
	printf '#!/bin/sh\nFAKE_DOCKER="%s" exec "%s" "$@"\n' "$T/pod" "$BATS_TEST_DIRNAME/fake-docker" >"$T/bin/podman"
	chmod +x "$T/bin/podman"
	ran_on() { # ENGINE
		run -0 "$DGRID" worker --node-id n1 --once --work-dir "$T/w1"
		[[ "$output" == *"node n1: engine $1 "* ]]
		[ "$(ledger_json completed t1 | jq -r .result.engine)" = "$1" ]
		"$DGRID" doctor >"$T/doctor"
		grep -q "^ok    $1  *version .*(the one a worker takes)" "$T/doctor"
		grep -q "^ok    sandbox .*($1)" "$T/doctor"
	}
	touch "$T/fake/imageless"
	ran_on podman
	[[ "$output" == *"docker is passed by: image 'alpine:3.22' cannot be had (try: docker pull alpine:3.22): docker: Error: no pull"*"--engine docker"* ]]
	grep -q "^warn  docker .*a worker passes it by: image" "$T/doctor"
	[ ! -e "$T/fake/starts" ]
	# One that has the image and cannot start anything.
	rm "$T/fake/imageless"
	touch "$T/fake/fails"
	GIT_USER_NAME=ann "$DGRID" retry --force t1
	ran_on podman
	[[ "$output" == *"docker is passed by: a trial script did not run: "*"no space left"* ]]
	grep -q "^warn  docker .*a worker passes it by: a trial" "$T/doctor"
	# Asked for by name it is taken, and waits.
	rm "$T/fake/fails"
	touch "$T/fake/imageless"
	GIT_USER_NAME=ann "$DGRID" retry --force t1
	run -69 "$DGRID" worker --node-id n1 --once --engine docker --work-dir "$T/w1"
	[[ "$output" == *"no claims until this is mended: engine: image 'alpine:3.22' cannot be had (try: docker pull"* ]]
	# As is the first where neither can run a task: bwrap, which runs no image, is no substitute.
	touch "$T/pod/imageless"
	run -69 "$DGRID" worker --node-id n1 --once --work-dir "$T/w1"
	[[ "$output" == *"no engine here can run a task in the grid's image (see: dgrid doctor); bwrap could, in this machine's own /usr: --engine bwrap"* ]]
	[[ "$output" == *"node n1: engine docker"*"no claims until this is mended"* ]]
	run -1 "$DGRID" doctor
	grep -q '^fail  image ' <<<"$output"
	ledger_has queue t1
	# Where neither answers it is taken.
	printf '#!/bin/sh\nexit 1\n' | tee "$T/bin/docker" >"$T/bin/podman"
	ran_on bwrap
}

@test "settings of the environment: DOCKER_CPUS and DOCKER_MEMORY are ceilings of the node" {
	printf '#!/bin/sh\nif [ "$1" = run ]; then echo "$@" >>"$FAKE_DOCKER/arguments"; fi\nexec "%s" "$@"\n' \
		"$BATS_TEST_DIRNAME/fake-docker" >"$T/bin/docker"
	queue 1
	DOCKER_CPUS=0.5 DOCKER_MEMORY=64m "$DGRID" worker --node-id n1 --engine docker --once --work-dir "$T/w1"
	grep -q -- '--memory=64m --memory-swap=64m --cpus=0.5 ' "$T/fake/arguments"
	for flag in --network=none --read-only --user=1000:1000 --pids-limit=64 --cap-drop=ALL \
		--security-opt=no-new-privileges --init --pull=never \
		--tmpfs=/tmp:rw,exec,nosuid,nodev,mode=1777,size=64m --label=dgrid.node=n1 --label=dgrid.task=t1; do
		grep -qF -- "$flag " "$T/fake/arguments"
	done
}

@test "all that is wrong with a worker's settings is told at once, before anything is touched" {
	run -64 env LOG_LEVEL=loud DOCKER_CPUS=x DOCKER_MEMORY=lots HEARTBEAT_INTERVAL=0 \
		"$DGRID" worker --slots 0 --engine vm --labels 'a b' --node-id 'x y' --work-dir "$T/w1"
	for name in LOG_LEVEL DOCKER_CPUS DOCKER_MEMORY HEARTBEAT_INTERVAL --slots --engine --labels --node-id; do
		[[ "$output" == *"$name"* ]]
	done
	[ ! -e "$T/w1" ]
}

@test "LOG_FILE gets the log as well" {
	queue 1
	LOG_FILE=$T/file.log "$DGRID" worker --node-id n1 --engine docker --once --work-dir "$T/w1" 2>"$T/stderr.log"
	grep -q 't1 ended: success' "$T/file.log"
	cmp "$T/file.log" "$T/stderr.log"
}

one() { # ID [MEMBERS]
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 10%s}' "$1" "${3:-echo $1}" "${2:-}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json" >/dev/null
}
story() { # STATE ID: status, reason and outcomes
	ledger_json "$1" "$2" | jq -c '[.result.status, .result.reason, [.attempts[].outcome]]'
}
commits() { git -C "$ORIGIN" rev-list --count main; }

@test "what cannot be started by a node that can start other tasks ends as unstartable, after its attempts; others run meanwhile" {
	require_command jq
	grid_settings '"retry_backoff_seconds": 5'
	echo poison >"$T/fake/refuses"
	one poison ', "max_attempts": 3'
	one lastpoison ', "max_attempts": 1'
	queue 5
	spawn "$T/log1" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w1"
	spawn "$T/log2" "$DGRID" worker --node-id n2 --engine docker --work-dir "$T/w2"
	wait_until 40 completed_all 5
	wait_until 60 ledger_has failed lastpoison
	[[ "$(story failed lastpoison)" == '["unstartable","docker: Error response from daemon: Range of CPUs is from 0.01 to 2.00'*'",["unstartable"]]' ]]
	waits() { "$DGRID" why poison | grep -q 'could not be started, [12] of 3 attempts are used up; last on n[12]: docker: Error response'; }
	wait_until 30 waits
	wait_until 90 ledger_has failed poison
	[[ "$(story failed poison)" == '["unstartable",'*',["unstartable","unstartable","unstartable"]]' ]]
	[ "$(commits)" -lt 60 ]
	# The nodes are none the worse for it.
	one after
	wait_until 30 ledger_has completed after
	run -0 "$DGRID" why poison
	[[ "$output" == *"unstartable"*"so the cause is in what this task asks for"*"dgrid retry poison"* ]]
	"$DGRID" audit
	run -1 "$DGRID" wait poison
	# The reason gone, it can be queued again.
	rm "$T/fake/refuses"
	GIT_USER_NAME=ann "$DGRID" retry poison
	wait_until 30 ledger_has completed poison
	"$DGRID" audit
}

@test "an engine that fails with one task again and again costs the task its attempts at last, and why says so" {
	require_command jq
	grid_settings '"retry_backoff_seconds": 1'
	echo cutme >"$T/fake/cuts"
	one cutme ', "max_attempts": 2'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w1"
	released() { { ledger_json queue cutme || ledger_json in_progress cutme; } | jq -e 'any(.attempts[]?; .outcome == "released")'; }
	wait_until 40 released
	kill -STOP "$SPAWNED" # its attempts are not used up while why looks
	run -0 "$DGRID" why cutme
	grep -q 'its claim was given back [123] times\?; last by n1: docker run ended with signal 9' <<<"$output"
	kill -CONT "$SPAWNED"
	queue 3
	wait_until 60 completed_all 3
	wait_until 90 ledger_has failed cutme
	[[ "$(story failed cutme)" == '["unstartable","docker run ended with signal 9 while the script still ran'*'",["released","released","released","unstartable","unstartable"]]' ]]
	[ "$(ledger_json failed cutme | jq -c '[.attempts[].fault]')" = '["engine","engine","engine",null,null]' ]
	"$DGRID" audit
}

@test "a client that does not notice that its container was killed is killed itself, and what it printed counts as cut" {
	require_command jq
	one deaf '' 'echo before; sleep 600'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine docker --work-dir "$T/w1"
	wait_until 60 ledger_has failed deaf
	[ "$(ledger_json failed deaf | jq -c '.result | [.status, .exit_code, .stdout, .stdout_truncated]')" = '["timeout",null,"before\n",true]' ]
}
