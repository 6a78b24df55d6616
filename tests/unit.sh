#!/bin/sh
# Runs unit test programs, as many at once as there are processors. Each prints "test_NAME: N passed, N failed"; one that
# dies without saying so counts as failed.
if [ "$1" = --one ]; then # FOLDER PROGRAM: what it prints goes into the folder
	name=$(basename "$3")
	"$3" >"$2/$name" 2>&1
	echo $? >"$2/$name.code"
	exit 0
fi
dir=$(mktemp -d "${TMPDIR:-/tmp}/dgrid-unit.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
printf '%s\n' "$@" | xargs -P "$(getconf _NPROCESSORS_ONLN)" -n 1 sh "$0" --one "$dir"
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
