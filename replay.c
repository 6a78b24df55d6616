#include "replay.h"
#include "rules_archive.h"
#include "sig.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_MAX 512 /* commits read ahead */
#define ARCHIVE_QUEUE_MAX 4
#define BYTES_MAX (16u << 20) /* of documents, kept and waiting; what one commit brings comes on top */
#define CACHE_SLOTS 1024      /* documents kept: what one commit writes another moves */
#define CACHED_MAX 8192	      /* bytes of one that is worth keeping */
#define TOTALS_MAX (16u << 20)
#define PROGRESS_EVERY 200

struct blob {
	unsigned refs;
	uint64_t seq; /* of its question to cat-file */
	bool there, keep;
	char oid[72];
	char *bytes; /* NULL: missing, no blob, or too large */
	size_t len, max;
	struct json *doc; /* what the judges made of bytes */
	struct blob *next_asked;
};
struct step { /* a commit with its documents */
	struct rule_commit c;
	struct blob **old, **new; /* of each change; NULL: nobody wants it */
	size_t room;
	uint64_t needs; /* the last question that must be answered before it can be judged */
	struct step *next;
};
struct reader { /* one git log */
	struct run *run;
	struct proc *proc;
	const char *branch;
	struct buf pending, said;
	int field; /* of a commit's head, 0: a change or the next head comes */
	struct step *now;
	struct step *first, *last;
	size_t queued;
	bool ended, path_next, documents;
};
struct run {
	struct replay *p;
	struct rules rules;
	struct reader ledger, archive;
	struct proc *cat;
	struct buf cat_pending, cat_said;
	struct blob *asked_first, *asked_last;
	uint64_t asked, answered;
	bool in_blob, cat_ended;
	size_t left; /* bytes of the blob that comes, its newline too */
	size_t bytes;
	struct blob *cache[CACHE_SLOTS];
	int64_t last_at;
	char last[72];
	bool begun, failed;
	struct err *e;
};

static void fail(struct run *r, enum err_class class, const char *what, const struct buf *said)
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

static void blob_drop(struct run *r, struct blob *b)
{
	if (!b || --b->refs)
		return;
	r->bytes -= b->bytes ? b->len : 0;
	json_free(b->doc);
	free(b->bytes);
	free(b);
}

static struct blob **slot_of(struct run *r, const char *oid)
{
	char head[9];
	snprintf(head, sizeof head, "%.8s", oid);
	return &r->cache[strtoul(head, NULL, 16) % CACHE_SLOTS];
}

static struct blob *blob_want(struct run *r, const char *oid, size_t max)
{
	struct blob **slot = slot_of(r, oid), *b = *slot;
	if (b && !strcmp(b->oid, oid) && b->max >= max) {
		b->refs++;
		return b;
	}
	blob_drop(r, *slot);
	b = xcalloc(1, sizeof *b);
	*b = (struct blob){.refs = 3, .seq = ++r->asked, .max = max}; /* the asker, the questions, the cache */
	snprintf(b->oid, sizeof b->oid, "%s", oid);
	*slot = b;
	*(r->asked_last ? &r->asked_last->next_asked : &r->asked_first) = b;
	r->asked_last = b;
	proc_feed(r->cat, oid, strlen(oid));
	proc_feed(r->cat, "\n", 1);
	return b;
}

static void answered(struct run *r)
{
	struct blob *b = r->asked_first, **slot = slot_of(r, b->oid);
	b->there = true;
	r->asked_first = b->next_asked;
	if (!r->asked_first)
		r->asked_last = NULL;
	r->answered = b->seq;
	r->bytes += b->bytes ? b->len : 0;
	if (b->len > CACHED_MAX && *slot == b) {
		*slot = NULL;
		b->refs--;
	}
	blob_drop(r, b);
}

/* "OID TYPE SIZE" or "OID missing" */
static void cat_head(struct run *r, char *line)
{
	char type[16] = "";
	unsigned long long size = 0;
	struct blob *b = r->asked_first;
	if (!b)
		return;
	if (sscanf(line, "%*s %15s %llu", type, &size) != 2) {
		char what[160];
		snprintf(what, sizeof what, "the repository lacks object %.72s: its history cannot be judged", b->oid);
		fail(r, ERR_DATA, what, NULL);
		answered(r);
		return;
	}
	b->keep = !strcmp(type, "blob") && size <= b->max;
	if (b->keep)
		b->bytes = xcalloc((size_t)size + 1, 1);
	r->in_blob = true;
	r->left = (size_t)size + 1;
}

