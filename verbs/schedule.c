/* schedule: tasks that are queued again and again; makes and changes their files, shows them, queues what is due. */
#include "base/clock.h"
#include "schema/consent.h"
#include "schema/level.h"
#include "store/registry.h"
#include "store/trust.h"
#include "verbs/directives.h"
#include "verbs/given.h"
#include "verbs/land.h"
#include "verbs/making.h"
#include "verbs/queueing.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	const char *what, *name; /* the first two operands; name NULL: none */
	const char *cron, *missed, *overlap, *script_file, *given_key, *at;
	struct making made; /* what options say of the task */
	struct given given;
	struct sending inputs;
	struct json *task; /* the template */
	struct strs lines; /* of the script, which its options are in */
	char **rest, **words;
	int n_rest, n_words; /* what follows the name; words: after -- */
	bool json, dry, fields, replace, force, sign, options_of_task;
};

/* The rows of the table in docs/SCHEDULES.md. */
static void print_fields(void)
{
	const struct task_field *f;
	for (size_t i = 0; (f = periodic_field_at(i)); i++)
		printf("| `%s` | %s | %s | %s%s|\n", f->name, f->type, f->rule, f->dflt, *f->dflt ? " " : "");
}

/* ---- the command line ---- */

static int read_option(struct asked *a, int key, const struct usage_option *o, const char *value, struct err *e)
{
	if (given_take(&a->given, key, value)) {
		a->options_of_task = true;
		return 0;
	}
	switch (key) {
	case MAKING:
		a->options_of_task = true;
		return making_take(&a->made, o, value, e);
	case 'j':
		a->json = true;
		break;
	case 'd':
		a->dry = true;
		break;
	case 'f':
		a->fields = true;
		break;
	case 'R':
		a->replace = true;
		break;
	case 'F':
		a->force = true;
		break;
	case 'S':
		a->sign = true;
		break;
	case 'k':
		a->given_key = value;
		a->sign = true;
		break;
	case 'c':
		a->cron = value;
		break;
	case 'm':
		a->missed = value;
		break;
	case 'o':
		a->overlap = value;
		break;
	case 's':
		a->script_file = value;
		break;
	case 'A':
		a->at = value;
		break;
	}
	return 0;
}

/* getopt moves operands behind the options and leaves the words after -- where they are, at the end. */
static int read_command_line(struct asked *a, struct usage_scan *s, struct err *e)
{
	int n = s->argc, at = 0, key, rc = 0;
	char **typed = xcalloc((size_t)n, sizeof *typed);
	memcpy(typed, s->argv, (size_t)n * sizeof *typed);
	while (!rc && (key = usage_next(s, e)) != 0)
		rc = key < 0 ? -1 : read_option(a, key, s->option, s->value, e);
	if (!rc && s->dashes) {
		while (typed[at] != s->argv[s->rest - 1])
			at++;
		a->n_words = n - at - 1;
		a->words = s->argv + n - a->n_words;
	}
	free(typed);
	if (rc)
		return -1;
	a->n_rest = n - s->rest - a->n_words;
	a->rest = s->argv + s->rest;
	a->what = a->n_rest > 0 ? a->rest[0] : "list";
	a->name = a->n_rest > 1 ? a->rest[1] : NULL;
	a->n_rest = a->n_rest > 2 ? a->n_rest - 2 : 0;
	a->rest += 2;
	return 0;
}

