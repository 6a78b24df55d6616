#include "commands.h"
#include "clock.h"
#include "file.h"
#include "ledger.h"
#include "log.h"
#include "sig.h"
#include "version.h"
#include "worker.h"
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int need_repo(const struct context *ctx, struct err *e)
{
	if (ctx->url)
		return 0;
	return err_set(e, ERR_USAGE, "no repository: give --repo URL (a folder works) or set DGRID_REPO_URL");
}

static int open_grid(const struct context *ctx, struct ledger *l, struct grid_config *c, struct err *e)
{
	*l = (struct ledger){0};
	*c = (struct grid_config){0};
	if (need_repo(ctx, e) || ledger_open(l, ctx->url, ctx->branch, NULL, ctx->name, ctx->email, e) ||
	    ledger_sync(l, e) || ledger_config(l, c, e))
		return -1;
	return 0;
}

static void close_grid(struct ledger *l, struct grid_config *c)
{
	if (l->url)
		ledger_close(l);
	config_clear(c);
}

static int parse_number(const char *flag, const char *text, long min, long max, long *out, struct err *e)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < min || n > max)
		return err_set(e, ERR_USAGE, "%s: expected a whole number from %ld to %ld, found '%s'", flag, min, max,
			       text);
	*out = n;
	return 0;
}

/* Text from the ledger is a stranger's: no escape sequence of theirs reaches a terminal. */
static void put_clean(const char *s, size_t max)
{
	for (size_t n = 0; *s && n < max; s++, n++)
		putchar(iscntrl((unsigned char)*s) ? ' ' : *s);
}

static void put_json(const struct json *j)
{
	char *text = task_text(j);
	fputs(text, stdout);
	free(text);
}

static bool flag_json(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

/* First argument that is not an option, or NULL. */
static const char *operand(int argc, char **argv, int nth)
{
	for (int i = 1; i < argc; i++)
		if (argv[i][0] != '-' && nth-- == 0)
			return argv[i];
	return NULL;
}

static int check_flags(int argc, char **argv, const char *const *known, struct err *e)
{
	for (int i = 1; i < argc; i++) {
		bool ok = argv[i][0] != '-';
		for (int k = 0; known[k] && !ok; k++)
			ok = !strcmp(argv[i], known[k]);
		if (!ok)
			return err_set(e, ERR_USAGE, "unknown option '%s' (see: dgrid %s --help)", argv[i], argv[0]);
	}
	return 0;
}

static int write_in(const char *dir, const char *name, const char *text, struct err *e)
{
	char *path = xasprintf("%s/%s", dir, name), *slash = strrchr(path, '/');
	*slash = 0;
	int rc = file_mkdirs(path, e);
	*slash = '/';
	if (!rc && !file_exists(path))
		rc = file_write(path, text, strlen(text), e);
	free(path);
	return rc;
}

/* The skeleton of a grid in the clone l, committed and pushed. */
static int init_clone(struct ledger *l, struct err *e)
{
	int rc = write_in(l->git.dir, "grid.json", config_template, e);
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		char *keep = xasprintf("tasks/%s/.gitkeep", task_state_name((enum task_state)s));
		rc = write_in(l->git.dir, keep, "", e);
		free(keep);
	}
	if (!rc)
		rc = write_in(l->git.dir, "nodes/.gitkeep", "", e);
	const char *add[] = {"add", "--force", "grid.json", "tasks", "nodes", NULL};
	const char *diff[] = {"status", "--porcelain", NULL};
	const char *commit[] = {"commit", "--quiet", "--no-verify", "-m", "Make this repository a dgrid grid", NULL};
	struct buf changed = {0};
	if (!rc && !(rc = git_run(&l->git, NULL, e, add)))
		rc = git_run(&l->git, &changed, e, diff);
	if (!rc && changed.len) {
		rc = git_run(&l->git, NULL, e, commit);
		if (!rc && git_push(&l->git, l->branch, e) != PUSH_LANDED)
			rc = -1;
		if (!rc)
			printf("grid made on branch %s\n", l->branch);
	} else if (!rc)
		printf("already a grid\n");
	buf_clear(&changed);
	return rc;
}

