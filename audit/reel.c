#include "audit/reel.h"
#include "audit/rules.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUEUE_MAX 512 /* commits read ahead */
#define ARCHIVE_QUEUE_MAX 4
#define BYTES_MAX (16u << 20) /* of documents, kept and waiting; what one commit brings comes on top */
#define CACHE_MAX 1024	      /* documents kept: what one commit writes another moves */
#define CACHE_SLOTS 4096
#define CACHE_WAYS 4	/* slots that one may stand in */
#define CACHED_MAX 8192 /* bytes of one that is worth keeping */
/* What git keeps of unpacked objects to build others on. Here they come in the order that they were made in, so the
 * last few are enough; with the 96 MB of its own it is a fifth slower, for it touches ever new memory. */
#define SMALL_DELTA_CACHE "core.deltaBaseCacheLimit=8m"
#define TOTALS_MAX (16u << 20)

struct blob {
	unsigned refs;
	uint64_t seq; /* of its question to cat-file */
	bool there, keep;
	struct step *tree_of; /* it is a tree of that commit, to be looked at and dropped; NULL: a blob */
	const char *folder;   /* of the tree: "", "tasks/" */
	char oid[80];	      /* or "TREE:tasks" */
	char *bytes;	      /* NULL: missing, no blob, or too large */
	size_t len, max;
	struct json *doc; /* what the judges made of bytes */
	struct blob *next_asked;
};
struct step { /* a commit with its documents */
	struct rule_commit c;
	char tree[72];
	struct blob **old, **new; /* of each change; NULL: nobody wants it */
	size_t room;
	uint64_t needs; /* the last question that must be answered before it can be judged */
	struct step *next;
};
struct reader { /* one git log */
	struct reel *reel;
	struct proc *proc;
	struct buf pending, said;
	int field; /* of a commit's head, 0: a change or the next head comes */
	struct step *now;
	struct step *first, *last;
	size_t queued;
	bool path_next, documents;
};
struct reel {
	const struct git *git;
	struct reader branch[REEL_N];
	struct proc *cat;
	struct buf cat_pending, cat_said;
	struct blob *asked_first, *asked_last;
	uint64_t asked, answered;
	bool in_blob, failed;
	size_t left;  /* bytes of the blob that comes, its newline too */
	size_t bytes; /* of all blobs */
	struct blob *cache[CACHE_SLOTS];
	size_t n_cached, sweep; /* how many; the slot that is emptied next when they are too many */
	struct err *e;
};

static void fail(struct reel *r, enum err_class class, const char *what, const struct buf *said)
{
	char text[400];
	if (r->failed)
		return;
	r->failed = true;
	snprintf(text, sizeof text, "%s", said && said->data ? said->data : "");
	git_redact(text);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 32)
			*p = ' ';
	err_set(r->e, class, "%s%s%s", what, *text ? ": " : "", text);
}

/* ---- documents ---- */

/* A tree as git has it: "MODE NAME\0OID" an entry, sorted as if folders ended in a slash. Such a name could hold a
 * slash and read like a file in a folder, or stand twice. The trees below are small, and what they hold as folders is
 * all that a ledger's paths are read by. */
static void look_at_tree(struct blob *b)
{
	size_t hash = strlen(b->tree_of->c.id) / 2;
	const char *p = b->bytes, *end = b->bytes + b->len, *last = NULL;
	struct rule_commit *c = &b->tree_of->c;
	while (p < end && !c->odd) {
		const char *name = memchr(p, ' ', (size_t)(end - p)), *stop;
		name = name ? name + 1 : end;
		stop = memchr(name, 0, (size_t)(end - name));
		if (!stop || !*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ||
		    !strcasecmp(name, ".git") || (last && !strcmp(last, name))) {
			c->odd = xasprintf("%s%.200s", b->folder, stop ? name : "");
			break;
		}
		last = name;
		p = stop + 1 + hash;
	}
}

static void blob_drop(struct reel *r, struct blob *b)
{
	if (!b || --b->refs)
		return;
	r->bytes -= b->bytes ? b->len : 0;
	json_free(b->doc);
	free(b->bytes);
	free(b);
}

