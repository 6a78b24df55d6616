#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# An error is never an answer: what cannot be read, by this machine's fault, is neither empty nor invalid, nor late.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init
	WORKER=("$DGRID" worker)
}
teardown() { common_teardown; }

submit() { # ID SCRIPT
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 30}\n' "$1" "$2" >"$T/$1.json"
	"$DGRID" submit "$T/$1.json"
}
failing_setup() { # sets WORKER: a worker whose calls fail as $T/rules says, see tests/failing.c
	require_command "${CC:-cc}"
	"${CC:-cc}" -shared -fPIC -O1 -U_FORTIFY_SOURCE -o "$T/failing.so" "$REPO_ROOT/tests/failing.c" -ldl
	WORKER=(env "LD_PRELOAD=$T/failing.so" "FAILING=$T/rules" "ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$DGRID" worker)
}
worker() { # NODE [OPTIONS]: in the background, log in $T/NODE.log
	local node=$1
	shift
	spawn "$T/$node.log" "${WORKER[@]}" --node-id "$node" --engine bwrap --work-dir "$T/$node" --slots 2 "$@"
	wait_until 20 grep -q "node $node: engine" "$T/$node.log"
}
fail() { # RULE: from now on
	rm -f "$T/rules.hits"
	echo "$1" >"$T/rules.new"
	mv "$T/rules.new" "$T/rules"
}
mend() { rm -f "$T/rules"; }
story() { # STATE ID: status, attempt and outcomes
	ledger_json "$1" "$2" | jq -r '[.result.status, .result.attempt, [.attempts[].outcome]] | tostring'
}
done_of() { [ "$(story completed "$1")" = '["success",1,["success"]]' ]; }

@test "a queue file that cannot be read is no invalid task: it waits, others run, and it runs when it can be read" {
	local n=0 rule
	failing_setup
	worker n1
	for rule in 'open 24' 'open 5' 'open 13' 'open 116' 'look 5' 'read 5' 'read 0'; do # EMFILE EIO EACCES ESTALE, cut
		n=$((n + 1))
		fail "$rule tasks/queue/bad$n.json"
		submit "bad$n" "echo bad$n"
		submit "good$n" "echo good$n"
		wait_until 30 ledger_has completed "good$n"
		wait_until 20 test -s "$T/rules.hits"
		ledger_has queue "bad$n"
		mend
		wait_until 30 ledger_has completed "bad$n"
		done_of "bad$n"
	done
	[ -z "$(ledger_ls failed)" ]
	fail 'list 13 tasks/queue'
	submit last 'echo last'
	wait_until 20 test -s "$T/rules.hits"
	mend
	wait_until 30 ledger_has completed last
}

@test "a worker that is to run once does not leave with 0 while it cannot read the queue" {
	failing_setup
	submit one 'echo 1'
	fail 'read 5 tasks/queue/one.json'
	run -69 "${WORKER[@]}" --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	ledger_has queue one
	fail 'list 24 tasks/queue'
	run -69 "${WORKER[@]}" --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	[[ "$output" == *"the queue cannot be read"*"Too many open files"* ]]
	mend
	"${WORKER[@]}" --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	done_of one
}

@test "a claim whose file in the work tree is missing, cut or unreadable is not lost, and its result is not late" {
	local n=0 harm file
	failing_setup
	worker n1
	for harm in rm cut 'open 24' 'read 5' 'read 0' 'look 13'; do
		n=$((n + 1))
		submit "t$n" 'sleep 3; echo kept'
		wait_until 20 ledger_has in_progress "t$n"
		file=$T/n1/ledger/tasks/in_progress/t$n.json
		wait_until 20 test -s "$file"
		case $harm in
		rm) rm "$file" ;;
		cut) truncate -s 20 "$file" ;;
		*)
			fail "$harm tasks/in_progress/t$n.json"
			submit "other$n" 'echo other' # makes it look at its claims meanwhile, and have something else to say
			wait_until 30 ledger_has completed "other$n"
			wait_until 20 test -s "$T/rules.hits"
			wait_until 20 grep -q "t$n ended: success" "$T/n1.log"
			submit "more$n" 'echo more'
			wait_until 30 ledger_has completed "more$n"
			mend
			;;
		esac
		wait_until 60 ledger_has completed "t$n"
		done_of "t$n"
	done
	[ "$(grep -c 'late:\|is gone from the ledger' "$T/n1.log")" = 0 ]
	[ -z "$(find "$T/n1/results" -name '*.json')" ]
}