static int cmd_init(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l = {0};
	struct context here = *ctx;
	if (check_flags(argc, argv, (const char *const[]){NULL}, e))
		return -1;
	if (operand(argc, argv, 0))
		here.url = operand(argc, argv, 0);
	int rc = need_repo(&here, e);
	if (!rc)
		rc = ledger_open(&l, here.url, here.branch, NULL, here.name, here.email, e);
	if (!rc && (rc = init_clone(&l, e)) != 0 && strstr(e->msg, "hash algorithm") &&
	    !(rc = file_remove_tree(l.git.dir, e)) && !(rc = git_init_sha256(&l.git, l.url, l.branch, e)))
		rc = init_clone(&l, e);
	if (l.url)
		ledger_close(&l);
	return rc;
}

static char *stem_of(const char *path)
{
	const char *base = strrchr(path, '/');
	base = base ? base + 1 : path;
	size_t n = strlen(base);
	return n > 5 && !strcmp(base + n - 5, ".json") ? xstrndup(base, n - 5) : xstrdup(base);
}

static int cmd_validate(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct grid_config c;
	struct ledger l = {0};
	size_t bad = 0;
	if (check_flags(argc, argv, (const char *const[]){NULL}, e))
		return -1;
	if (!operand(argc, argv, 0))
		return err_set(e, ERR_USAGE, "validate needs at least one file");
	/* With a repository its own ceilings and images count; without one the defaults. */
	if (!ctx->url)
		config_defaults(&c);
	else if (open_grid(ctx, &l, &c, e)) {
		close_grid(&l, &c);
		return -1;
	}
	const char *path;
	for (int i = 0; (path = operand(argc, argv, i)); i++) {
		struct problems p = {.file = path};
		struct buf b = {0};
		struct task t;
		struct err why;
		char *stem = stem_of(path);
		if (file_read(path, TASK_FILE_MAX, &b, &why))
			problem_at(&p, 1, 1, "%s", why.msg);
		else if (!task_parse(&t, b.data ? b.data : "", b.len, stem, &c, true, &p))
			task_clear(&t);
		if (p.n)
			fputs(p.text.data, stdout);
		bad += p.n != 0;
		buf_clear(&b);
		buf_clear(&p.text);
		free(stem);
	}
	close_grid(&l, &c);
	return bad ? err_set(e, ERR_DATA, "%zu invalid file%s", bad, bad == 1 ? "" : "s") : 0;
}

static int wait_for(struct ledger *l, const char *const *ids, size_t n, long timeout, struct err *e)
{
	int64_t deadline = timeout ? clock_mono_ms() + timeout * 1000 : 0;
	int worst = 0;
	for (;;) {
		size_t open = 0;
		worst = 0;
		if (ledger_sync(l, e))
			return -1;
		for (size_t i = 0; i < n; i++) {
			int s = ledger_find(l, ids[i]);
			if (s < 0)
				return err_set(e, ERR_NOENT, "no task '%s' in this grid", ids[i]);
			if (s == TASK_FAILED) {
				struct json *doc = ledger_doc(l, TASK_FAILED, ids[i], NULL);
				const char *status = json_str(json_get(doc, "result"), "status");
				int code = status && !strcmp(status, "cancelled") ? ERR_CANCELLED : ERR_NO;
				worst = worst == ERR_NO ? worst : code;
				json_free(doc);
			}
			open += s != TASK_COMPLETED && s != TASK_FAILED;
		}
		if (!open)
			break;
		if (deadline && clock_mono_ms() >= deadline)
			return err_set(e, ERR_RETRY, "%zu of %zu tasks had not ended after %ld s", open, n, timeout);
		if (sig_stops())
			return err_set(e, (enum err_class)(128 + sig_last_stop()), "interrupted");
		loop_step(500);
	}
	if (worst)
		return err_set(e, (enum err_class)worst, "not every task succeeded (see: dgrid show ID)");
	return 0;
}

