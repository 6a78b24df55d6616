#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output and stderr
# dgrid rerun: a finished task once more, in the very image it ran in, and what differs.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann GIT_USER_EMAIL=ann@example.invalid
	"$DGRID" init >/dev/null
	tgit clone -q "$ORIGIN" "$T/r"
	NODE=n$RANDOM$RANDOM
}
teardown() {
	local left
	common_teardown
	if [[ -n ${IMAGE:-} ]]; then
		left=$(docker ps --all --quiet --filter "label=dgrid.task=${ID:-none}" 2>/dev/null)
		# shellcheck disable=SC2086 # a list of ids
		if [ -n "$left" ]; then docker rm --force $left >/dev/null; fi
		docker rmi --force "$IMAGE" "$IMAGE-other" "${FIRST:-none}" >/dev/null 2>&1 || true
	fi
}

work() { "$DGRID" worker --node-id "$NODE" --engine "${1:-bwrap}" --once --work-dir "$T/w" 2>"$T/log"; }
head_of() { git -C "$ORIGIN" for-each-ref; }
# The result of a task as python: r and t, changed and pushed, as whoever may push can.
edit() { # PATH CODE
	tgit -C "$T/r" pull -q --no-edit origin main
	python3 - "$T/r/$1" "$2" <<'PY'
import json, sys
path, code = sys.argv[1:]
t = json.load(open(path))
r = t["result"]
exec(code)
json.dump(t, open(path, "w"), indent=1)
PY
	tgit -C "$T/r" commit -qam "edit $1"
	tgit -C "$T/r" push -q origin HEAD:main
}

@test "reproducible, failed or not, and different: what differs is told, and nothing is written to the grid" {
	"$DGRID" submit --id same -- 'echo one; echo two >&2' >/dev/null
	"$DGRID" submit --id fails -- 'echo about to; kill -9 $$' >/dev/null
	"$DGRID" submit --id dice -- 'echo first; od -An -N8 -tx1 /dev/urandom; echo last' >/dev/null
	printf '{"task_id": "env", "script": "echo $A; echo $(ulimit -v) >/dev/null; nproc >/dev/null", "timeout_seconds": 20, "env": {"A": "from the task"}, "memory_mb": 64}' >"$T/env.json"
	"$DGRID" submit "$T/env.json" >/dev/null
	work
	before=$(head_of)
	run -0 "$DGRID" rerun same
	[[ "$output" == *"same  tasks/completed/same.json"*"on $NODE, bwrap host:/usr"*"again bwrap "*reproducible ]]
	run -0 "$DGRID" rerun fails
	[[ "$output" == *reproducible ]]
	run -0 "$DGRID" rerun env
	run -1 --separate-stderr "$DGRID" rerun dice
	[[ "$output" == *'stdout line 2: "'*' then, "'*" now"*"own /usr"*differs ]]
	[ -z "$stderr" ]
	run -1 "$DGRID" rerun --json dice
	[ "$(jq -c '[.schema, .verdict, .differences[0].what, .differences[0].line, (.differences | length)]' <<<"$output")" = '[1,"differs","stdout",2,1]' ]
	[ "$(jq -r .rerun.stdout_sha256 <<<"$output")" != "$(jq -r .recorded.stdout_sha256 <<<"$output")" ]
	[ "$(jq -c .rerun.limits <<<"$output")" = "$(jq -c .recorded.limits <<<"$output")" ]
	[ "$(head_of)" = "$before" ]
	run -69 "$DGRID" rerun --engine docker same
	[[ "$output" == *'cannot: it ran on its node'*'own /usr'* ]]
	run -66 "$DGRID" rerun none
	run -64 "$DGRID" rerun
	run -64 "$DGRID" rerun --engine lxc same
}

@test "limits that a result claims give nothing that grid.json does not" {
	"$DGRID" submit --id greedy -- 'echo hi' >/dev/null
	work
	edit tasks/completed/greedy.json 't["timeout_seconds"] = 86400; r["limits"] = {"cpus": 1024, "memory_mb": 1048576, "pids": 1048576, "tmp_mb": 1e99, "output_limit_bytes": 10240}'
	run -0 "$DGRID" rerun --json greedy
	[ "$(jq -c '[.verdict, .rerun.limits.cpus, .rerun.limits.memory_mb, .rerun.limits.pids, .rerun.limits.tmp_mb]' <<<"$output")" = '["reproducible",1,512,64,64]' ]
	[[ "$(jq -r .note <<<"$output")" == "it ran with limits beyond those of grid.json"* ]]
	# Less than one of a thing is no limit to an engine.
	edit tasks/completed/greedy.json 'r["limits"] = {"cpus": 0.001, "memory_mb": 0.5, "pids": 0.5, "tmp_mb": 0.5, "output_limit_bytes": 0.5}'
	run -0 "$DGRID" rerun --json greedy
	[ "$(jq -c '[.verdict, .rerun.limits.cpus, .rerun.limits.memory_mb, .rerun.limits.pids, .rerun.limits.tmp_mb]' <<<"$output")" = '["reproducible",1,512,64,64]' ]
}

@test "what was changed in the ledger since is found; --at and the archive have what was recorded" {
	echo '{"schema": 1, "keep_finished": 1}' >"$T/r/grid.json"
	tgit -C "$T/r" commit -qam settings
	tgit -C "$T/r" push -q origin HEAD:main
	for id in a b; do "$DGRID" submit --id "$id" -- "echo $id" >/dev/null; done
	work
	"$DGRID" maintain >/dev/null
	run -0 "$DGRID" rerun a
	[[ "$output" == *'a  archive:'*reproducible ]]
	honest=$(git -C "$ORIGIN" rev-parse main)
	edit tasks/completed/b.json 'r["stdout"] = "B\n"; r["stdout_sha256"] = "0" * 64; r["exit_code"] = 1'
	run -1 "$DGRID" rerun b
	[[ "$output" == *'exit_code: 1 then, 0 now'*'stdout line 1: "B" then, "b" now'*differs ]]
	run -0 "$DGRID" rerun --at "$honest" b
	edit tasks/completed/b.json 't["script"] = "echo B"'
	run -1 "$DGRID" rerun --json b
	[ "$(jq -r '.differences[0].what' <<<"$output")" = script ]
	[ "$(jq -r '.rerun' <<<"$output")" = null ]
}

