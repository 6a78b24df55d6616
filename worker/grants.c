#include "worker/grants.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox/engine.h"
#include "schema/consent.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONF_MAX 262144
#define TOLD_MAX 100

/* ---- networks ---- */

int grants_network(struct grants *g, const char *text, struct err *e)
{
	/* The engines' words for what is no network of its own. */
	static const char *const refused[] = {"host",	 "bridge", "default", "none",	    "podman",
					      "private", "pasta",  "nat",     "slirp4netns"};
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	const char *eq = strchr(text, '='), *theirs = eq ? eq + 1 : "";
	char *name = xstrndup(text, eq ? (size_t)(eq - text) : strlen(text));
	int rc = 0;
	if (!eq || !task_id_valid(name) || !*theirs)
		rc = err_set(e, ERR_USAGE,
			     "--network: expected NAME=NETWORK, a name of grid.json's network and one of "
			     "the engine's, found '%.100s'",
			     text);
	else if (strs_has(&g->networks, name))
		rc = err_set(e, ERR_USAGE, "--network: '%s' is there twice", name);
	for (size_t i = 0; i < sizeof refused / sizeof *refused && !rc; i++)
		if (!strcmp(theirs, refused[i]) ||
		    (!strncmp(theirs, refused[i], strlen(refused[i])) && theirs[strlen(refused[i])] == ':'))
			rc = err_set(e, ERR_USAGE,
				     "--network %s: '%.80s' is no network that was made for this (expected the name of "
				     "one, as docker network create --internal NAME makes it)",
				     name, theirs);
	if (!rc && (theirs[strspn(theirs, plain)] || *theirs == '-' || *theirs == '.'))
		rc = err_set(e, ERR_USAGE,
			     "--network %s: '%.80s' is not the name of a network that was made (expected A-Z a-z 0-9 _ "
			     ". -; modes such as container: are refused)",
			     name, theirs);
	if (!rc) {
		strs_add(&g->networks, name);
		strs_add(&g->theirs, theirs);
	}
	free(name);
	return rc;
}

const char *grants_engines_network(const struct grants *g, const char *name)
{
	for (size_t i = 0; i < g->networks.n; i++)
		if (!strcmp(g->networks.v[i], name))
			return g->theirs.v[i];
	return NULL;
}

/* ---- files that nobody else can change or read ---- */

/* Are all folders above it root's or ours, and no one else's to change? Then nobody can put another in its place. */
static int judge_folders(const char *path, struct err *e)
{
	char *at = xstrdup(path);
	struct stat st;
	int rc = 0;
	for (char *end = at + strlen(at); !rc && (end = strrchr(at, '/'));) {
		end[end == at] = 0;
		if (lstat(at, &st))
			rc = err_set(e, ERR_NOENT, "'%s': %s", at, strerror(errno));
		else if ((st.st_uid && st.st_uid != geteuid()) || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX)))
			rc = err_set(
			    e, ERR_PERM,
			    "'%s' is a folder that others may change (expected one of root or of this user, not "
			    "writable by group or others)",
			    at);
		if (end == at)
			break;
	}
	free(at);
	return rc;
}

/* Opens a file that only this user, and root, can read and change. What systemd hands over by LoadCredential may be
 * root's, and shows what its access list grants as the group's right to read. */
static int open_private(const char *path, struct err *e)
{
	struct stat st;
	char *real = realpath(path, NULL);
	int fd = -1;
	if (!real)
		err_set(e, errno == ENOENT ? ERR_NOENT : ERR_PERM, "'%s': %s", path, strerror(errno));
	else if (strcmp(real, path) != 0)
		err_set(e, ERR_PERM, "'%s' leads through a link (expected the file's own name, '%s')", path, real);
	else if (!judge_folders(path, e) && (fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) < 0)
		err_set(e, ERR_PERM, "'%s': %s", path, strerror(errno));
	free(real);
	if (fd < 0)
		return -1;
	int bad = fstat(fd, &st) || !S_ISREG(st.st_mode) ? err_set(e, ERR_PERM, "'%s' is no plain file", path)
		  : st.st_uid != geteuid() && st.st_uid
		      ? err_set(e, ERR_PERM, "'%s' is another user's (expected this user's own, or root's)", path)
		  : st.st_mode & (st.st_uid == geteuid() ? 077 : 037)
		      ? err_set(e, ERR_PERM,
				"'%s' has mode %04o, so others can read or change it (expected 0600 or stricter: chmod "
				"600)",
				path, (unsigned)st.st_mode & 07777)
		      : 0;
	if (bad)
		close(fd);
	return bad ? -1 : fd;
}

