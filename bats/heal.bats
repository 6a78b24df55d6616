#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# Nothing is lost: leases, heartbeats, orphans, restarts, drain, remote and engine trouble. Clocks are shortened by
# grid.json: a beat a second, orphans after five.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0, "retry_backoff_seconds": 3'
}
teardown() { common_teardown; }

submit() { # ID SCRIPT [MEMBERS]
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 30%s}\n' "$1" "$2" "${3:-}" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}
worker() { # NODE [OPTIONS]: in the background, log in $T/NODE.log
	local node=$1
	shift
	spawn "$T/$node.log" "$DGRID" worker --node-id "$node" --engine bwrap --work-dir "$T/$node" "$@"
	wait_until 20 grep -q "node $node: engine" "$T/$node.log"
}
field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}
commits() { git -C "$ORIGIN" rev-list --count main; }
follows() { [[ $(git -C "$T/$1/ledger" rev-parse HEAD) = $(git -C "$ORIGIN" rev-parse main) ]]; } # NODE
beat_of() { git -C "$ORIGIN" rev-parse --verify -q "refs/dgrid/heartbeats/$1"; }
beat_moved() { [[ $(beat_of "$1") != "$2" ]]; }

@test "heartbeats have their own ref and leave the branch alone, idle and busy" {
	worker n1
	worker n2
	for n in n1 n2; do
		wait_until 20 git -C "$ORIGIN" cat-file -e "main:nodes/$n.json"
		wait_until 20 beat_of "$n"
	done
	before=$(commits)
	for _ in 1 2 3 4; do
		old=$(beat_of n1)
		wait_until 20 beat_moved n1 "$old"
	done
	[ "$(commits)" = "$before" ]
	# A beat is a commit without a parent, and says when the next is due.
	[ "$(git -C "$ORIGIN" rev-list --count refs/dgrid/heartbeats/n1)" = 1 ]
	run -0 git -C "$ORIGIN" log -1 --format=%s refs/dgrid/heartbeats/n1
	[[ "$output" == *'"next_due"'* && "$output" == *'"status":"active"'* ]]
	submit long 'sleep 30' # the test ends before
	wait_until 20 ledger_has in_progress long
	before=$(commits)
	node=$(field in_progress long 't["claim"]["node"]')
	old=$(beat_of "$node")
	wait_until 20 beat_moved "$node" "$old"
	[ "$(commits)" = "$before" ]
}

@test "a host that takes heads only gets heartbeats as heads" {
	printf '#!/bin/sh\ncase $1 in refs/heads/*) exit 0;; esac\necho "only heads here" >&2\nexit 1\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	worker n1
	wait_until 20 git -C "$ORIGIN" rev-parse --verify -q refs/heads/dgrid-heartbeats/n1
	wait_until 20 sh -c '"$1" nodes | grep -q active' sh "$DGRID"
	[ "$(grep -c 'refuses refs/dgrid' "$T/n1.log")" = 1 ]
	submit ok 'echo ok'
	wait_until 20 ledger_has completed ok
}

@test "an idle node runs a dead node's task, and the story of the lost attempt is kept" {
	submit orphan 'sleep 2; echo done'
	worker n1
	wait_until 20 ledger_has in_progress orphan
	kill -KILL "$SPAWNED"
	worker n2
	wait_until 40 ledger_has completed orphan
	[ "$(field completed orphan 't["result"]["node"], t["result"]["attempt"]')" = "n2 2" ]
	[ "$(field completed orphan '[a["outcome"] for a in t["attempts"]]')" = "['lost', 'success']" ]
	[[ "$(field completed orphan 't["attempts"][0]["reason"]')" == *"no sign of life from node n1"* ]]
}

@test "heal --dry-run says what and why and changes nothing; heal does it; a live node's task is left alone" {
	submit dead 'sleep 20' ', "max_attempts": 1'
	worker n1
	wait_until 20 ledger_has in_progress dead
	run -0 "$DGRID" heal
	[ "$output" = "no orphans" ]
	kill -KILL "$SPAWNED"
	wait_until 30 sh -c '"$1" heal --dry-run | grep -q "would lost dead: no sign of life from node n1"' sh "$DGRID"
	ledger_has in_progress dead
	run -0 --separate-stderr "$DGRID" heal --json
	[ "$(python3 -c 'import json,sys; o=json.load(sys.stdin)["orphans"]; print(o[0]["task_id"], o[0]["action"])' <<<"$output")" = "dead lost" ]
	[ "$(field failed dead 't["result"]["status"]')" = lost ]
	[ "$(field failed dead '[a["outcome"] for a in t["attempts"]]')" = "['lost']" ]
}

