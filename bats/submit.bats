#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets stderr
# What a task may say by options: on the command line, over files, and at the head of a script; and ids that are used again.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

once() { "$DGRID" worker --node-id n1 --slots 4 --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"; }
file() { # ID [MORE]
	printf '{"task_id": "%s", "script": "echo %s"%s}\n' "$1" "$1" "${2-, \"timeout_seconds\": 20}" >"$1.json"
}
# field STATE ID EXPRESSION: of the task t, in Python.
field() { ledger_json "$1" "$2" | python3 -c "import json, sys; t = json.load(sys.stdin); print(($3))"; }
dry() { python3 -c 'import json, sys; t = json.load(sys.stdin); print(('"$1"'))' <<<"$output"; }

@test "whatever a task file can say, an option says; --dry-run prints it, checked, and queues nothing" {
	run -0 "$DGRID" submit --dry-run --id all --timeout 30 --priority 7 --env A='b c' --env B= --cpus 0.5 --memory 128m --pids 5 \
		--out-mb 2 --max-attempts 2 --retry-on-failure --group g --label big --label x --description 'a line' --metadata T=1 \
		-- 'echo $A'
	[ "$(dry '[t[k] for k in ("task_id", "timeout_seconds", "priority", "env", "cpus", "memory_mb", "pids", "out_mb")]')" = \
		"['all', 30, 7, {'A': 'b c', 'B': ''}, 0.5, 128, 5, 2]" ]
	[ "$(dry '[t[k] for k in ("max_attempts", "retry_on_failure", "group", "labels", "description", "metadata", "submitted_by")]')" = \
		"[2, True, 'g', ['big', 'x'], 'a line', {'T': '1'}, 'ann']" ]
	echo "$output" >all.json
	"$DGRID" validate all.json
	run -65 "$DGRID" submit --dry-run --id x --memory 4g -- true
	[[ "$output" == *$'\nx: memory_mb: 4096 is not valid (expected a whole number from 4 to 512: max_memory_mb of grid.json)'* ]]
	run -64 "$DGRID" submit --memory much -- true
	[ "$output" = "dgrid: --memory: expected megabytes from 1 to 1048576, or a size such as 512m or 2g, found 'much'" ]
	run -64 "$DGRID" submit --env A -- true
	[ "$output" = "dgrid: --env: expected KEY=VALUE, found 'A'" ]
	run -64 "$DGRID" submit --group 'a b' -- true
	[ "$(git -C "$ORIGIN" rev-list --count main)" = 1 ]
	"$DGRID" submit --id env --env GREETING='hi  there' -- 'echo "$GREETING"'
	once
	[ "$("$DGRID" logs env)" = 'hi  there' ]
}

@test "beside files, options go before what the files say; variables and labels are added" {
	file a
	file b ', "timeout_seconds": 20, "priority": 1, "env": {"A": "file", "B": "file"}, "labels": ["x"]'
	file c '' # it lacks what the option gives
	run -0 "$DGRID" submit --group g --timeout 44 --env A=line --label x --label y a.json b.json c.json
	[ "$output" = $'a\nb\nc' ]
	[ "$(field queue b '[t[k] for k in ("group", "timeout_seconds", "priority", "env", "labels")]')" = \
		"['g', 44, 1, {'A': 'line', 'B': 'file'}, ['x', 'y']]" ]
	[ "$(field queue c 't["timeout_seconds"], t["group"]')" = "(44, 'g')" ]
	# Without options a file is queued byte for byte, but for who submits it and when.
	printf '{"task_id": "d",\n  "script":\t"echo d", "timeout_seconds":20\n}\n' >d.json
	"$DGRID" submit d.json
	ledger_json queue d | sed -E 's/, "submitted_by": "ann", "created_at": "20[^"]*"//' | cmp - d.json
	[ "$(field queue d 't["submitted_by"], t["created_at"][:2]')" = "('ann', '20')" ]
	file e ', "timeout_seconds": 20, "priorty": 1'
	run -65 "$DGRID" submit --group g e.json
	[[ "$output" == *'e.json:1:'*': priorty: unknown field'* ]]
}

@test "#DGRID lines at the head of a script are options; the command line beats them" {
	cat >job.sh <<-'SH'
		#!/bin/sh
		# what it is for
		#DGRID --id nightly --timeout 30 --group night   # as ever
		#DGRID --env 'GREETING=hello  you' --label none

		echo "$GREETING"
		#DGRID --priority 9
	SH
	run -0 --separate-stderr "$DGRID" submit --dry-run --script job.sh
	[ "$stderr" = 'dgrid: job.sh:7: #DGRID after the first command is a comment like any other' ]
	[ "$(dry 't["task_id"], t["timeout_seconds"], t["group"], t["env"], t["labels"], t["priority"]')" = \
		"('nightly', 30, 'night', {'GREETING': 'hello  you'}, ['none'], 5)" ]
	run -0 --separate-stderr "$DGRID" submit --dry-run --id today --timeout 50 --env GREETING=bye --script - <job.sh
	[ "$(dry 't["task_id"], t["timeout_seconds"], t["group"], t["env"]')" = "('today', 50, 'night', {'GREETING': 'bye'})" ]
	sed -i '/none\|priority/d' job.sh
	sed -i "3a #DGRID --env 'GREETING=hello  you'" job.sh
	"$DGRID" submit --script job.sh
	once
	[ "$("$DGRID" logs nightly)" = 'hello  you' ]
	# A folder beside the script goes along.
	mkdir data
	echo 42 >data/n
	printf '#DGRID --id fed --input d=data --workdir d\ncat n\n' >fed.sh
	"$DGRID" submit --script fed.sh
	once
	[ "$("$DGRID" logs fed)" = 42 ]
}

@test "what is wrong in a #DGRID line is said with file and line; what is for the command line is refused there" {
	no() { # TEXT LINE...
		printf '#!/bin/sh\n%s\ntrue\n' "$2" >s.sh
		run -64 "$DGRID" submit --script s.sh
		[ "$output" = "dgrid: s.sh:2: $1" ] || { echo "$output"; return 1; }
	}
	no "unknown option '--tiemout'; did you mean --timeout? (see: dgrid submit --help)" '#DGRID --tiemout 3'
	no "--timeout: expected seconds from 1 to 86400, or such as 90s, 5m, 2h, found 'x'" '#DGRID --timeout x'
	no 'a quote is not closed' '#DGRID --env "A=b'
	no "unexpected 'echo' (expected options alone)" '#DGRID echo'
	for option in --wait --dry-run --sign --unapproved --replace --skip-existing '--key k' '--script x'; do
		no "${option%% *} is for the command line alone" "#DGRID $option"
	done
	printf '#DGRID --label\n' >s.sh
	run -64 "$DGRID" submit --script - <s.sh
	[[ "$output" == 'dgrid: stdin:1: --label needs a value'* ]]
	[ -z "$(ledger_ls queue)" ]
}

@test "--replace uses an ended task's id again: the old one stands in the archive, the new one runs" {
	"$DGRID" submit --id job -- 'echo one; exit 1'
	once
	run -65 "$DGRID" submit --id job -- 'echo two'
	[[ "$output" == *"'job' is already in this grid (in failed); choose another, or --replace it"* ]]
	run -0 "$DGRID" submit --replace --id job -- 'echo two'
	[ "$output" = job ]
	run -65 "$DGRID" submit --replace --id job -- 'echo three'
	[[ "$output" == *"'job' has not ended, it is in queue; end it first: dgrid cancel job"* ]]
	once
	[ "$("$DGRID" logs job)" = two ]
	[ "$(git -C "$ORIGIN" ls-tree -r --name-only archive | grep -c '/job.json$')" = 1 ]
	old=$(git -C "$ORIGIN" ls-tree -r --name-only archive)
	[ "$(git -C "$ORIGIN" show "archive:$old" | python3 -c 'import json, sys; print(json.load(sys.stdin)["result"]["stdout"])')" = one ]
	# Again on the same day, among new ones; all or nothing.
	file fresh
	file job ', "timeout_seconds": 5000'
	run -65 "$DGRID" submit --replace job.json fresh.json
	[ "$("$DGRID" logs job)" = two ]
	file job
	run -0 "$DGRID" submit --replace job.json fresh.json
	[ "$output" = $'job\nfresh' ]
	once
	[ "$("$DGRID" logs job)" = job ]
	[ "$(git -C "$ORIGIN" ls-tree -r --name-only archive | grep -c '/job')" = 2 ]
	run -0 "$DGRID" audit
	[ "$(grep -c 'notice.reused .*tasks/queue/job.json: a task of that id was here before: ann used the id again' <<<"$output")" = 2 ]
	[[ "$output" == *'no violations'* ]]
}

@test "what others wait for is not replaced; a task that waits keeps that with another script" {
	"$DGRID" submit --id first -- true
	once
	"$DGRID" submit --id second --needs first --label none -- true
	run -1 "$DGRID" submit --replace --id first -- false
	[[ "$output" == *"other tasks wait for 'first': end those first"* ]]
	[ "$(ledger_ls completed)" = first ]
	"$DGRID" cancel second
	run -0 "$DGRID" retry --script - second <<<'echo other'
	[ "$(field queue second 't["needs"], t["script"]')" = "(['first'], 'echo other\\n')" ]
	"$DGRID" cancel second
	"$DGRID" submit --replace --id first -- 'exit 1'
	run -0 "$DGRID" audit
	[[ "$output" == *'no violations'* ]]
}

@test "a file that was no task is mended and replaced under its own id; a racing worker's archive stands in nobody's way" {
	tgit clone -q "$ORIGIN" c
	echo '{"task_id": "bad"}' >c/tasks/queue/bad.json
	tgit -C c add -A
	tgit -C c commit -qm bad
	tgit -C c push -q origin HEAD:main
	once
	run -1 "$DGRID" retry bad
	[[ "$output" == *'fix it, then dgrid submit --replace'* ]]
	file bad
	"$DGRID" submit --replace bad.json
	grid_settings '"keep_finished": 1'
	spawn "$T/log1" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	for i in 1 2 3 4 5; do
		run "$DGRID" wait bad
		"$DGRID" submit --replace --id bad -- "echo $i"
		"$DGRID" submit --id "more-$i" -- true
	done
	run -0 "$DGRID" wait bad
	[ "$("$DGRID" logs bad)" = 5 ]
	run -0 "$DGRID" audit
	[[ "$output" == *'no violations'* ]]
}

@test "--skip-existing passes by what is there, in the archive too; --wait waits for all" {
	grid_settings '"keep_finished": 1'
	file a
	file b
	file c
	"$DGRID" submit a.json b.json
	once
	"$DGRID" maintain
	[ "$(ledger_ls completed)" = b ] || [ "$(ledger_ls completed)" = a ]
	run -65 "$DGRID" submit a.json b.json c.json
	run -0 --separate-stderr "$DGRID" submit --skip-existing a.json b.json c.json
	[ "$output" = c ]
	[ "$(grep -c ' is there already, in the archive: passed by' <<<"$stderr")" = 1 ]
	[ "$(grep -c ' is there already, in completed: passed by' <<<"$stderr")" = 1 ]
	run -0 --separate-stderr "$DGRID" submit --skip-existing a.json b.json c.json
	[ -z "$output" ]
	[[ "$stderr" == *'c is there already, in queue: passed by'* ]]
	spawn "$T/log1" "$DGRID" worker --node-id n1 --engine bwrap --work-dir "$T/w1"
	"$DGRID" submit --skip-existing --wait a.json b.json c.json
	"$DGRID" wait c
	run -64 "$DGRID" submit --skip-existing --replace a.json
}

@test "two who submit the same ids at once with --skip-existing: each task once, and no error" {
	for i in 1 2 3 4 5 6 7 8; do file "t$i"; done
	for k in 1 2 3; do spawn "$T/out$k" "$DGRID" submit --skip-existing t?.json; done
	while read -r pid; do wait_until 60 pid_ended "$pid"; done <"$PIDS_FILE"
	[ "$(cat "$T"/out? | grep -cx 't[1-8]')" = 8 ]
	if grep -hv -e '^t[1-8]$' -e 'passed by$' "$T"/out?; then false; fi
	[ "$(ledger_ls queue | wc -l)" = 8 ]
}

@test "retry asks for --force after a success; --script queues the task with another script" {
	"$DGRID" submit --id good --group g -- 'echo one'
	"$DGRID" submit --id bad --group g --env A=kept --description kept -- 'exit 4'
	once
	run -1 "$DGRID" retry good
	[ "$output" = "dgrid: task 'good' succeeded: --force queues it again anyway" ]
	run -1 "$DGRID" retry bad good
	[ "$(ledger_ls queue)" = '' ]
	run -0 "$DGRID" retry --force good bad
	once
	echo 'echo mended $A' >mended.sh
	run -1 "$DGRID" retry --script mended.sh good
	run -0 --separate-stderr "$DGRID" retry --script mended.sh --group g
	[ "$output $stderr" = 'bad dgrid: queued 1 of 2 again; 1 had succeeded (--force queues those too)' ]
	[ "$(field queue bad 't["description"], t["group"], "attempts" in t, "result" in t')" = "('kept', 'g', False, False)" ]
	once
	[ "$("$DGRID" logs bad)" = 'mended kept' ]
	run -0 "$DGRID" retry --force --script - good <<<'echo from stdin'
	once
	[ "$("$DGRID" logs good)" = 'from stdin' ]
	printf 'echo a\r\n' >crlf.sh
	run -65 "$DGRID" retry --force --script crlf.sh good
	run -66 "$DGRID" retry --script mended.sh nowhere
	run -64 "$DGRID" retry --sign good
	run -0 "$DGRID" audit
	[[ "$output" == *'no violations'* ]]
}

@test "where only signed tasks run, another script is signed anew, or refused" {
	require_command ssh-keygen
	ssh-keygen -q -t ed25519 -N '' -C ann -f "$T/ann"
	tgit clone -q "$ORIGIN" c
	echo "ann@example.org $(cut -d ' ' -f 1,2 "$T/ann.pub")" >c/allowed_signers
	echo '{"require_signed_tasks": true}' >c/grid.json
	tgit -C c add -A
	tgit -C c commit -qm signed
	tgit -C c push -q origin HEAD:main
	"$DGRID" submit --key "$T/ann" --id job -- 'exit 1'
	"$DGRID" submit --key "$T/ann" --id next --needs job -- 'echo as signed'
	once
	run -65 "$DGRID" retry --downstream --script - job <<<'echo mended'
	[[ "$output" == *'job:1:1: signatures: '*'(expected --sign with a key that counts)'* ]]
	[ "$(ledger_ls failed | xargs)" = 'job next' ]
	"$DGRID" retry --downstream --key "$T/ann" --script - job <<<'echo mended'
	DGRID_SIGNING_KEY=$T/ann "$DGRID" submit --sign --replace --id job -- true && false
	once
	[ "$("$DGRID" logs job) $("$DGRID" logs next)" = 'mended as signed' ]
	DGRID_SIGNING_KEY=$T/ann "$DGRID" submit --sign --replace --id job -- 'echo once more'
	once
	[ "$("$DGRID" logs job)" = 'once more' ]
	run -0 "$DGRID" audit
	[[ "$output" == *'no violations'* ]]
}

@test "a task file says who submitted it and when, unless it does; one that is signed stays as it is" {
	ssh-keygen -q -t ed25519 -N '' -C ann -f "$T/ann"
	echo "ann@example.invalid $(cut -d ' ' -f 1,2 "$T/ann.pub")" >"$T/allowed_signers"
	printf '{"task_id": "plain", "script": "true", "timeout_seconds": 30}' >"$T/plain.json"
	printf '{"task_id": "own", "script": "true", "timeout_seconds": 30, "submitted_by": "bob", "created_at": "2026-01-01T00:00:00Z"}' >"$T/own.json"
	GIT_USER_NAME=ann "$DGRID" submit "$T/plain.json" "$T/own.json"
	[ "$(field queue plain 't["submitted_by"], t["created_at"][:2]')" = "('ann', '20')" ]
	[ "$(field queue own 't["submitted_by"], t["created_at"]')" = "('bob', '2026-01-01T00:00:00Z')" ]
	sed 's/plain/signed/' "$T/plain.json" >"$T/signed.json"
	"$DGRID" submit --dry-run --key "$T/ann" "$T/signed.json" >"$T/s.json"
	jq 'del(.submitted_by, .created_at)' "$T/s.json" >"$T/signed.json" # signed by others, without them
	"$DGRID" submit "$T/signed.json"
	[ "$(ledger_json queue signed | jq -c '[.submitted_by, .created_at, (.signatures | length)]')" = '[null,null,1]' ]
}

@test "submit warns of a task that no live node could run, in the words of why" {
	run -0 --separate-stderr "$DGRID" submit --id early --label gpu -- true
	[ -z "$stderr" ] # nobody is here yet
	node_file() { # ID LABELS OFFER
		printf '{"schema": 1, "node_id": "%s", "status": "active", "last_heartbeat": "%s", "next_due": "%s", "slots": 1, "busy": 0, "labels": %s, "offer": %s, "images": {"old:1": false}, "task_level": 9}' \
			"$1" "$(date -u +%FT%TZ)" "$(date -u -d '1 hour' +%FT%TZ)" "$2" "$3" >"$T/c/nodes/$1.json"
	}
	git clone -q "$ORIGIN" "$T/c"
	node_file attic '["big"]' '{"cpus": 2, "max_cpus": 2, "memory_mb": 4096, "max_memory_mb": 4096, "disk_mb": 900, "resources": {}}'
	node_file cellar '[]' '{"cpus": 8, "max_cpus": 8, "memory_mb": 4096, "max_memory_mb": 4096, "disk_mb": 900, "resources": {"gpu": 1}}'
	echo '{"schema": 1, "images": ["alpine:3.22", "old:1"], "max_cpus": 4}' >"$T/c/grid.json"
	tgit -C "$T/c" add -A && tgit -C "$T/c" commit -qm nodes && tgit -C "$T/c" push -q origin HEAD:main
	warned() { # WORDS -- OPTIONS
		local words=$1
		shift 2
		run --separate-stderr "$DGRID" submit "$@" -- true
		[ "$status" = 0 ] && [[ "$stderr" == "dgrid: warning: no live node could run "*"$words"* ]] || { echo "$stderr"; return 1; }
	}
	warned $'attic: has no gpu, 1 wanted\n  node cellar lacks the label big\n  no live node could ever run it' -- --id a --label big --resource gpu=1
	warned 'attic: one task gets at most 2 processors, 4 wanted' -- --id b --cpus 4 --label big
	warned 'attic: has no image old:1' -- --id c --image old:1
	warned 'node cellar lacks the label arm' -- --id d --label arm
	run -0 "$DGRID" why d
	[[ "$output" == *"no live node has all its labels (arm)"* ]]
	run -0 --separate-stderr "$DGRID" submit --id fits --cpus 4 --resource gpu=1 -- true
	[ -z "$stderr" ]
	run -0 --separate-stderr env DGRID_REPO_URL="file://$ORIGIN" "$DGRID" submit --id far --label arm -- true
	[[ "$stderr" == *"no live node could run far:"* ]]
}
