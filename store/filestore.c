#include "store/filestore.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 65536
#define LINK_MAX_BYTES 4096
#define SMALL (1 << 20)

#define GIT(o, out, e, ...) git_run(&(o)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- the repository ---- */

static int make(const struct filestore *o, const char *url, bool sha256, struct err *e)
{
	struct git nowhere = {.dir = (char *)"/", .name = o->git.name, .email = o->git.email};
	const char *format = sha256 ? "--object-format=sha256" : "--object-format=sha1";
	const char *init[] = {"init", "--quiet", "--bare", "--template=", format, "--", o->git.dir, NULL};
	int rc = file_empty_folder(o->git.dir, e);
	if (!rc)
		rc = git_run(&nowhere, NULL, e, init);
	if (!rc)
		rc = GIT(o, NULL, e, "remote", "add", "origin", url);
	return rc;
}

/* Another grid's store: what is held there, and what was brought there, is of no other. Its place for as long as ours
 * is in use has the hash of its URL. */
static char *place_of(const char *dir, const char *url)
{
	uint8_t hash[32];
	char *plain = xstrdup(url), hex[SHA256_HEX];
	git_redact(plain); /* another password is no other grid */
	sha256(plain, strlen(plain), hash);
	sha256_hex(hash, hex);
	free(plain);
	return xasprintf("%s.%.16s", dir, hex);
}

/* 1: ours stands there now; 0: there was none. */
static int change_over(const char *dir, const char *was, const char *url, struct err *e)
{
	char *theirs = place_of(dir, was), *ours = place_of(dir, url);
	int rc = 1;
	if (!strcmp(theirs, ours))
		;
	else if (rename(dir, theirs))
		rc = err_set(e, ERR_UNAVAILABLE, "cannot rename '%s' to '%s': %s", dir, theirs, strerror(errno));
	else if (rename(ours, dir))
		rc = errno == ENOENT
			 ? 0
			 : err_set(e, ERR_UNAVAILABLE, "cannot rename '%s' to '%s': %s", ours, dir, strerror(errno));
	free(theirs);
	free(ours);
	return rc;
}

int filestore_open(struct filestore *o, const char *dir, const char *url, bool sha256, const char *borrow,
		   const char *name, const char *email, struct err *e)
{
	char *lent = xasprintf("%s/objects/info", dir), *line = borrow ? xasprintf("%s\n", borrow) : NULL;
	*o = (struct filestore){
	    .git = {.dir = xstrdup(dir), .name = xstrdup(name), .email = xstrdup(email), .files = true}};
	struct buf has = {0};
	char line_has[4096] = "", *head = xasprintf("%s/HEAD", dir);
	/* The last that git init writes and the first that we do: a half-made one is made anew. One that cannot be read
	 * now is not half-made. */
	int rc = file_exists(head) ? GIT(o, &has, e, "config", "--get", "remote.origin.url") : 0;
	buf_first_line(&has, line_has, sizeof line_has);
	if (rc && e->class != ERR_NO)
		;
	else if (rc || !file_exists(head))
		rc = make(o, url, sha256, e);
	else if (strcmp(line_has, url) != 0) {
		int there = borrow ? 1 : change_over(dir, line_has, url, e); /* one that borrows is a reader's */
		rc = there < 0 ? -1
		     : there   ? GIT(o, NULL, e, "remote", "set-url", "origin", url)
			       : make(o, url, sha256, e);
	}
	buf_clear(&has);
	free(head);
	if (!rc && line && !(rc = file_mkdirs(lent, e))) {
		char *path = xasprintf("%s/alternates", lent);
		rc = file_write(path, line, strlen(line), e);
		free(path);
	}
	free(lent);
	free(line);
	return rc;
}

/* before: what was written to since stays; 0: nothing does, and locks go too. */
static void unlock_below(const char *dir, int depth, int64_t before)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	while (d && (de = readdir(d))) {
		struct stat st;
		size_t n = strlen(de->d_name);
		bool lock = n > 5 && !strcmp(de->d_name + n - 5, ".lock"),
		     part = !strncmp(de->d_name, "tmp_", 4) || !strncmp(de->d_name, "fast_import_crash_", 18);
		if (de->d_name[0] == '.' || fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISREG(st.st_mode) && (before ? part && st.st_mtime < before : lock || part))
			unlinkat(dirfd(d), de->d_name, 0);
		else if (S_ISDIR(st.st_mode) && depth < 8) {
			char *below = xasprintf("%s/%s", dir, de->d_name);
			unlock_below(below, depth + 1, before);
			free(below);
		}
	}
	if (d)
		closedir(d);
}

void filestore_unlock(const struct filestore *o)
{
	unlock_below(o->git.dir, 0, 0);
}