/* Where it stands; NULL: nowhere. room: where it could. */
static struct blob **cached(struct reel *r, const char *oid, struct blob ***room)
{
	unsigned v = 0;
	for (int i = 0; i < 8 && oid[i]; i++) /* hexadecimal digits */
		v = v << 4 ^ (unsigned)(oid[i] + (oid[i] >> 6) * 9);
	struct blob **way = &r->cache[v * CACHE_WAYS % CACHE_SLOTS];
	*room = way;
	for (int i = 0; i < CACHE_WAYS; i++) {
		if (way[i] && !strcmp(way[i]->oid, oid))
			return &way[i];
		if (!way[i])
			*room = &way[i];
	}
	return NULL;
}

static void uncache(struct reel *r, struct blob **slot)
{
	struct blob *b = *slot;
	*slot = NULL;
	r->n_cached -= b != NULL;
	blob_drop(r, b);
}

static void keep(struct reel *r, struct blob *b, struct blob **slot)
{
	uncache(r, slot);
	while (r->n_cached >= CACHE_MAX)
		uncache(r, &r->cache[r->sweep++ % CACHE_SLOTS]);
	*slot = b;
	b->refs++;
	r->n_cached++;
}

static void ask(struct reel *r, struct blob *b)
{
	b->refs++; /* the questions' */
	b->seq = ++r->asked;
	*(r->asked_last ? &r->asked_last->next_asked : &r->asked_first) = b;
	r->asked_last = b;
	proc_feed(r->cat, b->oid, strlen(b->oid));
	proc_feed(r->cat, "\n", 1);
}

/* again: as what one commit writes and another will take away. */
static struct blob *blob_want(struct reel *r, const char *oid, size_t max, bool again)
{
	struct blob **room, **slot = cached(r, oid, &room);
	if (slot && (*slot)->max >= max) {
		struct blob *here = *slot;
		here->refs++;
		if (!again)
			uncache(r, slot);
		return here;
	}
	struct blob *b = xcalloc(1, sizeof *b);
	*b = (struct blob){.refs = 1, .max = max};
	snprintf(b->oid, sizeof b->oid, "%s", oid);
	if (again)
		keep(r, b, slot ? slot : room);
	ask(r, b);
	return b;
}

static void answered(struct reel *r)
{
	struct blob *b = r->asked_first, **room, **slot;
	b->there = true;
	if (b->tree_of && b->bytes)
		look_at_tree(b);
	r->asked_first = b->next_asked;
	if (!r->asked_first)
		r->asked_last = NULL;
	r->answered = b->seq;
	r->bytes += b->bytes ? b->len : 0;
	if (b->len > CACHED_MAX && (slot = cached(r, b->oid, &room)) && *slot == b)
		uncache(r, slot);
	blob_drop(r, b);
}

/* "OID TYPE SIZE" or "OID missing" */
static void cat_head(struct reel *r, char *line)
{
	struct blob *b = r->asked_first;
	if (!b)
		return;
	const char *last = strrchr(line, ' '), *type = last ? last : line;
	while (type > line && type[-1] != ' ')
		type--;
	bool found = type > line && last[1] >= '0' && last[1] <= '9';
	unsigned long long size = found ? strtoull(last + 1, NULL, 10) : 0;
	if (!found && b->tree_of) {
		answered(r); /* there is no such folder */
		return;
	}
	if (!found) {
		char what[160];
		snprintf(what, sizeof what, "the repository lacks object %.72s: its history cannot be judged", b->oid);
		fail(r, ERR_DATA, what, NULL);
		answered(r);
		return;
	}
	b->keep = !strncmp(type, b->tree_of ? "tree " : "blob ", 5) && size <= b->max;
	if (b->keep)
		b->bytes = xcalloc((size_t)size + 1, 1);
	r->in_blob = true;
	r->left = (size_t)size + 1;
}

