#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets output and lines
# Being told instead of asking: dgrid notify where the repository is, worker --notify elsewhere.

setup() {
	load sandbox
	sandbox_setup bwrap
	require_bwrap
}
teardown() { common_teardown; }

lines_in() { [ "$(wc -l <"$1")" -ge "$2" ]; }
ended() { git -C "$ORIGIN" cat-file -e "main:tasks/completed/$1.json"; }
over_ssh() { # a worker that would ask once in ten minutes
	local port=${SSH_URL##*@127.0.0.1:}
	NOTIFY="$GIT_SSH_COMMAND -p ${port%%/*} 127.0.0.1 exec $DGRID notify --repo $ORIGIN"
	spawn "$T/worker.log" "$DGRID" --repo "$SSH_URL" worker --node-id n1 --engine bwrap --poll-ms 100000 --work-dir "$T/w1" --notify "${1:-$NOTIFY}"
	WORKER=$SPAWNED
	wait_until 30 grep -q 'node n1: engine' "$T/worker.log"
}

@test "notify prints the head at once and whenever the branch moves, packed or not; elsewhere it says where to run it" {
	spawn "$T/told" "$DGRID" notify --repo "$ORIGIN"
	wait_until 10 lines_in "$T/told" 1
	[ "$(tail -n 1 "$T/told")" = "$(git -C "$ORIGIN" rev-parse main)" ]
	"$DGRID" submit --id a -- true
	wait_until 10 lines_in "$T/told" 2
	[ "$(tail -n 1 "$T/told")" = "$(git -C "$ORIGIN" rev-parse main)" ]
	git -C "$ORIGIN" pack-refs --all
	"$DGRID" submit --id b -- true
	wait_until 10 lines_in "$T/told" 3
	[ "$(tail -n 1 "$T/told")" = "$(git -C "$ORIGIN" rev-parse main)" ]
	kill "$SPAWNED"
	wait_until 5 pid_ended "$SPAWNED"
	run -64 "$DGRID" notify --repo https://example.invalid/grid.git
	[[ "$output" == *"run this where the repository is: ssh HOST dgrid notify --repo DIR"* ]]
	run -64 "$DGRID" notify --repo "$T/nowhere"
}

@test "over SSH a worker that is told starts a task long before it would have asked, and ends its command with itself" {
	start_sshd
	over_ssh
	"$DGRID" submit --id first -- true
	wait_until 30 ended first
	"$DGRID" submit --id second -- true
	wait_until 30 ended second
	kill "$WORKER"
	wait_until 30 pid_ended "$WORKER"
	no_notify() { ! pgrep -f "dgrid notify --repo $ORIGIN" >"$T/left"; }
	wait_until 10 no_notify
}

@test "a command that ends is started again with growing waits, and told of; a flood of lines causes a look a second" {
	start_sshd
	echo 0 >"$T/starts"
	over_ssh "echo \$((\$(cat $T/starts) + 1)) >$T/starts; echo hello; echo 'no route to host' >&2; exit 3"
	restarted() { (($(<"$T/starts") >= 3)); }
	wait_until 30 restarted
	[ "$(grep -c 'no route to host' "$T/worker.log")" = 1 ]
	grep -q 'the command ended (exit code 3); the remote is polled as usual, it is started again in' "$T/worker.log"
	"$DGRID" submit --id a -- true
	wait_until 60 ended a
	kill "$WORKER"
	wait_until 30 pid_ended "$WORKER"
	over_ssh 'yes'
	"$DGRID" submit --id b -- true
	wait_until 30 ended b
	[ "$(ps -o cputimes= -p "$WORKER" | tr -d ' ')" -lt "$(scaled 10)" ]
}

@test "over SSH all that a worker asks of git goes over one connection, which is made again and ends with the worker, however it ends" {
	start_sshd
	accepted() { grep -c 'Accepted publickey' "$T/sshd.log"; }
	connects() { pgrep -f "ControlMaster=yes -oControlPath=$T/w1/ssh" >"$T/left"; }
	gone() { ! connects; }
	shared() { # a round of tasks makes no connection
		wait_until 30 test -S "$T/w1/ssh"
		local before id
		"$DGRID" submit --id "$1-0" -- true
		wait_until 30 ended "$1-0" # what began before it was there has ended
		before=$(accepted)
		for id in "$1-1" "$1-2" "$1-3"; do
			"$DGRID" submit --id "$id" -- true
			wait_until 30 ended "$id"
		done
		[ "$(accepted)" = "$before" ]
	}
	over_ssh
	shared a
	# The connection dies: each command makes its own until there is another.
	connects
	xargs kill <"$T/left"
	"$DGRID" submit --id between -- true
	wait_until 30 ended between
	shared b
	kill -KILL "$WORKER"
	wait_until 10 gone
	# The same folder, where a socket that nobody answers was left; and an end as it should be.
	over_ssh
	shared c
	kill "$WORKER"
	wait_until 30 pid_ended "$WORKER"
	wait_until 10 gone
	[ ! -e "$T/w1/ssh" ]
	run ! grep -i 'control' "$T/worker.log"
}

@test "over SSH nothing is shared where the user's ssh is no plain command, and a host that takes one session a connection is no trouble" {
	start_sshd
	local plain=$GIT_SSH_COMMAND
	export GIT_SSH_COMMAND="env $plain"
	over_ssh
	"$DGRID" submit --id a -- true
	wait_until 30 ended a
	[ ! -e "$T/w1/ssh" ]
	kill "$WORKER"
	wait_until 30 pid_ended "$WORKER"
	kill "$SSH_PID"
	wait_until 10 pid_ended "$SSH_PID"
	sed -i '1i MaxSessions 1' "$T/ssh/sshd_config"
	spawn "$T/sshd2.log" "$(PATH=$PATH:/usr/sbin command -v sshd)" -D -e -f "$T/ssh/sshd_config"
	wait_until 10 grep -q 'Server listening' "$T/sshd2.log"
	local port=${SSH_URL##*@127.0.0.1:}
	GIT_SSH_COMMAND="$plain -p ${port%%/*}"
	SSH_URL=$(id -un)@127.0.0.1:$ORIGIN
	over_ssh "$NOTIFY"
	wait_until 30 test -S "$T/w1/ssh"
	cat >"$ORIGIN/hooks/pre-receive" <<-'SH'
		#!/bin/sh
		while read -r old new ref; do
			case $ref in refs/dgrid/out/*) while [ ! -e "$GIT_DIR/met" ]; do sleep 0.1; done ;; esac
		done
	SH
	chmod +x "$ORIGIN/hooks/pre-receive"
	"$DGRID" submit --id large -- 'head -c 300000 /dev/urandom >/out/f' # its push waits for another one
	wait_until 30 grep -q 'claimed large' "$T/worker.log"
	"$DGRID" submit --id small -- true
	wait_until 30 ended small
	touch "$ORIGIN/met"
	wait_until 30 ended large
	run ! grep -E 'warn|error' "$T/worker.log"
}

@test "over SSH a submit reads the branch once, and pushes" {
	start_sshd
	accepted() { grep -c 'Accepted publickey' "$T/sshd.log"; }
	"$DGRID" --repo "$SSH_URL" submit --id a -- true # makes the copy that readers have
	local before
	before=$(accepted)
	"$DGRID" --repo "$SSH_URL" submit --id b -- true
	[ $(($(accepted) - before)) -le 3 ] # the branch to commit on, what readers have, the push
	ledger_has queue b
	run -69 "$DGRID" --repo "${SSH_URL%/*}/nowhere.git" submit --id c -- true
}
