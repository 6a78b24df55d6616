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

static int cmd_submit(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_submit, .argc = argc, .argv = argv};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct json *made = json_new(JSON_OBJECT), *labels = NULL;
	struct strs ids = {0}, texts = {0}, paths = {0};
	struct ledger_change *changes = NULL;
	bool wait = false, unapproved = false;
	const char *id = NULL, *script_file = NULL, *given_key = NULL;
	char *key = NULL;
	bool sign = false;
	long n = 60, priority = 5, replicas, quorum;
	int opt, rc = -1;
	bool flagged = false, dashes = false;
	for (int i = 1; i < argc; i++)
		dashes = dashes || !strcmp(argv[i], "--");
	while ((opt = usage_next(&s, e)) > 0)
		switch (opt) {
		case 'i':
			id = s.value;
			flagged = true;
			break;
		case 't':
			if (parse_number("--timeout", s.value, 1, 86400, &n, e))
				goto out;
			break;
		case 'p':
			if (parse_number("--priority", s.value, 0, 9, &priority, e))
				goto out;
			break;
		case 'm':
			json_set(made, "image", json_new_str(s.value));
			break;
		case 'd':
			json_set(made, "description", json_new_str(s.value));
			break;
		case 'r':
			if (parse_number("--replicas", s.value, 1, VOTE_REPLICAS_MAX, &replicas, e))
				goto out;
			json_set(made, "replicas", json_new_int(replicas));
			break;
		case 'q':
			if (parse_number("--quorum", s.value, 1, VOTE_REPLICAS_MAX, &quorum, e))
				goto out;
			json_set(made, "quorum", json_new_int(quorum));
			break;
		case 'l':
			if (!labels)
				labels = json_new(JSON_ARRAY);
			json_append(labels, json_new_str(s.value));
			break;
		case 's':
			script_file = s.value;
			break;
		case 'w':
			wait = true;
			break;
		case 'u':
			unapproved = true;
			break;
		case 'S':
			sign = true;
			break;
		case 'k':
			given_key = s.value;
			sign = true;
			break;
		}
	if (opt < 0)
		goto out;
	if (labels)
		json_set(made, "labels", labels);
	if (open_grid(ctx, &l, &c, e))
		goto out;
	if (script_file || dashes) {
		struct buf script = {0};
		char fresh[24] = "t-", when[32];
		if (script_file && file_read(script_file, TASK_SCRIPT_MAX, &script, e)) {
			buf_clear(&script);
			goto out;
		}
		for (int i = s.rest; !script_file && i < argc; i++)
			buf_addf(&script, "%s%s", i > s.rest ? " " : "", argv[i]);
		clock_nonce(fresh + 2, 6);
		json_set(made, "task_id", json_new_str(id ? id : fresh));
		json_set(made, "script", json_new_str(script.data ? script.data : ""));
		json_set(made, "timeout_seconds", json_new_int(n));
		json_set(made, "priority", json_new_int(priority));
		json_set(made, "submitted_by", json_new_str(l.git.name));
		json_set(made, "created_at", json_new_str(clock_format(clock_now(), when)));
		strs_add(&ids, id ? id : fresh);
		char *text = task_text(made);
		strs_add(&texts, text);
		free(text);
		buf_clear(&script);
	} else if (flagged) {
		err_set(e, ERR_USAGE, "--id goes with -- CMD or --script FILE; a task file has its own");
		goto out;
	} else
		for (int i = s.rest; i < argc; i++) {
			struct buf b = {0};
			char *stem = stem_of(argv[i]);
			int got = file_read(argv[i], TASK_FILE_MAX, &b, e);
			if (got && e->class == ERR_NOENT && strchr(argv[i], ' '))
				err_set(e, ERR_NOENT,
					"there is no task file '%.200s' (a command goes after --: dgrid submit -- "
					"'echo hi')",
					argv[i]);
			if (!got && b.len && strlen(b.data) != b.len)
				got = err_set(e, ERR_DATA, "'%.200s' holds a NUL byte (expected JSON)", argv[i]);
			if (!got) {
				strs_add(&ids, stem);
				strs_add(&paths, argv[i]);
				strs_add(&texts, b.data ? b.data : "");
			}
			free(stem);
			buf_clear(&b);
			if (got)
				goto out;
		}
	if (!ids.n) {
		err_set(e, ERR_USAGE, "submit needs task files, --script FILE, or -- CMD");
		goto out;
	}
	if (sign && !(key = given_key ? xstrdup(given_key) : trust_default_key(&l.git, e)))
		goto out;
	struct problems p = {0};
	for (size_t i = 0; i < ids.n; i++) {
		struct task t;
		p.file = paths.n ? paths.v[i] : ids.v[i];
		if (!task_parse(&t, texts.v[i], strlen(texts.v[i]), ids.v[i], &c, true, &p)) {
			int got =
			    sign_and_judge(&l, c.require_signed_tasks && !unapproved, &texts.v[i], t.doc, key, &p, e);
			task_clear(&t);
			if (got)
				goto out;
		}
		if (ledger_find(&l, ids.v[i]) >= 0)
			problem_in(&p, 1, 1, "task_id", "'%s' is already in this grid (in %s); choose another",
				   ids.v[i], task_state_name((enum task_state)ledger_find(&l, ids.v[i])));
		for (size_t k = 0; k < i; k++)
			if (!strcmp(ids.v[k], ids.v[i]))
				problem_in(&p, 1, 1, "task_id", "'%s' is given twice", ids.v[i]);
	}
	if (p.n) {
		err_set(e, ERR_DATA, "nothing was queued:\n%s", p.text.data);
		problems_clear(&p);
		goto out;
	}
	changes = xcalloc(ids.n, sizeof *changes);
	for (size_t i = 0; i < ids.n; i++)
		changes[i] = (struct ledger_change){.id = ids.v[i],
						    .to = unapproved ? TASK_UNAPPROVED : TASK_QUEUE,
						    .create = true,
						    .text = texts.v[i],
						    .verb = "submit"};
	if (ledger_commit(&l, l.git.name, changes, ids.n, NULL, NULL, e))
		goto out;
	rc = 0;
	for (size_t i = 0; i < ids.n; i++)
		if (changes[i].outcome == CHANGE_LANDED)
			puts(ids.v[i]);
		else
			rc = err_set(e, ERR_DATA, "task '%s' was put into the grid by somebody else meanwhile",
				     ids.v[i]);
	fflush(stdout);
	if (!rc && wait)
		rc = wait_for(&l, (const char *const *)ids.v, ids.n, 0, e);
out:
	free(key);
	json_free(made);
	free(changes);
	strs_clear(&ids);
	strs_clear(&texts);
	strs_clear(&paths);
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
