#!/usr/bin/env bash
# Which functions does no test run? Builds with gcov's counters (build/cov/), runs the unit tests and bats with that program,
# and prints the functions that nothing called and the share of lines that ran. usage: coverage.sh [BATS_FILE...]
# As root it starts a private dockerd, as tests/run.sh does. The whole of it takes long: it is no part of make test. Workers that
# a test kills with -9 write no counters; DGRID_JOBS: how many files of bats at a time.
# shellcheck disable=SC2317 # called by name
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
MAKE=${MAKE:-make}
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-coverage.XXXXXX") || exit 1
note() { printf '# %s\n' "$*"; }
# shellcheck source=tests/dockerd.sh
. tests/dockerd.sh
cleanup() {
	stop_dockerd
	rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

command -v gcov >/dev/null || { echo "coverage.sh: gcov is missing (it comes with gcc)" >&2; exit 69; }
find build/cov -name '*.gcda' -delete 2>/dev/null
"$MAKE" --no-print-directory -s COV=1 all || exit 1
# Sandboxed users write counters too.
chmod -R a+rwX build/cov
umask 0
note "unit tests"
"$MAKE" --no-print-directory -s COV=1 unit >"$work/unit" 2>&1 || tail -n 20 "$work/unit"
if [[ $(id -u) == 0 ]] && command -v dockerd >/dev/null && start_dockerd; then import_image docker >/dev/null; fi
files=("$@")
if ((${#files[@]} == 0)); then files=(bats/*.bats); fi
note "bats, ${#files[@]} files"
export DGRID=$PWD/build/cov/dgrid BATS_TEST_TIMEOUT=${BATS_TEST_TIMEOUT:-600}
# shellcheck disable=SC2016 # the inner shell expands it
printf '%s\0' "${files[@]}" | xargs -0 -n 1 -P "${DGRID_JOBS:-4}" \
	sh -c 'exec bats --formatter tap "$1" >"$0/tap.${1##*/}" 2>&1' "$work"
cat "$work"/tap.* | grep '^not ok' | sed 's/^/# /'
find build/cov/obj -name '*.gcda' -print0 | xargs -0 -r gcov --json-format --stdout >"$work/gcov.json" 2>"$work/gcov.err"
python3 - "$work/gcov.json" <<'PY'
import json
import os
import sys

lines, functions = {}, {}
with open(sys.argv[1], encoding="utf-8") as f:
    for text in f:  # a document a line
        if not text.startswith("{"):
            continue
        for source in json.loads(text)["files"]:
            name = os.path.relpath(source["file"])
            if name.startswith(("/", "..", "build/", "tests/")) or not name.endswith(".c"):
                continue
            for line in source["lines"]:
                key = (name, line["line_number"])
                lines[key] = lines.get(key, 0) + line["count"]
            for one in source["functions"]:
                key = (name, one["start_line"], one["name"])
                functions[key] = functions.get(key, 0) + one["execution_count"]
if not functions:
    sys.exit("coverage.sh: no counters were written")
unrun = sorted(k for k, n in functions.items() if not n)
for name, line, function in unrun:
    print(f"{name}:{line}: {function}")
ran = sum(n > 0 for n in lines.values())
print(f"{ran * 100 / len(lines):.1f} % of {len(lines)} lines ran; {len(unrun)} of {len(functions)} functions did not")
PY