# bats test_tags=plain
@test "three hundred large beats of strangers hide no live node; one that cannot be read is no silence" {
	local fill empty i
	# A live node is late now and then beside all the others of a test run: five seconds would tell nothing.
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 15, "max_clock_skew_seconds": 0'
	empty=$(git -C "$ORIGIN" mktree </dev/null)
	fill=$(printf '[0],%.0s' {1..16000})
	big() { printf '{"node_id":"%s","fill":[%s0]}' "$1" "$2" | tgit -C "$ORIGIN" commit-tree "$empty"; }
	for i in {1..300}; do echo "create refs/dgrid/heartbeats/a$i $(big "a$i" "$fill")"; done >"$T/refs"
	git -C "$ORIGIN" update-ref --stdin <"$T/refs"
	echo '{"task_id": "long", "script": "sleep 300", "timeout_seconds": 300, "max_attempts": 1}' >"$T/long.json"
	"$DGRID" submit "$T/long.json"
	worker n1
	wait_until 20 ledger_has in_progress long
	told=$(date +%s)
	later() { (($(date +%s) > told + 16)) && "$DGRID" nodes | grep -q 'n1.*active'; } # the claim alone would be too old
	wait_until 60 later
	# Its readers' memory does not grow with what strangers write: 300 documents of 16,000 values are half a gigabyte.
	run -0 --separate-stderr python3 - "$DGRID" heal <<-'PY'
		import os, resource, sys
		child = os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:])
		peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
		print("peak", peak, "MB")
		sys.exit(child or (peak > 150 and os.environ.get("DGRID_SAN") != "1"))
	PY
	[ "${lines[0]}" = 'no orphans' ]
	kill -KILL "$SPAWNED"
	wait_until 60 sh -c '"$1" heal --dry-run | grep -q "would lost long: no sign of life from node n1"' sh "$DGRID"
	# A beat that is too large, or none at all, tells neither life nor death: the lease decides.
	for i in "$(big n1 "$fill$fill")" "$(echo '{"node_id":' | tgit -C "$ORIGIN" commit-tree "$empty")"; do
		git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/n1 "$i"
		run -0 --separate-stderr "$DGRID" heal
		[ "$output" = 'no orphans' ]
		[[ "$stderr" == *"the heartbeat of node n1 cannot be read"* ]]
		run -75 "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/other" --once
		[[ "$output" == *"the heartbeat of node 'n1' cannot be read"* ]]
	done
	# Nor does one that is not there, for anybody may have taken it away.
	git -C "$ORIGIN" update-ref -d refs/dgrid/heartbeats/n1
	run -0 --separate-stderr "$DGRID" heal
	[ "$output" = 'no orphans' ]
	[[ "$stderr" == *"the heartbeat of node n1 is not there, so its lease decides"* ]]
	# A goodbye is said in the ledger.
	bye() { # fresh each time, for to look at all of them may take longer than such a beat counts
		git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/n1 \
			"$(printf '{"node_id":"n1","status":"left","last_heartbeat":"%s"}' "$(date -u +%FT%TZ)" | tgit -C "$ORIGIN" commit-tree "$empty")"
		[[ $("$DGRID" heal --dry-run) == 'no orphans' ]]
	}
	wait_until 60 bye
}

@test "a frozen worker wakes after its task was given to another: its result is dropped, the other's stands" {
	submit frozen 'sleep 6; echo done'
	worker n1
	first=$SPAWNED
	wait_until 20 ledger_has in_progress frozen
	kill -STOP "$first"
	worker n2
	wait_until 60 ledger_has completed frozen
	kill -CONT "$first"
	wait_until 20 grep -qE 'late: frozen|claim on frozen is gone' "$T/n1.log"
	[ "$(field completed frozen 't["result"]["node"]')" = n2 ]
	# It goes on working.
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	submit after 'echo after'
	wait_until 20 ledger_has completed after
	[ "$(field completed after 't["result"]["node"]')" = n1 ]
	git -C "$ORIGIN" show main:nodes/n1.json | grep -q '"tasks_late": 1'
}

