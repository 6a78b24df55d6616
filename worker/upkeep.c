#include "worker/upkeep.h"
#include "base/clock.h"
#include "base/log.h"
#include "git/push.h"
#include "schema/checkpoint.h"
#include "store/archive.h"
#include "store/places.h"
#include "store/waiting.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REFS_BATCH 500 /* deleted by one push */
#define STAY_TOLD 5    /* refs that are declined, one by one */
#define STAY_PUSHES 40 /* in one sweep to find out which those are */
#define BATCH 2000     /* tasks a push: their names are arguments of one git command */

size_t upkeep_excess(struct ledger *l, const struct grid_config *c)
{
	struct strs ids = {0};
	struct err e;
	bool read = !ledger_ids(l, TASK_COMPLETED, &ids, &e) && !ledger_ids(l, TASK_FAILED, &ids, &e);
	if (!read)
		log_at(LOG_WARN, "archive", "%s", e.msg);
	size_t n = read ? ids.n : 0, keep = (size_t)c->keep_finished;
	strs_clear(&ids);
	return n > keep ? n - keep : 0;
}

struct finished {
	struct ledger *l;
	struct strs waited; /* for by others: they stay */
	struct archive_item *v;
	size_t n, room;
	struct err e; /* class not ERR_NONE: one cannot be read */
};

/* "MODE blob OID\ttasks/STATE/ID.json" */
static void take(void *ctx, const char *record)
{
	struct finished *f = ctx;
	char mode[8], oid[72];
	const char *path = strchr(record, '\t'), *base = path ? strrchr(path, '/') : NULL;
	size_t len = base ? strlen(base + 1) : 0;
	if (!base || len <= 5 || len > 69 || strcmp(base + 1 + len - 5, ".json") != 0 ||
	    sscanf(record, "%7s blob %71s", mode, oid) != 2 || strncmp(mode, "100", 3) != 0)
		return;
	struct archive_item item = {.failed = strstr(path, "/failed/") != NULL};
	snprintf(item.id, sizeof item.id, "%.*s", (int)(len - 5), base + 1);
	if (!task_id_valid(item.id) || waiting_among(&f->waited, item.id))
		return;
	snprintf(item.oid, sizeof item.oid, "%s", oid);
	struct err e = {0};
	struct json *doc = ledger_doc(f->l, item.failed ? TASK_FAILED : TASK_COMPLETED, item.id, &e);
	if (!doc && e.class != ERR_DATA) { /* the tree lists it: it must be there */
		e.class = e.class == ERR_NOENT ? ERR_UNAVAILABLE : e.class;
		f->e = e;
	}
	archive_read(&item, doc, clock_now());
	json_free(doc);
	if (f->n == f->room) {
		f->room = f->room ? 2 * f->room : 1024;
		f->v = xrealloc(f->v, f->room * sizeof *f->v);
	}
	f->v[f->n++] = item;
}

static int by_end(const void *pa, const void *pb)
{
	const struct archive_item *a = pa, *b = pb;
	return a->finished_at != b->finished_at ? (a->finished_at < b->finished_at ? -1 : 1) : strcmp(a->id, b->id);
}

static struct json *read_totals(struct ledger *l, struct err *e)
{
	char *path = xasprintf("%s/%s", l->git.dir, ARCHIVE_TOTALS);
	struct buf b = {0};
	struct json_error je;
	struct json *totals = NULL;
	if (!file_exists(path))
		totals = json_new(JSON_OBJECT);
	else if (!file_read(path, 16u << 20, &b, e) && !(totals = json_parse(b.data ? b.data : "", b.len, &je)))
		err_set(e, ERR_DATA, "%s:%u:%u: %s; mend it before anything is archived", ARCHIVE_TOTALS, je.line,
			je.col, je.msg);
	const struct json *days = json_get(totals, "days"), *outliers = json_get(totals, "outliers"), *wrong = NULL;
	if (totals && totals->type != JSON_OBJECT)
		wrong = totals;
	else if (outliers && outliers->type != JSON_OBJECT)
		wrong = outliers;
	else if (days && days->type != JSON_OBJECT)
		wrong = days;
	for (const struct json *day = days && !wrong ? days->child : NULL; day && !wrong; day = day->next)
		wrong = day->type != JSON_OBJECT ? day : NULL;
	if (wrong) {
		err_set(e, ERR_DATA, "%s:%u:%u: expected an object, found %s; mend it before anything is archived",
			ARCHIVE_TOTALS, wrong->line, wrong->col, json_type_name(wrong->type));
		json_free(totals);
		totals = NULL;
	}
	buf_clear(&b);
	free(path);
	return totals;
}

