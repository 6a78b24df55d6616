#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# bubblewrap's sandbox, seen from inside; and what is the same for all engines.

setup() {
	load sandbox
	sandbox_setup bwrap
	require_bwrap
}
teardown() { common_teardown; }

@test "bwrap: locked down, seen from inside" { check_inside; }
@test "bwrap: every ending is told apart, the deadline ends everything, nothing is left" { check_endings; }
@test "bwrap: the process limit holds against a fork bomb" { check_fork_bomb; }
@test "bwrap: a flood of output keeps head and tail; bytes that are no UTF-8 are replaced" { check_flood; }

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
