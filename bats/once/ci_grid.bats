#!/usr/bin/env bats
# shellcheck disable=SC2016 # texts for other shells, and names that look like commands
# scripts/ci-grid.sh and action.yml: smoke tests in a CI job. The runner's variables are made up, the rest is real.

setup() {
	load ../helpers
	common_setup
	CI_GRID=$REPO_ROOT/scripts/ci-grid.sh
	VERSION=$(sed -n 's/.*DGRID_VERSION "\(.*\)"/\1/p' "$REPO_ROOT/base/version.h")
	mkdir -p ws/tests
	cd ws
	unset GITHUB_ACTIONS GITHUB_OUTPUT GITHUB_STEP_SUMMARY GITHUB_WORKSPACE RUNNER_TEMP
}
teardown() { common_teardown; }

on_github() {
	mkdir -p "$T/temp"
	export GITHUB_ACTIONS=true GITHUB_OUTPUT=$T/outputs GITHUB_STEP_SUMMARY=$T/summary.md RUNNER_TEMP=$T/temp
}
ci_grid() { bash "$CI_GRID" --engine bwrap "$@"; }
# The lines that the runner would read as commands: those outside of ::stop-commands::TOKEN ... ::TOKEN::
commands() {
	printf '%s\n' "$output" | awk '
		stop == "" && /^[ \t]*::stop-commands::[0-9a-f]+$/ { sub(/.*::/, ""); stop = $0; next }
		stop != "" { if ($0 == "::" stop "::") stop = ""; next }
		/::|##\[/ { print }
		END { if (stop != "") print "never resumed" }'
}
nothing_left() {
	[ -z "$(find "${RUNNER_TEMP:-$T}" -name '*.git' -path '*ci-grid*')" ]
	run pgrep -f "$T.*ci-grid"
	[ "$status" = 1 ]
}

@test "scripts run at once in sandboxes; the count, and the outputs of those that failed" {
	require_bwrap
	for n in 1 2; do echo "echo fine $n" >tests/ok-$n.sh; done
	for n in 1 2; do echo 'echo "from $(date +%s%N)"; sleep 2; echo "to $(date +%s%N)"; exit 1' >tests/both-$n.sh; done
	printf 'echo before; echo why >&2; exit 7\n' >'tests/bad one.sh'
	echo 'sleep 60' >tests/long.sh
	mkdir tests/deep && echo 'touch /etc/x || exit 3' >tests/deep/writes.sh
	run -1 ci_grid --jobs 8 --timeout 5 'tests/**/*.sh' 'tests/ok-1.sh'
	# The later of the two began before the earlier ended.
	printf '%s\n' "$output" >out
	[ "$(sed -n 's/^from //p' out | sort -n | tail -n 1)" -lt "$(sed -n 's/^to //p' out | sort -n | head -n 1)" ]
	[[ "$output" == *"bad one.sh: exit code 7"*"before"*"why"* ]]
	[[ "$output" == *"long.sh: timeout"* && "$output" == *"deep/writes.sh: exit code 3"* ]]
	[[ "$output" != *"fine 1"* && "${lines[-1]}" == "2 passed, 5 failed" ]]
	nothing_left
}

@test "all passed: 0; nothing to run, and what cannot be an input, are said" {
	require_bwrap
	echo 'echo fine' >tests/ok.sh
	run -0 ci_grid tests/ok.sh
	[ "${lines[-1]}" = "1 passed, 0 failed" ]
	run -66 ci_grid 'tests/*.none'
	[[ "$output" == *"no file matches 'tests/*.none'"* ]]
	run -66 ci_grid ''
	[[ "$output" == *"no scripts"* ]]
	run -64 ci_grid --timeout 0 tests/ok.sh
	[[ "$output" == *"--timeout: expected a whole number from 1 to 86400, found '0'"* ]]
	run -64 ci_grid --engine chroot tests/ok.sh
	[[ "$output" == *"expected auto, docker, podman or bwrap"* ]]
	run -64 ci_grid --image '--privileged' tests/ok.sh
	[[ "$output" == *"--image: expected an image name"* ]]
	run -64 ci_grid --frobnicate tests/ok.sh
}

