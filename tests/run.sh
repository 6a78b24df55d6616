#!/usr/bin/env bash
# All the tests: layers, formatting, shellcheck, unit tests with both builds, bats with the
# sanitizer build, or with ./dgrid where engines, times and memory are a file's matter.
# As root it starts a private dockerd for them. DGRID_STRICT=1: a skipped test is a failure.
# DGRID_JOBS: files of bats at once. DGRID_ALL=1: all of bats with both programs. The last line says "N passed, N failed[, N skipped]".
# shellcheck disable=SC2317 # functions called by name, through count and wait_until
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
MAKE=${MAKE:-make}
STRICT=${DGRID_STRICT:-0}
JOBS=${DGRID_JOBS:-$(($(getconf _NPROCESSORS_ONLN) + 1))} # they wait for most of their time
PATH=$PATH:/usr/sbin:/sbin
passed=0 failed=0 skipped=0
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-test.XXXXXX") || exit 1
podman_image=''
# shellcheck source=tests/dockerd.sh
. tests/dockerd.sh
DGRID_TEST_SCALE=$(machine_scale)
export DGRID_TEST_SCALE
: >"$work/times"
: >"$work/failures"

note() { printf '# %s\n' "$*"; }
fail() { # WHAT: one more; the end of the output names them all
	echo "not ok $1"
	echo "not ok $1" >>"$work/failures"
	failed=$((failed + 1))
}
took() { # NAME SINCE: for the list of the slowest
	echo "$(((${EPOCHREALTIME/./} - $2) / 1000)) $1" >>"$work/times"
}
count() { # NAME COMMAND...: one test
	local name=$1 since=${EPOCHREALTIME/./}
	shift
	if "$@" >"$work/out" 2>&1; then
		echo "ok $name"
		passed=$((passed + 1))
	else
		cat "$work/out"
		fail "$name"
	fi
	took "$name" "$since"
}
failed_in() { # OUTPUT with "not ok NAME" lines
	grep '^not ok ' "$1" >>"$work/failures"
	failed=$((failed + $(grep -c '^not ok ' "$1")))
}
lines() { # NAME COMMAND...: counts its "ok NAME", "ok NAME # skip WHY" and "not ok NAME" lines
	local name=$1 rc since=${EPOCHREALTIME/./}
	shift
	"$@" >"$work/lines" 2>&1
	rc=$?
	took "$name" "$since"
	cat "$work/lines"
	failed_in "$work/lines"
	passed=$((passed + $(grep '^ok ' "$work/lines" | grep -vc ' # skip ')))
	skipped=$((skipped + $(grep -c '^ok .* # skip ' "$work/lines")))
	if ! grep -q '^\(not \)\?ok ' "$work/lines" || { ((rc != 0)) && ! grep -q '^not ok ' "$work/lines"; }; then
		fail "$name: the script ended with $rc"
	fi
}
skip() { # NAME WHY
	if [[ $STRICT == 1 ]]; then
		fail "$1: skipped ($2), which DGRID_STRICT=1 forbids"
	else
		echo "ok $1 # skip $2"
		skipped=$((skipped + 1))
	fi
}

# What takes one processor and no deadline runs beside others: beside NAME COMMAND..., and later NAME's lines are those
# of `said NAME`.
declare -A pids=()
beside() {
	local name=$1
	shift
	{
		"$@"
		echo $? >"$work/beside.$name.rc"
	} >"$work/beside.$name" 2>&1 </dev/null &
	pids[$name]=$!
}
said() {
	wait "${pids[$1]}"
	unset "pids[$1]"
	cat "$work/beside.$1"
	return "$(<"$work/beside.$1.rc")"
}