static int cmd_submit(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"id", 1, 0, 'i'},	    {"timeout", 1, 0, 't'},
						{"priority", 1, 0, 'p'},    {"image", 1, 0, 'm'},
						{"script", 1, 0, 's'},	    {"label", 1, 0, 'l'},
						{"wait", 0, 0, 'w'},	    {"unapproved", 0, 0, 'u'},
						{"description", 1, 0, 'd'}, {0}};
	struct ledger l = {0};
	struct grid_config c = {0};
	struct json *made = json_new(JSON_OBJECT), *labels = NULL;
	struct strs ids = {0}, texts = {0};
	struct ledger_change *changes = NULL;
	bool wait = false, unapproved = false;
	const char *id = NULL, *script_file = NULL;
	long n = 60, priority = 5;
	int opt, rc = -1;
	bool flagged = false, dashes = false;
	for (int i = 1; i < argc; i++)
		dashes = dashes || !strcmp(argv[i], "--");
	optind = 1;
	while ((opt = getopt_long(argc, argv, "+", options, NULL)) != -1)
		switch (opt) {
		case 'i':
			id = optarg;
			flagged = true;
			break;
		case 't':
			if (parse_number("--timeout", optarg, 1, 86400, &n, e))
				goto out;
			break;
		case 'p':
			if (parse_number("--priority", optarg, 0, 9, &priority, e))
				goto out;
			break;
		case 'm':
			json_set(made, "image", json_new_str(optarg));
			break;
		case 'd':
			json_set(made, "description", json_new_str(optarg));
			break;
		case 'l':
			if (!labels)
				labels = json_new(JSON_ARRAY);
			json_append(labels, json_new_str(optarg));
			break;
		case 's':
			script_file = optarg;
			break;
		case 'w':
			wait = true;
			break;
		case 'u':
			unapproved = true;
			break;
		default:
			err_set(e, ERR_USAGE, "see: dgrid submit --help");
			goto out;
		}
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
		for (int i = optind; !script_file && i < argc; i++)
			buf_addf(&script, "%s%s", i > optind ? " " : "", argv[i]);
		clock_nonce(fresh + 2, 6);
		json_set(made, "task_id", json_new_str(id ? id : fresh));
		json_set(made, "script", json_new_str(script.data ? script.data : ""));
		json_set(made, "timeout_seconds", json_new_int(n));
		json_set(made, "priority", json_new_int(priority));
		json_set(made, "submitted_by", json_new_str(ctx->name));
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
		for (int i = optind; i < argc; i++) {
			struct buf b = {0};
			char *stem = stem_of(argv[i]);
			int got = file_read(argv[i], TASK_FILE_MAX, &b, e);
			if (!got) {
				strs_add(&ids, stem);
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
	struct problems p = {0};
	for (size_t i = 0; i < ids.n; i++) {
		struct task t;
		p.file = ids.v[i];
		if (!task_parse(&t, texts.v[i], strlen(texts.v[i]), ids.v[i], &c, true, &p))
			task_clear(&t);
		if (ledger_find(&l, ids.v[i]) >= 0)
			problem_at(&p, 1, 1, "task_id: '%s' is already in this grid (in %s); choose another", ids.v[i],
				   task_state_name((enum task_state)ledger_find(&l, ids.v[i])));
		for (size_t k = 0; k < i; k++)
			if (!strcmp(ids.v[k], ids.v[i]))
				problem_at(&p, 1, 1, "task_id: '%s' is given twice", ids.v[i]);
	}
	if (p.n) {
		err_set(e, ERR_DATA, "nothing was queued:\n%s", p.text.data);
		buf_clear(&p.text);
		goto out;
	}
	changes = xcalloc(ids.n, sizeof *changes);
	for (size_t i = 0; i < ids.n; i++)
		changes[i] = (struct ledger_change){.id = ids.v[i],
						    .to = unapproved ? TASK_UNAPPROVED : TASK_QUEUE,
						    .create = true,
						    .text = texts.v[i],
						    .verb = "submit"};
	if (ledger_commit(&l, ctx->name, changes, ids.n, NULL, NULL, e))
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
	json_free(made);
	free(changes);
	strs_clear(&ids);
	strs_clear(&texts);
	close_grid(&l, &c);
	return rc;
}

static int cmd_wait(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"timeout", 1, 0, 't'}, {0}};
	struct ledger l;
	struct grid_config c;
	long timeout = 0;
	int opt;
	optind = 1;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (opt != 't' || parse_number("--timeout", optarg, 1, 86400, &timeout, e))
			return opt == 't' ? -1 : err_set(e, ERR_USAGE, "see: dgrid wait --help");
	if (optind == argc)
		return err_set(e, ERR_USAGE, "wait needs at least one task id");
	int rc = open_grid(ctx, &l, &c, e);
	if (!rc)
		rc = wait_for(&l, (const char *const *)argv + optind, (size_t)(argc - optind), timeout, e);
	close_grid(&l, &c);
	return rc;
}

