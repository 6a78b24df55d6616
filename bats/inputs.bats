#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# Files in: what a task is given is sent before it is queued, bound to it by its id, and the same wherever it runs.

setup() {
	load sandbox
	LEAKS=1 sandbox_setup bwrap
	require_bwrap
	mkdir -p data/sub
	echo one >data/f1
	echo two >data/sub/f2
}
teardown() {
	common_teardown
	if mountpoint -q "$T/small" 2>/dev/null; then umount "$T/small"; fi
}

in_refs() { git -C "$ORIGIN" for-each-ref --format='%(refname)' "${1:-refs/dgrid/in}"; }
input_of() { "$DGRID" show --json "$1" | jq -r ".inputs.\"$2\".$3"; } # ID NAME MEMBER
prints() { [ "$("$DGRID" logs "$1")" = "$2" ]; }
once() { "$DGRID" worker --node-id "$NODE" --engine bwrap --once --work-dir "$T/w1" "$@" 2>&1 | tee -a "$T/worker.log"; }

@test "a folder, a file, what the repository has and what a task left become inputs; the same is sent once" {
	"$DGRID" submit --id a --input data --input table.txt=data/f1 -- 'cat /in/data/sub/f2 /in/table.txt >/out/both; cat /out/both'
	"$DGRID" submit --id b --input "$T/data/" -- 'ls /in/data'
	[ "$(in_refs | wc -l)" = 2 ]
	[ "$(input_of a data tree)" = "$(input_of b data tree)" ]
	[ "$(input_of a data tree)" = "$(git -C "$ORIGIN" rev-parse "refs/dgrid/in/$(input_of a data tree)^{tree}")" ]
	[ "$(input_of a data files) $(input_of a data bytes) $(input_of a table.txt path)" = "2 8 file" ]
	once
	prints a $'two\none'
	prints b $'f1\nsub'
	"$DGRID" submit --id c --input main:grid.json --input tasks=main:tasks/completed --input task:a:both --input all=task:a -- \
		'ls /in /in/tasks /in/all; cat /in/both'
	once
	prints c $'/in:\nall\nboth\ngrid.json\ntasks\n\n/in/all:\nboth\n\n/in/tasks:\na.json\nb.json\ntwo\none'
	[ "$(input_of c both from) $(input_of c tasks from)" = "task:a:both main:tasks/completed" ]
	run -0 "$DGRID" show c
	[[ "$output" == *"/in/both: 1 file, 8 bytes, task:a:both"* ]]
	"$DGRID" dashboard -o "$T/site"
	grep -q '<dt>Given</dt><dd>both: 1 file, 8 bytes, of task:a:both</dd>' "$T/site/t/c.html"
	run -0 "$DGRID" rerun c
	[[ "$output" == *reproducible ]]
	"$DGRID" audit
}

@test "what a link is typed for keeps the name that was typed; a path that ends in dots has the folder's own" {
	mkdir 'run 11'
	echo x >'run 11/x'
	ln -s 'run 11' current
	ln -s data/f1 table.csv
	run -64 "$DGRID" submit --input data/. --input data/sub/.. -- true
	[[ "$output" == *"'data' is given twice"* ]]
	"$DGRID" submit --id a --input current/ --input table.csv --input data/. --stdin table.csv -- 'ls /in /in/current; cat'
	(cd data/sub && "$DGRID" submit --id b --input .. -- 'ls /in')
	once
	prints a $'/in:\ncurrent\ndata\ntable.csv\n\n/in/current:\nx\none'
	prints b data
}

