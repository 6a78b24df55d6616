#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The grid as it moves: status on a terminal and redrawn in place, as Markdown, at any time; logs -f.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN TERM=xterm
	unset NO_COLOR
	"$DGRID" init
}
teardown() { common_teardown; }

on_terminal() { python3 "$BATS_TEST_DIRNAME/on_terminal.py" "$@"; }
grid() { # SETTINGS: grid.json
	printf '%s' "$1" >"$T/grid.json"
	put grid.json "$T/grid.json"
}
put() { # PATH FILE: commits a file to the ledger by another hand
	rm -rf "$T/c"
	tgit clone -q "$ORIGIN" "$T/c"
	mkdir -p "$(dirname "$T/c/$1")"
	cp "$2" "$T/c/$1"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm put
	tgit -C "$T/c" push -q origin HEAD:main
}
worker() { spawn "$T/log" "$DGRID" worker --node-id n1 --engine bwrap --slots 2 --work-dir "$T/w1"; }
# What the screen shows in the end: the last page, without escape sequences.
last_page() { python3 -c 'import re,sys; t=sys.stdin.read().split("\033[?1049l")[0].split("\033[H")[-1]; print(re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", t).replace("\r", ""))'; }

@test "status: colour on a terminal only, never with NO_COLOR or on a dumb one; as wide as the terminal" {
	"$DGRID" submit --id good -- 'printf "%0100d\n" 7'
	"$DGRID" submit --id bad-one-with-a-rather-long-name -- 'exit 3'
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"
	run -0 "$DGRID" status
	[[ "$output" != *$'\033'* ]]
	run -0 --separate-stderr on_terminal size=120x30 -- "$DGRID" status
	[[ "$output" == *$'\033[32msuccess\033[0m'* && "$output" == *$'\033[31mfailed\033[0m'* ]]
	for plain in NO_COLOR=1 TERM=dumb; do
		run -0 --separate-stderr env "$plain" python3 "$BATS_TEST_DIRNAME/on_terminal.py" -- "$DGRID" status
		[[ "$output" == *success* && "$output" != *$'\033'* ]]
	done
	for width in 60 80 200; do
		NO_COLOR=1 on_terminal "size=${width}x30" -- "$DGRID" status 2>"$T/err" | tr -d '\r' | sed -n '/^TASK/,$p' >"$T/page"
		[ "$(wc -L <"$T/page")" -le "$width" ]
		grep -q '^good.*000' "$T/page"
	done
	grep -q "^good.*$(printf '%0100d' 7)" "$T/page"
}

@test "status: no line is wider than the terminal, the counts of a full grid neither" {
	grid '{"max_memory_mb": 512}'
	for s in queue in_progress completed failed unapproved; do mkdir -p "$T/c/tasks/$s"; done
	for i in 1 2 3 4 5 6 7 8 9 10; do
		printf '{"task_id":"q%s","script":"x","timeout_seconds":60,"needs":["r%s"]}' $i $i >"$T/c/tasks/queue/q$i.json"
		printf '{"task_id":"r%s","script":"x","timeout_seconds":60,"claim":{"node":"n1","ahead":1}}' $i >"$T/c/tasks/in_progress/r$i.json"
		printf '{"task_id":"u%s","script":"x","timeout_seconds":60}' $i >"$T/c/tasks/unapproved/u$i.json"
	done
	printf '{"schema":1,"tasks":1234567,"completed":1,"failed":1}' >"$T/c/tasks/archive.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm full
	tgit -C "$T/c" push -q origin HEAD:main
	run -0 "$DGRID" status
	[[ "$output" == *"0 nodes alive; 10 queued (10 wait for others), "*", 10 unapproved, 1234567 archived"$'\n'* ]]
	on_terminal size=80x60 -- "$DGRID" status 2>"$T/err" | tr -d '\r' >"$T/page"
	grep -v "^$ORIGIN" "$T/page" >"$T/rest"
	[ "$(wc -L <"$T/rest")" -le 80 ]
	tr -s '\n ' ' ' <"$T/page" | grep -q '10 queued (10 wait for others), .*, 10 unapproved, 1234567 archived '
}

