#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # texts for other shells; bats sets stderr
# Pull requests from end to end, on local repositories: good ones, bad ones, and everything hostile we could think of.

setup() {
	load helpers
	common_setup
	export DGRID_REPO_URL=$ORIGIN
	SHOWN=0
	"$DGRID" init >/dev/null
	tgit clone -q "$ORIGIN" "$T/up"
	cd "$T/up"
	# What is there already: a task in each folder, and one in the archive.
	mkdir -p tasks/queue tasks/unapproved tasks/completed tasks/failed
	task taken >tasks/queue/taken.json
	task waiting >tasks/unapproved/waiting.json
	task old >tasks/completed/old.json
	task bad >tasks/failed/bad.json
	tgit add -A
	tgit commit -qm 'Some tasks'
	BASE=$(git rev-parse HEAD)
	BLOB=$(git rev-parse HEAD:tasks/queue/taken.json)
	tgit branch archive "$(tgit commit-tree -m archive "$(printf '040000 tree %s\t2026\n' "$(printf '040000 tree %s\t01\n' "$(printf '040000 tree %s\t02\n' "$(printf '100644 blob %s\tarchived.json\n' "$BLOB" | git mktree)" | git mktree)" | git mktree)" | git mktree)")"
	tgit push -q origin HEAD:main archive
	export GIT_INDEX_FILE=$T/index
}
teardown() { common_teardown; }

task() { # ID [MEMBERS]
	printf '{"task_id": "%s", "script": "echo ran %s; touch /tmp/pwned", "timeout_seconds": 10%s}\n' "$1" "$1" "${2:-}"
}

# ---- commits made of objects alone ----

blob() { git hash-object -w --stdin; }
from() { git read-tree "${1:-$BASE}"; }
put() { # MODE OID PATH
	printf '%s %s\t%s\0' "$1" "$2" "$3" | git update-index -z --index-info
}
file() { put 100644 "$(printf '%s' "$2" | blob)" "$1"; } # PATH CONTENT
new() { put 100644 "$(task "$1" "${2:-}" | blob)" "tasks/unapproved/$1.json"; }
gone() { put 000000 0000000000000000000000000000000000000000 "$1"; }
commit() { # [PARENT...]: the index as a commit
	local p args=()
	for p in "${@:-$BASE}"; do args+=(-p "$p"); done
	tgit commit-tree -m "request" "${args[@]}" "$(git write-tree)"
}
one() { # MODE NAME: one file of that name in tasks/unapproved
	from
	put "$1" "$BLOB" "tasks/unapproved/$2"
	commit
}
# Names the index refuses: a folder made of entries as they are. mktree wants each folder's entries, so the way down to
# tasks/unapproved is made anew.
raw() { # MODE TYPE OID NAME
	local inner tasks
	inner=$({ git ls-tree -z "$BASE:tasks/unapproved"; printf '%s %s %s\t%s\0' "$@"; } | git mktree -z)
	tasks=$({ git ls-tree -z "$BASE:tasks" | grep -zv 'unapproved$'; printf '040000 tree %s\tunapproved\0' "$inner"; } | git mktree -z)
	tgit commit-tree -m raw -p "$BASE" "$({ git ls-tree -z "$BASE" | grep -zv 'tasks$'; printf '040000 tree %s\ttasks\0' "$tasks"; } | git mktree -z)"
}

# ---- the table of the hostile: refused NAME TEXT-OF-THE-REASON HEAD ----

