#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# Tasks that go on from what an earlier attempt left. Over three nodes, one killed: check_checkpoints in sandbox.bash.

setup() {
	load sandbox
	LEAKS=1 sandbox_setup bwrap
	require_bwrap
}
teardown() { sandbox_teardown; }

once() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>>"$T/n1.log"; }
worker() {
	spawn "$T/n2.log" "$DGRID" worker --node-id n2 --engine bwrap --work-dir "$T/w2"
	wait_until 20 grep -q 'node n2: engine' "$T/n2.log"
}
saved() { "$DGRID" show --json "$1" | jq -e .claim.saved; }
copies() { git -C "$ORIGIN" for-each-ref --format='%(refname)' refs/dgrid/ck refs/heads/dgrid-ck; }
# Adds a line to what it finds, and then runs into its time limit.
ADD='cat /in/.checkpoint/log 2>/dev/null >/out/log; echo x >>/out/log; wc -l </out/log; sleep 60'

@test "a person's retry goes on from the checkpoint of what timed out, --fresh and --script begin anew" {
	"$DGRID" submit --id long --checkpoint --timeout 1 -- "$ADD"
	run -0 "$DGRID" show long
	[[ "$output" == *"checkpoint"*"none yet"* ]]
	for n in 1 2; do
		once
		[ "$("$DGRID" logs long)" = "$n" ]
		run -0 "$DGRID" show long
		[[ "$output" == *"the next attempt begins from $("$DGRID" show --json long | jq -r '.result.out.tree[:12]')"* ]]
		"$DGRID" retry long
	done
	once
	[ "$("$DGRID" logs long)" = 3 ]
	run -64 "$DGRID" retry --fresh --script "$T/c/grid.json" long
	"$DGRID" retry --fresh long
	once
	[ "$("$DGRID" logs long)" = 1 ]
	run -0 "$DGRID" show long
	[[ "$output" == *"the next attempt begins from"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q '<dt>Checkpoint</dt><dd>the next attempt begins from' "$T/site/t/long.html"
	"$DGRID" audit
}

@test "checkpoints are not for votes, for points, or without /out, and their limits are the task's" {
	for with in '--replicas 3' '--array 1-4' '--out-mb 0'; do
		# shellcheck disable=SC2086 # words
		run -65 "$DGRID" submit --id no --checkpoint $with -- true
		[[ "$output" == *"checkpoint: true is not valid"* ]]
	done
	grid_settings '"checkpoint_seconds": 1, "min_timeout_seconds": 1'
	"$DGRID" submit --id big --checkpoint --timeout 250 --out-mb 1 -- 'head -c 900000 /dev/zero >/out/zero; until [ -e /out/go ]; do sleep 0.1; done; head -c 300000 /dev/zero >/out/more; sleep 200'
	worker
	wait_until 20 saved big
	touch "$(dirname "$(find "$T" -path '*/out/zero')")/go"
	wait_until 30 ledger_has failed big
	[ "$("$DGRID" show --json big | jq -r '.result.ended_by, .result.out, .attempts[0].saved.bytes')" = $'limit:out\nnull\n900000' ]
	run -0 "$DGRID" show big
	[[ "$output" == *"the next attempt begins from $("$DGRID" show --json big | jq -r '.attempts[0].saved.tree[:12]')"* ]]
	"$DGRID" audit
}

@test "a hook and a host of heads only take checkpoints; a drain hands them on; maintain deletes what no task needs" {
	printf '#!/bin/sh\ncase $1 in refs/heads/*) exit 0 ;; esac\necho heads only >&2\nexit 1\n' >"$ORIGIN/hooks/update"
	chmod +x "$ORIGIN/hooks/update"
	(cd "$ORIGIN" && "$DGRID" init --hook)
	git -C "$ORIGIN" config receive.denyDeletes false
	grid_settings '"checkpoint_seconds": 1, "keep_out_days": 1'
	"$DGRID" submit --id one --checkpoint --timeout 60 -- 'echo 1 >/out/n; ls -A /in/.checkpoint; while :; do sleep 0.1; date +%N >/out/new; mv /out/new /out/now; done'
	worker
	wait_until 20 saved one
	run -0 "$DGRID" why one
	[[ "$output" == *"of its checkpoints: began anew; saved "*" files, "* ]]
	copies | grep -q "^refs/heads/dgrid-ck/"
	# Of somebody's past.
	nonce=$(printf '%032d' 7)
	tree=$(git -C "$ORIGIN" mktree </dev/null)
	tgit -C "$ORIGIN" update-ref "refs/heads/dgrid-ck/$nonce/$tree" "$(tgit -C "$ORIGIN" commit-tree -m x "$tree")"
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would delete 1 checkpoint that no task needs"* ]]
	run -0 "$DGRID" maintain --json
	[ "$(jq .checkpoints_deleted <<<"$output")" = 1 ]
	run ! grep -q "$nonce" <(copies)
	copies | grep -q .
	"$DGRID" drain --release n2
	wait_until 30 ledger_has queue one
	[ "$(ledger_json queue one | jq -r '.attempts[0].out.files')" = 2 ]
	"$DGRID" cancel one
	run -0 "$DGRID" maintain
	[ -z "$(copies)" ]
	"$DGRID" audit
}
