#include "store/promote.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/consent.h"
#include "schema/periodic.h"
#include "store/line.h"
#include "store/registry.h"
#include "store/trust.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 60 /* lost in a row */
#define ROUND_WAIT_MS 500
#define STEP 4 /* after a lost race: so many times fewer at once, which takes less time; after a landed push: more */
#define READ_AT_ONCE (16 << 20) /* bytes of files */
#define TOUCHED_MAX 2000	/* commits since the last look that are read */
#define WORKER_WAIT_MS 3000	/* at most: so that one node does it, not all */
#define WORKER_AGAIN_MS 60000	/* what was left is looked at again */

/* ---- judging ---- */

/* Where else an id stands, or one that a file system may take for it; "" for nowhere. */
static void elsewhere(const struct staged_ids *all, const char *id, char out[160])
{
	out[0] = 0;
	for (int same = 1; same >= 0; same--) /* the same name tells more */
		for (int s = same ? TASK_QUEUE : TASK_UNAPPROVED; s < TASK_N_STATES && !out[0]; s++) {
			const char *other = !same ? strs_alike(&all->in[s], id) : strs_has(&all->in[s], id) ? id : NULL;
			if (other)
				snprintf(out, 160, "%s is in %s already%s", other, task_state_name((enum task_state)s),
					 same ? "" : ", other but for upper and lower case");
		}
}

static struct json *approved_by(const struct arrival *by)
{
	char when[32], name[ARRIVAL_NAME];
	struct json *a = json_new(JSON_OBJECT);
	json_set(a, "commit", json_new_str(by->commit));
	arrival_name(by->author, name);
	json_set(a, "author", json_new_str(name));
	arrival_name(by->committer, name);
	json_set(a, "committer", json_new_str(name));
	json_set(a, "at", json_new_str(clock_format(by->at, when)));
	return a;
}

/* Why its id is a schedule's, or may be; NULL when it is not. */
static char *owned_because(struct ledger *l, const char *id)
{
	struct strs names = {0};
	struct err e;
	char *why = NULL;
	if (periodic_stem(id) && registry_schedules(l, &names, &e))
		why = xasprintf("the schedules cannot be read now: %s", e.msg);
	const char *owner = why ? NULL : periodic_owner(&names, id);
	if (owner)
		why = xasprintf("its id is one that schedule %s gives its own tasks (remove it, or give it another id)",
				owner);
	strs_clear(&names);
	return why;
}

/* Why no signature of it counts; NULL when one does. Such a task waits: somebody may yet approve it. */
static char *unsigned_because(struct ledger *l, const char *id, const struct arrival *by, const struct json *doc)
{
	struct trust_verdict v;
	struct err e;
	char *why = NULL;
	if (trust_judge_from(&l->git, l->head, l->spec, by, doc, &v, &e))
		why = xasprintf("its signature cannot be checked now: %s", e.msg);
	else if (!v.ok)
		why = xasprintf("%s (sign it with: dgrid approve %s)", v.why, id);
	return why;
}

void promote_judge(struct ledger *l, const struct grid_config *c, const struct staged_ids *all, const struct buf *text,
		   const struct arrival *by, struct staged *s)
{
	struct problems p = {0};
	struct task t = {0};
	struct buf shown = {0};
	const char *bytes = text && text->data ? text->data : "";
	size_t len = text ? text->len : 0;
	char other[160];
	elsewhere(all, s->id, other);
	s->verdict = STAGED_LEFT;
	if (!other[0] && (s->why = owned_because(l, s->id)))
		return;
	if (other[0] || !by->commit[0]) {
		s->why = other[0] ? xasprintf("%s (remove the one or the other)", other)
				  : xstrdup("no commit of the branch's first-parent line added it");
		return;
	}
	/* A link's target or a folder is no task, whatever it looks like in a work tree. */
	if (strcmp(s->mode, "100644") != 0)
		problem_at(&p, 1, 1, "mode %s (expected a plain file, mode 100644)", s->mode);
	if (text)
		task_parse(&t, bytes, len, s->id, c, true, &p);
	else if (!p.n)
		problem_at(&p, 1, 1, "cannot be read (expected a plain file of at most %d bytes)", TASK_FILE_MAX);
	if (!p.n && consent_signed(c, t.doc) && (s->why = unsigned_because(l, s->id, by, t.doc)))
		goto out;
	s->verdict = p.n ? STAGED_INVALID : STAGED_READY;
	s->doc = p.n ? task_invalid_doc(s->id, p.text.data, bytes, len, l->git.name) : json_copy(t.doc);
	s->why = p.n ? xstrdup(p.text.data) : NULL;
	json_set(s->doc, "approved_by", approved_by(by));
	buf_addf(&shown, "%.10s by ", by->commit);
	problem_escape(&shown, by->author, strlen(by->author), 200, false);
	s->approver = buf_detach(&shown);
out:
	task_clear(&t);
	problems_clear(&p);
}

