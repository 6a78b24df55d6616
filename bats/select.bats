#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # scripts are for the inner shell; bats sets stderr
# Verbs about many tasks: by ids, by a group, by what options find, on the branch and in the archive.

setup() {
	load helpers
	common_setup
	require_bwrap
	export DGRID_REPO_URL=$ORIGIN GIT_USER_NAME=ann
	"$DGRID" init >/dev/null
}
teardown() { common_teardown; }

once() { "$DGRID" worker --node-id n1 --slots 4 --engine bwrap --once --work-dir "$T/n1" 2>"$T/log"; }
submit() { "$DGRID" submit "$@" >/dev/null; }
# A group of five, one of which fails, one waits for a label; and one task of no group. Two of the five are archived.
sweep() {
	grid_settings '"keep_finished": 3'
	for i in 1 2 3; do submit --group sweep --id "s$i" -- "echo out $i; echo err $i >&2; echo $i >/out/f"; done
	submit --group sweep --id s4 --max-attempts 1 -- 'echo out 4; exit 4'
	submit --id other -- 'echo other'
	once
	"$DGRID" maintain >/dev/null
	submit --group sweep --id s5 --label big --priority 3 -- 'echo out 5'
}
archived() { git -C "$ORIGIN" ls-tree -r --name-only archive | sed 's|.*/||; s|.json||' | sort | tr '\n' ' '; }
ids() { python3 -c 'import json, sys; print(*[t["task_id"] for t in json.load(sys.stdin)["tasks"]])'; }

@test "status of a group: counts by how tasks stand and ended, and their rows, archived ones too" {
	sweep
	[ "$(archived | wc -w)" = 2 ]
	run -0 "$DGRID" status --group sweep
	[[ "${lines[1]}" =~ ^'5 tasks: 1 queued, 4 ended ('('3 success, 1 failed'|'1 failed, 3 success')'), '[12]' of them archived'$ ]]
	for i in 1 2 3 4 5; do grep -q "^s$i " <<<"$output"; done
	[[ "$output" != *other* ]]
	grep -q '^s[1-4] * archived ' <<<"$output"
	run -0 "$DGRID" status --group sweep --failed
	[ "${lines[1]}" = '1 task: 1 ended (1 failed), 1 of them archived' ] || [ "${lines[1]}" = '1 task: 1 ended (1 failed)' ]
	run -0 "$DGRID" status s5 s1
	[[ "${lines[1]}" == '2 tasks: 1 queued, 1 ended (1 success)'* ]]
	[ "$("$DGRID" status --json --group sweep | ids)" = 's1 s2 s3 s4 s5' ]
	[ "$("$DGRID" status --json --group sweep | python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["counts"]["completed"], o["counts"]["queue"], o["ended"])')" = "3 1 {'failed': 1, 'success': 3}" ] ||
		[ "$("$DGRID" status --json --group sweep | python3 -c 'import json, sys; o = json.load(sys.stdin); print(o["counts"]["completed"], o["counts"]["queue"], o["ended"])')" = "3 1 {'success': 3, 'failed': 1}" ]
	run -0 "$DGRID" status --markdown --group sweep
	[[ "$output" == *'5 tasks'*' 1 queued'*'<code>s1</code>'* ]]
	run -66 "$DGRID" status --group swepe
	[ "$output" = "dgrid: no task of group 'swepe' in this grid" ]
	run -66 "$DGRID" status s5 s99
	[[ "$output" == *"dgrid: no task and no group 's99' in this grid" ]]
}

