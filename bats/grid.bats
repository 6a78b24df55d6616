#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The grid end to end: submit, claim, run in a real sandbox, record, look.

setup() {
	load helpers
	LEAKS=1 common_setup
	export DGRID_REPO_URL=$ORIGIN LOG_LEVEL=debug
	"$DGRID" init
}

teardown() {
	common_teardown
}

task() { # ID SCRIPT [MEMBERS]
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 10%s}\n' "$1" "$2" "${3:-}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}

once() {
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" "$@"
}

field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}

@test "a task goes from submit through a sandbox to completed" {
	task hello 'echo hello; echo oops >&2'
	once
	run -0 ledger_ls completed
	[ "$output" = hello ]
	[ "$(field completed hello 't["result"]["status"]')" = success ]
	[ "$(field completed hello 't["result"]["exit_code"]')" = 0 ]
	[ "$(field completed hello 't["attempts"][0]["nonce"]==t["result"]["nonce"]')" = True ]
	run -0 --separate-stderr "$DGRID" logs hello
	[ "$output" = hello ]
	[ "$stderr" = oops ]
}

@test "a command in place of a task file: where it goes" {
	run -66 "$DGRID" submit 'echo hi'
	[[ "$output" == *"there is no task file 'echo hi' (a command goes after --: dgrid submit -- echo hi)"* ]]
}

@test "exit code, output of a failing task and wait's answer are kept" {
	task bad 'echo partial; exit 7'
	once
	[ "$(field failed bad 't["result"]["exit_code"]')" = 7 ]
	[ "$(field failed bad 't["result"]["status"]')" = failed ]
	run -1 "$DGRID" wait bad
}

@test "malformed tasks in the queue go to failed with the reason; other files are left alone" {
	tgit clone -q "$ORIGIN" "$T/c"
	cd "$T/c" || return 1
	echo '{"task_id": "broken",}' >tasks/queue/broken.json
	echo '{"task_id": "other", "script": "x", "timeout_seconds": 10}' >tasks/queue/mine.json
	echo '{"task_id": "typo", "script": "x", "timeout_seconds": 10, "scirpt": 1}' >tasks/queue/typo.json
	ln -s /etc/passwd tasks/queue/link.json
	mkdir tasks/queue/folder.json
	echo x >tasks/queue/folder.json/x
	head -c 5000000 /dev/zero >tasks/queue/huge.json
	printf '{"task_id": "utf", "script": "\377", "timeout_seconds": 10}' >tasks/queue/utf.json
	echo readme >tasks/queue/README
	tgit add -A
	tgit -c user.name=x -c user.email=x@x commit -qm bad
	tgit push -q origin HEAD:main
	task good 'echo fine'
	once --slots 4
	run -0 ledger_ls failed
	[ "$output" = "$(printf '%s\n' broken folder huge link mine typo utf)" ]
	for id in $output; do
		[ "$(field failed "$id" 't["result"]["status"]')" = invalid ]
	done
	[[ "$(field failed broken 't["result"]["reason"]')" == 1:*  ]]
	[[ "$(field failed typo 't["result"]["reason"]')" == *scirpt* ]]
	[[ "$(field failed link 't["x-original"]')" == /etc/passwd ]]
	run -0 ledger_ls completed
	[ "$output" = good ]
	tgit --git-dir="$ORIGIN" cat-file -e main:tasks/queue/README
}

@test "bad submissions are refused with every reason and nothing is queued" {
	echo '{"task_id": "a b", "timeout_seconds": 9999, "claim": {}}' >"$T/bad.json"
	run -65 "$DGRID" submit "$T/bad.json"
	[[ "$output" == *task_id* && "$output" == *script* && "$output" == *timeout_seconds* && "$output" == *claim* ]]
	run -65 "$DGRID" validate "$T/bad.json"
	[[ "$output" == *bad.json:1:* ]]
	run -0 ledger_ls queue
	[ -z "$output" ]
}

@test "created_at is a time: another is refused everywhere; a task without one is the oldest; old ones stay good" {
	printf '{"task_id": "when", "script": "true", "timeout_seconds": 10,\n "created_at": "yesterday"}' >"$T/when.json"
	for verb in validate submit; do
		run -65 "$DGRID" "$verb" "$T/when.json"
		[[ "$output" == *'when.json:2:16: created_at: "yesterday" is not valid (expected a time in RFC 3339, such as 2026-'*'or leave the field out)'* ]]
	done
	task new 'true' ', "created_at": "2026-01-02T00:00:00Z"'
	task old 'true' ', "created_at": "2026-01-02T00:00:00+01:00"'
	tgit clone -q "$ORIGIN" "$T/c"
	cp "$T/when.json" "$T/c/tasks/queue/"
	printf '{"task_id": "bare", "script": "true", "timeout_seconds": 10}' >"$T/c/tasks/queue/bare.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'when by hand'
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" why when
	[[ "$output" == *"it is not a valid task"* ]]
	once 2>"$T/log"
	[ "$(field failed when 't["result"]["status"]')" = invalid ]
	[[ "$(field failed when 't["result"]["reason"]')" == *'created_at: "yesterday"'* ]]
	[ "$(sed -n 's/.*: claimed \([a-z]*\),.*/\1/p' "$T/log" | xargs)" = "bare old new" ]
	run -0 "$DGRID" audit
	# It ran when it was not checked yet.
	tgit -C "$T/c" pull -q origin main
	sed -i 's/2026-01-02T00:00:00Z/yesterday/' "$T/c/tasks/completed/new.json"
	tgit -C "$T/c" commit -qam 'as it was'
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" rerun new
	run -0 "$DGRID" show new
}

