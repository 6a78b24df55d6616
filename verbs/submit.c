#include "base/clock.h"
#include "base/file.h"
#include "schema/vote.h"
#include "store/trust.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* key: NULL, or what to sign with. Where only signed tasks run, one that would end as invalid is a problem now; one
 * that is staged may still be approved. */
static int sign_and_judge(struct ledger *l, bool required, char **text, const struct json *doc, const char *key,
			  struct problems *p, struct err *e)
{
	struct json *copy = json_copy(doc);
	struct trust_verdict v;
	int rc = key ? trust_sign(copy, key, e) : 0;
	if (!rc && key) {
		free(*text);
		*text = task_text(copy);
	}
	if (!rc && required && !(rc = trust_judge_new(&l->git, l->head, copy, &v, e)) && !v.ok)
		problem_in(p, 1, 1, "signatures",
			   "%s (expected --sign with a key that counts, or --unapproved for somebody to approve it)",
			   v.why);
	json_free(copy);
	return rc;
}

/* What the command line asks for: a task to be made of options and a script, or files; then what is to be queued. */
struct submission {
	const char *id, *script_file, *given_key; /* borrowed from the command line */
	struct json *made;			  /* the members that options gave */
	long timeout, priority;
	bool of_script; /* there is a -- or --script: one task is made */
	bool named, wait, unapproved, sign;
	struct strs ids, texts, paths; /* one row a task; no paths: it was made */
};

static void submission_clear(struct submission *w)
{
	json_free(w->made);
	strs_clear(&w->ids);
	strs_clear(&w->texts);
	strs_clear(&w->paths);
}

static int set_number(struct json *made, const char *option, const char *text, long max, struct err *e)
{
	long n;
	if (parse_number(option, text, 1, max, &n, e))
		return -1;
	json_set(made, option + 2, json_new_int(n));
	return 0;
}

static void add_label(struct json *made, const char *label)
{
	const struct json *before = json_get(made, "labels");
	struct json *labels = before ? json_copy(before) : json_new(JSON_ARRAY);
	json_append(labels, json_new_str(label));
	json_set(made, "labels", labels);
}

/* The options; s->rest is the first operand then. */
static int read_options(struct submission *w, struct usage_scan *s, struct err *e)
{
	int opt;
	for (int i = 1; i < s->argc; i++)
		w->of_script = w->of_script || !strcmp(s->argv[i], "--");
	while ((opt = usage_next(s, e)) > 0) {
		int rc = 0;
		switch (opt) {
		case 'i':
			w->id = s->value;
			w->named = true;
			break;
		case 't':
			rc = parse_number("--timeout", s->value, 1, 86400, &w->timeout, e);
			break;
		case 'p':
			rc = parse_number("--priority", s->value, 0, 9, &w->priority, e);
			break;
		case 'm':
			json_set(w->made, "image", json_new_str(s->value));
			break;
		case 'd':
			json_set(w->made, "description", json_new_str(s->value));
			break;
		case 'r':
			rc = set_number(w->made, "--replicas", s->value, VOTE_REPLICAS_MAX, e);
			break;
		case 'q':
			rc = set_number(w->made, "--quorum", s->value, VOTE_REPLICAS_MAX, e);
			break;
		case 'l':
			add_label(w->made, s->value);
			break;
		case 's':
			w->script_file = s->value;
			w->of_script = true;
			break;
		case 'w':
			w->wait = true;
			break;
		case 'u':
			w->unapproved = true;
			break;
		case 'k':
			w->given_key = s->value;
			w->sign = true;
			break;
		case 'S':
			w->sign = true;
			break;
		}
		if (rc)
			return -1;
	}
	return opt;
}

