/* input: the member `inputs` of a task: what its script sees in /in. Each is a tree of Git's, named by its object id,
 * so that a task is bound to these very bytes, and stands at the remote on refs/dgrid/in/TREE (store/places.h); or it
 * is what another task leaves in /out, which the claim names when that has ended (`claim.inputs`).
 *   inputs_valid(member, ..., &at, why) -> n = inputs_of(doc, inputs) -> inputs_pin(inputs, n, claim.inputs)
 */
#ifndef INPUT_H
#define INPUT_H
#include "json.h"
#include <stdbool.h>
#include <stddef.h>

#define INPUTS_MAX 16		      /* of one task */
#define INPUTS_GIVEN (INPUTS_MAX + 1) /* to its script: with what an earlier attempt left */
#define INPUT_CHECKPOINT ".checkpoint"

struct input {		      /* borrowed from the task's document */
	const char *name;     /* it stands in /in/NAME */
	const char *tree;     /* object id, 40 or 64 hex digits; NULL: of a task, and not pinned */
	const char *task;     /* whose files they are; NULL: of none */
	const char *ref;      /* that those stand on; NULL: on the tree's own */
	const char *path;     /* the file or folder in it that is meant; NULL: all of it */
	int64_t files, bytes; /* as whoever submitted it counted */
	int64_t stored;	      /* bytes of files that a store has, and the tree pointers to; 0: none */
};
/* 1-64 of A-Z a-z 0-9 . _ -, no dot first. */
bool input_name_valid(const char *name);
/* Does path ("NAME" or "NAME/PATH") begin with the name of one of the inputs, and name nothing outside of it? */
bool input_names(const struct json *inputs, const char *path);
/* Is the member well-formed, and is what it says of itself within so many files and MB (0 MB: the grid takes none)?
 * Else false: *at is the value, why what is wrong with it and what was expected. */
bool inputs_valid(const struct json *inputs, int64_t max_mb, int64_t max_files, const struct json **at, char why[240]);
/* What tasks left, as a claim names it: {"NAME": {"tree", "ref"}}, which is borrowed, too; NULL: nothing is. What is
 * no object id on a ref is left out: others wrote it. */
void inputs_pin(struct input *v, size_t n, const struct json *pinned);
/* What one attempt is given: the task's inputs, pinned, and behind them the checkpoint that its claim names ({"tree",
 * "ref"}; NULL: none). How many. */
size_t inputs_given(const struct json *doc, const struct json *pinned, const struct json *checkpoint,
		    struct input out[INPUTS_GIVEN]);
/* `stored` of an input, or of a pin in a claim. */
int64_t input_stored(const struct json *of);
/* Does any of {"NAME": {...}} say so? */
bool inputs_pin_stored(const struct json *pins);
bool input_pin_valid(const struct json *pin); /* is it a tree on a ref, by its form? */
/* How many there are. Of a task whose inputs are not valid, any of their members may be NULL. */
size_t inputs_of(const struct json *doc, struct input out[INPUTS_MAX]);
#endif