static void cat_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct reel *r = ctx;
	if (which != PROC_OUT) {
		if (r->cat_said.len < 2048)
			buf_add(&r->cat_said, bytes, len);
		return;
	}
	while (len) {
		size_t take;
		if (r->in_blob) {
			struct blob *b = r->asked_first;
			take = len < r->left ? len : r->left;
			if (b->keep && take > (r->left == take)) { /* the last byte is a newline */
				size_t n = take - (r->left == take);
				memcpy(b->bytes + b->len, bytes, n);
				b->len += n;
			}
			r->left -= take;
			if (!r->left) {
				r->in_blob = false;
				answered(r);
			}
		} else {
			const char *end = memchr(bytes, '\n', len);
			take = end ? (size_t)(end - bytes) + 1 : len;
			buf_add(&r->cat_pending, bytes, take);
			if (end) {
				cat_head(r, r->cat_pending.data);
				buf_reset(&r->cat_pending);
			}
		}
		bytes += take;
		len -= take;
	}
}

static void cat_end(void *ctx, const struct proc_result *res)
{
	struct reel *r = ctx;
	r->cat = NULL;
	if (r->asked_first || res->end != PROC_EXITED || res->code)
		fail(r, ERR_UNAVAILABLE, "git cat-file ended too soon", &r->cat_said);
}

/* ---- commits ---- */

static void step_free(struct reel *r, struct step *s)
{
	for (size_t i = 0; i < s->c.n; i++) {
		free(s->c.changes[i].path);
		if (s->old)
			blob_drop(r, s->old[i]);
		if (s->new)
			blob_drop(r, s->new[i]);
	}
	free(s->old);
	free(s->new);
	free(s->c.changes);
	free(s->c.author);
	free(s->c.committer);
	free(s->c.subject);
	free(s->c.signature_why);
	free(s->c.odd);
	free(s);
}

static void ask_tree(struct reel *r, struct step *s, const char *folder, const char *name)
{
	struct blob *b = xcalloc(1, sizeof *b);
	*b = (struct blob){.max = TOTALS_MAX, .tree_of = s, .folder = folder};
	snprintf(b->oid, sizeof b->oid, "%s%s", s->tree, name);
	ask(r, b);
	s->needs = b->seq;
}

static struct blob *ask_for(struct reel *r, struct step *s, const struct rule_change *ch, bool old)
{
	size_t max = ch->kind == RULE_TOTALS ? TOTALS_MAX : TASK_FILE_MAX;
	bool again = !old && (ch->kind == RULE_TASK || ch->kind == RULE_TOTALS);
	struct blob *b = blob_want(r, old ? ch->old_oid : ch->new_oid, max, again);
	s->needs = b->seq > s->needs ? b->seq : s->needs;
	return b;
}

/* The commit is read whole: it goes into the queue, and its documents are asked for. */
static void step_done(struct reader *in)
{
	struct step *s = in->now;
	struct reel *r = in->reel;
	in->now = NULL;
	if (!s)
		return;
	if (in->documents && !r->failed && r->cat) {
		ask_tree(r, s, "", "");
		ask_tree(r, s, "tasks/", ":tasks");
		s->old = xcalloc(s->c.n + 1, sizeof(struct blob *));
		s->new = xcalloc(s->c.n + 1, sizeof(struct blob *));
		for (size_t i = 0; i < s->c.n; i++) {
			struct rule_change *ch = &s->c.changes[i];
			bool old, new;
			rule_change_classify(ch);
			rules_wants(ch, &old, &new);
			s->old[i] = old ? ask_for(r, s, ch, true) : NULL;
			s->new[i] = new ? ask_for(r, s, ch, false) : NULL;
		}
	}
	*(in->last ? &in->last->next : &in->first) = s;
	in->last = s;
	in->queued++;
}

