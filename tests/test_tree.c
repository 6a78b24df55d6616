/* A stranger's folder: names, links, limits, modes, and depth; then the same as a tree of Git's. */
#include "base/file.h"
#include "base/tree.h"
#include "store/bring.h"
#include "store/checkout.h"
#include "store/filestore.h"
#include "test.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/dgrid-test-XXXXXX";

static void names(void)
{
	static const char *const good[] = {
	    "a",     "a b", "ä",   "git",  ".gitignore", ".gitmodules",	     "git~2",  "x.git",
	    ".git2", "...", "-rf", "a\"b", "a\\b",	 "\xF0\x9F\x98\x80", ".github"};
	static const char *const bad[] = {"",	     ".",	"..",	 ".git",    ".GIT",
					  ".Git ",   ".git...", "git~1", "GIT~1 .", ".git::$INDEX_ALLOCATION",
					  "a\nb",    "a\x7F",	"\xFF",	 "\xC3",    ".g\xE2\x80\x8Cit",
					  "x\\.git", "\x1B[2J", "a/b",	 "\xC2\x85"};
	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		CHECK(tree_name_valid(good[i]), good[i]);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(!tree_name_valid(bad[i]), bad[i]);
}

static char *in(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void put(const char *dir, const char *name, const char *text, mode_t mode)
{
	char *path = in(dir, name);
	struct err e;
	CHECK(!file_write(path, text, strlen(text), &e) && !chmod(path, mode), name);
	free(path);
}

static char tree[72];
static bool ended;

static void got(void *ctx, const char *id, const struct err *e)
{
	(void)ctx;
	snprintf(tree, sizeof tree, "%s", id ? id : "");
	CHECK(id != NULL, e ? e->msg : "");
	ended = true;
}

static void import(struct filestore *s, const char *dir, const struct tree_limits *limits, const char *ref)
{
	struct tree_list l;
	struct err e = {0};
	CHECK(!tree_list(dir, limits, &l, &e) && !l.over, e.msg);
	ended = false;
	CHECK(filestore_import(s, &l, ref, NULL, got, &e) != NULL, e.msg);
	while (!ended)
		loop_step(1000);
}

static void limits(const char *dir)
{
	struct tree_list l;
	struct err e = {0};
	struct tree_limits few = {.entries = 5, .bytes = 1 << 20}, small = {.entries = 100, .bytes = 5},
			   each = {.entries = 100, .bytes = 1 << 20, .file_bytes = 3};
	CHECK(!tree_list(dir, &few, &l, &e) && l.over == TREE_ENTRIES, "too many entries");
	tree_list_clear(&l);
	CHECK(!tree_list(dir, &small, &l, &e) && l.over == TREE_BYTES, "too many bytes");
	tree_list_clear(&l);
	CHECK(!tree_list(dir, &each, &l, &e) && l.over == TREE_FILE && l.culprit, "too large a file");
	tree_list_clear(&l);
	CHECK(tree_measure(dir, &few) == TREE_ENTRIES && tree_measure(dir, &small) == TREE_BYTES,
	      "the same while it runs");
	/* A hole takes no room on the disk, and would in Git. */
	char *sparse = in(dir, "sparse");
	CHECK(!truncate(sparse, 1LL << 40), "a file of a terabyte");
	struct tree_limits usual = {.entries = 100, .bytes = 16 << 20};
	CHECK(tree_measure(dir, &usual) == TREE_BYTES, "a hole counts");
	unlink(sparse);
	free(sparse);
	/* Deeper than anybody needs, and than there are descriptors. */
	char *down = in(dir, "down"), *at = xstrdup(down);
	mkdir(at, 0700);
	int fd = open(at, O_RDONLY | O_DIRECTORY);
	for (int i = 0; i < 3000; i++) {
		mkdirat(fd, "d", 0700);
		int next = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		close(fd);
		fd = next;
	}
	close(fd);
	struct tree_limits deep = {.entries = 100000, .bytes = 16 << 20};
	CHECK(tree_measure(dir, &deep) == TREE_DEPTH, "too deep");
	CHECK(!file_remove_tree(down, &e), e.msg);
	CHECK(!file_exists(down), "what is deeper than the descriptors goes too");
	free(down);
	free(at);
}

/* What a task is given: links that stay inside, modes and times that say nothing of who wrote it, whole or not at all.
 */
static void given(struct filestore *s)
{
	struct err e = {0};
	struct stat st;
	struct tree_limits theirs = {.entries = 100, .bytes = 1 << 20, .links = true, .foreign = true};
	const struct bring_limits wide = {.mb = 1, .files = 4}, few = {.mb = 1, .files = 3},
				  none = {.mb = 0, .files = 4};
	char *dir = in(root, "theirs"), *sub = in(dir, "sub"), *to = in(root, "given"), *path,
	     *link_to = in(sub, "link"), *out = in(dir, "out"), *same;
	mkdir(dir, 0755);
	mkdir(sub, 0755);
	put(dir, "plain", "text\n", 0600);
	put(sub, "run", "#!/bin/sh\n", 0700);
	CHECK(!symlink("../plain", link_to) && !symlink("../plain", out), "links");
	import(s, dir, &theirs, "refs/held/given");
	CHECK(bring_to(s, tree, to, &few, &e) && e.class == ERR_DATA && !file_exists(to),
	      "too many files: none of them");
	CHECK(bring_to(s, tree, to, &none, &e) && e.class == ERR_DATA && !file_exists(to), "too many bytes");
	CHECK(!bring_to(s, tree, to, &wide, &e), e.msg);
	path = in(to, "sub/run");
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0555 && st.st_mtime == 946684800, "to be read and run");
	free(path);
	path = in(to, "sub/link");
	CHECK(!lstat(path, &st) && S_ISLNK(st.st_mode), "a link stays one");
	free(path);
	path = in(to, "out");
	CHECK(lstat(path, &st), "one that leads out is not there");
	free(path);
	CHECK(!stat(to, &st) && st.st_mtime == 946684800, "folders have the same time");
	same = bring_path(to, "sub/run");
	CHECK(same && bring_at_hand(s, tree), "found");
	free(same);
	CHECK(!bring_path(to, "sub/link") && !bring_path(to, "none") && !bring_path(to, "plain/x"),
	      "nothing that is not there, or leads elsewhere");
	CHECK(bring_in(s, "0123456789abcdef0123456789abcdef01234567", &e), "no remote, no input");
	/* What was only looked at goes when it is old; what is held, or new, stays. */
	char gone_id[72];
	put(dir, "plain", "text of another\n", 0600);
	import(s, dir, &theirs, "refs/got/x");
	CHECK(filestore_tree(s, "refs/got/x", gone_id) && !filestore_shrink(s, "refs/got", &e), e.msg);
	CHECK(!filestore_tree(s, "refs/got/x", gone_id) && bring_at_hand(s, tree), "no ref, but it is young");
	CHECK(filestore_tree(s, "refs/held/given", gone_id) && bring_at_hand(s, gone_id), "held");
	/* Few objects that name very many files, or no file at all: it is too much before any is written. */
	struct checkout many = {0};
	struct buf bomb = {0};
	char bottom[72] = "";
	buf_adds(&bomb, "commit refs/held/l0\ncommitter x <x> 0 +0000\ndata 0\n");
	for (int i = 0; i < 10; i++)
		buf_addf(&bomb, "M 100644 inline f%d\ndata 0\n", i);
	const char *load[] = {"fast-import", "--quiet", "--force", NULL};
	CHECK(!git_run_input(&s->git, bomb.data, bomb.len, &e, load) && filestore_tree(s, "refs/held/l0", bottom),
	      e.msg);
	for (int level = 1; level < 12; level++) {
		buf_reset(&bomb);
		buf_adds(&bomb, "commit refs/held/l1\ncommitter x <x> 0 +0000\ndata 0\n");
		for (int i = 0; i < 10; i++)
			buf_addf(&bomb, "M 040000 %s d%d\n", bottom, i);
		CHECK(!git_run_input(&s->git, bomb.data, bomb.len, &e, load) &&
			  filestore_tree(s, "refs/held/l1", bottom),
		      e.msg);
		git_run(&s->git, NULL, NULL, (const char *const[]){"update-ref", "-d", "refs/held/l1", NULL});
	}
	CHECK(checkout_list(&s->git, bottom, true, 10000, &many, &e) && e.class == ERR_DATA && !many.n, "a bomb");
	CHECK(strstr(e.msg, "more than 10000 files and folders"), e.msg);
	checkout_clear(&many);
	buf_clear(&bomb);
	/* One that another hand made. */
	const char *evil =
	    "commit refs/held/evil\ncommitter x <x> 0 +0000\ndata 0\nM 120000 inline a/l\ndata 9\n../../etc\n";
	const char *args[] = {"fast-import", "--quiet", NULL};
	char had[72];
	CHECK(!git_run_input(&s->git, evil, strlen(evil), &e, args) && filestore_tree(s, "refs/held/evil", had), e.msg);
	CHECK(!file_remove_tree(to, &e), e.msg);
	CHECK(bring_to(s, had, to, &wide, &e) && e.class == ERR_DATA && !file_exists(to), "a link that leads out");
	free(dir);
	free(sub);
	free(to);
	free(link_to);
	free(out);
}

