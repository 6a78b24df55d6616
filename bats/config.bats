#!/usr/bin/env bats
# shellcheck disable=SC2154 # bats sets stderr
# config: the settings of a grid, shown and set.

setup() {
	load helpers
	LEAKS=1 common_setup
	export DGRID_REPO_URL=$ORIGIN
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

commits() { git -C "$ORIGIN" rev-list --count main; }

@test "all settings with value or default; one alone; JSON; as they were" {
	run -0 "$DGRID" config
	[ "${#lines[@]}" -eq $(("$("$DGRID" config --fields | wc -l)" + 1)) ]
	grep -qE '^max_pids +64 +default$' <<<"$output"
	grep -qE '^images +\["alpine:3.22"\] *$' <<<"$output"
	run -0 "$DGRID" config poll_seconds
	[ "$output" = 5 ]
	run -0 "$DGRID" config branch
	[ "$output" = main ]
	"$DGRID" config max_pids 100
	[ "$("$DGRID" config max_pids)" = 100 ]
	[ "$("$DGRID" config --at main~1 max_pids)" = 64 ]
	"$DGRID" config --json | jq -e '[.settings[] | select(.name == "max_pids")][0] | .value == 100 and .set and .default == 64' >/dev/null
	"$DGRID" config --json title | jq -e '.settings == [{name: "title", value: null, default: null, set: false,
		expected: .settings[0].expected, about: .settings[0].about}]' >/dev/null
}

@test "a setting is set in one commit; what else stands in grid.json stays" {
	tgit clone -q "$ORIGIN" "$T/c"
	printf '{"schema": 1, "x-own": {"a": [1, 2.50]}, "images": ["a:1"]}\n' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam own
	tgit -C "$T/c" push -q origin HEAD:main
	before=$(commits)
	run -0 env GIT_USER_NAME=ann "$DGRID" config title "A grid: 1"
	[ "$output" = "title: A grid: 1 (was unset)" ]
	run -0 "$DGRID" config images alpine:3.22,python:3.13
	[ "$output" = 'images: ["alpine:3.22","python:3.13"] (was ["a:1"])' ]
	run -0 "$DGRID" config require_signed_tasks true
	[ "$(commits)" -eq $((before + 3)) ]
	git -C "$ORIGIN" show main:grid.json >"$T/now"
	jq -e '. == {schema: 1, "x-own": {a: [1, 2.50]}, images: ["alpine:3.22", "python:3.13"], title: "A grid: 1",
		require_signed_tasks: true}' "$T/now" >/dev/null
	grep -qF '2.50' "$T/now"
	[ "$(git -C "$ORIGIN" log -1 --format=%s main~2)" = "ann: set title" ]
	run -0 "$DGRID" config --unset title
	[ "$output" = "title: unset (was A grid: 1)" ]
	before=$(commits)
	run -0 "$DGRID" config --unset title
	[ "$output" = "title: unset already" ]
	run -0 "$DGRID" config require_signed_tasks true
	[ "$output" = "require_signed_tasks: true already" ]
	[ "$(commits)" -eq "$before" ]
	run -0 "$DGRID" audit
}

@test "a ceiling that is raised says that tasks which do not ask get all of it, and what keeps them from it" {
	run -0 --separate-stderr "$DGRID" config max_memory_mb 100000
	[ "$output" = "max_memory_mb: 100000 (was 512)" ]
	[ "$stderr" = "dgrid: tasks that do not ask for a value now get all of it, too: dgrid config default_memory_mb 512 gives them what they got before" ]
	"$DGRID" config default_memory_mb 512
	run -0 --separate-stderr "$DGRID" config max_memory_mb 200000
	[ -z "$stderr" ]
	run -0 --separate-stderr "$DGRID" config max_cpus 4
	[ "$stderr" = "dgrid: tasks that do not ask for a value now get all of it, too: dgrid config default_cpus 1 gives them what they got before" ]
	run -0 --separate-stderr "$DGRID" config max_cpus 2
	[ -z "$stderr" ]
}

@test "what cannot be set is refused before anything is pushed" {
	before=$(commits)
	run -64 "$DGRID" config max_pid 10
	[ "$output" = "dgrid: there is no setting 'max_pid'; did you mean max_pids? (dgrid config --fields lists them)" ]
	run -64 "$DGRID" config max_pid
	run -65 "$DGRID" config max_pids 99999
	[[ "$output" == *"max_pids: expected a whole number from 3 to 4096"* ]]
	run -65 "$DGRID" config max_pids many
	[[ "$output" == *"max_pids: expected whole number, 3-4096, found 'many'"* ]]
	run -65 "$DGRID" config require_signed_nodes maybe
	run -65 "$DGRID" config min_timeout_seconds 301
	[[ "$output" == *"larger than max_timeout_seconds"* ]]
	run -65 "$DGRID" config links '[{"text": "x", "url": "javascript:1"}]'
	run -64 "$DGRID" config --json max_pids 20
	run -64 "$DGRID" config --unset
	run -64 "$DGRID" config a b c
	[ "$(commits)" -eq "$before" ]
	tgit clone -q "$ORIGIN" "$T/c"
	printf '{"schema": 1,,}\n' >"$T/c/grid.json"
	tgit -C "$T/c" commit -qam broken
	tgit -C "$T/c" push -q origin HEAD:main
	run -65 "$DGRID" config max_pids 20
	[[ "$output" == *"grid.json:1:"* ]]
	run -65 "$DGRID" config max_pids
}

@test "eight people set eight settings at once: all are set" {
	local key
	i=0
	for key in max_pids tmp_mb poll_seconds keep_finished max_memory_mb heartbeat_seconds replicas retry_backoff_seconds; do
		i=$((i + 1))
		spawn "$T/log.$i" "$DGRID" config "$key" $((i == 7 ? 7 : 20 + i))
	done
	while read -r pid; do wait_until 60 pid_ended "$pid"; done <"$PIDS_FILE"
	[ "$("$DGRID" config --json | jq -c '[.settings[] | select(.set and .name != "schema" and .name != "branch" and .name != "images") | .value] | sort')" = '[7,21,22,23,24,25,26,28]' ] ||
		{ cat "$T"/log.*; false; }
}
