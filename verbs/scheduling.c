/* scheduling: see scheduling.h. */
#include "verbs/scheduling.h"
#include "base/clock.h"
#include "schema/consent.h"
#include "schema/level.h"
#include "store/depot.h"
#include "store/registry.h"
#include "store/trust.h"
#include "verbs/directives.h"
#include "verbs/land.h"
#include "verbs/queueing.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- its file ---- */

/* What a verb does to one file, asked at every new head. */
struct change {
	const struct scheduling *a;
	const struct grid_config *c;
	char *key;  /* to sign with; NULL: it is not signed */
	char *text; /* of add: the file */
};

int scheduling_judge(const char *name, const char *text, const struct grid_config *c, struct periodic *s, struct err *e)
{
	char *path = xasprintf(PERIODIC_FOLDER "%s.json", name);
	struct problems p = {.file = path};
	int rc = periodic_parse(s, text, strlen(text), name, c, &p)
		     ? err_set(e, ERR_DATA, "%.*s", (int)(p.text.len ? p.text.len - 1 : 0), p.text.data)
		     : 0;
	problems_clear(&p);
	free(path);
	return rc;
}

int scheduling_sign(struct ledger *l, const struct grid_config *c, const char *name, const char *key, struct json *doc,
		    struct err *e)
{
	const struct json *last = json_get(doc, "signatures");
	struct trust_verdict v = {.ok = true};
	if (last && task_signatures(doc) >= TASK_SIGNATURES_MAX)
		json_remove(doc, "signatures"); /* they are not signed themselves; ours is what counts */
	struct json *part = periodic_signed(doc, name);
	int rc = key ? trust_sign(part, key, e) : 0;
	if (!rc && key)
		json_set(doc, "signatures", json_copy(json_get(part, "signatures")));
	if (!rc && consent_signed(c, json_get(part, "task")) &&
	    !(rc = trust_judge_new(&l->git, l->head, part, &v, e)) && !v.ok)
		rc =
		    err_set(e, ERR_PERM,
			    "the tasks of '%s' would not run: %s (expected --sign with a key that counts); nothing was "
			    "changed",
			    name, v.why);
	json_free(part);
	return rc;
}

static int commit(struct ledger *l, const struct change *x, const char *text, const char *detail, struct err *e)
{
	const char *verb = !strcmp(x->a->what, "add") && x->a->replace ? "replace" : x->a->what;
	char *path = xasprintf(PERIODIC_FOLDER "%s.json", x->a->name), *full = xasprintf("%s/%s", l->git.dir, path),
	     *folder = xasprintf("%s/" PERIODIC_FOLDER, l->git.dir),
	     *message =
		 xasprintf("%s: %s schedule %s\n%s%s", l->git.name, verb, x->a->name, *detail ? "\n" : "", detail);
	int rc;
	land_sign_if_enrolled(l);
	if (!text)
		rc = git_run(&l->git, NULL, e, (const char *const[]){"rm", "--quiet", "--force", "--", path, NULL});
	else if (!(rc = file_mkdirs(folder, e)) && !(rc = file_write_in_place(full, text, strlen(text), e)))
		rc = git_run(&l->git, NULL, e, (const char *const[]){"add", "--force", "--", path, NULL});
	if (!rc)
		rc = git_run(&l->git, NULL, e,
			     (const char *const[]){"commit", "--quiet", "--no-verify", "-m", message, NULL});
	free(path);
	free(full);
	free(folder);
	free(message);
	return rc ? -1 : 1;
}

/* Nothing of before now is queued, as the history says too: but then nobody has to ask the history. */
static void begin_now(struct json *doc)
{
	char when[32];
	json_set(doc, "last", json_new_str(clock_format(clock_now(), when)));
}

static int other_case(struct ledger *l, const char *name, struct err *e)
{
	struct strs names = {0};
	int rc = registry_schedules(l, &names, e);
	const char *other = rc ? NULL : strs_alike(&names, name);
	if (other)
		rc =
		    err_set(e, ERR_DATA, "there is a schedule '%s' already, other but for upper and lower case", other);
	strs_clear(&names);
	return rc;
}

