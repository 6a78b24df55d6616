#include "audit/objects.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_MAX 1024 /* objects kept: what one commit writes another moves */
#define CACHE_SLOTS 4096
#define CACHE_WAYS 4	/* slots that one may stand in */
#define CACHED_MAX 8192 /* bytes of one that is worth keeping */
#define TREE_MAX (16u << 20)

struct objects {
	struct objects_fail fail;
	struct proc *cat;
	struct buf pending, said;
	struct object *first, *last; /* asked, and not answered yet */
	uint64_t asked, answered;
	bool in_object;
	size_t left;  /* bytes of the object that comes, its newline too */
	size_t bytes; /* of all */
	struct object *cache[CACHE_SLOTS];
	size_t n_cached, sweep; /* how many; the slot that is emptied next when they are too many */
};

void object_drop(struct objects *o, struct object *b)
{
	if (!b || --b->refs)
		return;
	o->bytes -= b->bytes ? b->len : 0;
	json_free(b->doc);
	free(b->bytes);
	free(b);
}

/* ---- the cache ---- */

/* Where it stands; NULL: nowhere. room: where it could. */
static struct object **cached(struct objects *o, const char *oid, struct object ***room)
{
	unsigned v = 0;
	for (int i = 0; i < 8 && oid[i]; i++) /* hexadecimal digits */
		v = v << 4 ^ (unsigned)(oid[i] + (oid[i] >> 6) * 9);
	struct object **way = &o->cache[v * CACHE_WAYS % CACHE_SLOTS];
	*room = way;
	for (int i = 0; i < CACHE_WAYS; i++) {
		if (way[i] && !strcmp(way[i]->oid, oid))
			return &way[i];
		if (!way[i])
			*room = &way[i];
	}
	return NULL;
}

static void uncache(struct objects *o, struct object **slot)
{
	struct object *b = *slot;
	*slot = NULL;
	o->n_cached -= b != NULL;
	object_drop(o, b);
}

static void keep(struct objects *o, struct object *b, struct object **slot)
{
	uncache(o, slot);
	while (o->n_cached >= CACHE_MAX)
		uncache(o, &o->cache[o->sweep++ % CACHE_SLOTS]);
	*slot = b;
	b->refs++;
	o->n_cached++;
}

/* ---- questions ---- */

static struct object *object_new(const char *name, size_t max)
{
	struct object *b = xrealloc(NULL, sizeof *b);
	size_t n = strlen(name);
	*b = (struct object){.max = max};
	memcpy(b->oid, name, n < sizeof b->oid ? n : sizeof b->oid - 1); /* there are many */
	return b;
}

static void ask(struct objects *o, struct object *b)
{
	b->refs++; /* the question's */
	b->seq = ++o->asked;
	*(o->last ? &o->last->next_asked : &o->first) = b;
	o->last = b;
	proc_feed(o->cat, b->oid, strlen(b->oid));
	proc_feed(o->cat, "\n", 1);
}

struct object *objects_want(struct objects *o, const char *oid, size_t max, bool again)
{
	struct object **room, **slot = cached(o, oid, &room);
	if (slot && (*slot)->max >= max) {
		struct object *here = *slot;
		here->refs++;
		if (!again)
			uncache(o, slot);
		return here;
	}
	struct object *b = object_new(oid, max);
	b->refs++; /* the caller's */
	if (again)
		keep(o, b, slot ? slot : room);
	ask(o, b);
	return b;
}

uint64_t objects_tree(struct objects *o, const char *name,
		      void (*look)(void *ctx, const char *folder, const char *bytes, size_t len), void *ctx,
		      const char *folder)
{
	struct object *b = object_new(name, TREE_MAX);
	b->look = look;
	b->ctx = ctx;
	b->folder = folder;
	ask(o, b);
	return b->seq;
}

/* ---- answers ---- */