static void cat_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct run *r = ctx;
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
	struct run *r = ctx;
	r->cat_ended = true;
	r->cat = NULL;
	if (r->asked_first || res->end != PROC_EXITED || res->code)
		fail(r, ERR_UNAVAILABLE, "git cat-file ended too soon", &r->cat_said);
}

/* ---- commits ---- */

static void step_free(struct run *r, struct step *s)
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
	free(s);
}

static struct blob *ask_for(struct run *r, struct step *s, const struct rule_change *ch, const char *oid)
{
	struct blob *b = blob_want(r, oid, ch->kind == RULE_TOTALS ? TOTALS_MAX : TASK_FILE_MAX);
	s->needs = b->seq > s->needs ? b->seq : s->needs;
	return b;
}

/* The commit is read whole: it goes into the queue, and its documents are asked for. */
static void step_done(struct reader *in)
{
	struct step *s = in->now;
	struct run *r = in->run;
	in->now = NULL;
	if (!s)
		return;
	if (in->documents && !r->failed && r->cat) {
		s->old = xcalloc(s->c.n + 1, sizeof(struct blob *));
		s->new = xcalloc(s->c.n + 1, sizeof(struct blob *));
		for (size_t i = 0; i < s->c.n; i++) {
			struct rule_change *ch = &s->c.changes[i];
			bool old, new;
			rule_change_classify(ch);
			rules_wants(ch, &old, &new);
			s->old[i] = old ? ask_for(r, s, ch, ch->old_oid) : NULL;
			s->new[i] = new ? ask_for(r, s, ch, ch->new_oid) : NULL;
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
		c->author = xstrdup(text);
		break;
	case 3:
		c->committer = xstrdup(text);
		break;
	case 4:
		c->at = strtoll(text, NULL, 10);
		break;
	default:
		c->subject = xstrdup(text);
		in->field = 0;
	}
}

/* ":OLDMODE NEWMODE OLDOID NEWOID STATUS" */
static void take_change(struct reader *in, const char *text)
{
	struct step *s = in->now;
	struct rule_change ch = {0};
	char *end;
	ch.old_mode = (unsigned)strtoul(text + 1, &end, 8);
	ch.new_mode = (unsigned)strtoul(end, &end, 8);
	end += *end == ' ';
	size_t n = strcspn(end, " ");
	snprintf(ch.old_oid, sizeof ch.old_oid, "%.*s", (int)n, end);
	end += n + (end[n] == ' ');
	n = strcspn(end, " ");
	snprintf(ch.new_oid, sizeof ch.new_oid, "%.*s", (int)n, end);
	end += n + (end[n] == ' ');
	ch.status = *end;
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
			fail(in->run, ERR_BUG, "git log said what nobody expected", NULL);
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
	char what[80];
	step_done(in);
	in->ended = true;
	in->proc = NULL;
	snprintf(what, sizeof what, "git log of %s", in->branch);
	if (res->end != PROC_EXITED || res->code)
		fail(in->run, ERR_UNAVAILABLE, what, &in->said);
}

static int read_log(struct reader *in, const char *from, const char *to)
{
	char *range = from ? xasprintf("%s..%s", from, to) : xstrdup(to);
	/* Whatever the repository's own settings say. */
	const char *args[] = {"-c",
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
			      "--format=%x00@%H%x00%P%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%s",
			      range,
			      "--",
			      NULL};
	in->proc = git_stream(in->run->p->git, args, false, in, log_take, log_end, in->run->e);
	in->ended = !in->proc;
	free(range);
	return in->proc ? 0 : -1;
}

static struct step *pop(struct reader *in)
{
	struct step *s = in->first;
	in->first = s->next;
	if (!in->first)
		in->last = NULL;
	in->queued--;
	return s;
}

/* ---- what the judges ask ---- */

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text)
{
	struct run *r = ctx;
	if (rule < RULE_NOTICES)
		r->p->violations++;
	else
		r->p->notices++;
	r->p->tell(r->p->ctx, rule, c, path, text);
}

static int ask_arrival(void *ctx, const struct rule_commit *c, const char *id, struct arrival *out)
{
	struct run *r = ctx;
	struct err e;
	if (!arrival_find(r->p->git, c->parent, NULL, id, out, &e))
		return 1;
	if (e.class == ERR_NOENT)
		return 0;
	fail(r, e.class, e.msg, NULL);
	return -1;
}

static int ask_trusted(void *ctx, const struct rule_commit *c, const char *id, const struct json *doc,
		       struct trust_verdict *v)
{
	struct run *r = ctx;
	struct err e;
	if (!trust_judge(r->p->git, c->parent, NULL, id, doc, v, &e))
		return 0;
	fail(r, e.class, e.msg, NULL);
	return -1;
}

