#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets stderr
# What runs is what was written: scripts and texts on their way from the command line into a sandbox, and output on its
# way out.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

script_of() { ledger_json queue "$1" | python3 -c 'import json, sys; sys.stdout.write(json.load(sys.stdin)["script"])'; }
run_all() { "$DGRID" worker --node-id n1 --slots 4 --engine bwrap --once --work-dir "$T/w" 2>"$T/log"; }

@test "what is no text is refused with file and byte, wherever it comes from" {
	printf 'echo one\0echo two\n' >nul.sh
	run -65 "$DGRID" submit --id a --script nul.sh
	[ "$output" = "dgrid: nul.sh: byte 9 is NUL (expected a script: text in UTF-8)" ]
	printf 'echo \303\244 \377\n' >latin.sh
	run -65 "$DGRID" submit --id a --script latin.sh
	[ "$output" = "dgrid: latin.sh: byte 9 is not UTF-8 (expected a script: text in UTF-8)" ]
	run -65 "$DGRID" submit --id a -- echo $'caf\351'
	[ "$output" = "dgrid: argument 2 after --: byte 4 is not UTF-8 (expected a script: text in UTF-8)" ]
	for option in --description --label --image --id; do
		run -64 "$DGRID" submit "$option" $'ab\377' -- true
		[ "$output" = "dgrid: $option: byte 3 of its value is not UTF-8" ]
	done
	[ -z "$(ledger_ls queue)" ]
}

@test "a byte order mark, carriage returns and a #! line without a path are refused, with the line" {
	printf '\357\273\277echo hi\n' >bom.sh
	run -65 "$DGRID" submit --id a --script bom.sh
	[[ "$output" == "dgrid: bom.sh: the script: begins with a byte order mark "* ]]
	printf 'echo one\necho two\r\n' >crlf.sh
	run -65 "$DGRID" submit --id a --script crlf.sh
	[[ "$output" == "dgrid: crlf.sh: the script: line 2 ends with a carriage return, "*"dos2unix"* ]]
	printf '#!/bin/sh\r\nexit 0' >shebang.sh
	run -65 "$DGRID" submit --id a --script - <shebang.sh
	[[ "$output" == "dgrid: stdin: the script: line 1 ends with a carriage return, "* ]]
	printf '#!python3\nprint(1)\n' >name.sh
	run -65 "$DGRID" submit --id a --script name.sh
	[[ "$output" == *'its #! line names "python3" (expected the path of a program, such as #!/usr/bin/env python3)' ]]
	# A task file says the same, and so does the node that finds one in the queue.
	printf '{"task_id": "a", "timeout_seconds": 10, "script": "true\\r\\n"}\n' >a.json
	run -65 "$DGRID" validate a.json
	[[ "$output" == "a.json:1:51: script: line 1 ends with a carriage return, "* ]]
	tgit clone -q "$ORIGIN" c
	mkdir -p c/tasks/queue
	cp a.json c/tasks/queue/
	tgit -C c add -A
	tgit -C c commit -qm 'by hand'
	tgit -C c push -q
	run_all
	ledger_json failed a | grep -q 'line 1 ends with a carriage return'
	# One that is meant can be written, and one inside a line is the author's.
	printf 'printf "a\\r\\n"; printf "b\rc"' >meant.sh
	"$DGRID" submit --id meant --script meant.sh
	cmp meant.sh <(script_of meant)
}

@test "several arguments after -- reach the program as they were typed; one is a script" {
	require_bwrap
	show='for a; do printf "<%s>" "$a"; done'
	"$DGRID" submit --id many -- sh -c "$show" sh 'two words' '' "it's" '$HOME *' $'line\nbreak' 'a"b\c' --wait -- end
	"$DGRID" submit --id one -- 'echo $((1 + 1)); echo "two  blanks"'
	"$DGRID" submit --id plain -- seq 1 3
	[ "$(script_of plain)" = 'seq 1 3' ]
	[ "$(script_of one)" = 'echo $((1 + 1)); echo "two  blanks"' ]
	"$DGRID" submit --id sh -- sh -c 'echo A; echo B'
	run_all
	[ "$("$DGRID" logs many)" = "<two words><><it's><\$HOME *><line"$'\n'"break><a\"b\\c><--wait><--><end>" ]
	[ "$("$DGRID" logs one)" = $'2\ntwo  blanks' ]
	[ "$("$DGRID" logs sh)" = $'A\nB' ]
}

