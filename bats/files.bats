#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets output and lines
# Files out: what is left in /out reaches the remote before its result, and comes back from there.

setup() {
	load sandbox
	LEAKS=1 sandbox_setup bwrap
	require_bwrap
	TODAY=$(date -u +%F)
}
teardown() { common_teardown; }

settings() { # MEMBERS of grid.json
	tgit -C "$T/c" pull -q
	printf '{"schema": 1, "images": ["dgrid-test:1"], "min_timeout_seconds": 1, %s}\n' "$1" >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam settings
	tgit -C "$T/c" push -q origin HEAD:main
}
out_refs() { git -C "$ORIGIN" for-each-ref --format='%(refname)' "${1:-refs/dgrid/out}"; }

@test "a result stands in the ledger only after its files are at the remote" {
	# After any push, the files that the branch's results name are there.
	cat >"$ORIGIN/hooks/post-receive" <<-'SH'
		#!/bin/sh
		for file in $(git ls-tree -r --name-only main tasks/completed tasks/failed | grep json); do
			tree=$(git cat-file blob "main:$file" | sed -n 's/.*"tree": "\(.*\)",.*/\1/p')
			[ -z "$tree" ] || git rev-list --objects --glob=refs/dgrid/out | grep -q "^$tree" || echo "$file has no files" >>missing
		done
	SH
	chmod +x "$ORIGIN/hooks/post-receive"
	for i in 1 2 3 4; do task "t$i" <<<"echo $i >/out/number; [ $i != 3 ]"; done
	run_all
	[ "$(out_refs)" = "refs/dgrid/out/$TODAY/$NODE/1" ]
	for i in 1 2 3 4; do [ "$("$DGRID" get "t$i" number -o -)" = "$i" ]; done
	# A second process goes on where the first was, one whose disk is gone begins the next ref.
	task t5 <<<'echo 5 >/out/number'
	run_all
	[ "$(out_refs)" = "refs/dgrid/out/$TODAY/$NODE/1" ]
	rm -rf "$T/w1/store.git"
	task t6 <<<'echo 6 >/out/number'
	run_all
	[ "$(out_refs | wc -l)" = 2 ]
	[ "$("$DGRID" get t6 number -o -)" = 6 ]
	task large <<<'head -c 300000 /dev/urandom >/out/big'
	run_all
	[ "$(field large 'r["out"]["bytes"]')" = 300000 ]
	[ ! -e "$ORIGIN/missing" ]
	"$DGRID" audit --objects
}