/* git writes idents without these; fast-import would take them for syntax. */
static char *ident(const char *name)
{
	char *clean = xstrdup(name);
	for (char *p = clean; *p; p++)
		if (*p == '<' || *p == '>' || (unsigned char)*p < 32)
			*p = ' ';
	return clean;
}

static int push(struct ledger *l, const struct archive_item *items, size_t n, const char *who, struct err *e)
{
	struct git g = {0};
	struct json *totals = ledger_may_sign(l, who, e) ? NULL : read_totals(l, e);
	if (!totals)
		return -1;
	for (size_t i = 0; i < n; i++)
		archive_count(totals, &items[i]);
	char *text = task_text(totals), *git_dir = xasprintf("%s/.git", l->git.dir);
	char *dir = xasprintf("%s/archive.git", git_dir);
	int rc = archive_open(&g, dir, l->url, git_dir, e);
	if (!rc) {
		free(g.name);
		free(g.email);
		g.name = ident(l->git.name);
		g.email = ident(l->git.email);
		g.sign_with = l->git.sign_with;
		char made[72];
		enum push_outcome got = archive_push(&g, who, l->branch, l->head, items, n, text, made, e);
		if (got != PUSH_LANDED && made[0])
			got = push_look(&l->git, l->branch, made, l->head, got, e);
		l->pushes++;
		l->rejected += got == PUSH_RACED;
		rc = got == PUSH_LANDED ? 0 : -1;
	}
	archive_close(&g);
	json_free(totals);
	free(text);
	free(git_dir);
	free(dir);
	return rc;
}

static void finished_clear(struct finished *f)
{
	for (size_t i = 0; i < f->n; i++)
		json_free(f->v[i].outliers);
	strs_clear(&f->waited);
	free(f->v);
}

/* What ls-tree says of the head's finished tasks. */
static int list_finished(struct finished *f, const char *const *args, struct err *e)
{
	int rc = waiting_named(f->l, &f->waited, e) || git_records(&f->l->git, args, take, f, e) ? -1 : 0;
	if (!rc && f->e.class != ERR_NONE)
		rc = err_set(e, f->e.class, "%s", f->e.msg);
	return rc;
}

int upkeep_archive_these(struct ledger *l, const char *who, const struct strs *ids, struct err *e)
{
	int rc = 0;
	for (size_t from = 0; from < ids->n && !rc; from += BATCH) {
		struct finished f = {.l = l};
		struct strs args = {0};
		static const char *const list[] = {"ls-tree", "-z", "--full-tree"};
		for (size_t i = 0; i < sizeof list / sizeof *list; i++)
			strs_add(&args, list[i]);
		strs_add(&args, l->head);
		for (size_t i = from; i < ids->n && i < from + BATCH; i++) {
			strs_addf(&args, "tasks/completed/%s.json", ids->v[i]);
			strs_addf(&args, "tasks/failed/%s.json", ids->v[i]);
		}
		rc = list_finished(&f, (const char *const *)args.v, e);
		for (size_t i = from; i < ids->n && i < from + BATCH && !rc; i++)
			if (waiting_among(&f.waited, ids->v[i]))
				rc = err_set(e, ERR_NO,
					     "other tasks wait for '%s': end those first (see: dgrid graph %s)",
					     ids->v[i], ids->v[i]);
		if (!rc && f.n && !(rc = push(l, f.v, f.n, who, e)))
			rc = ledger_sync(l, e);
		strs_clear(&args);
		finished_clear(&f);
	}
	return rc;
}