static void answered(struct objects *o)
{
	struct object *b = o->first, **room, **slot;
	if (b->look && b->bytes)
		b->look(b->ctx, b->folder, b->bytes, b->len);
	o->first = b->next_asked;
	if (!o->first)
		o->last = NULL;
	o->answered = b->seq;
	o->bytes += b->bytes ? b->len : 0;
	if (b->len > CACHED_MAX && (slot = cached(o, b->oid, &room)) && *slot == b)
		uncache(o, slot);
	object_drop(o, b);
}

/* "OID TYPE SIZE" or "OID missing" */
static void cat_head(struct objects *o, char *line)
{
	struct object *b = o->first;
	if (!b)
		return;
	const char *last = strrchr(line, ' '), *type = last ? last : line;
	while (type > line && type[-1] != ' ')
		type--;
	bool found = type > line && last[1] >= '0' && last[1] <= '9';
	unsigned long long size = found ? strtoull(last + 1, NULL, 10) : 0;
	if (!found && b->look) {
		answered(o); /* there is no such folder */
		return;
	}
	if (!found) {
		char what[160];
		snprintf(what, sizeof what, "the repository lacks object %.72s: its history cannot be judged", b->oid);
		o->fail.tell(o->fail.ctx, ERR_DATA, what, NULL);
		answered(o);
		return;
	}
	b->keep = !strncmp(type, b->look ? "tree " : "blob ", 5) && size <= b->max;
	if (b->keep)
		(b->bytes = xrealloc(NULL, (size_t)size + 1))[size] = 0;
	o->in_object = true;
	o->left = (size_t)size + 1;
}

/* Returns how many bytes it took. */
static size_t cat_body(struct objects *o, const char *bytes, size_t len)
{
	struct object *b = o->first;
	size_t take = len < o->left ? len : o->left, n = take - (o->left == take); /* the last byte is a newline */
	if (b->keep && n) {
		memcpy(b->bytes + b->len, bytes, n);
		b->len += n;
	}
	o->left -= take;
	if (!o->left) {
		o->in_object = false;
		answered(o);
	}
	return take;
}

static void cat_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct objects *o = ctx;
	if (which != PROC_OUT) {
		if (o->said.len < 2048)
			buf_add(&o->said, bytes, len);
		return;
	}
	while (len) {
		size_t take;
		if (o->in_object)
			take = cat_body(o, bytes, len);
		else {
			const char *end = memchr(bytes, '\n', len);
			take = end ? (size_t)(end - bytes) + 1 : len;
			buf_add(&o->pending, bytes, take);
			if (end) {
				cat_head(o, o->pending.data);
				buf_reset(&o->pending);
			}
		}
		bytes += take;
		len -= take;
	}
}

static void cat_end(void *ctx, const struct proc_result *res)
{
	struct objects *o = ctx;
	o->cat = NULL;
	if (o->first || res->end != PROC_EXITED || res->code)
		o->fail.tell(o->fail.ctx, ERR_UNAVAILABLE, "git cat-file ended too soon", &o->said);
}

/* ---- the outside ---- */

struct objects *objects_open(const struct git *g, struct objects_fail fail, struct err *e)
{
	static const char *const cat[] = {"-c", OBJECTS_SMALL_DELTA_CACHE, "cat-file", "--batch", NULL};
	struct objects *o = xcalloc(1, sizeof *o);
	o->fail = fail;
	if ((o->cat = git_stream(g, cat, true, o, cat_take, cat_end, e)))
		return o;
	free(o);
	return NULL;
}

uint64_t objects_asked(const struct objects *o)
{
	return o->asked;
}

uint64_t objects_answered(const struct objects *o)
{
	return o->answered;
}

size_t objects_bytes(const struct objects *o)
{
	return o->bytes;
}

bool objects_running(const struct objects *o)
{
	return o->cat != NULL;
}

void objects_stop(struct objects *o)
{
	for (struct object *b = o->first; b; b = b->next_asked)
		b->look = NULL;
	proc_end_now(&o->cat);
	while (o->first)
		answered(o);
}

void objects_close(struct objects *o)
{
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		uncache(o, &o->cache[i]);
	buf_clear(&o->pending);
	buf_clear(&o->said);
	free(o);
}