@test "--stdin - hands on what submit itself reads; nothing else reads it beside" {
	printf 'one\ntwo\n' | "$DGRID" submit --id piped --stdin - -- 'wc -l; ls /in'
	"$DGRID" submit --id empty --stdin - -- 'wc -c' </dev/null
	printf '%s\n' '#DGRID --id said --stdin -' 'tr a-z A-Z' >script.sh
	echo text | "$DGRID" submit --script script.sh
	echo file >-
	"$DGRID" submit --id named --stdin ./- -- cat </dev/null
	run -64 "$DGRID" submit --script - --stdin - <<<x
	[ "$output" = "dgrid: --stdin - and --script - both read standard input (expected one)" ]
	run -64 "$DGRID" submit --points - --stdin - -- cat <<<x
	run -64 "$DGRID" schedule add nightly --cron '0 1 * * *' --script - --stdin - <<<x
	for input in - x=-; do
		run -64 "$DGRID" submit --input "$input" -- true <<<x
		[[ "$output" == "dgrid: --input $input: - is no input"* ]]
	done
	once
	prints piped $'2\nstdin'
	prints empty 0
	prints said TEXT
	prints named file
}

@test "task files get the inputs of the command line, and their signatures cover them" {
	ssh-keygen -q -t ed25519 -N '' -f "$T/key"
	printf '{"task_id": "p1", "script": "cat /in/f1", "timeout_seconds": 20}' >p1.json
	printf '{"task_id": "p2", "script": "cat /in/f1 /in/own", "timeout_seconds": 20, "inputs": {"own": %s}}' \
		"$("$DGRID" submit --id first --input own=data/sub/f2 -- true >/dev/null && "$DGRID" show --json first | jq -c .inputs.own)" >p2.json
	"$DGRID" submit --key "$T/key" --input data/f1 p1.json p2.json
	[ "$(input_of p1 f1 tree)" = "$(input_of p2 f1 tree)" ]
	once
	prints p2 $'one\ntwo'
	run -65 "$DGRID" submit --input own=data/f1 p2.json
	[[ "$output" == *'"own" is in the file and given by --input'* ]]
	# Another tree under the same signature is another task.
	tgit -C "$T/c" pull -q
	mkdir -p "$T/c/tasks/queue"
	jq '.task_id = "p3" | del(.result, .attempts)' "$T/c/tasks/completed/p1.json" >"$T/c/tasks/queue/p3.json"
	jq -e '.signatures | length == 1' "$T/c/tasks/queue/p3.json"
	ledger_setting='"require_signed_tasks": true'
	printf '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, %s}\n' "$ledger_setting" >"$T/c/grid.json"
	printf 'someone namespaces="git,dgrid-task" %s\n' "$(cut -d' ' -f1,2 "$T/key.pub")" >"$T/c/allowed_signers"
	jq '.inputs.f1.tree = "'"$(input_of first own tree)"'" | .task_id = "p1"' "$T/c/tasks/queue/p3.json" >"$T/c/tasks/queue/p1.json"
	rm "$T/c/tasks/queue/p3.json" "$T/c/tasks/completed/p1.json"
	tgit -C "$T/c" add -A
	tgit -C "$T/c" commit -qm 'another tree'
	tgit -C "$T/c" push -q origin HEAD:main
	once
	[[ "$("$DGRID" show p1)" == *"invalid"* ]]
}

