#include "audit/commits.h"
#include "audit/objects.h"
#include "base/clock.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct commits {
	struct commits_sink sink;
	struct proc *proc;
	struct buf pending, said;
	int field; /* of a commit's head, 0: a change or the next head comes */
	struct rule_commit now;
	char tree[72];
	size_t room;
	bool begun, path_next;
};

void commits_clear(struct rule_commit *c)
{
	for (size_t i = 0; i < c->n; i++)
		free(c->changes[i].path);
	free(c->changes);
	free(c->author);
	free(c->committer);
	free(c->encoding);
	free(c->subject);
	free(c->signature_why);
	free(c->odd);
	free(c->others);
	*c = (struct rule_commit){0};
}

/* ---- what git log says ---- */

static void hand_out(struct commits *in)
{
	if (in->begun)
		in->sink.take(in->sink.ctx, &in->now, in->tree);
	in->now = (struct rule_commit){0};
	in->begun = false;
	in->room = 0;
}

static void take_field(struct commits *in, const char *text)
{
	struct rule_commit *c = &in->now;
	switch (in->field++) {
	case 1:
		snprintf(c->parent, sizeof c->parent, "%.*s", (int)strcspn(text, " "), text);
		if (text[strcspn(text, " ")])
			c->others = xstrdup(text + strcspn(text, " ") + 1);
		for (const char *p = text; *p; p += strspn(p, " ")) {
			c->n_parents++;
			p += strcspn(p, " ");
		}
		break;
	case 2:
		snprintf(in->tree, sizeof in->tree, "%s", text);
		break;
	case 3:
		c->author = xstrdup(text);
		break;
	case 4:
		c->committer = xstrdup(text);
		break;
	case 5:
		c->at = clock_read(text);
		break;
	case 6:
		c->encoding = *text ? xstrdup(text) : NULL;
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
static void take_change(struct commits *in, const char *text)
{
	struct rule_commit *c = &in->now;
	struct rule_change ch = {0};
	char *end;
	ch.old_mode = (unsigned)strtoul(text + 1, &end, 8);
	ch.new_mode = (unsigned)strtoul(end, &end, 8);
	end = take_word(ch.old_oid, sizeof ch.old_oid, end);
	end = take_word(ch.new_oid, sizeof ch.new_oid, end);
	ch.status = end[*end == ' '];
	if (c->n == in->room) {
		in->room = in->room ? 2 * in->room : 4;
		c->changes = xrealloc(c->changes, in->room * sizeof *c->changes);
	}
	c->changes[c->n++] = ch;
	in->path_next = true;
}

static void take_record(struct commits *in, const char *text)
{
	if (in->field)
		take_field(in, text);
	else if (in->path_next) {
		in->now.changes[in->now.n - 1].path = xstrdup(text);
		in->path_next = false;
	} else if (*text == '@') {
		hand_out(in);
		in->begun = true;
		snprintf(in->now.id, sizeof in->now.id, "%s", text + 1);
		in->field = 1;
	} else {
		text += *text == '\n';
		if (*text == ':' && in->begun)
			take_change(in, text);
		else if (*text)
			in->sink.fail(in->sink.ctx, ERR_BUG, "git log said what nobody expected", NULL);
	}
}

static void log_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct commits *in = ctx;
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
	struct commits *in = ctx;
	bool whole = res->end == PROC_EXITED && !res->code;
	in->proc = NULL;
	if (whole)
		hand_out(in);
	else /* the last commit may lack anything: the path of its last change, for one */
		in->sink.fail(in->sink.ctx, ERR_UNAVAILABLE, "git log", &in->said);
}

/* ---- the outside ---- */

struct commits *commits_read(const struct git *g, const char *from, const char *to, struct commits_sink sink,
			     struct err *e)
{
	struct commits *in = xcalloc(1, sizeof *in);
	char *range = from ? xasprintf("%s..%s", from, to) : xstrdup(to);
	/* Whatever the repository's own settings say. */
	const char *args[] = {"-c",
			      OBJECTS_SMALL_DELTA_CACHE,
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
			      "--format=%x00@%H%x00%P%x00%T%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%e%x00%s",
			      range,
			      "--",
			      NULL};
	in->sink = sink;
	in->proc = git_stream(g, args, false, in, log_take, log_end, e);
	free(range);
	if (in->proc)
		return in;
	free(in);
	return NULL;
}

bool commits_ended(const struct commits *c)
{
	return !c || !c->proc;
}

void commits_hold(struct commits *c, bool waiting)
{
	if (c && c->proc)
		proc_hold(c->proc, waiting);
}

void commits_close(struct commits *c)
{
	if (!c)
		return;
	proc_end_now(&c->proc);
	commits_clear(&c->now);
	buf_clear(&c->pending);
	buf_clear(&c->said);
	free(c);
}
