#!/bin/sh
# Checks the model with spin, and that its broken variants fail for the right reason. usage: check.sh
set -u
cd "$(dirname "$0")" || exit 1
model=$PWD/grid.pml
work=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-model.XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
explore() { # SPIN OPTIONS: its report in the file "report"
	rm -f pan*
	if ! spin -a "$@" "$model" >spin.out 2>&1 || ! "${CC:-cc}" -O2 -DSAFETY -DCOLLAPSE -o pan pan.c >>spin.out 2>&1; then
		cat spin.out
		return 1
	fi
	./pan -m100000 >report 2>&1
	sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report >states
	if grep -q 'max search depth too small\|out of memory' report; then
		cat report
		return 1
	fi
}
rc=0
explore || exit 1
if grep -q 'errors: 0' report; then
	echo "model: $(cat states) states, no result twice, no task lost, no more at a time than may, no deadlock"
else
	cat report
	echo "model: an error was found"
	rc=1
fi
for broken in NO_FENCING NO_SETTLE; do
	explore "-D$broken" || exit 1
	if grep -q 'assertion violated (results\[.*\]<=1)' report; then
		echo "model -D$broken: a second result is found, as it must be"
	else
		cat report
		echo "model -D$broken: the error that must be there was not found"
		rc=1
	fi
done
for broken in EARLY_COUNT COUNT_APART; do
	explore "-D$broken" || exit 1
	if grep -q 'assertion violated (((state\[0\]==1)+(state\[1\]==1))<=1)' report; then
		echo "model -D$broken: more run at a time than may, as it must be"
	else
		cat report
		echo "model -D$broken: the error that must be there was not found"
		rc=1
	fi
done
exit $rc
