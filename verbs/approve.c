#include "base/clock.h"
#include "base/file.h"
#include "schema/consent.h"
#include "store/trust.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A staged task, as its approver saw it. */
struct approvee {
	char *id, *text; /* text: the bytes that are signed */
	struct json *doc;
	const char *by;
	bool changed;
};

/* The task may have been changed while it was looked at: what was signed is what moves, or nothing does. */
static enum change_verdict edit(void *ctx, struct json *doc, enum task_state *to)
{
	struct approvee *a = ctx;
	char *now = trust_text(doc), when[32];
	(void)to;
	a->changed = strcmp(now, a->text) != 0;
	free(now);
	if (a->changed)
		return CHANGE_DROP;
	struct json *by = json_new(JSON_OBJECT);
	json_set(by, "author", json_new_str(a->by));
	json_set(by, "at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "signatures", json_copy(json_get(a->doc, "signatures")));
	json_set(doc, "approved_by", by);
	return CHANGE_APPLY;
}

/* The bytes that are signed, of a file or of a task in the grid. */
static int print_text(const struct context *ctx, const char *what, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct buf b = {0};
	struct json_error je;
	struct json *doc = NULL;
	int rc = 0, at = -1;
	if (file_exists(what)) {
		rc = file_read_named(what, TASK_FILE_MAX, &b, e);
		if (!rc && !(doc = json_parse(b.data ? b.data : "", b.len, &je)))
			rc = err_set(e, ERR_DATA, "%s:%u:%u: %s", what, je.line, je.col, je.msg);
	} else if (!(rc = open_grid(ctx, &l, &c, e))) {
		at = task_id_valid(what) ? ledger_find(&l, what, e) : LEDGER_NOWHERE;
		if (at == LEDGER_UNKNOWN)
			rc = -1;
		else if (at < 0)
			rc = err_set(e, ERR_NOENT, "no task and no file '%s'", what);
		else if (!(doc = ledger_doc(&l, (enum task_state)at, what, e)))
			rc = -1;
	}
	if (doc) {
		char *text = trust_text(doc);
		fputs(text, stdout);
		free(text);
	}
	json_free(doc);
	buf_clear(&b);
	close_grid(&l, &c);
	return rc;
}

/* Reads and checks one staged task. */
static int take(struct ledger *l, const struct grid_config *c, const char *id, struct approvee *a, struct err *e)
{
	struct buf text = {0};
	struct task t;
	char *file = xasprintf("tasks/%s/%s.json", task_state_name(TASK_UNAPPROVED), id);
	struct problems p = {.file = file};
	int at = task_id_valid(id) ? ledger_find(l, id, e) : LEDGER_NOWHERE, rc = 0;
	if (at == LEDGER_UNKNOWN)
		rc = -1;
	else if (at < 0)
		rc = no_such_task(id, e);
	else if (at != TASK_UNAPPROVED)
		rc = err_set(e, ERR_NO, "task '%s' is in %s; only tasks in unapproved can be approved", id,
			     task_state_name((enum task_state)at));
	else if (!(rc = ledger_read(l, TASK_UNAPPROVED, id, &text, e))) {
		if (task_parse(&t, text.data ? text.data : "", text.len, id, c, true, &p))
			rc = err_set(e, ERR_DATA, "'%s' cannot be approved:\n%s", id, p.text.data);
		else {
			a->id = xstrdup(id);
			a->doc = json_copy(t.doc);
			a->text = trust_text(t.doc);
			task_clear(&t);
		}
	}
	buf_clear(&text);
	problems_clear(&p);
	free(file);
	return rc;
}

/* Shows all that is to be signed, and asks. It is a stranger's text, and env decides what a script does. */
static bool agreed(const struct approvee *a, bool yes)
{
	const char *script = json_str(a->doc, "script");
	printf("task %s\n", a->id);
	for (const struct json *m = a->doc->child; m; m = m->next) {
		struct buf value = {0};
		if (!strcmp(m->name, "task_id") || !strcmp(m->name, "script") || !strcmp(m->name, "signatures"))
			continue;
		json_write(&value, m, 0);
		fputs("    ", stdout);
		put_clean(m->name, 200);
		fputs(": ", stdout);
		put_clean(value.data, TASK_FILE_MAX);
		putchar('\n');
		buf_clear(&value);
	}
	puts("its script:");
	for (const char *line = script; *line; line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n')) {
		fputs("    ", stdout);
		put_clean(line, strcspn(line, "\n"));
		putchar('\n');
	}
	if (yes)
		return true;
	char answer[16] = "";
	printf("sign and queue %s? [y/N] ", a->id);
	fflush(stdout);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

/* A task that leaves unapproved/ with a signature that does not count would only end as invalid, or shows nothing. */
static int counts(struct ledger *l, const struct grid_config *c, const struct approvee *a, struct err *e)
{
	struct trust_verdict v;
	int lists = trust_lists(&l->git, l->head, e);
	bool needed = consent_signed(c, a->doc);
	if (lists < 0 || ((lists || needed) && trust_judge(&l->git, l->head, l->spec, a->id, a->doc, &v, e)))
		return -1;
	return (!lists && !needed) || v.ok ? 0
					   : err_set(e, ERR_PERM, "'%s' would %s: %s; nothing was approved", a->id,
						     needed ? "not run" : "be approved by nobody who counts", v.why);
}

static int approve(struct ledger *l, const struct grid_config *c, char **ids, int n, const char *key, bool yes,
		   struct err *e)
{
	struct approvee *a = xcalloc((size_t)n + 1, sizeof *a);
	struct ledger_change *changes = xcalloc((size_t)n + 1, sizeof *changes);
	char *by = xasprintf("%s <%s>", l->git.name, l->git.email);
	size_t agreed_to = 0;
	int rc = 0;
	for (int i = 0; i < n && !rc; i++)
		rc = take(l, c, ids[i], &a[i], e);
	for (int i = 0; i < n && !rc; i++) {
		if (!agreed(&a[i], yes))
			continue;
		a[i].by = by;
		if (task_signatures(a[i].doc) >= TASK_SIGNATURES_MAX)
			json_remove(a[i].doc, "signatures"); /* they are not signed themselves; ours is what counts */
		rc = trust_sign(a[i].doc, key, e);
		rc = rc ? rc : counts(l, c, &a[i], e);
		changes[agreed_to++] = (struct ledger_change){.id = a[i].id,
							      .from = TASK_UNAPPROVED,
							      .to = TASK_QUEUE,
							      .edit = edit,
							      .ctx = &a[i],
							      .verb = "approve"};
	}
	if (!rc && !agreed_to)
		rc = err_set(e, ERR_CANCELLED, "nothing was approved");
	if (!rc)
		rc = ledger_commit(l, l->git.name, changes, agreed_to, NULL, NULL, e);
	for (size_t i = 0; i < agreed_to && !rc; i++) {
		const struct approvee *one = changes[i].ctx;
		if (changes[i].outcome == CHANGE_LANDED)
			printf("approved %s\n", one->id);
		else
			rc = err_set(e, ERR_RETRY, "task '%s' was %s meanwhile; look again", one->id,
				     one->changed ? "changed" : "moved");
	}
	for (int i = 0; i < n; i++) {
		free(a[i].id);
		free(a[i].text);
		json_free(a[i].doc);
	}
	free(a);
	free(changes);
	free(by);
	return rc;
}

static int cmd_approve(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_approve, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	const char *given = NULL, *print = NULL;
	bool yes = false;
	int opt, rc;
	while ((opt = usage_next(&s, e)) > 0)
		switch (opt) {
		case 'k':
			given = s.value;
			break;
		case 'y':
			yes = true;
			break;
		case 'p':
			print = s.value;
			break;
		}
	if (opt < 0)
		return -1;
	if (print)
		return usage_operands(&s, 0, e) ? -1 : print_text(ctx, print, e);
	char *key = given ? xstrdup(given) : NULL;
	if (s.rest == argc)
		rc = err_set(e, ERR_USAGE, "approve needs the ids of tasks in unapproved");
	else if (!yes && !isatty(STDIN_FILENO))
		rc = err_set(e, ERR_USAGE, "approve asks before it signs; without a terminal, use --yes");
	else if (!(rc = open_grid(ctx, &l, &c, e)) && (key || (key = trust_default_key(&l.git, e))))
		rc = approve(&l, &c, argv + s.rest, usage_distinct(&s), key, yes, e);
	else
		rc = -1;
	free(key);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_approve = {
    .name = "approve",
    .args = "[--key FILE] [--yes] ID... | --print ID|FILE",
    .summary = "sign tasks that wait in unapproved and queue them; --print: the bytes that are signed",
    .about = "Shows each task in full, asks, signs it with your SSH key and moves it to the queue. Where grid.json has "
	     "require_signed_tasks, a key that is not in allowed_signers is refused before anything changes. A task "
	     "that changed after you saw it is not moved.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'k', "--key", "FILE", "@files",
	     "the SSH key to sign with; default: $DGRID_SIGNING_KEY, git's user.signingKey, or ~/.ssh/id_ed25519"},
	    {'y', "--yes", NULL, NULL, "do not ask; for scripts that have checked the tasks themselves"},
	    {'p', "--print", "ID|FILE", "@tasks",
	     "only print the bytes that a signature covers, to sign or check by other means"},
	    {0}},
    .operands = "@tasks:unapproved",
    .examples = (const struct usage_note[]){{"dgrid approve offered-by-a-stranger", ""},
					    {"dgrid approve --key ~/.ssh/id_ed25519 --yes a b", ""},
					    {"dgrid approve --print hello | sha256sum", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "signed and queued"},
					 {"1", "a task is not in unapproved"},
					 {"3", "you answered no to all of them"},
					 {"65", "a task is not valid; the reasons are printed"},
					 {"75", "a task was changed or moved meanwhile: look again"},
					 {"77", "your signature would not count, or the host declined the push"},
					 {0}},
    .environment = (const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key, when --key does not say it"}, {0}},
    .run = cmd_approve,
};