cleanup() {
	for pid in "${pids[@]}"; do kill "$pid"; done 2>/dev/null
	stop_dockerd
	if [[ -n $podman_image ]]; then podman rmi --force dgrid-test:1 >/dev/null 2>&1; fi
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

units() { # LABEL MAKE-ARGUMENTS...: counts "test_NAME: N passed, N failed" lines
	local label=$1 rc p f
	shift
	note "unit tests ($label)"
	"$MAKE" --no-print-directory -s "$@" unit >"$work/unit" 2>&1
	rc=$?
	cat "$work/unit"
	read -r p f < <(sed -n -E 's/^test_[A-Za-z0-9_]+: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$work/unit" |
		awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
	passed=$((passed + p)) failed=$((failed + f))
	sed -n -E "s/^(test_[A-Za-z0-9_]+: .* [1-9][0-9]* failed.*)/not ok unit tests ($label): \1/p" "$work/unit" >>"$work/failures"
	if ((rc != 0 && f == 0)); then fail "unit tests ($label): make unit ended with $rc"; fi
}

bats_pass() { # LABEL PROGRAM SAN FOLDER [OPTION...]
	local label=$1 rc p f s plan files=()
	note "bats ($label)"
	# The longest first, by what they have; a file's own tests one after another, or each would have all the others beside it.
	mapfile -t files < <(wc -c "$4"/*.bats | sort -rn | awk '$2 != "total" { print $2 }')
	DGRID=$2 DGRID_SAN=$3 BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$(scaled 300)} \
		bats --jobs "$JOBS" --no-parallelize-within-files --timing --formatter tap "${@:5}" "${files[@]}" 2>&1 </dev/null | tee "$work/tap"
	rc=${PIPESTATUS[0]}
	read -r p f s plan < <(awk '
		/^1\.\.[0-9]+$/ { plan = substr($0, 4) }
		/^ok / { if (tolower($0) ~ /# skip/) s++; else p++ }
		/^not ok / { f++ }
		END { print p + 0, f + 0, s + 0, plan + 0 }' "$work/tap")
	sed -n -E "s/^(not )?ok [0-9]+ (.*) in ([0-9]+)ms.*/\3 \2 ($label)/p" "$work/tap" >>"$work/times"
	passed=$((passed + p))
	failed_in "$work/tap"
	if ((plan != p + f + s)); then
		fail "bats ($label): planned $plan, saw $((p + f + s))"
	elif ((rc != 0 && f == 0)); then
		fail "bats ($label): bats ended with $rc"
	fi
	if [[ $STRICT == 1 ]]; then
		if ((s > 0)); then fail "bats ($label): $s skipped, which DGRID_STRICT=1 forbids"; fi
	else
		skipped=$((skipped + s))
	fi
}

# 100,000 documents, the same ones each time.
differ() {
	"$MAKE" --no-print-directory -s build/tests/json_judge && python3 tests/json_differ.py build/tests/json_judge
}

shell_files() {
	local f
	for f in .ci/* scripts/* tests/*.sh tests/*/*.sh tests/docs/bin/* bench/*.sh examples/* packaging/*/*; do
		if [[ -f $f ]] && head -n 1 "$f" | grep -Eq '^#!.*[/ ](ba|da)?sh( |$)'; then printf '%s\n' "$f"; fi
	done
	for f in bats/*.bash bats/*.bats bats/once/*.bats; do if [[ -f $f ]]; then printf '%s\n' "$f"; fi; done
}
check_shell() {
	local files
	mapfile -t files < <(shell_files | grep -v "^bats/\|\.bats$")
	shellcheck -x -P SCRIPTDIR "${files[@]}" || return 1
	# bats runs each test in a subshell with set -e, and calls functions by name
	mapfile -t files < <(shell_files | grep "^bats/\|\.bats$")
	shellcheck -x -P SCRIPTDIR -e SC2030,SC2031,SC2164,SC2317 "${files[@]}"
}
finish() {
	local line="$passed passed, $failed failed"
	if ((skipped > 0)); then line="$line, $skipped skipped"; fi
	note "the slowest"
	sort -rn "$work/times" | awk 'NR <= 10 { ms = $1; sub(/^[0-9]+ /, ""); printf "# %7.1f s  %s\n", ms / 1000, $0 }'
	if [[ -s $work/failures ]]; then
		note "what failed"
		head -n 100 "$work/failures" | sed 's/^/# /'
	fi
	cleanup
	trap - EXIT
	echo "$line"
	if ((failed == 0 && passed > 0)); then exit 0; fi
	exit 1
}

sh scripts/install-deps.sh test || note "tests whose tools are missing are skipped"
# An interpreter that a shim looks for anew at each call costs more than what it is called for.
if command -v python3 >/dev/null; then
	mkdir "$work/bin"
	ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$work/bin/python3"
	PATH=$work/bin:$PATH
fi
note "deadlines at $DGRID_TEST_SCALE % of a quiet machine's"

count "layers" sh tests/layers.sh
if ! command -v clang-format >/dev/null; then
	skip "clang-format" "clang-format is not installed"
elif [[ $STRICT != 1 && $(clang-format --version) != *"version 14."* ]]; then
	skip "clang-format" "not version 14"
else
	count "clang-format" "$MAKE" --no-print-directory -s format-check
fi
if command -v shellcheck >/dev/null; then
	count "shellcheck" check_shell
else
	skip "shellcheck" "shellcheck is not installed"
fi

if command -v npm >/dev/null && command -v shellcheck >/dev/null && python3 -c 'import yaml' 2>/dev/null; then
	count "workflows" bash tests/workflows.sh
else
	skip "workflows" "npm, shellcheck or python3's yaml is not installed"
fi

# What is built here, and again by the tests of builds and documents, is compiled once.
if [[ -d /usr/lib/ccache ]]; then
	export CCACHE_DIR=$work/ccache CCACHE_NOHASHDIR=1
	PATH=/usr/lib/ccache:$PATH
fi
note "building"
builds=1
"$MAKE" --no-print-directory -s all >"$work/build" 2>&1 || builds=0
cat "$work/build"
if ((builds)); then
	units "plain"
	if command -v python3 >/dev/null; then
		count "JSON, 100,000 documents against two other parsers" differ
		sed -n 's/^/# /p' "$work/out"
	else
		skip "JSON against other parsers" "python3 is not installed"
	fi
else
	fail "build"
	finish
fi
sanitized=1
if echo 'int main(void) { return 0; }' |
	"${CC:-cc}" -fsanitize=address,undefined -x c -o "$work/probe" - >/dev/null 2>&1 && "$work/probe"; then
	# To look for leaks at each end takes half of a short life's time: the units do, and the bats that ask for it.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
	if "$MAKE" --no-print-directory -s SAN=1 all; then
		units "sanitized" SAN=1
	else
		fail "sanitizer build"
		sanitized=0
	fi
else
	skip "sanitizer build" "this compiler has no address sanitizer"
	sanitized=0
fi

if [[ $(id -u) == 0 ]] && command -v dockerd >/dev/null && command -v docker >/dev/null; then
	if start_dockerd; then
		count "image dgrid-test:1 for docker" import_image docker
	else
		skip "private dockerd" "it does not start here"
	fi
fi
if [[ $(id -u) == 0 ]] && command -v podman >/dev/null && ! podman image exists dgrid-test:1; then
	podman_image=1
	count "image dgrid-test:1 for podman" import_image podman
fi
beside packaging "$MAKE" --no-print-directory -s packaging
if command -v spin >/dev/null; then
	count "model" sh tests/model/check.sh
	sed -n 's/^/# /p' "$work/out"
else
	skip "model" "spin is not installed"
fi
if command -v python3 >/dev/null && command -v bwrap >/dev/null; then
	note "faults, for a moment"
	count "chaos" bash tests/chaos/run.sh 15 4 60
	sed -n 's/^/# /p' "$work/out"
else
	skip "chaos" "python3 or bwrap is not installed"
fi
if command -v python3 >/dev/null && command -v ssh-keygen >/dev/null; then
	note "frauds, before the audit and before the hook; and honest histories"
	lines tamper bash tests/tamper/run.sh 200
else
	skip "tamper" "python3 or ssh-keygen is not installed"
fi
if command -v node >/dev/null && command -v npm >/dev/null && command -v java >/dev/null && [[ -n $(type -P chromium chromium-browser google-chrome) ]]; then
	note "the dashboard in a browser"
	lines browser bash tests/browser/run.sh
else
	skip "browser" "chromium, node, npm or java is not installed"
fi
if command -v python3 >/dev/null && command -v bwrap >/dev/null && python3 -c 'import yaml' 2>/dev/null; then
	note "the documents, typed"
	lines documents python3 tests/docs/run.py --jobs "$JOBS"
else
	skip "documents" "python3, its yaml or bwrap is not installed"
fi
note "packaging"
lines packaging said packaging
if ! command -v bats >/dev/null; then
	skip "bats" "bats is not installed"
	finish
fi
command -v parallel >/dev/null || JOBS=1
# With the sanitizers; but with the plain program where engines, times and memory are a file's matter (its tag says so).
plain=() rest=()
if ((sanitized)); then
	[[ ${DGRID_ALL:-0} == 1 ]] || { plain=(--filter-tags plain) && rest=(--filter-tags '!plain'); }
	bats_pass "sanitized" "$PWD/build/san/dgrid" 1 bats "${rest[@]}"
fi
bats_pass "plain" "$PWD/dgrid" 0 bats "${plain[@]}"
bats_pass "what needs to run but once" "$PWD/dgrid" 0 bats/once
finish