@test "status, show: what failed says why in its row, in its data and in each of its attempts" {
	"$DGRID" submit --id bad --max-attempts 2 --retry-on-failure -- 'echo fine; echo "no such file" >&2; exit 3'
	"$DGRID" submit --id slow --timeout 10 -- 'while :; do :; done'
	grid '{"retry_backoff_seconds": 1}'
	worker
	run -1 "$DGRID" wait bad slow
	run -0 "$DGRID" status
	[[ "$output" == *$'\nbad '*failed*3*"no such file"* ]]
	[[ "$output" == *$'\nslow '*timeout*"its time limit (timeout_seconds"* ]]
	run -0 "$DGRID" status --json
	python3 - "$output" <<-'PY'
		import json, sys
		of = {t["task_id"]: t for t in json.loads(sys.argv[1])["tasks"]}
		assert of["bad"]["output"] == "no such file" and of["bad"]["exit_code"] == 3, of
		assert of["slow"]["output"] == "" and of["slow"]["ended_by"] == "limit:time", of
	PY
	run -0 "$DGRID" show bad
	[ "$(grep -c 'failed .*exit code 3: no such file$' <<<"$output")" = 2 ]
	run -0 "$DGRID" show slow
	[[ "$output" == *attempts:*"timeout    its time limit (timeout_seconds; the grid allows up to max_timeout_seconds)"* ]]
}

@test "logs: on a terminal colours stay and nothing else does; a pipe gets what was printed" {
	"$DGRID" submit --id paint -- 'printf "1%%\r50%%\r\033[32m100%%\033[0m done\n\033[2J\033[5;5Hend\n"'
	"$DGRID" worker --node-id n1 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"
	"$DGRID" logs paint >"$T/out"
	printf '1%%\r50%%\r\033[32m100%%\033[0m done\n\033[2J\033[5;5Hend\n' | cmp - "$T/out"
	on_terminal -- "$DGRID" logs paint 2>"$T/err" | tail -n +2 >"$T/out" # the first line is what set it going
	printf '\033[32m100%%\033[0m done\r\nend\r\n' | cmp - "$T/out"
	NO_COLOR=1 on_terminal -- "$DGRID" logs paint 2>"$T/err" | tail -n +2 >"$T/out"
	printf '100%% done\r\nend\r\n' | cmp - "$T/out"
}

@test "status: wide characters and combining ones keep the columns straight" {
	printf '{"task_id":"a","result":{"status":"success","node":"\346\274\242\345\255\227","stdout":"e\314\201nd"}}' >"$T/a.json"
	printf '{"task_id":"b","result":{"status":"success","node":"plain","stdout":"end"}}' >"$T/b.json"
	put tasks/completed/a.json "$T/a.json"
	put tasks/completed/b.json "$T/b.json"
	run -0 "$DGRID" status
	python3 - "$output" <<-'PY'
		import sys, unicodedata
		def at(line, word):
		    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line[:line.index(word)])
		a, b = [l for l in sys.argv[1].split("\n") if l[:2] in ("a ", "b ")]
		assert at(a, "success") == at(b, "success"), (a, b)
		assert at(a, "e\u0301nd") == at(b, "end"), (a, b)
	PY
}

@test "status --watch: redrawn in place as the grid moves, follows the terminal's size, q ends it and all is as it was" {
	"$DGRID" submit --id one -- true
	run -0 --separate-stderr on_terminal size=100x30 see='1 queued, 0 running' \
		"run='$DGRID' worker --node-id n1 --engine bwrap --once --work-dir '$T/w1' 2>'$T/log'" see='1 completed' \
		size=40x6 see='more lines' size=100x30 see='TASK' type=q -- "$DGRID" status --watch 1
	[[ "$stderr" == *"terminal restored: True"* ]]
	[[ "$output" == $'\033[?1049h\033[?25l'* || "$output" == *$'\033[?1049h\033[?25l'* ]]
	[[ "$output" == *$'\033[?25h\033[?1049l'* ]]
	[[ "$(last_page <<<"$output")" == *"tasks/min over the last 10 min"*one*completed* ]]
	for key in $'type=\003' signal=INT; do
		run -0 --separate-stderr on_terminal see='1 completed' "$key" -- "$DGRID" status --watch=1
		[[ "$stderr" == *"terminal restored: True"* && "$output" == *$'\033[?1049l'* ]]
	done
	run -143 --separate-stderr on_terminal see='1 completed' signal=TERM -- "$DGRID" status --watch
	[[ "$stderr" == *"terminal restored: True"* && "$output" == *$'\033[?1049l'* ]]
}

