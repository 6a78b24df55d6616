#include "base/clock.h"
#include "base/file.h"
#include "schema/consent.h"
#include "schema/input.h"
#include "schema/level.h"
#include "schema/periodic.h"
#include "store/depot.h"
#include "store/registry.h"
#include "store/trust.h"
#include "verbs/directives.h"
#include "verbs/failed.h"
#include "verbs/given.h"
#include "verbs/grouped.h"
#include "verbs/making.h"
#include "verbs/queueing.h"
#include "verbs/supersede.h"
#include "verbs/sweep.h"
#include "verbs/taskfiles.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the command line and a script's own lines ask for: a task to be made of options and a script, or files; then
 * what is to be queued. */
struct submission {
	const char *id, *script_file, *given_key; /* borrowed */
	struct making made;			  /* of the options */
	char **words;				  /* after --, as typed; NULL: there is no -- */
	int n_words;
	bool wait, sign, dry, replace, skip, force;
	struct given given;
	struct strs lines; /* what directives said */
	struct sending inputs;
	struct sweep sweep;
	char *group; /* of a sweep */
	struct queueing q;
	struct grouped groups;
	struct taskfiles files; /* of its rows; none: it was made */
	int64_t level;		/* of what the tasks ask for */
	struct strs there;	/* passed by, for they are there already */
};

static void submission_clear(struct submission *w)
{
	making_clear(&w->made);
	sending_clear(&w->inputs);
	given_clear(&w->given);
	strs_clear(&w->lines);
	sweep_clear(&w->sweep);
	free(w->group);
	queueing_clear(&w->q);
	grouped_clear(&w->groups);
	taskfiles_clear(&w->files);
	strs_clear(&w->there);
}

static int take_option(void *ctx, int key, struct usage_scan *s, struct err *e)
{
	struct submission *w = ctx;
	int taken = given_take(&w->given, key, s->value) ? 0 : sweep_take(&w->sweep, key, s->value, e);
	if (taken <= 0)
		return taken;
	switch (key) {
	case MAKING:
		return making_take(&w->made, s->option, s->value, e);
	case 'i':
		w->id = s->value;
		break;
	case 's':
		w->script_file = s->value;
		break;
	case 'w':
		w->wait = true;
		break;
	case 'n':
		w->dry = true;
		break;
	case 'r':
		w->replace = true;
		break;
	case 'f':
		w->force = true;
		break;
	case 'e':
		w->skip = true;
		break;
	case 'u':
		w->q.unapproved = true;
		break;
	case 'k':
		w->given_key = s->value;
		w->sign = true;
		break;
	case 'G':
		w->inputs.store = s->value;
		break;
	case 'S':
		w->sign = true;
		break;
	}
	return 0;
}

/* The options, and what of the rest are words after --, what files. getopt moves operands behind the options and leaves
 * the words where they are, at the end: how many there are the line tells as it was typed. */
