#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The same with Podman.
# bats file_tags=podman,plain

setup() {
	load sandbox
	load secrets
	sandbox_setup podman
	require_podman
}
teardown() {
	local left
	common_teardown
	network_teardown
	images_teardown
	left=$(podman ps --all --quiet --filter "label=dgrid.node=$NODE" 2>/dev/null)
	# shellcheck disable=SC2086 # a list of ids
	if [ -n "$left" ]; then podman rm --force $left >/dev/null; fi
}

@test "podman: locked down, seen from inside" { check_inside; }
@test "podman: the world of a script" { check_world; }
@test "podman: every ending is told apart, the deadline ends the container, nothing is left" { check_endings; }
@test "podman: a #! line says who runs the script" { check_interpreter; }
@test "podman: the process limit holds against a fork bomb" { check_fork_bomb; }
@test "podman: a flood of output keeps head and tail; bytes that are no UTF-8 are replaced" { check_flood; }
@test "podman: what a script leaves in /out comes back, and its limits hold" { check_outputs; }
@test "podman: what a script is given stands in /in, and a copy of it can be written to" { check_inputs; }
@test "podman: the points of a task, each in a sandbox of its own or all in one" { check_points; }
@test "podman: what a run used is told, its processor time and its processes are limited" { check_usage; }
@test "podman: a script reads the file that stdin names" { check_stdin; }

@test "podman: the image that grid.json pins runs, and no other" { check_pins; }
@test "podman: an image that the grid orders is built where its owner allows it, and nowhere else" { check_build; }
@test "podman: what a build would have the engine itself fetch is refused" { check_build_fetches; }
@test "podman: secrets, for signers and in images that the owner lists, in memory, and nowhere else" { check_secrets; }
@test "podman: a network that its owner made, for signed tasks of a grid that names it" { check_network; }
@test "podman: each task has devices of its own" { check_devices; }

@test "podman: after kill -9 the next start removes the container left running and gives the claim back" {
	mark=9$RANDOM
	task orphan <<<"sleep $mark"
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine podman --work-dir "$T/w1"
	running() { [ -n "$(podman ps --quiet --filter "label=dgrid.node=$NODE")" ]; }
	wait_until 30 running
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	running
	"$DGRID" cancel orphan
	spawn "$T/log2" "$DGRID" worker --node-id "$NODE" --engine podman --work-dir "$T/w1"
	wait_until 30 grep -q 'removed 1 container of an earlier run' "$T/log2"
	wait_until 20 nothing_left "sleep $mark"
	wait_until 20 ledger_has failed orphan
}

@test "podman: a client that is killed says nothing of its script, which is not taken for a success" { check_client_killed; }

@test "podman: an image that cannot be had is the node's trouble: no claim, and it says so" {
	tgit -C "$T/c" pull -q
	echo '{"schema": 1, "images": ["registry.invalid/none:1"]}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam image
	tgit -C "$T/c" push -q origin HEAD:main
	task waits <<<'echo 1'
	run -69 "$DGRID" worker --node-id "$NODE" --engine podman --once --work-dir "$T/w1"
	[[ "$output" == *"registry.invalid/none:1"* ]]
	ledger_has queue waits
	[ "$(ledger_json queue waits | grep -c attempts)" = 0 ]
}