refused() {
	local out rc=0 lines
	CASES=$((CASES + 1))
	out=$("$DGRID" validate --pr "$BASE..$3" 2>"$T/err") || rc=$?
	[ "$rc" = 65 ] || { echo "$1: exit $rc"; return 1; }
	[[ "$out" == *"$2"* ]] || { echo "$1: no '$2' in: $out"; return 1; }
	harmless "$1" "$out$(<"$T/err")" || return 1
	# As programs have it: names, where texts are hostile, and of the rest each third.
	[[ ${BATS_TEST_DESCRIPTION:-} == *names* ]] || ((CASES % 3 == 1)) || { untouched "$1"; return; }
	SHOWN=$((SHOWN + 1))
	lines=$(wc -l <<<"$out")
	# What a build service would take for a command is what dgrid meant as one, and each is one.
	rc=0
	"$DGRID" validate --github --pr "$BASE..$3" >"$T/out" 2>"$T/err" || rc=$?
	[ "$rc" = 65 ]
	[ "$(grep -cE '^::error file=[^:,]*,line=[0-9]+,col=[0-9]+::' "$T/out")" = "$(wc -l <"$T/out")" ] || { echo "$1: $(<"$T/out")"; return 1; }
	[ "$(wc -l <"$T/out")" = "$lines" ]
	harmless "$1" "$(cat "$T/out" "$T/err")" || return 1
	[ "$(sed -E 's/^::error file=//' "$T/out" | grep -c -e '^ *::' -e '##\[')" = 0 ] || { echo "$1: $(<"$T/out")"; return 1; }
	[ "$(grep -c -e '^ *::' -e '##\[' "$T/err")" = 0 ] || { echo "$1: $(<"$T/err")"; return 1; }
	rc=0
	"$DGRID" validate --json --pr "$BASE..$3" >"$T/out" 2>/dev/null || rc=$?
	[ "$rc" = 65 ]
	printf '%s\0' "$2" >>"$T/reasons"
	cat "$T/out" >>"$T/json"
	untouched "$1"
}
harmless() { # NAME OUTPUT: no control byte but the newline, and UTF-8
	[ "$(LC_ALL=C tr -d '\n\040-\176\200-\377' <<<"$2" | wc -c)" = 0 ] || { echo "$1: control bytes"; return 1; }
	iconv -f UTF-8 -t UTF-8 <<<"$2" >/dev/null || { echo "$1: no UTF-8"; return 1; }
}
untouched() { # NAME: no canary, nothing queued
	[ -z "$(find "$T" /tmp/pwned -name 'pwned*' -not -path '*/objects/*' 2>/dev/null)" ] || { echo "$1: the canary sings"; return 1; }
}
all_told() { # at the end of a table: how many, and all JSON parses
	[ "$CASES" = "$1" ]
	[ "$SHOWN" -ge "$(($1 / 3))" ]
	python3 - "$T/json" "$SHOWN" <<-'PY'
		import json, sys
		text, n, d = open(sys.argv[1], encoding="utf-8").read(), 0, json.JSONDecoder()
		while text.strip():
		    doc, end = d.raw_decode(text.lstrip())
		    text, n = text.lstrip()[end:], n + 1
		    assert doc["schema"] == 1 and not doc["valid"] and doc["problems"], doc
		assert n == int(sys.argv[2]), n
	PY
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$BASE" ]
	run -0 ledger_ls queue
	[ "$output" = taken ]
}