static int read_command_line(struct submission *w, struct usage_scan *s, struct err *e)
{
	int n = s->argc, at = 0, key;
	char **typed = xcalloc((size_t)n, sizeof *typed);
	memcpy(typed, s->argv, (size_t)n * sizeof *typed);
	int rc = 0;
	while (!rc && (key = usage_next(s, e)) != 0)
		rc = key < 0 ? -1 : take_option(w, key, s, e);
	if (!rc && s->dashes) {
		while (typed[at] != s->argv[s->rest - 1])
			at++;
		w->n_words = n - at - 1;
		w->words = s->argv + n - w->n_words;
	}
	free(typed);
	if (rc)
		return -1;
	int files = n - s->rest - w->n_words;
	if (w->words && w->script_file)
		return err_set(
		    e, ERR_USAGE,
		    "--script FILE and -- CMD exclude each other (a script has no arguments: --env NAME=VALUE)");
	if (w->given.checkout.wanted && !w->given.checkout.rev && files == 1 && w->words)
		return err_set(e, ERR_USAGE, "unexpected '%.200s' (a revision is given as --checkout=%.200s)",
			       s->argv[s->rest], s->argv[s->rest]);
	if (files && (w->words || w->script_file))
		return err_set(e, ERR_USAGE,
			       "unexpected '%.200s' beside %s (expected one of FILE..., --script FILE, -- CMD%s)",
			       s->argv[s->rest], w->words ? "-- CMD" : "--script",
			       w->words ? "" : "; a script has no arguments: --env NAME=VALUE");
	if (w->skip && (sweep_wanted(&w->sweep) || w->sweep.failed_of))
		return err_set(e, ERR_USAGE,
			       "--skip-existing goes by ids, and those of a sweep say nothing of its points (expected "
			       "--replace, or another name)");
	if (w->id && files)
		return err_set(e, ERR_USAGE, "--id goes with -- CMD or --script FILE; a task file has its own");
	if (w->replace && w->skip)
		return err_set(e, ERR_USAGE, "--replace and --skip-existing exclude each other");
	bool script = w->words || w->script_file;
	if (w->sweep.failed_of && (files || script))
		return err_set(e, ERR_USAGE,
			       "--failed-of GROUP takes the tasks of the group (expected no script and no file)");
	if (!files && !script && !w->sweep.failed_of)
		return err_set(e, ERR_USAGE, "submit needs task files, --script FILE, or -- CMD");
	if (files && (sweep_wanted(&w->sweep) || w->sweep.chunk))
		return err_set(e, ERR_USAGE, "--array, --matrix, --points and --chunk go with -- CMD or --script FILE");
	if (files)
		usage_distinct(s);
	return 0;
}

/* What a script cannot say of itself. */
static int take_directive(void *ctx, int key, struct usage_scan *s, struct err *e)
{
	if (strchr("swnreufkSF", key))
		return err_set(e, ERR_USAGE, "%s is for the command line alone", s->option->name);
	return take_option(ctx, key, s, e);
}

/* What the script says at its head; the command line goes before it. */
static int read_directives(struct submission *w, const char *script, struct err *e)
{
	struct submission said = {0};
	const char *where = strcmp(w->script_file, "-") ? w->script_file : "stdin";
	int rc = directives_read(&verb_submit, where, script, &w->lines, take_directive, &said, e);
	if (!rc) {
		making_over(&said.made, &w->made);
		making_clear(&w->made);
		w->made = said.made;
		said.made = (struct making){0};
		given_over(&w->given, &said.given);
		w->id = w->id ? w->id : said.id;
		w->sweep.chunk = w->sweep.chunk ? w->sweep.chunk : said.sweep.chunk;
		if (!sweep_wanted(&w->sweep)) {
			said.sweep.chunk = w->sweep.chunk;
			w->sweep = said.sweep;
			said.sweep = (struct sweep){0};
		}
	}
	submission_clear(&said);
	return rc;
}

/* The option whose file is standard input; NULL: none. */
static const char *own_reader(const struct submission *w)
{
	return w->script_file && !strcmp(w->script_file, "-") ? "--script"
	       : w->sweep.file && !strcmp(w->sweep.file, "-") ? "--points"
							      : NULL;
}

/* The tasks of a sweep. Its group is told by --group, else by --id, else it gets a fresh name. */
static int make_sweep(struct submission *w, struct json *doc, const struct grid_config *c, struct err *e)
{
	char fresh[24] = "sweep-";
	const char *group = json_str(doc, "group");
	clock_nonce(fresh + 6, 4);
	w->group = xstrdup(group ? group : w->id ? w->id : fresh);
	if (sweep_read(&w->sweep, e))
		return -1;
	return sweep_cut(&w->sweep, &doc, c, w->id ? w->id : w->group, w->group, &w->q.ids, &w->q.texts, e);
}

