#!/usr/bin/env bats
# bats file_tags=slurm,plain
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets stderr
# A node that is a whole cluster: a real Slurm, started for these tests.

CHECKS=(check_endings check_inside check_outputs check_inputs check_usage
	check_killed check_client_killed check_admin check_user check_words)
setup_file() {
	local check
	load helpers
	load sandbox
	load slurm
	PATH=$PATH:/usr/sbin:/sbin
	command -v slurmctld slurmd munged sbatch bwrap >/dev/null || return 0
	slurm_start
	for check in "${CHECKS[@]}"; do begin "$check"; done
}
teardown_file() {
	load helpers
	load slurm
	PATH=$PATH:/usr/sbin:/sbin
	slurm_stop
}
setup() {
	load sandbox
	load slurm
	sandbox_setup slurm
	require_slurm
}
teardown() { sandbox_teardown; }

worker() { spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine slurm --work-dir "$T/w1" --poll-ms 200 "$@"; }
outcomes() { "$DGRID" show --json "$1" | jq -r '[.attempts[].outcome] | join(" ")'; }
reason() { "$DGRID" show --json "$1" | jq -r '.attempts[0].reason'; }

check_killed() {
	mark=9$RANDOM
	for i in 1 2; do task "orphan$i" <<<"echo begun; sleep $mark"; done
	worker
	wait_until 30 job_runs orphan1
	wait_until 30 job_runs orphan2
	wait_until 20 pgrep -fx "sleep $mark"
	# One with whoever speaks for it: nobody is left to end that job but the next start.
	kill -KILL "$(pgrep -f "slurm-run $T/w1/jobs/dgrid-$NODE-orphan1-")" "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	wait_until 20 eval '! job_runs orphan2'
	job_runs orphan1
	"$DGRID" cancel orphan1
	"$DGRID" cancel orphan2
	worker
	wait_until 30 grep -q 'removed [12] containers\? of an earlier run' "$T/log"
	wait_until 20 nothing_left "sleep $mark"
	wait_until 20 ledger_has failed orphan1
	wait_until 20 ledger_has failed orphan2
	[ "$(field orphan1 't["attempts"][-1]["outcome"], r["status"]')" = "cancelled cancelled" ]
	[ -z "$(ls -A "$T/w1/jobs")" ]
}
check_admin() {
	local id job
	worker
	for id in cancelled again; do
		task "$id" '{"timeout_seconds": 60}' <<<'echo before; sleep 3; echo after; exit 7'
		wait_until 30 has_begun "$id"
		job=$(job_of "$id")
		if [[ $id = cancelled ]]; then
			scancel "$job"
		else
			run -1 scontrol requeue "$job" # as it was handed in
			scontrol update "JobId=$job" Requeue=1
			scontrol requeue "$job"
		fi
	done
	for id in cancelled again; do
		wait_until 60 ledger_has failed "$id"
		"$DGRID" show "$id"
		[ "$(field "$id" 'r["status"], r["exit_code"], r["stdout"].split(), r["attempt"]')" = "failed 7 ['before', 'after'] 1" ]
		[ "$(outcomes "$id")" = "released failed" ]
		[[ "$(reason "$id")" == *"Slurm ended the job before its script ended"* ]]
	done
	"$DGRID" audit
}
# A worker who is not root, as on most clusters: no control group of its own counts what a job takes.
check_user() {
	ORDINARY=$(id -u nobody) ordinary_user
	task code <<<'echo out >/out/file; id -u; exit 7'
	task memory '{"memory_mb": 32}' <<<'echo before; x=aaaaaaaaaaaaaaaa; while [ ${#x} -lt 32000000 ]; do x=$x$x; done; sleep 15'
	task turns '{"points": 2, "share_sandbox": true, "cpu_seconds": 1, "timeout_seconds": 60}' <<<'[ "$DGRID_POINT" = 1 ] || while :; do :; done'
	task points '{"points": 2, "first_point": 5}' <<<'echo "$DGRID_POINT" | tee /out/file; exit "$((DGRID_POINT - 5))"'
	task flood <<<'yes "a line that is printed over and over again" | head -c 20000000; echo; echo last; echo problem >&2'
	run_all
	[ "$(field flood 'r["status"], r["stdout_bytes"], r["stdout_truncated"], r["stderr"].strip(), r["stdout"].endswith("last\n")')" = "success 20000006 True problem True" ]
	[ "$(field flood 'r["stdout_sha256"]')" = "$({ yes "a line that is printed over and over again" | head -c 20000000; echo; echo last; } | sha256sum | cut -d' ' -f1)" ]
	[ "$(field code 'r["status"], r["exit_code"], r["stdout"].strip(), r["usage"]["by"], r["limits"]["enforced"]')" = "failed 7 1000 wait4 False" ]
	[ "$("$DGRID" get code file -o -)" = out ]
	[[ "$(field memory 'r["status"], r["stdout"].strip()')" = "oom before" ]]
	[ "$(field turns '[(p["status"], p.get("ended_by")) for p in r["points"]]')" = "[('timeout', 'limit:cpu'), ('success', 'exit')]" ]
	[ "$(field points '[(p["exit_code"], p["stdout"].strip()) for p in r["points"]]')" = "[(0, '5'), (1, '6')]" ]
	[ "$("$DGRID" get points 6/file -o -)" = 6 ]
	"$DGRID" audit
}
check_words() {
	run -64 "$DGRID" worker --node-id n1 --engine slurm --slurm-options '--partition=main --output=/x' --secrets /nonexistent
	echo "$output"
	[[ "$output" == *"--slurm-options: expected words like --partition=NAME"*"found '--output=/x'"* ]]
	run -64 "$DGRID" worker --node-id n1 --engine bwrap --slurm-options --qos=x
	echo "$output"
	[[ "$output" == *"only a cluster takes them"* ]]
	run -64 "$DGRID" worker --node-id n1 --engine slurm --slurm-options --partition=none --work-dir "$T/w1"
	echo "$output"
	[[ "$output" == *"Slurm has no partition 'none'"* ]]
	run -64 "$DGRID" worker --node-id n1 --engine slurm --slurm-options '--exclude=n[1-2]' --work-dir "$T/w1"
	echo "$output"
	[[ "$output" == *"--exclude and --constraint leave no node of the partition"* ]]
	run -69 "$DGRID" worker --node-id n1 --engine slurm --slurm-options --partition=small --work-dir "$T/w1" --once
	echo "$output"
	[[ "$output" == *"would wait for ever: Partition"* ]]
	run -0 "$DGRID" doctor --engine slurm --work-dir "$T/w1"
	echo "$output"
	[[ "$output" == *"1 nodes are up, with 64 processors"*"a script ran in it (slurm)"* ]]
	if [[ $(id -u) != 0 ]]; then return; fi
	local hidden=$BATS_FILE_TMPDIR/hidden
	run -69 "$DGRID" worker --node-id n1 --engine slurm --work-dir "$hidden/w" --once
	echo "$output"
	[[ "$output" == *"node n1 does not see '$hidden/w/jobs/"*"a file system that all nodes share"* ]]
	run -1 "$DGRID" doctor --engine slurm --work-dir "$hidden/w"
	echo "$output"
	[[ "$output" == *"fail  sandbox"*"node n1 does not see"* ]]
}

