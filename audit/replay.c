#include "audit/replay.h"
#include "audit/rules_archive.h"
#include "audit/rules_needs.h"
#include "audit/rules_order.h"
#include "audit/stream.h"
#include "base/clock.h"
#include "base/sig.h"
#include "store/origin.h"
#include "store/signed.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROGRESS_EVERY 200
#define LOOK_BACK "-n256" /* commits before the range whose dates count */
#define STRETCH 128	  /* commits whose signatures are asked for at once */

struct run {
	struct replay *p;
	struct rules rules;
	struct stream *stream;
	char base[72]; /* the commit that the replay begins after; "": with the first there is */
	bool begun;
	struct err *e;
};

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
	stream_fail(r->stream, e.class, e.msg);
	return -1;
}

static int ask_trusted(void *ctx, const struct rule_commit *c, const char *id, const struct json *doc,
		       struct trust_verdict *v)
{
	struct run *r = ctx;
	struct err e;
	if (!trust_judge(r->p->git, c->parent, NULL, id, doc, v, &e))
		return 0;
	stream_fail(r->stream, e.class, e.msg);
	return -1;
}

static int ask_genuine(void *ctx, const struct rule_commit *c, const char *id, const struct json *doc)
{
	struct run *r = ctx;
	struct trust_verdict v;
	struct err e;
	int rc = trust_lists(r->p->git, c->parent, &e);
	if (rc == 1)
		rc = trust_judge(r->p->git, c->parent, NULL, id, doc, &v, &e) ? -1 : v.ok;
	else if (!rc)
		rc = trust_signed(doc, &e);
	if (rc < 0)
		stream_fail(r->stream, e.class, e.msg);
	return rc;
}

static int ask_archived(void *ctx, const struct rule_commit *archive, const char *path)
{
	struct run *r = ctx;
	struct buf b = {0};
	struct err e;
	const char *args[] = {"ls-tree", "--full-tree", archive->parent, "--", path, NULL};
	int rc = git_run(r->p->git, &b, &e, args) ? -1 : b.len > 0;
	if (rc < 0)
		stream_fail(r->stream, e.class, e.msg);
	buf_clear(&b);
	return rc;
}

static void tell_given(void *ctx, const char *tree)
{
	struct run *r = ctx;
	if (r->p->given)
		r->p->given(r->p->ctx, tree);
}

static int ask_origins(void *ctx, const struct rule_commit *c, const char *const *names, size_t n, int64_t *since)
{
	struct run *r = ctx;
	struct err e;
	if (!origin_find(r->p->git, c->parent, NULL, names, n, since, &e))
		return 0;
	stream_fail(r->stream, e.class, e.msg);
	return -1;
}

/* A request that was merged brings submissions, and may have merged the grid's line itself: merges are left out. */
static int ask_aside(void *ctx, const struct rule_commit *c, char id[72])
{
	struct run *r = ctx;
	struct buf out = {0};
	struct err e;
	struct strs argv = {0};
	static const char *const ledgers[] = {"--",	      "tasks/in_progress",  "tasks/completed",
					      "tasks/failed", "tasks/archive.json", ":(glob)nodes/*.json"};
	strs_add(&argv, "rev-list");
	strs_add(&argv, "--no-merges");
	strs_add(&argv, "-n1");
	for (const char *p = c->others ? c->others : ""; *p; p += strspn(p, " ")) {
		strs_addf(&argv, "%.*s", (int)strcspn(p, " "), p);
		p += strcspn(p, " ");
	}
	strs_addf(&argv, "^%s", c->parent);
	for (size_t i = 0; i < sizeof ledgers / sizeof *ledgers; i++)
		strs_add(&argv, ledgers[i]);
	int rc = git_run(r->p->git, &out, &e, (const char *const *)argv.v);
	if (rc)
		stream_fail(r->stream, e.class, e.msg);
	else
		snprintf(id, 72, "%.*s", out.data ? (int)strcspn(out.data, "\n") : 0, out.data ? out.data : "");
	rc = rc ? -1 : *id != 0;
	strs_clear(&argv);
	buf_clear(&out);
	return rc;
}

/* ---- tasks of before ---- */

