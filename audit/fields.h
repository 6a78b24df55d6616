/* fields: every member that dgrid writes into a document of the ledger: what form it has, and which rule holds it
 * against the rest of the history, or why none can. `dgrid audit --fields` prints it for docs/AUDIT.md, and
 * tests/test_fields.c compares it with what the program writes. Whoever adds a member adds its row.
 */
#ifndef FIELDS_H
#define FIELDS_H
#include "json.h"

enum field_doc {
	FIELD_TASK, /* what is submitted: its form is judged by task_parse */
	FIELD_STEP, /* what dgrid adds to a task */
	FIELD_CLAIM,
	FIELD_ATTEMPT,
	FIELD_EVIDENCE,
	FIELD_RESULT,
	FIELD_POINT,
	FIELD_LIMITS,
	FIELD_USAGE,
	FIELD_OUT,
	FIELD_STORED,
	FIELD_QUORUM,
	FIELD_BECAUSE,
	FIELD_APPROVED,
	FIELD_CANCEL,
	FIELD_SCHEDULE, /* of a task that one had queued */
	FIELD_PERIODIC, /* the schedule's own file */
	FIELD_INVALID,	/* the whole document that stands for what was no task */
	FIELD_NODE,
	FIELD_DRAIN,   /* nodes/drain/NODE.json */
	FIELD_RETIRED, /* nodes/retired/NODE.json */
	FIELD_PAUSED,  /* tasks/paused.json, and one of its pauses */
	FIELD_PAUSE,
	FIELD_OFFER,
	FIELD_TOTALS,
	FIELD_N
};
const char *field_doc_name(enum field_doc d);
struct field_row {
	enum field_doc doc;
	const char *name, *form; /* form: in words */
	const char *held;	 /* the rules that hold it, or "-: " and why none can */
};
bool field_at(size_t i, struct field_row *out); /* false: after the last */
/* Has doc (an object of that kind) a member that no row knows, or one of another form? The first such is told in what.
 * A member that is missing is the rules' business. */
bool field_wrong(enum field_doc d, const struct json *doc, char what[160]);
#endif