@test "what finds tasks: state, label, node, time, failure; together they narrow it down" {
	sweep
	found() { "$DGRID" status --json "$@" | ids; }
	[ "$(found --state queued)" = s5 ]
	[ "$(found --label big)" = s5 ]
	[ "$(found --group sweep --node n1)" = 's1 s2 s3 s4' ]
	[ -z "$(found --node n2)" ]
	[ "$(found --group sweep --state success --state queued)" = 's1 s2 s3 s5' ]
	[ "$(found --group sweep --failed)" = s4 ]
	[ "$(found --group sweep --state archived --state completed --state failed)" = 's1 s2 s3 s4' ]
	[ "$(found --group sweep --since 1h)" = 's1 s2 s3 s4 s5' ]
	[ -z "$(found --group sweep --since 2999-01-01)" ]
	[ "$(found --group sweep --since 2020-01-01T00:00:00Z --state queued)" = s5 ]
	[ "$(found s1 s4 s5 --failed)" = s4 ]
	submit --group second --id z -- true
	[ "$(found --group sweep --group second --state queued)" = 's5 z' ]
	[ "$(found s1 --group second)" = 's1 z' ]
	[ "$(found s4 s1 --group sweep)" = 's4 s1 s2 s3 s5' ]
	run -64 "$DGRID" status --state sleeping
	[[ "$output" == "dgrid: --state: expected one of unapproved queue queued "*"found 'sleeping'" ]]
	run -64 "$DGRID" status --since yesterday
	[[ "$output" == "dgrid: --since: expected a time such as 90m, 2h, 3d, 2026-01-31 or "* ]]
	run -0 --separate-stderr "$DGRID" show --group sweep --state running
	[ "$output$stderr" = 'dgrid: no task matches' ]
}

@test "logs of several have a head each; those without output are passed by, or named" {
	sweep
	run -0 --separate-stderr "$DGRID" logs --group sweep
	[ "$output" = $'==> s1 <==\nout 1\n\n==> s2 <==\nout 2\n\n==> s3 <==\nout 3\n\n==> s4 <==\nout 4' ]
	[ "$stderr" = $'==> s1 <==\nerr 1\n==> s2 <==\nerr 2\n==> s3 <==\nerr 3\ndgrid: 1 task has no output yet' ]
	run -0 "$DGRID" logs s2 s1 # to one place: one head
	[ "$output" = $'==> s2 <==\nout 2\nerr 2\n\n==> s1 <==\nout 1\nerr 1' ]
	run -75 --separate-stderr "$DGRID" logs s1 s5 s2
	[[ "$output" == *'out 1'*'out 2'* && "$stderr" == *"task 's5' is in queue: it has no output yet"* ]]
	run -66 --separate-stderr "$DGRID" logs s1 s98 s99
	[ "$output" = $'==> s1 <==\nout 1' ]
	[[ "$stderr" == *"no task 's98' in this grid, and 1 other is not there either" ]]
	[ "$("$DGRID" logs --json s1 s4 | ids)" = 's1 s4' ]
	[ "$("$DGRID" logs --json s1 | python3 -c 'import json, sys; t = json.load(sys.stdin); print(t["schema"], t["task_id"], t["stdout"])')" = $'1 s1 out 1' ]
	run -0 --separate-stderr "$DGRID" logs s1
	[ "$output" = 'out 1' ]
	run -0 --separate-stderr "$DGRID" logs -f s1 s2
	[ "$(sort <<<"$output")" = $'s1 | out 1\ns2 | out 2' ]
	run -64 "$DGRID" logs
}

@test "show and why of several: one after the other, or a list" {
	sweep
	run -0 "$DGRID" show s1 s5
	[ "$(grep -c '^task  ' <<<"$output")" = 2 ]
	grep -q '^group * "sweep"' <<<"$output"
	[ "$("$DGRID" show --json --group sweep | ids)" = 's1 s2 s3 s4 s5' ]
	[ "$("$DGRID" show --json s1 | python3 -c 'import json, sys; t = json.load(sys.stdin); print(t["schema"], t["task_id"])')" = '1 s1' ]
	run -0 "$DGRID" why s5 s1
	[[ "$output" == *'s5 is in queue'*'s1 is '* ]]
	[ "$("$DGRID" why --json --group sweep --state queued --state archived | ids | wc -w)" -ge 2 ]
	run -66 "$DGRID" why s1 s99
	[[ "$output" == *'s1 is '*"no task and no group 's99' in this grid" ]]
}