@test "status --watch goes on while the remote is away, and says so; q is heard while it hangs" {
	"$DGRID" submit --id one -- true
	run -0 --separate-stderr on_terminal size=150x30 see='1 queued' "run=mv '$ORIGIN' '$ORIGIN.away'" \
		see='remote trouble for' see='1 queued' "run=mv '$ORIGIN.away' '$ORIGIN'; '$DGRID' submit --id two -- true" \
		see='2 queued' type=q -- "$DGRID" status --watch 1
	[[ "$(last_page <<<"$output")" != *"remote trouble"* ]]
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN
	run -0 --separate-stderr on_terminal see='2 queued' "run=kill -STOP $HTTP_PID; until pgrep -P \$CHILD git; do sleep 0.1; done" type=q -- \
		"$DGRID" --repo "$HTTP_URL" status --watch 1
	kill -CONT "$HTTP_PID"
	[[ "$stderr" == *"terminal restored: True"* && "$output" != *"$GIT_TOKEN"* ]]
}

@test "wait and logs -f hear Ctrl-C while the remote hangs" {
	"$DGRID" submit --id one -- true
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	hang="run=kill -STOP $HTTP_PID; until pgrep -P \$CHILD git; do sleep 0.1; done"
	run -130 on_terminal see='0 of 1 ended' "$hang" signal=INT -- "$DGRID" wait one
	kill -CONT "$HTTP_PID"
	run -130 on_terminal see='waiting for it to start' "$hang" signal=INT -- "$DGRID" logs -f one
	kill -CONT "$HTTP_PID"
}

@test "--watch needs a terminal and has no use for --json, --markdown, --at; options of other verbs are refused" {
	run -64 "$DGRID" status --watch
	[[ "$output" == *"--watch redraws a terminal"* ]]
	run -64 on_terminal -- env TERM=dumb "$DGRID" status --watch
	for with in --json --markdown '--at main'; do
		# shellcheck disable=SC2086 # an option and its value
		run -64 "$DGRID" status --watch $with
	done
	run -64 "$DGRID" status --watch 0
	run -64 "$DGRID" status --json --markdown
	run -64 "$DGRID" nodes --watch
	run -64 "$DGRID" status --follow
	run -64 "$DGRID" show --all x
	run -64 "$DGRID" logs -f --json x
	run -64 "$DGRID" logs -f
}

@test "status --markdown: no value breaks out of its cell, whatever it holds" {
	python3 - "$T" <<-'PY'
		import json, sys
		evil = "a|b `c` ``` **bold** <img src=x onerror=y> [l](http://x) @someone #1 www.x.org http://x.org \\| ![i](j) &amp; ~~s~~ :smile: \r\n| x | y |\n\n# head\n\x1b[31m\u009b\u202e$x$ {{y}} _z_ *w*"
		json.dump({"task_id": "evil", "result": {"status": evil, "node": evil, "stdout": evil}}, open(sys.argv[1] + "/evil.json", "w"))
		json.dump({"node_id": "evil", "status": "paused", "trouble": evil, "slots": 1e3, "next_due": "2999-01-01T00:00:00Z"}, open(sys.argv[1] + "/node.json", "w"))
		open(sys.argv[1] + "/grid.json", "w").write('{"<b>|`@x`": 1}')
	PY
	put tasks/failed/evil.json "$T/evil.json"
	put nodes/evil.json "$T/node.json"
	put grid.json "$T/grid.json"
	run -0 "$DGRID" status --markdown
	python3 - "$output" <<-'PY'
		import html, re, sys
		lines = sys.argv[1].split("\n")
		tables = [l for l in lines if l.startswith("|")]
		assert len(tables) == 6, tables
		# Between the bars of a row: code, or plain words; never markup.
		cell = re.compile(r"(<code>(?:[A-Za-z0-9 ]|[^\x00-\x7f]|&#[0-9]+;)*</code>|(?:[A-Za-z0-9 .,;/-]|&#[0-9]+;)*)$")
		for row in tables:
		    cells = row.strip("|").split("|")
		    assert len(cells) in (5, 7), row
		    for c in cells:
		        assert cell.match(c.strip()) or set(c.strip()) <= set("-:"), c
		for l in lines:
		    if not l.startswith("|"):
		        assert not l.strip() or cell.match(l.strip()), l
		assert "a|b `c`" in html.unescape(sys.argv[1])
		assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", html.unescape(sys.argv[1]))
	PY
	[[ "$output" == *"0 queued, 0 running, 0 completed, 1 failed"* ]]
}

