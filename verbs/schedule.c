/* schedule: tasks that are queued again and again; makes and changes their files, shows them, queues what is due. */
#include "base/clock.h"
#include "store/registry.h"
#include "verbs/scheduling.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rows of the table in docs/SCHEDULES.md. */
static void print_fields(void)
{
	const struct task_field *f;
	for (size_t i = 0; (f = periodic_field_at(i)); i++)
		printf("| `%s` | %s | %s | %s%s|\n", f->name, f->type, f->rule, f->dflt, *f->dflt ? " " : "");
}

/* ---- the command line ---- */

static int read_option(struct scheduling *a, int key, const struct usage_option *o, const char *value, struct err *e)
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
static int read_command_line(struct scheduling *a, struct usage_scan *s, struct err *e)
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

static int check_command_line(const struct scheduling *a, struct err *e)
{
	static const struct {
		const char *what;
		bool named; /* it takes a name, and needs one but for run */
	} known[] = {{"add", true},    {"list", false}, {"pause", true}, {"resume", true},
		     {"remove", true}, {"sign", true},	{"run", true},	 {"show", true}};
	size_t i = 0;
	while (i < sizeof known / sizeof *known && strcmp(a->what, known[i].what) != 0)
		i++;
	bool add = !strcmp(a->what, "add"), run = !strcmp(a->what, "run");
	if (i == sizeof known / sizeof *known)
		return err_set(e, ERR_USAGE,
			       "schedule: expected add, list, pause, resume, run, remove, show or sign, found '%.200s'",
			       a->what);
	if (known[i].named ? !a->name && !run : a->name != NULL)
		return err_set(e, ERR_USAGE,
			       a->name ? "schedule list takes no name, found '%.200s'"
				       : "schedule %s needs the name of a schedule",
			       a->name ? a->name : a->what);
	bool list = !strcmp(a->what, "list") || !strcmp(a->what, "show"), all_due = run && !a->name,
	     signs = add || !strcmp(a->what, "sign");
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

static int run_due(const struct context *ctx, const struct scheduling *a, struct err *e)
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
static int run_now(const struct context *ctx, const struct scheduling *a, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct buf text = {0};
	struct periodic s = {0};
	struct json *task = NULL;
	char id[65];
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc && (rc = registry_schedule(&l, a->name, &text, e)) != 0 && e->class == ERR_NOENT)
		err_set(e, ERR_NOENT, "there is no schedule '%s' (see: dgrid schedule list)", a->name);
	if (!rc && !(rc = scheduling_judge(a->name, text.data ? text.data : "", &c, &s, e)))
		rc = scheduling_sign(&l, &c, a->name, NULL, s.doc, e); /* with no key: would it run? */
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
	struct scheduling a = {.what = NULL};
	int rc = read_command_line(&a, &s, e);
	if (!rc && a.fields)
		print_fields();
	else if (!rc && !(rc = check_command_line(&a, e)))
		rc = !strcmp(a.what, "list")   ? schedule_list(ctx, a.at, a.json, e)
		     : !strcmp(a.what, "show") ? schedule_show(ctx, a.at, a.name, a.json, e)
		     : strcmp(a.what, "run")   ? scheduling_change(ctx, &a, e)
		     : a.name		       ? run_now(ctx, &a, e)
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
    .args = "[list] [--json] [--at REV|DATE] | show NAME [--json] [--at REV|DATE] | add NAME --cron CRON [--missed M] "
	    "[--overlap O] [--replace] [--force] "
	    "[--sign] "
	    "[--key FILE] " GIVEN_ARGS "[TASK-OPTION]... (FILE | --script FILE | -- CMD) | pause|resume|remove NAME | "
	    "sign NAME [--key FILE] | run NAME | run [--dry-run] [--json] | --fields",
    .summary = "tasks queued at set times: list, show, add, pause, resume, run, remove, sign",
    .about = "A schedule is a file schedules/NAME.json on the grid's branch: a task, and the times to queue it, as "
	     "five cron fields in UTC. There is no server: any worker queues what is due, and so do dgrid maintain and "
	     "dgrid schedule run; each time is queued only once, however many try. The task is called "
	     "NAME-YYYYMMDDTHHMMZ.\n\nadd makes a schedule from a task file, or from options and a script as dgrid "
	     "submit does. A new, changed or resumed schedule does not make up for earlier times. run NAME queues one "
	     "task of it now; run alone queues all that is due.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'c', "--cron", "CRON", NULL,
	     "minute, hour, day of the month, month, weekday, as in '0 2 * * mon-fri', or @hourly, @daily, @weekly, "
	     "@monthly, @yearly; UTC"},
	    {'m', "--missed", "M", "latest skip all",
	     "if no worker was there at the time: latest (the default) queues one task for the latest time, skip drops "
	     "times older than 10 minutes, all queues every one"},
	    {'o', "--overlap", "O", "skip queue",
	     "if an earlier task of the schedule is still queued or running: skip (the default), or queue another"},
	    {'s', "--script", "FILE", "@files", "the file that holds the script; - is stdin"},
	    GIVEN_OPTIONS,
	    {'R', "--replace", NULL, NULL, "replace the schedule of that name"},
	    {'F', "--force", NULL, NULL,
	     "add it even if some nodes are too old for its tasks, or an input is not at the remote"},
	    {'S', "--sign", NULL, NULL, "sign it with your SSH key, where the grid runs signed tasks only"},
	    {'k', "--key", "FILE", "@files", "sign it with this key; implies --sign"},
	    {'d', "--dry-run", NULL, NULL, "with run: say what is due and change nothing"},
	    USAGE_JSON,
	    {'A', "--at", "REV|DATE", NULL, "with list and show: the grid as it was at a commit or time"},
	    {'f', "--fields", NULL, NULL, "print the fields of a schedule, as rows of a Markdown table"},
	    {0}},
    .shared = making_option_at,
    .operands = "list show add pause resume run remove sign",
    .examples =
	(const struct usage_note[]){
	    {"dgrid schedule add nightly --cron '0 2 * * *' --script nightly.sh", ""},
	    {"dgrid schedule add sums --cron @daily --input tab.csv -- 'wc -l /in/tab.csv'", "with files"},
	    {"dgrid schedule", "the next times, and the last results"},
	    {"dgrid schedule show nightly", "the next times, its tasks, its script"},
	    {"dgrid schedule run nightly", "one now"},
	    {"dgrid schedule pause nightly", ""},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "done, or there was nothing to do"},
					 {"65", "the schedule is not valid, its name is taken, some nodes are too old "
						"for it, or an input is not at the remote"},
					 {"66", "there is no such schedule, or no such file"},
					 {"77", "it has no signature that counts, or the host declined the push"},
					 {0}},
    .environment =
	(const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key for --sign"},
				    {"DGRID_STORE", "where large files of what it sends go: see dgrid submit --store"},
				    {0}},
    .run = cmd_schedule,
};
