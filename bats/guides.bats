#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2013 # texts for other shells; links have no spaces
# The guides: every message is explained, every command works as written.

setup() {
	load helpers
	common_setup
	GUIDE=$REPO_ROOT/docs/SUBMISSION_GUIDE.md
	SOURCES=("$REPO_ROOT"/{task,request,json,verb_validate}.c)
}
teardown() { common_teardown; }

@test "SUBMISSION_GUIDE explains every message that validate has, and none that it has not" {
	python3 "$REPO_ROOT/tests/messages.py" "${SOURCES[@]}" >"$T/messages"
	[ "$(wc -l <"$T/messages")" -gt 50 ]
	tr '\n' ' ' <"$GUIDE" >"$T/guide"
	while IFS= read -r message; do
		grep -qF -- "\`$message\`" "$T/guide" || { echo "not explained: $message"; false; }
	done <"$T/messages"
	python3 "$REPO_ROOT/tests/messages.py" --errors "${SOURCES[@]}" >"$T/all"
	# The last column but one of the tables is what it says; between backticks, every second piece.
	sed -n '/^## What can be wrong/,/^### After/p' "$GUIDE" | grep '^| ' | sed -E 's/ \|[^|]*\|$//' |
		awk -F '`' '{ for (i = 2; i <= NF; i += 2) if (index($i, " ")) print $i }' | sort -u >"$T/told"
	[ "$(wc -l <"$T/told")" -gt 50 ]
	while IFS= read -r message; do
		grep -qxF -- "$message" "$T/all" || { echo "never said: $message"; false; }
	done <"$T/told"
}

@test "SUBMISSION_GUIDE's example is a valid task, and its file passes as a request" {
	"$DGRID" init "$ORIGIN" >/dev/null
	tgit clone -q "$ORIGIN" fork
	cd fork
	sed -n '/^ *```json/,/^ *```$/p' "$GUIDE" | sed '1d;$d' >tasks/unapproved/count-words.json
	tgit add -A
	tgit commit -qm 'offer count-words'
	run -0 "$DGRID" validate tasks/unapproved/count-words.json
	run -0 "$DGRID" validate --pr origin/main..HEAD
}

@test "LOCAL_TEST: its five checks pass as written" {
	require_bwrap
	mkdir bin
	ln -s "$DGRID" bin/dgrid
	sed -n '/^```sh/,/^```$/p' "$REPO_ROOT/docs/LOCAL_TEST.md" | grep -v '^```' >checks.sh
	[ "$(grep -c '^## [1-5]\. ' "$REPO_ROOT/docs/LOCAL_TEST.md")" = 5 ]
	# Should it stop half-way, its workers end with it.
	printf 'trap '\''kill -9 $(jobs -p) 2>/dev/null || true'\'' EXIT\n' | cat - checks.sh >run.sh
	PATH=$T/bin:$PATH ENGINE=bwrap run -0 timeout 200 bash run.sh
	[[ "$output" == *"hello from Linux"*survived*"all the way"* ]]
	[ ! -e dgrid-check ]
}

@test "the documents' links lead to files that are there" {
	cd "$REPO_ROOT"
	for file in ./*.md docs/*.md; do
		for link in $(grep -oE '\]\([^)#: ]+\)' "$file" | sed 's/^](//; s/)$//'); do
			[ -e "$(dirname "$file")/$link" ] || { echo "$file: $link"; false; }
		done
	done
}