@test "an engine that is not to be had is no test that failed: 69, and what the worker said" {
	mkdir "$T/bin"
	printf '#!/bin/sh\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n' >"$T/bin/docker"
	chmod +x "$T/bin/docker"
	echo 'echo fine' >tests/ok.sh
	PATH=$T/bin:$PATH run -69 bash "$CI_GRID" --engine docker tests/ok.sh
	[[ "$output" == *"ok.sh: not run"*"0 passed, 1 failed"*"the worker ended with 69"* ]]
}

@test "a job that is cancelled takes everything along" {
	require_bwrap
	on_github
	echo 'echo begun; sleep 271' >tests/long.sh
	spawn "$T/log" bash "$CI_GRID" --engine bwrap --timeout 300 tests/long.sh
	sandbox() { pgrep -f 'sleep 271'; }
	wait_until 30 sandbox
	kill -TERM "$SPAWNED"
	wait_until 20 pid_ended "$SPAWNED"
	gone() { ! sandbox; }
	wait_until 10 gone
	nothing_left
}

# bats test_tags=docker
@test "in Docker, in an image of the job's own" {
	require_docker
	echo 'busybox | head -n 1; test ! -e /usr/bin/git' >tests/inside.sh
	run -0 bash "$CI_GRID" --engine docker --image dgrid-test:1 tests/inside.sh
	[ "${lines[-1]}" = "1 passed, 0 failed" ]
	echo 'exit 4' >tests/inside.sh
	run -1 bash "$CI_GRID" --engine docker --image dgrid-test:1 tests/inside.sh
	[[ "$output" == *"inside.sh: exit code 4"* ]]
}