/* --failed-of: what failed of a group, as a sweep of its own; the options apply. */
static int make_failed(struct submission *w, struct ledger *l, const struct grid_config *c, struct err *e)
{
	struct failed f = {0};
	int rc = failed_read(&f, l, w->sweep.failed_of, &w->sweep, e);
	for (size_t i = 0; i < f.n; i++)
		making_apply(&w->made, f.docs[i]);
	if (!rc) {
		const char *group = f.n ? json_str(w->made.members, "group") : NULL;
		w->group = xstrdup(group ? group : f.group);
		rc = sweep_cut(&w->sweep, f.docs, c, w->id ? w->id : w->group, w->group, &w->q.ids, &w->q.texts, e);
	}
	failed_clear(&f);
	return rc;
}

/* The one task of options and a script, or the tasks of a sweep. */
static int make_tasks(struct submission *w, const char *script, const struct grid_config *c, const char *by,
		      struct err *e)
{
	char fresh[24] = "t-";
	clock_nonce(fresh + 2, 6);
	const char *id = w->id ? w->id : fresh;
	struct json *doc = making_task(&w->made, id, script ? script : "", by);
	int rc = 0;
	if (sweep_wanted(&w->sweep)) {
		rc = make_sweep(w, doc, c, e);
		json_free(doc);
		return rc;
	}
	if (w->sweep.chunk)
		rc = err_set(e, ERR_USAGE, "--chunk goes with --array, --matrix or --points");
	char *text = task_text(doc);
	strs_add(&w->q.ids, id);
	strs_add(&w->q.texts, text);
	free(text);
	json_free(doc);
	return rc;
}

/* One task as it is to be queued, signed with key (may be NULL). */
static int judge_one(struct submission *w, size_t i, struct ledger *l, const struct grid_config *c, const char *key,
		     struct problems *p, struct err *e)
{
	struct task t;
	char **text = &w->q.texts.v[i];
	struct json *doc = taskfiles_doc(&w->files, w->q.ids.v[i], *text, p);
	bool changed = doc && w->files.paths.n && w->made.members;
	if (doc && w->files.paths.n)
		taskfiles_stamp(&w->files, doc, text);
	if (changed)
		making_apply(&w->made, doc);
	if (doc && (json_get(doc, "needs") || json_get(doc, "after"))) { /* which may be of groups */
		changed = true;
		if (grouped_expand(&w->groups, doc, &w->q.ids, e)) {
			json_free(doc);
			return -1;
		}
	}
	if (!doc || task_judge(&t, doc, w->q.ids.v[i], c, true, p))
		return 0;
	sending_add(&w->inputs, &w->given.use, t.doc, c, p);
	if (changed || w->inputs.member || w->given.use.reads) {
		free(*text);
		*text = task_text(t.doc);
	}
	int rc = queue_sign(l, consent_signed(c, t.doc) && !w->q.unapproved, text, t.doc, key,
			    ", or --unapproved for somebody to approve it", p, e);
	batch_add(&w->q.batch, w->q.ids.v[i], p->file, t.doc);
	int64_t level = level_of_task(t.doc);
	w->level = level > w->level ? level : w->level;
	task_clear(&t);
	return rc;
}

/* An id that stands in the grid: replaced, or no good. */
static void judge_taken(struct submission *w, const char *id, int state, struct problems *p)
{
	const char *where = task_state_name((enum task_state)state);
	if (w->replace && (state == TASK_COMPLETED || state == TASK_FAILED))
		strs_add(&w->q.ended, id);
	else if (w->replace)
		problem_in(p, 1, 1, "task_id", "'%s' has not ended, it is in %s; end it first: dgrid cancel %s", id,
			   where, id);
	else
		problem_in(p, 1, 1, "task_id", "'%s' is already in this grid (in %s); choose another%s", id, where,
			   state == TASK_COMPLETED || state == TASK_FAILED ? ", or --replace it" : "");
}