@test "hostile requests: names" {
	CASES=0
	bad_name='has a name that is no task id'
	refused 'quotes and a command' "x';touch pwned;'.json:1:1: $bad_name" "$(one 100644 "x';touch pwned;'.json")"
	refused 'double quotes' "$bad_name" "$(one 100644 'x";touch pwned;".json')"
	refused 'command substitution' "$bad_name" "$(one 100644 '$(touch pwned).json')"
	refused 'backquotes' "$bad_name" "$(one 100644 '`touch pwned`.json')"
	refused 'a pipe' "$bad_name" "$(one 100644 'x|touch pwned|.json')"
	refused 'a newline' 'x\x0Atouch pwned\x0A.json' "$(one 100644 $'x\ntouch pwned\n.json')"
	refused 'a newline and a workflow command' 'x\x0A\x3A:error\x3A:pwned.json' "$(one 100644 $'x\n::error::pwned.json')"
	refused 'a carriage return' 'x\x0D\x3A:add-mask' "$(one 100644 $'x\r::add-mask::y.json')"
	refused 'a workflow command' '\x3A:set-output name=x\x3A:y.json' "$(one 100644 '::set-output name=x::y.json')"
	refused 'an old workflow command' 'x\x23#[add-path]pwned.json' "$(one 100644 'x##[add-path]pwned.json')"
	refused 'an encoded newline' 'x%0A\x3A:error\x3A:y.json' "$(one 100644 'x%0A::error::y.json')"
	refused 'properties of an annotation' 'a,line=9,title=b\x3A:c.json' "$(one 100644 'a,line=9,title=b::c.json')"
	refused 'an escape sequence' 'x\x1B[2J\x1B]0;t\x07.json' "$(one 100644 $'x\033[2J\033]0;t\007.json')"
	refused 'an eight-bit escape' 'x\u{009B}31m.json' "$(one 100644 $'x\302\23331m.json')"
	refused 'invalid UTF-8' 'x\xFF\xC0\x80.json' "$(one 100644 $'x\377\300\200.json')"
	refused 'writing turned around' 'x\u{202E}nosj.json' "$(one 100644 $'x\342\200\256nosj.json')"
	refused 'a letter that looks like another' "$bad_name" "$(one 100644 $'\320\260bc.json')"
	refused 'a backslash' 'a\\nb.json' "$(one 100644 'a\nb.json')"
	refused 'a tab' 'a\x09b.json' "$(one 100644 $'a\tb.json')"
	refused 'a space' "$bad_name" "$(one 100644 'a b.json')"
	refused 'a very long name' '(3522 bytes)' "$(one 100644 "$(printf 'n%.0s' {1..3500}).json")"
	refused 'one letter too many' "$bad_name" "$(one 100644 "$(printf 'n%.0s' {1..65}).json")"
	refused 'an option' "tasks/unapproved/-rf.json:1:1: $bad_name" "$(one 100644 '-rf.json')"
	refused 'a long option' "$bad_name" "$(one 100644 '--help.json')"
	refused 'no id' "$bad_name" "$(one 100644 '.json')"
	refused 'hidden' "$bad_name" "$(one 100644 '.hidden.json')"
	refused 'another ending' "$bad_name" "$(one 100644 'x.JSON')"
	refused 'two endings' "$bad_name" "$(one 100644 'x.json.sh')"
	refused 'a folder' 'lies in a folder of its own' "$(one 100644 'x.json/y.json')"
	refused 'a wild card' "$bad_name" "$(one 100644 '*.json')"
	refused 'a parent folder' 'tasks/unapproved/../' "$(raw 040000 tree "$(printf '100644 blob %s\tx.json\n' "$BLOB" | git mktree)" ..)"
	refused 'a repository within' 'tasks/unapproved/.git/' "$(raw 040000 tree "$(printf '100644 blob %s\tconfig\n' "$BLOB" | git mktree)" .git)"
	refused 'the same entry twice' 'task_id "waiting" is already in this grid' "$(raw 100644 blob "$BLOB" waiting.json)"
	all_told 33
}

@test "hostile requests: paths, kinds and modes" {
	CASES=0
	x=tasks/unapproved/x.json
	from; put 120000 "$(printf /etc/passwd | blob)" $x
	refused 'a symbolic link' 'is a symbolic link, mode 120000' "$(commit)"
	from; put 120000 "$(task x | blob)" $x
	refused 'a link whose target is a task' 'is a symbolic link' "$(commit)"
	from; put 100755 "$(task x | blob)" $x
	refused 'an executable' 'is executable, mode 100755' "$(commit)"
	from; put 160000 "$BASE" $x
	refused 'a submodule' 'is a submodule, mode 160000' "$(commit)"
	from; new x; put 160000 "$BASE" evil; file .gitmodules $'[submodule "evil"]\n\tpath = evil\n\turl = -u./pwned\n\tignore = all\n'
	refused 'a submodule that hides' 'evil:1:1: lies outside' "$(commit)"
	outside='lies outside tasks/unapproved/ (expected only new files tasks/unapproved/ID.json'
	for path in .gitattributes .github/workflows/ci.yml .github/actions/x/action.yml .gitlab-ci.yml README.md Makefile tasks/queue/x.json \
		tasks/completed/x.json tasks/in_progress/x.json tasks/failed/x.json tasks/archive.json nodes/n1.json Tasks/Unapproved/y.json \
		tasks/unapproved2/x.json allowed_signers; do
		from; new x; file "$path" '* filter=pwned'
		refused "another file: $path" "$path:1:1: $outside" "$(commit)"
	done
	from; new x; file tasks/unapproved/.gitattributes '* filter=pwned'
	refused 'attributes beside the task' 'tasks/unapproved/.gitattributes:1:1: has a name' "$(commit)"
	from; new x; file grid.json '{"max_timeout_seconds": 86400}'
	refused 'other ceilings' "grid.json:1:1: $outside" "$(commit)"
	from; new x; gone grid.json
	refused 'no ceilings' "grid.json:1:1: $outside" "$(commit)"
	from; file tasks/unapproved/waiting.json "$(task waiting ', "priority": 9')"
	refused "somebody else's task changed" 'waiting.json:1:1: is changed (expected only new files' "$(commit)"
	from; gone tasks/unapproved/waiting.json
	refused "somebody else's task deleted" 'waiting.json:1:1: is deleted' "$(commit)"
	from; put 120000 "$(printf x | blob)" tasks/unapproved/waiting.json
	refused "somebody else's task made a link" 'becomes another kind of file' "$(commit)"
	from; gone tasks/unapproved/waiting.json; put 100644 "$(git rev-parse "$BASE:tasks/unapproved/waiting.json")" $x
	refused "somebody else's task renamed" 'waiting.json:1:1: is deleted' "$(commit)"
	from; gone tasks/queue/taken.json; new x
	refused 'a queued task taken away' "taken.json:1:1: $outside" "$(commit)"
	from; gone tasks/unapproved/waiting.json; gone tasks/unapproved/.gitkeep; put 120000 "$(printf ../queue | blob)" tasks/unapproved
	refused 'the folder made a link' "tasks/unapproved:1:1: $outside" "$(commit)"
	refused 'nothing' 'no task file (expected a new file' "$(from; commit)"
	all_told 30
}

