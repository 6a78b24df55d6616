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

struct role { /* of a name that a commit enrols, or whose node file it adds, before that; name "": none */
	char name[65];
	bool person, was_node, was_keyed, was_person;
};

static void read_role(const struct world *w, const struct rule_change *ch, struct role *x)
{
	bool added = ch->new_mode && !ch->old_mode;
	if (added && ch->kind == RULE_NODE)
		memcpy(x->name, ch->id, sizeof x->name);
	else if (!added || ch->kind != RULE_KEY || !keys_path(ch->path, x->name, &x->person))
		return;
	x->was_node = world_node(w, x->name) || world_order(&w->retired, x->name);
	x->was_keyed = world_is_keyed(w, x->name);
	x->was_person = world_is_person(w, x->name);
}

static void judge_role(struct rules *r, const struct rule_commit *c, const struct rule_change *ch, const struct role *x,
		       bool were_apart)
{
	if (x->person && (x->was_node || (x->was_keyed && were_apart)))
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "a person was enrolled as %s, which is the name of a node",
			  x->name);
	else if (x->person && world_is_keyed(&r->world, x->name))
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "%s is enrolled as a person and as a node", x->name);
	else if (!x->person && x->was_person)
		rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "a node was added as %s, which is the name of a person",
			  x->name);
}

/* One key, one name: a file that comes or changes holds none that stood under another before. */
static void judge_holders(struct rules *r, const struct rule_commit *c, const struct rule_change *ch)
{
	struct keys is = {0};
	char name[65];
	bool person;
	if (!ch->new_mode || !ch->new.bytes || ch->new.len > KEYS_FILE_MAX || !keys_path(ch->path, name, &person) ||
	    keys_parse(&is, ch->new.bytes, ch->new.len, NULL))
		return;
	for (size_t i = 0; i < is.n; i++) {
		const char *holder = world_key_holder(&r->world, is.v[i].text);
		if (holder && strcmp(holder, name) != 0)
			rule_tell(r, RULE_SIGNED_KEY, c, ch->path, "the key %s is that of %s", is.v[i].print, holder);
	}
	keys_clear(&is);
}

static void settle(struct rules *r, const struct rule_commit *c)
{
	struct world *w = &r->world;
	for (int there = 0; there < 2; there++)
		for (size_t i = 0; i < c->n; i++) {
			const struct rule_change *ch = &c->changes[i];
			if (ch->kind != RULE_KEY)
				continue;
			if (there)
				world_key(w, ch->path, ch->new_mode != 0);
			world_key_texts(w, ch->path, there ? ch->new.bytes : ch->old.bytes,
					there ? ch->new.len : ch->old.len, there);
		}
}

/* Most commits enrol nobody, and bring no node. */
static bool concerns(const struct rule_commit *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_KEY || (c->changes[i].kind == RULE_NODE && !c->changes[i].old_mode))
			return true;
	return false;
}

void rules_key(struct rules *r, const struct rule_commit *c)
{
	if (!concerns(c))
		return;
	struct world *w = &r->world;
	bool were = w->n_people > 0, were_apart = w->apart;
	struct role *roles = xcalloc(c->n + 1, sizeof *roles);
	const struct rule_change *last = NULL;
	for (size_t i = 0; i < c->n; i++)
		read_role(w, &c->changes[i], &roles[i]);
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_KEY) {
			last = &c->changes[i];
			if (c->parent[0])
				judge_holders(r, c, last);
		}
	settle(r, c);
	for (size_t i = 0; i < c->n && c->parent[0]; i++) {
		if (c->changes[i].kind == RULE_KEY)
			tell_keys(r, c, &c->changes[i]);
		if (roles[i].name[0])
			judge_role(r, c, &c->changes[i], &roles[i], were_apart);
	}
	free(roles);
	if (were && !w->n_people)
		rule_tell(r, RULE_SIGNED_KEY, c, last->path,
			  "nothing is left below " PEOPLE_FOLDER
			  ": who looks at the grid from here on takes keys of nodes "
			  "for those of people");
}
