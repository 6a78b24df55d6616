#include "file.h"
#include "verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
		if (!rc && git_push(&l->git, l->branch, false, e) != PUSH_LANDED)
			rc = -1;
		if (!rc)
			printf("grid made on branch %s\n", l->branch);
	} else if (!rc)
		printf("already a grid\n");
	buf_clear(&changed);
	return rc;
}

/* A path where nothing stands yet becomes a bare repository, as with git init. */
static int make_repository(const char *url, const char *branch, struct err *e)
{
	struct git g = {.dir = (char *)".", .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char *head = xasprintf("--initial-branch=%s", branch);
	const char *args[] = {"init", "--quiet", "--bare", head, "--", url, NULL};
	bool path = url[0] == '/' || url[0] == '.' || !strchr(url, ':');
	int rc = path && !file_exists(url) ? git_run(&g, NULL, e, args) : 0;
	free(head);
	return rc;
}

int cmd_init(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l = {0};
	struct context here = *ctx;
	if (check_flags(argc, argv, (const char *const[]){NULL}, e))
		return -1;
	char *given = operand(argc, argv, 0) ? absolute_repo(operand(argc, argv, 0)) : NULL;
	if (given)
		here.url = given;
	int rc = need_repo(&here, e);
	if (!rc && given)
		rc = make_repository(given, here.branch, e);
	if (!rc)
		rc = ledger_open(&l, here.url, here.branch, NULL, here.name, here.email, e);
	if (!rc && (rc = init_clone(&l, e)) != 0 && strstr(e->msg, "hash algorithm") &&
	    !(rc = file_remove_tree(l.git.dir, e)) && !(rc = git_init_sha256(&l.git, l.url, l.branch, e)))
		rc = init_clone(&l, e);
	if (l.url)
		ledger_close(&l);
	free(given);
	return rc;
}
