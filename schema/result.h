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
	int64_t attempt;
};
struct json *result_json(const struct attempt_result *a, const struct result_facts *f); /* the caller's */
#endif