static void take_field(struct reader *in, const char *text)
{
	struct rule_commit *c = &in->now->c;
	switch (in->field++) {
	case 1:
		snprintf(c->parent, sizeof c->parent, "%.*s", (int)strcspn(text, " "), text);
		for (const char *p = text; *p; p += strspn(p, " ")) {
			c->n_parents++;
			p += strcspn(p, " ");
		}
		break;
	case 2:
		snprintf(in->now->tree, sizeof in->now->tree, "%s", text);
		break;
	case 3:
		c->author = xstrdup(text);
		break;
	case 4:
		c->committer = xstrdup(text);
		break;
	case 5:
		c->at = strtoll(text, NULL, 10);
		break;
	default:
		c->subject = xstrdup(text);
		in->field = 0;
	}
}

/* The next word of text; returns what is behind it. */
static char *take_word(char *out, size_t size, char *text)
{
	text += *text == ' ';
	size_t n = strcspn(text, " "), fits = n < size ? n : size - 1;
	memcpy(out, text, fits);
	out[fits] = 0;
	return text + n;
}

/* ":OLDMODE NEWMODE OLDOID NEWOID STATUS" */
static void take_change(struct reader *in, const char *text)
{
	struct step *s = in->now;
	struct rule_change ch = {0};
	char *end;
	ch.old_mode = (unsigned)strtoul(text + 1, &end, 8);
	ch.new_mode = (unsigned)strtoul(end, &end, 8);
	end = take_word(ch.old_oid, sizeof ch.old_oid, end);
	end = take_word(ch.new_oid, sizeof ch.new_oid, end);
	ch.status = end[*end == ' '];
	if (s->c.n == s->room) {
		s->room = s->room ? 2 * s->room : 4;
		s->c.changes = xrealloc(s->c.changes, s->room * sizeof *s->c.changes);
	}
	s->c.changes[s->c.n++] = ch;
	in->path_next = true;
}

static void take_record(struct reader *in, const char *text)
{
	if (in->field)
		take_field(in, text);
	else if (in->path_next) {
		in->now->c.changes[in->now->c.n - 1].path = xstrdup(text);
		in->path_next = false;
	} else if (*text == '@') {
		step_done(in);
		in->now = xcalloc(1, sizeof *in->now);
		snprintf(in->now->c.id, sizeof in->now->c.id, "%s", text + 1);
		in->field = 1;
	} else {
		text += *text == '\n';
		if (*text == ':' && in->now)
			take_change(in, text);
		else if (*text)
			fail(in->reel, ERR_BUG, "git log said what nobody expected", NULL);
	}
}

static void log_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct reader *in = ctx;
	if (which != PROC_OUT) {
		if (in->said.len < 2048)
			buf_add(&in->said, bytes, len);
		return;
	}
	while (len) {
		const char *end = memchr(bytes, 0, len);
		size_t take = end ? (size_t)(end - bytes) + 1 : len;
		if (end && !in->pending.len)
			take_record(in, bytes);
		else {
			buf_add(&in->pending, bytes, take);
			if (end) {
				take_record(in, in->pending.data);
				buf_reset(&in->pending);
			}
		}
		bytes += take;
		len -= take;
	}
}

static void log_end(void *ctx, const struct proc_result *res)
{
	struct reader *in = ctx;
	bool whole = res->end == PROC_EXITED && !res->code;
	if (whole)
		step_done(in);
	else if (in->now) /* it may lack anything: the path of its last change, for one */
		step_free(in->reel, in->now);
	in->now = NULL;
	in->proc = NULL;
	if (!whole)
		fail(in->reel, ERR_UNAVAILABLE, "git log", &in->said);
}

int reel_read(struct reel *r, enum reel_branch b, const char *from, const char *to)
{
	struct reader *in = &r->branch[b];
	char *range = from ? xasprintf("%s..%s", from, to) : xstrdup(to);
	/* Whatever the repository's own settings say. */
	const char *args[] = {"-c",
			      SMALL_DELTA_CACHE,
			      "-c",
			      "log.diffMerges=separate",
			      "log",
			      "--first-parent",
			      "-m",
			      "--raw",
			      "-z",
			      "--no-abbrev",
			      "--no-renames",
			      "--reverse",
			      "--root",
			      "--no-show-signature",
			      "--no-notes",
			      "--no-color",
			      "--no-ext-diff",
			      "--no-relative",
			      "--ignore-submodules=none",
			      "--encoding=UTF-8",
			      "--format=%x00@%H%x00%P%x00%T%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%s",
			      range,
			      "--",
			      NULL};
	in->proc = git_stream(in->reel->git, args, false, in, log_take, log_end, in->reel->e);
	free(range);
	return in->proc ? 0 : -1;
}