@test "a task longer than the lease keeps it by renewal" {
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0, "lease_seconds": 5'
	submit long 'sleep 9; echo kept'
	worker n1
	wait_until 20 ledger_has in_progress long
	lease=$(field in_progress long 't["claim"]["lease_until"]')
	worker n2
	wait_until 30 ledger_has completed long
	[ "$(field completed long 'len(t["attempts"]), t["result"]["node"]')" = "1 n1" ]
	[[ "$(field completed long 't["attempts"][0]["lease_until"]')" > "$lease" ]]
}

@test "retry_on_failure: back-off written as not_before, max_attempts kept, each attempt's story told" {
	grid_settings '"heartbeat_seconds": 1, "retry_backoff_seconds": 5'
	submit flaky 'echo trouble >&2; exit 4' ', "retry_on_failure": true, "max_attempts": 3'
	worker n1
	wait_until 20 sh -c 'git -C "$1" show main:tasks/queue/flaky.json | grep -q not_before' sh "$ORIGIN"
	wait_until 30 sh -c '"$1" why flaky | grep -q "waits after a failed attempt"' sh "$DGRID"
	wait_until 30 ledger_has failed flaky
	[ "$(field failed flaky '[(a["outcome"], a["attempt"]) for a in t["attempts"]]')" = "[('failed', 1), ('failed', 2), ('failed', 3)]" ]
	[ "$(field failed flaky 't["attempts"][0]["exit_code"], t["attempts"][0]["stderr_tail"].strip()')" = "4 trouble" ]
	[ "$(field failed flaky '"not_before" in t')" = False ]
}

@test "kill -9 with a finished result unsaid: the next start records it, without running the task again" {
	submit kept "echo ran; echo x >>/tmp/x"
	worker n1
	wait_until 20 ledger_has completed kept
	submit held 'sleep 1; echo once'
	wait_until 20 ledger_has in_progress held
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 20 sh -c 'ls "$1"/n1/results/*.json' sh "$T"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	mv "$ORIGIN.away" "$ORIGIN"
	"$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	[ "$(field completed held 't["result"]["stdout"].strip(), len(t["attempts"])')" = "once 1" ]
	[ -z "$(find "$T/n1/results" -name '*.json')" ]
}

@test "a remote that is away for a while: said once, the result is kept, then recorded" {
	submit away 'sleep 1; echo kept'
	worker n1
	wait_until 20 ledger_has in_progress away
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 20 sh -c 'ls "$1"/n1/results/*.json' sh "$T"
	wait_until 20 grep -q 'remote trouble' "$T/n1.log"
	wait_until 20 sh -c '[ $(grep -c "" "$1") -ge 5 ]' sh "$T/n1.log"
	mv "$ORIGIN.away" "$ORIGIN"
	wait_until 30 ledger_has completed away
	wait_until 20 grep -q 'the remote answers again' "$T/n1.log"
	[ "$(grep -c 'remote trouble' "$T/n1.log")" -le 2 ]
	[ "$(field completed away 'len(t["attempts"])')" = 1 ]
}

@test "a declining hook is said once and nothing is lost" {
	worker n1
	submit ok 'echo ok'
	wait_until 20 ledger_has completed ok
	submit later 'sleep 1; echo later'
	wait_until 20 ledger_has in_progress later
	printf '#!/bin/sh\necho "rate limit: slow down" >&2\nexit 1\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	wait_until 20 grep -q 'rate limit: slow down' "$T/n1.log"
	rm "$ORIGIN/hooks/pre-receive"
	wait_until 30 ledger_has completed later
	[ "$(grep -c 'remote trouble' "$T/n1.log")" -le 2 ]
}

@test "a branch pushed back by force: the worker follows and goes on" {
	worker n1
	base=$(git -C "$ORIGIN" rev-parse main)
	submit one 'echo 1'
	wait_until 20 ledger_has completed one
	git -C "$ORIGIN" update-ref refs/heads/main "$base"
	submit two 'echo 2'
	wait_until 20 ledger_has completed two
}

@test "what the clone stands on is gone: it is made anew, and the running task's result still lands" {
	submit one 'sleep 4; echo survived'
	worker n1
	wait_until 20 ledger_has in_progress one
	submit later 'echo 1' # a commit that is not of the worker's own making
	wait_until 20 follows n1
	kill -STOP "$SPAWNED" # it must not see the new branch before the old one's objects are gone
	fresh=$(tgit -C "$ORIGIN" commit-tree -m 'history begins anew' 'main^{tree}')
	git -C "$ORIGIN" update-ref refs/heads/main "$fresh"
	git -C "$ORIGIN" reflog expire --expire=now --all
	git -C "$ORIGIN" gc -q --prune=now
	kill -CONT "$SPAWNED"
	wait_until 30 ledger_has completed one
	[ "$(field completed one 't["result"]["stdout"]')" = survived ]
	grep -q 'is damaged' "$T/n1.log"
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	rm -r "$T/n1/ledger/.git/objects"
	submit two 'echo 2'
	worker n1
	wait_until 20 ledger_has completed two
}