@test "hostile requests: ids, numbers, contents" {
	CASES=0
	content() { # CONTENT: as tasks/unapproved/x.json
		from; file tasks/unapproved/x.json "$1"; commit
	}
	for id in taken old bad; do
		from; new $id
		refused "an id in use: $id" "$id.json:1:1: task_id \"$id\" is already in this grid" "$(commit)"
	done
	from; new archived
	refused 'an id in the archive' 'already in the archive, 2026/01/02/archived.json' "$(commit)"
	from; new Taken
	refused 'an id in use, but for the case' '"Taken" differs from "taken" in this grid by upper and lower case alone' "$(commit)"
	from; new x; new y
	refused 'two files' '2 task files in one request (expected at most 1)' "$(commit)"
	from; for i in {1..150}; do new "n$i"; file "junk$i" x; done
	refused 'hundreds of files' 'and ' "$(commit)"
	refused 'too large' '1048577 bytes (expected at most 1048576)' "$(from; put 100644 "$(head -c 1048577 /dev/zero | blob)" tasks/unapproved/x.json; commit)"
	refused 'empty' 'x.json:1:1: expected a value, found the end' "$(content '')"
	refused 'no JSON' "x.json:1:1: expected a value, found '#'" "$(content '#!/bin/sh')"
	refused 'trailing garbage' 'expected the end of the text' "$(content "$(task x)touch pwned")"
	refused 'a second name' 'x.json:1:29: duplicate member name' "$(content '{"task_id": "x", "script":1,"script":"touch pwned"}')"
	refused 'a byte order mark' 'byte order mark' "$(content $'\357\273\277{}')"
	refused 'invalid UTF-8' 'invalid UTF-8' "$(content $'{"task_id": "\377"}')"
	refused 'deep nesting' 'nested too deeply' "$(content "$(printf '[%.0s' {1..5000})")"
	refused 'a number too large' 'timeout_seconds: 99999999999999999999 is not valid' "$(content '{"task_id": "x", "script": "x", "timeout_seconds": 99999999999999999999}')"
	refused 'a timeout too long' '(expected a whole number from 10 to 300)' "$(content '{"task_id": "x", "script": "x", "timeout_seconds": 86400}')"
	refused 'another id' 'differs from the file name (expected "x")' "$(content "$(task y)")"
	refused 'a way out' 'task_id: "../../../x" is not valid' "$(content "$(task ../../../x)")"
	refused 'an image of its own' 'is no image of this grid' "$(content "$(task x ', "image": "evil:1"')")"
	refused 'memory without end' 'memory_mb: 999999 is not valid' "$(content "$(task x ', "memory_mb": 999999')")"
	refused 'a forged approval' 'approved_by: only dgrid writes this field' "$(content "$(task x ', "approved_by": {"commit": "me"}')")"
	refused 'a forged result' 'result: only dgrid writes this field' "$(content "$(task x ', "result": {"status": "success"}')")"
	refused 'a forged claim' 'claim: only dgrid writes this field' "$(content "$(task x ', "claim": {"node": "n1"}')")"
	refused 'a workflow command for a field' 'a\x0A\x3A:error\x3A:b: unknown field' "$(content "$(task x ', "a\n::error::b": 1')")"
	refused 'an escape sequence for a value' '\x1B[2J' "$(content "$(task x ', "image": "\u001b[2J\u009b"')")"
	refused 'an old workflow command for a value' '\x23#[stop-commands]' "$(content "$(task x ', "image": "##[stop-commands]x"')")"
	refused 'a variable that is none' 'env: "LD_PRELOAD=x;' "$(content "$(task x ', "env": {"LD_PRELOAD=x;touch pwned": "1"}')")"
	refused 'a NUL in a name' 'unknown field' "$(content "$(task x ', "script\u0000": "touch pwned"')")"
	refused 'a NUL in the script' 'script: a NUL in the text' "$(content '{"task_id": "x", "script": "a\u0000b", "timeout_seconds": 10}')"
	refused 'a script too long' '65537 bytes (expected at most 65536)' "$(content "{\"task_id\": \"x\", \"timeout_seconds\": 10, \"script\": \"$(printf 'x%.0s' {1..65537})\"}")"
	all_told 31
}