/* ---- where the replay begins ---- */

struct base {
	struct run *run;
	struct strs node_ids, oids; /* the first oid is that of grid.json, when there is one */
	bool settings;
};

/* "MODE TYPE OID\tPATH" */
static void take_entry(void *ctx, const char *entry)
{
	struct base *b = ctx;
	struct world *w = &b->run->rules.world;
	const char *tab = strchr(entry, '\t');
	char oid[72];
	struct rule_change ch = {.path = tab ? xstrdup(tab + 1) : xstrdup("")};
	rule_change_classify(&ch);
	bool blob = sscanf(entry, "%*s blob %71s", oid) == 1;
	if (ch.kind == RULE_TASK)
		world_task_add(w, ch.id)->states |= 1u << ch.state;
	else if (ch.kind == RULE_NODE) {
		world_node_add(w, ch.id);
		if (blob) {
			strs_add(&b->node_ids, ch.id);
			strs_add(&b->oids, oid);
		}
	} else if (ch.kind == RULE_SETTINGS && blob) {
		strs_add(&b->node_ids, "");
		strs_add(&b->oids, oid);
	}
	free(ch.path);
}

static void take_base(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct base *b = ctx;
	struct world *w = &b->run->rules.world;
	struct json_error je;
	if (!b->node_ids.v[i][0]) {
		if (bytes)
			world_settings(w, bytes, len);
		return;
	}
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL;
	world_node_read(world_node_add(w, b->node_ids.v[i]), doc);
	json_free(doc);
}

static int load_base(struct run *r, const char *commit)
{
	struct base b = {.run = r};
	struct buf at = {0};
	const struct git *g = r->p->git;
	const char *tree[] = {"ls-tree", "-r", "-z", "--full-tree", commit, "tasks/", "nodes/", "grid.json", NULL};
	const char *when[] = {"show", "-s", "--no-show-signature", "--format=%ct", commit, NULL};
	int rc = git_records(g, tree, take_entry, &b, r->e);
	if (!rc && b.oids.n)
		rc = git_cat(g, "blob", b.oids.v, b.oids.n, TASK_FILE_MAX, take_base, &b, r->e);
	if (!rc && !(rc = git_run(g, &at, r->e, when)))
		r->last_at = strtoll(at.data, NULL, 10);
	strs_clear(&b.node_ids);
	strs_clear(&b.oids);
	buf_clear(&at);
	return rc;
}

static int begin(struct run *r, const struct rule_commit *c)
{
	const char *from = r->p->from ? r->p->from : "";
	r->begun = true;
	if (strcmp(c->parent, from) != 0 && *from)
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, c, "",
			  "commit %.10s, audited before, is not on the first-parent line: after it stands %.10s, whose "
			  "parent "
			  "is %.10s",
			  from, c->id, c->parent[0] ? c->parent : "none");
	return c->parent[0] ? load_base(r, c->parent) : 0;
}

/* ---- the judging ---- */

static bool ready(const struct run *r)
{
	const struct step *s = r->ledger.first;
	return s && s->needs <= r->answered &&
	       (!r->p->archive_to || r->archive.first || r->archive.ended || !rules_archives(&s->c));
}

static void judge_archive(struct run *r, struct step *a, bool unclaimed)
{
	const char *from = r->p->archive_from;
	if (!r->p->archive_commits++ && from && strcmp(a->c.parent, from) != 0)
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, &a->c, "",
			  "commit %.10s of the archive, audited before, is not on its first-parent line", from);
	rule_who(&a->c, &r->rules.world);
	rules_archive_commit(&r->rules, &a->c, unclaimed);
}

static int judge(struct run *r)
{
	struct step *s = pop(&r->ledger), *a = NULL;
	struct rule_commit *c = &s->c;
	int rc = r->begun ? 0 : begin(r, c);
	for (size_t i = 0; i < c->n; i++) {
		struct rule_change *ch = &c->changes[i];
		if (s->old[i])
			ch->old = (struct rule_text){s->old[i]->bytes, s->old[i]->len, &s->old[i]->doc};
		if (s->new[i])
			ch->new = (struct rule_text){s->new[i]->bytes, s->new[i]->len, &s->new[i]->doc};
	}
	c->parent_at = r->last_at;
	c->archive_seen = true;
	if (!rc && rules_archives(c) && r->archive.first) {
		a = pop(&r->archive);
		judge_archive(r, a, false);
		c->archive = &a->c;
	}
	if (!rc)
		rules_judge(&r->rules, c);
	r->last_at = c->at;
	memcpy(r->last, c->id, sizeof r->last);
	r->p->commits++;
	if (r->p->progress && r->p->commits % PROGRESS_EVERY == 0)
		r->p->progress(r->p->ctx, r->p->commits);
	if (a)
		step_free(r, a);
	step_free(r, s);
	return rc;
}

