#include "schema/keys.h"
#include "base/base64.h"
#include "base/file.h"
#include "base/sha256.h"
#include "schema/order.h"
#include "schema/task_edit.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ssh-dss is not among them: nobody should sign with 1024 bits any more. */
static const char *const types[] = {"ssh-ed25519",
				    "ecdsa-sha2-nistp256",
				    "ecdsa-sha2-nistp384",
				    "ecdsa-sha2-nistp521",
				    "ssh-rsa",
				    "sk-ssh-ed25519@openssh.com",
				    "sk-ecdsa-sha2-nistp256@openssh.com"};

static void fingerprint(const uint8_t *blob, size_t len, char out[64])
{
	uint8_t hash[32];
	struct buf text = {0};
	sha256(blob, len, hash);
	base64_add(&text, hash, sizeof hash);
	snprintf(out, 64, "SHA256:%.43s", text.data); /* ssh leaves the = out */
	buf_clear(&text);
}

/* NULL when text is a key of this type; else what is wrong. */
static const char *check(const char *type, const char *text, size_t len, char print[64])
{
	uint8_t blob[4096];
	size_t type_len = strlen(type);
	long n = len <= 4096 ? base64_decode(text, len, false, blob) : -1;
	if (n < 0)
		return "the key's body is not base64 (was it cut?)";
	if ((size_t)n < type_len + 4 + 32 || blob[0] || blob[1] || blob[2] || blob[3] != type_len ||
	    memcmp(blob + 4, type, type_len) != 0)
		return "the key's body is not of the type that is named before it";
	if (!strcmp(type, "ssh-ed25519") && n != 51)
		return "the key's body has the wrong length (was it cut?)";
	fingerprint(blob, (size_t)n, print);
	return NULL;
}

static const char *type_of(const char *line, size_t len)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (strlen(types[i]) == len && !strncmp(types[i], line, len))
			return types[i];
	return NULL;
}

/* One line without its end. */
static void parse_line(struct keys *k, const char *line, size_t len, unsigned at, struct problems *p)
{
	while (len && strchr(" \t\r", line[len - 1]))
		len--;
	if (!len || line[0] == '#')
		return;
	size_t first = 0, second = 0;
	while (first < len && line[first] != ' ')
		first++;
	const char *type = type_of(line, first), *body = line + first + 1, *wrong = NULL;
	while (first + 1 + second < len && body[second] != ' ')
		second++;
	struct key one = {0};
	if (len > 10 && memmem(line, len, "PRIVATE KEY", 11))
		wrong = "this is a private key, which nobody else may ever see; the file beside it that ends in .pub "
			"is meant";
	else if (!type)
		wrong = "expected a public key as OpenSSH writes it: ssh-ed25519 AAAA... comment";
	else if (k->n == KEYS_MAX)
		wrong = "more keys than one node may have (16)";
	else
		wrong = check(type, body, first < len ? second : 0, one.print);
	for (size_t i = 0; i < len && !wrong; i++)
		if ((unsigned char)line[i] < 32 || line[i] == 127)
			wrong = "a control character";
	if (wrong) {
		if (p)
			problem_at(p, at, type ? (unsigned)first + 2 : 1, "%s", wrong);
		return;
	}
	size_t rest = first + 1 + second;
	one.text = xstrndup(line, rest);
	one.comment = xstrndup(line + rest + (rest < len), len - rest - (rest < len));
	k->v = xrealloc(k->v, (k->n + 1) * sizeof *k->v);
	k->v[k->n++] = one;
}

int keys_parse(struct keys *k, const char *text, size_t len, struct problems *p)
{
	struct problems mine = {.file = ""};
	p = p ? p : &mine;
	size_t before = p->n;
	unsigned at = 1;
	*k = (struct keys){0};
	for (size_t i = 0; i < len; at++) {
		const char *end = memchr(text + i, '\n', len - i);
		size_t n = end ? (size_t)(end - text) - i : len - i;
		parse_line(k, text + i, n, at, p);
		i += n + 1;
	}
	if (!k->n && p->n == before)
		problem_at(p, 1, 1, "no key (expected a public key as OpenSSH writes it: ssh-ed25519 AAAA... comment)");
	int rc = p->n == before ? 0 : -1;
	if (rc)
		keys_clear(k);
	problems_clear(&mine);
	return rc;
}

const struct key *keys_find(const struct keys *k, const char *text)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->v[i].text, text))
			return &k->v[i];
	return NULL;
}

void keys_clear(struct keys *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->v[i].text);
		free(k->v[i].comment);
	}
	free(k->v);
	*k = (struct keys){0};
}

/* ---- all that are enrolled ---- */

static bool name_valid(const char *name, size_t n)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
	return n >= 1 && n <= 64 && strspn(name, allowed) >= n;
}

bool keys_path(const char *path, char name[65], bool *person)
{
	*person = !strncmp(path, PEOPLE_FOLDER, strlen(PEOPLE_FOLDER));
	if (!*person && strncmp(path, KEYS_FOLDER, strlen(KEYS_FOLDER)) != 0)
		return false;
	path += strlen(*person ? PEOPLE_FOLDER : KEYS_FOLDER);
	size_t n = strlen(path);
	if (n <= 4 || strcmp(path + n - 4, ".pub") != 0 || !name_valid(path, n - 4))
		return false;
	snprintf(name, 65, "%.*s", (int)n - 4, path);
	return true;
}

