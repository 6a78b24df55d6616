#include "store/depot.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORD "store-outputs"
#define PIECE 262144
#define SPARE_BYTES (1 << 20) /* by which a command may write more than the file: to notes of its own */
#define PATIENCE_S 600
#define WAIT_FIRST_MS 1000
#define WAIT_MOST_MS 60000

static int64_t seconds_of(const char *said, int64_t least, int64_t usual)
{
	long long n = said && *said ? strtoll(said, NULL, 10) : -1;
	return n >= least && n <= 86400 ? n : usual;
}

const char *depot_command(const char *said)
{
	const char *set = said ? said : getenv(DEPOT_VARIABLE);
	return set && *set ? set : NULL;
}

/* ---- a file ---- */

int depot_read(int fd, struct pointer *p)
{
	struct sha256 s;
	struct stat st;
	uint8_t sum[32];
	char *piece = xrealloc(NULL, PIECE);
	ssize_t n;
	sha256_init(&s);
	*p = (struct pointer){.size = 0};
	while ((n = read(fd, piece, PIECE)) != 0 && !proc_given_up()) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		sha256_add(&s, piece, (size_t)n);
		p->size += n;
	}
	free(piece);
	sha256_end(&s, sum);
	sha256_hex(sum, p->oid);
	return n || fstat(fd, &st) || !S_ISREG(st.st_mode) ? -1 : 0;
}

int depot_look(const char *file, struct pointer *p, struct err *e)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC), rc = -1;
	if (fd < 0)
		err_set(e, ERR_OUTPUT, "cannot read '%s': %s", file, strerror(errno));
	else if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		err_set(e, ERR_OUTPUT, "'%s' is no regular file", file);
	else if (depot_read(fd, p))
		err_set(e, ERR_OUTPUT, "cannot read '%s' to its end", file);
	else
		rc = 0;
	if (fd >= 0)
		close(fd);
	return rc;
}

/* ---- the command ---- */

/* No file that it writes may be larger than that; 0: any. */
static void bound(int64_t bytes, struct rlimit *before)
{
	struct rlimit now;
	if (getrlimit(RLIMIT_FSIZE, before) || !bytes)
		return;
	now = *before;
	if ((rlim_t)bytes < now.rlim_cur)
		now.rlim_cur = (rlim_t)bytes;
	setrlimit(RLIMIT_FSIZE, &now);
}

static int run(const char *command, const char *word, const struct pointer *p, const char *file, int64_t most,
	       struct err *e)
{
	char *size = xasprintf("DGRID_STORE_SIZE=%lld", (long long)p->size);
	char *line = xasprintf("%s \"$@\"", command), said[300] = "";
	const char *argv[] = {"/bin/sh", "-c", line, "dgrid-store", word, p->oid, file, NULL}, *env[] = {size, NULL};
	int64_t silence = seconds_of(getenv("DGRID_SILENCE_SECONDS"), 1, 120);
	struct proc_spec spec = {.argv = argv, .env = env, .quiet_ms = silence * 1000, .cap = 4096};
	struct proc_result res = {0};
	struct rlimit before;
	bound(most, &before);
	int rc = proc_run(&spec, &res, e);
	if (most)
		setrlimit(RLIMIT_FSIZE, &before);
	buf_first_line(&res.err, said, sizeof said);
	if (!rc && proc_given_up())
		rc = err_set(e, ERR_UNAVAILABLE, "the store's command was ended");
	else if (!rc && res.end == PROC_TIMED_OUT)
		rc = err_set(e, ERR_UNAVAILABLE,
			     "the store's command (%s) said nothing for %lld s and was ended (DGRID_SILENCE_SECONDS)",
			     word, (long long)silence);
	else if (!rc && (res.end != PROC_EXITED || res.code))
		rc = err_set(e, ERR_UNAVAILABLE, "the store's command (%s) ended with %s %d%s%s", word,
			     res.end == PROC_EXITED ? "exit code" : "signal", res.code, said[0] ? ": " : "", said);
	proc_result_clear(&res);
	free(line);
	free(size);
	return rc;
}

