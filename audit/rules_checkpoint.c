#include "audit/rules_checkpoint.h"
#include "schema/checkpoint.h"
#include "store/places.h"
#include <string.h>

#define FILES_MAX 100000 /* as grid.json may allow at most */

static const char *short_of(const struct json *pin)
{
	const char *tree = json_str(pin, "tree");
	return tree ? tree : "none";
}

void rules_checkpoint_given(const struct rule_move *m, const struct json *claim)
{
	const struct json *given = json_get(claim, "checkpoint");
	struct json *due = json_int(claim, "replicas", 1) > 1 ? NULL : checkpoint_next(m->old);
	if (json_get(claim, "saved"))
		rule_say(m, RULE_CHECKPOINT_PINNED, "the claim has saved something before its run began");
	if (!rule_same(given, due))
		rule_say(m, RULE_CHECKPOINT_PINNED,
			 "the claim names %.12s as its checkpoint, the task's attempts show %.12s", short_of(given),
			 short_of(due));
	json_free(due);
}

static bool is_count(const struct json *of, const char *name, int64_t min, int64_t max)
{
	int64_t n;
	return json_get(of, name) && !json_to_int(json_get(of, name), &n) && n >= min && n <= max;
}

/* Exactly as worker/saver.c has it. */
static bool well_formed(const struct rule_move *m, const struct json *saved, const struct json *claim)
{
	static const char *const members[] = {"tree", "ref", "files", "bytes", "at"};
	const char *tree = json_str(saved, "tree"), *ref = json_str(saved, "ref"), *nonce = json_str(claim, "nonce");
	struct place_checkpoint p;
	size_t n = 0, known = 0;
	for (const struct json *x = saved->type == JSON_OBJECT ? saved->child : NULL; x; x = x->next)
		n++;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		known += json_get(saved, members[i]) != NULL;
	return n == known && known == sizeof members / sizeof *members && tree && strlen(tree) == strlen(m->c->id) &&
	       ref && place_checkpoint_parse(ref, &p) && nonce && !strcmp(p.nonce, nonce) && !strcmp(p.tree, tree) &&
	       is_count(saved, "files", 1, FILES_MAX) &&
	       is_count(saved, "bytes", 0,
			(json_int(m->new, "out_mb", CONFIG_GIT_MB) < CONFIG_GIT_MB
			     ? json_int(m->new, "out_mb", CONFIG_GIT_MB)
			     : CONFIG_GIT_MB)
			    << 20) &&
	       json_time(saved, "at");
}

void rules_checkpoint_saved(const struct rule_move *m, const struct json *claim)
{
	const struct json *saved = json_get(claim, "saved"), *before = json_get(m->claim, "saved");
	int64_t at = json_time(saved, "at");
	if (rule_same(saved, before))
		return;
	if (!saved)
		rule_say(m, RULE_CHECKPOINT_PINNED, "what the claim had saved was taken out");
	else if (!checkpoint_asked(m->new) || json_int(claim, "replicas", 1) > 1)
		rule_say(m, RULE_CHECKPOINT_PINNED,
			 "the claim says that it saved something of a task without checkpoints");
	else if (!well_formed(m, saved, claim))
		rule_say(m, RULE_CHECKPOINT_PINNED,
			 "saved of the claim is no tree on a ref of its own nonce, within the task's out_mb");
	else if (at > m->c->at + rule_tolerance(m->rules) ||
		 at + rule_tolerance(m->rules) < json_time(claim, "claimed_at"))
		rule_say(m, RULE_CHECKPOINT_PINNED,
			 "saved of the claim is not of a time between the claim and the commit");
}

void rules_checkpoint_left(const struct rule_move *m, const struct json *entry)
{
	if (rule_text_is(entry, "outcome", "released") && (json_get(entry, "out") || json_get(entry, "out_error")) &&
	    !checkpoint_asked(m->old))
		rule_say(m, RULE_CHECKPOINT_PINNED, "a claim that went back left files, of a task without checkpoints");
}

void rules_checkpoint_again(const struct rule_move *m, const struct json *entry)
{
	const struct json *given = json_get(entry, "checkpoint");
	struct json *due = checkpoint_next(m->old);
	if (given && !rule_same(given, due))
		rule_say(m, RULE_CHECKPOINT_PINNED, "queued again to begin from %.12s, the task's attempts show %.12s",
			 short_of(given), short_of(due));
	json_free(due);
}
