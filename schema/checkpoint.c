#include "schema/checkpoint.h"
#include "schema/input.h"
#include <stdlib.h>
#include <string.h>

bool checkpoint_asked(const struct json *doc)
{
	const struct json *m = json_get(doc, "checkpoint");
	return m && m->type == JSON_BOOL && m->boolean;
}

static struct json *pin(const struct json *of)
{
	struct json *p;
	if (!input_pin_valid(of))
		return NULL;
	p = json_new(JSON_OBJECT);
	json_set(p, "tree", json_new_str(json_str(of, "tree")));
	json_set(p, "ref", json_new_str(json_str(of, "ref")));
	/* of `out` its store's part, of a pin what it was of that */
	const struct json *stored = json_get(of, "stored");
	int64_t bytes = stored && stored->type == JSON_OBJECT ? json_int(stored, "bytes", 0) : input_stored(of);
	if (bytes > 0)
		json_set(p, "stored", json_new_int(bytes));
	return p;
}

static bool is(const struct json *object, const char *name, const char *text)
{
	const char *says = json_str(object, name);
	return says && !strcmp(says, text);
}

struct json *checkpoint_next(const struct json *doc)
{
	static const char *const newest_first[] = {"out", "saved", "checkpoint"};
	const struct json *list = json_get(doc, "attempts"), *result = json_get(doc, "result"), *last = NULL;
	struct json *found = NULL;
	if (!checkpoint_asked(doc) || is(result, "status", "success"))
		return NULL;
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next)
		last = a;
	if (is(last, "outcome", "retried")) /* it says what a person wanted to be gone on with */
		return pin(json_get(last, "checkpoint"));
	found = pin(json_get(result, "out"));
	for (size_t i = 0; i < sizeof newest_first / sizeof *newest_first && !found; i++)
		found = pin(json_get(last, newest_first[i]));
	return found;
}

void checkpoint_hand_on(struct json *doc, struct json *checkpoint)
{
	const struct json *list = json_get(doc, "attempts");
	struct json *last = list ? list->child : NULL;
	while (last && last->next)
		last = last->next;
	if (last && checkpoint)
		json_set(last, "checkpoint", checkpoint);
	else
		json_free(checkpoint);
}

/* A stranger may have written anything there. */
static const char *tree_of(const struct json *holder)
{
	const struct json *pin = json_get(holder, "checkpoint");
	return input_pin_valid(pin) ? json_str(pin, "tree") : NULL;
}

char *checkpoint_words(const struct json *doc)
{
	const struct json *list = json_get(doc, "attempts"), *claim = json_get(doc, "claim"), *last = NULL;
	const struct json *saved = json_get(claim, "saved");
	if (!checkpoint_asked(doc))
		return NULL;
	for (const struct json *a = list && list->type == JSON_ARRAY ? list->child : NULL; a; a = a->next)
		last = a;
	struct json *next = claim ? NULL : checkpoint_next(doc);
	const char *from = tree_of(claim ? claim : last);
	char *words = next   ? xasprintf("the next attempt begins from %.12s", json_str(next, "tree"))
		      : from ? xasprintf("began from %.12s", from)
			     : xstrdup(claim || json_get(doc, "result") ? "began anew" : "none yet");
	if (input_pin_valid(saved)) {
		int64_t files = json_int(saved, "files", 0);
		const char *at = json_str(saved, "at");
		char *both = xasprintf("%s; saved %lld file%s, %lld bytes%s%.20s", words, (long long)files,
				       files == 1 ? "" : "s", (long long)json_int(saved, "bytes", 0), at ? ", " : "",
				       at ? at : "");
		free(words);
		words = both;
	}
	json_free(next);
	return words;
}