static int check_command_line(const struct asked *a, struct err *e)
{
	static const struct {
		const char *what;
		bool named; /* it takes a name, and needs one but for run */
	} known[] = {{"add", true},    {"list", false}, {"pause", true}, {"resume", true},
		     {"remove", true}, {"sign", true},	{"run", true}};
	size_t i = 0;
	while (i < sizeof known / sizeof *known && strcmp(a->what, known[i].what) != 0)
		i++;
	bool add = !strcmp(a->what, "add"), run = !strcmp(a->what, "run");
	if (i == sizeof known / sizeof *known)
		return err_set(e, ERR_USAGE,
			       "schedule: expected add, list, pause, resume, run, remove or sign, found '%.200s'",
			       a->what);
	if (known[i].named ? !a->name && !run : a->name != NULL)
		return err_set(e, ERR_USAGE,
			       a->name ? "schedule list takes no name, found '%.200s'"
				       : "schedule %s needs the name of a schedule",
			       a->name ? a->name : a->what);
	bool list = !strcmp(a->what, "list"), all_due = run && !a->name, signs = add || !strcmp(a->what, "sign");
	if ((a->dry && !all_due) || (a->json && !all_due && !list) || (a->at && !list) || (a->sign && !signs))
		return err_set(e, ERR_USAGE, "%s is not for schedule %s%s",
			       a->dry && !all_due	      ? "--dry-run"
			       : a->json && !all_due && !list ? "--json"
			       : a->at && !list		      ? "--at"
							      : "--sign",
			       a->what, run ? " NAME" : "");
	if (a->name && !periodic_name_valid(a->name))
		return err_set(e, ERR_USAGE, "NAME: expected 1-%d of A-Z a-z 0-9 _ -, no - first, found '%.200s'",
			       PERIODIC_NAME_MAX, a->name);
	int sources = (a->words != NULL) + (a->script_file != NULL) + a->n_rest;
	if (!add && (sources || a->cron || a->missed || a->overlap || a->options_of_task || a->replace || a->force))
		return err_set(e, ERR_USAGE, "schedule %s takes no task, nor what says when it is due", a->what);
	if (add && (!a->cron || sources != 1))
		return err_set(e, ERR_USAGE,
			       a->cron ? "schedule add needs one of a task file, --script FILE, -- CMD"
				       : "schedule add needs --cron, as in --cron '0 2 * * *' (UTC)");
	return 0;
}

/* ---- its file ---- */

/* What a verb does to one file, asked at every new head. */
struct change {
	const struct asked *a;
	const struct grid_config *c;
	char *key;  /* to sign with; NULL: it is not signed */
	char *text; /* of add: the file */
};

static int judge(const char *name, const char *text, const struct grid_config *c, struct periodic *s, struct err *e)
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

/* Adds a signature to doc. Where only signed tasks run it has to be one that counts. */
static int sign(struct ledger *l, const struct change *x, struct json *doc, struct err *e)
{
	const struct json *last = json_get(doc, "signatures");
	struct trust_verdict v = {.ok = true};
	if (last && task_signatures(doc) >= TASK_SIGNATURES_MAX)
		json_remove(doc, "signatures"); /* they are not signed themselves; ours is what counts */
	struct json *part = periodic_signed(doc, x->a->name);
	int rc = x->key ? trust_sign(part, x->key, e) : 0;
	if (!rc && x->key)
		json_set(doc, "signatures", json_copy(json_get(part, "signatures")));
	if (!rc && consent_signed(x->c, json_get(part, "task")) &&
	    !(rc = trust_judge_new(&l->git, l->head, part, &v, e)) && !v.ok)
		rc =
		    err_set(e, ERR_PERM,
			    "the tasks of '%s' would not run: %s (expected --sign with a key that counts); nothing was "
			    "changed",
			    x->a->name, v.why);
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
	if (other_case(l, x->a->name, e) || judge(x->a->name, x->text, x->c, &s, e))
		return -1;
	char *text = NULL, *detail = xasprintf("cron: %s\n", s.cron_text);
	int rc = sign(l, x, s.doc, e);
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
		rc = sign(l, x, doc, e) ? -1 : 1;
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
	struct asked *said = ctx;
	if (given_take(&said->given, key, s->value))
		return 0;
	if (key != MAKING)
		return err_set(e, ERR_USAGE, "%s is for the command line alone", s->option->name);
	return making_take(&said->made, s->option, s->value, e);
}

/* The command line goes before it. */
static int read_directives(struct asked *a, const char *script, struct err *e)
{
	struct asked said = {0};
	const char *where = strcmp(a->script_file, "-") ? a->script_file : "stdin";
	int rc = directives_read(&verb_schedule, where, script, &a->lines, take_directive, &said, e);
	making_over(&said.made, &a->made);
	making_clear(&a->made);
	a->made = said.made;
	given_over(&a->given, &said.given);
	given_clear(&said.given);
	return rc;
}