struct earlier {
	struct run *run;
	struct strs names; /* as git cat-file takes them: BASE:PATH, or the blob's id */
	struct strs ids;
	enum task_state *states;
	size_t room;
};

static void add_earlier(struct earlier *x, const char *name, const char *id, enum task_state state)
{
	const struct world_task *t = world_task(&x->run->rules.world, id);
	if (!t || t->seen)
		return;
	if (x->names.n == x->room)
		x->states = xrealloc(x->states, (x->room = 2 * x->room + 64) * sizeof *x->states);
	x->states[x->names.n] = state;
	strs_add(&x->names, name);
	strs_add(&x->ids, id);
}

/* "MODE TYPE OID\tPATH" */
static void take_waiting(void *ctx, const char *entry)
{
	const char *tab = strchr(entry, '\t');
	char oid[72];
	struct rule_change ch = {.path = tab ? xstrdup(tab + 1) : xstrdup("")};
	rule_change_classify(&ch);
	if (ch.kind == RULE_TASK && sscanf(entry, "%*s blob %71s", oid) == 1)
		add_earlier(ctx, oid, ch.id, ch.state);
	free(ch.path);
}

static void take_earlier(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct earlier *x = ctx;
	struct json_error je;
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL;
	rules_remember(&x->run->rules, x->ids.v[i], x->states[i], doc);
	json_free(doc);
}

static void ask_before(void *ctx, const char *const *ids, size_t n)
{
	struct run *r = ctx;
	struct earlier x = {.run = r};
	struct err e;
	const char *waiting[] = {"ls-tree",	      "-r",	      "-z", "--full-tree", r->base,
				 "tasks/unapproved/", "tasks/queue/", NULL};
	int rc = r->base[0] && !ids ? git_records(r->p->git, waiting, take_waiting, &x, &e) : 0;
	for (size_t i = 0; i < n && r->base[0]; i++) {
		const struct world_task *t = world_task(&r->rules.world, ids[i]);
		enum task_state s = t && t->states & 1u << TASK_COMPLETED ? TASK_COMPLETED : TASK_FAILED;
		char *name = xasprintf("%s:tasks/%s/%s.json", r->base, task_state_name(s), ids[i]);
		add_earlier(&x, name, ids[i], s);
		free(name);
	}
	if (!rc && x.names.n)
		rc = git_cat(r->p->git, "blob", x.names.v, x.names.n, TASK_FILE_MAX, take_earlier, &x, &e);
	if (rc)
		stream_fail(r->stream, e.class, e.msg);
	strs_clear(&x.names);
	strs_clear(&x.ids);
	free(x.states);
}

/* ---- settings of before ---- */

struct older {
	struct world *world;
	struct strs names; /* COMMIT^:grid.json */
	int64_t until[WORLD_PAST];
};

/* "COMMIT TIME", newest first: a commit that changed the settings. Its parent has those before. */
static void take_settings_change(void *ctx, const char *line)
{
	struct older *o = ctx;
	char id[72];
	long long at;
	line += *line == '\n';
	if (o->names.n < WORLD_PAST && sscanf(line, "%71s %lld", id, &at) == 2) {
		o->until[o->names.n] = at;
		char *name = xasprintf("%s^:grid.json", id);
		strs_add(&o->names, name);
		free(name);
	}
}

static void take_older(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct older *o = ctx;
	world_past_add(o->world, bytes, len, o->until[i]);
}

/* Only where something is not as the settings have it that are known. What git does not tell stays unknown. */
static void ask_older_settings(void *ctx, int64_t since)
{
	struct run *r = ctx;
	struct older o = {.world = &r->rules.world};
	struct err e;
	if (!r->base[0])
		return;
	char *from = xasprintf("--since=%lld", (long long)since);
	const char *args[] = {"log",	   "-z", "--first-parent",  "-m",    "--no-show-signature",
			      "-n16",	   from, "--format=%H %ct", r->base, "--",
			      "grid.json", NULL};
	if (git_records(r->p->git, args, take_settings_change, &o, &e) ||
	    (o.names.n && git_cat(r->p->git, "blob", o.names.v, o.names.n, TASK_FILE_MAX, take_older, &o, &e)))
		stream_fail(r->stream, e.class, e.msg);
	strs_clear(&o.names);
	free(from);
}

/* ---- where the replay begins ---- */