@test "a worker that cannot read what an earlier run left does not start, and gives no claim back" {
	failing_setup
	worker n1
	submit held 'sleep 1; echo once'
	wait_until 20 ledger_has in_progress held
	mv "$ORIGIN" "$ORIGIN.away"
	wait_until 20 sh -c 'ls "$1"/n1/results/*.json' sh "$T"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	mv "$ORIGIN.away" "$ORIGIN"
	for rule in 'list 24 n1/results' 'list 13 n1/results' 'open 5 n1/results' 'read 5 n1/results' 'list 5 tasks/in_progress' \
		'read 5 tasks/in_progress/held' 'read 5 n1/instance'; do
		fail "$rule"
		run ! "${WORKER[@]}" --node-id n1 --engine bwrap --work-dir "$T/n1" --once
		echo "$rule: $output"
		test -s "$T/rules.hits"
		ledger_has in_progress held
		[ "$(ledger_json in_progress held | jq '.attempts | length')" = 0 ]
	done
	mend
	"${WORKER[@]}" --node-id n1 --engine bwrap --work-dir "$T/n1" --once
	done_of held
}

@test "whose node file cannot be read is not dead: nobody heals on the strength of that" {
	failing_setup
	grid_settings '"heartbeat_seconds": 1, "orphan_after_seconds": 5, "max_clock_skew_seconds": 0'
	worker n1
	submit alive 'sleep 25'
	wait_until 20 ledger_has in_progress alive
	# All that tells of its life is its file, which says that it spoke in a minute: its clock is ahead.
	kill -STOP "$SPAWNED"
	old=$(git -C "$ORIGIN" log -1 --format=%s refs/dgrid/heartbeats/n1 | jq -c '.last_heartbeat = "2026-01-01T00:00:00Z" | .next_due = .last_heartbeat')
	git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/n1 "$(tgit -C "$ORIGIN" commit-tree -m "$old" "$(git -C "$ORIGIN" mktree </dev/null)")"
	tgit clone -q "$ORIGIN" "$T/c"
	ahead=$(date -u -d '+1 minute' +%Y-%m-%dT%H:%M:%SZ)
	sed -i -E 's/("(last_heartbeat|next_due)": ")[^"]*/\1'"$ahead/" "$T/c/nodes/n1.json"
	tgit -C "$T/c" commit -qam 'a clock that is ahead'
	tgit -C "$T/c" push -q origin HEAD:main
	claimed=$(date -d "$(ledger_json in_progress alive | jq -r .claim.claimed_at)" +%s)
	wait_until 20 sh -c '[ $(date +%s) -gt $1 ]' sh $((claimed + 8))
	run -0 "$DGRID" heal --dry-run
	[ "$output" = "no orphans" ]
	fail 'read 5 nodes/n1.json'
	run -0 env "LD_PRELOAD=$T/failing.so" "FAILING=$T/rules" "ASAN_OPTIONS=${ASAN_OPTIONS:-}:verify_asan_link_order=0" "$DGRID" heal --dry-run
	test -s "$T/rules.hits"
	[ "$output" = "no orphans" ]
	kill -CONT "$SPAWNED"
}

@test "a result that has no place is kept, tried again, and keeps no other back; then it is recorded" {
	worker n1
	submit twice 'sleep 2; echo kept'
	wait_until 20 ledger_has in_progress twice
	tgit clone -q "$ORIGIN" "$T/c"
	mkdir -p "$T/c/tasks/completed"
	cp "$T/c/tasks/in_progress/twice.json" "$T/c/tasks/completed/twice.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'by another hand'
	tgit -C "$T/c" push -q origin HEAD:main
	wait_until 20 grep -q 'the result of twice (success) is kept.* in tasks/in_progress/ and in tasks/completed/' "$T/n1.log"
	submit other 'echo other'
	wait_until 20 ledger_has completed other
	[ -n "$(find "$T/n1/results" -name '*.json')" ]
	tgit -C "$T/c" pull -q
	tgit -C "$T/c" rm -q tasks/completed/twice.json
	tgit -C "$T/c" commit -qm 'taken back'
	tgit -C "$T/c" push -q origin HEAD:main
	wait_until 40 ledger_has completed twice
	done_of twice
	[ "$(grep -c 'is kept, and said again later' "$T/n1.log")" = 1 ]
}

