#!/usr/bin/env bash
# Smoke tests for a CI job: a throwaway grid in a temporary folder runs scripts in parallel sandboxes.
#
#   ci-grid.sh [--jobs N] [--engine auto|docker|podman|bwrap] [--image I] [--timeout S] [--memory MB] [--pids N] PATTERN...
#
# A PATTERN is a file or a glob (** for any depth), from the current folder. Each file is run by sh, alone, without network
# and without the job's files: --image says what is there. Ends with 0 when all passed, 1 when one did not; 64 usage,
# 66 no script, 69 no engine. Needs jq, and dgrid: $DGRID, beside scripts/, or in the PATH.
#
# On GitHub (action.yml) it writes annotations, the job's summary and the outputs passed, failed and report. Whatever a script
# is called and prints, the log, the annotations and the summary stay ours: all of it goes through `said` or @html below.
set -euo pipefail
shopt -s nullglob globstar
cd "$(pwd -P)"

die() { # CODE MESSAGE
	if [[ -n ${GITHUB_ACTIONS:-} ]]; then
		jq -nr --arg text "$2" '"::error::" + ($text | gsub("%"; "%25") | gsub("\r"; "%0D") | gsub("\n"; "%0A"))'
	else
		printf 'ci-grid: %s\n' "$2" >&2
	fi
	exit "$1"
}
number() { # NAME VALUE MIN MAX
	if ! [[ $2 =~ ^[1-9][0-9]{0,6}$ ]] || (($2 < $3 || $2 > $4)); then
		die 64 "$1: expected a whole number from $3 to $4, found '$2'"
	fi
}
command -v jq >/dev/null || { echo 'ci-grid: jq is not installed' >&2 && exit 69; }

jobs=$(nproc 2>/dev/null || echo 2) engine=auto image=alpine:3.22 timeout=60 memory=512 pids=64
while (($#)); do
	case $1 in
	--jobs | --engine | --image | --timeout | --memory | --pids)
		(($# > 1)) || die 64 "$1: a value is missing"
		[[ -z $2 ]] || declare "${1#--}=$2" # an empty input of the action is its default
		shift 2
		;;
	--) shift && break ;;
	-*) die 64 "unknown option '$1'" ;;
	*) break ;;
	esac
done
number --jobs "$jobs" 1 256
number --timeout "$timeout" 1 86400
number --memory "$memory" 16 1048576
number --pids "$pids" 3 4096
[[ $engine =~ ^(auto|docker|podman|bwrap)$ ]] || die 64 "--engine: expected auto, docker, podman or bwrap, found '$engine'"
[[ $image =~ ^[A-Za-z0-9][A-Za-z0-9./:@_-]*$ ]] || die 64 "--image: expected an image name such as alpine:3.22, found '$image'"

