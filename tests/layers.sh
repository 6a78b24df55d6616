#!/bin/sh
# Every #include "x.h" of a top-level file goes to a lower layer, or to the file's own header.
cd "$(dirname "$0")/.." || exit 1
awk '
BEGIN {
	# The lowest first; a row includes rows above it in this list only.
	n = split("buf clock sig version asset utf8|" \
		"json_grammar|" \
		"log proc json file cgroup text problem markup forge sha256 usage|" \
		"table|" \
		"config git engine folder site pulse|" \
		"vote|" \
		"task node clone trees keys|" \
		"tails arrival world|" \
		"ledger runner heartbeat archive trust checkpoint|" \
		"cache|" \
		"rule chooser outbox reaper result snapshot selfcheck trial identity upkeep turns promote request signed|" \
		"voters rules_vote|" \
		"slots nodekey rerun metrics feed rows history record rules_claim rules_result rules_archive|" \
		"talk commands taskpage advice rules|" \
		"worker reel|" \
		"replay|" \
		"verbs look watch follow dashboard hook|" \
		"verb_init verb_submit verb_validate verb_promote verb_status verb_nodes verb_metrics verb_show " \
		"verb_why verb_approve verb_act verb_worker verb_enroll verb_rerun verb_doctor verb_dashboard " \
		"verb_audit verb_hook verb_completions verb_health verb_help|" \
		"dgrid", row, "|")
	for (i = 1; i <= n; i++) {
		k = split(row[i], names, " ")
		for (j = 1; j <= k; j++) layer[names[j]] = i - 1
	}
	bad = 0
}
FNR == 1 {
	self = FILENAME
	sub(/^\.\//, "", self)
	sub(/\.[ch]$/, "", self)
	if (!(self in layer)) { print FILENAME ": has no layer"; bad = 1 }
}
/^[ \t]*#[ \t]*include[ \t]*"/ {
	split($0, part, "\"")
	other = part[2]
	sub(/\.h$/, "", other)
	if (other == self) next
	if (!(other in layer)) { print FILENAME ":" FNR ": " part[2] " has no layer"; bad = 1 }
	else if ((self in layer) && layer[other] >= layer[self]) {
		print FILENAME ":" FNR ": layer " layer[self] " includes " part[2] " of layer " layer[other]
		bad = 1
	}
}
END { exit bad }' ./*.c ./*.h
