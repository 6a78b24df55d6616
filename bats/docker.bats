#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The same on a real Docker engine.
# bats file_tags=docker,plain

setup() {
	load sandbox
	load secrets
	sandbox_setup docker
	require_docker
}
teardown() {
	local left
	common_teardown
	network_teardown
	images_teardown
	if [ -f "$T/moves" ]; then docker rmi "$(<"$T/moves")" >/dev/null; fi
	left=$(docker ps --all --quiet --filter "label=dgrid.node=$NODE" 2>/dev/null)
	# shellcheck disable=SC2086 # a list of ids
	if [ -n "$left" ]; then docker rm --force $left >/dev/null; fi
}

@test "docker: locked down, seen from inside" { check_inside; }
@test "docker: the world of a script" { check_world; }
@test "docker: every ending is told apart, the deadline ends the container, nothing is left" { check_endings; }
@test "docker: a #! line says who runs the script" { check_interpreter; }
@test "docker: the process limit holds against a fork bomb" { check_fork_bomb; }
@test "docker: a flood of output keeps head and tail; bytes that are no UTF-8 are replaced" { check_flood; }
@test "docker: what a script leaves in /out comes back, and its limits hold" { check_outputs; }
@test "docker: what a script is given stands in /in, and a copy of it can be written to" { check_inputs; }
@test "docker: the points of a task, each in a sandbox of its own or all in one" { check_points; }
@test "docker: what a run used is told, its processor time and its processes are limited" { check_usage; }
@test "docker: a script reads the file that stdin names" { check_stdin; }
@test "docker: a task with checkpoints goes on where another node stopped, or died" { check_checkpoints; }

@test "docker: the image that grid.json pins runs, and no other" { check_pins; }
@test "docker: an image that the grid orders is built where its owner allows it, and nowhere else" { check_build; }
@test "docker: what a build would have the engine itself fetch is refused" { check_build_fetches; }
@test "docker: secrets, for signers and in images that the owner lists, in memory, and nowhere else" { check_secrets; }
@test "docker: a network that its owner made, for signed tasks of a grid that names it" { check_network; }

@test "docker: the recipe with a password" {
	local net=dgrid-$RANDOM$RANDOM password=pw-$RANDOM$RANDOM
	require_command ssh-keygen
	echo "$net" >"$T/network"
	mkdir -p "$T/etc" "$HOME/.ssh" "$T/bin"
	ssh-keygen -q -t ed25519 -N '' -f "$HOME/.ssh/id_ed25519"
	git config --file "$HOME/.gitconfig" user.name ops
	git config --file "$HOME/.gitconfig" user.email ops@example.org
	git config --file "$HOME/.gitconfig" "url.$T/you/.insteadOf" https://github.com/you/
	git init -q --bare -b main "$T/you/grid.git"
	export DGRID_REPO_URL=https://github.com/you/grid.git
	"$DGRID" init
	"$DGRID" config images '["dgrid-test:1"]'
	ln -s "$DGRID" "$T/bin/dgrid"
	PATH=$T/bin:$PATH
	docker run --detach --name "$net" --network none dgrid-test:1 sh -c 'exec nc -ll -p 5432 -e sh -c '"'"'
		read -r said; [ "$said" = '"$password"' ] && echo "backup $(date -u +%F)" || echo denied'"'"
	# Its blocks, with what this machine has in place of what it names.
	sed -n '/^<!-- scene: a check with a password -->/,/^<!-- scene: a parameter/p' "$REPO_ROOT/docs/RECIPES.md" |
		sed -n '/^```sh$/,/^```$/p' | sed -e '/^```sh$/d' -e "s|/etc/dgrid/|$T/etc/|g" -e "s|to-db|$net|g" -e "s|the password|$password|" \
		-e "s|alpine@sha256:[0-9a-f]*|$(image_here)|" \
		-e "s|connect $net db|connect --alias db $net $net|" >"$T/recipe"
	[ "$(grep -c '^```$' "$T/recipe")" = 2 ]
	sed -n '1,/^```$/p' "$T/recipe" | grep -v '^```$' >"$T/node"
	sed '1,/^```$/d' "$T/recipe" | grep -v '^```$' >"$T/ops"
	docker network disconnect none "$net"
	spawn "$T/node.log" bash -euc "$(sed "s|^dgrid worker|exec dgrid worker --node-id $NODE --work-dir $T/w1|" "$T/node")"
	(mkdir "$T/home/ops" && cd "$T/home/ops" && bash -euc "$(cat "$T/ops")") >"$T/said" || { cat "$T/said" "$T/node.log" && false; }
	[[ "$(<"$T/said")" == *"secrets"*"db-password"*"stdout"*"0 bytes, not kept"* ]]
	run -1 grep -l "$password" "$T/node.log" "$T/said"
	"$DGRID" audit
}

