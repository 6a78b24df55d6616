#!/bin/sh
# The rooms, from the ground up: a row includes what stands above it in this list; two rooms of one row do not know each other.
# Within a folder there are no circles. Every #include "x.h" says from which folder. No function has more than 100 lines, or
# more than six steps "if (!rc".
rooms='
base
json
git
sandbox
runner
schema
ledger
store
worker audit site
dashboard
verbs
dgrid
'
cd "$(dirname "$0")/.." || exit 1
# shellcheck disable=SC2046 # names without blanks
awk -v rooms="$rooms" '
BEGIN {
	n = split(rooms, row, "\n")
	for (i = 1; i <= n; i++) {
		k = split(row[i], names, " ")
		for (j = 1; j <= k; j++) floor[names[j]] = i
	}
}
function stem(path) { sub(/\.[ch]$/, "", path); return path }
function room(path) { path = stem(path); sub(/\/.*/, "", path); return path }
function wrong(text) { print text; bad = 1 }
FNR == 1 {
	self = stem(FILENAME)
	if (!(room(self) in floor)) wrong(FILENAME ": has no room")
}
/^\{$/ { opened = FNR; name = last; steps = 0 }
/^\}$/ && opened {
	if (FNR - opened - 1 > 100) wrong(FILENAME ":" opened ": " FNR - opened - 1 " lines (at most 100): " name)
	if (steps > 6) wrong(FILENAME ":" opened ": " steps " steps if (!rc (at most 6): " name)
	opened = 0
}
opened && /^\t+(else )?if \(!rc/ { steps++ }
{ last = $0 }
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	other = stem(part[2])
	if (other == self) next
	if (!(room(other) in floor)) wrong(FILENAME ":" FNR ": " part[2] " has no room")
	else if (room(other) == room(self)) uses[self] = uses[self] " " other
	else if (floor[room(other)] >= floor[room(self)]) wrong(FILENAME ":" FNR ": " room(self) " includes " part[2])
}
END {
	# Whoever includes nobody that is left goes; who stays is in a circle, or above one.
	do {
		gone = 0
		for (self in uses) {
			k = split(uses[self], names, " ")
			for (j = 1; j <= k && !(names[j] in uses); j++) ;
			if (j > k) { delete uses[self]; gone = 1 }
		}
	} while (gone)
	for (self in uses) wrong(self ": in or above a circle of includes:" uses[self])
	exit bad
}' $(find . -name '*.[ch]' ! -path './build/*' ! -path './tests/*' ! -path './packaging/*' ! -path './third_party/*' ! -path './.*/*' | sed 's,^\./,,')