@test "what cannot be an input is refused before anything is sent; what is left out is told" {
	no() { # CODE MESSAGE OPTIONS...
		local code=$1 message=$2
		shift 2
		run "-$code" "$DGRID" submit --id never "$@" -- true
		[[ "$output" == *"$message"* ]] || { echo "expected: $message"; return 1; }
	}
	mkdir empty
	ln -s /etc/passwd data/out
	mkfifo data/fifo
	ln -s sub/f2 data/in
	no 66 'there is no such file or folder here' --input nothing
	no 66 "no branch or tag 'nobranch'" --input nobranch:x
	no 66 "it has no 'nofile'" --input main:nofile
	no 66 "no task 'nope'" --input task:nope
	no 65 'there is no file in it' --input empty
	no 65 'neither a file nor a folder' --input /dev/null
	no 64 "'a' is given twice" --input a=data --input a=data/f1
	no 64 "--stdin data/f1 and --input stdin=data/sub/f2 would both be the input 'stdin'" --stdin data/f1 --input stdin=data/sub/f2
	no 64 "--stdin - and --input stdin=data/f1 would both be" --stdin - --input stdin=data/f1
	no 64 "cannot be its name in /in" --input main:
	no 64 '--workdir goes with' --workdir data
	no 65 'expected the name of one of its inputs' --input data --workdir other
	truncate -s 70M large
	no 65 'more than 64 MB (max_in_mb' --input large
	[ -z "$(in_refs)" ]
	run -0 --separate-stderr "$DGRID" submit --id fine --input data -- 'ls /in/data; cat /in/data/in'
	[[ "$stderr" == *"2 left out, first '"*"': links that lead out"* ]]
	once
	prints fine $'f1\nin\nsub\ntwo'
	grid_settings '"max_in_mb": 0'
	no 65 'max_in_mb of grid.json' --input data
	# Nor is what somebody wrote by hand.
	wrong() { # INPUTS MESSAGE
		printf '{"task_id": "w", "script": "true", "timeout_seconds": 20, "inputs": %s}' "$1" >w.json
		run -65 "$DGRID" validate w.json
		[[ "$output" == *"w.json:1:"*"inputs: not valid ("*"$2"* ]]
	}
	id=$(printf %040d 0)
	wrong '[]' 'expected an object'
	wrong '{"a/b": {"tree": "'"$id"'"}}' 'no dot first'
	wrong '{".git": {"tree": "'"$id"'"}}' 'no dot first'
	wrong '{"a": {"tree": "main"}}' 'expected "tree", an object id'
	wrong '{"a": {"tree": "'"$id"'", "path": "../x"}}' 'the name of a file or folder in the tree'
	wrong '{"a": {"tree": "'"$id"'", "url": "x"}}' '"from" only'
}

@test "--checkout sends what is committed here, the script begins in a copy of it; --dirty also what is not" {
	git init -q -b trunk proj
	cd proj
	printf 'all:\n\tcp src.txt built.txt\n\tcp built.txt "$(DGRID_OUT)"\n' >Makefile
	echo committed >src.txt
	mkdir sub
	ln -s ../src.txt sub/link
	tgit add -A
	tgit commit -qm first
	"$DGRID" submit --id clean --checkout -- 'make -s; pwd; cat /in/src/src.txt; ls'
	echo changed >src.txt
	run -65 "$DGRID" submit --id no --checkout -- true
	[[ "$output" == *'changes that are not committed (see: git status): --checkout=HEAD sends what is committed, --dirty the changes, too' ]]
	[ "$(cat src.txt)" = changed ]
	"$DGRID" submit --id head --checkout=HEAD -- 'cat src.txt'
	cd sub
	"$DGRID" submit --id dirty --checkout --dirty -- 'cat sub/link'
	"$DGRID" submit --id old --checkout=trunk --workdir src -- 'cat sub/link; echo x >>src.txt'
	head -c 3000000 /dev/zero >large
	tgit add large
	"$DGRID" config tmp_mb 2
	run -65 "$DGRID" submit --id no --checkout --dirty -- true
	[[ "$output" == *'workdir: "src" has 3000'*' bytes, and the script begins in a copy of it in /tmp (expected at most 2 MB, tmp_mb of grid.json)'* ]]
	"$DGRID" config tmp_mb 64
	cd "$T"
	run -66 "$DGRID" submit --checkout -- true
	[[ "$output" == *'no work tree'* ]]
	once
	prints head committed
	prints clean $'/tmp/src\ncommitted\nMakefile\nbuilt.txt\nsrc.txt\nsub'
	[ "$("$DGRID" get clean built.txt -o -)" = committed ]
	prints dirty changed
	prints old committed
}