@test "wait for a group names what did not succeed, at most ten" {
	sweep
	run -1 "$DGRID" wait --group sweep --state completed --state failed --state archived
	[ "$output" = 'dgrid: 1 of 4 did not succeed: s4 (failed) (see: dgrid show ID)' ]
	run -1 "$DGRID" wait s4
	[ "$output" = 'dgrid: s4 did not succeed: failed (see: dgrid show s4)' ]
	run -0 "$DGRID" wait --group sweep --state success
	run -75 "$DGRID" wait --timeout 1 --group sweep
	"$DGRID" cancel s5
	run -1 "$DGRID" wait --group sweep
	[ "$output" = 'dgrid: 2 of 5 did not succeed: s4 (failed), s5 (cancelled) (see: dgrid show ID)' ]
	run -3 "$DGRID" wait s5 s1
	[ "$output" = 'dgrid: 1 of 2 did not succeed: s5 (cancelled) (see: dgrid show ID)' ]
	for i in 01 02 03 04 05 06 07 08 09 10 11 12; do echo "{\"task_id\": \"x$i\", \"timeout_seconds\": 10, \"script\": \"true\"}" >"x$i.json"; done
	submit --group many x??.json
	"$DGRID" cancel --group many
	run -3 "$DGRID" wait --group many
	[ "$output" = "dgrid: 12 of 12 did not succeed: $(printf 'x%s (cancelled), ' 01 02 03 04 05 06 07 08 09)x10 (cancelled) and 2 more (see: dgrid show ID)" ]
	run -66 "$DGRID" wait --group nothing
	run -0 --separate-stderr "$DGRID" wait --group sweep --state running
	[ "$stderr" = 'dgrid: no task matches' ]
}

@test "wait for a group while two workers race for it, and the archive takes what has ended" {
	grid_settings '"keep_finished": 1'
	for i in $(seq 12); do echo "{\"task_id\": \"r$i\", \"timeout_seconds\": 20, \"script\": \"echo $i; [ $i != 7 ]\", \"max_attempts\": 1}" >"r$i.json"; done
	submit --group race r*.json
	for n in 1 2; do spawn "$T/log$n" "$DGRID" worker --node-id "n$n" --slots 2 --engine bwrap --work-dir "$T/w$n"; done
	run -1 "$DGRID" wait --group race
	[ "$output" = 'dgrid: 1 of 12 did not succeed: r7 (failed) (see: dgrid show ID)' ]
	[ "$("$DGRID" logs --group race 2>/dev/null | grep -c '^==> r')" = 12 ]
	run -0 "$DGRID" status --group race
	[[ "${lines[1]}" == '12 tasks: 12 ended ('* ]]
}

@test "cancel and retry of a selection say what they did to how many, and pass by the rest" {
	sweep
	run -0 --separate-stderr "$DGRID" cancel --group sweep
	[ "$output" = s5 ]
	[ "$stderr" = 'dgrid: cancelled 1 of 5; 4 had ended already' ]
	before=$(git -C "$ORIGIN" rev-parse main)
	run -0 --separate-stderr "$DGRID" cancel --group sweep
	[ -z "$output" ]
	[ "$stderr" = 'dgrid: cancelled 0 of 5; 5 had ended already' ]
	run -0 --separate-stderr "$DGRID" cancel --group sweep --state queued
	[ "$stderr" = 'dgrid: cancelled 0 of 0' ]
	[ "$(git -C "$ORIGIN" rev-parse main)" = "$before" ]
	# By name it is told as ever.
	submit --id q -- true
	run -1 --separate-stderr "$DGRID" cancel q s5
	[ "$output" = q ]
	[ "$stderr" = 'dgrid: 1 of 2 had ended already; the others are cancelled: s5' ]
	run -66 "$DGRID" cancel --group nothing
	run -64 "$DGRID" cancel
	submit --group two --id good -- true
	submit --group two --id bad --max-attempts 1 -- 'exit 1'
	submit --group two --id waits --label none -- true
	once
	run -0 --separate-stderr "$DGRID" retry --group two
	[ "$output" = bad ]
	[ "$stderr" = 'dgrid: queued 1 of 3 again; 1 had succeeded (--force queues those too), 1 had not ended' ]
	run -0 --separate-stderr "$DGRID" retry --force --group two
	[ "$output" = good ]
	run -0 --separate-stderr "$DGRID" retry --group sweep --state archived
	[[ "$stderr" == 'dgrid: queued 0 of '*' again; '*' had left for the archive (submit them anew)' ]]
}

