#include "audit/hookfiles.h"
#include "audit/hook.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/sha256.h"
#include "base/text.h"
#include "store/archive.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define JUDGED "dgrid-judged"
#define KEPT_SECONDS 3600
#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what was judged ---- */

/* Is the ref OID in packed-refs, which nobody writes now? Then git takes away a file that says the same, and the ref
 * stays. Where it takes away the ref, it holds packed-refs locked. */
static bool is_packed(const char *oid, const char *ref)
{
	FILE *f = file_exists("packed-refs.lock") ? NULL : fopen("packed-refs", "r");
	char line[1024], *wanted = xasprintf("%s %s\n", oid, ref);
	bool found = false;
	while (f && !found && fgets(line, sizeof line, f))
		found = !strcmp(line, wanted);
	if (f)
		fclose(f);
	free(wanted);
	return found;
}

/* Of the lines "OLD NEW REF" those of the ledger and of the archive, in that order; "" when there is none. The
 * caller's. To reference-transaction an OLD of zeros may mean "whatever it is": then what it is stands there. */
static char *change_of(const struct git *g, const char *branch, const char *lines, bool any)
{
	char *refs[] = {xasprintf("refs/heads/%s", branch), xstrdup("refs/heads/" ARCHIVE_BRANCH)};
	struct buf b = {0};
	for (size_t i = 0; i < 2; i++) {
		char old[72], new[72], here[72], ref[800];
		for (const char *line = lines; *line; line += strcspn(line, "\n"), line += *line == '\n') {
			if (sscanf(line, "%71[0-9a-f] %71[0-9a-f] %799s", old, new, ref) != 3 ||
			    strcmp(ref, refs[i]) != 0)
				continue;
			if (any && !new[strspn(new, "0")] && is_packed(old, ref))
				continue;
			if (any && !old[strspn(old, "0")] && git_resolve(g, ref, here) && here[0])
				memcpy(old, here, sizeof old);
			buf_addf(&b, "%s %s %s\n", old, new, ref);
		}
		free(refs[i]);
	}
	buf_adds(&b, "");
	return buf_detach(&b);
}

static char *note_of(const char *change)
{
	uint8_t hash[32];
	char hex[SHA256_HEX];
	sha256(change, strlen(change), hash);
	sha256_hex(hash, hex);
	return xasprintf(JUDGED "/%s", hex);
}

static void drop_old(void *ctx, const char *name)
{
	struct stat st;
	char *path = xasprintf(JUDGED "/%s", name);
	(void)ctx;
	if (name[0] != '.' && !stat(path, &st) && clock_now() - (int64_t)st.st_mtime > KEPT_SECONDS)
		unlink(path);
	free(path);
}

void hook_note(const struct git *g, const char *branch, const char *lines)
{
	char *change = change_of(g, branch, lines, false), *note = note_of(change);
	struct err none;
	/* Without a note the change is judged again, no more. */
	if (*change && !file_mkdirs(JUDGED, &none)) {
		file_names(JUDGED, drop_old, NULL, &none);
		file_write_in_place(note, "", 0, &none);
	}
	free(change);
	free(note);
}

int hook_take(const struct git *g, const char *branch, const char *lines, struct strs *refusals, struct err *e)
{
	char *change = change_of(g, branch, lines, true), *note = note_of(change);
	int rc = *change && unlink(note) ? hook_judge(g, branch, change, refusals, e) : 0;
	free(change);
	free(note);
	return rc;
}

/* ---- installing ---- */

static const struct hook_file {
	const char *name, *mark;
	const char *body; /* of the script, where $dgrid is the program and $branch the ledger's */
} files[] = {{"pre-receive", "# dgrid pre-receive", "exec \"$dgrid\" --repo . --branch \"$branch\" hook pre-receive\n"},
	     {"reference-transaction", "# dgrid reference-transaction",
	      "[ \"$1\" = prepared ] || exit 0\n"
	      "refs=\n"
	      "while IFS= read -r line; do\n" /* git asks once for each ref: no process more for those of others */
	      "\tcase $line in\n"
	      "\t*\" refs/heads/$branch\" | *' refs/heads/" ARCHIVE_BRANCH "') refs=$refs$line'\n' ;;\n"
	      "\tesac\n"
	      "done\n"
	      "[ \"$refs\" ] || exit 0\n"
	      "printf %s \"$refs\" | \"$dgrid\" --repo . --branch \"$branch\" hook reference-transaction\n"}};

static char *hook_text(const struct hook_file *f, const char *branch)
{
	struct buf program = {0}, name = {0};
	text_quote(&program, proc_self());
	text_quote(&name, branch);
	char *text =
	    xasprintf("#!/bin/sh\n%s: what changes the ledger is held against its rules (see docs/AUDIT.md).\n"
		      "# Made by `dgrid init --hook`, which makes it anew when the program has moved.\n"
		      "dgrid=%s\n"
		      "branch=%s\n"
		      "if [ ! -x \"$dgrid\" ]; then\n"
		      "\techo \"dgrid: nothing is taken: $dgrid is gone, so pushes cannot be judged\" >&2\n"
		      "\techo \"dgrid: install it there, or run this in the repository: dgrid init --hook\" >&2\n"
		      "\texit 1\n"
		      "fi\n"
		      "%s",
		      f->mark, program.data, name.data, f->body);
	buf_clear(&program);
	buf_clear(&name);
	return text;
}

static int install(const char *folder, const struct hook_file *f, const char *branch, struct err *e)
{
	char *path = xasprintf("%s/%s", folder, f->name), *text = hook_text(f, branch);
	struct buf there = {0};
	struct err none;
	int rc = 0;
	if (file_exists(path) &&
	    (file_read(path, 1 << 16, &there, &none) || !there.len || !strstr(there.data, f->mark)))
		rc = err_set(e, ERR_DATA,
			     "'%s' is there already and is not dgrid's: it stays. Let it call `%s --branch %s hook %s` "
			     "with its own stdin, or take it away and run this again",
			     path, proc_self(), branch, f->name);
	if (!rc)
		rc = file_write(path, text, strlen(text), e);
	if (!rc && chmod(path, 0755))
		rc = err_set(e, ERR_UNAVAILABLE, "'%s' cannot be made executable", path);
	free(path);
	free(text);
	buf_clear(&there);
	return rc;
}

int hook_install(const char *dir, const char *branch, struct err *e)
{
	static const char *const settings[][2] = {{"receive.fsckObjects", "true"},
						  {"transfer.fsckObjects", "true"},
						  {"receive.denyNonFastForwards", "true"},
						  {"receive.denyDeletes", "true"}};
	struct git g = {.dir = (char *)dir, .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char *folder = xasprintf("%s/hooks", dir);
	int rc = file_mkdirs(folder, e);
	for (size_t i = 0; i < sizeof files / sizeof *files && !rc; i++)
		rc = install(folder, &files[i], branch, e);
	for (size_t i = 0; i < sizeof settings / sizeof *settings && !rc; i++)
		rc = GIT(&g, NULL, e, "config", settings[i][0], settings[i][1]);
	free(folder);
	return rc;
}
