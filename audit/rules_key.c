#include "audit/rules_key.h"
#include "schema/keys.h"
#include <stdlib.h>
#include <string.h>

#define PRINTS 3 /* fingerprints that a notice names, of each kind: a line has its length */

/* The fingerprints of those keys of a that b does not have. */
static void add_prints(struct buf *out, const char *verb, const struct keys *a, const struct keys *b)
{
	size_t n = 0;
	for (size_t i = 0; i < a->n; i++) {
		if (keys_find(b, a->v[i].text))
			continue;
		if (n < PRINTS)
			buf_addf(out, "%s%s", n ? ", " : verb, a->v[i].print);
		n++;
	}
	if (n > PRINTS)
		buf_addf(out, " and %zu more", n - PRINTS);
}

/* Which keys came and went, so that a human can hold them against what a node printed. */
static void tell_keys(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	struct keys was = {0}, is = {0};
	struct buf b = {0};
	size_t n = strlen(ch->path);
	bool file = n > 4 && !strcmp(ch->path + n - 4, ".pub"); /* else it counts for nothing anyway */
	if (file && ch->old.bytes && ch->old.len <= KEYS_FILE_MAX)
		keys_parse(&was, ch->old.bytes, ch->old.len, NULL);
	if (file && ch->new.bytes && (ch->new.len > KEYS_FILE_MAX || keys_parse(&is, ch->new.bytes, ch->new.len, NULL)))
		buf_adds(&b, ": not all of it are keys, so it counts for nothing");
	add_prints(&b, ": enrols ", &is, &was);
	add_prints(&b, b.len ? "; revokes " : ": revokes ", &was, &is);
	rule_tell(r, NOTICE_KEYS, c, ch->path, "%s by %s%s", rule_done_to(ch), c->who, b.data ? b.data : "");
	keys_clear(&was);
	keys_clear(&is);
	buf_clear(&b);
}

/* ---- one name, one role ---- */

/* Is the file of that name there after the commit? */
static bool stands(const struct rule_commit *c, const char *folder, const char *name, bool before)
{
	char *path = xasprintf("%s%s.pub", folder, name);
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->changes[i].path, path))
			before = c->changes[i].new_mode != 0;
	free(path);
	return before;
}

static void judge_person(struct rules *r, const struct rule_commit *c, const struct rule_change *ch, const char *name)
{
	const struct world *w = &r->world;
	bool keyed = strs_has(&w->keyed, name);
	if (world_node(w, name) || world_order(&w->retired, name) || (keyed && w->apart))
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "a person was enrolled as %s, which is the name of a node",
			  name);
	else if (stands(c, KEYS_FOLDER, name, keyed))
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "%s is enrolled as a person and as a node", name);
}

static void judge_role(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	char name[65];
	bool person, named = ch->kind == RULE_KEY && keys_path(ch->path, name, &person);
	if (named && person)
		judge_person(r, c, ch, name);
	else if (ch->kind == RULE_NODE ? world_is_person(&r->world, ch->id) : named && world_is_person(&r->world, name))
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "a node was added as %s, which is the name of a person",
			  ch->kind == RULE_NODE ? ch->id : name);
}

void rules_key(struct rules *r, const struct rule_commit *c)
{
	struct world *w = &r->world;
	bool were = w->people.n > 0;
	const struct rule_change *last = NULL;
	for (size_t i = 0; i < c->n && c->parent[0]; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (ch->kind == RULE_KEY)
			tell_keys(r, c, ch);
		if (ch->new_mode && !ch->old_mode)
			judge_role(r, c, ch);
	}
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_KEY) {
			last = &c->changes[i];
			world_key(w, last->path, last->new_mode != 0);
		}
	if (were && !w->people.n)
		rule_tell(r, RULE_SIGNED_KEY, c, last->path,
			  "nothing is left below " PEOPLE_FOLDER
			  ": who looks at the grid from here on takes keys of nodes "
			  "for those of people");
}