/* The one task of options and a script: of --script FILE, else of the words after --. */
static int make_task(struct submission *w, const char *by, char *const *words, int n, struct err *e)
{
	struct buf script = {0};
	char fresh[24] = "t-", when[32];
	if (w->script_file && file_read(w->script_file, TASK_SCRIPT_MAX, &script, e)) {
		buf_clear(&script);
		return -1;
	}
	for (int i = 0; !w->script_file && i < n; i++)
		buf_addf(&script, "%s%s", i ? " " : "", words[i]);
	clock_nonce(fresh + 2, 6);
	const char *id = w->id ? w->id : fresh;
	json_set(w->made, "task_id", json_new_str(id));
	json_set(w->made, "script", json_new_str(script.data ? script.data : ""));
	json_set(w->made, "timeout_seconds", json_new_int(w->timeout));
	json_set(w->made, "priority", json_new_int(w->priority));
	json_set(w->made, "submitted_by", json_new_str(by));
	json_set(w->made, "created_at", json_new_str(clock_format(clock_now(), when)));
	char *text = task_text(w->made);
	strs_add(&w->ids, id);
	strs_add(&w->texts, text);
	free(text);
	buf_clear(&script);
	return 0;
}

static int read_file(struct submission *w, const char *path, struct err *e)
{
	struct buf b = {0};
	int rc = file_read(path, TASK_FILE_MAX, &b, e);
	if (rc && e->class == ERR_NOENT && strchr(path, ' '))
		err_set(e, ERR_NOENT,
			"there is no task file '%.200s' (a command goes after --: dgrid submit -- 'echo hi')", path);
	if (!rc && b.len && strlen(b.data) != b.len)
		rc = err_set(e, ERR_DATA, "'%.200s' holds a NUL byte (expected JSON)", path);
	if (!rc) {
		char *stem = stem_of(path);
		strs_add(&w->ids, stem);
		strs_add(&w->paths, path);
		strs_add(&w->texts, b.data ? b.data : "");
		free(stem);
	}
	buf_clear(&b);
	return rc;
}

/* All tasks as they are to be queued, signed with key (may be NULL); everything that is wrong with any goes to p. */
static int judge_all(struct submission *w, struct ledger *l, const struct grid_config *c, const char *key,
		     struct problems *p, struct err *e)
{
	for (size_t i = 0; i < w->ids.n; i++) {
		struct task t;
		const char *id = w->ids.v[i];
		int state = ledger_find(l, id), rc = 0;
		p->file = w->paths.n ? w->paths.v[i] : id;
		if (!task_parse(&t, w->texts.v[i], strlen(w->texts.v[i]), id, c, true, p)) {
			rc = sign_and_judge(l, c->require_signed_tasks && !w->unapproved, &w->texts.v[i], t.doc, key, p,
					    e);
			task_clear(&t);
		}
		if (rc)
			return -1;
		if (state >= 0)
			problem_in(p, 1, 1, "task_id", "'%s' is already in this grid (in %s); choose another", id,
				   task_state_name((enum task_state)state));
		for (size_t k = 0; k < i; k++)
			if (!strcmp(w->ids.v[k], id))
				problem_in(p, 1, 1, "task_id", "'%s' is given twice", id);
	}
	return p->n ? err_set(e, ERR_DATA, "nothing was queued:\n%s", p->text.data) : 0;
}

/* All in one commit; prints their ids. */
static int queue(const struct submission *w, struct ledger *l, struct err *e)
{
	struct ledger_change *changes = xcalloc(w->ids.n, sizeof *changes);
	for (size_t i = 0; i < w->ids.n; i++)
		changes[i] = (struct ledger_change){.id = w->ids.v[i],
						    .to = w->unapproved ? TASK_UNAPPROVED : TASK_QUEUE,
						    .create = true,
						    .text = w->texts.v[i],
						    .verb = "submit"};
	int rc = ledger_commit(l, l->git.name, changes, w->ids.n, NULL, NULL, e);
	for (size_t i = 0; !rc && i < w->ids.n; i++)
		if (changes[i].outcome == CHANGE_LANDED)
			puts(w->ids.v[i]);
	for (size_t i = 0; !rc && i < w->ids.n; i++)
		if (changes[i].outcome != CHANGE_LANDED)
			rc = err_set(e, ERR_DATA, "task '%s' was put into the grid by somebody else meanwhile",
				     w->ids.v[i]);
	fflush(stdout);
	free(changes);
	return rc;
}

