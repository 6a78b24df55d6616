#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2013 # texts for other shells; links have no spaces
# The guides: every message is explained. That every command works as written is tests/docs/run.py's matter.

setup() {
	load ../helpers
	common_setup
	GUIDE=$REPO_ROOT/docs/SUBMISSION_GUIDE.md
	SOURCES=("$REPO_ROOT"/{schema/task,schema/members,schema/signatures,schema/limit,schema/input,schema/points,schema/fit,schema/consent,sandbox/script,store/request,schema/keys,json,base/json_grammar,verbs/validate}.c)
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

@test "the documents' links lead to files that are there" {
	cd "$REPO_ROOT"
	for file in ./*.md docs/*.md; do
		for link in $(grep -oE '\]\([^)#: ]+\)' "$file" | sed 's/^](//; s/)$//'); do
			[ -e "$(dirname "$file")/$link" ] || { echo "$file: $link"; false; }
		done
	done
}
