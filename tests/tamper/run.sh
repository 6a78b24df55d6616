#!/usr/bin/env bash
# Frauds and honest histories before the audit and before the hook: a line "ok ..." or "not ok ..." each.
# usage: run.sh [HONEST-HISTORIES [SEED]]; DGRID: the program.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
count=${1:-1000}
dgrid=${DGRID:-$PWD/dgrid}
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-tamper.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
unset DGRID_REPO_URL DGRID_BRANCH GIT_DIR
rc=0
python3 tests/tamper/tamper.py audit "$dgrid" "$work/suite" || rc=1
python3 tests/tamper/tamper.py push "$dgrid" "$work/suite" || rc=1
if "${MAKE:-make}" --no-print-directory -s build/tests/honest >"$work/make" 2>&1; then
	if python3 tests/tamper/honest.py "$dgrid" build/tests/honest "$work/honest" "$count" ${2:+"$2"} >"$work/said" 2>&1; then
		echo "ok honest: no false alarm in $count histories"
	else
		echo "not ok honest: $count histories"
		rc=1
	fi
	sed 's/^/# /' "$work/said"
else
	cat "$work/make"
	echo "not ok honest: build/tests/honest does not build"
	rc=1
fi
exit $rc