@test "--at takes revisions, days, times with and without a zone, and words; what is none of them is refused" {
	for day in 1 2 3; do
		printf '{"task_id":"d%s","script":"x","timeout_seconds":10}' "$day" >"$T/d.json"
		GIT_COMMITTER_DATE="2024-03-0${day}T12:00:00Z" put "tasks/completed/d$day.json" "$T/d.json"
	done
	tgit -C "$ORIGIN" tag mark main~1
	done_at() { "$DGRID" status --json --at "$1" | python3 -c 'import json,sys; print(json.load(sys.stdin)["counts"]["completed"])'; }
	[ "$(done_at main)$(done_at main~1)$(done_at mark)$(done_at main~2)" = 3221 ]
	[ "$(done_at "$(git -C "$ORIGIN" rev-parse --short main~1)")" = 2 ]
	[ "$(done_at 2024-03-02T12:00:00Z)$(done_at 2024-03-02T11:59:59Z)$(done_at 2024-03-02T12:30:00)$(done_at 2024-03-02T12:30:00+01:00)" = 2121 ]
	[ "$(done_at 2024-03-02)$(done_at 2024-03-03)$(done_at '2024-03-03 13:00 +0000')$(done_at yesterday)$(done_at '2 weeks ago')$(done_at now)" = 123333 ]
	run -0 "$DGRID" show --at 2024-03-02T13:00:00Z d2
	run -66 "$DGRID" show --at 2024-03-02 d2
	run -66 "$DGRID" logs --at 2024-03-02 d2
	run -0 "$DGRID" nodes --at mark
	run -0 "$DGRID" metrics --at mark
	[[ "$output" == *'dgrid_tasks{state="completed"} 2'* ]]
	run -0 "$DGRID" status --at mark
	[[ "$output" == *"as it was at 2024-03-02T12:00:00Z"* ]]
	for verb in status nodes metrics 'show d1' 'logs d1'; do
		for at in gibberish 2024-13-45 2024-03-02T99:00:00Z ''; do
			# shellcheck disable=SC2086 # verb and its operand
			run -64 "$DGRID" $verb --at "$at"
		done
	done
	[[ "$output" == *"expected a revision or a date"* ]]
}

@test "logs -f: waits for the start, prints what comes as it comes, once, and ends like wait" {
	grid '{"heartbeat_seconds": 1}'
	"$DGRID" submit --id talk --timeout 60 -- 'for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 1.2; done; exit 3'
	"$DGRID" logs -f talk >"$T/out" 2>"$T/err" 3>&- &
	follower=$!
	echo $follower >>"$PIDS_FILE"
	wait_until 10 grep -q 'talk is in queue; waiting for it to start' "$T/err"
	worker
	wait_until 20 grep -q 'out 1' "$T/out"
	ledger_has in_progress talk
	run -1 grep -q 'out 3' "$T/out"
	rc=0
	wait $follower || rc=$?
	[ "$rc" = 1 ]
	[ "$(<"$T/out")" = $'out 1\nout 2\nout 3' ]
	[ "$(grep '^err' "$T/err")" = $'err 1\nerr 2\nerr 3' ]
	grep -q 'runs on node n1, attempt 1' "$T/err"
	grep -q '(as of [0-9]* s ago' "$T/err"
	grep -q 'talk ended: failed, exit code 3' "$T/err"
	# Of an ended task it is all there at once.
	run -1 --separate-stderr "$DGRID" logs -f talk
	[ "$output" = $'out 1\nout 2\nout 3' ]
	run -66 "$DGRID" logs -f nobody
}