static void status_row(const char *id, const char *state, const struct json *doc)
{
	const struct json *result = json_get(doc, "result"), *claim = json_get(doc, "claim");
	const char *node = json_str(result ? result : claim, "node"), *status = json_str(result, "status"),
		   *out = json_str(result, "stdout"), *reason = json_str(result, "reason");
	int64_t code = json_int(result, "exit_code", -1), ms = json_int(result, "duration_ms", -1);
	char code_text[24] = "-", time_text[24] = "-";
	if (code >= 0)
		snprintf(code_text, sizeof code_text, "%lld", (long long)code);
	if (ms >= 0)
		snprintf(time_text, sizeof time_text, "%.1fs", (double)ms / 1000);
	printf("%-20s %-12s %-10.10s %-9s %4s %8s  ", id, state, node && task_id_valid(node) ? node : "-",
	       status ? status : "-", code_text, time_text);
	const char *first = out && *out ? out : reason ? reason : "";
	size_t n = strcspn(first, "\n");
	put_clean(first, n < 48 ? n : 48);
	putchar('\n');
}

static int cmd_status(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l;
	struct grid_config c;
	struct json *all = json_new(JSON_OBJECT), *tasks = json_new(JSON_ARRAY), *counts = json_new(JSON_OBJECT);
	bool json = flag_json(argc, argv);
	int rc = check_flags(argc, argv, (const char *const[]){"--json", NULL}, e);
	l = (struct ledger){0};
	c = (struct grid_config){0};
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	if (!rc && !json)
		printf("%-20s %-12s %-10s %-9s %4s %8s  %s\n", "TASK", "STATE", "NODE", "STATUS", "EXIT", "TIME",
		       "OUTPUT");
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		struct strs ids = {0};
		ledger_ids(&l, (enum task_state)s, &ids);
		json_set(counts, task_state_name((enum task_state)s), json_new_int((int64_t)ids.n));
		for (size_t i = 0; i < ids.n; i++) {
			struct json *doc = ledger_doc(&l, (enum task_state)s, ids.v[i], NULL);
			if (!json)
				status_row(ids.v[i], task_state_name((enum task_state)s), doc);
			else {
				struct json *row = json_new(JSON_OBJECT);
				const struct json *result = json_get(doc, "result"), *claim = json_get(doc, "claim");
				json_set(row, "task_id", json_new_str(ids.v[i]));
				json_set(row, "state", json_new_str(task_state_name((enum task_state)s)));
				if (json_str(result ? result : claim, "node"))
					json_set(row, "node", json_new_str(json_str(result ? result : claim, "node")));
				if (json_str(result, "status"))
					json_set(row, "status", json_new_str(json_str(result, "status")));
				if (json_get(result, "exit_code"))
					json_set(row, "exit_code", json_copy(json_get(result, "exit_code")));
				json_append(tasks, row);
			}
			json_free(doc);
		}
		strs_clear(&ids);
	}
	if (!rc && json) {
		json_set(all, "schema", json_new_int(1));
		json_set(all, "commit", json_new_str(l.head));
		json_set(all, "counts", counts);
		json_set(all, "tasks", tasks);
		put_json(all);
		counts = tasks = NULL;
	}
	json_free(counts);
	json_free(tasks);
	json_free(all);
	close_grid(&l, &c);
	return rc;
}