static int build_add(struct ledger *l, struct change *x, bool there, struct err *e)
{
	struct periodic s;
	if (there && !x->a->replace)
		return err_set(e, ERR_DATA, "there is a schedule '%s' already (--replace puts this one in its place)",
			       x->a->name);
	if (other_case(l, x->a->name, e) || scheduling_judge(x->a->name, x->text, x->c, &s, e))
		return -1;
	char *text = NULL, *detail = xasprintf("cron: %s\n", s.cron_text);
	int rc = scheduling_sign(l, x->c, x->a->name, x->key, s.doc, e);
	begin_now(s.doc);
	if (!rc)
		rc = commit(l, x, text = task_text(s.doc), detail, e);
	periodic_clear(&s);
	free(detail);
	free(text);
	return rc;
}

static int build_change(struct ledger *l, struct change *x, const char *old, struct err *e)
{
	struct json_error je;
	const char *what = x->a->what;
	if (!strcmp(what, "remove"))
		return commit(l, x, NULL, "", e);
	struct json *doc = json_parse(old, strlen(old), &je);
	const struct json *paused = json_get(doc, "paused");
	bool is = paused && paused->type == JSON_BOOL && paused->boolean;
	int rc = 1;
	if (!doc || doc->type != JSON_OBJECT)
		rc = err_set(e, ERR_DATA, PERIODIC_FOLDER "%s.json is no object in JSON (see: dgrid schedule list)",
			     x->a->name);
	else if (!strcmp(what, "sign"))
		rc = scheduling_sign(l, x->c, x->a->name, x->key, doc, e) ? -1 : 1;
	else if (is == !strcmp(what, "pause"))
		rc = 0;
	else if (is)
		json_remove(doc, "paused");
	else
		json_set(doc, "paused", json_new_bool(true));
	if (rc > 0)
		begin_now(doc);
	char *text = rc > 0 ? task_text(doc) : NULL;
	if (rc > 0)
		rc = commit(l, x, text, "", e);
	free(text);
	json_free(doc);
	return rc;
}

static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct change *x = ctx;
	struct buf old = {0};
	int rc = registry_schedule(l, x->a->name, &old, e);
	bool there = !rc || (e->class != ERR_NOENT && ledger_answered(e)), add = !strcmp(x->a->what, "add");
	if (rc && !ledger_answered(e))
		rc = -1;
	else if (!there && !add)
		rc = err_set(e, ERR_NOENT, "there is no schedule '%s' (see: dgrid schedule list)", x->a->name);
	else if (add)
		rc = build_add(l, x, there, e);
	else
		rc = build_change(l, x, old.data ? old.data : "", e);
	buf_clear(&old);
	return rc;
}

/* ---- add ---- */

/* At the head of the script. */
static int take_directive(void *ctx, int key, struct usage_scan *s, struct err *e)
{
	struct scheduling *said = ctx;
	if (given_take(&said->given, key, s->value))
		return 0;
	if (key != MAKING)
		return err_set(e, ERR_USAGE, "%s is for the command line alone", s->option->name);
	return making_take(&said->made, s->option, s->value, e);
}

/* The command line goes before it. */
static int read_directives(struct scheduling *a, const char *script, struct err *e)
{
	struct scheduling said = {0};
	const char *where = strcmp(a->script_file, "-") ? a->script_file : "stdin";
	int rc = directives_read(&verb_schedule, where, script, &a->lines, take_directive, &said, e);
	making_over(&said.made, &a->made);
	making_clear(&a->made);
	a->made = said.made;
	given_over(&a->given, &said.given);
	given_clear(&said.given);
	return rc;
}

