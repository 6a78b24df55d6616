#!/bin/sh
# Runs unit test programs, as many at once as there are processors. Each prints "test_NAME: N passed, N failed"; one that
# dies without saying so counts as failed.
dir=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-unit.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
lanes=$(getconf _NPROCESSORS_ONLN 2>/dev/null) || lanes=2
lane() { # NUMBER PROGRAM...: each lanes-th of them
	at=0 mine=$1
	shift
	for t in "$@"; do
		at=$((at + 1))
		[ $((at % lanes)) = "$mine" ] || continue
		"$t" >"$dir/${t##*/}" 2>&1
		echo $? >"$dir/${t##*/}.code"
	done
}
n=0
while [ "$n" -lt "$lanes" ]; do
	lane "$n" "$@" &
	n=$((n + 1))
done
wait
rc=0
for t in "$@"; do
	name=$(basename "$t")
	code=$(cat "$dir/$name.code") || code=none
	[ ! -s "$dir/$name" ] || cat "$dir/$name"
	if ! grep -Eqs "^$name: [0-9]+ passed, [0-9]+ failed" "$dir/$name"; then
		echo "$name: 0 passed, 1 failed (exit $code, no count)"
		rc=1
	elif [ "$code" != 0 ]; then
		grep -Eq "^$name: [0-9]+ passed, [1-9][0-9]* failed" "$dir/$name" ||
			echo "$name: 0 passed, 1 failed (exit $code)"
		rc=1
	fi
done
exit $rc