static void hold(struct run *r)
{
	if (r->ledger.proc)
		proc_hold(r->ledger.proc, r->ledger.queued && (r->ledger.queued > QUEUE_MAX || r->bytes > BYTES_MAX ||
							       r->asked - r->answered > 4 * QUEUE_MAX));
	if (r->archive.proc)
		proc_hold(r->archive.proc, r->archive.queued > ARCHIVE_QUEUE_MAX);
}

/* Commits of the archive that belong before the range are not looked at. */
static void skip_archive(struct run *r)
{
	while (r->p->archive_skip && r->archive.first) {
		step_free(r, pop(&r->archive));
		r->p->archive_skip--;
	}
}

static int work(struct run *r)
{
	while (!r->failed) {
		skip_archive(r);
		if (sig_stops() > 0) {
			r->p->stopped = true;
			return 0;
		}
		if (ready(r)) {
			if (judge(r))
				return -1;
			hold(r);
		} else if (r->ledger.ended && !r->ledger.first)
			return 0;
		else {
			hold(r);
			loop_step(1000);
		}
	}
	return -1;
}

/* What the archive has beyond. */
static int finish(struct run *r)
{
	const struct replay *p = r->p;
	struct rule_commit at = {.author = (char *)"", .committer = (char *)"", .subject = (char *)""};
	snprintf(at.id, sizeof at.id, "%s", p->to);
	if (!r->begun && p->from && strcmp(p->from, p->to) != 0)
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, &at, "",
			  "commit %.10s, audited before, is not behind this one: the branch was set back", p->from);
	while (!r->failed && p->archive_all && p->archive_to && !p->stopped) {
		skip_archive(r);
		if (r->archive.first) {
			struct step *a = pop(&r->archive);
			judge_archive(r, a, true);
			step_free(r, a);
		} else if (r->archive.ended)
			break;
		hold(r);
		if (!r->archive.first)
			loop_step(1000);
	}
	if (p->archive_from && p->archive_to && !p->archive_commits && r->archive.ended &&
	    strcmp(p->archive_from, p->archive_to) != 0) {
		snprintf(at.id, sizeof at.id, "%s", p->archive_to);
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, &at, "",
			  "commit %.10s of the archive, audited before, is not behind this one", p->archive_from);
	}
	return r->failed ? -1 : 0;
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

static void reader_clear(struct run *r, struct reader *in)
{
	while (in->first)
		step_free(r, pop(in));
	if (in->now)
		step_free(r, in->now);
	buf_clear(&in->pending);
	buf_clear(&in->said);
}

int replay_run(struct replay *p, struct err *e)
{
	static const char *const cat[] = {"cat-file", "--batch", NULL};
	struct run *r = xcalloc(1, sizeof *r);
	*r = (struct run){.p = p, .e = e};
	r->ledger = (struct reader){.run = r, .branch = "the ledger", .documents = true, .ended = true};
	r->archive = (struct reader){.run = r, .branch = "the archive", .ended = true};
	r->rules = (struct rules){.ctx = r, .tell = tell, .arrival = ask_arrival, .trusted = ask_trusted};
	p->commits = p->archive_commits = p->violations = p->notices = 0;
	p->stopped = false;
	world_init(&r->rules.world);
	int rc = -1;
	if (!(r->cat = git_stream(p->git, cat, true, r, cat_take, cat_end, e)))
		goto out;
	if (read_log(&r->ledger, p->from, p->to))
		goto out;
	if (p->archive_to && read_log(&r->archive, p->archive_from, p->archive_to))
		goto out;
	rc = work(r);
	if (!rc)
		rc = finish(r);
out:
	r->failed = true; /* nothing that comes now matters */
	end_child(&r->ledger.proc);
	end_child(&r->archive.proc);
	end_child(&r->cat);
	reader_clear(r, &r->ledger);
	reader_clear(r, &r->archive);
	while (r->asked_first)
		answered(r);
	for (size_t i = 0; i < CACHE_SLOTS; i++)
		blob_drop(r, r->cache[i]);
	buf_clear(&r->cat_pending);
	buf_clear(&r->cat_said);
	world_clear(&r->rules.world);
	free(r);
	return rc;
}
