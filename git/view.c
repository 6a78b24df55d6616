#include "git/view.h"
#include "base/file.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

static bool is_folder(const char *path)
{
	struct stat st;
	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

/* The first line of a small file, after a prefix that must be there; NULL: no such file. The caller's. */
static char *line_of(const char *dir, const char *name, const char *prefix)
{
	char *path = xasprintf("%s/%s", dir, name), *line = NULL;
	struct buf b = {0};
	struct err none;
	if (!file_read(path, LINE_MAX_BYTES, &b, &none) && b.len && !strncmp(b.data, prefix, strlen(prefix)))
		line = xstrndup(b.data + strlen(prefix), strcspn(b.data + strlen(prefix), "\r\n"));
	buf_clear(&b);
	free(path);
	return line;
}

static char *beneath(const char *dir, const char *path)
{
	return path[0] == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
}

/* Where HEAD is, and where the rest is: the same but for a linked work tree. */
static void find_parts(const char *folder, char **head_dir, char **common)
{
	char *dotgit = xasprintf("%s/.git", folder),
	     *pointer = is_folder(dotgit) ? NULL : line_of(folder, ".git", "gitdir: ");
	*head_dir = pointer ? beneath(folder, pointer) : is_folder(dotgit) ? xstrdup(dotgit) : xstrdup(folder);
	char *rest = line_of(*head_dir, "commondir", "");
	*common = rest ? beneath(*head_dir, rest) : xstrdup(*head_dir);
	free(dotgit);
	free(pointer);
	free(rest);
}

static int point(const char *at, const char *name, const char *dir, const char *target, struct err *e)
{
	char *link = xasprintf("%s/%s", at, name), *to = xasprintf("%s/%s", dir, target), now[PATH_MAX];
	ssize_t n = readlink(link, now, sizeof now - 1);
	int rc = 0;
	now[n > 0 ? n : 0] = 0;
	if (strcmp(now, to) != 0) {
		unlink(link);
		if (symlink(to, link) && errno != EEXIST) /* another reader made it just now */
			rc = err_set(e, ERR_UNAVAILABLE, "cannot make '%s': %s", link, strerror(errno));
	}
	free(link);
	free(to);
	return rc;
}

static int write_once(const char *at, const char *name, const char *text, struct err *e)
{
	char *path = xasprintf("%s/%s", at, name);
	struct buf b = {0};
	struct err none;
	bool same = !file_read(path, LINE_MAX_BYTES, &b, &none) && b.len == strlen(text) && !strcmp(b.data, text);
	int rc = same ? 0 : file_write_scratch(path, text, strlen(text), e);
	buf_clear(&b);
	free(path);
	return rc;
}

/* What a repository says of its own format is all that is taken from its settings: no value of it is used but these. */
static int write_config(const char *folder, const char *common, const char *at, struct err *e)
{
	struct git g = {.name = (char *)"dgrid", .email = (char *)"dgrid@localhost", .dir = (char *)"/"};
	char *file = xasprintf("%s/config", common);
	const char *ask[] = {
	    "config", "--file", file, "--no-includes", "--get-regexp", "^extensions\\.(objectformat|refstorage)$",
	    NULL};
	struct buf b = {0}, text = {0};
	struct err none;
	git_run(&g, &b, &none, ask); /* it has none: git's defaults */
	bool sha256 = b.data && strstr(b.data, "extensions.objectformat sha256"),
	     tables = b.data && strstr(b.data, "extensions.refstorage reftable");
	buf_addf(&text, "[core]\n\trepositoryformatversion = %d\n\tbare = true\n", sha256 || tables);
	if (sha256 || tables)
		buf_adds(&text, "[extensions]\n");
	if (sha256)
		buf_adds(&text, "\tobjectformat = sha256\n");
	if (tables)
		buf_adds(&text, "\trefstorage = reftable\n");
	buf_adds(&text, "[remote \"origin\"]\n\turl = \"");
	for (const char *p = folder; *p; p++)
		buf_addf(&text, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
	buf_adds(&text, "\"\n");
	int rc = strchr(folder, '\n') ? err_set(e, ERR_DATA, "the path of a repository may hold no line feed")
				      : write_once(at, "config", text.data, e);
	buf_clear(&b);
	buf_clear(&text);
	free(file);
	return rc;
}

/* A folder of links to the packs and loose objects of the other: its own info/ is not in it, nor what that borrows. */
static int link_objects(const char *common, const char *at, struct err *e)
{
	char *store = view_objects(at), *info = xasprintf("%s/objects/info", at), *line;
	int rc = file_mkdirs(store, e);
	if (!rc)
		rc = file_mkdirs(info, e);
	if (!rc)
		rc = point(store, "pack", common, "objects/pack", e);
	for (int i = 0; i < 256 && !rc; i++) {
		char name[3], target[16];
		snprintf(name, sizeof name, "%02x", (unsigned)i);
		snprintf(target, sizeof target, "objects/%02x", (unsigned)i);
		rc = point(store, name, common, target, e);
	}
	if (!rc)
		rc = write_once(info, "alternates", "../store\n", e);
	if (!rc && (line = line_of(common, "objects/info/alternates", "")) != NULL) {
		rc = err_set(e, ERR_PERM,
			     "'%.300s' borrows objects from '%.300s' (objects/info/alternates); what somebody else's "
			     "repository names is not followed. Read a copy that has its own: git clone --no-local "
			     "--mirror",
			     common, line);
		free(line);
	}
	free(store);
	free(info);
	return rc;
}

char *view_objects(const char *at)
{
	return xasprintf("%s/store", at);
}

int view_open(const char *folder, const char *at, struct err *e)
{
	static const char *const linked[] = {"refs", "packed-refs", "shallow", "reftable"};
	char *full = realpath(folder, NULL), *head_dir, *common, *head;
	if (!full)
		return err_set(e, ERR_NOENT, "cannot open '%s': %s", folder, strerror(errno));
	find_parts(full, &head_dir, &common);
	head = line_of(head_dir, "HEAD", "");
	int rc = file_mkdirs(at, e);
	if (!rc && !head)
		rc = err_set(e, ERR_UNAVAILABLE, "cannot read '%s/HEAD': is it a Git repository that you may read?",
			     head_dir);
	for (size_t i = 0; i < sizeof linked / sizeof *linked && !rc; i++)
		rc = point(at, linked[i], common, linked[i], e);
	if (!rc && !(rc = link_objects(common, at, e)) && !(rc = write_config(full, common, at, e))) {
		char *text = xasprintf("%s\n", head);
		rc = write_once(at, "HEAD", text, e);
		free(text);
	}
	free(full);
	free(head_dir);
	free(common);
	free(head);
	return rc;
}