@test "logs -f of several, or of a group, prints each line behind its task's id, and ends like wait for all" {
	worker
	"$DGRID" submit --id a --group g --timeout 60 -- 'echo one; echo err >&2; sleep 2; printf "two"'
	"$DGRID" submit --id long-b --group g --timeout 60 -- 'echo three; exit 3'
	"$DGRID" submit --id other -- 'echo other'
	run -1 --separate-stderr "$DGRID" logs -f a long-b
	[ "$(grep -v '^ *$' <<<"$output" | sort)" = $'a      | one\na      | two\nlong-b | three' ]
	[[ "$stderr" == *"a      | err"* && "$stderr" == *"long-b | dgrid: long-b ended: failed, exit code 3"* ]]
	[[ "$stderr" == *"dgrid: 1 of 2 did not succeed" ]]
	for of in g '--group=g'; do
		run -1 --separate-stderr "$DGRID" logs -f "$of"
		[ "$(sort <<<"$output")" = $'a      | one\na      | two\nlong-b | three' ]
	done
	run -0 --separate-stderr "$DGRID" logs -f --group g --state success
	[[ "$output" == *"a | two" ]]
	run -66 "$DGRID" logs -f a nobody
	"$DGRID" submit --id many --array 0-16 --chunk 1 -- true
	run -64 "$DGRID" logs -f --group many
	[[ "$output" == *"at most 16 tasks at once, and these are 17"* ]]
	"$DGRID" submit --id waits --label gpu -- true
	"$DGRID" submit --id waits2 --label gpu -- true
	spawn "$T/out" "$DGRID" logs -f waits waits2
	wait_until 30 grep -q 'waits2 | dgrid: waits2 is in queue' "$T/out"
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
}

@test "logs -f in a folder shows what is printed long before the next beat; where pushes are counted there is no beat more" {
	grid '{"heartbeat_seconds": 200}'
	"$DGRID" submit --id talk --timeout 100 -- 'echo one; sleep 5; echo two; sleep 90' >/dev/null
	worker
	spawn "$T/out" "$DGRID" logs -f talk
	wait_until 20 grep -qx one "$T/out"
	wait_until 20 grep -qx two "$T/out"
	run -75 "$DGRID" logs talk
	[ "$output" = "dgrid: task 'talk' runs on n1: dgrid logs -f talk shows what it prints" ]
	# Nothing new, nothing pushed.
	beat=$(git -C "$ORIGIN" rev-parse refs/dgrid/heartbeats/n1)
	grid '{"heartbeat_seconds": 200, "pushes_per_minute": 60}'
	"$DGRID" submit --id more -- 'echo secret; sleep 6; echo end' >/dev/null
	wait_until 40 ledger_has completed more
	[[ "$(git -C "$ORIGIN" log -1 --format=%B refs/dgrid/tails/n1)" != *secret* ]]
	[ "$(git -C "$ORIGIN" rev-parse refs/dgrid/heartbeats/n1)" = "$beat" ]
}

@test "logs -f over HTTP, on a terminal: how old it is, no control byte; readers do not fetch tails" {
	grid '{"heartbeat_seconds": 1, "poll_seconds": 1}'
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	worker
	"$DGRID" submit --id talk --timeout 60 -- 'printf "\033[2Jone\n"; sleep 4; echo two'
	run -0 --separate-stderr on_terminal see='one' see='s ago)' see='two' -- "$DGRID" logs -f talk
	[[ "$output" != *$'\033[2J'* && "$output" != *"$GIT_TOKEN"* ]]
	"$DGRID" submit --id more --timeout 60 -- 'echo more; sleep 30'
	wait_until 20 sh -c 'git -C "$1" log -1 --format=%B refs/dgrid/tails/n1 | grep -q more' sh "$ORIGIN"
	HOME=$T/other
	export HOME
	run -0 "$DGRID" status
	run -0 "$DGRID" nodes
	[ "$(git -C "$T"/other/.cache/dgrid/*.git for-each-ref --format='%(refname)' refs/dgrid | sort -u)" = refs/dgrid/heartbeats/n1 ]
	"$DGRID" cancel more
	run -3 --separate-stderr "$DGRID" logs -f more
	[ "$output" = more ]
	# What has ended is not shown for ever.
	wait_until 20 sh -c 'git -C "$1" log -1 --format=%B refs/dgrid/tails/n1 | grep -q "\"tasks\":\[\]"' sh "$ORIGIN"
}

