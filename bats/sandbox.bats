#!/usr/bin/env bats
# bats file_tags=plain
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# bubblewrap's sandbox, seen from inside; and what is the same for all engines.

setup() {
	load sandbox
	sandbox_setup bwrap
	require_bwrap
}
teardown() { sandbox_teardown; }
# A worker as somebody careless may start it.
hostile() {
	cat >"$T/hostile" <<-'SH'
		#!/bin/bash
		trap '' QUIT HUP USR1 XFSZ TSTP
		umask 077
		ulimit -S -n 256
		ulimit -S -s 4096
		ulimit -S -f 1000000
		ulimit -S -c unlimited 2>/dev/null
		cd /usr/lib
		export SECRET_OF_THE_HOST=do-not-show-me
		exec 3</ 4>>"$0.log" 9</ 100</etc "$@"
	SH
	chmod 755 "$T/hostile"
	# shellcheck disable=SC2034 # run_all's
	STARTER=("$T/hostile")
}

@test "bwrap: locked down, seen from inside" { check_inside; }
@test "bwrap: the world of a script, as root" {
	hostile
	check_world
}
@test "bwrap: the world of a script, as an ordinary user" {
	ordinary_user
	hostile
	check_world
}
@test "bwrap: the world of a script, as an ordinary user with control groups of his own" {
	delegated_user
	hostile
	check_world
}
@test "bwrap as an ordinary user: locked down, every ending told apart, and fork bombs held" {
	ordinary_user
	check_inside
	check_endings
	check_fork_bomb
}
@test "bwrap: every ending is told apart, the deadline ends everything, nothing is left" { check_endings; }
@test "bwrap: a #! line says who runs the script" { check_interpreter; }
@test "bwrap: the process limit holds against a fork bomb" { check_fork_bomb; }
@test "bwrap: a flood of output keeps head and tail; bytes that are no UTF-8 are replaced" { check_flood; }
@test "bwrap: what a script leaves in /out comes back, and its limits hold" { check_outputs; }
@test "bwrap: what a script is given stands in /in, and a copy of it can be written to" { check_inputs; }
@test "bwrap: the points of a task, each in a sandbox of its own or all in one" { check_points; }
@test "bwrap: what a run used is told, its processor time and its processes are limited" { check_usage; }
@test "bwrap: a script reads the file that stdin names" { check_stdin; }
@test "bwrap: a task with checkpoints goes on where another node stopped, or died" { check_checkpoints; }
@test "bwrap as an ordinary user: the same" { check_checkpoints ordinary_user; }
@test "bwrap: each task has devices of its own" { check_devices; }

@test "bwrap: a sandbox dies with its worker" {
	mark=9$RANDOM
	task orphan <<<"sleep $mark"
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	wait_until 20 pgrep -fx "sleep $mark" # the script itself, not bwrap with it in its arguments
	kill -KILL "$SPAWNED"
	wait_until 10 nothing_left "sleep $mark"
}