@test "cannot: not ended, cancelled, of an older dgrid with output cut short" {
	"$DGRID" submit --id queued -- 'echo q' >/dev/null
	run -69 "$DGRID" rerun queued
	[[ "$output" == *'cannot: it has not ended yet, it is in queue'* ]]
	"$DGRID" cancel queued >/dev/null
	run -69 "$DGRID" rerun queued
	[[ "$output" == *"cannot: it never ran to an end of its own: its result is 'cancelled'"* ]]
	"$DGRID" submit --id old -- 'echo old' >/dev/null
	work
	edit tasks/completed/old.json 'del r["stdout_sha256"], r["stderr_sha256"], r["script_sha256"], r["limits"]'
	run -0 "$DGRID" rerun old
	[[ "$output" == *reproducible ]]
	edit tasks/completed/old.json 'r["stdout_truncated"] = True'
	run -69 "$DGRID" rerun old
	[[ "$output" == *'cannot: the result has no hash of its stdout, and not all of it was kept'* ]]
	edit tasks/completed/old.json 'r["engine"] = "docker"; r["image"] = "-v/:/host"; r["image_digest"] = "sha256:" + "0" * 64'
	run -69 "$DGRID" rerun old
	[[ "$output" == *"cannot: its image '-v/:/host' is not one of grid.json's images, and nothing else is pulled or run here"* ]]
	run -69 "$DGRID" rerun --any-image old
	[[ "$output" == *'cannot: '* ]] && [[ "$output" != *'grid.json'* ]]
	edit tasks/completed/old.json 'r["image_digest"] = ""'
	run -69 "$DGRID" rerun --json old
	[[ "$(jq -r .why <<<"$output")" == *'no image digest, and a tag may mean another image now' ]]
}

@test "a forged text beside true hashes differs" {
	"$DGRID" submit --id told -- 'echo truth' >/dev/null
	work
	run -0 "$DGRID" rerun told
	edit tasks/completed/told.json 'r["stdout"] = "wrong\n"'
	run -1 "$DGRID" rerun told
	[[ "$output" == *'text of stdout: "stdout is not what stdout_sha256 is the hash of" then'* ]]
	[[ "$output" == *differs ]]
}

@test "interrupted: the script is stopped and nothing of it runs on" {
	mark=8$RANDOM$RANDOM
	"$DGRID" submit --id long -- 'true' >/dev/null
	work
	edit tasks/completed/long.json "t['script'] = 'sleep $mark'; del r['script_sha256']"
	spawn "$T/rerun.log" env --default-signal=INT "$DGRID" rerun long
	wait_until 10 pgrep -f "sleep $mark"
	kill -INT "$SPAWNED"
	wait_until 15 pid_ended "$SPAWNED"
	run ! pgrep -f "sleep $mark"
	grep -q 'interrupted; nothing of it runs on' "$T/rerun.log"
	ledger_has completed long
}

# bats test_tags=docker
@test "docker: the image is the one it ran in, whatever its tag means now; gone is cannot" {
	require_docker
	IMAGE=registry.invalid/marker-$NODE:1 ID=marked-$NODE
	image() { # TAG TEXT
		docker run --network=none --name "make-$NODE" dgrid-test:1 sh -c "echo $2 >/marker"
		docker commit "make-$NODE" "$1" >/dev/null
		docker rm "make-$NODE" >/dev/null
	}
	image "$IMAGE" first
	FIRST=$(docker image inspect --format '{{.Id}}' "$IMAGE")
	tgit -C "$T/r" pull -q --no-edit origin main
	echo "{\"schema\": 1, \"images\": [\"$IMAGE\"]}" >"$T/r/grid.json"
	tgit -C "$T/r" commit -qam settings
	tgit -C "$T/r" push -q origin HEAD:main
	"$DGRID" submit --id "$ID" -- 'cat /marker' >/dev/null
	work docker
	[ "$("$DGRID" logs "$ID")" = first ]
	[ "$(ledger_json completed "$ID" | jq -r .result.image_digest)" = "$FIRST" ]
	docker tag "$IMAGE" "$IMAGE-other"
	image "$IMAGE" second
	run -0 "$DGRID" rerun "$ID" || { echo "$output"; false; }
	[[ "$output" == *"docker $IMAGE sha256:"*"again docker "*reproducible ]]
	run -69 "$DGRID" rerun --engine bwrap "$ID"
	[[ "$output" == *'cannot: it ran in an image, and bubblewrap runs none'* ]]
	# Interrupted, the container goes too.
	edit "tasks/completed/$ID.json" "t['script'] = 'sleep 300'; del r['script_sha256']"
	spawn "$T/rerun.log" env --default-signal=INT "$DGRID" rerun "$ID"
	running() { [ -n "$(docker ps --quiet --filter "label=dgrid.task=$ID")" ]; }
	wait_until 20 running
	kill -INT "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	[ -z "$(docker ps --all --quiet --filter "label=dgrid.task=$ID")" ]
	docker rmi "$IMAGE-other" >/dev/null
	run -69 "$DGRID" rerun "$ID"
	[[ "$output" == *"cannot: the image '$IMAGE' that it ran in"*'is not here and cannot be pulled'* ]]
}