@test "the same id cannot be queued twice" {
	task one 'echo 1'
	run -65 "$DGRID" submit "$T/one.json"
	[[ "$output" == *already* ]]
}

@test "a second worker on the same work directory is refused" {
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 20 grep -q 'node n1' "$T/log"
	run -75 "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	[[ "$output" == *"another worker"* ]]
}

@test "labels: only a node that carries them claims" {
	task gpu 'echo gpu' ', "labels": ["gpu"]'
	once
	run -0 ledger_ls queue
	[ "$output" = gpu ]
	once --labels gpu,big
	run -0 ledger_ls completed
	[ "$output" = gpu ]
}

@test "cancel: queued at once, running within its next polls; retry queues again" {
	task q 'echo q'
	run -0 "$DGRID" cancel q
	run -3 "$DGRID" wait q
	task r 'sleep 9'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 20 ledger_has in_progress r
	run -0 "$DGRID" cancel r
	wait_until 20 ledger_has failed r
	[ "$(field failed r 't["result"]["status"]')" = cancelled ]
	run -0 "$DGRID" retry q
	wait_until 20 ledger_has completed q
}

@test "SIGTERM drains: the running task finishes, its result is recorded, the node has left" {
	task long 'sleep 2; echo done'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 20 ledger_has in_progress long
	kill -TERM "$SPAWNED"
	wait_until 20 ledger_has completed long
	wait_until 20 sh -c '"$1" nodes | grep -q left' sh "$DGRID"
}

@test "after kill -9 the same node gives its old claim back and runs it" {
	task again 'sleep 3; echo ran'
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 20 ledger_has in_progress again
	kill -KILL "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	once
	run -0 ledger_ls completed
	[ "$output" = again ]
	[ "$(field completed again 'len(t["attempts"])')" = 2 ]
}

@test "eight racing workers run 64 tasks exactly once each" {
	mkdir "$T/t"
	for i in $(seq 64); do
		printf '{"task_id": "t%s", "script": "echo %s", "timeout_seconds": 30}' "$i" "$i" >"$T/t/t$i.json"
	done
	"$DGRID" submit "$T"/t/*.json
	pids=()
	for n in 1 2 3 4 5 6 7 8; do
		spawn "$T/log$n" "$DGRID" worker --node-id "n$n" --slots 4 --engine bwrap --once --work-dir "$T/w$n"
		pids+=("$SPAWNED")
	done
	wait_until 200 sh -c '[ "$(git --git-dir="$1" ls-tree --name-only main tasks/completed/ | grep -c json)" = 64 ]' sh "$ORIGIN"
	run -0 ledger_ls in_progress
	[ -z "$output" ]
	run -0 ledger_ls queue
	[ -z "$output" ]
	# One claim and one result a task in the history, and each attempt list holds one entry.
	log=$(tgit --git-dir="$ORIGIN" log --format=%B main)
	for verb in claim success; do
		told=$(grep -oE "(^|: )$verb t[0-9]+\$" <<<"$log" | sed "s/^: //" | sort)
		[ "$(wc -l <<<"$told")" = 64 ]
		[ "$(uniq <<<"$told" | wc -l)" = 64 ]
	done
	[ "$(git -C "$ORIGIN" grep -c '"outcome"' main -- tasks/completed | grep -c ':1$')" = 64 ]
	# Started once each, counted by the workers' own logs, outside the ledger.
	[ "$(cat "$T"/log? | grep -c 'ended: success')" = 64 ]
}

@test "a branch other than main, a path with spaces and non-ASCII, a SHA-256 repository" {
	repo="$T/gr id ü.git"
	git init -q --bare --object-format=sha256 -b work "$repo"
	export DGRID_REPO_URL=$repo
	"$DGRID" --branch work init
	"$DGRID" --branch work submit --id x -- echo hi
	"$DGRID" --branch work worker --node-id n1 --engine bwrap --once --work-dir "$T/w 1"
	run -0 "$DGRID" --branch work logs x
	[ "$output" = hi ]
}

@test "over HTTP with a token, which shows nowhere" {
	start_http_git
	GIT_TOKEN=$(cat "$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	"$DGRID" submit --id web -- echo web
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"
	run -0 "$DGRID" logs web
	[ "$output" = web ]
	run -1 grep -rqF -- "$GIT_TOKEN" "$T/log" "$T/w1/ledger/.git/config"
	run -1 sh -c 'git --git-dir="$1" log -p main | grep -F -- "$2"' sh "$ORIGIN" "$GIT_TOKEN"
}

@test "over SSH" {
	start_sshd
	export DGRID_REPO_URL=$SSH_URL
	"$DGRID" submit --id shell -- echo ssh
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1"
	run -0 "$DGRID" logs shell
	[ "$output" = ssh ]
}