int depot_put(const char *command, const struct pointer *p, const char *file, int64_t patience_ms, struct err *e)
{
	int64_t until = clock_mono_ms() + patience_ms, wait = WAIT_FIRST_MS;
	int rc;
	while ((rc = run(command, "put", p, file, 0, e)) && !proc_given_up() && clock_mono_ms() + wait <= until) {
		proc_pause(wait);
		wait = 2 * wait < WAIT_MOST_MS ? 2 * wait : WAIT_MOST_MS;
	}
	return rc;
}

int depot_get(const char *command, const struct pointer *p, const char *file, struct err *e)
{
	struct pointer is;
	int rc = run(command, "get", p, file, p->size + SPARE_BYTES, e);
	if (!rc && (rc = depot_look(file, &is, e)))
		e->class = ERR_UNAVAILABLE;
	else if (!rc && (is.size != p->size || strcmp(is.oid, p->oid) != 0))
		rc = err_set(e, ERR_UNAVAILABLE,
			     "the store gave another file for %.12s: %lld bytes with the SHA-256 %.12s, expected %lld",
			     p->oid, (long long)is.size, is.oid, (long long)p->size);
	if (rc)
		unlink(file);
	return rc;
}

/* ---- what a task left ---- */

struct taking {
	const char *command, *aside;
	const struct tree_list *list;
	struct depot_taken *taken;
	struct err *e;
};

/* Is it small, and looks like a pointer? 1, 0, or -1: it cannot be read. */
static int looks_like_one(const struct taking *t, const struct tree_file *f)
{
	char bytes[POINTER_MAX];
	struct pointer p;
	if (f->size > POINTER_MAX)
		return 0;
	int fd = tree_open(t->list->fd, f->path, t->e);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, bytes, sizeof bytes);
	close(fd);
	if (n < 0)
		return err_set(t->e, ERR_OUTPUT, "cannot read '%s': %s", f->path, strerror(errno));
	return pointer_of(bytes, (size_t)n, &p);
}

static int write_pointer(const struct taking *t, int folder, const char *name, const struct tree_file *f,
			 const struct pointer *p)
{
	char text[POINTER_TEXT];
	ssize_t len = (ssize_t)pointer_text(p, text);
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool good = fd >= 0 && write(fd, text, (size_t)len) == len && !fchmod(fd, f->executable ? 0755 : 0644);
	int why = errno;
	if (fd >= 0 && close(fd)) {
		good = false;
		why = errno;
	}
	return good ? 0
		    : err_set(t->e, ERR_OUTPUT, "cannot write a pointer in place of '%s': %s", f->path, strerror(why));
}

/* The file goes out of the task's folder first, to a name of ours; then nothing of the task's is handed to a command.
 */
static int take(const struct taking *t, const struct tree_file *f)
{
	struct pointer p;
	const char *name;
	char *file = xasprintf("%s/%lld", t->aside, (long long)t->taken->files);
	int folder = tree_folder(t->list->fd, f->path, &name, t->e), rc = folder < 0 ? -1 : 0;
	if (!rc && renameat(folder, name, AT_FDCWD, file))
		rc = err_set(t->e, ERR_OUTPUT, "cannot move '%s': %s", f->path, strerror(errno));
	if (!rc && fchmodat(AT_FDCWD, file, 0400, AT_SYMLINK_NOFOLLOW))
		rc = err_set(t->e, ERR_OUTPUT, "cannot shut '%s': %s", file, strerror(errno));
	rc = rc ? rc : depot_look(file, &p, t->e);
	if (!rc && t->command &&
	    (rc = depot_put(t->command, &p, file, seconds_of(getenv("DGRID_STORE_SECONDS"), 0, PATIENCE_S) * 1000,
			    t->e)))
		err_wrap(t->e, "'%.100s'", f->path);
	rc = rc ? rc : write_pointer(t, folder, name, f, &p);
	if (!rc) {
		t->taken->files++;
		t->taken->bytes += p.size;
		unlink(file);
	}
	if (folder >= 0)
		close(folder);
	free(file);
	return rc;
}