/* ---- the outside ---- */

/* What is held waits in git's pipe. */
static void hold(struct reel *r)
{
	const struct reader *l = &r->branch[REEL_LEDGER], *a = &r->branch[REEL_ARCHIVE];
	if (l->proc)
		proc_hold(l->proc, l->queued && (l->queued > QUEUE_MAX || r->bytes > BYTES_MAX ||
						 r->asked - r->answered > 4 * QUEUE_MAX));
	if (a->proc)
		proc_hold(a->proc, a->queued > ARCHIVE_QUEUE_MAX);
}

static bool complete(const struct reel *r, const struct step *s)
{
	return s->needs <= r->answered;
}

static void give_documents(struct step *s)
{
	for (size_t i = 0; s->old && i < s->c.n; i++) {
		struct rule_change *ch = &s->c.changes[i];
		if (s->old[i])
			ch->old = (struct rule_text){s->old[i]->bytes, s->old[i]->len, &s->old[i]->doc};
		if (s->new[i])
			ch->new = (struct rule_text){s->new[i]->bytes, s->new[i]->len, &s->new[i]->doc};
	}
}

struct rule_commit *reel_head(struct reel *r, enum reel_branch b, size_t n)
{
	struct step *s = r->branch[b].first;
	while (s && n--)
		s = s->next;
	if (!s || !complete(r, s))
		return NULL;
	give_documents(s);
	return &s->c;
}

void reel_drop(struct reel *r, enum reel_branch b)
{
	struct reader *in = &r->branch[b];
	struct step *s = in->first;
	in->first = s->next;
	if (!in->first)
		in->last = NULL;
	in->queued--;
	step_free(r, s);
}

bool reel_ended(const struct reel *r, enum reel_branch b)
{
	return !r->branch[b].proc && !r->branch[b].first;
}

void reel_wait(struct reel *r)
{
	hold(r);
	loop_step(1000);
}

bool reel_failed(const struct reel *r)
{
	return r->failed;
}

void reel_fail(struct reel *r, enum err_class class, const char *what)
{
	fail(r, class, what, NULL);
}

struct reel *reel_open(const struct git *g, struct err *e)
{
	static const char *const cat[] = {"-c", SMALL_DELTA_CACHE, "cat-file", "--batch", NULL};
	struct reel *r = xcalloc(1, sizeof *r);
	*r = (struct reel){.git = g, .e = e};
	for (int b = 0; b < REEL_N; b++)
		r->branch[b] = (struct reader){.reel = r, .documents = b == REEL_LEDGER};
	if ((r->cat = git_stream(g, cat, true, r, cat_take, cat_end, e)))
		return r;
	free(r);
	return NULL;
}

static void end_child(struct proc *const *p)
{
	if (*p)
		proc_signal(*p, SIGTERM);
	while (*p) {
		proc_hold(*p, false);
		loop_step(100);
	}
}

void reel_close(struct reel *r)
{
	if (!r)
		return;
	r->failed = true; /* nothing that comes now matters */
	for (int b = 0; b < REEL_N; b++)
		end_child(&r->branch[b].proc);
	end_child(&r->cat);
	for (struct blob *b = r->asked_first; b; b = b->next_asked)
		b->tree_of = NULL;
	for (int b = 0; b < REEL_N; b++) {
		struct reader *in = &r->branch[b];
		while (in->first)
			reel_drop(r, (enum reel_branch)b);
		if (in->now)
			step_free(r, in->now);
		buf_clear(&in->pending);
		buf_clear(&in->said);
	}
	while (r->asked_first)
		answered(r);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		uncache(r, &r->cache[i]);
	buf_clear(&r->cat_pending);
	buf_clear(&r->cat_said);
	free(r);
}