/* "MODE TYPE OID\tPATH" */
static void take_entry(void *ctx, const char *entry)
{
	struct keyring *r = ctx;
	const char *path = strchr(entry, '\t');
	char name[65];
	bool person, named = path && keys_path(path + 1, name, &person);
	r->apart = r->apart || (path && !strncmp(path + 1, PEOPLE_FOLDER, strlen(PEOPLE_FOLDER)));
	if (!named || strncmp(entry, "100644 blob ", 12) != 0)
		return;
	r->v = xrealloc(r->v, (r->n + 1) * sizeof *r->v);
	struct keyring_entry *one = &r->v[r->n++];
	*one = (struct keyring_entry){.person = person};
	memcpy(one->name, name, sizeof name);
	size_t oid = (size_t)(path - entry) - 12;
	memcpy(one->oid, entry + 12, oid < sizeof one->oid ? oid : sizeof one->oid - 1);
}

static void take_keys(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct keyring_entry *one = &((struct keyring *)ctx)->v[i];
	one->valid = bytes && !keys_parse(&one->keys, bytes, len, NULL);
}

static int by_role(const void *a, const void *b)
{
	const struct keyring_entry *x = a, *y = b;
	return x->person != y->person ? x->person - y->person : strcmp(x->name, y->name);
}

int keyring_read(const struct git *g, const char *commit, struct keyring *out, struct err *e)
{
	const char *args[] = {"ls-tree", "-z", "--full-tree", commit, KEYS_FOLDER, PEOPLE_FOLDER, NULL};
	struct strs oids = {0};
	*out = (struct keyring){0};
	int rc = git_records(g, args, take_entry, out, e);
	if (out->n)
		qsort(out->v, out->n, sizeof *out->v, by_role);
	while (out->nodes < out->n && !out->v[out->nodes].person)
		out->nodes++;
	for (size_t i = 0; i < out->n; i++)
		strs_add(&oids, out->v[i].oid);
	if (!rc && out->n)
		rc = git_cat(g, "blob", oids.v, oids.n, KEYS_FILE_MAX, take_keys, out, e);
	strs_clear(&oids);
	if (rc)
		keyring_clear(out);
	return rc;
}

static int to_name(const void *name, const void *entry)
{
	return strcmp(name, ((const struct keyring_entry *)entry)->name);
}

const struct keyring_entry *keyring_of(const struct keyring *r, const char *name)
{
	const struct keyring_entry *node = r->nodes ? bsearch(name, r->v, r->nodes, sizeof *r->v, to_name) : NULL;
	return node || r->n == r->nodes ? node : bsearch(name, r->v + r->nodes, r->n - r->nodes, sizeof *r->v, to_name);
}

void keyring_clear(struct keyring *r)
{
	for (size_t i = 0; i < r->n; i++)
		keys_clear(&r->v[i].keys);
	free(r->v);
	*r = (struct keyring){0};
}

/* ---- may this key sign here? ---- */

static int enrolled_in(const char *dir, const char *folder, const char *who, const char *public_half, const char *print,
		       struct err *e)
{
	struct buf text = {0};
	struct keys all = {0};
	struct problems p = {0};
	struct err none = {0};
	char *name = xasprintf("%s%s.pub", folder, who), *path = xasprintf("%s/%s", dir, name);
	int rc = 0;
	p.file = name;
	if (file_read(path, KEYS_FILE_MAX, &text, &none) && none.class != ERR_NOENT)
		rc = err_set(e, none.class, "%s", none.msg);
	else if (none.class == ERR_NOENT)
		rc = err_set(e, ERR_PERM, "the key %s is not enrolled: the branch has no %s", print, name);
	else if (keys_parse(&all, text.data ? text.data : "", text.len, &p))
		rc = err_set(e, ERR_PERM, "the key %s is not enrolled: %.*s", print, (int)strcspn(p.text.data, "\n"),
			     p.text.data);
	else if (!keys_find(&all, public_half))
		rc = err_set(e, ERR_PERM, "the key %s is not enrolled: it is not among those of %s", print, name);
	free(name);
	free(path);
	buf_clear(&text);
	keys_clear(&all);
	problems_clear(&p);
	return rc;
}

int keys_enrolled(const char *dir, const char *who, const char *public_half, enum keys_role as, struct err *e)
{
	struct keys own = {0};
	struct err none;
	char *people = xasprintf("%s/" PEOPLE_FOLDER, dir);
	const char *print = keys_parse(&own, public_half, strlen(public_half), NULL) ? "?" : own.v[0].print;
	int apart = file_there(people, e), rc = apart < 0 ? -1 : 0;
	if (!rc && !name_valid(who, strlen(who)))
		rc = err_set(
		    e, ERR_PERM,
		    "this grid takes signed commits only, and '%.80s' is no name that a key can be enrolled for "
		    "(set GIT_USER_NAME to 1-64 of A-Z a-z 0-9 _ -)",
		    who);
	else if (!rc && apart && as != KEYS_NODE) {
		rc = enrolled_in(dir, PEOPLE_FOLDER, who, public_half, print, e);
		bool node = rc && !enrolled_in(dir, KEYS_FOLDER, who, public_half, print, &none);
		if (node && as == KEYS_PERSON)
			rc = err_set(e, ERR_PERM,
				     "the key %s is that of the node %s, and this takes a person's (" PEOPLE_FOLDER
				     "NAME.pub)",
				     print, who);
		else if (node)
			rc = 0;
	} else if (!rc)
		rc = enrolled_in(dir, KEYS_FOLDER, who, public_half, print, e);
	free(people);
	keys_clear(&own);
	return rc;
}

int keys_not_retired(const char *dir, const char *who, struct err *e)
{
	if (!task_id_valid(who))
		return 0;
	char *path = xasprintf("%s/" ORDER_RETIRED "%s.json", dir, who);
	int there = file_there(path, e);
	free(path);
	return there <= 0 ? there
			  : err_set(e, ERR_PERM,
				    "'%s' is a retired node of this grid (" ORDER_RETIRED "%s.json): take another name",
				    who, who);
}