static int read_template(struct scheduling *a, const char *by, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	int rc;
	if (!a->n_rest) {
		rc = making_script(a->script_file, a->words, a->n_words, &b, e);
		if (!rc && a->script_file)
			rc = read_directives(a, b.data ? b.data : "", e);
		if (!rc)
			a->task = making_task(&a->made, "x", b.data ? b.data : "", by);
	} else if (!(rc = file_read_named(a->rest[0], TASK_FILE_MAX, &b, e))) {
		a->task = json_parse(b.data ? b.data : "", b.len, &je);
		if (!a->task)
			rc = err_set(e, ERR_DATA, "%s:%u:%u: %s", a->rest[0], je.line, je.col, je.msg);
		else if (a->task->type == JSON_OBJECT)
			making_apply(&a->made, a->task);
	}
	if (!rc && a->task->type == JSON_OBJECT) { /* each run has its own */
		json_remove(a->task, "task_id");
		json_remove(a->task, "created_at");
	}
	buf_clear(&b);
	return rc;
}

/* What it is given goes to the remote before the schedule does; what a file names must be there. */
static int give(const struct context *ctx, struct scheduling *a, struct ledger *l, const struct grid_config *c,
		struct err *e)
{
	struct sending *s = &a->inputs;
	struct problems p = {.file = a->n_rest ? a->rest[0] : a->name};
	int rc = given_check(&a->given, a->script_file && !strcmp(a->script_file, "-") ? "--script" : NULL, e);
	s->pointers = true;
	s->store = depot_command(NULL);
	if (!rc)
		rc = sending_make(s, ctx, c, strlen(l->head) == 64, &a->given.checkout, a->given.sources.v,
				  a->given.sources.n, e);
	if (!rc && a->task->type == JSON_OBJECT) {
		sending_add(s, &a->given.use, a->task, c, &p);
		rc = queue_refused(&p, e);
	}
	problems_clear(&p);
	struct queueing q = {0};
	char *text = rc ? NULL : task_text(a->task);
	if (!rc) {
		strs_add(&q.ids, a->name);
		strs_add(&q.texts, text);
	}
	if (!rc && !a->force)
		rc = queue_inputs_there(l, &q, &s->trees, e);
	queueing_clear(&q);
	free(text);
	return rc;
}

static char *file_text(const struct scheduling *a)
{
	struct json *doc = json_new(JSON_OBJECT);
	json_set(doc, "schema", json_new_int(1));
	json_set(doc, "cron", json_new_str(a->cron));
	if (a->missed)
		json_set(doc, "missed", json_new_str(a->missed));
	if (a->overlap)
		json_set(doc, "overlap", json_new_str(a->overlap));
	json_set(doc, "task", json_copy(a->task));
	char *text = task_text(doc);
	json_free(doc);
	return text;
}

/* Nothing is sent for one that is none. */
static int judge_added(const struct change *x, struct err *e)
{
	struct periodic s;
	if (scheduling_judge(x->a->name, x->text, x->c, &s, e))
		return -1;
	periodic_clear(&s);
	return 0;
}

int scheduling_change(const struct context *ctx, struct scheduling *a, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct change x = {.a = a, .c = &c};
	bool changed = false, add = !strcmp(a->what, "add"), signs = a->sign || !strcmp(a->what, "sign");
	int rc = open_grid_to_sign(ctx, &l, &c, e);
	if (!rc && add && !(rc = read_template(a, l.git.name, e)) && !(rc = give(ctx, a, &l, &c, e)))
		x.text = file_text(a);
	if (!rc && add && !a->force) /* which know no task of a schedule */
		rc = queue_nodes_know(ctx, &l, LEVEL_SCHEDULES, e);
	if (!rc && signs && !(x.key = a->given_key ? xstrdup(a->given_key) : trust_default_key(&l.git, e)))
		rc = -1;
	if (!rc && add)
		rc = judge_added(&x, e) ? -1 : sending_push(&a->inputs, e);
	if (!rc)
		rc = land(&l, build, &x, &changed, e);
	if (!rc) {
		char *did = xasprintf("%s%s", a->what, a->what[strlen(a->what) - 1] == 'e' ? "d" : "ed");
		printf("%s %s%s\n",
		       !changed			 ? "already"
		       : !strcmp(a->what, "add") ? "added"
						 : did,
		       changed			   ? ""
		       : !strcmp(a->what, "pause") ? "paused: "
						   : "running: ",
		       a->name);
		free(did);
	}
	free(x.key);
	free(x.text);
	close_grid(&l, &c);
	return rc;
}
