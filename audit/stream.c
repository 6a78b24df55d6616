#include "audit/stream.h"
#include "audit/commits.h"
#include "audit/objects.h"
#include "audit/rules.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define QUEUE_MAX 512 /* commits read ahead */
#define ARCHIVE_QUEUE_MAX 4
#define BYTES_MAX (16u << 20) /* of documents, kept and waiting; what one commit brings comes on top */
#define TOTALS_MAX (16u << 20)

struct step { /* a commit with its documents */
	struct rule_commit c;
	struct object **old, **new; /* of each change; NULL: nobody wants it */
	uint64_t needs;		    /* the last question that must be answered before it can be judged */
	struct step *next;
};
struct line { /* the commits of one branch that wait */
	struct stream *stream;
	struct commits *commits; /* NULL: not begun */
	struct step *first, *last;
	size_t queued;
	bool documents;
};
struct stream {
	const struct git *git;
	struct line branch[STREAM_N];
	struct objects *objects;
	bool failed;
	struct err *e;
};

static void fail(void *ctx, enum err_class class, const char *what, const struct buf *said)
{
	struct stream *s = ctx;
	char text[400];
	if (s->failed)
		return;
	s->failed = true;
	snprintf(text, sizeof text, "%s", said && said->data ? said->data : "");
	git_redact(text);
	for (char *p = text; *p; p++)
		if ((unsigned char)*p < 32)
			*p = ' ';
	err_set(s->e, class, "%s%s%s", what, *text ? ": " : "", text);
}

static void line_fail(void *ctx, enum err_class class, const char *what, const struct buf *said)
{
	fail(((struct line *)ctx)->stream, class, what, said);
}

/* ---- a commit's documents ---- */

/* A tree as git has it: "MODE NAME\0OID" an entry, sorted as if folders ended in a slash. Such a name could hold a
 * slash and read like a file in a folder, or stand twice. The trees below are small, and what they hold as folders is
 * all that a ledger's paths are read by. */
static void look_at_tree(void *ctx, const char *folder, const char *bytes, size_t len)
{
	struct rule_commit *c = ctx;
	size_t hash = strlen(c->id) / 2;
	const char *p = bytes, *end = bytes + len, *last = NULL;
	while (p < end && !c->odd) {
		const char *name = memchr(p, ' ', (size_t)(end - p)), *stop;
		name = name ? name + 1 : end;
		stop = memchr(name, 0, (size_t)(end - name));
		if (!stop || !*name || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, "..") ||
		    !strcasecmp(name, ".git") || (last && !strcmp(last, name))) {
			c->odd = xasprintf("%s%.200s", folder, stop ? name : "");
			break;
		}
		last = name;
		p = stop + 1 + hash;
	}
}

static void need(struct step *s, uint64_t seq)
{
	s->needs = seq > s->needs ? seq : s->needs;
}

static struct object *want(struct stream *r, struct step *s, const struct rule_change *ch, bool old)
{
	size_t max = ch->kind == RULE_TOTALS ? TOTALS_MAX : TASK_FILE_MAX;
	bool again = !old && (ch->kind == RULE_TASK || ch->kind == RULE_TOTALS);
	struct object *b = objects_want(r->objects, old ? ch->old_oid : ch->new_oid, max, again);
	need(s, b->seq);
	return b;
}

static void ask_tree(struct stream *r, struct step *s, const char *tree, const char *below, const char *folder)
{
	char *name = xasprintf("%s%s", tree, below);
	need(s, objects_tree(r->objects, name, look_at_tree, &s->c, folder));
	free(name);
}

static void ask(struct stream *r, struct step *s, const char *tree)
{
	ask_tree(r, s, tree, "", "");
	ask_tree(r, s, tree, ":tasks", "tasks/");
	s->old = xcalloc(s->c.n + 1, sizeof(struct object *));
	s->new = xcalloc(s->c.n + 1, sizeof(struct object *));
	for (size_t i = 0; i < s->c.n; i++) {
		struct rule_change *ch = &s->c.changes[i];
		bool old, new;
		rule_change_classify(ch);
		rules_wants(ch, &old, &new);
		s->old[i] = old ? want(r, s, ch, true) : NULL;
		s->new[i] = new ? want(r, s, ch, false) : NULL;
	}
}