int upkeep_archive(struct ledger *l, const struct grid_config *c, const char *who, size_t *moved, struct err *e)
{
	int rc = 0;
	size_t excess;
	*moved = 0;
	while (!rc && (excess = upkeep_excess(l, c)) > 0) {
		struct finished f = {.l = l};
		size_t n = excess < BATCH ? excess : BATCH;
		const char *args[] = {"ls-tree",       "-z", "--full-tree", l->head, "tasks/completed/",
				      "tasks/failed/", NULL};
		rc = list_finished(&f, args, e);
		if (!rc && f.n < n) /* the rest is no regular file: it stays */
			n = f.n;
		if (!rc && n) {
			qsort(f.v, f.n, sizeof *f.v, by_end);
			rc = push(l, f.v, n, who, e);
		}
		finished_clear(&f);
		if (!rc && n) {
			*moved += n;
			rc = ledger_sync(l, e);
		}
		if (!n)
			break;
	}
	return rc;
}

/* "OID<tab>REF", as ls-remote has it. */
static void add_old(struct strs *refs, const char *lines, int64_t before)
{
	for (const char *line = lines; *line;) {
		char ref[PLACE_MAX];
		struct place_out place;
		if (sscanf(line, "%*s %175s", ref) == 1 && place_out_parse(ref, &place) && place.day_at < before)
			strs_add(refs, ref);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

struct deletion {
	const struct git *git;
	size_t gone, stay; /* refs: deleted; declined, and that was told */
	unsigned more;	   /* pushes after the first of a batch, to find out which are declined */
};

/* True: git did not say what became of one. */
static bool push_deletion(struct deletion *d, char *const *refs, size_t n, enum push_outcome *what, struct err *e)
{
	struct strs args = {0};
	bool unknown = false;
	strs_add(&args, "push");
	strs_add(&args, "--porcelain");
	strs_add(&args, "--no-verify");
	strs_add(&args, "origin");
	for (size_t i = 0; i < n; i++)
		strs_addf(&args, ":%s", refs[i]);
	bool some = git_push_refs(d->git, (const char *const *)args.v, refs, n, what, e);
	for (size_t i = 0; i < n; i++) {
		what[i] = some ? what[i] : PUSH_LANDED;
		d->gone += what[i] == PUSH_LANDED;
		unknown = unknown || what[i] == PUSH_UNKNOWN;
	}
	strs_clear(&args);
	return unknown;
}

/* A host declines each for itself, or all for the sake of one, which is looked for by halves. */
static int delete_these(struct deletion *d, char *const *refs, size_t n, struct err *e)
{
	enum push_outcome *what = xcalloc(n + 1, sizeof *what);
	size_t gone = d->gone;
	int rc = push_deletion(d, refs, n, what, e) ? -1 : 0;
	bool whole = d->gone == gone && n > 1;
	for (size_t i = 0; i < n && !rc && !whole; i++)
		if (what[i] != PUSH_LANDED && d->stay++ < STAY_TOLD)
			log_at(LOG_WARN, "upkeep", "%s stays at the remote: %s", refs[i], e->msg);
	for (size_t i = 0, half = n / 2; i < 2 && !rc && whole; i++) {
		if (d->more++ >= STAY_PUSHES)
			d->stay += i ? n - half : half;
		else
			rc = delete_these(d, refs + (i ? half : 0), i ? n - half : half, e);
	}
	free(what);
	return rc;
}

int upkeep_delete(const struct git *g, const struct strs *refs, bool dry, size_t *gone, struct err *e)
{
	struct deletion d = {.git = g};
	char dice[9];
	int rc = 0;
	/* Not in the same order each time: what is declined is not to keep the same others back. */
	clock_nonce(dice, 4);
	size_t from = refs->n ? strtoul(dice, NULL, 16) % refs->n : 0;
	struct strs all = {0};
	for (size_t i = 0; i < refs->n; i++)
		strs_add(&all, refs->v[(from + i) % refs->n]);
	for (size_t i = 0; i < all.n && !rc && !dry; i += REFS_BATCH)
		rc = delete_these(&d, all.v + i, all.n - i < REFS_BATCH ? all.n - i : REFS_BATCH, e);
	if (d.stay > STAY_TOLD)
		log_at(LOG_WARN, "upkeep", "%zu refs in all stay at the remote, which declines to delete them", d.stay);
	*gone = dry ? refs->n : d.gone;
	strs_clear(&all);
	return rc;
}

int upkeep_outputs(const struct git *g, const struct grid_config *c, bool dry, size_t *gone, struct err *e)
{
	const char *list[] = {"ls-remote", "origin", PLACE_OUT "/*", PLACE_HEADS "out/*", NULL};
	struct buf lines = {0};
	struct strs refs = {0};
	int rc = git_run(g, &lines, e, list);
	/* A whole day of them, and keep_out_days after its end. */
	add_old(&refs, rc || !lines.data ? "" : lines.data, clock_now() - (c->keep_out_days + 1) * 86400);
	*gone = 0;
	if (!rc)
		rc = upkeep_delete(g, &refs, dry, gone, e);
	strs_clear(&refs);
	buf_clear(&lines);
	return rc;
}

/* ---- checkpoints ---- */

struct needed {
	struct strs nonces, refs;
};

static void need_ref(struct needed *n, const struct json *of)
{
	if (json_str(of, "ref"))
		strs_add(&n->refs, json_str(of, "ref"));
}

static void need_of(struct needed *n, const struct json *doc)
{
	const struct json *claim = json_get(doc, "claim");
	const struct json *list = json_get(doc, "attempts");
	struct json *next = checkpoint_next(doc);
	for (const struct json *a = list && json_get(doc, "result") ? list->child : NULL; a; a = a->next)
		if (!a->next) /* who runs it again goes on from there, too */
			need_ref(n, json_get(a, "checkpoint"));
	if (json_str(claim, "nonce")) /* while it runs it may bring what the ledger does not name yet */
		strs_add(&n->nonces, json_str(claim, "nonce"));
	need_ref(n, json_get(claim, "checkpoint"));
	need_ref(n, next);
	json_free(next);
}

static int find_needed(struct ledger *l, const struct grid_config *c, struct needed *n, struct err *e)
{
	static const enum task_state states[] = {TASK_QUEUE, TASK_IN_PROGRESS, TASK_COMPLETED, TASK_FAILED};
	int64_t before = clock_now() - c->keep_out_days * 86400;
	for (size_t k = 0; k < sizeof states / sizeof *states; k++) {
		struct strs ids = {0};
		int rc = ledger_ids(l, states[k], &ids, e);
		for (size_t i = 0; i < ids.n && !rc; i++) {
			struct json *doc = ledger_doc(l, states[k], ids.v[i], e);
			int64_t ended = json_time(json_get(doc, "result"), "finished_at");
			rc = doc || ledger_answered(e) ? 0 : -1;
			if (checkpoint_asked(doc) && (!json_get(doc, "result") || ended > before))
				need_of(n, doc);
			json_free(doc);
		}
		strs_clear(&ids);
		if (rc)
			return rc;
	}
	return 0;
}

static bool among(const struct strs *all, const char *one)
{
	for (size_t i = 0; i < all->n; i++)
		if (!strcmp(all->v[i], one))
			return true;
	return false;
}

int upkeep_checkpoints(struct ledger *l, const struct grid_config *c, bool dry, size_t *gone, struct err *e)
{
	const char *list[] = {"ls-remote", "origin", PLACE_CHECKPOINT "/*", PLACE_HEADS "ck/*", NULL};
	struct buf lines = {0};
	struct strs refs = {0};
	struct needed needed = {0};
	int rc = git_run(&l->git, &lines, e, list);
	*gone = 0;
	/* The branch after the refs: whose they are has been claimed before they came. */
	if (!rc && lines.len)
		rc = ledger_sync(l, e) ? -1 : find_needed(l, c, &needed, e);
	for (const char *line = rc || !lines.data ? "" : lines.data; *line;) {
		char ref[PLACE_MAX];
		struct place_checkpoint p;
		if (sscanf(line, "%*s %175s", ref) == 1 && place_checkpoint_parse(ref, &p) &&
		    !among(&needed.nonces, p.nonce) && !among(&needed.refs, ref))
			strs_add(&refs, ref);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	if (!rc)
		rc = upkeep_delete(&l->git, &refs, dry, gone, e);
	strs_clear(&needed.nonces);
	strs_clear(&needed.refs);
	strs_clear(&refs);
	buf_clear(&lines);
	return rc;
}