@test "on GitHub: annotations, groups, summary, outputs, a report" {
	require_bwrap
	on_github
	echo 'echo fine' >tests/ok.sh
	printf 'echo oh no; exit 3' >tests/bad.sh
	run -1 ci_grid 'tests/*.sh'
	[[ "$(commands)" == "::error file=tests/bad.sh,line=1,title=dgrid::tests/bad.sh: exit code 3
::group::tests/bad.sh
::endgroup::" ]]
	[ "$(head -n 2 "$T/outputs")" = "$(printf 'passed=1\nfailed=1')" ]
	report=$(sed -n 's/^report=//p' "$T/outputs")
	[ "$(jq -r '.scripts[] | select(.passed | not) | .file + .stdout' "$report")" = "tests/bad.shoh no" ]
	grep -qx '### dgrid: 1 passed, 1 failed' "$T/summary.md"
	grep -q '<details><summary><code>tests/bad.sh</code>: exit code 3</summary>' "$T/summary.md"
	grep -qx 'oh no' "$T/summary.md"
	nothing_left
}

@test "hostile names and outputs: no command, no markup, no escape sequence, nothing run outside" {
	require_bwrap
	on_github
	local name
	for name in $'a\n::error::pwned\n::set-output name=x::y.sh' '$(touch pwned).sh' '`touch pwned`.sh' ';touch pwned;.sh' \
		$'b\r##[error]pwned.sh' '<img src=x onerror=alert(1)>.sh' $'\e]0;pwned\a.sh' '--pwned.sh' 'a,line=9,file=x:y%0A::pwned.sh'; do
		printf 'printf "\\n::error::pwned\\n::set-output name=x::y\\n##[error]pwned\\n\\033[2J</pre><script>x</script>\\n::add-mask::a\\n@everyone"; exit 1' >"tests/$name"
	done
	printf 'printf "::stop-commands::x\\n::x::\\n::error::pwned\\n" >&2; exit 1' >tests/stops.sh
	printf 'echo \xff\xfe; exit 1' >tests/bytes.sh
	: >tests/empty.sh
	run -1 ci_grid 'tests/*'
	commands | { ! grep -vE '^::(error file=[^:,]*,line=1,title=dgrid::.*|group::.*|endgroup::)$'; }
	[ "$(commands | grep -c '^::error ')" = 12 ]
	[[ "$output" != *$'\e'* && "$output" != *$'\r'* && "$output" != *$'\a'* ]]
	[ "$(wc -l <"$T/outputs")" = 3 ]
	{ ! grep -E '<(img|script)' "$T/summary.md"; }
	[ "$(grep -c '</pre>' "$T/summary.md")" = 12 ]
	{ ! grep -q $'\e' "$T/summary.md"; }
	[ -z "$(find "$T" -name pwned)" ]
	[[ "$output" == *"0 passed, 12 failed"* ]]
}

# runner: what a hosted machine has, and the action's checkout in $T/action.
runner() {
	require_bwrap
	python3 -c 'import yaml' || strict_skip "no yaml"
	mkdir -p "$T/bin" "$T/out" "$T/action"
	cp -r "$REPO_ROOT/action.yml" "$REPO_ROOT/scripts" "$T/action/"
	# make hands out the program under test; the image is built by nobody, and so the engine is bubblewrap.
	printf '#!/bin/sh\nwhile [ "$1" != -C ]; do shift; done\ncp "$STANDIN_DGRID" "$2/dgrid"\n' >"$T/bin/make"
	printf '#!/bin/sh\ncase $1 in build) exit 0 ;; esac\nexit 1\n' >"$T/bin/docker"
	printf '#!/bin/sh\nexit 1\n' >"$T/bin/podman"
	printf '#!/bin/sh\nexec "$@"\n' >"$T/bin/sudo"
	printf '#!/bin/sh\nexit 0\n' >"$T/action/scripts/install-deps.sh"
	chmod +x "$T"/bin/*
	export STANDIN_DGRID=$DGRID PATH=$T/bin:$PATH
}
context() { # USES
	printf '{"origin": "%s", "action": {"uses": "%s", "path": "%s"}, "github": {"event_name": "push", "repository": "you/app", "sha": "%s"}}' \
		"$T/ws" "$1" "$T/action" "$(git rev-parse HEAD)" >"$T/context.json"
}

@test "the workflow of docs/CI.md, with the action built from its own checkout" {
	runner
	sed -n '/^```yaml/,/^```$/p' "$REPO_ROOT/docs/CI.md" | sed '1d;$d' >"$T/smoke.yml"
	mkdir -p tests/smoke/deep
	echo 'echo fine' >tests/smoke/one.sh
	echo 'echo deep' >tests/smoke/deep/two.sh
	tgit init -q
	tgit add -A && tgit commit -qm smoke
	context "you/dgrid@v$VERSION"
	run -0 python3 "$REPO_ROOT/tests/workflow.py" github "$T/smoke.yml" "$T/context.json" "$T/out"
	[[ "$output" == *"2 passed, 0 failed"*"--- Run the scripts: ok"*"--- you/dgrid@v$VERSION: ok"* ]]
	grep -q '2 passed, 0 failed' "$T/out/summary.md"
	echo 'exit 9' >tests/smoke/one.sh
	tgit commit -qam worse
	context "you/dgrid@v$VERSION"
	run -1 python3 "$REPO_ROOT/tests/workflow.py" github "$T/smoke.yml" "$T/context.json" "$T/out"
	[[ "$output" == *"::error file=tests/smoke/one.sh"*"1 passed, 1 failed"*"--- you/dgrid@v$VERSION: failed"* ]]
}

@test "the job of this project's own CI that uses the action" {
	runner
	python3 - "$REPO_ROOT/.github/workflows/ci.yml" >"$T/ci.yml" <<-'PY'
		import sys, yaml
		flow = yaml.safe_load(open(sys.argv[1]))
		flow["jobs"] = {"action": flow["jobs"]["action"]}
		yaml.safe_dump(flow, sys.stdout, sort_keys=False)
	PY
	tgit init -q
	tgit commit -q --allow-empty -m start
	context ./
	run -0 python3 "$REPO_ROOT/tests/workflow.py" github "$T/ci.yml" "$T/context.json" "$T/out"
	[[ "$output" == *"2 passed, 0 failed"*"--- Both have passed: ok"* ]]
}