/* ---- the sections ---- */

struct reading {
	struct grants *g;
	struct grant *now; /* NULL: before the first section */
	int line;
	struct err *e;
};

static int wrong(struct reading *r, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int wrong(struct reading *r, int line, const char *fmt, ...)
{
	char text[600];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	return err_set(r->e, ERR_DATA, "%s:%d: %s", r->g->conf, line, text);
}

static char *trimmed(const char *from, const char *end)
{
	while (from < end && strchr(" \t\r", *from))
		from++;
	while (end > from && strchr(" \t\r", end[-1]))
		end--;
	return xstrndup(from, (size_t)(end - from));
}

/* NAME@sha256:HEX, sha256:HEX or host; out gets the digits. */
static bool take_image(const char *text, char out[65])
{
	static const char word[] = "sha256:";
	const char *at = strrchr(text, '@'), *digest = at ? at + 1 : text;
	if (!strcmp(text, "host")) {
		snprintf(out, 65, "host");
		return true;
	}
	if (strncmp(digest, word, strlen(word)) != 0 || (at && at == text))
		return false;
	digest += strlen(word);
	snprintf(out, 65, "%s", digest);
	return strlen(digest) == 64 && strspn(digest, "0123456789abcdef") == 64;
}

static int take_list(struct reading *r, const char *value, bool images)
{
	struct strs *to = images ? &r->now->images : &r->now->signers;
	int rc = 0;
	for (const char *p = value; !rc; p++) {
		size_t n = strcspn(p, ",");
		char *one = trimmed(p, p + n), image[65];
		if (images && !take_image(one, image))
			rc = wrong(r, r->line,
				   "images: '%.100s' names no image by its digest (expected NAME@sha256: and 64 "
				   "hexadecimal digits, or host for bubblewrap)",
				   one);
		else if (!*one || strpbrk(one, " \t"))
			rc = wrong(r, r->line,
				   "signers: '%.100s' is no name (expected principals of allowed_signers, or "
				   "fingerprints of keys, SHA256:..., with commas between them)",
				   one);
		else
			strs_add(to, images ? image : one);
		free(one);
		p += n;
		if (!*p)
			break;
	}
	return rc;
}

static int end_section(struct reading *r)
{
	const struct grant *s = r->now;
	const char *lacks = !s ? NULL : !s->file ? "file" : !s->signers.n ? "signers" : !s->images.n ? "images" : NULL;
	return lacks ? wrong(r, s->line, "[%s] has no %s (expected file, signers and images)", s->name, lacks) : 0;
}

static int begin_section(struct reading *r, const char *line)
{
	struct grants *g = r->g;
	size_t n = strlen(line);
	char *name = n > 2 && line[n - 1] == ']' ? trimmed(line + 1, line + n - 1) : xstrdup("");
	int rc = end_section(r);
	for (size_t i = 0; i < g->n && !rc; i++)
		if (!strcmp(g->secrets[i].name, name))
			rc = wrong(r, r->line, "[%s] is there twice, first in line %d", name, g->secrets[i].line);
	if (!rc && !task_id_valid(name))
		rc = wrong(r, r->line, "'%.100s' is no section (expected [NAME], 1-64 of A-Z a-z 0-9 _ -)", line);
	if (rc) {
		free(name);
		return -1;
	}
	g->secrets = xrealloc(g->secrets, (g->n + 1) * sizeof *g->secrets);
	r->now = &g->secrets[g->n++];
	*r->now = (struct grant){.name = name, .line = r->line};
	return 0;
}

static int take_setting(struct reading *r, const char *line)
{
	const char *eq = strchr(line, '=');
	if (!eq || !r->now)
		return wrong(r, r->line, "'%.100s' (expected %s)", line,
			     r->now ? "file, signers or images, and = and a value" : "a section first, [NAME]");
	char *key = trimmed(line, eq), *value = trimmed(eq + 1, eq + strlen(eq));
	bool file = !strcmp(key, "file"), signers = !strcmp(key, "signers"), images = !strcmp(key, "images");
	int rc = 0;
	if (!file && !signers && !images)
		rc = wrong(r, r->line, "'%.100s' is no setting of a secret (expected file, signers or images)", key);
	else if (file ? r->now->file != NULL : signers ? r->now->signers.n : r->now->images.n)
		rc = wrong(r, r->line, "%s is there twice in [%s]", key, r->now->name);
	else if (file && *value != '/')
		rc = wrong(r, r->line, "file: '%.100s' is not the whole path of a file (expected /...)", value);
	else if (file)
		r->now->file = xstrdup(value);
	else
		rc = take_list(r, value, images);
	free(key);
	free(value);
	return rc;
}

static int read_sections(struct grants *g, const char *text, size_t len, struct err *e)
{
	struct reading r = {.g = g, .e = e};
	int rc = strlen(text) < len ? wrong(&r, 1, "a NUL in the text") : 0;
	for (const char *p = text; *p && !rc;) {
		size_t n = strcspn(p, "\n");
		char *line = trimmed(p, p + n);
		r.line++;
		if (*line == '[')
			rc = begin_section(&r, line);
		else if (*line && *line != '#' && *line != ';')
			rc = take_setting(&r, line);
		free(line);
		p += n + (p[n] == '\n');
	}
	rc = rc ? rc : end_section(&r);
	return rc || g->n ? rc : wrong(&r, 1, "no secret (expected sections, [NAME])");
}

int grants_read(struct grants *g, const char *conf, struct err *e)
{
	struct buf text = {0};
	char *real = realpath(conf, NULL); /* a path from where we stand is fine */
	int fd = -1, rc = real ? 0 : err_set(e, ERR_NOENT, "'%s': %s", conf, strerror(errno));
	free(g->conf);
	g->conf = xstrdup(conf);
	if (!rc && (fd = open_private(*conf == '/' ? conf : real, e)) < 0)
		rc = -1;
	char bytes[4096];
	ssize_t n = 0;
	while (!rc && text.len <= CONF_MAX && (n = read(fd, bytes, sizeof bytes)) > 0)
		buf_add(&text, bytes, (size_t)n);
	if (!rc && (n < 0 || text.len > CONF_MAX))
		rc = err_set(e, ERR_DATA, "'%s' %s", conf, n < 0 ? strerror(errno) : "is too large");
	if (fd >= 0)
		close(fd);
	free(real);
	rc = rc ? err_wrap(e, "--secrets") : read_sections(g, text.data ? text.data : "", text.len, e);
	buf_clear(&text);
	return rc;
}

/* ---- at the start, and for the node's file ---- */

int grants_check(struct grants *g, const struct engine *engine, const char *record, struct err *e)
{
	int rc = secretdir_sweep(record, e);
	g->engine = engine;
	if (!rc && (g->networks.n || g->n))
		rc = trust_available(e);
	for (size_t i = 0; i < g->networks.n && !rc; i++)
		if ((rc = engine_network(engine, g->theirs.v[i], e)))
			err_wrap(e, "--network %s", g->networks.v[i]);
	for (size_t i = 0; i < g->n && !rc; i++) {
		int fd = open_private(g->secrets[i].file, e);
		rc = fd < 0 ? err_wrap(e, "%s:%d: [%s] file", g->conf, g->secrets[i].line, g->secrets[i].name) : 0;
		if (fd >= 0)
			close(fd);
	}
	return rc || !g->n ? rc : secretdir_open(&g->dir, engine, record, e);
}

void grants_clear(struct grants *g)
{
	secretdir_close(&g->dir);
	for (size_t i = 0; i < g->n; i++) {
		free(g->secrets[i].name);
		free(g->secrets[i].file);
		strs_clear(&g->secrets[i].signers);
		strs_clear(&g->secrets[i].images);
	}
	free(g->secrets);
	free(g->conf);
	strs_clear(&g->networks);
	strs_clear(&g->theirs);
	strs_clear(&g->told);
	*g = (struct grants){0};
}

struct json *grants_networks(const struct grants *g)
{
	struct json *all = g->networks.n ? json_new(JSON_ARRAY) : NULL;
	for (size_t i = 0; i < g->networks.n; i++)
		json_append(all, json_new_str(g->networks.v[i]));
	return all;
}

static struct json *names_of_secrets(const struct grants *g)
{
	struct json *all = g->n && g->dir.root && !g->unseen ? json_new(JSON_ARRAY) : NULL;
	for (size_t i = 0; i < g->n && all; i++)
		json_append(all, json_new_str(g->secrets[i].name));
	return all;
}

struct json *grants_secrets(const struct grants *g)
{
	return g->hidden ? NULL : names_of_secrets(g);
}

/* ---- for a task ---- */

bool grants_offer(const struct grants *g, const struct json *task)
{
	char what[100];
	if (!consent_asked(task))
		return true;
	struct json *networks = grants_networks(g), *secrets = names_of_secrets(g);
	bool all = consent_offered(networks, secrets, task, what);
	json_free(networks);
	json_free(secrets);
	return all;
}

static const struct grant *grant_of(const struct grants *g, const struct json *name)
{
	for (size_t i = 0; i < g->n; i++)
		if (name->type == JSON_STRING && !strcmp(g->secrets[i].name, name->text))
			return &g->secrets[i];
	return NULL;
}

static const struct json *first_secret(const struct json *task)
{
	const struct json *all = json_get(task, "secrets");
	return all ? all->child : NULL;
}

void grants_tell(struct grants *g, const char *id, const char *why)
{
	char *text = xasprintf("%s is left to other nodes: %s", id, why);
	if (!strs_has(&g->told, text)) {
		if (g->told.n >= TOLD_MAX)
			strs_clear(&g->told);
		strs_add(&g->told, text);
		log_at(LOG_WARN, "worker", "%s", text);
	}
	free(text);
}

static int readable(const struct grants *g, const struct json *task, struct err *e)
{
	for (const struct json *name = first_secret(task); name; name = name->next) {
		const struct grant *s = grant_of(g, name);
		int fd = s ? open_private(s->file, e) : err_set(e, ERR_NOENT, "no such secret");
		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

bool grants_ready(struct grants *g, const struct task *t, char digest[96], char ref[320])
{
	struct err e = {0};
	char why[200];
	const char *network = t->network ? grants_engines_network(g, t->network) : NULL;
	int rc = t->network && !network ? err_set(&e, ERR_NOENT, "no network %.64s", t->network) : 0;
	bool secrets = first_secret(t->doc) != NULL;
	digest[0] = ref[0] = 0;
	if (!rc && network)
		rc = engine_network(g->engine, network, &e);
	if (!rc && secrets)
		rc = readable(g, t->doc, &e) || engine_image(g->engine, t->image, digest, &e) ? -1 : 0;
	if (!rc && !grants_image(g, t->doc, digest, why))
		rc = err_set(&e, ERR_PERM, "%s", why);
	if (!rc && secrets && engine_images(g->engine->kind))
		rc = engine_image_exact(g->engine, t->image, digest, ref, &e);
	if (rc)
		grants_tell(g, t->id, e.msg);
	return !rc;
}

/* A fingerprint is a key's: a name that looks like one is not. */
static bool is_listed(const struct strs *signers, const struct trust_signer_of *by)
{
	for (size_t i = 0; i < signers->n; i++) {
		bool key = !strncmp(signers->v[i], "SHA256:", 7);
		if (!strcmp(signers->v[i], key ? by->key : by->who))
			return true;
	}
	return false;
}

bool grants_signer(const struct grants *g, const struct json *task, const struct trust_verdict *v, char why[200])
{
	for (const struct json *name = first_secret(task); name; name = name->next) {
		const struct grant *s = grant_of(g, name);
		bool found = false;
		for (size_t i = 0; i < v->n && s && !found; i++)
			found = is_listed(&s->signers, &v->all[i]);
		if (!found) {
			snprintf(why, 200, "no secret %.64s for its signer %.100s", s ? s->name : "?", v->signer);
			return false;
		}
	}
	return true;
}

bool grants_image(const struct grants *g, const struct json *task, const char *digest, char why[200])
{
	const char *hex = strncmp(digest, "sha256:", 7) ? digest : digest + 7;
	bool host = !*hex && !engine_images(g->engine->kind);
	const char *is = host ? "host" : hex;
	for (const struct json *name = first_secret(task); name; name = name->next) {
		const struct grant *s = grant_of(g, name);
		if (!s || !*is || !strs_has(&s->images, is)) {
			snprintf(why, 200, "no secret %.64s in its image, %s%.64s", s ? s->name : "?",
				 host ? "" : "sha256:", is);
			return false;
		}
	}
	return true;
}

char *grants_begin(const struct grants *g, const struct json *task, const char *nonce, struct err *e)
{
	char *folder = secretdir_begin(&g->dir, nonce, e);
	int rc = folder ? 0 : -1;
	for (const struct json *name = first_secret(task); name && !rc; name = name->next) {
		const struct grant *s = grant_of(g, name);
		int fd = s ? open_private(s->file, e) : err_set(e, ERR_NOENT, "no such secret");
		rc = fd < 0 ? -1 : secretdir_put(&g->dir, folder, s->name, fd, e);
		if (fd >= 0)
			close(fd);
		if (rc && s)
			err_wrap(e, "[%s]", s->name);
	}
	if (folder && rc) {
		secretdir_end(&g->dir, nonce);
		free(folder);
		folder = NULL;
	}
	return folder;
}

void grants_end(const struct grants *g, const char *nonce)
{
	if (g->dir.root)
		secretdir_end(&g->dir, nonce);
}