@test "gc took old beats from the folder whose objects a clone borrows: it forgets them, reads on and heals" {
	submit one 'sleep 25'
	worker n1
	first=$SPAWNED
	wait_until 20 ledger_has in_progress one
	worker n2
	knows() { lost=$(git -C "$T/n2/ledger" rev-parse --verify -q refs/dgrid/heartbeats/n1); }
	wait_until 20 knows
	kill -STOP "$SPAWNED"
	knows
	wait_until 20 beat_moved n1 "$lost"
	touch -d '2 hours ago' "$ORIGIN/objects/${lost:0:2}/${lost:2}"
	git -C "$ORIGIN" gc -q --prune=1.hour.ago
	run -1 git -C "$T/n2/ledger" cat-file -e "$lost"
	kill -KILL "$first"
	kill -CONT "$SPAWNED"
	wait_until 40 grep -q 'healed one' "$T/n2.log"
	[ "$(grep -c 'remote trouble\|is damaged' "$T/n2.log")" = 0 ]
	kill -TERM "$SPAWNED"
	stops() { pid_ended "$SPAWNED" || grep -q draining "$T/n2.log"; }
	wait_until 20 stops
	kill -TERM "$SPAWNED" 2>/dev/null || true # it may have claimed it
	wait_until 20 pid_ended "$SPAWNED"
	# The next start finds a beat that is gone, too, and reads the branch before all else.
	lost=$(tgit -C "$ORIGIN" commit-tree -m '{"node_id":"n1"}' "$(git -C "$ORIGIN" mktree </dev/null)")
	git -C "$T/n2/ledger" update-ref refs/dgrid/heartbeats/n1 "$lost"
	touch -d '2 hours ago' "$ORIGIN/objects/${lost:0:2}/${lost:2}"
	git -C "$ORIGIN" gc -q --prune=1.hour.ago
	"$DGRID" cancel one
	worker n2 --once
	wait_until 20 pid_ended "$SPAWNED"
	grep -q 'left: ' "$T/n2.log"
	[ "$(grep -c 'remote trouble\|is damaged' "$T/n2.log")" = 0 ]
}

@test "a repository that init makes lets old beats go by the gc after a push, and no younger ones" {
	run -1 git -C "$ORIGIN" config gc.pruneExpire # it was there already
	ORIGIN=$T/made.git
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init "$ORIGIN"
	[ "$(git -C "$ORIGIN" config gc.pruneExpire)" = 1.hour.ago ]
	grid_settings '"heartbeat_seconds": 1'
	worker n1
	wait_until 20 beat_of n1
	old=$(beat_of n1)
	wait_until 20 beat_moved n1 "$old"
	young=$(beat_of n1)
	wait_until 20 beat_moved n1 "$young"
	touch -d '2 hours ago' "$ORIGIN/objects/${old:0:2}/${old:2}"
	# Now there is too much: git counts what begins with 17. In the foreground, so that nothing outlives the test.
	git -C "$ORIGIN" config gc.autoDetach false
	git -C "$ORIGIN" config gc.auto 1
	for i in 263 410 523; do echo "$i" | git -C "$ORIGIN" hash-object -w --stdin; done
	gone() { ! git -C "$ORIGIN" cat-file -e "$1"; }
	wait_until 30 gone "$old"
	git -C "$ORIGIN" cat-file -e "$young"
	submit one 'echo 1'
	wait_until 20 ledger_has completed one
	git -C "$ORIGIN" fsck --no-dangling
}

@test "the second signal gives the claims back at once, without using an attempt" {
	submit slow 'sleep 25'
	worker n1
	wait_until 20 ledger_has in_progress slow
	kill -TERM "$SPAWNED"
	wait_until 10 grep -q draining "$T/n1.log"
	kill -TERM "$SPAWNED"
	wait_until 15 pid_ended "$SPAWNED"
	ledger_has queue slow
	[ "$(field queue slow '[a["outcome"] for a in t["attempts"]]')" = "['released']" ]
	worker n2
	wait_until 20 ledger_has in_progress slow
	[ "$(field in_progress slow 't["claim"]["attempt"]')" = 1 ]
}

