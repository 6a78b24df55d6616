#!/usr/bin/env bash
# All the tests: unit tests with both builds; then, several at a time, documents, packages, frauds, browser, bats with the sanitizer
# build or with ./dgrid where engines, times and memory are a file's matter, and what reads the source.
# As root it starts a private dockerd for them. DGRID_STRICT=1: a skipped test is a failure.
# DGRID_JOBS: how many at a time. DGRID_ALL=1: all of bats with both programs. The last line says "N passed, N failed[, N skipped]".
# shellcheck disable=SC2317 # functions called by name, through job and wait_until
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
MAKE=${MAKE:-make}
STRICT=${DGRID_STRICT:-0}
CPUS=$(getconf _NPROCESSORS_ONLN)
JOBS=${DGRID_JOBS:-$((CPUS * 2))} # they wait for most of their time
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
skip() { # NAME WHY
	if [[ $STRICT == 1 ]]; then
		fail "$1: skipped ($2), which DGRID_STRICT=1 forbids"
	else
		echo "ok $1 # skip $2"
		skipped=$((skipped + 1))
	fi
}
took() { # NAME SINCE: for the list of the slowest
	echo "$(((${EPOCHREALTIME/./} - $2) / 1000)) $1" >>"$work/times"
}
tally() { # NAME OUTPUT RC: counts the "ok NAME", "ok NAME # skip WHY" and "not ok NAME" lines of what ended with RC
	local p f s plan
	cat "$2"
	read -r p f s plan < <(awk '
		/^1\.\.[0-9]+$/ { plan = substr($0, 4) }
		/^ok / { if (tolower($0) ~ / # skip/) s++; else p++ }
		/^not ok / { f++ }
		END { print p + 0, f + 0, s + 0, plan == "" ? p + f + s : plan }' "$2")
	awk -v of="$1" '/^not ok / { print $0 " (" of ")" }' "$2" >>"$work/failures"
	sed -n -E 's/^(not )?ok [0-9]+ (.*) in ([0-9]+)ms.*/\3 \2/p' "$2" >>"$work/times"
	passed=$((passed + p)) failed=$((failed + f))
	if ((plan != p + f + s)); then
		fail "$1: planned $plan, saw $((p + f + s))"
	elif ((p + f + s == 0 || ($3 != 0 && f == 0))); then
		fail "$1: it ended with $3"
	fi
	if [[ $STRICT != 1 ]]; then
		skipped=$((skipped + s))
	elif ((s > 0)); then
		fail "$1: $s skipped, which DGRID_STRICT=1 forbids"
	fi
}
one() { # NAME COMMAND...: as a test
	local name=$1 out
	shift
	if out=$("$@" 2>&1); then
		sed '/./s/^/# /;/^$/d' <<<"$out"
		echo "ok $name"
	else
		echo "$out"
		echo "not ok $name"
	fi
}

# What needs no order is queued, and run JOBS at a time: job NAME COMMAND..., which prints what tally counts.
queue=()
declare -A commands=() names=() starts=()
job() {
	queue+=("$1")
	printf -v "commands[$1]" '%q ' "${@:2}"
}
run_queue() {
	local name
	set -m # each a process group of its own, which ends as a whole
	for name in "${queue[@]}"; do
		if ((${#names[@]} >= JOBS)); then ended_one; fi
		{
			eval "${commands[$name]}"
			rc=$?
			times >"$work/cpu.${name//\//.}"
			exit "$rc"
		} >"$work/job.${name//\//.}" 2>&1 </dev/null &
		names[$!]=$name starts[$!]=${EPOCHREALTIME/./}
	done
	while ((${#names[@]})); do ended_one; done
}
ended_one() {
	local pid rc name
	wait -n -p pid "${!names[@]}"
	rc=$? name=${names[$pid]}
	unset "names[$pid]"
	note "$name"
	took "$name ($(awk -F '[ms ]+' 'NR == 2 { printf "%.0f", $1 * 60 + $2 + $3 * 60 + $4 }' "$work/cpu.${name//\//.}") s of processor time)" "${starts[$pid]}"
	tally "$name" "$work/job.${name//\//.}" "$rc"
}

cleanup() {
	local pid
	for pid in "${!names[@]}"; do kill -- "-$pid"; done 2>/dev/null
	if ((${#names[@]})); then wait "${!names[@]}"; fi 2>/dev/null
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
	"$MAKE" -j "$CPUS" --no-print-directory -s "$@" unit >"$work/unit" 2>&1
	rc=$?
	cat "$work/unit"
	read -r p f < <(sed -n -E 's/^test_[A-Za-z0-9_]+: ([0-9]+) passed, ([0-9]+) failed.*/\1 \2/p' "$work/unit" |
		awk '{ p += $1; f += $2 } END { print p + 0, f + 0 }')
	passed=$((passed + p)) failed=$((failed + f))
	sed -n -E "s/^(test_[A-Za-z0-9_]+: .* [1-9][0-9]* failed.*)/not ok unit tests ($label): \1/p" "$work/unit" >>"$work/failures"
	if ((rc != 0 && f == 0)); then fail "unit tests ($label): make unit ended with $rc"; fi
}

# The sanitized program, or the plain one where engines, times and memory are a file's matter (the tag plain says so). A
# file's own tests run one after another; by GNU parallel, under which a test hears SIGINT.
bats_file() { # FILE PROGRAM SAN [OPTION...]
	DGRID=$2 DGRID_SAN=$3 BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-$(scaled 300)} bats --jobs 2 --no-parallelize-within-files --timing --formatter tap "${@:4}" "$1"
}
bats_jobs() {
	local files f plain=() rest=()
	# The longest first: those that have to do with times, then by what they have.
	mapfile -t files < <(
		grep -l '^# bats .*tags=.*plain' bats/*.bats
		wc -c bats/*.bats bats/once/*.bats | sort -rn | awk '$2 != "total" { print $2 }'
	)
	mapfile -t files < <(printf '%s\n' "${files[@]}" | awk '!seen[$0]++')
	if [[ ${DGRID_ALL:-0} != 1 ]]; then plain=(--filter-tags plain) rest=(--filter-tags '!plain'); fi
	for f in "${files[@]}"; do
		if [[ $f == bats/once/* ]]; then
			job "$f" bats_file "$f" "$PWD/dgrid" 0
			continue
		fi
		if ((!sanitized)) || [[ ${DGRID_ALL:-0} == 1 ]]; then
			job "$f (plain)" bats_file "$f" "$PWD/dgrid" 0
		elif grep -q '^# bats .*tags=.*plain' "$f"; then
			job "$f (plain)" bats_file "$f" "$PWD/dgrid" 0 "${plain[@]}"
		fi
		if ((sanitized)) && ! { ((${#rest[@]})) && grep -q '^# bats file_tags=.*plain' "$f"; }; then
			job "$f" bats_file "$f" "$PWD/build/san/dgrid" 1 "${rest[@]}"
		fi
	done
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

# What is built here, and again by the tests of builds and documents, is compiled once.
if [[ -d /usr/lib/ccache ]]; then
	export CCACHE_DIR=$work/ccache CCACHE_NOHASHDIR=1
	PATH=/usr/lib/ccache:$PATH
fi
note "building"
builds=1
"$MAKE" -j "$CPUS" --no-print-directory -s all build/tests/honest build/tests/json_judge >"$work/build" 2>&1 || builds=0
cat "$work/build"
if ((builds)); then
	units "plain"
else
	fail "build"
	finish
fi
sanitized=1
if echo 'int main(void) { return 0; }' |
	"${CC:-cc}" -fsanitize=address,undefined -x c -o "$work/probe" - >/dev/null 2>&1 && "$work/probe"; then
	# To look for leaks at each end takes half of a short life's time: the units do, and the bats that ask for it.
	export ASAN_OPTIONS=${ASAN_OPTIONS:-exitcode=99} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
	if "$MAKE" -j "$CPUS" --no-print-directory -s SAN=1 all; then
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
		one "image dgrid-test:1 for docker" import_image docker >"$work/image.said" 2>&1
		tally "docker" "$work/image.said" 0
	else
		skip "private dockerd" "it does not start here"
	fi
fi
if [[ $(id -u) == 0 ]] && command -v podman >/dev/null && ! podman image exists dgrid-test:1; then
	podman_image=1
	one "image dgrid-test:1 for podman" import_image podman >"$work/image.said" 2>&1
	tally "podman" "$work/image.said" 0
fi

if command -v python3 >/dev/null && command -v bwrap >/dev/null && python3 -c 'import yaml' 2>/dev/null; then
	job documents python3 tests/docs/run.py --jobs 2
else
	skip "documents" "python3, its yaml or bwrap is not installed"
fi
job packaging "$MAKE" --no-print-directory -s packaging
if command -v python3 >/dev/null && command -v ssh-keygen >/dev/null; then
	job tamper bash tests/tamper/run.sh 200
else
	skip "tamper" "python3 or ssh-keygen is not installed"
fi
if command -v node >/dev/null && command -v npm >/dev/null && command -v java >/dev/null && [[ -n $(type -P chromium chromium-browser google-chrome) ]]; then
	job browser bash tests/browser/run.sh
else
	skip "browser" "chromium, node, npm or java is not installed"
fi
if command -v python3 >/dev/null && command -v bwrap >/dev/null; then
	job chaos one "faults, for a moment" bash tests/chaos/run.sh 15 4 60
else
	skip "chaos" "python3 or bwrap is not installed"
fi
if command -v bats >/dev/null && command -v parallel >/dev/null; then
	bats_jobs
else
	skip "bats" "bats or parallel is not installed"
fi
if command -v spin >/dev/null; then
	job model one "model" sh tests/model/check.sh
else
	skip "model" "spin is not installed"
fi
if command -v python3 >/dev/null; then
	job json one "JSON, 100,000 documents against two other parsers" python3 tests/json_differ.py build/tests/json_judge
else
	skip "JSON against other parsers" "python3 is not installed"
fi
if command -v npm >/dev/null && command -v shellcheck >/dev/null && python3 -c 'import yaml' 2>/dev/null; then
	job workflows one "workflows" bash tests/workflows.sh
else
	skip "workflows" "npm, shellcheck or python3's yaml is not installed"
fi
if command -v shellcheck >/dev/null; then
	job shellcheck one "shellcheck" check_shell
else
	skip "shellcheck" "shellcheck is not installed"
fi
if ! command -v clang-format >/dev/null; then
	skip "clang-format" "clang-format is not installed"
elif [[ $STRICT != 1 && $(clang-format --version) != *"version 14."* ]]; then
	skip "clang-format" "not version 14"
else
	job clang-format one "clang-format" "$MAKE" --no-print-directory -s format-check
fi
job layers one "layers" sh tests/layers.sh
run_queue
finish