static int read_template(struct asked *a, const char *by, struct err *e)
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
static int give(const struct context *ctx, struct asked *a, struct ledger *l, const struct grid_config *c,
		struct err *e)
{
	struct sending *s = &a->inputs;
	struct problems p = {.file = a->n_rest ? a->rest[0] : a->name};
	int rc = given_check(&a->given, e);
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

static char *file_text(const struct asked *a)
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
	if (judge(x->a->name, x->text, x->c, &s, e))
		return -1;
	periodic_clear(&s);
	return 0;
}

static int change(const struct context *ctx, struct asked *a, struct err *e)
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

/* ---- run ---- */

void tell_fired(const struct firings *f, bool dry, struct json *into)
{
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < f->n; i++) {
		const struct firing *one = &f->v[i];
		if (one->wrong && !into) {
			printf("left %s: ", one->name);
			put_clean(one->wrong, strcspn(one->wrong, "\n"));
			putchar('\n');
		}
		for (size_t k = 0; k < one->ids.n && !into; k++)
			printf("%s %s\n", dry ? "would queue" : "queued", one->ids.v[k]);
		if (one->note && !into)
			printf("%s\n", one->note);
		struct json *row = json_new(JSON_OBJECT), *ids = json_new(JSON_ARRAY);
		json_set(row, "name", json_new_str(one->name));
		for (size_t k = 0; k < one->ids.n; k++)
			json_append(ids, json_new_str(one->ids.v[k]));
		json_set(row, "tasks", ids);
		if (one->note || one->wrong)
			json_set(row, "why", json_new_str(one->wrong ? one->wrong : one->note));
		json_append(list, row);
	}
	if (into)
		json_set(into, "fired", list);
	else
		json_free(list);
}

static int run_due(const struct context *ctx, const struct asked *a, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct firings f = {0};
	int rc = open_grid_to_sign(ctx, &l, &c, e);
	if (!rc)
		rc = firing_all(&l, &c, l.git.name, a->dry, &f, e);
	if (!rc && a->json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "dry_run", json_new_bool(a->dry));
		tell_fired(&f, a->dry, all);
		put_json(all);
		json_free(all);
	} else if (!rc && !f.n)
		puts("nothing is due");
	else if (!rc)
		tell_fired(&f, a->dry, NULL);
	firing_clear(&f);
	close_grid(&l, &c);
	return rc;
}

/* One task now, whatever the time and whether it is paused. */
static int run_now(const struct context *ctx, const struct asked *a, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct buf text = {0};
	struct periodic s = {0};
	struct change x = {.a = a, .c = &c};
	struct json *task = NULL;
	char id[65];
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc && (rc = registry_schedule(&l, a->name, &text, e)) != 0 && e->class == ERR_NOENT)
		err_set(e, ERR_NOENT, "there is no schedule '%s' (see: dgrid schedule list)", a->name);
	if (!rc && !(rc = judge(a->name, text.data ? text.data : "", &c, &s, e)))
		rc = sign(&l, &x, s.doc, e); /* with no key: would it run? */
	if (!rc) {
		int64_t now = clock_now();
		task = periodic_task(s.task, a->name, now % 60 ? now : now - 1); /* its id is no instant's */
		snprintf(id, sizeof id, "%s", json_str(task, "task_id"));
		char *made = task_text(task);
		struct ledger_change change = {
		    .id = id, .to = TASK_QUEUE, .create = true, .text = made, .verb = "submit"};
		rc = ledger_commit(&l, l.git.name, &change, 1, NULL, NULL, e);
		if (!rc && change.outcome == CHANGE_LANDED)
			puts(id);
		else if (!rc)
			rc = err_set(e, ERR_RETRY, "'%s' was queued this second; try again", id);
		free(made);
	}
	json_free(task);
	periodic_clear(&s);
	buf_clear(&text);
	close_grid(&l, &c);
	return rc;
}

