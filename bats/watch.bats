#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# dgrid watch in a real terminal, of tmux: 80 columns and 24 lines.

setup() {
	load helpers
	common_setup
	require_bwrap
	require_command tmux
	unset NO_COLOR TMUX
	export DGRID_REPO_URL=$ORIGIN TMUX_TMPDIR=$T
	"$DGRID" init
}
teardown() {
	tm kill-server 2>/dev/null || true
	common_teardown
}

tm() { tmux -L dgrid -f /dev/null "$@"; }
watch() { # ARGUMENTS of dgrid watch; what it ends with goes to code
	local words
	words=$(printf ' %q' "$DGRID" watch --every 1 "$@")
	tm new-session -d -x 80 -y 24 "$words 2>'$T/said'; echo \$? >'$T/code'; stty -a >'$T/tty'; read -r _"
}
screen() { tm capture-pane -p; }
shows() { screen | grep -qE -- "$1"; }
# Waits until a line of the screen matches.
see() {
	wait_until 30 shows "$1" || {
		screen
		false
	}
}
gone() { run ! shows "$1"; }
keys() { tm send-keys "$@"; }
ended() { # CODE
	wait_until 30 test -s "$T/code"
	[ "$(cat "$T/code")" = "$1" ]
}
put_tasks() { # COUNT: tasks that wait for a label nobody has
	local i
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	mkdir -p "$T/c/tasks/queue"
	for ((i = 100; i < 100 + $1; i++)); do
		printf '{"task_id":"q%s","script":"true","timeout_seconds":60,"labels":["gpu"],"created_at":"2026-01-01T00:00:00Z"}' $i >"$T/c/tasks/queue/q$i.json"
	done
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm tasks
	tgit -C "$T/c" push -q origin HEAD:main
}
once() { "$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"; }

@test "watch: scrolls, filters, and q leaves the terminal as it was; failures stay in sight" {
	put_tasks 50
	"$DGRID" submit --id wide -- 'echo 1234567890123456789012345678901234567890123456789012345678901234567890'
	"$DGRID" submit --id broken -- 'echo "no such file" >&2; exit 3'
	once
	watch
	see '^! broken: failed: no such file'
	see '^q100 '
	see '^1 of 52 .*Enter show.*q quit'
	[ "$(screen | wc -l)" -le 24 ]
	keys End # and the last column shows
	see '^wide .*\.\.$'
	[ "$(screen | grep '^wide' | wc -L)" = 80 ]

	see '^52 of 52 '
	see '^broken  *failed  *n1  *failed  *3 '
	shows '^! broken'
	gone '^q100 '
	keys Up
	see '^51 of 52 '
	keys Home
	see '^q100 '
	keys PageDown
	see '^1[0-9] of 52 '
	keys / 'Q14' Enter
	see '^q149 '
	see ' of 10 with Q14 '
	gone '^q100 '
	keys Escape
	see ' of 52 '
	keys f
	see '^1 of 1 failed '
	gone '^q1'
	keys f
	see ' of 52 '
	keys q
	ended 0
	wait_until 10 grep -q ' icanon' "$T/tty"
	grep -qE '[^-]icanon' "$T/tty"
	[ ! -s "$T/said" ]
}

@test "watch: Enter shows a task and its log, also while it runs; Esc goes back" {
	printf '{"heartbeat_seconds": 1}' >"$T/grid.json"
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	cp "$T/grid.json" "$T/c/grid.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm settings
	tgit -C "$T/c" push -q origin HEAD:main
	spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w1"
	"$DGRID" submit --id ended -- 'i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo "line $i of what it printed"; done'
	"$DGRID" wait ended
	"$DGRID" submit --id talks --timeout 120 -- 'echo first; until [ -e /tmp/never ]; do sleep 0.2; echo more; done'
	watch
	see '^talks  *in_progress'
	see '^ended  *completed'
	keys / e n d e d Enter Enter
	see '^task  *ended'
	see '^lines 1-22 of [0-9]+ '
	keys G
	see 'line 60 of what it printed'
	keys k
	see 'line 59 of what it printed'
	keys Escape
	see 'with ended'
	keys Escape
	see '^talks '
	keys Home Enter
	see '^task  *talks'
	keys G
	see '^ *more$'
	keys c
	see '^Cancel talks\? \(y/n\)'
	keys n
	see '^lines '
	keys c y
	wait_until 30 ledger_has failed talks
	keys Escape
	see '^talks  *failed .*cancelled'
	keys q
	ended 0
}

@test "watch: c cancels and r queues again, after a question; what cannot be is said" {
	"$DGRID" submit --id waits --label gpu -- true
	"$DGRID" submit --id fails -- 'exit 4'
	once
	watch
	see '^waits '
	keys r
	see '^waits has not ended'
	keys c
	see '^Cancel waits\? \(y/n\)'
	keys x
	see 'Enter show'
	ledger_has queue waits
	keys c y
	wait_until 30 ledger_has failed waits
	see '^waits  *failed .*cancelled'
	keys / f a i l s Enter r
	see '^Queue fails again\? \(y/n\)'
	keys y
	wait_until 30 ledger_has queue fails
	see '^fails  *queue '
	keys c
	see '^Cancel fails'
	keys Escape
	see 'with fails'
	keys q
	ended 0
}

@test "watch: a task of its own selection, a small terminal, hostile text, a remote that goes away" {
	"$DGRID" submit --id loud --group g -- 'printf "\033[2J\033]0;x\007\302\233boom" >&2; exit 1'
	"$DGRID" submit --id other -- true
	once
	watch --group g
	see '^! loud: failed'
	see '^1 of 1 '
	gone '^other'
	keys Enter
	see '^task  *loud'
	tm resize-window -x 50 -y 10
	see '^lines 1-8 of '
	keys Escape
	see '^1 of 1 '
	[ "$(screen | wc -l)" -le 10 ]
	mv "$ORIGIN" "$ORIGIN.away"
	see '^remote trouble'
	see '^loud '
	mv "$ORIGIN.away" "$ORIGIN"
	wait_until 30 sh -c '! tmux -L dgrid capture-pane -p | grep -q "^remote trouble"'
	keys C-c
	ended 0
}

@test "watch needs a terminal; of no such task, or a bad option, it says so before it takes one" {
	run -64 "$DGRID" watch </dev/null
	[[ "$output" == *"dgrid watch redraws a terminal"* ]]
	run -64 "$DGRID" watch --every 0
	[[ "$output" == *"--every"* ]]
	watch nobody
	ended 66
	grep -q "no task and no group 'nobody'" "$T/said"
}
