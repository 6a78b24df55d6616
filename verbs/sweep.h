/* sweep: what `submit --array`, `--matrix`, `--points` and `--failed-of` name, as points, and cut into tasks.
 *   sweep_take(&w, key, value, &e) ... -> sweep_read(&w, &e) or sweep_failed(&w, ...) -> sweep_cut(&w, doc, ...)
 *   -> sweep_clear(&w), also after an error
 */
#ifndef SWEEP_H
#define SWEEP_H
#include "json.h"
#include "schema/config.h"

struct sweep_point {
	int64_t index;
	struct json *vars; /* NULL: none */
	size_t model;	   /* which of the documents it is a point of */
};
struct sweep { /* starts as {0}; borrowed from the command line: */
	const char *array, *file, *failed_of;
	struct strs matrix;
	long chunk; /* points a task; 0: as it suits */
	/* what they name: */
	struct sweep_point *v;
	size_t n;
};
#define SWEEP_MAX 100000 /* points */
/* The options by these keys: 'A' --array, 'M' --matrix, 'P' --points, 'C' --chunk, 'F' --failed-of. 1: it is none of
 * them. */
int sweep_take(struct sweep *w, int key, const char *value, struct err *e);
bool sweep_wanted(const struct sweep *w);
int sweep_read(struct sweep *w, struct err *e);
/* The points of one task's document that were no success (all of them, when it has no result of a run), as points of
 * document number `model`. */
void sweep_add_failed(struct sweep *w, const struct json *doc, size_t model);
/* Tasks out of them: of each document as many as its points take, named NAME-0000 and on, of this group. */
int sweep_cut(const struct sweep *w, struct json *const *docs, const struct grid_config *c, const char *name,
	      const char *group, struct strs *ids, struct strs *texts, struct err *e);
void sweep_clear(struct sweep *w);
#endif
