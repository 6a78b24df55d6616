#!/usr/bin/env bats
# shellcheck disable=SC2016,SC2154 # sh -c texts are for the inner shell; bats sets stderr
# The grid over HTTP with a token and over SSH: races there too, and a token that shows nowhere.

setup() {
	load helpers
	common_setup
	require_bwrap
	DGRID_REPO_URL=$ORIGIN "$DGRID" init
}
teardown() { common_teardown; }

race() { # WORKERS TASKS
	local n i
	mkdir "$T/tasks"
	for i in $(seq "$2"); do
		printf '{"task_id": "t%s", "script": "echo %s", "timeout_seconds": 60}' "$i" "$i" >"$T/tasks/t$i.json"
	done
	"$DGRID" submit "$T"/tasks/*.json >/dev/null
	for n in $(seq "$1"); do
		spawn "$T/log$n" "$DGRID" worker --node-id "n$n" --slots 4 --engine bwrap --once --work-dir "$T/w$n"
	done
	wait_until 120 ended_all "$2"
	[ -z "$(ledger_ls in_progress)$(ledger_ls queue)$(ledger_ls failed)" ]
	[ "$(cat "$T"/log? | grep -c 'ended: success')" = "$2" ]
}
ended_all() { [ "$(ledger_ls completed | wc -l)" = "$1" ]; }

@test "three workers race over HTTP; the token shows in no process, log, file, commit or message" {
	start_http_git
	GIT_TOKEN=$(<"$HTTP_PASSWORD_FILE")
	export GIT_TOKEN DGRID_REPO_URL=$HTTP_URL LOG_LEVEL=debug
	# All command lines there are, looked at while the grid works.
	spawn "$T/ps.log" python3 -u -c 'import glob, sys
token = open(sys.argv[1], "rb").read()
while True:
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            line = open(path, "rb").read()
        except OSError:
            continue
        if token in line: print(path, line)' "$HTTP_PASSWORD_FILE"
	race 3 20
	[ ! -s "$T/ps.log" ]
	run -1 grep -rlF -- "$GIT_TOKEN" "$T"/log? "$T"/w? "$HOME"
	run -1 sh -c 'git --git-dir="$1" log -p --all | grep -F -- "$2"' sh "$ORIGIN" "$GIT_TOKEN"
	run -0 "$DGRID" status
	[[ "$output" != *"$GIT_TOKEN"* ]]
	# Nor in the error when it is refused, nor a password in the URL.
	rm "$T/http.users"
	echo 'x-access-token:changed' >"$T/http.users"
	run "$DGRID" submit --id x -- true
	[ "$status" -ne 0 ]
	[[ "$output" != *"$GIT_TOKEN"* ]]
	run "$DGRID" --repo "${HTTP_URL/:\/\//://me:hunter2@}" submit --id x -- true
	[ "$status" -ne 0 ]
	[[ "$output" != *hunter2* ]]
}

@test "two workers race over SSH" {
	start_sshd
	export DGRID_REPO_URL=$SSH_URL
	race 2 8
}