@test "a result that the remote declines for what is in it keeps no other back, is said once, and lands when it may" {
	cat >"$ORIGIN/hooks/pre-receive" <<-'SH'
		#!/bin/sh
		while read -r old new ref; do
			if git diff "$old" "$new" 2>/dev/null | grep -q '^+.*"stdout".*hush-hush'; then echo 'push protection: a secret in it' >&2; exit 1; fi
		done
	SH
	chmod +x "$ORIGIN/hooks/pre-receive"
	# Many at once: the first commit holds the bad one among good ones.
	for i in 1 2 3 4 5 6; do submit "good$i" "echo good$i"; done
	submit secret "echo hush-; echo hush-'hush'" 
	spawn "$T/n1.log" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/n1" --slots 8
	for i in 1 2 3 4 5 6; do wait_until 60 ledger_has completed "good$i"; done
	submit after 'echo after'
	wait_until 30 ledger_has completed after
	ledger_has in_progress secret
	grep -q 'the result of secret (success) is kept.*push protection' "$T/n1.log"
	rm "$ORIGIN/hooks/pre-receive"
	wait_until 90 ledger_has completed secret
	done_of secret
	[ "$(grep -c 'is kept, and said again later' "$T/n1.log")" = 1 ]
}

@test "a commit date that no clock has, and a nonce of any length, upset no judge: such a claim is healed and cancelled" {
	local long
	"$DGRID" submit --id one -- 'echo 1'
	"$DGRID" submit --id two -- 'echo 2'
	long=$(printf 'a%.0s' {1..100})
	tgit clone -q "$ORIGIN" "$T/c"
	mkdir -p "$T/c/tasks/in_progress"
	for id in one two; do
		jq --arg nonce "$long" '.claim = {node: "gone", attempt: 1, nonce: $nonce,
			claimed_at: "2026-01-01T00:00:00Z", lease_until: "2026-01-01T00:01:00Z"}' "$T/c/tasks/queue/$id.json" \
			>"$T/c/tasks/in_progress/$id.json"
		tgit -C "$T/c" rm -q "tasks/queue/$id.json"
	done
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'by another hand'
	for date in 9223372036854775807 -9223372036854775807 99999999999999; do
		fresh=$(printf 'tree %s\nparent %s\nauthor a <a@b> %s +0000\ncommitter a <a@b> %s +0000\n\nodd\n' \
			"$(git -C "$T/c" rev-parse 'HEAD^{tree}')" "$(git -C "$T/c" rev-parse HEAD)" "$date" "$date" |
			git -C "$T/c" hash-object -t commit -w --stdin --literally)
		git -C "$T/c" update-ref HEAD "$fresh"
	done
	git -C "$T/c" push -q "$ORIGIN" HEAD:main || tgit -C "$ORIGIN" fetch -q "$T/c" +HEAD:main
	"$DGRID" status
	"$DGRID" why one
	run "$DGRID" audit
	((status <= 1))
	[[ "$output" == *claim.nonce* ]]
	"$DGRID" cancel two
	ledger_has failed two
	[ "$(story failed two | jq -c '.[0]')" = '"cancelled"' ]
	run -0 "$DGRID" heal
	[[ "$output" == *"requeue one"* ]]
	ledger_has queue one
}

@test "the end of a long story: output beyond what is kept whole is an error, not a shorter answer" {
	# 20,000 beats of a kilobyte each are 20 MB: each is read all the same.
	local i oid fill
	fill=$(printf 'x%.0s' {1..1000})
	oid=$(tgit -C "$ORIGIN" commit-tree -m "{\"node_id\":\"b\",\"fill\":\"$fill\"}" "$(git -C "$ORIGIN" mktree </dev/null)")
	for i in {1..20000}; do echo "create refs/dgrid/heartbeats/a$i $oid"; done | git -C "$ORIGIN" update-ref --stdin
	last=$(tgit -C "$ORIGIN" commit-tree -m "{\"node_id\":\"zz\",\"instance\":\"other\",\"status\":\"active\",\"last_heartbeat\":\"$(date -u +%Y-%m-%dT%H:%M:%SZ)\"}" "$(git -C "$ORIGIN" mktree </dev/null)")
	git -C "$ORIGIN" update-ref refs/dgrid/heartbeats/zz "$last"
	run -75 "$DGRID" worker --node-id zz --engine bwrap --work-dir "$T/zz" --once
	[[ "$output" == *"node id 'zz' was alive"* ]]
}