/* ---- the staged ---- */

/* "MODE TYPE OID SIZE\tPATH" */
static void take_file(void *ctx, const char *entry)
{
	struct staged_list *f = ctx;
	struct staged one = {0};
	const char *base = strrchr(entry, '/');
	size_t n = base ? strlen(base + 1) : 0;
	if (n <= 5 || n > 69 || strcmp(base + 1 + n - 5, ".json") != 0 ||
	    sscanf(entry, "%7s %*s %71s %lld", one.mode, one.oid, &one.size) < 2)
		return;
	snprintf(one.id, sizeof one.id, "%.*s", (int)(n - 5), base + 1);
	if (!task_id_valid(one.id))
		return;
	f->v = xrealloc(f->v, (f->n + 1) * sizeof *f->v);
	f->v[f->n++] = one;
}

static bool has_text(const struct staged *s)
{
	return !strncmp(s->mode, "1", 1) && strcmp(s->mode, "160000") != 0 && s->size <= TASK_FILE_MAX;
}

/* The texts of some, as Git's objects have them, in one stream. */
struct texts {
	struct buf *v;
	bool *there;
};

static void take_text(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct texts *t = ctx;
	t->there[i] = bytes != NULL;
	if (bytes)
		buf_add(&t->v[i], bytes, len);
}

/* Judges n of those in v, as many as can be read at once; returns how many, or -1. */
static int judge_some(struct ledger *l, const struct grid_config *c, const struct staged_ids *all,
		      struct staged *const *v, const struct arrival *by, size_t n, struct err *e)
{
	size_t some = 0, read = 0;
	long long bytes = 0;
	for (; some < n && (!some || bytes < READ_AT_ONCE); some++)
		bytes += has_text(v[some]) ? v[some]->size : 0;
	struct texts t = {xcalloc(some, sizeof *t.v), xcalloc(some, sizeof *t.there)};
	char **oids = xcalloc(some, sizeof *oids);
	for (size_t i = 0; i < some; i++)
		if (has_text(v[i]))
			oids[read++] = v[i]->oid;
	int rc = read ? git_cat(&l->git, "blob", oids, read, TASK_FILE_MAX, take_text, &t, e) : 0;
	for (size_t i = 0, k = 0; i < some && !rc; i++) {
		bool text = has_text(v[i]);
		if (text && !t.there[k]) {
			v[i]->verdict = STAGED_LEFT;
			v[i]->why = xstrdup("it cannot be read here now: its object is missing");
		} else
			promote_judge(l, c, all, text ? &t.v[k] : NULL, &by[i], v[i]);
		v[i]->judged = true;
		k += text;
	}
	for (size_t i = 0; i < read; i++)
		buf_clear(&t.v[i]);
	free(t.v);
	free(t.there);
	free(oids);
	return rc ? -1 : (int)some;
}

/* Judges those that have no verdict yet. */
static int judge_all(struct ledger *l, const struct grid_config *c, const struct staged_ids *all,
		     struct staged_list *list, struct err *e)
{
	struct arrival *by = xcalloc(list->n + 1, sizeof *by);
	struct staged **v = xcalloc(list->n + 1, sizeof(struct staged *));
	const char **ids = xcalloc(list->n + 1, sizeof *ids);
	size_t n = 0;
	for (size_t i = 0; i < list->n; i++)
		if (!list->v[i].judged) {
			ids[n] = list->v[i].id;
			v[n++] = &list->v[i];
		}
	int rc = arrival_find_all(&l->git, l->head, l->spec, ids, n, by, e);
	for (size_t i = 0; i < n && rc >= 0; i += (size_t)rc)
		rc = judge_some(l, c, all, v + i, by + i, n - i, e);
	for (size_t i = 0; i < n; i++)
		arrival_clear(&by[i]);
	free(by);
	free(v);
	free(ids);
	return rc < 0 ? -1 : 0;
}