struct base {
	struct run *run;
	struct strs paths, oids; /* a row a blob that is read */
	bool unread;		 /* there is a grid.json, and it is not valid */
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
	bool runs = ch.kind == RULE_TASK && ch.state == TASK_IN_PROGRESS;
	if (ch.kind == RULE_TASK)
		world_task_add(w, ch.id)->states |= 1u << ch.state;
	else if (ch.kind == RULE_NODE)
		world_node_add(w, ch.id);
	else if (ch.kind == RULE_KEY)
		world_key(w, ch.path, true);
	if (runs && !blob)
		world_runs(w, ch.id, NULL);
	bool fired = ch.kind == RULE_TASK && ch.state == TASK_QUEUE && periodic_stem(ch.id);
	if (blob && (runs || fired || ch.kind == RULE_NODE || ch.kind == RULE_SETTINGS || ch.kind == RULE_SCHEDULE ||
		     ch.kind == RULE_KEY || rules_is_order(&ch))) {
		strs_add(&b->paths, ch.path);
		strs_add(&b->oids, oid);
	}
	free(ch.path);
}

static void take_base(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct base *b = ctx;
	struct world *w = &b->run->rules.world;
	struct json_error je;
	struct rule_change ch = {.path = b->paths.v[i]};
	rule_change_classify(&ch);
	if (ch.kind == RULE_SETTINGS) {
		if (bytes)
			world_settings(w, bytes, len, 0);
		b->unread = !bytes || w->unread;
		return;
	}
	if (ch.kind == RULE_KEY) {
		world_key_texts(w, ch.path, bytes, len, true);
		return;
	}
	if (rules_is_order(&ch)) {
		rules_order_stands(&b->run->rules, &ch, &(struct rule_text){.bytes = bytes, .len = len});
		return;
	}
	struct json *doc = bytes ? json_parse(bytes, len, &je) : NULL;
	if (ch.kind == RULE_SCHEDULE)
		world_schedule_set(w, ch.id, doc);
	else if (ch.kind == RULE_TASK) {
		rules_remember(&b->run->rules, ch.id, ch.state, doc);
		if (ch.state == TASK_IN_PROGRESS)
			world_runs(w, ch.id, doc);
	} else
		world_node_read(world_node_add(w, ch.id), doc);
	json_free(doc);
}

static void note_dates(struct run *r, const char *p, const char *commit)
{
	struct world *w = &r->rules.world;
	for (char *end; p && *p; p = end) {
		int64_t at = strtoll(p, &end, 10);
		if (end == p)
			return;
		if (at > w->newest && (!r->rules.clock || at <= r->rules.clock + rule_ahead(&r->rules)))
			w->newest = at;
	}
	snprintf(w->newest_id, sizeof w->newest_id, "%s", commit);
}

static void take_held(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct base *b = ctx;
	(void)i;
	if (b->unread)
		b->unread = !world_settings_hold(&b->run->rules.world, bytes, len);
}

static void take_name(void *ctx, const char *commit)
{
	strs_addf(ctx, "%s:grid.json", commit + (*commit == '\n'));
}

/* A slip in the settings changes nothing: what was valid before holds. */
static int look_for_settings(struct base *b, const char *commit)
{
	const struct git *g = b->run->p->git;
	const char *log[] = {"log",  "-z", "--first-parent", "-m", "--no-show-signature", "--format=%H",
			     commit, "--", "grid.json",	     NULL};
	struct strs names = {0};
	int rc = git_records(g, log, take_name, &names, b->run->e);
	for (size_t from = 0; from < names.n && !rc && b->unread; from += STRETCH) {
		size_t n = names.n - from < STRETCH ? names.n - from : STRETCH;
		rc = git_cat(g, "blob", names.v + from, n, TASK_FILE_MAX, take_held, b, b->run->e);
	}
	strs_clear(&names);
	return rc;
}

