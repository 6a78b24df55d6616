#include "store/promote.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/trust.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ROUNDS 20
#define ROUND_WAIT_MS 500
#define WORKER_WAIT_MS 3000   /* at most: so that one node does it, not all */
#define WORKER_AGAIN_MS 60000 /* what was left is looked at again */

#define GIT(l, out, e, ...) git_run(&(l)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

void promote_clear(struct staged_list *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->v[i].why);
		free(s->v[i].approver);
		json_free(s->v[i].doc);
	}
	free(s->v);
	*s = (struct staged_list){0};
}

/* ---- judging ---- */

/* Where else an id stands, or one that a file system may take for it; "" for nowhere. */
static void elsewhere(const struct staged_ids *all, const char *id, char out[160])
{
	out[0] = 0;
	for (int same = 1; same >= 0; same--) /* the same name tells more */
		for (int s = same ? TASK_QUEUE : TASK_UNAPPROVED; s < TASK_N_STATES; s++)
			for (size_t i = 0; i < all->in[s].n && !out[0]; i++) {
				const char *other = all->in[s].v[i];
				if (!strcasecmp(other, id) && (strcmp(other, id) == 0) == same)
					snprintf(out, 160, "%s is in %s already%s", other,
						 task_state_name((enum task_state)s),
						 same ? "" : ", other but for upper and lower case");
			}
}

static struct json *approved_by(const struct arrival *by)
{
	char when[32];
	struct json *a = json_new(JSON_OBJECT);
	json_set(a, "commit", json_new_str(by->commit));
	json_set(a, "author", json_new_str(by->author));
	json_set(a, "committer", json_new_str(by->committer));
	json_set(a, "at", json_new_str(clock_format(by->at, when)));
	return a;
}

/* Why no signature of it counts; NULL when one does. Such a task waits: somebody may yet approve it. */
static char *unsigned_because(struct ledger *l, const char *id, const struct json *doc)
{
	struct trust_verdict v;
	struct err e;
	char *why = NULL;
	if (trust_judge(&l->git, l->head, l->spec, id, doc, &v, &e))
		why = xasprintf("its signature cannot be checked now: %s", e.msg);
	else if (!v.ok)
		why = xasprintf("%s (sign it with: dgrid approve %s)", v.why, id);
	return why;
}

void promote_judge(struct ledger *l, const struct grid_config *c, const struct staged_ids *all, const char *mode,
		   const struct arrival *by, struct staged *s)
{
	struct problems p = {0};
	struct buf text = {0};
	struct task t = {0};
	struct err e;
	struct buf shown = {0};
	char other[160];
	elsewhere(all, s->id, other);
	if (other[0] || !by->commit[0]) {
		s->verdict = STAGED_LEFT;
		s->why = other[0] ? xasprintf("%s (remove the one or the other)", other)
				  : xstrdup("no commit of the branch's first-parent line added it");
		return;
	}
	/* A link's target or a folder is no task, whatever it looks like in a work tree. */
	if (strcmp(mode, "100644") != 0)
		problem_at(&p, 1, 1, "mode %s (expected a plain file, mode 100644)", mode);
	bool unread = ledger_read(l, TASK_UNAPPROVED, s->id, &text, &e) != 0;
	if (unread && e.class != ERR_DATA) {
		s->verdict = STAGED_LEFT;
		s->why = xasprintf("it cannot be read here now: %s", e.msg);
		goto out;
	}
	if (unread) {
		if (!p.n)
			problem_at(&p, 1, 1, "cannot be read (expected a plain file of at most %d bytes)",
				   TASK_FILE_MAX);
	} else
		task_parse(&t, text.data ? text.data : "", text.len, s->id, c, true, &p);
	if (p.n && !unread && ledger_true(l, TASK_UNAPPROVED, s->id, &text, &e) != 1) {
		s->verdict = STAGED_LEFT;
		s->why = xstrdup("it could not be read as the branch has it");
		goto out;
	}
	if (!p.n && c->require_signed_tasks && (s->why = unsigned_because(l, s->id, t.doc))) {
		s->verdict = STAGED_LEFT;
		goto out;
	}
	s->verdict = p.n ? STAGED_INVALID : STAGED_READY;
	s->doc = p.n ? task_invalid_doc(s->id, p.text.data, text.data ? text.data : "", text.len, l->git.name)
		     : json_copy(t.doc);
	s->why = p.n ? xstrdup(p.text.data) : NULL;
	json_set(s->doc, "approved_by", approved_by(by));
	buf_addf(&shown, "%.10s by ", by->commit);
	problem_escape(&shown, by->author, strlen(by->author), 200, false);
	s->approver = buf_detach(&shown);
out:
	task_clear(&t);
	problems_clear(&p);
	buf_clear(&text);
}

/* ---- the staged ---- */

struct staged_file {
	char id[65], mode[8];
};
struct staged_files {
	struct staged_file *v;
	size_t n;
};

/* "MODE TYPE OID\tPATH" */
static void take_file(void *ctx, const char *entry)
{
	struct staged_files *f = ctx;
	struct staged_file one;
	const char *base = strrchr(entry, '/');
	size_t n = base ? strlen(base + 1) : 0;
	if (n <= 5 || n > 69 || strcmp(base + 1 + n - 5, ".json") != 0 || sscanf(entry, "%7s", one.mode) != 1)
		return;
	snprintf(one.id, sizeof one.id, "%.*s", (int)(n - 5), base + 1);
	if (!task_id_valid(one.id))
		return;
	f->v = xrealloc(f->v, (f->n + 1) * sizeof *f->v);
	f->v[f->n++] = one;
}

