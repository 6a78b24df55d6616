#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154,SC2013 # sh -c texts are for the inner shell; bats sets stderr
# What the documents say is what the program does.

setup() {
	load ../helpers
	common_setup
}
teardown() { common_teardown; }

verbs() { "$DGRID" help | sed -n -E 's/^  ([a-z]+) +.*/\1/p'; }

@test "REFERENCE's table has every verb, with the options its --help shows" {
	for verb in $(verbs); do
		usage=$("$DGRID" "$verb" --help | sed -n 's/^usage: dgrid //p' | sed 's/ *$//; s/|/\\\\|/g')
		grep -qF "| \`${usage//\\\\/\\}\`" "$REPO_ROOT/docs/REFERENCE.md" || { echo "REFERENCE lacks: $usage"; false; }
		grep -q "^| \`${verb}[ \`]" "$REPO_ROOT/docs/REFERENCE.md"
	done
}

@test "every verb has --help with examples; every reading verb takes --json" {
	for verb in $(verbs); do
		run -0 "$DGRID" "$verb" --help
		[[ "$output" == *"usage: dgrid $verb"*"examples:"* ]]
	done
	for verb in status nodes show logs why metrics heal doctor validate promote maintain; do
		run -0 "$DGRID" "$verb" --help
		[[ "$output" == *--json* ]]
	done
}

@test "a verb that does not exist: the one that was meant is named" {
	run -64 "$DGRID" statsu
	[ "$output" = "dgrid: unknown verb 'statsu': did you mean status? (see: dgrid help)" ]
	run -64 "$DGRID" help xyzzy
	[ "$output" = "dgrid: unknown verb 'xyzzy' (see: dgrid help)" ]
}

@test "TASK_FORMAT's tables are the program's own" {
	"$DGRID" validate --fields >"$T/known"
	[ "$(wc -l <"$T/known")" -gt 15 ]
	grep -E '^\| `' "$REPO_ROOT/docs/TASK_FORMAT.md" >"$T/told"
	diff "$T/known" "$T/told"
	# What a task may hold is tried, not read: each told field is known, an untold one is not.
	for field in $(sed -n -E 's/^\| `([a-z_]+)` \|.*/\1/p' "$T/told"); do
		printf '{"task_id": "x", "script": "x", "timeout_seconds": 10, "%s": {"y": []}}' "$field" >"$T/x.json"
		run "$DGRID" validate "$T/x.json"
		[[ "$output" != *"unknown field"* ]]
	done
	printf '{"task_id": "x", "script": "x", "timeout_seconds": 10, "untold": 1}' >"$T/x.json"
	run -65 "$DGRID" validate "$T/x.json"
	[[ "$output" == *"x.json:1:"*"untold: unknown field"* ]]
}

@test "SCHEDULES' table is the program's own, and its example a valid schedule" {
	"$DGRID" schedule --fields >"$T/known"
	[ "$(wc -l <"$T/known")" -gt 6 ]
	grep -E '^\| `' "$REPO_ROOT/docs/SCHEDULES.md" | diff "$T/known" -
	mkdir schedules
	sed -n '/^```json/,/^```/p' "$REPO_ROOT/docs/SCHEDULES.md" | sed '1d;$d' >schedules/nightly.json
	run -0 "$DGRID" validate schedules/nightly.json
}

@test "TASK_FORMAT's example is a valid task" {
	sed -n '/^```json/,/^```/p' "$REPO_ROOT/docs/TASK_FORMAT.md" | sed '1d;$d' >"$T/nightly-report.json"
	run -0 "$DGRID" validate "$T/nightly-report.json"
	for example in "$REPO_ROOT"/examples/*.json; do run -0 "$DGRID" validate "$example"; done
}

@test "REFERENCE's settings are grid.json's" {
	"$DGRID" init "$ORIGIN" >/dev/null
	"$DGRID" config --fields >"$T/known"
	[ "$(wc -l <"$T/known")" -gt 20 ]
	sed -n '/^## Settings/,/^## A worker/p' "$REPO_ROOT/docs/REFERENCE.md" | grep -E '^\| `' | diff "$T/known" -
	for key in $(cut -d '`' -f 2 "$T/known"); do
		tgit clone -q "$ORIGIN" "$T/c"
		printf '{"%s": [1]}' "$key" >"$T/c/grid.json"
		tgit -C "$T/c" commit -qam x
		tgit -C "$T/c" push -q origin HEAD:main
		rm -rf "$T/c"
		run "$DGRID" --repo "$ORIGIN" status
		[[ "$output" == *"$key: expected"* ]]
	done
}

@test "the recorded demo is that of scripts/demo.sh" {
	# Its text, without the markup.
	sed -n 's/<[^>]*>//g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g; p' "$REPO_ROOT/docs/img/demo.svg" >"$T/shown"
	for example in "$REPO_ROOT"/examples/*.json; do grep -qE "^$(basename "$example" .json) +(completed|failed) " "$T/shown"; done
	grep -q '9 completed, 3 failed' "$T/shown"
	sed -n '/^cat <<EOF/,/^EOF/p' "$REPO_ROOT/scripts/demo.sh" | sed '1d;$d;s|\$demo|build/demo|g;s|\$engine|bwrap|g' | grep . >"$T/told"
	[ "$(wc -l <"$T/told")" -gt 5 ]
	while IFS= read -r line; do grep -qxF -- "$line" "$T/shown" || { echo "make recording: it lacks: $line"; false; }; done <"$T/told"
	# Nothing of the machine it was made on.
	run ! grep -E 'file:///(root|work|tmp|builds)' "$T/shown"
}