@test "docker: a secret is for an image, and not for where its name points next" {
	local image=dgrid-moves:$RANDOM$RANDOM
	secrets_setup
	docker tag dgrid-test:1 "$image"
	echo "$image" >"$T/moves"
	sed -i "s/dgrid-test:1/$image/" "$T/c/grid.json"
	tgit -C "$T/c" commit -qam image
	tgit -C "$T/c" push -q origin HEAD:main
	spawn "$T/w.log" "$DGRID" worker "${OPTIONS[@]}"
	sub --id one --secret db-password --key "$T/ann" -- 'test -e /run/secrets/db-password'
	wait_until 40 ledger_has completed one
	tar -C "$T" -c w.log | docker import - "$image"
	sub --id two --secret db-password --key "$T/ann" -- 'test -e /run/secrets/db-password'
	wait_until 20 grep -q 'two is left to other nodes: no secret db-password in its image' "$T/w.log"
	ledger_has queue two
}
@test "docker: each task has devices of its own" { check_devices; }

@test "docker: after kill -9 the next start removes the container left running and gives the claim back" {
	mark=9$RANDOM
	task orphan <<<"sleep $mark"
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine docker --work-dir "$T/w1"
	running() { [ -n "$(docker ps --quiet --filter "label=dgrid.node=$NODE")" ]; }
	wait_until 30 running
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	running
	"$DGRID" cancel orphan
	spawn "$T/log2" "$DGRID" worker --node-id "$NODE" --engine docker --work-dir "$T/w1"
	wait_until 30 grep -q 'removed 1 container of an earlier run' "$T/log2"
	wait_until 20 nothing_left "sleep $mark"
	wait_until 20 ledger_has failed orphan
}

@test "docker: a client that is killed says nothing of its script, which is not taken for a success" { check_client_killed; }

@test "docker: a client whose connection to the daemon is cut says nothing of its script either" {
	[[ $DOCKER_HOST = unix://* ]]
	mkdir "$T/cut"
	spawn "$T/proxy.log" python3 "$BATS_TEST_DIRNAME/cut_socket.py" "$T/cut/socket" "${DOCKER_HOST#unix://}" "$T/cut"
	wait_until 20 env DOCKER_HOST="unix://$T/cut/socket" docker info
	export DOCKER_HOST=unix://$T/cut/socket
	cut_off() { # as a daemon does that is restarted, or a line that breaks
		: >"$T/cut/cut"
		wait_until 20 test -e "$T/cut/done"
		rm "$T/cut/cut"
	}
	check_client_lost cut_off
	grep -q 'ended with 125 while the script still ran.*unexpected EOF' "$T/reason"
}

@test "docker: an image that cannot be had is the node's trouble: no claim, and it says so" {
	tgit -C "$T/c" pull -q
	echo '{"schema": 1, "images": ["registry.invalid/none:1"]}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam image
	tgit -C "$T/c" push -q origin HEAD:main
	task waits <<<'echo 1'
	run -69 "$DGRID" worker --node-id "$NODE" --engine docker --once --work-dir "$T/w1"
	[[ "$output" == *"registry.invalid/none:1"* ]]
	ledger_has queue waits
	[ "$(ledger_json queue waits | grep -c attempts)" = 0 ]
}

@test "docker: limits that the daemon does not take are the task's trouble, not the node's" {
	task small '{"memory_mb": 4, "max_attempts": 1}' <<<'echo 1'
	task path '{"env": {"PATH": "/opt/bin"}}' <<<'echo "$PATH"'
	task fine <<<'echo fine'
	run_all
	[ "$(field small 'r["status"], "Minimum memory limit" in r["reason"]')" = "unstartable True" ]
	[ "$(field path 'r["status"], r["stdout"].strip()')" = "success /opt/bin" ]
	[ "$(field fine 'r["status"]')" = success ]
}