int promote_look(struct ledger *l, const struct grid_config *c, const char *const *ids, size_t n,
		 struct staged_list *out, struct err *e)
{
	struct staged_files files = {0};
	struct staged_ids all = {0};
	const char *tree[] = {"ls-tree", "-z", "--full-tree", l->head, "tasks/unapproved/", NULL};
	int rc = git_records(&l->git, tree, take_file, &files, e);
	*out = (struct staged_list){.v = xcalloc(files.n + 1, sizeof *out->v)};
	for (int k = 0; k < TASK_N_STATES && !rc; k++)
		rc = ledger_ids(l, (enum task_state)k, &all.in[k], e);
	for (size_t i = 0; i < n && !rc; i++) {
		bool there = false;
		for (size_t k = 0; k < files.n && !there; k++)
			there = !strcmp(files.v[k].id, ids[i]);
		int state = there || !task_id_valid(ids[i]) ? LEDGER_NOWHERE : ledger_find(l, ids[i], e);
		if (state == LEDGER_UNKNOWN)
			rc = -1;
		else if (!there)
			rc = err_set(e, ERR_NOENT, "no task '%.100s' in unapproved%s%s", ids[i],
				     state >= 0 ? ": it is in " : "",
				     state >= 0 ? task_state_name((enum task_state)state) : "");
	}
	for (size_t k = 0; k < files.n && !rc; k++) {
		struct arrival by;
		bool wanted = !n;
		for (size_t i = 0; i < n && !wanted; i++)
			wanted = !strcmp(files.v[k].id, ids[i]);
		if (!wanted)
			continue;
		struct staged *s = &out->v[out->n++];
		memcpy(s->id, files.v[k].id, sizeof s->id);
		rc = arrival_find(&l->git, l->head, l->spec, s->id, &by, e);
		if (rc && e->class == ERR_NOENT)
			rc = 0; /* by stays empty */
		if (!rc)
			promote_judge(l, c, &all, files.v[k].mode, &by, s);
		arrival_clear(&by);
	}
	for (int k = 0; k < TASK_N_STATES; k++)
		strs_clear(&all.in[k]);
	free(files.v);
	return rc;
}

/* git mv carries it over; only who approved it is written into it. */
static enum change_verdict edit_approved(void *ctx, struct json *doc, enum task_state *to)
{
	const struct staged *s = ctx;
	(void)to;
	json_set(doc, "approved_by", json_copy(json_get(s->doc, "approved_by")));
	return CHANGE_APPLY;
}

int promote_land(struct ledger *l, const char *who, struct staged_list *s, struct err *e)
{
	struct ledger_change *c = xcalloc(s->n + 1, sizeof *c);
	char **texts = xcalloc(s->n + 1, sizeof *texts);
	size_t n = 0;
	int rc = 0, tries = l->tries;
	for (size_t i = 0; i < s->n; i++) {
		if (s->v[i].verdict == STAGED_LEFT)
			continue;
		c[n] = (struct ledger_change){.id = s->v[i].id, .from = TASK_UNAPPROVED};
		if (s->v[i].verdict == STAGED_READY) {
			c[n].to = TASK_QUEUE;
			c[n].edit = edit_approved;
			c[n].ctx = &s->v[i];
			c[n].verb = "promote";
		} else {
			c[n].to = TASK_FAILED;
			c[n].text = texts[n] = task_text(s->v[i].doc);
			c[n].verb = "invalid";
		}
		n++;
	}
	/* What was judged is what the clone shows: at another head it would have to be judged again. */
	l->tries = 1;
	if (n)
		rc = ledger_commit(l, who, c, n, NULL, NULL, e);
	l->tries = tries;
	for (size_t i = 0, k = 0; i < s->n; i++)
		if (s->v[i].verdict != STAGED_LEFT)
			s->v[i].landed = c[k++].outcome == CHANGE_LANDED;
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
	free(c);
	return rc;
}

int promote_all(struct ledger *l, const struct grid_config *c, const char *who, const char *const *ids, size_t n,
		bool dry, struct staged_list *out, struct err *e)
{
	int rc = -1;
	for (int round = 0; rc && round < ROUNDS; round++) {
		if (round) {
			int64_t until = clock_mono_ms() + clock_jitter(ROUND_WAIT_MS), now;
			promote_clear(out);
			while ((now = clock_mono_ms()) < until && !proc_given_up())
				loop_step(until - now);
			if (ledger_sync(l, e))
				return -1;
		}
		rc = promote_look(l, c, ids, n, out, e);
		if (rc)
			break;
		if (!dry)
			rc = promote_land(l, who, out, e);
		if (rc && e->class != ERR_RETRY)
			break;
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
	if (!rc)
		rc = promote_land(l, node, &s, e);
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
	if (rc && e->class != ERR_RETRY)
		p->at = clock_mono_ms() + WORKER_AGAIN_MS;
	strs_clear(&ids);
	promote_clear(&s);
	return rc;
}

bool promoter_soon(const struct promoter *p)
{
	return p->at && p->at <= clock_mono_ms() + WORKER_WAIT_MS;
}