@test "an input that is not at the remote, or is another than its name says, is the task's trouble, not the node's" {
	"$DGRID" submit --id gone --input data/f1 -- true
	git -C "$ORIGIN" update-ref -d "$(in_refs)"
	"$DGRID" submit --id other --input data -- 'cat /in/data/f1'
	other=$(tgit -C "$ORIGIN" commit-tree -m x "$(printf '100644 blob %s\tf1\n' "$(echo evil | git -C "$ORIGIN" hash-object -w --stdin)" | git -C "$ORIGIN" mktree)")
	git -C "$ORIGIN" update-ref "$(in_refs)" "$other"
	"$DGRID" submit --id link --input data/sub -- true
	echo '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, "retry_backoff_seconds": 1}' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" pull -q --rebase
	sed -i 's/"files": 1,/"files": 1, "path": "f2",/' "$T/c/tasks/queue/link.json"
	tgit -C "$T/c" commit -qam path
	tgit -C "$T/c" push -q origin HEAD:main
	"$DGRID" submit --id honest -- 'echo ran'
	once --slots 2
	for id in gone other; do
		[ "$(field "$id" 'r["status"], len(t["attempts"])')" = "unstartable 3" ]
	done
	[[ "$(field gone 'r["reason"]')" == "input 'f1': it is not at the remote: there is no refs/dgrid/in/"* ]]
	[[ "$(field other 'r["reason"]')" == "input 'data': refs/dgrid/in/"*"has another tree"* ]]
	prints honest ran
	[ "$(field link 'r["status"]')" = success ]
	# What another hand made of an input is seen.
	run -1 "$DGRID" audit
	[[ "$output" == *"task.fields       tasks/queue/link.json: inputs was changed in queue"* ]]
	[[ "$output" == *" 1 VIOLATION,"* ]]
}

@test "a cancel, and a stop, while inputs are being fetched: neither waits for them" {
	mkdir bin
	mkfifo never
	printf '#!/bin/sh\ncase "$*" in *fetch*refs/dgrid/in/*) read -r _ <"%s" ;; esac\nexec "%s" "$@"\n' "$T/never" "$(type -P git)" >bin/git
	chmod +x bin/git
	fetching() { pgrep -f "bring-input $T/w1/store.git"; }
	"$DGRID" submit --id cancelled --input data -- true
	PATH=$T/bin:$PATH spawn "$T/worker.log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1" --poll-ms 100
	wait_until 30 fetching
	ledger_has in_progress cancelled
	none() { ! fetching; }
	"$DGRID" cancel cancelled
	wait_until 30 ledger_has failed cancelled
	wait_until 10 none
	[ "$(field cancelled 'r["status"], r["exit_code"], r["stdout_bytes"]')" = "cancelled None 0" ]
	"$DGRID" submit --id stopped --input data/f1 -- 'cat /in/f1'
	wait_until 30 ledger_has in_progress stopped
	kill -TERM "$SPAWNED"
	wait_until 30 grep -q draining "$T/worker.log"
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	ledger_has queue stopped
	wait_until 10 none
	once
	prints stopped one
	"$DGRID" audit
}

@test "trees that no task uses go when they are more than the cache may hold; what is kept is not fetched again" {
	head -c 700000 /dev/urandom >one
	head -c 700000 /dev/urandom >two
	submit() { "$DGRID" submit --id "$1" --input "in=$2" -- 'wc -c </in/in'; }
	submit a1 one
	submit b1 two
	submit a2 one
	once --cache-mb 2
	[ "$(grep -c 'is here:' "$T/worker.log")" = 2 ]
	[ "$(git -C "$T/w1/store.git" for-each-ref refs/in | wc -l)" = 2 ]
	submit a3 one
	submit b3 two
	once --cache-mb 1
	wait_until 10 sh -c '[ "$(git -C "$1/w1/store.git" for-each-ref refs/in | wc -l)" = 1 ]' sh "$T"
	for id in a1 b1 a2 a3 b3; do prints "$id" 700000; done
	# What was fetched before is here, whatever became of the remote's.
	git -C "$ORIGIN" for-each-ref --format='delete %(refname)' refs/dgrid/in | git -C "$ORIGIN" update-ref --stdin
	kept=$(git -C "$T/w1/store.git" for-each-ref --format='%(refname:lstrip=2)' refs/in)
	for id in a3 b3; do
		[ "$(input_of "$id" in tree)" != "$kept" ] || jq '.task_id = "again" | del(.result, .attempts)' <("$DGRID" show --json "$id") >again.json
	done
	jq '{task_id, script, timeout_seconds, inputs}' again.json >again.new && mv again.new again.json
	run -65 "$DGRID" submit again.json
	[[ "$output" == *"again: input 'in': its tree "*" is not at the remote (--input sends what it names; --force "* ]]
	"$DGRID" submit --force again.json
	once
	prints again 700000
}