@test "get, files and keep of a group: a folder each, one fetch; those that left nothing are passed by" {
	sweep
	run -0 --separate-stderr "$DGRID" get --group sweep -o results
	[ "$(cat results/s1/f results/s2/f results/s3/f)" = $'1\n2\n3' ]
	[ ! -e results/s4 ]
	[[ "$stderr" == $'dgrid: 1 task has not ended yet\ndgrid: 1 task has no files' ]]
	run -0 --separate-stderr "$DGRID" files --group sweep
	[[ "$output" == $'==> s1 <==\n- '*$' f\n'*'==> s3 <=='* ]]
	[ "$("$DGRID" files --json s1 s2 | ids)" = 's1 s2' ]
	run -66 --separate-stderr "$DGRID" files s1 s4
	[[ "$output" == *'==> s1 <=='* && "$stderr" == *"s4: task 's4' left no files"* ]]
	run -66 --separate-stderr "$DGRID" get --tasks -o again s1 s99 s2
	[ "$(cat again/s1/f again/s2/f)" = $'1\n2' ]
	"$DGRID" keep --group sweep --state success
	[ "$(git -C "$ORIGIN" for-each-ref refs/dgrid/keep | wc -l)" = 3 ]
	run -64 "$DGRID" keep --as best s1 s2
	run -64 "$DGRID" get --group sweep -o -
}

@test "far away thirty tasks are one look: logs, show and get ask the remote as often as for one" {
	start_http_git
	git -C "$ORIGIN" config uploadpack.allowFilter true
	grid_settings '"keep_finished": 1'
	for i in $(seq -w 1 12); do echo "{\"task_id\": \"h$i\", \"timeout_seconds\": 20, \"script\": \"echo $i; echo $i >/out/f\"}" >"h$i.json"; done
	submit --group http h*.json
	once
	"$DGRID" maintain
	[ "$(archived | wc -w)" = 11 ]
	export DGRID_REPO_URL=$HTTP_URL GIT_TOKEN
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	asked() { # COMMAND...: how many connections it made
		rm -f "$T/trace"
		GIT_TRACE2_EVENT=$T/trace "$@" >"$T/out" 2>"$T/err"
		grep -c '"event":"start".*"git-remote-http"\|"event":"start".*remote-http"' "$T/trace"
	}
	export XDG_CACHE_HOME=$T/one
	one=$(asked "$DGRID" logs h01)
	export XDG_CACHE_HOME=$T/all
	all=$(asked "$DGRID" logs --group http)
	[ "$(grep -c '^==> h' "$T/out")" = 12 ]
	[ "$one" -gt 0 ]
	[ "$all" -le $((one + 1)) ] || { echo "one: $one, all: $all"; false; }
	[ "$(asked "$DGRID" show h01 h02 h03 h04 h05 h06)" -le "$one" ]
	export XDG_CACHE_HOME=$T/got
	got=$(asked "$DGRID" get --group http -o got)
	[ "$(cat got/*/f | wc -l)" = 12 ]
	[ "$got" -le $((all + 4)) ] || { echo "all: $all, got: $got"; false; }
}

@test "the options are offered by completions, and stand in each verb's help" {
	for verb in status wait cancel retry logs show why get keep files; do
		run -0 "$DGRID" completions --answer -- "$verb" --gr
		[[ "$output" == $'--group\t'* ]]
		"$DGRID" "$verb" --help | grep -q '^      --since T '
	done
	run -0 "$DGRID" completions --answer -- submit --me
	[[ "$output" == *$'--memory\t'* && "$output" == *$'--metadata\t'* ]]
	run -0 "$DGRID" completions --answer -- logs --state run
	[[ "$output" == $'running\t'* ]]
}