static int load_base(struct run *r, const char *commit)
{
	struct base b = {.run = r};
	struct buf dates = {0};
	const struct git *g = r->p->git;
	const char *tree[] = {"ls-tree", "-r",	   "-z",	"--full-tree",	 commit,
			      "tasks/",	 "nodes/", "grid.json", PERIODIC_FOLDER, NULL};
	/* The newest date so far, as far as a look back shows it: commits before this one may be dated anyhow. */
	const char *when[] = {"log",	      "--first-parent", LOOK_BACK, "--no-show-signature",
			      "--format=%ct", commit,		"--",	   NULL};
	int rc = git_records(g, tree, take_entry, &b, r->e);
	if (!rc && b.oids.n)
		rc = git_cat(g, "blob", b.oids.v, b.oids.n, TASK_FILE_MAX, take_base, &b, r->e);
	if (!rc && b.unread)
		rc = look_for_settings(&b, commit);
	if (!rc && !(rc = git_run(g, &dates, r->e, when)))
		note_dates(r, dates.data, commit);
	snprintf(r->base, sizeof r->base, "%s", commit);
	strs_clear(&b.paths);
	strs_clear(&b.oids);
	buf_clear(&dates);
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

/* ---- signatures ---- */

static void note_signature(struct rule_commit *c, const struct signed_verdict *v)
{
	static const enum rule_signature as[] = {[SIGNED_GOOD] = RULE_GOOD,
						 [SIGNED_NONE] = RULE_UNSIGNED,
						 [SIGNED_BAD] = RULE_BAD,
						 [SIGNED_OTHER] = RULE_OTHER_KEY};
	c->signature = as[v->state];
	snprintf(c->signed_by, sizeof c->signed_by, "%s", v->by);
	c->signed_person = v->person;
	free(c->signature_why);
	c->signature_why = v->why[0] ? xstrdup(v->why) : NULL;
}

/* Asks for those of the commits that wait too: each question costs processes, however many commits are in it. Whether
 * the settings still ask for signatures then is looked at when a commit's turn comes. */
static int ask_signatures(struct run *r)
{
	struct rule_commit *c = stream_head(r->stream, STREAM_LEDGER, 0), **asked = NULL;
	if (!r->rules.world.config.require_signed_nodes || c->signature != RULE_NOT_ASKED || !rules_needs_signature(c))
		return 0;
	struct signed_question *q = xcalloc(STRETCH, sizeof *q);
	struct signed_verdict *v = xcalloc(STRETCH, sizeof *v);
	size_t n = 0;
	asked = xcalloc(STRETCH, sizeof(struct rule_commit *));
	for (size_t i = 0; n < STRETCH && (c = stream_head(r->stream, STREAM_LEDGER, i)); i++)
		if (c->signature == RULE_NOT_ASKED && rules_needs_signature(c)) {
			rule_who(c, &r->rules.world);
			asked[n] = c;
			q[n++] = (struct signed_question){.commit = c->id, .who = c->who, .parent = c->parent};
		}
	int rc = signed_commits(r->p->git, q, n, v, r->e);
	for (size_t i = 0; i < n && !rc; i++)
		note_signature(asked[i], &v[i]);
	free(q);
	free(v);
	free(asked);
	return rc;
}

/* The archive's commit is signed by who signed the ledger's. */
static int ask_archive_signature(struct run *r, const struct rule_commit *c, struct rule_commit *archive)
{
	struct signed_question q = {.commit = archive->id, .who = c->who, .parent = c->parent};
	struct signed_verdict v;
	if (!r->rules.world.config.require_signed_nodes)
		return 0;
	int rc = signed_commits(r->p->git, &q, 1, &v, r->e);
	if (!rc)
		note_signature(archive, &v);
	return rc;
}

/* ---- the judging ---- */

static bool ready(const struct run *r)
{
	const struct rule_commit *c = stream_head(r->stream, STREAM_LEDGER, 0);
	return c && (!rules_archives(c) || stream_head(r->stream, STREAM_ARCHIVE, 0) ||
		     stream_ended(r->stream, STREAM_ARCHIVE));
}

static void judge_archive(struct run *r, struct rule_commit *a, bool unclaimed)
{
	const char *from = r->p->archive_from;
	if (!r->p->archive_commits++ && from && strcmp(a->parent, from) != 0)
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, a, "",
			  "commit %.10s of the archive, audited before, is not on its first-parent line", from);
	rule_who(a, &r->rules.world);
	rules_archive_commit(&r->rules, a, unclaimed);
}

