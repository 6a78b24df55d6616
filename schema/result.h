/* result: how an attempt ended, as the ledger writes it (the "result" member of a finished task). */
#ifndef RESULT_H
#define RESULT_H
#include "json.h"
#include "runner.h"

struct result_facts { /* borrowed */
	const char *node, *nonce, *image, *image_digest, *script;
	const struct engine *engine;
	const struct engine_run *run; /* its limits: what the run was given */
	size_t output_limit;
	int64_t out_mb; /* 0: it had no /out */
	int64_t attempt;
	const struct json *out; /* what it left in /out, NULL: nothing; copied */
	const char *out_error;	/* why that could not be kept, "" or NULL: it was */
	const struct json
	    *points;	     /* what became of each, NULL: it has none; copied. It has no streams of its own then */
	const char *reason;  /* why it was ended, beside its status; "" or NULL: none */
	const char *network; /* that it had, by the grid's name; NULL: none */
	bool digest;	     /* of what it printed the length and hash alone are kept */
};
struct json *result_json(const struct attempt_result *a, const struct result_facts *f); /* the caller's */
/* How one point ended, and how one that did not run because the whole ended before it. The caller's. */
struct json *result_point(const struct attempt_result *r, int64_t index, bool digest);
struct json *result_skipped(int64_t index);
/* Cuts the middle out of its streams until it takes at most so many bytes of a task's file, however many escapes they
 * need there. False: it takes more whatever is cut. */
bool result_fit(struct json *result, size_t bytes);
/* How the ledger says that a task ended. Its index in that list; RESULT_N_STATUSES: it is none of them. */
enum { RESULT_N_STATUSES = 11 };
extern const char *const result_statuses[RESULT_N_STATUSES];
size_t result_status_index(const char *status); /* may be NULL */
/* What a result says in one line: of a failure the last words on stderr, else the first on stdout; of points how many
 * succeeded, and of the first that did not the same. The caller's. */
char *result_line(const struct json *result, bool failed);

/* Do the parts of a run's result agree with each other: exit code and signal with the status, the kept output with its
 * bytes and hash, the duration with its start and end? status: how the run itself ended. False: why says what does not.
 * What only another run can show (output that was cut, or is no UTF-8) is not judged. */
bool result_sound(const struct json *result, const char *status, char why[200]);
/* The same of exit code and signal alone, which the story of an attempt has too; one that is missing agrees. */
bool result_end_sound(const struct json *of, const char *status, char why[200]);
/* Of a timeout: was it too early for the task's limit? of: the result, a point, or the story of an attempt. */
bool result_early(const struct json *task, const struct json *of, char why[200]);
/* Are the points of a run's result those of its task, each sound in itself, and does the whole follow from them? */
bool result_points_sound(const struct json *task, const struct json *result, const char *status, char why[200]);
bool result_digest(const struct json *result); /* of what it printed only the length and hash are kept */
/* stream: "stdout", "stderr"; digest: of the whole result. */
bool result_stream_sound(const struct json *result, const char *stream, bool digest, char why[200]);
#endif