int filestore_trial(const struct filestore *o, int64_t seconds, struct err *e)
{
	static const char *const args[] = {"hash-object", "-w", "--stdin", NULL};
	char some[33];
	clock_nonce(some, 16); /* what is there already would not be written */
	unlock_below(o->git.dir, 0, clock_now() - seconds);
	return git_run_input(&o->git, some, strlen(some), e, args);
}

void filestore_close(struct filestore *o)
{
	free(o->git.dir);
	free(o->git.name);
	free(o->git.email);
	*o = (struct filestore){0};
}

bool filestore_tree(const struct filestore *o, const char *rev, char tree[72])
{
	char *name = xasprintf("%s^{tree}", rev);
	struct buf out = {0};
	tree[0] = 0;
	if (rev[0] && rev[0] != '-' && !GIT(o, &out, NULL, "rev-parse", "--verify", "--quiet", name))
		buf_first_line(&out, tree, 72);
	buf_clear(&out);
	free(name);
	return tree[0] != 0;
}

int filestore_tidy(const struct filestore *o, const char *tip, struct err *e)
{
	char *path = xasprintf("%s/shallow", o->git.dir), *line = xasprintf("%s\n", tip);
	int rc = 0;
	if (*tip)
		rc = file_write(path, line, strlen(line), e);
	if (!rc)
		rc = GIT(o, NULL, e, "repack", "-a", "-d", "-l", "--quiet");
	if (!rc)
		rc = GIT(o, NULL, e, "prune", "--expire=now");
	free(path);
	free(line);
	return rc;
}

static void add_delete(void *ctx, const char *record)
{
	record += strspn(record, "\n"); /* of the record before */
	if (*record)
		buf_addf(ctx, "delete %s\n", record);
}

int filestore_drop(const struct filestore *o, const char *prefix, struct err *e)
{
	struct buf input = {0};
	const char *list[] = {"for-each-ref", "--format=%(refname)%00", prefix, NULL},
		   *update[] = {"update-ref", "--stdin", NULL};
	int rc = git_records(&o->git, list, add_delete, &input, e);
	if (!rc && input.len)
		rc = git_run_input(&o->git, input.data, input.len, e, update);
	buf_clear(&input);
	return rc;
}

int filestore_shrink(const struct filestore *o, const char *prefix, struct err *e)
{
	int rc = filestore_drop(o, prefix, e);
	if (!rc)
		rc = GIT(o, NULL, e, "repack", "-A", "-d", "-l", "--quiet", "--unpack-unreachable=1.hour.ago");
	if (!rc)
		rc = GIT(o, NULL, e, "prune", "--expire=1.hour.ago");
	return rc;
}