files=()
declare -A seen=()
for pattern; do
	[[ -n $pattern ]] || continue
	before=${#files[@]}
	IFS='' # a pattern is one, whatever stands in it
	# shellcheck disable=SC2206
	found=($pattern)
	unset IFS
	for file in "${found[@]}"; do
		[[ -f $file && -z ${seen[$file]:-} ]] || continue
		seen[$file]=1
		files+=("$file")
	done
	((${#files[@]} > before)) || [[ ${#found[@]} -gt 0 && -f ${found[0]} ]] || die 66 "no file matches '$pattern'"
done
((${#files[@]})) || die 66 "no scripts: name files or globs, one a line"

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [[ -z ${DGRID:-} ]]; then
	DGRID=$here/dgrid
	[[ -x $DGRID ]] || DGRID=$(command -v dgrid) || die 69 "dgrid is not there: make, or put it into the PATH"
fi
# The job's own settings are for the job's own grid, if it has one.
unset DGRID_REPO_URL DGRID_BRANCH GIT_TOKEN NODE_ID PULL_INTERVAL HEARTBEAT_INTERVAL DOCKER_CPUS DOCKER_MEMORY LOG_LEVEL LOG_FILE

work=$(mktemp -d "${RUNNER_TEMP:-${TMPDIR:-/tmp}}/ci-grid.XXXXXX")
worker=''
cleanup() {
	local try=0
	# The first TERM lets tasks end, the next ones do not.
	while [[ -n $worker ]] && kill -TERM "$worker" 2>/dev/null && ((try++ < 100)); do sleep 0.2; done
	rm -rf "$work/grid.git" "$work/clone" "$work/worker" "$work/results"
	[[ -n ${GITHUB_OUTPUT:-} ]] || rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
grid() { "$DGRID" --repo "$work/grid.git" "$@"; }

export GIT_AUTHOR_NAME=ci GIT_AUTHOR_EMAIL=ci@localhost GIT_COMMITTER_NAME=ci GIT_COMMITTER_EMAIL=ci@localhost
git init -q --bare -b main "$work/grid.git"
grid init --ci none >"$work/said" 2>&1 || die 69 "$(cat "$work/said")"
git clone -q "$work/grid.git" "$work/clone"
jq -n --arg image "$image" --argjson timeout "$timeout" --argjson memory "$memory" --argjson pids "$pids" '{schema: 1,
	images: [$image], min_timeout_seconds: 1, max_timeout_seconds: $timeout, max_memory_mb: $memory, max_pids: $pids,
	output_limit_bytes: 32768, live_tail_bytes: 0, keep_finished: 100000}' >"$work/clone/grid.json"
git -C "$work/clone" commit -q -a -m 'Settings of this job'
git -C "$work/clone" push -q origin HEAD:main

# A script that cannot be a task (not UTF-8, empty, too long) has failed with the reason; the others run.
mkdir "$work/results"
n=0 ids=()
for file in "${files[@]}"; do
	n=$((n + 1))
	id=$n-$(basename -- "$file" | LC_ALL=C tr -c 'A-Za-z0-9_-' '-' | cut -c 1-50)
	id=${id%-}
	ids+=("$id")
	if grid submit --id "$id" --timeout "$timeout" --script "$file" >/dev/null 2>"$work/said"; then
		continue
	elif [[ $? == 65 ]]; then
		jq -n --rawfile why "$work/said" '{result: {status: "invalid", reason: $why}}' >"$work/results/$id"
	else
		die 69 "$(cat "$work/said")"
	fi
done

# It takes what there is, and ends: with 69 when its engine or the image is not to be had.
"$DGRID" --repo "$work/grid.git" worker --once --node-id ci --slots "$jobs" --engine "$engine" --work-dir "$work/worker" \
	>/dev/null 2>"$work/worker.log" </dev/null &
worker=$!
code=0
wait "$worker" || code=$?
worker=''

n=0
for id in "${ids[@]}"; do
	if [[ ! -e $work/results/$id ]]; then
		grid show --json "$id" >"$work/results/$id" || die 69 "the grid has lost $id"
	fi
	jq --arg file "${files[n]}" '(.result // {status: "not run", reason: "no worker took it"}) as $r |
		($r.status | if . == "failed" and $r.signal then "signal \($r.signal)" elif . == "failed" then "exit code \($r.exit_code)"
			elif . == "oom" then "out of memory" else . end) as $how |
		{file: $file, passed: ($r.status == "success"), how: $how, seconds: (($r.duration_ms // 0) / 100 | round / 10),
		 reason: ($r.reason // ""), engine: ($r.engine // ""), stdout: ($r.stdout // ""), stderr: ($r.stderr // "")}' "$work/results/$id"
	n=$((n + 1))
done | jq -s '{schema: 1, passed: map(select(.passed)) | length, failed: map(select(.passed | not)) | length, scripts: .}' >"$work/report.json"

# Text for a log: no escape sequence, no control character, no turn of the writing direction.
said='def clean: gsub("\u001b\\[[0-9;?]*[ -/]*[@-~]"; "") | gsub("(?![\n\t])[[:cntrl:]]"; "?") | gsub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]"; "?");
	def said: clean | gsub("[\n\t]"; "?");
	def data: said | gsub("%"; "%25");
	def property: data | gsub(":"; "%3A") | gsub(","; "%2C");
	def all: [.reason, .stdout, .stderr] | map(select(. != "") | rtrimstr("\n") | clean) | join("\n");'
quietly() { # prints stdin so that no line of it is a command to the runner
	local stop
	if [[ -z ${GITHUB_ACTIONS:-} ]]; then cat && return; fi
	stop=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
	printf '::stop-commands::%s\n' "$stop"
	cat
	printf '\n::%s::\n' "$stop"
}
report() { jq -r "$said $1" "$work/report.json"; }

report '.scripts[] | if .passed then "ok      \(.seconds) s  \(.file | said)" else "FAILED  \(.seconds) s  \(.file | said): \(.how)" end' | quietly
failed=$(jq '[.scripts[] | .passed | not] | indices(true)[]' "$work/report.json")
for k in $failed; do
	if [[ -n ${GITHUB_ACTIONS:-} ]]; then
		report ".scripts[$k] | \"::error file=\(.file | property),line=1,title=dgrid::\(.file | data): \(.how)\", \"::group::\(.file | data)\""
	fi
	report ".scripts[$k] | \"---- \(.file | said): \(.how)\", all" | quietly
	if [[ -n ${GITHUB_ACTIONS:-} ]]; then echo '::endgroup::'; fi
done
if [[ -n ${GITHUB_STEP_SUMMARY:-} ]]; then
	# A summary may have 1 MiB; the log has it all.
	report 'def code: "<code>\(said | @html)</code>";
		"### dgrid: \(.passed) passed, \(.failed) failed", "",
		"<table><tr><th></th><th>script</th><th>seconds</th><th></th></tr>",
		(.scripts | sort_by(.passed)[:500][] | "<tr><td>\(if .passed then "✅" else "❌" end)</td><td>\(.file | code)</td><td>\(.seconds)</td><td>\(if .passed then "" else .how end)</td></tr>"),
		"</table>", "",
		([.scripts[] | select(.passed | not)][:25][] |
			"<details><summary>\(.file | code): \(.how)</summary>", "", "<pre>", (all[-6000:] | @html), "</pre>", "", "</details>", "")' \
		>>"$GITHUB_STEP_SUMMARY"
fi
if [[ -n ${GITHUB_OUTPUT:-} ]]; then
	report '"passed=\(.passed)", "failed=\(.failed)"' >>"$GITHUB_OUTPUT"
	printf 'report=%s\n' "$work/report.json" >>"$GITHUB_OUTPUT"
fi
report '"\(.passed) passed, \(.failed) failed"'
if ((code != 0)); then
	quietly <"$work/worker.log"
	die 69 "the worker ended with $code: $(jq -Rrs 'split("\n") | map(select(. != "")) | last // "no reason said"' "$work/worker.log")"
fi
[[ -z $failed ]]
