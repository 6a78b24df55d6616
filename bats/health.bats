#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets output and stderr
# dgrid health, as a service manager or a container engine asks it.

setup() {
	load helpers
	common_setup
	mkdir "$T/bin" "$T/fake"
	cp "$BATS_TEST_DIRNAME/fake-docker" "$T/bin/docker"
	export PATH=$T/bin:$PATH FAKE_DOCKER=$T/fake DGRID_REPO_URL=$ORIGIN NODE_ID=n1
	"$DGRID" init >/dev/null
	W=$HOME/.local/state/dgrid/n1
}
teardown() { common_teardown; }

answers() { # CODE TEXT [OPTION...]: for wait_until
	local code=$1 text=$2 out rc=0
	shift 2
	out=$("$DGRID" health "$@" 2>&1) || rc=$?
	[[ $rc == "$code" && $out == *"$text"* ]]
}

@test "no worker, a worker, one that drains, one that has left" {
	run -66 --separate-stderr "$DGRID" health
	[[ -z "$output" && "$stderr" == *"no worker has worked in '$W'"* ]]
	spawn "$T/log" "$DGRID" worker --engine docker --slots 2
	wait_until 20 answers 0 'n1: healthy: active, 0 of 2 slots busy'
	answers 0 active --work-dir "$W"
	NODE_ID='' answers 0 active --node-id n1
	touch "$T/fake/slow"
	"$DGRID" submit --id long -- true
	wait_until 20 test -s "$T/fake/starts"
	kill -TERM "$SPAWNED"
	wait_until 20 answers 0 'n1: healthy: draining, 1 of 2 slots busy'
	answers 0 draining --alive
	rm "$T/fake/slow"
	wait_until 20 pid_ended "$SPAWNED"
	run -1 --separate-stderr "$DGRID" health
	[[ "$output" == "n1: not healthy: it has left" && -z "$stderr" ]]
	run -1 "$DGRID" health --alive
	run -64 "$DGRID" health n1
	run -64 "$DGRID" health --work-dir
	echo nonsense >"$W/health.json"
	run -65 "$DGRID" health
	[[ "$output" == *"$W/health.json"*"expected a JSON object"* ]]
}

@test "JSON for programs" {
	spawn "$T/log" "$DGRID" worker --engine docker
	wait_until 20 answers 0 active
	run -0 "$DGRID" health --json
	jq -e --argjson pid "$SPAWNED" '.schema == 1 and .healthy and .pid == $pid and .node_id == "n1" and .state == "active" and
		.busy == 0 and .slots == 1 and (.why | startswith("active")) and (.remote_reached_at | fromdate > now - 60) and
		((.next_due | fromdate) - (.at | fromdate) == 5) and .patience_seconds == 300' <<<"$output"
}

@test "a frozen worker is not healthy, and is again when it goes on" {
	spawn "$T/log" "$DGRID" worker --engine docker
	wait_until 20 answers 0 active
	kill -STOP "$SPAWNED"
	# A minute later, without the wait: the frozen process cannot write its file anew.
	jq -c '(.at, .next_due) |= (fromdate - 60 | todate)' "$W/health.json" >"$T/old"
	cp "$T/old" "$W/health.json"
	run -1 "$DGRID" health
	[[ "$output" == "n1: not healthy: no sign of life for 6"*" s: its process is gone, frozen or starved" ]]
	run -1 "$DGRID" health --alive
	kill -CONT "$SPAWNED"
	wait_until 20 answers 0 active
	kill -KILL "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	cp "$T/old" "$W/health.json"
	run -1 "$DGRID" health --alive
}

@test "trouble of its own: not healthy, but alive, until it is mended" {
	spawn "$T/log" "$DGRID" worker --engine docker
	wait_until 20 answers 0 active
	touch "$T/fake/dead"
	"$DGRID" submit --id one -- true
	wait_until 20 answers 1 'n1: not healthy: it claims nothing: engine: Cannot connect to the Docker daemon'
	answers 0 'it claims nothing' --alive
	run -1 "$DGRID" health --json
	jq -e '.healthy == false and .state == "paused" and (.trouble | contains("Cannot connect"))' <<<"$output"
	rm "$T/fake/dead"
	wait_until 40 answers 0 active
}

@test "a remote that is away is told, and the file is still written; a start that fails is told too" {
	spawn "$T/log" "$DGRID" worker --engine docker
	wait_until 20 answers 0 active
	mv "$ORIGIN" "$T/away"
	wait_until 20 answers 0 'trouble with the remote: '
	told=$(jq -r .at "$W/health.json")
	on() { [ "$(jq -r .at "$W/health.json")" != "$told" ]; }
	wait_until 20 on
	# The grid gives up on it after orphan_after_seconds.
	kill -STOP "$SPAWNED"
	jq -c '.remote_reached_at |= (fromdate - 600 | todate)' "$W/health.json" >"$T/old"
	cp "$T/old" "$W/health.json"
	answers 1 'the remote has not answered for 6'
	answers 0 '' --alive
	kill -CONT "$SPAWNED"
	mv "$T/away" "$ORIGIN"
	back() { answers 0 active && ! answers 0 trouble; }
	wait_until 40 back
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	touch "$T/fake/dead"
	run -69 "$DGRID" worker --engine docker
	run -1 "$DGRID" health
	[[ "$output" == "n1: not healthy: it has left: "*"docker"* ]]
	# Another worker that is refused the folder says nothing in its place.
	rm "$T/fake/dead"
	spawn "$T/log2" "$DGRID" worker --engine docker
	wait_until 20 answers 0 active
	run -75 "$DGRID" worker --engine docker
	answers 0 active
}