@test "hostile requests: history" {
	CASES=0
	for key in key other; do ssh-keygen -q -t ed25519 -N '' -f "$T/$key"; done
	# What one commit does and the next undoes is in the history for good.
	from; file .github/workflows/ci.yml evil; a=$(commit)
	from; new x; b=$(commit "$a")
	refused 'a workflow that comes and goes' "ci.yml:1:1: commit ${a:0:10} touches it" "$b"
	from; file grid.json '{"max_timeout_seconds": 86400}'; a=$(commit)
	from; file tasks/unapproved/x.json '{"task_id": "x", "script": "x", "timeout_seconds": 86400}'; b=$(commit "$a")
	refused 'ceilings that come and go' '(expected a whole number from 10 to 300)' "$b"
	from; file tasks/unapproved/waiting.json x; a=$(commit)
	from; new x; b=$(commit "$a")
	refused "somebody else's task, there and back" 'it was there before' "$b"
	from; file nodes/keys/evil.pub "$(cat "$T/key.pub")"; a=$(commit)
	from; new x; b=$(commit "$a")
	refused 'a key that comes and goes' "nodes/keys/evil.pub:1:1: commit ${a:0:10} touches it, and the request does not end with that key" "$b"
	from; file nodes/keys/good.pub "$(cat "$T/other.pub")"; b=$(commit "$a")
	refused 'a key that comes and goes beside another' "nodes/keys/evil.pub:1:1: commit ${a:0:10} touches it" "$b"
	from; put 120000 "$(printf /etc/passwd | blob)" tasks/unapproved/x.json; a=$(commit)
	from; new x; b=$(commit "$a")
	refused 'a link that becomes a task' 'is a symbolic link, mode 120000' "$b"
	# A merge can bring what neither side had, and hide it from a look at the sides.
	from; new x; a=$(commit)
	from; new x; file evil.sh 'touch pwned'; m=$(commit "$a" "$BASE")
	from; new x; b=$(commit "$m")
	refused 'a merge with something of its own, undone' "evil.sh:1:1: commit ${m:0:10} touches it" "$b"
	refused 'a merge with something of its own' 'evil.sh:1:1: lies outside' "$m"
	other=$(from; file evil.sh 'touch pwned'; tgit commit-tree -m other "$(git write-tree)")
	from; new x; m=$(commit "$BASE" "$other")
	refused 'a strange history merged in' 'evil.sh:1:1: commit' "$m"
	refused 'a strange history' 'no history in common' "$other"
	# Merging the base into a branch is fine; undoing what the base did is not.
	from; file README.md news; main2=$(commit)
	from; new x; a=$(commit)
	from; new x; m=$(commit "$a" "$main2")
	BASE=$main2 refused 'a merge that undoes what the base did' 'README.md:1:1: lies outside' "$m"
	c=$a; for _ in {1..251}; do c=$(commit "$c"); done
	refused 'hundreds of commits' 'more than 250 commits' "$c"
	all_told 12
}