@test "slurm: locked down, seen from inside" { finished check_inside; }
@test "slurm: every ending is told apart, the deadline ends the job, nothing is left" { finished check_endings; }
@test "slurm: what a script leaves in /out comes back, and its limits hold" { finished check_outputs; }
@test "slurm: what a script is given stands in /in, and a copy of it can be written to" { finished check_inputs; }
@test "slurm: what a run used is told, its processor time and its processes are limited" { finished check_usage; }
@test "slurm: after kill -9 of the worker no job goes on, and the next start gives the claim back" { finished check_killed; }
@test "slurm: a client that is killed says nothing of its script, which is not taken for a success" { finished check_client_killed; }
@test "slurm: as an ordinary user, points, and a flood of output" { finished check_user; }
@test "slurm: what an administrator cancels, or puts back to the queue, is no result: the claim goes back" { finished check_admin; }
@test "slurm: what cannot work is told at the start, and which words are taken" { finished check_words; }

says_queued() { "$DGRID" status | grep -q "^$1 .* claimed .*waits in Slurm's queue"; }
@test "slurm: a job that waits is told so, its wait is no run, and who takes it from the queue costs it no attempt" {
	local how
	grid_settings '"retry_backoff_seconds": 1, "heartbeat_seconds": 2'
	"$DGRID" config default_cpus 1 && "$DGRID" config max_cpus 16
	sbatch --quiet --job-name=other --cpus-per-task=60 --mem=10 --output=/dev/null --wrap='sleep 600'
	wait_until 20 eval '[[ $(squeue --noheader --states=RUNNING --name=other) ]]'
	worker
	task unwanted '{"cpus": 8}' <<<'echo ran'
	wait_until 60 says_queued unwanted
	task next '{"cpus": 1}' <<<'echo ran'
	[ "$("$DGRID" status --json | jq -r '.tasks[] | select(.task_id == "unwanted") | .waiting_for_slot')" = true ]
	run -0 "$DGRID" why unwanted
	[[ "$output" == *"it waits in Slurm's queue"* ]]
	wait_until 30 eval '"$DGRID" why next | grep -q "the cluster of node $NODE has no idle processor"'
	"$DGRID" cancel unwanted
	wait_until 60 ledger_has failed unwanted
	[ "$(field unwanted 'r["status"], r["stdout"] + r["stderr"], r["stderr_truncated"], r["duration_ms"]')" = "cancelled  False 0" ]
	wait_until 60 ledger_has completed next
	task taken '{"cpus": 8, "points": 1, "max_attempts": 1}' <<<'echo ran'
	for how in 'scancel' 'scontrol hold'; do
		wait_until 60 says_queued taken
		$how "$(job_of taken)"
		wait_until 60 eval '! says_queued taken'
	done
	wait_until 60 eval '[[ $(outcomes taken) = "released released" ]]'
	scancel --name=other
	wait_until 60 ledger_has completed taken
	[ "$(outcomes taken)" = "released released success" ]
	[ "$(field taken 'r["duration_ms"] == sum(p["duration_ms"] for p in r["points"]) or r["duration_ms"] < 4000 * '"$DGRID_TEST_SCALE"' // 100')" = True ]
	run ! grep 'no claims until this is mended' "$T/log"
	"$DGRID" audit
}

