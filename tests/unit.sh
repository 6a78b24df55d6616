#!/bin/sh
# Runs unit test programs. Each prints "test_NAME: N passed, N failed"; one that dies without saying so counts as failed.
rc=0
for t in "$@"; do
	name=$(basename "$t")
	out=$("$t" 2>&1)
	code=$?
	[ -z "$out" ] || printf '%s\n' "$out"
	if ! printf '%s\n' "$out" | grep -Eq "^$name: [0-9]+ passed, [0-9]+ failed"; then
		echo "$name: 0 passed, 1 failed (exit $code, no count)"
		rc=1
	elif [ "$code" != 0 ]; then
		printf '%s\n' "$out" | grep -Eq "^$name: [0-9]+ passed, [1-9][0-9]* failed" ||
			echo "$name: 0 passed, 1 failed (exit $code)"
		rc=1
	fi
done
exit $rc