static bool listed(const struct strs *ids, const char *id)
{
	return strs_has(ids, id) || strs_alike(ids, id);
}

static bool named(const char *const *ids, size_t n, const char *id)
{
	bool is = !n;
	for (size_t i = 0; i < n && !is; i++)
		is = !strcmp(ids[i], id);
	return is;
}

/* Is each that was named staged, or was it landed by us before? */
static int all_there(struct ledger *l, const char *const *ids, size_t n, const struct staged_list *files,
		     const struct staged_list *known, struct err *e)
{
	for (size_t i = 0; i < n; i++) {
		const struct staged *before = staged_of(known, ids[i]);
		if (staged_of(files, ids[i]) || (before && before->settled))
			continue;
		int state = task_id_valid(ids[i]) ? ledger_find(l, ids[i], e) : LEDGER_NOWHERE;
		if (state == LEDGER_UNKNOWN)
			return -1;
		return err_set(e, ERR_NOENT, "no task '%.100s' in unapproved%s%s", ids[i],
			       state >= 0 ? ": it is in " : "",
			       state >= 0 ? task_state_name((enum task_state)state) : "");
	}
	return 0;
}

/* Judges what is staged at the ledger's head. out holds what is known already, and gets the rest: what was landed, and
 * what was judged and not touched since. */
static int look(struct ledger *l, const struct grid_config *c, const char *const *ids, size_t n,
		const struct strs *touched, struct staged_list *out, struct err *e)
{
	struct staged_list files = {0}, now = {0};
	struct staged_ids all = {0};
	const char *tree[] = {"ls-tree", "-l", "-z", "--full-tree", l->head, "tasks/unapproved/", NULL};
	int rc = git_records(&l->git, tree, take_file, &files, e);
	for (int k = 0; k < TASK_N_STATES && !rc; k++)
		rc = ledger_ids(l, (enum task_state)k, &all.in[k], e);
	if (!rc)
		rc = all_there(l, ids, n, &files, out, e);
	now.v = xcalloc(out->n + files.n + 1, sizeof *now.v);
	for (size_t i = 0; i < out->n; i++) {
		struct staged *s = &out->v[i];
		const struct staged *file = s->settled ? NULL : staged_of(&files, s->id);
		bool same = file && !strcmp(file->oid, s->oid) && !strcmp(file->mode, s->mode);
		if ((same && !listed(touched, s->id)) || s->settled)
			now.v[now.n++] = *s;
		else
			staged_forget(s);
	}
	size_t kept = now.n;
	for (size_t k = 0; k < files.n; k++) {
		bool known = !named(ids, n, files.v[k].id);
		for (size_t i = 0; i < kept && !known; i++)
			known = !now.v[i].settled && !strcmp(now.v[i].id, files.v[k].id);
		if (!known)
			now.v[now.n++] = files.v[k];
	}
	free(out->v);
	*out = now;
	if (!rc)
		rc = judge_all(l, c, &all, out, e);
	if (!rc)
		staged_judge_needs(&all, out);
	for (int k = 0; k < TASK_N_STATES; k++)
		strs_clear(&all.in[k]);
	free(files.v);
	return rc;
}

int promote_look(struct ledger *l, const struct grid_config *c, const char *const *ids, size_t n,
		 struct staged_list *out, struct err *e)
{
	static const struct strs none;
	*out = (struct staged_list){0};
	return look(l, c, ids, n, &none, out, e);
}

/* ---- landing ---- */

/* git mv carries it over; only who approved it is written into it. */
static enum change_verdict edit_approved(void *ctx, struct json *doc, enum task_state *to)
{
	const struct staged *s = ctx;
	(void)to;
	json_set(doc, "approved_by", json_copy(json_get(s->doc, "approved_by")));
	char *found = task_text(doc), *judged = task_text(s->doc);
	bool same = !strcmp(found, judged); /* a work tree may be damaged */
	free(found);
	free(judged);
	return same ? CHANGE_APPLY : CHANGE_DROP;
}