@test "what stands before -- is no part of the command, and is not passed over" {
	run -64 "$DGRID" submit --id a b -- echo hi
	[[ "$output" == "dgrid: unexpected 'b' beside -- CMD "* ]]
	echo true >s.sh
	run -64 "$DGRID" submit --script s.sh other.json
	[[ "$output" == "dgrid: unexpected 'other.json' beside --script "*"a script has no arguments: --env NAME=VALUE"* ]]
	run -64 "$DGRID" submit --script s.sh -- true
	[[ "$output" == *"exclude each other (a script has no arguments: --env NAME=VALUE)" ]]
	# A value that looks like it ends no options.
	"$DGRID" submit --id a --description -- --script s.sh
	[ "$(ledger_json queue a | grep -c '"description": "--"')" = 1 ]
	[ "$(script_of a)" = true ]
}

@test "a script comes from stdin, a pipe, another process or a link as from a file" {
	printf 'echo "a b"\n# the end\n' >s.sh
	"$DGRID" submit --id from-stdin --script - <s.sh
	sed '' s.sh | "$DGRID" submit --id from-pipe --script -
	"$DGRID" submit --id from-process --script <(cat s.sh)
	ln -s s.sh link.sh
	"$DGRID" submit --id from-link --script link.sh
	mkfifo fifo
	cat s.sh >fifo &
	"$DGRID" submit --id from-fifo --script fifo
	for id in from-stdin from-pipe from-process from-link from-fifo; do cmp s.sh <(script_of "$id"); done
	run -65 "$DGRID" submit --id b --script .
	[[ "$output" == "dgrid: '.' is a folder" ]]
	run -65 "$DGRID" submit --id b --script /dev/zero
	[[ "$output" == *"is larger than 65536 bytes" ]]
	run -66 "$DGRID" submit --id b --script nothing
	# Nobody writes: it can be interrupted.
	mkfifo silent
	sleep 1000 >silent &
	writer=$!
	echo "$writer" >>"$PIDS_FILE"
	spawn "$T/waits" "$DGRID" submit --id b --script silent
	waits=$SPAWNED
	reading() { readlink "/proc/$waits"/fd/* | grep -q '/silent$'; }
	wait_until 20 reading
	kill -TERM "$waits"
	wait_until 10 pid_ended "$waits"
	run -143 wait "$waits"
}

@test "ids that are given twice count once" {
	for id in a b; do "$DGRID" submit --id $id -- true; done
	run -0 "$DGRID" cancel a b a
	[ "$output" = $'a\nb' ]
	run -3 "$DGRID" wait a a b
	[[ "$output" != *"not ended"* ]]
	run -0 "$DGRID" retry b a b
	[ "$output" = $'b\na' ]
	printf '{"task_id": "c", "timeout_seconds": 10, "script": "true"}\n' >c.json
	echo "{}" >x.json
	run -65 "$DGRID" validate x.json x.json
	[[ "${lines[-1]}" == "dgrid: 1 invalid file" ]]
	run -0 "$DGRID" submit --unapproved c.json c.json
	[ "$output" = c ]
	run -0 "$DGRID" promote c c
	[ "$(grep -c c <<<"$output")" = 1 ]
}

@test "output that cannot be written gives exit code 74 and a message, in every verb" {
	"$DGRID" submit --id a -- true
	verbs=(help version 'status' 'status --json' 'status --help' 'nodes' 'show a' 'why a' metrics 'validate --fields' 'completions bash' 'heal --dry-run'
		'promote --dry-run' 'doctor' 'audit' 'submit -- true' 'cancel a' 'retry a' 'dashboard -o site')
	for verb in "${verbs[@]}"; do
		status=0
		# shellcheck disable=SC2086 # words
		"$DGRID" $verb >/dev/full 2>"$T/err" || status=$?
		echo "$verb: $status $(tail -n 1 "$T/err")"
		# Of doctor and audit the answer may be no besides.
		[[ $status = 74 || ($verb =~ ^(doctor|audit)$ && $status != 0) ]]
		grep -q '^dgrid: cannot write all output' "$T/err"
	done
	# A reader who has left hears nothing, as with any tool.
	for verb in 'status --json' metrics help; do
		run -141 --separate-stderr python3 - "$DGRID" "$verb" <<-'PY'
			import os, subprocess, sys
			r, w = os.pipe()
			os.close(r)
			sys.exit(subprocess.run([sys.argv[1], *sys.argv[2].split()], stdout=w).returncode)
		PY
		[ -z "$stderr" ]
	done
}

@test "logs -f ends when nobody reads it any more" {
	require_bwrap
	"$DGRID" submit --id long --timeout 300 -- 'echo first; i=0; while [ $i -lt 250 ]; do sleep 1; echo $i; i=$((i + 1)); done'
	spawn "$T/log" "$DGRID" worker --node-id n1 --slots 1 --engine bwrap --work-dir "$T/w"
	mkfifo out
	spawn "$T/follow" sh -c '"$DGRID" logs -f long >out'
	follower=$SPAWNED
	read -r line <out
	[ "$line" = first ]
	wait_until 60 pid_ended "$follower"
}