int depot_take(const char *command, const char *dir, const char *aside, const struct tree_limits *limits, int64_t over,
	       struct depot_taken *taken, struct err *e)
{
	struct tree_list list = {.fd = -1};
	struct taking t = {.command = command, .aside = aside, .list = &list, .taken = taken, .e = e};
	bool any = false;
	int rc = tree_list(dir, limits, &list, e);
	*taken = (struct depot_taken){0};
	if (!rc && list.over)
		rc = err_set(e, ERR_OUTPUT, "'%s' is more than it was", dir);
	for (size_t i = 0; i < list.n && !rc; i++)
		any = any || list.v[i].size > over;
	if (!rc && any && mkdir(aside, 0700) && errno != EEXIST)
		rc = err_set(e, ERR_OUTPUT, "cannot make the folder '%s': %s", aside, strerror(errno));
	for (size_t i = 0; i < list.n && !rc && any; i++) {
		int is = list.v[i].size > over ? 1 : looks_like_one(&t, &list.v[i]);
		rc = is < 0 ? -1 : is ? take(&t, &list.v[i]) : 0;
	}
	tree_list_clear(&list);
	return rc;
}

/* ---- in a process of its own ---- */

void depot_argv(const char *dir, const char *aside, const struct tree_limits *limits, int64_t over, bool keep,
		struct strs *argv)
{
	strs_add(argv, proc_again());
	strs_add(argv, WORD);
	strs_add(argv, dir);
	strs_add(argv, aside);
	strs_addf(argv, "%lld", (long long)limits->entries);
	strs_addf(argv, "%lld", (long long)limits->bytes);
	strs_addf(argv, "%lld", (long long)over);
	strs_add(argv, keep ? "put" : "look");
}

bool depot_asked(int argc, char **argv)
{
	return argc == 8 && !strcmp(argv[1], WORD);
}

int depot_main(char **argv, struct err *e)
{
	const struct tree_limits limits = {.entries = strtoll(argv[4], NULL, 10), .bytes = strtoll(argv[5], NULL, 10)};
	bool keep = !strcmp(argv[7], "put");
	const char *command = keep ? getenv(DEPOT_VARIABLE) : NULL;
	struct depot_taken taken;
	int rc = keep && (!command || !*command)
		     ? err_set(e, ERR_USAGE, "no store is named")
		     : depot_take(command, argv[2], argv[3], &limits, strtoll(argv[6], NULL, 10), &taken, e);
	if (!rc)
		printf("%lld %lld\n", (long long)taken.files, (long long)taken.bytes);
	for (char *p = rc ? e->msg : (char *)""; *p; p++)
		*p = *p == '\n' ? ' ' : *p; /* a stranger's name: the reason stays one line */
	return rc;
}

/* ---- what a task is given ---- */

int depot_fill(const char *command, const struct checkout *l, const struct pointers *p, const char *dir,
	       const char *aside, struct err *e)
{
	int rc = 0;
	for (size_t i = 0; i < p->n && !rc; i++) {
		const struct checkout_file *f = &l->v[p->v[i].at];
		char *path = xasprintf("%s/%s", dir, f->path);
		rc = depot_get(command, &p->v[i].is, aside, e);
		/* checkout.c wrote a file there, step by step, so no link is in the way. */
		if (!rc && (chmod(aside, f->executable ? 0755 : 0644) || rename(aside, path)))
			rc = err_set(e, ERR_OUTPUT, "cannot write '%s': %s", path, strerror(errno));
		if (rc) {
			unlink(aside);
			err_wrap(e, "'%.100s'", f->path);
		}
		free(path);
	}
	return rc;
}