static bool lands(const struct staged *s)
{
	return s->verdict != STAGED_LEFT && !s->settled;
}

static size_t to_land(const struct staged_list *s)
{
	size_t n = 0;
	for (size_t i = 0; i < s->n; i++)
		n += lands(&s->v[i]);
	return n;
}

int promote_land(struct ledger *l, const char *who, struct staged_list *s, size_t most, struct err *e)
{
	struct ledger_change *c = xcalloc(s->n + 1, sizeof *c);
	struct staged **which = xcalloc(s->n + 1, sizeof(struct staged *));
	char **texts = xcalloc(s->n + 1, sizeof *texts);
	size_t n = 0;
	int rc = 0, tries = l->tries;
	for (size_t i = 0; i < s->n && n < most; i++) {
		struct staged *one = &s->v[i];
		if (!lands(one))
			continue;
		which[n] = one;
		c[n] = (struct ledger_change){.id = one->id, .from = TASK_UNAPPROVED};
		if (one->verdict == STAGED_READY) {
			c[n].to = TASK_QUEUE;
			c[n].edit = edit_approved;
			c[n].ctx = one;
			c[n].verb = "promote";
		} else {
			c[n].to = TASK_FAILED;
			c[n].text = texts[n] = task_text(one->doc);
			c[n].verb = "invalid";
		}
		n++;
	}
	/* What was judged is what the clone shows: at another head it would have to be judged again. */
	l->tries = 1;
	if (n)
		rc = ledger_commit(l, who, c, n, NULL, NULL, e);
	l->tries = tries;
	for (size_t i = 0; i < n; i++) {
		which[i]->landed = c[i].outcome == CHANGE_LANDED;
		which[i]->settled = !rc;
		free(texts[i]);
	}
	free(texts);
	free(which);
	free(c);
	return rc;
}

/* What came to the branch since a head that was judged. */
struct news {
	struct strs ids; /* tasks that were touched */
	bool rules;	 /* and more than tasks and what nodes say of themselves: settings, say, or keys */
	bool staged;	 /* something in unapproved/ */
	char first[72];	 /* the parent of the oldest commit */
};

static void news_change(void *ctx, char status, const char *path)
{
	struct news *news = ctx;
	const char *base = strrchr(path, '/');
	size_t len = base ? strlen(base + 1) : 0;
	bool json = len > 5 && !strcmp(base + 1 + len - 5, ".json");
	(void)status;
	news->staged = news->staged || !strncmp(path, "tasks/unapproved/", 17);
	if (!strncmp(path, "tasks/", 6) && json)
		strs_addf(&news->ids, "%.*s", (int)(len - 5), base + 1);
	else if (!json || strncmp(path, "nodes/", 6) != 0 || base != path + 5)
		news->rules = true;
}

static void news_commit(void *ctx, const struct line_commit *c)
{
	struct news *news = ctx;
	snprintf(news->first, sizeof news->first, "%s", c->parent);
}

/* After a lost race: what changed since the head that was judged is judged anew, and all of it only where the branch
 * or the rules are others now. */
static int look_again(struct ledger *l, struct grid_config *c, const char *const *ids, size_t n, const char *judged,
		      struct staged_list *s, struct err *e)
{
	struct news news = {0};
	const struct line line = {&news, news_change, news_commit};
	struct err none;
	bool follows = !line_walk(&l->git, l->head, judged, TOUCHED_MAX, NULL, &line, &none) &&
		       (!strcmp(news.first, judged) || !strcmp(l->head, judged));
	bool all = !follows || news.rules, some = news.staged;
	int rc = 0;
	if (all) {
		config_clear(c);
		rc = ledger_config(l, c, e);
	}
	for (size_t i = 0; i < s->n && !rc; i++) {
		if (all && !s->v[i].settled)
			s->v[i].oid[0] = 0; /* as if it were another */
		some = some || listed(&news.ids, s->v[i].id);
	}
	if (!rc && (all || some))
		rc = look(l, c, ids, n, &news.ids, s, e);
	strs_clear(&news.ids);
	return rc;
}