static int judge(struct run *r)
{
	struct rule_commit *c = stream_head(r->stream, STREAM_LEDGER, 0), *a = NULL;
	if ((!r->begun && begin(r, c)) || ask_signatures(r))
		return -1;
	if (!r->rules.world.config.require_signed_nodes)
		c->signature = RULE_NOT_ASKED;
	c->archive_seen = true;
	if (rules_archives(c) && (a = stream_head(r->stream, STREAM_ARCHIVE, 0))) {
		rule_who(c, &r->rules.world);
		if (ask_archive_signature(r, c, a))
			return -1;
		judge_archive(r, a, false);
		c->archive = a;
	}
	rules_judge(&r->rules, c);
	stream_drop(r->stream, STREAM_LEDGER);
	if (a)
		stream_drop(r->stream, STREAM_ARCHIVE);
	r->p->commits++;
	if (r->p->progress && r->p->commits % PROGRESS_EVERY == 0)
		r->p->progress(r->p->ctx, r->p->commits);
	return 0;
}

/* Commits of the archive that belong before the range are not looked at. */
static void skip_archive(struct run *r)
{
	for (; r->p->archive_skip && stream_head(r->stream, STREAM_ARCHIVE, 0); r->p->archive_skip--)
		stream_drop(r->stream, STREAM_ARCHIVE);
}

static int work(struct run *r)
{
	while (!stream_failed(r->stream) && !stream_ended(r->stream, STREAM_LEDGER)) {
		skip_archive(r);
		r->p->stopped = sig_stops() > 0;
		if (r->p->stopped || r->p->enough)
			return 0;
		if (!ready(r))
			stream_wait(r->stream);
		else if (judge(r))
			return -1;
	}
	return stream_failed(r->stream) ? -1 : 0;
}

/* What the archive has beyond. */
static int finish(struct run *r)
{
	const struct replay *p = r->p;
	struct rule_commit at = {.author = (char *)"", .committer = (char *)"", .subject = (char *)""}, *a;
	snprintf(at.id, sizeof at.id, "%s", p->to);
	if (!r->begun && p->from && strcmp(p->from, p->to) != 0)
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, &at, "",
			  "commit %.10s, audited before, is not behind this one: the branch was set back", p->from);
	while (p->archive_all && !stream_failed(r->stream) && !stream_ended(r->stream, STREAM_ARCHIVE)) {
		skip_archive(r);
		if ((a = stream_head(r->stream, STREAM_ARCHIVE, 0))) {
			judge_archive(r, a, true);
			stream_drop(r->stream, STREAM_ARCHIVE);
		} else
			stream_wait(r->stream);
	}
	if (p->archive_all && p->archive_from && p->archive_to && !p->archive_commits &&
	    strcmp(p->archive_from, p->archive_to) != 0) {
		snprintf(at.id, sizeof at.id, "%s", p->archive_to);
		rule_tell(&r->rules, RULE_HISTORY_REWRITTEN, &at, "",
			  "commit %.10s of the archive, audited before, is not behind this one", p->archive_from);
	}
	return stream_failed(r->stream) ? -1 : 0;
}

int replay_run(struct replay *p, struct err *e)
{
	struct run r = {.p = p, .e = e, .stream = stream_open(p->git, e)};
	if (!r.stream)
		return -1;
	r.rules = (struct rules){.now = p->now,
				 .clock = clock_now(),
				 .ctx = &r,
				 .tell = tell,
				 .arrival = ask_arrival,
				 .trusted = ask_trusted,
				 .grows = p->now && p->from,
				 .genuine = ask_genuine,
				 .given = tell_given,
				 .archived = ask_archived,
				 .origins = ask_origins,
				 .before = ask_before,
				 .older_settings = ask_older_settings,
				 .aside = ask_aside};
	p->commits = p->archive_commits = p->violations = p->notices = 0;
	p->stopped = false;
	world_init(&r.rules.world);
	int rc = stream_read(r.stream, STREAM_LEDGER, p->from, p->to);
	if (!rc && p->archive_to)
		rc = stream_read(r.stream, STREAM_ARCHIVE, p->archive_from, p->archive_to);
	if (!rc)
		rc = work(&r);
	if (!rc && !p->stopped && !p->enough)
		rc = finish(&r);
	stream_close(r.stream);
	world_clear(&r.rules.world);
	return rc;
}