@test "good requests pass: fix-ups, the base merged in, several files where the grid or a flag says so, the base moved on" {
	from; file tasks/unapproved/x.json nonsense; a=$(commit)
	from; new x; b=$(commit "$a")
	run -0 --separate-stderr "$DGRID" validate --pr "$BASE..$b"
	[ -z "$output$stderr" ]
	run -0 "$DGRID" validate --pr "$BASE...$b"
	from; new misnamed; a=$(commit)
	from; new x; b=$(commit "$a")
	run -0 "$DGRID" validate --pr "$BASE..$b"
	from; file README.md news; new later; main2=$(commit)
	from "$main2"; new x; m=$(commit "$b" "$main2")
	run -0 "$DGRID" validate --pr "$main2..$m"
	run -0 "$DGRID" validate --pr "$main2..$b"
	from; new later; c=$(commit)
	run -65 "$DGRID" validate --pr "$main2..$c"
	[[ "$output" == *'"later" is already in this grid'* ]]
	from; new x; new y; d=$(commit)
	run -65 "$DGRID" validate --pr "$BASE..$d"
	run -0 "$DGRID" validate --max-files 2 --pr "$BASE..$d"
	from; file grid.json '{"max_files_per_request": 2, "max_timeout_seconds": 900}'; wide=$(commit)
	from "$wide"; new x; file tasks/unapproved/y.json '{"task_id": "y", "script": "x", "timeout_seconds": 900}'; e=$(commit "$wide")
	run -0 "$DGRID" validate --json --pr "$wide..$e"
	[ "$(python3 -c 'import json,sys; o=json.load(sys.stdin); print(o["valid"], o["files"], o["problems"])' <<<"$output")" = 'True 2 []' ]
	run -65 "$DGRID" validate --max-files 1 --pr "$wide..$e"
	from; file grid.json '{"max_timeout_seconds": "x"}'; broken=$(commit)
	from "$broken"; new x; f=$(commit "$broken")
	run -65 "$DGRID" validate --pr "$broken..$f"
	[[ "$output" == *"the base's own settings are not valid"*"grid.json:1:"* ]]
}

@test "what cannot be judged is no answer: unknown revisions, a history cut off, no repository" {
	from; new x; a=$(commit)
	from; new x; b=$(commit "$a")
	tgit push -q origin "$b:refs/heads/pr"
	run -66 "$DGRID" validate --pr "$BASE..nowhere"
	run -66 "$DGRID" validate --pr "--output=$T/pwned..$a"
	run -64 "$DGRID" validate --pr "$BASE"
	run -64 "$DGRID" validate --pr "..$a"
	run -64 "$DGRID" validate --pr "$BASE..$a" x.json
	unset GIT_INDEX_FILE
	git clone -q --depth 1 --no-single-branch "file://$ORIGIN" "$T/shallow"
	run -69 "$DGRID" -C "$T/shallow" validate --pr origin/main..origin/pr
	[[ "$output" == *"fetch-depth: 0"* ]]
	git -C "$T/shallow" fetch -q --unshallow
	run -0 "$DGRID" -C "$T/shallow" validate --pr origin/main..origin/pr
	# The repository at hand counts, not the one that the environment names; a bare one will do.
	git clone -q --bare "$ORIGIN" "$T/bare.git"
	cd /
	run -0 env DGRID_REPO_URL=/nowhere "$DGRID" -C "$T/bare.git" validate --pr main..pr
	run -66 "$DGRID" -C "$T" validate --pr main..pr
	untouched judged
}

# The way of a request: a fork, a branch, a look at it as the host's service does, a merge, promotion, a run.
offer() { # ID SCRIPT: a pull request from a fork; its head arrives as refs/pull/ID/head
	local fork=$T/fork-$1
	unset GIT_INDEX_FILE
	git clone -q --bare "$ORIGIN" "$fork.git"
	git clone -q "$fork.git" "$fork"
	git -C "$fork" checkout -q -b "add-$1"
	printf '{"task_id": "%s", "script": "%s", "timeout_seconds": 10}\n' "$1" "$2" >"$fork/tasks/unapproved/$1.json"
	git -C "$fork" add -A
	git -C "$fork" -c user.name=Sue -c user.email=sue@example.invalid commit -qm "Add $1"
	git -C "$fork" push -q origin "add-$1"
	git --git-dir="$ORIGIN" fetch -q "$fork.git" "add-$1:refs/pull/$1/head"
	# As the workflow does: the base's commit and the request's objects, nothing of it checked out.
	git clone -q "$ORIGIN" "$T/ci-$1"
	git -C "$T/ci-$1" fetch -q origin "refs/pull/$1/head:refs/remotes/pull/$1"
	(cd "$T/ci-$1" && "$DGRID" validate --github --pr "origin/main..refs/remotes/pull/$1")
	[ ! -e "$T/ci-$1/tasks/unapproved/$1.json" ]
}
merge() { # ID merge|squash|rebase, by Mia
	local c=$T/merge-$1 head id=(-c user.name=Mia -c user.email=mia@example.invalid)
	git clone -q "$ORIGIN" "$c"
	git -C "$c" fetch -q origin "refs/pull/$1/head"
	case $2 in
	merge) git -C "$c" "${id[@]}" merge -q --no-ff -m "Merge $1" FETCH_HEAD ;;
	squash) git -C "$c" "${id[@]}" merge -q --squash FETCH_HEAD && git -C "$c" "${id[@]}" commit -qm "Squash $1" ;;
	rebase) git -C "$c" "${id[@]}" cherry-pick FETCH_HEAD >/dev/null ;;
	esac
	head=$(git -C "$c" rev-parse HEAD)
	git -C "$c" push -q origin HEAD:main
	echo "$head" >"$T/merged-$1"
}
field() { # STATE ID PYTHON-EXPRESSION over t
	ledger_json "$1" "$2" | python3 -c "import json,sys; t=json.load(sys.stdin); print($3)"
}