/* With --replace: a sweep or flow takes the place of all of its group, or old results would be among the new. */
static int replace_rest(struct submission *w, const char *group, struct problems *p, struct err *e)
{
	char other[65];
	if (grouped_other(&w->groups, group, &w->q.ids, other, e))
		return -1;
	p->file = group;
	if (other[0])
		problem_in(p, 1, 1, "group",
			   "'%s' would stay in this group beside what replaces the others (expected another --group)",
			   other);
	return 0;
}

static int replace_groups(struct submission *w, struct problems *p, struct err *e)
{
	const char *last = "";
	int rc = w->replace && w->group ? replace_rest(w, w->group, p, e) : 0;
	for (size_t i = 0; i < w->files.flow.n && w->replace && !rc; i++) {
		const char *group = json_str(w->files.flow.v[i].doc, "group");
		if (group && strcmp(group, last) != 0)
			rc = replace_rest(w, last = group, p, e);
	}
	return rc;
}

/* Ids that schedules give their own tasks are theirs. */
static int judge_owners(struct submission *w, struct ledger *l, struct problems *p, struct err *e)
{
	struct strs names = {0};
	int rc = registry_schedules(l, &names, e);
	for (size_t i = 0; i < w->q.ids.n && !rc; i++) {
		const char *id = w->q.ids.v[i], *owner = periodic_owner(&names, id);
		p->file = w->files.paths.n ? w->files.paths.v[i] : id;
		if (owner)
			problem_at(p, 1, 1,
				   "task_id \"%s\" is one that schedule \"%s\" gives its own tasks (expected another)",
				   id, owner);
	}
	strs_clear(&names);
	return rc;
}

/* All tasks; everything that is wrong with any goes to p. */
static int judge_all(struct submission *w, struct ledger *l, const struct grid_config *c, const char *key,
		     struct problems *p, struct err *e)
{
	w->made.first = w->q.ids.n ? w->q.ids.v[0] : NULL;
	w->groups.l = l;
	for (size_t i = 0; i < w->q.ids.n; i++) {
		const char *id = w->q.ids.v[i];
		int state = task_id_valid(id) ? ledger_find(l, id, e) : LEDGER_NOWHERE;
		p->file = w->files.paths.n ? w->files.paths.v[i] : id;
		if (state == LEDGER_UNKNOWN || judge_one(w, i, l, c, key, p, e))
			return -1;
		if (state >= 0)
			judge_taken(w, id, state, p);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(w->q.ids.v[k], id))
				problem_in(p, 1, 1, "task_id", "'%s' is given twice", id);
	}
	if (judge_owners(w, l, p, e))
		return -1;
	w->q.batch.state_of = batch_ledger_state;
	w->q.batch.ctx = l;
	if (replace_groups(w, p, e) || batch_judge(&w->q.batch, w->q.unapproved, p, e))
		return -1;
	return queue_refused(p, e);
}

/* --skip-existing: takes out the rows whose ids are in the grid, or were, before anything is said of them. */
static int pass_by(struct submission *w, struct ledger *l, struct err *e)
{
	struct queueing left = {.unapproved = w->q.unapproved, .pass_by = true};
	struct strs paths = {0};
	const char **where = xcalloc(w->q.ids.n + 1, sizeof *where);
	int rc = queue_known(l, &w->q.ids, where, e);
	for (size_t i = 0; i < w->q.ids.n && !rc; i++) {
		const char *id = w->q.ids.v[i];
		if (where[i]) {
			fprintf(stderr, "dgrid: %s is there already, in %s: passed by\n", id, where[i]);
			strs_add(&w->there, id);
			continue;
		}
		strs_add(&left.ids, id);
		strs_add(&left.texts, w->q.texts.v[i]);
		if (w->files.paths.n)
			strs_add(&paths, w->files.paths.v[i]);
	}
	free(where);
	queueing_clear(&w->q);
	strs_clear(&w->files.paths);
	w->q = left;
	w->files.paths = paths;
	return rc;
}