static int cmd_nodes(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	bool json = flag_json(argc, argv);
	struct json *all = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
	int rc = check_flags(argc, argv, (const char *const[]){"--json", NULL}, e);
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	if (!rc && !json)
		printf("%-20s %-10s %-8s %5s %-20s\n", "NODE", "STATUS", "ENGINE", "SLOTS", "LAST SEEN");
	char *path = xasprintf("%s/nodes", l.git.dir ? l.git.dir : "");
	DIR *d = rc ? NULL : opendir(path);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		struct buf b = {0};
		struct json_error je;
		char *stem = stem_of(de->d_name), *file = xasprintf("%s/%s", path, de->d_name);
		struct json *doc = NULL;
		if (task_id_valid(stem) && !file_read(file, TASK_FILE_MAX, &b, NULL))
			doc = json_parse(b.data ? b.data : "", b.len, &je);
		if (doc && json)
			json_append(list, json_copy(doc));
		else if (doc) {
			const char *status = json_str(doc, "status"), *engine = json_str(doc, "engine"),
				   *seen = json_str(doc, "last_heartbeat");
			printf("%-20s ", stem);
			put_clean(status ? status : "-", 10);
			printf("%*s", (int)(11 - (status ? strnlen(status, 10) : 1)), "");
			put_clean(engine ? engine : "-", 8);
			printf("%*s%5lld ", (int)(9 - (engine ? strnlen(engine, 8) : 1)), "",
			       (long long)json_int(doc, "slots", 1));
			put_clean(seen ? seen : "-", 32);
			putchar('\n');
		}
		json_free(doc);
		buf_clear(&b);
		free(stem);
		free(file);
	}
	if (d)
		closedir(d);
	json_set(all, "schema", json_new_int(1));
	json_set(all, "nodes", list);
	if (!rc && json)
		put_json(all);
	json_free(all);
	free(path);
	close_grid(&l, &c);
	return rc;
}

/* show and logs: the task's document, or its output. */
static int look(const struct context *ctx, int argc, char **argv, bool logs, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct json *doc = NULL;
	const char *id = operand(argc, argv, 0);
	int state = -1;
	int rc = check_flags(argc, argv, (const char *const[]){"--json", NULL}, e);
	if (!rc && !id)
		rc = err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	if (!rc && (!task_id_valid(id) || (state = ledger_find(&l, id)) < 0))
		rc = err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
	if (!rc && !(doc = ledger_doc(&l, (enum task_state)state, id, e)))
		rc = -1;
	if (!rc && !logs) {
		json_set(doc, "state", json_new_str(task_state_name((enum task_state)state)));
		json_set(doc, "schema", json_new_int(1));
		put_json(doc);
	} else if (!rc) {
		const struct json *result = json_get(doc, "result"), *o = json_get(result, "stdout"),
				  *r = json_get(result, "stderr");
		if (!result)
			rc = err_set(e, ERR_RETRY, "task '%s' is in %s: it has no output yet", id,
				     task_state_name((enum task_state)state));
		if (o && o->len)
			fwrite(o->text, 1, o->len, stdout);
		fflush(stdout);
		if (r && r->len)
			fwrite(r->text, 1, r->len, stderr);
	}
	json_free(doc);
	close_grid(&l, &c);
	return rc;
}

static int cmd_show(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return look(ctx, argc, argv, false, e);
}

static int cmd_logs(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return look(ctx, argc, argv, true, e);
}