@test "of a changed input only what changed is fetched" {
	for i in 1 2 3 4 5 6 7 8 9; do head -c 50000 /dev/urandom >"data/$i"; done
	"$DGRID" submit --id before --input data -- 'cat /in/data/* | wc -c'
	once
	kept() { du -sk "$T/w1/store.git/objects" | cut -f1; }
	before=$(kept)
	[ "$before" -gt 400 ]
	head -c 50000 /dev/urandom >data/5
	"$DGRID" submit --id after --input data -- 'md5sum </in/data/5'
	once
	prints after "$(md5sum <data/5)"
	[ $(($(kept) - before)) -lt 150 ]
}

@test "over HTTP with a token, over SSH without protocol v2, and where a host takes heads only" {
	start_sshd
	DGRID_REPO_URL=$SSH_URL "$DGRID" submit --id ssh --input data -- 'cat /in/data/f1'
	DGRID_REPO_URL=$SSH_URL once
	prints ssh one
	start_http_git
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	DGRID_REPO_URL=$HTTP_URL "$DGRID" submit --id http --input main:grid.json --input data/f1 -- 'cat /in/f1'
	rm -rf "$T/w1"
	DGRID_REPO_URL=$HTTP_URL once
	prints http one
	! grep -q "$GIT_TOKEN" "$T/worker.log" || return 1
	unset GIT_TOKEN
	cat >"$ORIGIN/hooks/update" <<-'SH'
		#!/bin/sh
		case $1 in refs/heads/*) ;; *) echo "heads only" >&2; exit 1 ;; esac
	SH
	chmod +x "$ORIGIN/hooks/update"
	"$DGRID" submit --id heads --input data/sub -- 'cat /in/sub/f2'
	[ "$(in_refs refs/heads/dgrid-in | wc -l)" = 1 ]
	once
	prints heads two
}

@test "what one's own repository is like: another folder by -C, ends of lines, links, submodules" {
	git clone -q "$ORIGIN" grid
	git init -q -b trunk proj
	cd proj
	git config core.autocrlf true
	printf 'a\r\nb\r\n' >crlf.txt
	echo mine >mine.txt
	tgit add -A 2>/dev/null
	tgit commit -qm first
	[ -z "$(git status --porcelain)" ]
	"$DGRID" -C ../grid submit --id own --checkout -- 'cat mine.txt; od -c crlf.txt | head -n 1'
	once
	prints own $'mine\n0000000   a  \\n   b  \\n'
	ln -s /etc/passwd up
	tgit add -A
	tgit commit -qm link
	run -65 "$DGRID" submit --checkout -- true
	[[ "$output" == *"--checkout: 'up' is a link that leads out of the folder"* ]]
	tgit rm -q up
	git -c protocol.file.allow=always submodule --quiet add "$ORIGIN" sub
	tgit commit -qm submodule
	run -65 "$DGRID" submit --checkout -- true
	[[ "$output" == *"'sub' in it is a submodule"* ]]
	run -64 "$DGRID" submit --checkout trunk -- true
	[[ "$output" == *"--checkout=trunk"* ]]
	if [[ $(id -u) == 0 ]]; then
		chown -R 65534 .
		run "$DGRID" submit --checkout -- true
		[[ "$output" == *"dubious ownership"* ]]
	fi
}

@test "what cannot be kept of a task's files is told; of many tasks' the others come all the same" {
	echo x >a.txt
	run -65 "$DGRID" submit --input a.txt --workdir a.txt -- true
	[[ "$output" == *'"a.txt" is a file (expected a folder)'* ]]
	run -64 "$DGRID" submit --input 'my name=a.txt' -- true
	[[ "$output" == *"'my name' is no name for it in /in"* ]]
	"$DGRID" submit --id link -- 'ln -s /etc/passwd /out/l'
	"$DGRID" submit --id good -- 'echo 1 >/out/file'
	"$DGRID" submit --id none -- true
	"$DGRID" submit --id last -- 'echo 2 >/out/file'
	"$DGRID" submit --id large -- 'head -c 17000000 /dev/zero >/out/big'
	once --slots 5
	[[ "$(field link 'r["out_error"]')" == "nothing of it can be kept: 1 links"* ]]
	run -66 "$DGRID" files link
	[[ "$output" == *"nothing of it can be kept"* ]]
	run -66 "$DGRID" files large
	[[ "$output" == *"more than 16 MB"* ]]
	run -66 --separate-stderr "$DGRID" get --tasks -o got link good none last
	[[ "$stderr" == *"dgrid: link: "*"dgrid: none: task 'none' left no files"*"2 of 4 tasks"* ]]
	[ "$(cat got/good/file got/last/file)" = $'1\n2' ]
	run -0 "$DGRID" rerun large
	run -66 "$DGRID" submit --input task:good:/file -- true
	[[ "$output" == *"it has no '/file'"* ]]
	"$DGRID" audit
}

@test "what a task is given is its sandbox's and nobody else's, and its variables stay its own" {
	[[ $(id -u) == 0 ]] || strict_skip "another user's eyes need root"
	echo secret >key
	chmod 600 key
	"$DGRID" submit --id reads --input key -- 'cat /in/key; sleep 30'
	spawn "$T/worker.log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1" --poll-ms 100
	given() { find "$T/w1/run" -path '*/in-*/file' 2>/dev/null | grep .; }
	wait_until 30 given
	printed() { "$DGRID" logs reads 2>/dev/null | grep secret || grep -rq secret "$T/w1/run" 2>/dev/null; }
	wait_until 30 printed
	[ "$(cat "$(given)")" = secret ]
	run ! setpriv --reuid=60998 --regid=60998 --clear-groups cat "$(given)"
	"$DGRID" cancel reads
	wait_until 30 ledger_has failed reads
	[ "$(field reads 'r["stdout"].strip()')" = secret ]
	printf '{"task_id": "n", "script": "echo $n $1; pwd", "timeout_seconds": 20, "env": {"n": "42", "CDPATH": "/"}}' >n.json
	"$DGRID" submit --input data --workdir data n.json
	wait_until 30 ledger_has completed n
	prints n $'42\n/tmp/data'
}