@test "cancel works when the worker is dead, and stops a running container within two polls" {
	submit doomed 'sleep 25'
	worker n1
	wait_until 20 ledger_has in_progress doomed
	"$DGRID" cancel doomed
	wait_until 10 ledger_has failed doomed
	[ "$(field failed doomed 't["result"]["status"]')" = cancelled ]
	submit widow 'sleep 25'
	wait_until 20 ledger_has in_progress widow
	kill -KILL "$SPAWNED"
	wait_until 30 sh -c '"$1" heal --dry-run | grep -q widow' sh "$DGRID"
	"$DGRID" cancel widow
	ledger_has failed widow
	[ "$(field failed widow 't["result"]["status"]')" = cancelled ]
}

@test "two workers with one node id: the second is refused while the first lives" {
	worker n1
	wait_until 20 beat_of n1
	run -75 "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/other" --once
	[[ "$output" == *"node id 'n1' was alive"* ]]
	# With --take-over the first notices and leaves.
	"$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/other" --once --take-over
	wait_until 20 pid_ended "$SPAWNED"
	grep -q 'another worker has taken the node id' "$T/n1.log"
}

on_a_small_disk() { # n1, with 64 MB in all
	[ "$(id -u)" = 0 ] || strict_skip "mounting a small file system needs root"
	mkdir "$T/small"
	mount -t tmpfs -o size=64m tmpfs "$T/small"
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/small/n1"
	worker_pid=$SPAWNED
	wait_until 20 beat_of n1
}

@test "a full disk stops the claims, says so, and claims go on once there is room" {
	on_a_small_disk
	head -c 60000000 /dev/zero >"$T/small/filler" || true
	submit waits 'echo room'
	wait_until 20 grep -q 'no claims until this is mended: disk' "$T/n1.log"
	wait_until 20 sh -c '"$1" nodes | grep -q "paused.*trouble: disk"' sh "$DGRID"
	run -0 "$DGRID" why waits
	[[ "$output" == *"claims nothing: disk"* ]]
	rm "$T/small/filler"
	wait_until 40 ledger_has completed waits
	kill -TERM "$worker_pid"
	wait_until 20 pid_ended "$worker_pid"
	umount "$T/small"
}

@test "what cannot be stored on a full disk is nobody's result: the claim goes back, and what may leave more than fits is left to others" {
	on_a_small_disk
	# The disk fills while it runs; its own files are whole.
	submit fills 'head -c 8000000 /dev/urandom >/out/r; cat /out/r | cksum; : >/out/wait; while [ -e /out/wait ]; do :; done' ', "out_mb": 9'
	waits() { find "$T/small" /var/tmp/dgrid-run-* -path '*/out/wait' 2>/dev/null | grep .; }
	wait_until 30 waits
	dd if=/dev/zero of="$T/small/filler" bs=4096 2>/dev/null || true
	rm "$(waits)"
	wait_until 40 grep -q 'no claims until this is mended: disk: what fills left cannot be stored: git fast-import' "$T/n1.log"
	rm "$T/small/filler"
	wait_until 60 waits # once more, at no cost
	rm "$(waits)"
	wait_until 40 ledger_has completed fills
	[ "$(field completed fills '[a["outcome"] for a in t["attempts"]], t["result"]["attempt"], t["result"]["out"]["bytes"]')" = "['released', 'success'] 1 8000000" ]
	[[ "$(field completed fills 't["attempts"][0]["reason"]')" == 'what it left cannot be stored: git fast-import'* ]]
	"$DGRID" get -o "$T/got" fills
	[ "$(cksum <"$T/got/r")" = "$("$DGRID" logs fills)" ]
	[ -z "$(find "$T/small/n1/store.git" -name 'tmp_*' -o -name 'fast_import_crash_*')" ]
	# Twice what it may leave has to be free; what leaves nothing needs no room.
	"$DGRID" config max_out_mb 40
	submit large 'echo large' ', "out_mb": 40'
	wait_until 20 grep -q 'disk: less than 96 MB are free .*: tasks that may leave 40 MB' "$T/n1.log"
	submit none 'echo none' ', "out_mb": 0'
	wait_until 20 ledger_has completed none
	run -0 "$DGRID" why large
	[[ "$output" == *"node n1: disk: less than 96 MB are free in '$T/small/n1': tasks that may leave 40 MB"* && "$output" != *"nothing stands"* ]]
	mount -o remount,size=200m "$T/small"
	wait_until 30 ledger_has completed large
	run -0 "$DGRID" nodes
	[[ "$output" != *disk:* ]]
	"$DGRID" audit
	kill -TERM "$worker_pid"
	wait_until 20 pid_ended "$worker_pid"
	umount "$T/small"
}