static struct json *cancel_note(void *who)
{
	char when[32];
	struct json *note = json_new(JSON_OBJECT);
	json_set(note, "by", json_new_str(who));
	json_set(note, "requested_at", json_new_str(clock_format(clock_now(), when)));
	return note;
}

static enum change_verdict edit_cancel_running(void *who, struct json *doc)
{
	json_set(doc, "cancel", cancel_note(who));
	return CHANGE_APPLY;
}

static enum change_verdict edit_cancel_queued(void *who, struct json *doc)
{
	char when[32];
	struct json *result = json_new(JSON_OBJECT);
	json_set(doc, "cancel", cancel_note(who));
	json_set(result, "status", json_new_str("cancelled"));
	json_set(result, "finished_at", json_new_str(clock_format(clock_now(), when)));
	json_set(doc, "result", result);
	return CHANGE_APPLY;
}

static enum change_verdict edit_retry(void *who, struct json *doc)
{
	(void)who;
	json_remove(doc, "result");
	json_remove(doc, "cancel");
	json_remove(doc, "attempts"); /* a fresh start; the history keeps them */
	return CHANGE_APPLY;
}

static int act(const struct context *ctx, int argc, char **argv, bool retry, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	const char *id = operand(argc, argv, 0);
	int rc = check_flags(argc, argv, (const char *const[]){NULL}, e);
	if (!rc && !id)
		rc = err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (!rc)
		rc = open_grid(ctx, &l, &c, e);
	for (int i = 0; !rc && (id = operand(argc, argv, i)); i++) {
		int state = task_id_valid(id) ? ledger_find(&l, id) : -1;
		struct ledger_change change = {.id = id, .ctx = (void *)ctx->name, .verb = argv[0]};
		change.from = (enum task_state)state;
		change.to = retry ? TASK_QUEUE : state == TASK_IN_PROGRESS ? TASK_IN_PROGRESS : TASK_FAILED;
		change.edit = retry ? edit_retry : state == TASK_IN_PROGRESS ? edit_cancel_running : edit_cancel_queued;
		if (state < 0)
			rc = err_set(e, ERR_NOENT, "no task '%s' in this grid", id);
		else if (retry ? state != TASK_FAILED && state != TASK_COMPLETED
			       : state == TASK_FAILED || state == TASK_COMPLETED)
			rc = err_set(e, ERR_NO, "task '%s' is in %s: nothing to %s", id,
				     task_state_name((enum task_state)state), argv[0]);
		else if (!(rc = ledger_commit(&l, ctx->name, &change, 1, NULL, NULL, e)) &&
			 change.outcome != CHANGE_LANDED)
			rc = err_set(e, ERR_RETRY, "task '%s' moved meanwhile; try again", id);
		if (!rc)
			printf("%s\n", id);
	}
	close_grid(&l, &c);
	return rc;
}

static int cmd_cancel(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, false, e);
}

static int cmd_retry(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return act(ctx, argc, argv, true, e);
}