int promote_all(struct ledger *l, struct grid_config *c, const char *who, const char *const *ids, size_t n, bool dry,
		struct staged_list *out, struct err *e)
{
	char judged[72];
	size_t most = SIZE_MAX, left;
	int rc = promote_look(l, c, ids, n, out, e);
	for (int lost = 0; !rc && !dry && (left = to_land(out));) {
		memcpy(judged, l->head, sizeof judged);
		if (!(rc = promote_land(l, who, out, most, e))) {
			lost = 0;
			most = most > SIZE_MAX / STEP ? SIZE_MAX : most * STEP;
			continue;
		}
		if (e->class != ERR_RETRY)
			break;
		if (++lost == ROUNDS)
			return err_set(e, ERR_RETRY, "lost %d races for the branch in a row, try again", lost);
		most = ((left < most ? left : most) + STEP - 1) / STEP;
		proc_pause(clock_jitter(ROUND_WAIT_MS));
		rc = ledger_sync(l, e) || look_again(l, c, ids, n, judged, out, e) ? -1 : 0;
	}
	return rc;
}

/* ---- idle workers ---- */

/* Of a set of ids, in whatever order. */
static uint64_t fingerprint(const struct strs *ids)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < ids->n; i++) {
		uint64_t h = 1469598103934665603u; /* FNV-1a */
		for (const char *p = ids->v[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * 1099511628211u;
		sum += h;
	}
	return sum;
}

void promoter_look(struct promoter *p, struct ledger *l, const struct grid_config *c)
{
	struct strs ids = {0};
	struct err e;
	int rc = 0;
	if (c->workers_promote)
		rc = ledger_ids(l, TASK_UNAPPROVED, &ids, &e);
	bool known = !rc && fingerprint(&ids) == p->staged && clock_mono_ms() < p->again_at;
	if (!ids.n || known)
		p->at = 0;
	else if (!p->at)
		p->at = clock_mono_ms() + clock_jitter(WORKER_WAIT_MS);
	strs_clear(&ids);
}

int promoter_work(struct promoter *p, struct ledger *l, const struct grid_config *c, const char *node, struct err *e)
{
	struct staged_list s = {0};
	struct strs ids = {0};
	p->at = 0;
	e->class = ERR_NONE;
	int rc = promote_look(l, c, NULL, 0, &s, e);
	size_t left = rc ? 0 : to_land(&s), most = left;
	for (unsigned i = 0; i < p->lost && most > 1; i++)
		most = (most + STEP - 1) / STEP;
	if (!rc)
		rc = promote_land(l, node, &s, most, e);
	p->lost = !rc ? p->lost / 2 : e->class == ERR_RETRY ? p->lost + 1 : p->lost;
	for (size_t i = 0; i < s.n && !rc; i++) {
		const struct staged *one = &s.v[i];
		if (one->landed && one->verdict == STAGED_READY)
			log_at(LOG_INFO, "promote", "%s is queued (approved in %s)", one->id, one->approver);
		else if (one->landed)
			log_at(LOG_WARN, "promote", "%s is no valid task, it is in failed: %s", one->id, one->why);
		else if (one->verdict == STAGED_LEFT)
			strs_add(&ids, one->id);
	}
	for (size_t i = 0; i < s.n && !rc; i++)
		if (s.v[i].verdict == STAGED_LEFT && fingerprint(&ids) != p->staged)
			log_at(LOG_WARN, "promote", "%s stays in unapproved: %s", s.v[i].id, s.v[i].why);
	if (!rc) {
		p->staged = fingerprint(&ids);
		p->again_at = clock_mono_ms() + WORKER_AGAIN_MS;
	}
	if (!rc && left > most) /* the rest */
		p->at = clock_mono_ms() + 1;
	if (rc && e->class != ERR_RETRY)
		p->at = clock_mono_ms() + WORKER_AGAIN_MS;
	strs_clear(&ids);
	staged_clear(&s);
	return rc;
}

bool promoter_soon(const struct promoter *p)
{
	return p->at && p->at <= clock_mono_ms() + WORKER_WAIT_MS;
}