@test "clocks a minute apart steal nothing; a clock that is far off is noticed, and its live task is left alone" {
	require_command faketime
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 60, "lease_seconds": 8'
	skewed() { # NODE OFFSET
		local lib
		lib=$(find /usr/lib /usr/local/lib -name libfaketime.so.1 | head -n 1)
		spawn "$T/$1.log" env "LD_PRELOAD=$lib" "FAKETIME=$2" FAKETIME_DONT_FAKE_MONOTONIC=1 \
			"ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0:detect_leaks=0" \
			"$DGRID" worker --node-id "$1" --engine bwrap --work-dir "$T/$1" "${@:3}"
		wait_until 20 grep -q "node $1: engine" "$T/$1.log"
	}
	skewed behind -60
	submit first 'sleep 12; echo done'
	wait_until 20 ledger_has in_progress first
	skewed ahead +60
	wait_until 40 ledger_has completed first
	[ "$(field completed first 'len(t["attempts"]), t["result"]["node"]')" = "1 behind" ]
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	# Ten minutes: by the clock the lease is long over, but the heart beats.
	worker watcher
	skewed far -600
	submit second 'sleep 14; echo done' ', "labels": ["x"]'
	skewed far2 -600 --labels x
	wait_until 20 ledger_has in_progress second
	wait_until 30 grep -q 'the clock of node far.* is off by about -' "$T/watcher.log"
	wait_until 40 ledger_has completed second
	[ "$(field completed second 'len(t["attempts"]), t["result"]["node"]')" = "1 far2" ]
}

@test "ten idle workers add no commit to the branch; with pushes_per_minute heartbeats stretch" {
	grid_settings '"heartbeat_seconds": 2, "orphan_after_seconds": 60'
	for n in 1 2 3 4 5 6 7 8 9 10; do
		spawn "$T/i$n.log" "$DGRID" worker --node-id "i$n" --engine bwrap --work-dir "$T/i$n"
	done
	for n in 1 2 3 4 5 6 7 8 9 10; do
		wait_until 60 git -C "$ORIGIN" cat-file -e "main:nodes/i$n.json"
		wait_until 60 beat_of "i$n"
	done
	before=$(commits)
	for _ in 1 2 3 4; do
		for n in 1 10; do
			old=$(beat_of "i$n")
			wait_until 60 beat_moved "i$n" "$old"
		done
	done
	[ "$(commits)" = "$before" ]
	[ "$(git -C "$ORIGIN" for-each-ref refs/dgrid/heartbeats | wc -l)" = 10 ]
	# Sixty a minute for ten nodes: a beat every 20 seconds each, and each says so.
	grid_settings '"heartbeat_seconds": 2, "orphan_after_seconds": 60, "pushes_per_minute": 60'
	stretched() {
		git -C "$ORIGIN" log -1 --format=%s refs/dgrid/heartbeats/i1 | python3 -c 'import json,sys,datetime
b = json.load(sys.stdin)
p = lambda s: datetime.datetime.strptime(s, "%Y-%m-%dT%H:%M:%SZ")
sys.exit((p(b["next_due"]) - p(b["last_heartbeat"])).total_seconds() < 19)'
	}
	wait_until 40 stretched
}

@test "credentials revoked while a task runs: said once, the result is kept, then recorded" {
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	submit later 'sleep 3; echo kept'
	worker n1 --poll-ms 200
	wait_until 20 ledger_has in_progress later
	echo 'x-access-token:revoked' >"$T/http.users"
	wait_until 20 sh -c 'ls "$1"/n1/results/*.json' sh "$T"
	wait_until 20 grep -q 'remote trouble' "$T/n1.log"
	printf 'x-access-token:%s\n' "$GIT_TOKEN" >"$T/http.users"
	wait_until 40 ledger_has completed later
	[ "$(grep -c 'remote trouble' "$T/n1.log")" -le 3 ]
	[ "$(field completed later 'len(t["attempts"])')" = 1 ]
	run -1 grep -F -- "$GIT_TOKEN" "$T/n1.log"
}