/* It goes into the queue, and its documents are asked for. */
static void take(void *ctx, struct rule_commit *c, const char *tree)
{
	struct line *in = ctx;
	struct step *s = xcalloc(1, sizeof *s);
	s->c = *c;
	if (in->documents && !in->stream->failed && objects_running(in->stream->objects))
		ask(in->stream, s, tree);
	*(in->last ? &in->last->next : &in->first) = s;
	in->last = s;
	in->queued++;
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

static void step_free(struct stream *r, struct step *s)
{
	for (size_t i = 0; s->old && i < s->c.n; i++) {
		object_drop(r->objects, s->old[i]);
		object_drop(r->objects, s->new[i]);
	}
	free(s->old);
	free(s->new);
	commits_clear(&s->c);
	free(s);
}

/* ---- the outside ---- */

/* What is held waits in git's pipe. */
static void hold(struct stream *s)
{
	const struct line *l = &s->branch[STREAM_LEDGER], *a = &s->branch[STREAM_ARCHIVE];
	uint64_t open = objects_asked(s->objects) - objects_answered(s->objects);
	commits_hold(l->commits, l->queued && (l->queued > QUEUE_MAX || objects_bytes(s->objects) > BYTES_MAX ||
					       open > 4 * QUEUE_MAX));
	commits_hold(a->commits, a->queued > ARCHIVE_QUEUE_MAX);
}

struct rule_commit *stream_head(struct stream *s, enum stream_branch b, size_t n)
{
	struct step *at = s->branch[b].first;
	while (at && n--)
		at = at->next;
	if (!at || at->needs > objects_answered(s->objects))
		return NULL;
	give_documents(at);
	return &at->c;
}

void stream_drop(struct stream *s, enum stream_branch b)
{
	struct line *in = &s->branch[b];
	struct step *first = in->first;
	in->first = first->next;
	if (!in->first)
		in->last = NULL;
	in->queued--;
	step_free(s, first);
}

bool stream_ended(const struct stream *s, enum stream_branch b)
{
	return commits_ended(s->branch[b].commits) && !s->branch[b].first;
}

void stream_wait(struct stream *s)
{
	hold(s);
	loop_step(1000);
}

bool stream_failed(const struct stream *s)
{
	return s->failed;
}

void stream_fail(struct stream *s, enum err_class class, const char *what)
{
	fail(s, class, what, NULL);
}

int stream_read(struct stream *s, enum stream_branch b, const char *from, const char *to)
{
	struct line *in = &s->branch[b];
	const struct commits_sink sink = {.take = take, .fail = line_fail, .ctx = in};
	in->commits = commits_read(s->git, from, to, sink, s->e);
	return in->commits ? 0 : -1;
}

struct stream *stream_open(const struct git *g, struct err *e)
{
	struct stream *s = xcalloc(1, sizeof *s);
	*s = (struct stream){.git = g, .e = e};
	for (int b = 0; b < STREAM_N; b++)
		s->branch[b] = (struct line){.stream = s, .documents = b == STREAM_LEDGER};
	if ((s->objects = objects_open(g, (struct objects_fail){fail, s}, e)))
		return s;
	free(s);
	return NULL;
}

void stream_close(struct stream *s)
{
	if (!s)
		return;
	s->failed = true; /* nothing that comes now matters */
	for (int b = 0; b < STREAM_N; b++)
		commits_close(s->branch[b].commits);
	objects_stop(s->objects);
	for (int b = 0; b < STREAM_N; b++)
		while (s->branch[b].first)
			stream_drop(s, (enum stream_branch)b);
	objects_close(s->objects);
	free(s);
}