# Each push a line: the refs that it names, and whether it was declined. The host declines those that stand in
# $ORIGIN/declines, once the task in $ORIGIN/after runs.
write_pushes() {
	cat >"$ORIGIN/hooks/pre-receive" <<-'SH'
		#!/bin/sh
		refs=$(while read -r old new ref; do case $ref in refs/heads/main) echo main ;; *dgrid*out/*) echo out ;; *) echo other ;; esac; done | sort | paste -sd+)
		if [ -s declines ] && { [ ! -e after ] || git cat-file -e "main:tasks/in_progress/$(cat after).json"; } && echo "$refs" | grep -qxFf declines; then echo "$refs declined" >>pushes; exit 1; fi
		echo "$refs" >>pushes
		while [ -e hold ] && [ "$refs" = out ]; do sleep 0.1; done
	SH
	chmod +x "$ORIGIN/hooks/pre-receive"
	: >"$ORIGIN/pushes"
}
pushes_of() { grep -cx "$1" "$ORIGIN/pushes" || true; }
all_there() { # N
	local i
	for ((i = 1; i <= $1; i++)); do [ "$("$DGRID" get "t$i" file -o - | wc -c)" = 10240 ] || return 1; done
	[ "$(ledger_ls completed | wc -l)" = "$1" ]
	"$DGRID" audit --objects
}

@test "small files go in the push of their results, as many pushes as without any; large ones ahead of it" {
	write_pushes
	sed -i "1a cat >asked; \"$DGRID\" hook pre-receive <asked || exit 1; exec <asked" "$ORIGIN/hooks/pre-receive"
	for i in {1..20}; do task "t$i" <<<'head -c 10240 /dev/urandom >/out/file'; done
	: >"$ORIGIN/pushes"
	run_all --slots 20
	[ "$(pushes_of out)" = 0 ]
	[ "$(pushes_of main+out)" -ge 1 ]
	[ "$(out_refs)" = "refs/dgrid/out/$TODAY/$NODE/1" ]
	all_there 20
	# What is let go at home stands at the remote.
	[ -z "$(git -C "$T/w1/store.git" for-each-ref refs/held)" ]
	[ "$(git -C "$T/w1/store.git" rev-parse "refs/sent/$TODAY/1")" = "$(git -C "$ORIGIN" rev-parse "refs/dgrid/out/$TODAY/$NODE/1")" ]
	task large <<<'head -c 1000000 /dev/urandom >/out/big'
	: >"$ORIGIN/pushes"
	run_all
	[ "$(pushes_of out) $(pushes_of main+out)" = "1 0" ]
	# An exchange while such a push is under way leaves it as it is.
	touch "$ORIGIN/hold"
	: >"$ORIGIN/pushes"
	task large2 <<<'head -c 1000000 /dev/urandom >/out/big'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	under_way() { [ "$(pushes_of out)" = 1 ]; }
	wait_until 30 under_way
	task none <<<'true'
	wait_until 30 ledger_has completed none
	rm "$ORIGIN/hold"
	wait_until 30 ledger_has completed large2
	[ "$(pushes_of out) $(pushes_of main+out)" = "1 0" ]
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	"$DGRID" audit --objects
}

@test "a host that takes no files with the branch, no atomic push, or only one after another: files go ahead" {
	write_pushes
	echo main+out >"$ORIGIN/declines"
	for i in 1 2 3; do task "t$i" <<<'head -c 10240 /dev/urandom >/out/file'; done
	run_all
	[ "$(pushes_of 'main+out declined') $(pushes_of out)" = "1 1" ]
	all_there 3
	rm "$ORIGIN/declines"
	git -C "$ORIGIN" config receive.advertiseAtomic false
	for i in 4 5; do task "t$i" <<<'head -c 10240 /dev/urandom >/out/file'; done
	: >"$ORIGIN/pushes"
	run_all --slots 1
	[[ "$(pushes_of main+out) $(pushes_of out)" =~ ^0\ [12]$ ]]
	all_there 5
	[ "$(grep -c 'all or nothing' "$T/worker.log")" = 1 ]
	git -C "$ORIGIN" config receive.advertiseAtomic true
	# The branch is declined whatever goes with it: nothing is lost, and no storm of pushes.
	printf 'main\nmain+out\n' >"$ORIGIN/declines"
	echo t6 >"$ORIGIN/after"
	task t6 <<<'head -c 10240 /dev/urandom >/out/file'
	: >"$ORIGIN/pushes"
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	declined() { [ "$(grep -c declined "$ORIGIN/pushes")" -ge 2 ]; }
	wait_until 30 declined
	[ "$(pushes_of 'main+out declined') $(pushes_of out)" = "1 1" ]
	rm "$ORIGIN/declines"
	wait_until 30 ledger_has completed t6
	all_there 6
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
}

@test "who loses the race sends the files again; who dies before it noted what it pushed records nothing twice" {
	write_pushes
	# Another push lands while ours is judged.
	sed -i '1a if [ -e race ]; then cat >asked; if grep -q /out/ asked; then rm race; other=$(git commit-tree -p main -m other main^{tree}); env -u GIT_QUARANTINE_PATH git update-ref refs/heads/main "$other"; fi; exec <asked; fi' "$ORIGIN/hooks/pre-receive"
	touch "$ORIGIN/race"
	task t1 <<<'head -c 10240 /dev/urandom >/out/file'
	run_all
	[ ! -e "$ORIGIN/race" ]
	[ "$(pushes_of main+out) $(pushes_of out)" = "2 0" ]
	all_there 1
	# kill -9 when the host has both, and the worker does not know yet.
	printf '#!/bin/sh\nif grep -q /out/; then touch landed; while [ -e late ]; do sleep 0.1; done; fi\n' >"$ORIGIN/hooks/post-receive"
	chmod +x "$ORIGIN/hooks/post-receive"
	touch "$ORIGIN/late"
	task t2 <<<'head -c 10240 /dev/urandom >/out/file'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	wait_until 30 test -e "$ORIGIN/landed"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	rm "$ORIGIN/late"
	ledger_has completed t2
	task t3 <<<'head -c 10240 /dev/urandom >/out/file'
	run_all
	all_there 3
	[ "$(git -C "$ORIGIN" log --format=%B main | grep -c 'success t2')" = 1 ]
	[ "$(out_refs | wc -l)" -le 2 ]
	# What nobody needs any more is let go at the next start.
	run_all
	[ -z "$(git -C "$T/w1/store.git" for-each-ref refs/held)" ]
}

@test "files that a host declines cost the files, not the result; its neighbours' are kept" {
	cat >"$ORIGIN/hooks/update" <<-'SH'
		#!/bin/sh
		case $1 in refs/dgrid/out/*|refs/heads/dgrid-out/*) ;; *) exit 0 ;; esac
		if git rev-list --objects "$3" --not --all | grep -q secret; then echo "GH013: push protection" >&2; exit 1; fi
	SH
	chmod +x "$ORIGIN/hooks/update"
	task bad <<<'echo x >/out/secret; echo printed'
	task good <<<'echo fine >/out/file'
	"$DGRID" submit --id wants --max-attempts 1 --input x=task:bad -- 'ls /in/x'
	run_all
	run -0 "$DGRID" why wants
	[[ "$output" == *"input 'x': the files of task bad were not kept: declined by the host: "* ]]
	[ "$(field bad 'r["status"], r["stdout"].strip(), "out" in r')" = "success printed False" ]
	[[ "$(field bad 'r["out_error"]')" == "declined by the host: "* ]]
	[ "$("$DGRID" get good file -o -)" = fine ]
	run -66 "$DGRID" get bad
	[[ "$output" == *"declined by the host"* ]]
	"$DGRID" audit
}

@test "where a host takes heads only, the files stand on branches" {
	cat >"$ORIGIN/hooks/update" <<-'SH'
		#!/bin/sh
		case $1 in refs/heads/*) ;; *) echo "heads only" >&2; exit 1 ;; esac
	SH
	chmod +x "$ORIGIN/hooks/update"
	task t1 <<<'echo 1 >/out/file'
	run_all
	[ "$(out_refs refs/heads/dgrid-out)" = "refs/heads/dgrid-out/$TODAY/$NODE/1" ]
	[ "$("$DGRID" get t1 file -o -)" = 1 ]
	"$DGRID" audit
}

@test "kill -9 after the end and before the push loses neither result nor files" {
	cat >"$ORIGIN/hooks/pre-receive" <<-'SH'
		#!/bin/sh
		while read -r old new ref; do
			case $ref in refs/dgrid/out/*)
				[ -e "$GIT_DIR/hold" ] || continue
				while [ -e "$GIT_DIR/hold" ]; do sleep 0.1; done
				exit 1 ;; # what outlived its worker lands nothing
			esac
		done
	SH
	chmod +x "$ORIGIN/hooks/pre-receive"
	touch "$ORIGIN/hold"
	task t1 <<<'echo kept >/out/file; echo printed'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	wait_until 30 sh -c "ls '$T'/w1/results | grep -q json"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	rm "$ORIGIN/hold"
	ledger_has in_progress t1
	run_all
	[ "$(field t1 'r["status"], r["stdout"].strip(), r["attempt"]')" = "success printed 1" ]
	[ "$("$DGRID" get t1 file -o -)" = kept ]
	# The same, and the store is lost: the result says so.
	touch "$ORIGIN/hold"
	task t2 <<<'echo gone >/out/file'
	spawn "$T/log" "$DGRID" worker --node-id "$NODE" --engine bwrap --work-dir "$T/w1"
	wait_until 30 sh -c "ls '$T'/w1/results | grep -q json"
	kill -KILL "$SPAWNED"
	wait_until 10 pid_ended "$SPAWNED"
	rm -rf "$ORIGIN/hold" "$T/w1/store.git"
	run_all
	[ "$(field t2 'r["status"], r["out_error"]')" = "success the node lost them before they were at the remote" ]
	"$DGRID" audit
}

@test "what a node brought to one grid goes into no other, and one that was made anew or restored gets its files" {
	local other=$T/other.git
	works() { "$DGRID" --repo "$1" worker --node-id "$NODE" --engine bwrap --once --work-dir "$T/w1" 2>>"$T/log"; } # REPOSITORY
	submit() { "$DGRID" --repo "$1" submit --id "$2" -- "echo $2 >/out/f; head -c 300000 /dev/urandom >/out/$3"; }    # REPOSITORY ID FILE
	submit "$ORIGIN" private large
	works "$ORIGIN"
	"$DGRID" init --bare "$other"
	submit "$other" public large
	works "$other"
	[ "$("$DGRID" --repo "$other" get public f -o -)" = public ]
	[ "$(git -C "$other" rev-list --count --glob=refs/dgrid/out)" = 1 ]
	# Nor does a task there see what was sent to the first alone.
	echo secret >secret
	tree=$("$DGRID" --repo "$ORIGIN" submit --id sees --input secret -- 'cat /in/secret' && "$DGRID" --repo "$ORIGIN" show --json sees | jq -r '.inputs.secret.tree')
	works "$ORIGIN"
	[ "$("$DGRID" --repo "$ORIGIN" logs sees)" = secret ]
	printf '{"task_id": "peeks", "script": "cat /in/secret", "timeout_seconds": 20, "max_attempts": 1, "inputs": {"secret": {"tree": "%s", "path": "file"}}}' "${tree##*$'\n'}" >peeks.json
	"$DGRID" --repo "$other" submit --force peeks.json
	works "$other"
	[ "$("$DGRID" --repo "$other" show --json peeks | jq -r .result.status)" = unstartable ]
	[ "$("$DGRID" --repo "$ORIGIN" get private f -o -)" = private ]
	! git -C "$other" rev-list --objects --all | grep private || false
	# Made anew where it was; and the branch alone restored. The node's copy has no parents of what it pushed last.
	for how in anew restored; do
		[ "$(git -C "$T/w1/store.git" config remote.origin.url)" = "$other" ]
		git -C "$T/w1/store.git" rev-parse "$(git -C "$T/w1/store.git" for-each-ref --format='%(objectname)' refs/sent | tail -n 1)" >"$T/w1/store.git/shallow"
		if [[ $how == anew ]]; then
			rm -rf "$other"
			"$DGRID" init --bare "$other"
		else
			git -C "$other" for-each-ref --format='delete %(refname)' refs/dgrid | git -C "$other" update-ref --stdin
		fi
		submit "$other" "$how" small
		works "$other"
		[ "$("$DGRID" --repo "$other" get "$how" f -o -)" = "$how" ]
	done
	"$DGRID" --repo "$other" audit
	run ! grep -q 'is lost' "$T/log"
}

@test "numbers of outputs that somebody else has begun are passed by at once" {
	one=$(tgit -C "$ORIGIN" commit-tree -m one "$(git -C "$ORIGIN" mktree </dev/null)")
	for i in {1..400}; do echo "create refs/dgrid/out/$TODAY/$NODE/$i $one"; done | git -C "$ORIGIN" update-ref --stdin
	git -C "$ORIGIN" update-ref "refs/heads/dgrid-out/$TODAY/$NODE/401" "$one"
	task t1 <<<'echo 1 >/out/file'
	"$DGRID" worker --node-id "$NODE" --engine bwrap --once --work-dir "$T/w1" 2>"$T/log"
	grep -q 'going on with 402' "$T/log"
	[ "$("$DGRID" get t1 file -o -)" = 1 ]
	git -C "$ORIGIN" rev-parse -q --verify "refs/dgrid/out/$TODAY/$NODE/402"
}

@test "nodes that vote compare what was left, show it to nobody before the end, and only the last brings it" {
	for n in 1 2 3; do
		task "v$n" '{"replicas": 3, "quorum": 2}' <<<"echo same >/out/file"
	done
	for n in a b c; do
		"$DGRID" worker --node-id "$n" --engine bwrap --slots 4 --once --work-dir "$T/w-$n" 2>"$T/log-$n"
		if [ $n = a ]; then [ -z "$(out_refs)" ]; fi
	done
	[ "$(out_refs)" = "refs/dgrid/out/$TODAY/b/1" ]
	[ "$(field v1 'r["status"], r["quorum"]["agreed"]')" = "success ['a', 'b']" ]
	[ "$("$DGRID" get v1 file -o -)" = same ]
	# The output is the same, the files are not.
	task w1 '{"replicas": 2, "quorum": 2}' <<<'cat /proc/sys/kernel/random/uuid >/out/file'
	for n in a b; do "$DGRID" worker --node-id "$n" --engine bwrap --once --work-dir "$T/w-$n" 2>"$T/log-$n"; done
	[ "$(field w1 'r["status"], "ref" in r["out"]')" = "disputed False" ]
	"$DGRID" audit
}

@test "over SSH without protocol v2, where no object is given by its id, and over HTTP" {
	task t1 <<<'mkdir /out/d; echo 1 >/out/d/file; head -c 300000 /dev/urandom >/out/big'
	task t2 <<<'echo 2 >/out/file'
	run_all
	start_sshd
	"$DGRID" --repo "$SSH_URL" get t1 d/file -o - | grep -qx 1
	rm -rf "$HOME/.cache"
	git -C "$ORIGIN" config --unset uploadpack.allowAnySHA1InWant || true
	git config --global protocol.version 0
	"$DGRID" --repo "$SSH_URL" get t1 -o "$T/ssh"
	[ "$(cat "$T/ssh/d/file")" = 1 ]
	git config --global --unset protocol.version
	start_http_git
	export GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	"$DGRID" --repo "$HTTP_URL" get --tasks t1 t2 -o "$T/http"
	[ "$(cat "$T/http/t1/d/file" "$T/http/t2/file")" = $'1\n2' ]
	# Only what was asked for came: not the other task's 300 kB.
	rm -rf "$HOME/.cache"
	"$DGRID" --repo "$HTTP_URL" get t2 file -o - | grep -qx 2
	[ "$(du -sk "$HOME"/.cache/dgrid/*-files.git | cut -f1)" -lt 250 ]
}

@test "files, get and keep say what is not there; nothing is overwritten, nothing is followed" {
	task t1 <<<'echo 1 >/out/a; mkdir /out/d; echo 2 >/out/d/b'
	task t2 <<<'echo other >/out/a'
	task none <<<'true'
	run_all
	task later <<<'true'
	run -66 "$DGRID" get none
	[[ "$output" == *"left no files"* ]]
	run -75 "$DGRID" files later
	run -66 "$DGRID" get unheard
	run -66 "$DGRID" get t1 c
	[[ "$output" == *"did not leave 'c' (dgrid files t1 lists"* ]]
	run -64 "$DGRID" get t1 -o -
	run -0 "$DGRID" files --json t1
	[ "$(python3 -c 'import json, sys; d = json.loads(sys.argv[1]); print(d["schema"], [f["path"] for f in d["files"]], d["out"]["bytes"])' "$output")" = "1 ['a', 'd/b'] 4" ]
	"$DGRID" get t1
	touch -d 2020-01-01 t1/a
	run -0 "$DGRID" get t1 # the same stands there: nothing is written
	[ "$output" = "t1: 2 files" ]
	[ "$(date -r t1/a +%Y)" = 2020 ]
	chmod +x t1/a
	run -77 "$DGRID" get t1
	chmod -x t1/a
	printf '2\n' >t1/a # as long
	run -77 "$DGRID" get t1
	[[ "$output" == *"'a': another file stands there (--force replaces files)"* ]]
	echo old >t1/a
	"$DGRID" get t1 a --force
	[ "$(cat t1/a)" = 1 ]
	rm -r t1/d && mkdir elsewhere && ln -s ../elsewhere t1/d
	run -77 "$DGRID" get t1 d --force
	[ -z "$(ls elsewhere)" ]
	rm t1/a && mkdir t1/a
	run -77 "$DGRID" get t1 a --force
	[[ "$output" == *"'a': a folder stands there" ]]
	"$DGRID" get t1 -o new/deep/down && [ "$(cat new/deep/down/d/b)" = 2 ]
	touch file
	run -77 "$DGRID" get t1 t2 --tasks -o file
	[ "$output" = "dgrid: 'file' is not a folder" ]
	run -74 sh -c '"$0" get t1 a -o - >/dev/full' "$DGRID"
	[[ "$output" == *"cannot write all output: No space left on device" ]]
	# Kept for good, under a name that is taken once.
	"$DGRID" keep t1 --as best
	"$DGRID" keep t1 --as best # it is
	run -77 "$DGRID" keep t2 --as best
	[[ "$output" == *"'best' is kept already: refs/dgrid/keep/best has other files: 'outputs of t1, kept' of "*" (choose another name with --as)" ]]
	[ "$(git -C "$ORIGIN" show refs/dgrid/keep/best:d/b)" = 2 ]
}

@test "get of a group: a folder a task, or side by side where the names let them; a total, or nothing said" {
	for i in 1 2 3; do "$DGRID" submit --id "t$i" --group g --timeout 20 -- "echo $i >/out/f$i; mkdir /out/d; echo same >/out/d/same"; done
	"$DGRID" submit --id none --group g -- true
	run_all
	run -0 --separate-stderr "$DGRID" get --group g -o all
	[ "$output" = $'all/t1: 2 files\nall/t2: 2 files\nall/t3: 2 files\nin all: 6 files of 3 tasks' ]
	run -0 --separate-stderr "$DGRID" get --group g --flat -o flat
	[ "$output" = $'t1: 2 files\nt2: 2 files\nt3: 2 files\nin all: 6 files of 3 tasks' ]
	(cd flat && [ "$(cat f1 f2 f3 d/same)" = $'1\n2\n3\nsame' ])
	mkdir here && cd here
	run -0 "$DGRID" get -q --flat t1 t2
	[ -z "$output" ] && [ "$(cat f1 f2)" = $'1\n2' ]
	cd ..
	task u1 <<<'echo other >/out/f1'
	task u2 <<<'mkdir /out/f2; echo deep >/out/f2/x'
	run_all
	run -65 "$DGRID" get --flat -o clash t1 t2 u1
	[[ "$output" == "dgrid: 'f1' of "*" and 'f1' of "*" cannot be in one folder: nothing is written"* ]]
	[[ "$output" == *t1* && "$output" == *u1* ]]
	run -65 "$DGRID" get --flat -o clash t1 t2 u2
	[[ "$output" == "dgrid: 'f2' of t2 and 'f2/x' of u2 cannot be in one folder"* ]]
	run -66 "$DGRID" get --flat -o clash t1 none
	[ ! -e clash ]
	run -64 "$DGRID" get --flat -o - t1
}

@test "get on a full disk: a file is whole or not there, and what stood there stands" {
	[ "$(id -u)" = 0 ] || skip "needs root to mount a small file system"
	task t1 <<<'head -c 300000 /dev/zero >/out/big; head -c 60000 /dev/zero >/out/a; mkdir /out/d; cp /out/big /out/d/x'
	task t2 <<<'echo 1 >/out/b'
	run_all
	mkdir full
	mount -t tmpfs -o size=400k tmpfs full
	run -74 "$DGRID" get --tasks t1 t2 -o full
	[[ "$output" == *"cannot write 'd/x': No space left on device"* ]]
	(cd full && find . -type f -printf '%p %s\n' | sort) >found
	echo "my own" >full/mine && mkdir -p full/t1/d && cp full/mine full/t1/d/x
	run -74 "$DGRID" get --force t1 d/x -o full/t1
	kept=$(cat full/t1/d/x) left=$(find full -name '.dgrid-*')
	umount full
	[ "$(cat found)" = $'./t1/a 60000\n./t1/big 300000' ]
	[ "$kept" = "my own" ] && [ -z "$left" ]
}

@test "what is older than keep_out_days is deleted, what is kept stays" {
	task t1 <<<'echo 1 >/out/a'
	run_all
	"$DGRID" keep t1
	old=$(git -C "$ORIGIN" rev-parse "refs/dgrid/out/$TODAY/$NODE/1")
	for day in 2020-01-01 2020-01-02 "$(date -u -d '-10 days' +%F)"; do git -C "$ORIGIN" update-ref "refs/dgrid/out/$day/n9/1" "$old"; done
	run -0 "$DGRID" maintain --dry-run
	[[ "$output" == *"would delete 2 days of outputs"* ]]
	run -0 "$DGRID" maintain
	[[ "$output" == *"deleted 2 days of outputs"* ]]
	[ "$(out_refs | wc -l)" = 2 ]
	settings '"keep_out_days": 3'
	"$DGRID" maintain | grep -q 'deleted 1 day of outputs'
	git -C "$ORIGIN" update-ref -d "refs/dgrid/out/$TODAY/$NODE/1"
	git -C "$ORIGIN" rev-parse -q --verify refs/dgrid/keep/t1
	rm -rf "$HOME/.cache"
	"$DGRID" get t1 a -o - | grep -qx 1 # the objects are still there
	git -C "$ORIGIN" update-ref -d refs/dgrid/keep/t1
	git -C "$ORIGIN" -c gc.pruneExpire=now gc -q --prune=now
	run -66 "$DGRID" get t1
	[[ "$output" == *"the files are gone"*"keep_out_days"* ]]
}

@test "a grid without outputs has no /out" {
	settings '"max_out_mb": 0'
	task t1 <<<'ls -d /out 2>&1; echo "<$DGRID_OUT>"'
	run_all
	[[ "$(field t1 'r["stdout"]')" == *"No such file"*"<>"* ]]
	printf '{"task_id": "t2", "script": "true", "timeout_seconds": 5, "out_mb": 1}' >"$T/t2.json"
	run -65 "$DGRID" submit "$T/t2.json"
	[[ "$output" == *"out_mb"*"from 0 to 0"* ]]
}

@test "an ordinary user's worker, whose scripts shut what they leave" {
	[ "$(id -u)" = 0 ] || { strict_skip "needs root to become another user"; return; }
	who=64123
	chmod 755 "$T" "${BATS_RUN_TMPDIR:-/tmp}" "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
	mkdir "$T/user"
	task t1 <<<'mkdir /out/shut; echo 1 >/out/shut/file; chmod 000 /out/shut/file /out/shut; id -u'
	chown -R "$who" "$T/user" "$ORIGIN"
	git config --global --add safe.directory '*'
	setpriv --reuid "$who" --regid "$who" --clear-groups env HOME="$T/user" \
		"$DGRID" worker --node-id "$NODE" --engine bwrap --once --work-dir "$T/user/w" 2>"$T/log" || { cat "$T/log"; false; }
	[ "$(field t1 'r["status"], r["stdout"].strip(), r["out"]["files"]')" = "success 1000 1" ]
	[ "$("$DGRID" get t1 shut/file -o -)" = 1 ]
	[ ! -e "$T/user/w/run" ]
}

@test "rerun gives /out too, and compares what was left there" {
	task same <<<'echo 1 >/out/file; chmod +x /out/file'
	task random <<<'cat /proc/sys/kernel/random/uuid >/out/file'
	task none <<<'true'
	run_all
	run -0 "$DGRID" rerun same
	[[ "$output" == *reproducible* ]]
	run -0 "$DGRID" rerun none
	run -1 "$DGRID" rerun --json random
	[ "$(python3 -c 'import json, sys; print([d["what"] for d in json.loads(sys.argv[1])["differences"]])' "$output")" = "['files']" ]
	run -0 "$DGRID" show same
	[[ "$output" == *"1 of 2 bytes (dgrid get same)"* ]]
}