@test "logs -f counts what it missed, of a task that prints more than its tail and bytes that are no UTF-8" {
	grid '{"heartbeat_seconds": 1, "live_tail_bytes": 64, "output_limit_bytes": 1024}'
	worker
	"$DGRID" submit --id flood --timeout 60 -- 'i=0; while [ $i -lt 300 ]; do echo 0123456789; i=$((i+1)); done; printf "\377\376mark\303\244\n"; sleep 3; printf "\200end\n"'
	run -0 --separate-stderr "$DGRID" logs -f flood
	[[ "$output" == *$'0123456789\n\357\277\275\357\277\275mark\303\244\n\357\277\275end' ]]
	[ "$(grep -c mark <<<"$output")" = 1 ]
	python3 - "$output" "$stderr" <<-'PY'
		import re, sys
		missed = sum(int(n) for n in re.findall(r"(\d+) bytes of stdout", sys.argv[2]))
		shown = len(sys.argv[1].replace("\ufffd", "?").encode()) + 1
		assert missed and missed + shown == 300 * 11 + 9 + 5, (missed, shown, sys.argv[2])
	PY
	# All tails of a node together are bounded, and live_tail_bytes 0 shows nothing.
	grid '{"heartbeat_seconds": 1, "live_tail_bytes": 65536}'
	"$DGRID" submit --id control --timeout 60 -- 'head -c 200000 /dev/zero | tr "\0" "\001"; echo; sleep 4'
	wait_until 20 sh -c 'git -C "$1" log -1 --format=%B refs/dgrid/tails/n1 | grep -q control' sh "$ORIGIN"
	[ "$(git -C "$ORIGIN" log -1 --format=%B refs/dgrid/tails/n1 | wc -c)" -lt 70000 ]
	wait_until 20 ledger_has completed control
	grid '{"heartbeat_seconds": 1, "live_tail_bytes": 0}'
	"$DGRID" submit --id quiet --timeout 60 -- 'echo secret; sleep 3; echo done'
	run -0 --separate-stderr "$DGRID" logs -f quiet
	[[ "$stderr" == *"live_tail_bytes is 0"* && "$output" == $'secret\ndone' ]]
	run -1 grep -q secret <(git -C "$ORIGIN" log --all --format=%B)
}

@test "logs -f goes on with the next attempt, from its beginning" {
	grid '{"heartbeat_seconds": 1, "retry_backoff_seconds": 5}'
	printf '{"task_id":"again","script":"echo begin; sleep 2; echo end; exit 1","timeout_seconds":60,"retry_on_failure":true,"max_attempts":2}' >"$T/again.json"
	"$DGRID" submit "$T/again.json"
	worker
	run -1 --separate-stderr "$DGRID" logs -f again
	[[ "$output" == $'begin\n'*$'begin\nend' ]]
	[[ "$stderr" == *"attempt 1"*"the claim was given back"*"attempt 2"*"again ended: failed, exit code 1"* ]]
}

@test "a host that takes heads only gets tails as heads, and logs -f finds them there" {
	grid '{"heartbeat_seconds": 1, "poll_seconds": 1}'
	printf '#!/bin/sh\nwhile read -r old new ref; do case $ref in refs/heads/*) ;; *) exit 1 ;; esac; done\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL
	worker
	"$DGRID" submit --id talk --timeout 60 -- 'echo one; sleep 30'
	spawn "$T/out" "$DGRID" logs -f talk
	wait_until 25 grep -qx one "$T/out"
	git -C "$ORIGIN" rev-parse -q --verify refs/heads/dgrid-tails/n1
}

@test "a host that declines tails still gets its beats; logs -f shows the end" {
	grid '{"heartbeat_seconds": 1}'
	printf '#!/bin/sh\nwhile read -r old new ref; do case $ref in refs/dgrid/tails/*) exit 1 ;; esac; done\n' >"$ORIGIN/hooks/pre-receive"
	chmod +x "$ORIGIN/hooks/pre-receive"
	worker
	"$DGRID" submit --id talk --timeout 60 -- 'echo one; sleep 3; echo two'
	run -0 --separate-stderr "$DGRID" logs -f talk
	[ "$output" = $'one\ntwo' ]
	grep -q 'declined the tails' "$T/log"
	git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/heartbeats/n1
	run -1 git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/tails/n1
}
