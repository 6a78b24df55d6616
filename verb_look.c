#include "file.h"
#include "verbs.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

int cmd_status(const struct context *ctx, int argc, char **argv, struct err *e)
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

int cmd_nodes(const struct context *ctx, int argc, char **argv, struct err *e)
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

int cmd_show(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return look(ctx, argc, argv, false, e);
}

int cmd_logs(const struct context *ctx, int argc, char **argv, struct err *e)
{
	return look(ctx, argc, argv, true, e);
}
