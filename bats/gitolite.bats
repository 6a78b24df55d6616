#!/usr/bin/env bats
# Debian's gitolite as the host of a grid, over SSH: rights by user and ref, refused forced pushes, its words.

setup() {
	load helpers
	common_setup
	require_bwrap
	require_command gitolite || return
	# Its home is the test's: no user of the system, nothing stays.
	export HOST=$T/host
	mkdir -p "$HOST/.ssh" "$T/ssh"
	for who in user node guest; do
		ssh-keygen -q -t ed25519 -N '' -f "$T/ssh/${who}_key"
		cp "$T/ssh/${who}_key.pub" "$T/$who.pub"
	done
	HOME=$HOST git config --global init.defaultBranch main
	HOME=$HOST gitolite setup -pk "$T/user.pub" >"$T/gitolite.log" 2>&1
	cp "$T/node.pub" "$T/guest.pub" "$HOST/.gitolite/keydir/"
	ORIGIN=$HOST/repositories/grid.git
	rules 'RW+ = user' 'RW refs/heads/main$ = node' 'RW+ refs/dgrid/ = node' 'R = guest'
	start_sshd "$HOST" /grid
	export DGRID_REPO_URL=$SSH_URL
	"$DGRID" init
}
teardown() { common_teardown; }

rules() { # RULE...
	printf 'repo grid\n' >"$HOST/.gitolite/conf/gitolite.conf"
	printf '    %s\n' "$@" >>"$HOST/.gitolite/conf/gitolite.conf"
	HOME=$HOST gitolite setup >>"$T/gitolite.log" 2>&1
}
as() { # USER COMMAND...
	GIT_SSH_COMMAND=${GIT_SSH_COMMAND//user_key/$1_key} "${@:2}"
}
worker() {
	as node spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --poll-ms 200 "$@"
	worker_pid=$SPAWNED
}
beats() { # COUNT REF
	[ "$(git -C "$ORIGIN" rev-list --count "$2")" -ge "$1" ]
}

@test "a task's whole life, where a node may write the branch and its own refs and no more" {
	run -0 as node "$DGRID" doctor --engine bwrap
	[[ "$output" == *"ok    write"*"none was left there"* ]]
	"$DGRID" submit --id files -- 'echo out; echo kept >"/out/file"'
	"$DGRID" submit --id gone -- 'sleep 300'
	worker --slots 2
	wait_until 60 ledger_has completed files
	wait_until 30 ledger_has in_progress gone
	[ "$(git -C "$ORIGIN" rev-list --count refs/dgrid/heartbeats/n1)" = 1 ] # forced
	cd "$T" && mkdir got && cd got
	as guest "$DGRID" get files
	run -0 as guest "$DGRID" logs files
	[ "$output" = out ]
	run -0 as guest "$DGRID" nodes
	[[ "$output" == *n1*active* ]]
	"$DGRID" cancel gone
	wait_until 30 ledger_has failed gone
	kill -TERM "$worker_pid"
	wait_until 30 pid_ended "$worker_pid"
	git -C "$ORIGIN" show main:nodes/n1.json | grep -q '"status": "left"'
	run -0 as guest "$DGRID" audit
}

@test "who may only read, and who may write other branches only, is told so at once: exit 77, its words" {
	run -77 as guest "$DGRID" submit --id no -- true
	[[ "$output" == *"DENIED by fallthru"* ]]
	rules 'RW+ = user' 'RW refs/heads/dev = node'
	run -77 as node "$DGRID" submit --id no -- true
	[[ "$output" == *"refs/heads/main grid node DENIED by fallthru"* ]]
	run -1 as node "$DGRID" doctor --engine bwrap
	[[ "$output" == *"fail  write"*"refs/heads/main grid node DENIED by fallthru"* ]]
	[ -z "$(ledger_ls queue)" ]
	# A worker says so too, and is not healthy.
	"$DGRID" submit --id one -- true
	worker
	wait_until 60 grep -q 'the remote refuses what this node pushes: .*DENIED by fallthru' "$T/n1.log"
	run -1 "$DGRID" health --work-dir "$T/n1"
	rules 'RW+ = user' 'RW = node'
	kill -TERM "$worker_pid"
	wait_until 30 pid_ended "$worker_pid"
	as node "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	ledger_has completed one
}

@test "rules without forced pushes: heartbeats move forward on their own ref, also of a node that starts again" {
	rules 'RW+ = user' 'RW refs/heads/main$ = node' 'RW refs/dgrid/ = node'
	HEARTBEAT_INTERVAL=1 worker
	wait_until 60 beats 3 refs/dgrid/heartbeats/n1
	grep -q 'the host refuses forced pushes .*DENIED by fallthru.*: each beat follows the last' "$T/n1.log"
	kill -KILL "$worker_pid"
	wait_until 20 pid_ended "$worker_pid"
	before=$(git -C "$ORIGIN" rev-parse refs/dgrid/heartbeats/n1)
	HEARTBEAT_INTERVAL=1 worker
	wait_until 60 beats 2 "$before..refs/dgrid/heartbeats/n1"
	git -C "$ORIGIN" merge-base --is-ancestor "$before" refs/dgrid/heartbeats/n1
	active() { as user "$DGRID" nodes --json | jq -e '.nodes[0].state == "active"'; }
	wait_until 40 active
	[ -z "$(git -C "$ORIGIN" for-each-ref refs/heads/dgrid-heartbeats)" ]
	"$DGRID" submit --id one -- true
	wait_until 60 ledger_has completed one
}