static int finish(struct submission *w, struct ledger *l, struct err *e)
{
	if (w->dry) {
		for (size_t i = 0; i < w->q.ids.n; i++) {
			const char *text = w->q.texts.v[i];
			size_t n = strlen(text);
			printf("%s%s", text, n && text[n - 1] == '\n' ? "" : "\n");
		}
		return 0;
	}
	if (w->q.ids.n && (sending_push(&w->inputs, e) || queue_tasks(l, &w->q, e)))
		return -1;
	if (w->group) { /* one name finds them all */
		puts(w->group);
		fprintf(stderr, "dgrid: %zu point%s in %zu task%s of group %s\n", w->sweep.n,
			w->sweep.n == 1 ? "" : "s", w->q.ids.n, w->q.ids.n == 1 ? "" : "s", w->group);
	}
	for (size_t i = 0; i < w->q.landed.n && !w->group; i++)
		puts(w->q.landed.v[i]);
	fflush(stdout);
	for (size_t i = 0; i < w->q.ids.n; i++)
		strs_add(&w->there, w->q.ids.v[i]);
	return w->wait ? wait_for(l, (const char *const *)w->there.v, w->there.n, 0, e) : 0;
}

static int cmd_submit(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_submit, .argc = argc, .argv = argv};
	struct submission w = {0};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct problems p = {0};
	struct buf script = {0};
	char *key = NULL;
	int rc = -1;
	if (read_command_line(&w, &s, e))
		goto out;
	bool one = w.words || w.script_file;
	p.made = one;
	if (one && making_script(w.script_file, w.words, w.n_words, &script, e))
		goto out;
	if ((w.script_file && script.data && read_directives(&w, script.data, e)) ||
	    given_check(&w.given, own_reader(&w), e))
		goto out;
	if ((w.replace ? open_grid_to_sign : open_grid)(ctx, &l, &c, e))
		goto out;
	if (one && make_tasks(&w, script.data, &c, l.git.name, e))
		goto out;
	if (w.sweep.failed_of && make_failed(&w, &l, &c, e))
		goto out;
	w.files.group = json_str(w.made.members, "group");
	w.files.by = l.git.name;
	for (int i = s.rest; !one && i < s.argc; i++)
		if (taskfiles_read(&w.files, s.argv[i], &w.q.ids, &w.q.texts, &p, e))
			goto out;
	if (json_get(w.made.members, "supersede") || supersede_any(&w.q.texts))
		sign_commits(&l, &c);
	if (w.skip && pass_by(&w, &l, e))
		goto out;
	if (w.sign && !(key = w.given_key ? xstrdup(w.given_key) : trust_default_key(&l.git, e)))
		goto out;
	w.inputs.pointers = true;
	w.inputs.store = depot_command(w.inputs.store);
	if (sending_make(&w.inputs, ctx, &c, strlen(l.head) == 64, &w.given.checkout, w.given.sources.v,
			 w.given.sources.n, e) ||
	    judge_all(&w, &l, &c, key, &p, e) ||
	    (!w.force && (queue_nodes_know(ctx, &l, w.level, e) || queue_inputs_there(&l, &w.q, &w.inputs.trees, e))))
		goto out;
	queue_tell_unable(ctx, &l, &c, &w.q);
	rc = finish(&w, &l, e);