static int cmd_worker(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {
	    {"node-id", 1, 0, 'n'}, {"slots", 1, 0, 's'},    {"labels", 1, 0, 'l'},  {"engine", 1, 0, 'e'},
	    {"once", 0, 0, 'o'},    {"work-dir", 1, 0, 'w'}, {"poll-ms", 1, 0, 'p'}, {0}};
	char host[65], *dir = NULL;
	const char *home = getenv("HOME"), *interval = getenv("PULL_INTERVAL");
	struct strs labels = {0};
	struct worker_options o = {.url = ctx->url,
				   .branch = ctx->branch,
				   .name = ctx->name,
				   .email = ctx->email,
				   .engine = "auto",
				   .slots = 1,
				   .node_id = getenv("NODE_ID")};
	long n;
	int opt, rc = -1;
	optind = 1;
	if (interval) {
		if (parse_number("PULL_INTERVAL", interval, 1, 3600, &n, e))
			goto out;
		o.poll_ms = (int)n * 1000;
	}
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
		case 'n':
			o.node_id = optarg;
			break;
		case 's':
			if (parse_number("--slots", optarg, 1, 256, &n, e))
				goto out;
			o.slots = (int)n;
			break;
		case 'p':
			if (parse_number("--poll-ms", optarg, 10, 3600000, &n, e))
				goto out;
			o.poll_ms = (int)n;
			break;
		case 'l':
			for (const char *p = optarg; *p;) {
				size_t len = strcspn(p, ",");
				char *one = xstrndup(p, len);
				strs_add(&labels, one);
				bool ok = task_id_valid(one);
				free(one);
				if (!ok) {
					err_set(e, ERR_USAGE, "--labels: expected NAME,NAME of A-Z a-z 0-9 _ -");
					goto out;
				}
				p += len + (p[len] == ',');
			}
			break;
		case 'e':
			o.engine = optarg;
			break;
		case 'o':
			o.once = true;
			break;
		case 'w':
			o.work_dir = optarg;
			break;
		default:
			err_set(e, ERR_USAGE, "see: dgrid worker --help");
			goto out;
		}
	if (optind < argc) {
		err_set(e, ERR_USAGE, "worker takes no operand, found '%s'", argv[optind]);
		goto out;
	}
	if (need_repo(ctx, e))
		goto out;
	worker_default_id(host);
	if (!o.node_id)
		o.node_id = host;
	if (!task_id_valid(o.node_id)) {
		err_set(e, ERR_USAGE, "--node-id: expected 1-64 of A-Z a-z 0-9 _ -, found '%s'", o.node_id);
		goto out;
	}
	dir = xasprintf("%s/.local/state/dgrid/%s", home ? home : "/tmp", o.node_id);
	if (!o.work_dir)
		o.work_dir = dir;
	o.labels = labels.v;
	o.n_labels = labels.n;
	rc = worker_run(&o);
	if (rc)
		err_set(e, (enum err_class)rc, "%s", ""); /* already logged */
out:
	strs_clear(&labels);
	free(dir);
	return rc ? -1 : 0;
}

static int cmd_version(const struct context *ctx, int argc, char **argv, struct err *e)
{
	(void)ctx;
	(void)argc;
	(void)argv;
	(void)e;
	puts("dgrid " DGRID_VERSION);
	return 0;
}

const struct verb verbs[] = {
    {"init", "[REPO]", "make a repository into a grid", "dgrid init /srv/grid.git", cmd_init},
    {"submit",
     "FILE... | [--id ID] [--timeout N] [--priority N] [--image I] [--label L] [--description D] [--unapproved] "
     "[--wait] (--script FILE | -- CMD)",
     "validate and queue tasks; --wait follows to the end", "dgrid submit --id hello --wait -- 'echo hello'",
     cmd_submit},
    {"validate", "FILE...", "say all that is wrong in task files", "dgrid validate tasks/queue/*.json", cmd_validate},
    {"worker",
     "[--node-id ID] [--slots N] [--labels A,B] [--engine auto|docker|podman|bwrap] [--once] [--work-dir DIR] "
     "[--poll-ms N]",
     "run tasks: the node", "dgrid worker --slots 4", cmd_worker},
    {"status", "[--json]", "the grid at a glance", "dgrid status", cmd_status},
    {"nodes", "[--json]", "the registered nodes", "dgrid nodes", cmd_nodes},
    {"show", "[--json] ID", "a task as the ledger has it (always JSON)", "dgrid show hello", cmd_show},
    {"logs", "ID", "a task's output: stdout to stdout, stderr to stderr", "dgrid logs hello", cmd_logs},
    {"wait", "[--timeout SECONDS] ID...", "wait for tasks to end; 0 when all succeeded", "dgrid wait hello", cmd_wait},
    {"cancel", "ID...", "cancel queued or running tasks", "dgrid cancel hello", cmd_cancel},
    {"retry", "ID...", "queue finished tasks again", "dgrid retry hello", cmd_retry},
    {"version", "", "print the version", "dgrid version", cmd_version},
    {0}};