static int64_t bytes_below(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *de;
	int64_t sum = 0;
	while (d && (de = readdir(d))) {
		struct stat st;
		if (de->d_name[0] == '.' || fstatat(dirfd(d), de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			continue;
		if (S_ISREG(st.st_mode))
			sum += (int64_t)st.st_blocks * 512;
		else if (S_ISDIR(st.st_mode)) {
			char *below = xasprintf("%s/%s", dir, de->d_name);
			sum += bytes_below(below);
			free(below);
		}
	}
	if (d)
		closedir(d);
	return sum;
}

int64_t filestore_bytes(const struct filestore *o)
{
	char *dir = xasprintf("%s/objects", o->git.dir);
	int64_t sum = bytes_below(dir);
	free(dir);
	return sum;
}

/* ---- import ---- */

struct filestore_import {
	struct tree_list list;
	struct proc *proc;
	size_t next;
	int fd;	      /* of the file under way; -1: none */
	int64_t left; /* of it */
	bool failed, told;
	struct buf said;
	char out[256];
	size_t n_out;
	struct err why;
	void *ctx;
	void (*on_end)(void *ctx, const char *tree, const struct err *e);
};

/* In double quotes, as fast-import reads it. */
static void add_path(struct buf *b, const char *path)
{
	buf_adds(b, "\"");
	for (const unsigned char *p = (const unsigned char *)path; *p; p++)
		if (*p == '"' || *p == '\\' || *p < 32 || *p >= 127)
			buf_addf(b, "\\%03o", *p);
		else
			buf_add(b, p, 1);
	buf_adds(b, "\"");
}

static void give_up(struct filestore_import *i)
{
	i->failed = true;
	proc_signal(i->proc, 15);
	proc_feed_end(i->proc);
}

static void feed_link(struct filestore_import *i, const struct tree_file *f, struct buf *b)
{
	char target[LINK_MAX_BYTES];
	ssize_t n = readlinkat(i->list.fd, f->path, target, sizeof target);
	if (n <= 0 || n == (ssize_t)sizeof target) {
		err_set(&i->why, ERR_UNAVAILABLE, "cannot read the link '%s'", f->path);
		give_up(i);
		return;
	}
	buf_addf(b, "data %lld\n", (long long)n);
	buf_add(b, target, (size_t)n);
	buf_adds(b, "\n");
}

/* Heads of files, small ones whole, until a piece is full. */
static void begin_file(struct filestore_import *i, struct buf *b)
{
	const struct tree_file *f = &i->list.v[i->next++];
	buf_addf(b, "M %s inline ", f->link ? "120000" : f->executable ? "100755" : "100644");
	add_path(b, f->name ? f->name : f->path);
	buf_adds(b, "\n");
	if (f->link) {
		feed_link(i, f, b);
		return;
	}
	if (f->text) {
		buf_addf(b, "data %zu\n%s\n", strlen(f->text), f->text);
		return;
	}
	i->fd = tree_open(i->list.fd, f->path, &i->why);
	i->left = f->size;
	if (i->fd < 0)
		give_up(i);
	else
		buf_addf(b, "data %lld\n", (long long)f->size);
}

static void feed_file(struct filestore_import *i, struct buf *b)
{
	char piece[PIECE];
	ssize_t n = i->left ? read(i->fd, piece, i->left < PIECE ? (size_t)i->left : PIECE) : 0;
	if (i->left && n <= 0) {
		err_set(&i->why, ERR_UNAVAILABLE, "'%s' %s", i->list.v[i->next - 1].path,
			n ? strerror(errno) : "became shorter while it was read");
		give_up(i);
		return;
	}
	buf_add(b, piece, (size_t)n);
	i->left -= n;
	if (i->left)
		return;
	close(i->fd);
	i->fd = -1;
	buf_adds(b, "\n");
}

static void hungry(void *ctx)
{
	struct filestore_import *i = ctx;
	struct buf b = {0};
	while (!i->failed && b.len < PIECE && (i->fd >= 0 || i->next < i->list.n))
		if (i->fd >= 0)
			feed_file(i, &b);
		else
			begin_file(i, &b);
	bool all = i->fd < 0 && i->next == i->list.n && !i->told;
	if (!i->failed && all) {
		buf_adds(&b, "\nls :1 \"\"\ndone\n");
		i->told = true;
	}
	if (!i->failed)
		proc_feed(i->proc, b.data ? b.data : "", b.len);
	if (all && !i->failed)
		proc_feed_end(i->proc);
	buf_clear(&b);
}

static void printed(void *ctx, enum proc_stream s, const char *bytes, size_t len)
{
	struct filestore_import *i = ctx;
	if (s == PROC_ERR && i->said.len < 4096)
		buf_add(&i->said, bytes, len);
	for (size_t k = 0; s == PROC_OUT && k < len && i->n_out < sizeof i->out - 1; k++)
		i->out[i->n_out++] = bytes[k];
}

static void ended(void *ctx, const struct proc_result *res)
{
	struct filestore_import *i = ctx;
	char tree[72] = "";
	bool good =
	    !i->failed && res->end == PROC_EXITED && !res->code && sscanf(i->out, "040000 tree %71[0-9a-f]", tree) == 1;
	if (!good && !i->failed)
		err_set(&i->why, ERR_UNAVAILABLE, "git fast-import: %.*s",
			(int)strcspn(i->said.data ? i->said.data : "", "\n"), i->said.data ? i->said.data : "");
	i->on_end(i->ctx, good ? tree : NULL, good ? NULL : &i->why);
	if (i->fd >= 0)
		close(i->fd);
	tree_list_clear(&i->list);
	buf_clear(&i->said);
	free(i);
}

struct filestore_import *filestore_import(const struct filestore *o, struct tree_list *list, const char *ref, void *ctx,
					  void (*on_end)(void *ctx, const char *tree, const struct err *e),
					  struct err *e)
{
	/* A pack an attempt would be too many packs, and small objects pass through memory at no cost. */
	bool small = list->n < 64 && list->bytes < SMALL;
	const char *args[] = {"-c",	     small ? "fastimport.unpackLimit=200" : "fastimport.unpackLimit=1",
			      "fast-import", "--quiet",
			      "--force",     NULL};
	struct filestore_import *i = xcalloc(1, sizeof *i);
	*i = (struct filestore_import){.list = *list, .fd = -1, .ctx = ctx, .on_end = on_end};
	*list = (struct tree_list){.fd = -1};
	i->proc = git_stream(&o->git, args, true, i, printed, ended, e);
	if (!i->proc) {
		tree_list_clear(&i->list);
		free(i);
		return NULL;
	}
	char *head = xasprintf("feature done\ncommit %s\nmark :1\ncommitter dgrid <dgrid@localhost> 0 +0000\ndata 6\n"
			       "files\n\n",
			       ref);
	proc_feed(i->proc, head, strlen(head));
	proc_when_hungry(i->proc, hungry);
	free(head);
	return i;
}