static int cmd_schedule(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_schedule, .argc = argc, .argv = argv};
	struct asked a = {.what = NULL};
	int rc = read_command_line(&a, &s, e);
	if (!rc && a.fields)
		print_fields();
	else if (!rc && !(rc = check_command_line(&a, e)))
		rc = !strcmp(a.what, "list") ? schedule_list(ctx, a.at, a.json, e)
		     : strcmp(a.what, "run") ? change(ctx, &a, e)
		     : a.name		     ? run_now(ctx, &a, e)
					     : run_due(ctx, &a, e);
	json_free(a.task);
	making_clear(&a.made);
	given_clear(&a.given);
	sending_clear(&a.inputs);
	strs_clear(&a.lines);
	return rc;
}

const struct verb verb_schedule = {
    .name = "schedule",
    .args = "[list] [--json] [--at REV|DATE] | add NAME --cron CRON [--missed M] [--overlap O] [--replace] [--force] "
	    "[--sign] "
	    "[--key FILE] " GIVEN_ARGS "[TASK-OPTION]... (FILE | --script FILE | -- CMD) | pause|resume|remove NAME | "
	    "sign NAME [--key FILE] | run NAME | run [--dry-run] [--json] | --fields",
    .summary = "tasks that are queued by the clock: list, add, pause, resume, run, remove, sign",
    .about =
	"A schedule is a file schedules/NAME.json on the grid's branch: a task, and when it is queued, by the five "
	"fields "
	"of cron, in UTC. There is no server: any worker, idle or full, queues what is due, dgrid maintain does, and "
	"dgrid "
	"schedule run; each instant is queued once, however many try. Its task is NAME-YYYYMMDDTHHMMZ.\n\n"
	"add makes one of a task file, or of the options and a script as dgrid submit does. A schedule that is new, or "
	"changed, or resumed, looks forward only. run NAME queues one task of it now, run alone all that is due.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'c', "--cron", "CRON", NULL,
	     "minute, hour, day of the month, month, weekday, as in '0 2 * * mon-fri', or @hourly, @daily, @weekly, "
	     "@monthly, @yearly; UTC"},
	    {'m', "--missed", "M", "latest skip all",
	     "when nobody was there at its time: queue one task for the latest instant (the default), skip those older "
	     "than "
	     "10 minutes, or queue all"},
	    {'o', "--overlap", "O", "skip queue",
	     "while the task of an earlier instant is queued or runs: skip (the default), or queue beside it"},
	    {'s', "--script", "FILE", "@files", "the file that holds the script; - is stdin"},
	    GIVEN_OPTIONS,
	    {'R', "--replace", NULL, NULL, "put it in the place of the one that has its name"},
	    {'F', "--force", NULL, NULL,
	     "add it even though some nodes are too old for its tasks, or an input is not at the remote"},
	    {'S', "--sign", NULL, NULL, "sign it with your SSH key, where the grid runs signed tasks only"},
	    {'k', "--key", "FILE", "@files", "sign it with this key; implies --sign"},
	    {'d', "--dry-run", NULL, NULL, "of run: say what is due and change nothing"},
	    USAGE_JSON,
	    {'A', "--at", "REV|DATE", NULL, "of list: the grid as it was at a commit or time"},
	    {'f', "--fields", NULL, NULL, "print the fields of a schedule, as rows of a Markdown table"},
	    {0}},
    .shared = making_option_at,
    .operands = "list add pause resume run remove sign",
    .examples =
	(const struct usage_note[]){
	    {"dgrid schedule add nightly --cron '0 2 * * *' --script nightly.sh", ""},
	    {"dgrid schedule add sums --cron @daily --input tab.csv -- 'wc -l /in/tab.csv'", "with files"},
	    {"dgrid schedule", "what comes next, and how it went last"},
	    {"dgrid schedule run nightly", "one now"},
	    {"dgrid schedule pause nightly", ""},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "done, also when there was nothing to do"},
					 {"65", "the schedule is not valid, its name is taken, some nodes are too old "
						"for it, or an input is not at the remote"},
					 {"66", "there is no such schedule, or no such file"},
					 {"77", "it is not signed so that it would run, or the host declined the push"},
					 {0}},
    .environment = (const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key for --sign"}, {0}},
    .run = cmd_schedule,
};