@test "a worker with 16 flooding slots stays under 20 MB resident" {
	for i in $(seq 16); do
		printf '{"task_id": "f%s", "script": "yes 0123456789abcdef | head -c 20000000; sleep 2", "timeout_seconds": 60}' "$i" >"$T/f$i.json"
	done
	"$DGRID" submit "$T"/f*.json
	spawn "$T/log" "$DGRID" worker --node-id n1 --slots 16 --engine bwrap --work-dir "$T/w1"
	wait_until 60 sh -c '[ "$(git -C "$1" ls-tree --name-only main tasks/completed/ | grep -c json)" = 16 ]' sh "$ORIGIN"
	peak=$(sed -n 's/^VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$SPAWNED/status")
	echo "peak: $peak kB"
	[ "$peak" -gt 0 ]
	limit=20480
	if [[ ${DGRID_SAN:-0} = 1 ]]; then limit=204800; fi # the sanitizers take memory of their own
	[ "$peak" -lt "$limit" ]
}

@test "auto takes the one engine that answers, and says which; without any it says why" {
	task one <<<'echo 1'
	mkdir "$T/bin"
	for tool in git bwrap setpriv sh true; do ln -s "$(command -v "$tool")" "$T/bin/$tool"; done
	run -0 env PATH="$T/bin" "$DGRID" worker --node-id n1 --once --work-dir "$T/w1"
	[[ "$output" == *"engine bwrap"* ]]
	rm "$T/bin/bwrap"
	run -69 env PATH="$T/bin" "$DGRID" worker --node-id n1 --once --work-dir "$T/w1"
	[[ "$output" == *docker* && "$output" == *podman* && "$output" == *bwrap* && "$output" == *install* ]]
}

@test "the shell is found whatever PATH a task has; what no system hands on is refused before it is queued" {
	task path '{"env": {"PATH": "/opt/bin"}}' <<<'echo "$PATH"'
	task none '{"env": {"PATH": ""}}' <<<'echo "<$PATH>"'
	python3 - "$T" <<-'PY'
		import json, sys
		def task(name, env):
		    t = {"task_id": name, "script": "echo ${#BIG}", "timeout_seconds": 20, "env": env}
		    json.dump(t, open(f"{sys.argv[1]}/{name}.json", "w"))
		task("big", {"BIG": "x" * (131000 - 4)})
		task("bigger", {"BIG": "x" * (131000 - 3)})
		task("many", {f"N{i}": "" for i in range(2000)})
		task("more", {f"N{i}": "" for i in range(2001)})
		task("most", {f"N{i}": "y" * 100 for i in range(1900)})
	PY
	"$DGRID" submit "$T/big.json" "$T/many.json" "$T/most.json"
	run -65 "$DGRID" submit "$T/bigger.json" "$T/more.json"
	[[ "$output" == *'bigger.json:1:'*'env: "BIG" has 131001 bytes with its name (expected at most 131000'* ]]
	[[ "$output" == *'more.json:1:'*'env: 2001 variables (expected at most 2000)'* ]]
	run_all
	[ "$(field path 'r["status"], r["stdout"].strip()')" = "success /opt/bin" ]
	[ "$(field none 'r["status"], r["stdout"].strip()')" = "success <>" ]
	[ "$(field big 'r["status"], r["stdout"].strip()')" = "success 130996" ]
	[ "$(field many 'r["status"]') $(field most 'r["status"]')" = "success success" ]
}

@test "a worker whose standard descriptors are closed keeps its files as they are" {
	task one <<<'echo 1'
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" <&- >&- 2>&-
	[ "$(field one 'r["status"], r["stdout"].strip()')" = "success 1" ]
	[ ! -s "$T/w1/lock" ]
}

@test "what was ignored at the start stays so: SIGHUP under nohup, SIGINT behind a &; SIGTERM always counts" {
	spawn "$T/log" nohup "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1" # bash ignores SIGINT for it
	wait_until 20 grep -q 'node n1: engine' "$T/log"
	kill -HUP "$SPAWNED"
	kill -INT "$SPAWNED"
	task one <<<'echo 1'
	wait_until 20 ledger_has completed one
	run -1 grep draining "$T/log"
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	grep -q draining "$T/log"
}

@test "500 idle processes beside an ordinary user's worker of 8 slots: tasks end in time, and SIGINT is heard" {
	local i mark=9$RANDOM
	ordinary_user
	for ((i = 0; i < 500; i++)); do
		sleep "$mark" 3>&- &
		echo $! >>"$PIDS_FILE"
	done
	disown -a
	for i in 1 2 3 4 5 6 7 8; do task "s$i" <<<'sleep 3; echo slept'; done
	run_all
	for i in 1 2 3 4 5 6 7 8; do
		[ "$(field "s$i" 'r["status"], r["stdout"].strip(), r["duration_ms"] < 15000')" = "success slept True" ]
	done
	for i in 1 2 3 4 5 6 7 8; do task "l$i" <<<'sleep 18'; done
	spawn "$T/log" env --default-signal=INT "$DGRID" worker --node-id n2 --engine bwrap --slots 8 --work-dir "$T/w2"
	wait_until 30 sh -c '[ "$(git -C "$1" ls-tree --name-only main tasks/in_progress/ | grep -c json)" = 8 ]' sh "$ORIGIN"
	kill -INT "$SPAWNED"
	wait_until 10 grep -q draining "$T/log"
	kill -INT "$SPAWNED"
	wait_until 15 pid_ended "$SPAWNED"
	grep -q 'stopping at once' "$T/log"
}

@test "an ordinary user's memory limit without control groups: files count, forks count once" {
	ordinary_user
	task files '{"memory_mb": 64}' <<<'i=0; while [ $i -lt 200 ]; do head -c 4096 /dev/zero >/dev/shm/f$i; i=$((i + 1)); done; head -c 57000000 /dev/zero >/dev/shm/big; echo written; x=$(head -c 14000000 /dev/zero | tr "\\0" x); sleep 15; echo never'
	task empty '{"memory_mb": 32}' <<<'cd /dev/shm; seq 100000 | xargs touch; sleep 15; echo never'
	task forks '{"memory_mb": 48}' <<<'x=$(head -c 10000000 /dev/zero | tr "\\0" x); for i in 1 2 3 4 5 6; do (sleep 3) & done; wait; echo ${#x}'
	run_all
	[ "$(field files 'r["status"], r["stdout"].strip()')" = "oom written" ]
	[ "$(field empty 'r["status"], r["stdout"].strip()')" = "oom " ]
	[ "$(field forks 'r["status"], r["stdout"].strip()')" = "success 10000000" ]
}

@test "delegated control groups hold what a script writes into memory, whatever it calls it" {
	delegated_user
	task shm '{"memory_mb": 32}' <<<'head -c 40000000 /dev/zero >/dev/shm/big; echo never'
	task empty '{"memory_mb": 32, "timeout_seconds": 60}' <<<'cd /tmp; i=0; while :; do i=$((i + 1)); seq $i$i 9000000 | xargs -n 5000 touch; done; echo never'
	run_all
	[ "$(field shm 'r["status"]')" = oom ]
	[ "$(field empty 'r["status"]')" = oom ]
	for group in "${GROUPS_OF[@]}"; do [ "$(find "$group" -mindepth 1 -type d | wc -l)" = 0 ]; done
}

@test "a script that makes the kernel end the sandbox's own first process is oom, as root" {
	[ "$(id -u)" = 0 ] || strict_skip "control groups need root"
	make=$(probe)
	task inodes '{"memory_mb": 16, "timeout_seconds": 60}' <<<"$make; exec $PROBE files /tmp/x"
	task children '{"memory_mb": 16, "timeout_seconds": 60}' <<<"$make; for i in 1 2 3 4; do $PROBE files /dev/shm/x\$i & done; wait"
	run_all
	[ "$(field inodes 'r["status"]')" = oom ]
	[ "$(field children 'r["status"]')" = oom ]
	[ "$(ledger_ls queue | wc -l)" = 0 ]
}

@test "what the kernel counts for a user no task takes from another, as root" {
	[ "$(id -u)" = 0 ] || strict_skip "an ordinary user has one id for all"
	make=$(probe)
	most=$(cat /proc/sys/fs/inotify/max_user_instances)
	task greedy <<<"$make; $PROBE inotify $((most + 10))"
	task modest <<<"$make; sleep 1; $PROBE inotify 5"
	run_all
	[ "$(field modest 'r["stdout"].strip()')" = "inotify 5" ]
}

@test "require_limits: a node that only watches limits claims nothing and says so, one with control groups runs all" {
	delegated_user
	ordinary=$DGRID
	sed 's/echo [^;]*cgroup.procs; //g' "$DGRID" >"$T/watching"
	chmod 755 "$T/watching"
	DGRID=$T/watching
	task before <<<'echo 1'
	run_all
	run -0 "$DGRID" show before
	[[ "$output" == *"not enforced there"* ]]
	[ "$(field before 'r["limits"]["enforced"]')" = False ]
	run -0 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"warn  limits"*"limits not enforced here"* ]]
	tgit -C "$T/c" pull -q
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "require_limits": true}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
	chown -R 60999:60999 "$T"
	task after <<<'echo 2'
	run -69 "$DGRID" worker --node-id n2 --engine bwrap --once --work-dir "$T/w2"
	[[ "$output" == *"limits: memory, processes and processors are not enforced here"* ]]
	ledger_has queue after
	[ "$(ledger_json queue after | grep -c attempts)" = 0 ]
	run -1 "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  limits"* ]]
	git -C "$ORIGIN" show main:nodes/n2.json | grep -q '"limits_enforced": false'
	DGRID=$ordinary
	run_all
	[ "$(field after 'r["status"], r["limits"].get("enforced")')" = "success None" ]
}

@test "bwrap, an ordinary user: what a script is given stands in /in, and a copy of it can be written to" {
	ordinary_user
	check_inputs
}

@test "bwrap, an ordinary user: what a run used is told, its processor time and its processes are limited" {
	ordinary_user
	check_usage
}

@test "require_limits: a worker whose control groups come late, or are taken away, runs nothing without them, and goes on with them" {
	delegated_user
	tgit -C "$T/c" pull -q
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "require_limits": true}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
	chown -R 60999:60999 "$T"
	task before <<<'echo 1'
	chown root "${GROUPS_OF[@]}"
	spawn "$T/worker.log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	wait_until 40 grep -q 'limits: memory, processes and processors are not enforced here' "$T/worker.log"
	chown 60999 "${GROUPS_OF[@]}"
	wait_until 90 ledger_has completed before
	chown root "${GROUPS_OF[@]}"
	task waits <<<'echo 2'
	wait_until 40 grep -q 'no control group' "$T/worker.log"
	wait_until 20 ledger_has queue waits
	chown 60999 "${GROUPS_OF[@]}"
	wait_until 90 ledger_has completed waits
	[ "$(field waits 'r["status"], r["limits"].get("enforced")')" = "success None" ]
	"$DGRID" audit
}