int main(void)
{
	struct err e = {0};
	struct tree_limits usual = {.entries = 100, .bytes = 16 << 20};
	struct tree_list l;
	struct stat st;
	setenv("GIT_CONFIG_NOSYSTEM", "1", 1);
	if (!mkdtemp(root))
		return 1;
	setenv("HOME", root, 1);
	umask(022);
	names();

	char *dir = in(root, "out"), *git = in(root, "store.git"), *to = in(root, "to"), *path;
	mkdir(dir, 0755);
	path = in(dir, "sub");
	mkdir(path, 0755);
	put(path, "x\"y", "inner\n", 0644);
	free(path);
	put(dir, "plain", "text\n", 0644);
	put(dir, "run", "#!/bin/sh\n", 04755);
	put(dir, "empty", "", 0600);
	put(dir, "sparse", "", 0644);
	put(dir, "bad\nname", "x", 0644);
	path = in(dir, ".git");
	mkdir(path, 0755);
	put(path, "config", "x", 0644);
	free(path);
	path = in(dir, "link");
	CHECK(!symlink("/etc/passwd", path), "a link");
	free(path);
	path = in(dir, "fifo");
	CHECK(!mkfifo(path, 0644), "a fifo");
	free(path);
	char *one = in(dir, "plain"), *two = in(dir, "twin");
	CHECK(!link(one, two), "a hard link");
	free(one);
	free(two);
	path = in(dir, "shut");
	mkdir(path, 0755);
	put(path, "s", "s", 0000);
	chmod(path, 0000);
	free(path);

	CHECK(!tree_list(dir, &usual, &l, &e), e.msg);
	CHECK(l.n == 7 && l.left_out == 4 && !l.over, "what can be kept is listed, the rest is counted");
	int fd = tree_open(l.fd, "sub/x\"y", &e);
	CHECK(fd >= 0, e.msg);
	close(fd);
	CHECK(tree_open(l.fd, "link", &e) < 0 && tree_open(l.fd, "fifo", &e) < 0,
	      "neither a link nor a fifo is opened");
	tree_list_clear(&l);

	struct filestore s;
	CHECK(!filestore_open(&s, git, "/nowhere", false, NULL, "t", "t@invalid", &e), e.msg);
	import(&s, dir, &usual, "refs/held/a");
	char first[72], again[72];
	memcpy(first, tree, sizeof first);
	CHECK(strlen(first) == 40 && filestore_tree(&s, "refs/held/a", again) && !strcmp(first, again),
	      "a ref holds it");
	import(&s, dir, &usual, "refs/held/b");
	CHECK(!strcmp(first, tree), "the same folder is the same tree");
	put(dir, "plain", "other\n", 0644);
	import(&s, dir, &usual, "refs/held/c");
	CHECK(strcmp(first, tree) != 0, "another one is another");
	filestore_close(&s);
	CHECK(!filestore_open(&s, git, "/nowhere", false, NULL, "t", "t@invalid", &e), e.msg);
	CHECK(filestore_tree(&s, "refs/held/a", again), "it is there when it is opened again");

	struct checkout c = {0};
	CHECK(!checkout_list(&s.git, first, false, 1000, &c, &e) && c.n == 7 && c.bytes == 27, e.msg);
	CHECK(!checkout_write(&s.git, &c, to, CHECKOUT_NEW, &e), e.msg);
	path = in(to, "run");
	CHECK(!stat(path, &st) && (st.st_mode & 07777) == 0755, "executable, and not setuid");
	free(path);
	path = in(to, "plain");
	CHECK(!stat(path, &st) && st.st_size == 5, "as it was");
	CHECK(checkout_write(&s.git, &c, to, CHECKOUT_NEW, &e) && e.class == ERR_DATA, "not over what stands there");
	/* A link where a folder belongs is not gone through. */
	CHECK(!checkout_write(&s.git, &c, to, CHECKOUT_OVER, &e), e.msg);
	free(path);
	path = in(to, "sub");
	CHECK(!file_remove_tree(path, &e) && !symlink(root, path), e.msg);
	CHECK(checkout_write(&s.git, &c, to, CHECKOUT_OVER, &e), "through a link nothing is written");
	char *stray = in(root, "x\"y");
	CHECK(!file_exists(stray), "nothing outside");
	free(stray);
	free(path);
	for (size_t i = 0; i < c.n; i++)
		c.v[i].wanted = false;
	CHECK(checkout_want(&c, "su") == 0 && checkout_want(&c, "sub/") == 1 && checkout_want(&c, "plain") == 1,
	      "by path");
	checkout_clear(&c);
	given(&s);
	filestore_close(&s);

	limits(dir);
	CHECK(!file_remove_tree(root, &e), e.msg);
	free(dir);
	free(git);
	free(to);
	return test_end("test_tree");
}