out:
	free(key);
	buf_clear(&script);
	problems_clear(&p);
	submission_clear(&w);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_submit = {
    .name = "submit",
    .args = GIVEN_ARGS
    "[--store CMD] [--dry-run] "
    "[--replace | --skip-existing] [--force] [--unapproved] [--sign] [--key FILE] [--wait] [TASK-OPTION]... "
    "(FILE... | "
    "[--id ID] "
    "[--array LIST | --matrix NAME=V,V... | --points FILE] [--chunk N] (--script FILE | -- CMD) | --failed-of "
    "GROUP)",
    .summary = "validate and queue tasks; --wait waits for its end",
    .about = "Queues tasks: those in FILE..., each a JSON document whose name without .json is its id (dgrid-task(5)), "
	     "or one made of the options and a script. They are queued in one commit, all or none; every problem is "
	     "reported with file, line and column. Prints the ids, one per line.\n\nAfter --, a single argument is a "
	     "script; several are a command and its arguments, quoted so that they run as you typed them. A script "
	     "that begins with #! runs with the program named there, any other with sh.\n\nWith --array, --matrix or "
	     "--points the script runs once for each point of a sweep, with the point's index in DGRID_POINT. The "
	     "points are divided into tasks of one group, whose name is printed instead of ids: --group, else --id, "
	     "else a new one. dgrid logs --group NAME --table shows all points.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'i', "--id", "ID", NULL, "the new task's id, 1 to 64 of A-Z a-z 0-9 _ -; default: t- and a random number"},
	    GIVEN_OPTIONS,
	    {'G', "--store", "CMD", NULL,
	     "a command that stores input files larger than large_file_mb of grid.json: Git gets pointers to them, as "
	     "with worker --store; default: $DGRID_STORE"},
	    {'n', "--dry-run", NULL, NULL,
	     "check, print the task files as they would be queued, and do not queue them"},
	    {'r', "--replace", NULL, NULL,
	     "reuse the id of a finished task: that task moves to the archive, with its result"},
	    {'e', "--skip-existing", NULL, NULL,
	     "skip tasks whose id is already in the grid or its archive; --wait waits for them too"},
	    {'u', "--unapproved", NULL, NULL, "put it into unapproved, for somebody to promote or approve"},
	    {'S', "--sign", NULL, NULL, "sign it with your SSH key (see dgrid approve)"},
	    {'k', "--key", "FILE", "@files", "sign it with this key; implies --sign"},
	    {'f', "--force", NULL, NULL,
	     "queue them even if some nodes are too old for them and would call them invalid, or an input is not at "
	     "the remote"},
	    {'w', "--wait", NULL, NULL, "wait until all have ended; the exit code says how, as with dgrid wait"},
	    {'A', "--array", "LIST", NULL, "points with these indexes: 0-99, 0-99:10 (every tenth), 1,5,9"},
	    {'M', "--matrix", "NAME=V,V...", NULL,
	     "a point for each of these values of a variable, written as a CSV row; repeated, for each combination"},
	    {'P', "--points", "FILE", "@files",
	     "one point per line: CSV with the variables' names as header, or JSON objects; - is stdin"},
	    {'C', "--chunk", "N", NULL,
	     "points per task, 1 to 256; default: enough for 256 tasks, or 32 with --share-sandbox, but at most 64 "
	     "points and an hour per task"},
	    {'F', "--failed-of", "GROUP", NULL,
	     "the points of a sweep that did not succeed, as group GROUP-r1, then -r2"},
	    {'s', "--script", "FILE", "@files", "the file that holds the script, at most 65,536 bytes; - is stdin"},
	    {0}},
    .shared = making_option_at,
    .operands = "@files",
    .examples =
	(const struct usage_note[]){
	    {"dgrid submit --id hello --wait -- 'echo hello'", ""},
	    {"dgrid submit --script nightly.sh --timeout 300 --label arm64", ""},
	    {"dgrid submit --input data.csv -- 'wc -l /in/data.csv'", ""},
	    {"dgrid submit --checkout -- 'make test'", "in a copy of the repository you are in"},
	    {"dgrid submit tasks/*.json", "files, validated together"},
	    {"dgrid submit --id fit --matrix A=1,2,3 --matrix B=10,20 --script fit.sh", "six points"},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "queued; with --wait: all succeeded"},
					 {"1", "with --wait: one failed"},
					 {"3", "with --wait: one was cancelled"},
					 {"65", "a task is not valid or its id is taken; nothing was queued"},
					 {0}},
    .environment =
	(const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key for --sign"}, {"DGRID_STORE", "--store"}, {0}},
    .run = cmd_submit,
};