@test "a node that has no room for an input leaves it to others, and loses nobody a task" {
	[[ $(id -u) == 0 ]] || strict_skip "a small disk needs root"
	mkdir small
	mount -t tmpfs -o size=44m none small
	head -c 30000000 /dev/urandom >large
	"$DGRID" submit --id large --out-mb 0 --input large -- 'wc -c </in/large'
	spawn "$T/small.log" "$DGRID" worker --node-id small --engine bwrap --work-dir "$T/small/w" --poll-ms 100
	wait_until 60 grep -q 'are left to others for 5 s' "$T/small.log"
	wait_until 30 ledger_has queue large
	once
	prints large 30000000
	[ "$(field large 't["attempts"][-1]["outcome"], all(a["outcome"] == "released" for a in t["attempts"][:-1]), r["attempt"]')" = "success True 1" ]
	kill -TERM "$SPAWNED"
	wait_until 30 pid_ended "$SPAWNED"
	"$DGRID" audit
}

@test "many submit at once for the first time; a git that was killed leaves no lock that lasts; what is refused is not kept" {
	for i in 1 2 3 4 5 6; do spawn "$T/many$i.log" "$DGRID" submit --id "many$i" --input data -- 'cat /in/data/f1'; done
	while read -r pid; do wait_until 60 pid_ended "$pid"; done <"$PIDS_FILE"
	cat "$T"/many?.log
	once --slots 6
	for i in 1 2 3 4 5 6; do prints "many$i" one; done
	"$DGRID" submit --id locked --input data/f1 -- 'cat /in/f1'
	tree=$(input_of locked f1 tree)
	mkdir -p "$T/w1/store.git/refs/in"
	touch "$T/w1/store.git/refs/in/$tree.lock"
	once
	prints locked one
	# As large as nobody said, and with a past.
	head -c 3000000 /dev/urandom >large
	"$DGRID" submit --id large --input large -- true
	grid_settings '"max_in_mb": 1, "retry_backoff_seconds": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1'
	tgit -C "$T/c" pull -q
	sed -i 's/"bytes": 3000000/"bytes": 3/' "$T/c/tasks/queue/large.json"
	tgit -C "$T/c" commit -qam smaller
	tgit -C "$T/c" push -q origin HEAD:main
	once
	[[ "$(field large 'r["status"], r["reason"]')" == "unstartable input 'large': 3000000 bytes (at most 1 MB"* ]]
	[ "$(git -C "$T/w1/store.git" for-each-ref refs/in | grep -c "$(input_of large large tree)" || true)" = 0 ]
}