@test "a request's whole way, merged in each of the three ways: fork, validate, merge, promote, run, result" {
	require_bwrap
	"$DGRID" cancel taken waiting >/dev/null
	for how in merge squash rebase; do offer "by-$how" "echo hello from $how"; done
	for how in merge squash rebase; do merge "by-$how" $how; done
	run -0 "$DGRID" why by-merge
	[[ "$output" == *"is in unapproved"*"is waiting to be promoted"* ]]
	run -0 "$DGRID" promote
	for how in merge squash rebase; do [[ "$output" == *"promoted by-$how: approved in $(head -c 10 "$T/merged-by-$how")"* ]]; done
	run -0 ledger_ls queue
	[ "$output" = "$(printf '%s\n' by-merge by-rebase by-squash)" ]
	"$DGRID" worker --node-id n1 --engine bwrap --slots 4 --once --work-dir "$T/w1" 2>"$T/log"
	for how in merge squash rebase; do
		run -0 "$DGRID" logs "by-$how"
		[ "$output" = "hello from $how" ]
		[ "$(field completed "by-$how" 't["approved_by"]["commit"]')" = "$(<"$T/merged-by-$how")" ]
		[ "$(field completed "by-$how" 't["approved_by"]["committer"]')" = 'Mia <mia@example.invalid>' ]
	done
	[ "$(field completed by-merge 't["approved_by"]["author"]')" = 'Mia <mia@example.invalid>' ]
	[ "$(field completed by-rebase 't["approved_by"]["author"]')" = 'Sue <sue@example.invalid>' ]
}

@test "hostile files that were merged all the same are neither queued nor run" {
	require_bwrap
	"$DGRID" cancel taken waiting >/dev/null
	git fetch -q origin
	BASE=$(git rev-parse origin/main)
	from
	for name in "x';touch pwned;'" '$(touch pwned)' $'a\n::error::b' $'e\033[2J' $'\377' 'a b' .hidden "$(printf 'n%.0s' {1..65})"; do
		put 100644 "$BLOB" "tasks/unapproved/$name.json"
	done
	put 120000 "$(printf /etc/passwd | blob)" tasks/unapproved/link.json
	put 120000 "$(task linked | blob)" tasks/unapproved/linked.json
	put 100755 "$(task runs | blob)" tasks/unapproved/runs.json
	put 160000 "$BASE" tasks/unapproved/sub.json
	put 100644 "$BLOB" tasks/unapproved/folder.json/x.json
	new forged ', "approved_by": {"commit": "me"}'
	new claimed ', "claim": {"node": "n1", "nonce": "x"}'
	new long ', "timeout_seconds": 300'
	new greedy ', "memory_mb": 999999'
	new $'evil' $', "a\\n::error::b": "\\u001b[2J"'
	file tasks/unapproved/huge.json "$(head -c 1100000 /dev/zero | tr '\0' x)"
	file tasks/unapproved/broken.json '{'
	file tasks/unapproved/other.json "$(task taken2)"
	file tasks/unapproved/.gitattributes '* text=auto filter=pwned ident working-tree-encoding=UTF-16'
	new old
	new OLD
	new good
	tgit push -q origin "$(commit):main"
	unset GIT_INDEX_FILE
	# The base has been judged by nobody: its own state is what promotion meets.
	run -0 "$DGRID" promote --dry-run
	harmless dry "$output"
	[[ "$output" == *"would promote good"* ]]
	run -0 "$DGRID" promote
	harmless promote "$output"
	[ "$(grep -c '^promoted ' <<<"$output")" = 1 ]
	[[ "$output" == *"left old: old is in completed already"* && "$output" == *"left OLD: "* ]]
	[[ "$output" == *"moved to failed linked: 1:1: mode 120000"* && "$output" == *"moved to failed forged: "*"approved_by: only dgrid"* ]]
	run -0 ledger_ls queue
	[ "$output" = good ]
	for id in link linked runs sub folder forged claimed long greedy evil huge broken other; do
		[ "$(field failed "$id" 't["result"]["status"]')" = invalid ]
		[[ "$(git -C "$ORIGIN" ls-tree main "tasks/failed/$id.json")" == '100644 blob'* ]]
		run -0 "$DGRID" why "$id"
		harmless "$id" "$output"
	done
	run -0 "$DGRID" worker --node-id n1 --engine bwrap --slots 4 --once --work-dir "$T/w1"
	harmless worker "$output"
	[ "$(grep -c ' ended: ' <<<"$output")" = 1 ]
	run -0 ledger_ls completed
	[ "$output" = "$(printf '%s\n' good old)" ]
	untouched worker
}