static int cmd_submit(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_submit, .argc = argc, .argv = argv};
	struct submission w = {.made = json_new(JSON_OBJECT), .timeout = 60, .priority = 5};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct problems p = {0};
	char *key = NULL;
	int rc = -1;
	if (read_options(&w, &s, e) || open_grid(ctx, &l, &c, e))
		goto out;
	if (w.of_script) {
		if (make_task(&w, l.git.name, argv + s.rest, argc - s.rest, e))
			goto out;
	} else if (w.named) {
		err_set(e, ERR_USAGE, "--id goes with -- CMD or --script FILE; a task file has its own");
		goto out;
	}
	for (int i = s.rest; !w.of_script && i < argc; i++)
		if (read_file(&w, argv[i], e))
			goto out;
	if (!w.ids.n) {
		err_set(e, ERR_USAGE, "submit needs task files, --script FILE, or -- CMD");
		goto out;
	}
	if (w.sign && !(key = w.given_key ? xstrdup(w.given_key) : trust_default_key(&l.git, e)))
		goto out;
	if (judge_all(&w, &l, &c, key, &p, e) || queue(&w, &l, e))
		goto out;
	rc = w.wait ? wait_for(&l, (const char *const *)w.ids.v, w.ids.n, 0, e) : 0;
out:
	free(key);
	problems_clear(&p);
	submission_clear(&w);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_submit = {
    .name = "submit",
    .args = "FILE... | [--id ID] [--timeout N] [--priority N] [--image I] [--replicas N] [--quorum N] [--label L] "
	    "[--description D] [--unapproved] [--sign] [--key FILE] [--wait] (--script FILE | -- CMD)",
    .summary = "validate and queue tasks; --wait waits for its end",
    .about =
	"Queues tasks: those in FILE..., each a JSON document whose name without .json is its id (dgrid-task(5)), or "
	"one made of the options and a script. All of them go into one commit, or none: whatever is wrong is said "
	"with file, line and column. Prints the ids, one a line.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'i', "--id", "ID", NULL, "the new task's id, 1 to 64 of A-Z a-z 0-9 _ -; default: t- and a random number"},
	    {'t', "--timeout", "N", NULL, "seconds it may run, within the grid's limits (10 to 300); default 60"},
	    {'p', "--priority", "N", NULL, "0 to 9, higher first; default 5"},
	    {'m', "--image", "I", NULL, "one of the grid's images; default: the first of them"},
	    {'r', "--replicas", "N", NULL,
	     "so many nodes run it, until enough found the same: 1 to 9; default: the grid's"},
	    {'q', "--quorum", "N", NULL, "so many must find the same, more than half; default: the smallest majority"},
	    {'l', "--label", "L", NULL, "only nodes that carry this label may run it; may be given more than once"},
	    {'d', "--description", "D", NULL, "a line for people"},
	    {'u', "--unapproved", NULL, NULL, "stage it in unapproved, for somebody to promote or approve"},
	    {'S', "--sign", NULL, NULL, "sign it with your SSH key (see dgrid approve)"},
	    {'k', "--key", "FILE", "@files", "sign it with this key; implies --sign"},
	    {'w', "--wait", NULL, NULL, "wait until all have ended, and tell by the exit code how, as dgrid wait does"},
	    {'s', "--script", "FILE", "@files", "the file that holds the script, at most 65,536 bytes"},
	    {0}},
    .operands = "@files",
    .examples = (const struct usage_note[]){{"dgrid submit --id hello --wait -- 'echo hello'", ""},
					    {"dgrid submit --script nightly.sh --timeout 300 --label arm64", ""},
					    {"dgrid submit tasks/*.json", "files, validated together"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "queued; with --wait: and all succeeded"},
					 {"1", "with --wait: one failed"},
					 {"3", "with --wait: one was cancelled"},
					 {"65", "a task is not valid or its id is taken; nothing was queued"},
					 {0}},
    .environment = (const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key for --sign"}, {0}},
    .run = cmd_submit,
};