@test "maintain deletes inputs that no task and no schedule has needed for keep_out_days" {
	for n in ended old queued scheduled nobody; do echo "$n" >"$n.txt"; done
	grid_settings '"images": ["dgrid-test:1"], "keep_out_days": 3'
	for n in ended old nobody scheduled; do "$DGRID" submit --id "$n" --input "$n.txt" -- true; done
	once
	"$DGRID" submit --id queued --input queued.txt -- true
	tgit -C "$T/c" pull -q
	mkdir "$T/c/schedules"
	jq '{schema: 1, cron: "0 0 1 1 *", task: {script, timeout_seconds, inputs}}' "$T/c/tasks/completed/scheduled.json" >"$T/c/schedules/nightly.json"
	tgit -C "$T/c" add schedules
	tgit -C "$T/c" rm -q tasks/completed/nobody.json tasks/completed/scheduled.json
	sed -i 's/"finished_at": "20../"finished_at": "201/' "$T/c/tasks/completed/old.json"
	tgit -C "$T/c" commit -qam 'as if years had passed'
	tgit -C "$T/c" push -q origin HEAD:main
	mkdir built && echo 'FROM dgrid-test:1' >built/Dockerfile
	built=$("$DGRID" image --build built grid/b:1 | sed 's/.* //') # some node may still have to build it
	[ "$(in_refs | wc -l)" = 6 ]
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would delete 1 input that no task needs"* ]]
	run -0 "$DGRID" maintain
	[[ "$output" == *"deleted 1 input that no task needs"* ]]
	idle() { git -C "$ORIGIN" log -1 --format=%s refs/dgrid/idle; }
	[ "$(idle | jq -r '.inputs | keys | length')" = 1 ]
	nobody=$(idle | jq -r '.inputs | keys[0]')
	[ "$(git -C "$ORIGIN" show "refs/dgrid/in/$nobody:file")" = nobody ]
	before=$(git -C "$ORIGIN" rev-parse refs/dgrid/idle)
	"$DGRID" maintain
	[ "$(git -C "$ORIGIN" rev-parse refs/dgrid/idle)" = "$before" ]
	empty=$(git -C "$ORIGIN" mktree </dev/null)
	git -C "$ORIGIN" update-ref refs/dgrid/idle "$(tgit -C "$ORIGIN" commit-tree -m "{\"inputs\":{\"$nobody\":\"2020-01-01T00:00:00Z\",\"$built\":\"2020-01-01T00:00:00Z\"}}" "$empty")"
	run -0 "$DGRID" maintain --json
	[ "$(jq .inputs_deleted <<<"$output")" = 1 ]
	[ "$(in_refs | wc -l)" = 4 ]
	[ "$(idle | jq -c .inputs)" = '{}' ]
	once
	[ "$(field queued 'r["status"]')" = success ]
}