@test "hostile requests: folders that git would not have made, and merges that hide a state of old" {
	CASES=0
	EMPTY=$(git mktree </dev/null)
	good() { # the base's top, its tasks/unapproved with one new file
		local unapproved tasks
		unapproved=$({ git ls-tree "$BASE:tasks/unapproved"; printf '100644 blob %s\tx.json\n' "$(task x | blob)"; } | git mktree)
		tasks=$(git ls-tree "$BASE:tasks" | sed "s/^040000 tree [0-9a-f]*\tunapproved$/040000 tree $unapproved\tunapproved/" | git mktree)
		git ls-tree "$BASE" | sed "s/^040000 tree [0-9a-f]*\ttasks$/040000 tree $tasks\ttasks/"
	}
	# An empty folder shows in no diff; merged, it takes away what is there by that name.
	for name in grid.json .github tasks nodes allowed_signers; do
		refused "an empty folder $name" 'has ' "$(tgit commit-tree -m raw -p "$BASE" "$({ good; printf '040000 tree %s\t%s\n' "$EMPTY" "$name"; } | git mktree)")"
	done
	other=$(printf '100644 blob %s\tx.json\n' "$(task x | blob)" | git mktree)
	refused 'a second folder tasks' 'the same entry twice' "$(tgit commit-tree -m raw -p "$BASE" "$({ git ls-tree "$BASE"; printf '040000 tree %s\ttasks\n' "$(printf '040000 tree %s\tunapproved\n' "$other" | git mktree)"; } | git mktree)")"
	refused 'a second folder unapproved' 'the same entry twice' "$(tgit commit-tree -m raw -p "$BASE" "$({ git ls-tree "$BASE" | grep -v 'tasks$'; printf '040000 tree %s\ttasks\n' "$({ git ls-tree "$BASE:tasks"; printf '040000 tree %s\tunapproved\n' "$other"; } | git mktree)"; } | git mktree)")"
	for mode in 100664 100600 0100644; do
		odd=$({ git cat-file tree "$BASE:tasks/unapproved"; printf '%s zz.json\0' "$mode"; task zz | blob | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))'; } | git hash-object -t tree -w --stdin --literally)
		tasks=$({ git ls-tree "$BASE:tasks" | grep -v 'unapproved$'; printf '040000 tree %s\tunapproved\n' "$odd"; } | git mktree)
		refused "mode $mode" 'a mode that git does not make' "$(tgit commit-tree -m raw -p "$BASE" "$({ git ls-tree "$BASE" | grep -v 'tasks$'; printf '040000 tree %s\ttasks\n' "$tasks"; } | git mktree)")"
	done
	# A merge of what was merged long ago, back and forth: each step looks as if it changed nothing of its own.
	from && new x
	c1=$(commit)
	old=$(git rev-list --max-parents=0 "$BASE")
	from "$old" && put 100644 "$(task x | blob)" tasks/unapproved/x.json
	c2=$(commit "$c1" "$old")
	from "$c1"
	refused 'a pointless merge' 'merges what it had already' "$(commit "$c2" "$BASE")"
	all_told 11
}