@test "slurm: it claims what the cluster has room for, beside its other users, and passes on what tasks ask for" {
	sbatch --quiet --job-name=other --cpus-per-task=60 --mem=10 --output=/dev/null --wrap='sleep 600'
	wait_until 20 eval '[[ $(squeue --noheader --states=RUNNING --name=other) ]]'
	for i in $(seq 11); do printf '{"task_id": "p%s", "cpus": 1, "script": "sleep 1", "timeout_seconds": 30}' "$i" >"$T/p$i.json"; done
	"$DGRID" submit "$T"/p*.json
	task licensed '{"resources": {"license": 2}}' <<<'sleep 1'
	worker --slurm-options "--partition=main --nice=5"
	wait_until 30 ledger_has completed p1
	scontrol show job --oneliner >"$T/jobs"
	grep -qE "JobName=dgrid-$NODE-p1-.* Nice=5 .* Requeue=0 .* TimeLimit=00:03:00 .* Partition=main .* CPUs/Task=1 " "$T/jobs"
	wait_until 60 eval '[ "$(ledger_ls completed | wc -l)" = 12 ]'
	scontrol show job --oneliner | grep "JobName=dgrid-$NODE-licensed-" | grep -q 'TresPerNode=gres:license:2'
	# Whatever it offers, at no time had it claimed more than four that run and four whose results were under way.
	git -C "$ORIGIN" log --reverse --format=%H main -- tasks/in_progress | while read -r c; do
		git -C "$ORIGIN" ls-tree --name-only "$c" tasks/in_progress/ | grep -c 'json$'
	done >"$T/held" || true
	[ "$(sort -n "$T/held" | tail -n 1)" -le 8 ]
	[ "$("$DGRID" nodes --json | jq -r '.nodes[0].offer | "\(.cpus) \(.memory_mb) \(.resources.license)"')" = "64 64000 3" ]
	scancel --name=other
	"$DGRID" audit
}

# The last one, for what a killed controller leaves behind. One that has forgotten a job's begin drains its node, as of a job twice.
undrained() { [[ $(sinfo --noheader --format=%T) != *drain* ]] || scontrol update NodeName=n1 State=RESUME; }
@test "slurm: without its controller a job that runs is recorded as it ends, and no answer is taken for one" {
	worker
	task runs '{"timeout_seconds": 60}' <<<'echo before; sleep 3; echo after; exit 7'
	wait_until 30 has_begun runs
	kill -KILL "$(<"${SLURM_CONF%/*}/controller")"
	task waits <<<'echo waited'
	wait_until 60 ledger_has failed runs
	[ "$(field runs 'r["status"], r["exit_code"], r["stdout"].split()')" = "failed 7 ['before', 'after']" ]
	[ "$(outcomes runs)" = failed ]
	ledger_has queue waits
	wait_until 60 eval '"$DGRID" nodes | grep -q "paused.*engine: "'
	slurm_controller
	wait_until 60 eval 'undrained; ledger_has completed waits'
	# Slurm may take a job for one of before, and end it before it begins: that is no attempt.
	[ "$(field waits 'r["stdout"].strip(), r["attempt"]')" = "waited 1" ]
	[[ $(outcomes waits) =~ ^(released )*success$ ]]
	"$DGRID" audit
}
