#include "schema/keys.h"
#include "store/orders.h"
#include "store/registry.h"
#include "verbs/land.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIT(l, e, ...) git_run(&(l)->git, NULL, e, (const char *const[]){__VA_ARGS__, NULL})

struct enrolment {
	const char *name;
	bool person;
	struct keys key;   /* to add: one; to revoke: none */
	const char *print; /* to revoke: the key with this fingerprint; NULL: all of the node's */
	bool revoke, json;
	size_t moves;	/* out: keys to move from KEYS_FOLDER, of a grid that did not tell people from nodes */
	bool first;	/* out: nothing tells them apart yet */
	bool changed;	/* out */
	size_t left;	/* out: keys the name has now */
	char path[200]; /* out: of the file */
};

static int read_key(const char *given, struct keys *k, struct err *e)
{
	struct buf b = {0};
	struct problems p = {.file = given};
	int rc = 0;
	if (!strcmp(given, "-"))
		p.file = "stdin";
	if (strchr(given, ' ')) { /* the key itself: no file is called so by chance */
		p.file = "KEY";
		buf_adds(&b, given);
	} else
		rc = file_read_named(given, KEYS_FILE_MAX, &b, e);
	if (!rc && keys_parse(k, b.data ? b.data : "", b.len, &p))
		rc = err_set(e, ERR_DATA, "%.*s", (int)strcspn(p.text.data, "\n"), p.text.data);
	else if (!rc && k->n != 1)
		rc = err_set(e, ERR_DATA, "%s: %zu keys (expected one; add them one by one)", p.file, k->n);
	buf_clear(&b);
	problems_clear(&p);
	return rc;
}

/* The file of a name that is there; that of a new one. */
static void find_file(struct ledger *l, struct enrolment *x)
{
	snprintf(x->path, sizeof x->path, PEOPLE_FOLDER "%s.pub", x->name);
	char *full = xasprintf("%s/%s", l->git.dir, x->path);
	if (!(x->revoke ? file_exists(full) : x->person))
		snprintf(x->path, sizeof x->path, KEYS_FOLDER "%s.pub", x->name);
	free(full);
}

static int check_person(struct ledger *l, const struct enrolment *x, const struct keyring *all, struct err *e)
{
	struct err none;
	struct json *node = registry_node(l, x->name, &none);
	const struct keyring_entry *own = keyring_of(all, x->name);
	int rc = 0;
	if (node || (all->apart && own && !own->person))
		rc = err_set(e, ERR_DATA, "'%s' is a node of this grid (expected another name for a person)", x->name);
	else if (own && !own->person && x->key.n)
		rc = err_set(e, ERR_DATA,
			     "'%s' has keys in " KEYS_FOLDER " (first, without a key: dgrid enroll --person %s)",
			     x->name, x->name);
	else if (own && !own->valid && !x->key.n)
		rc = err_set(
		    e, ERR_DATA,
		    "not all of " KEYS_FOLDER
		    "%s.pub are keys (expected one: dgrid enroll --person %s KEY.pub, after dgrid enroll --revoke %s)",
		    x->name, x->name, x->name);
	else if (!own && !x->key.n)
		rc = err_set(e, ERR_NOENT, "'%s' has no key yet (expected one: dgrid enroll --person %s KEY.pub)",
			     x->name, x->name);
	json_free(node);
	return rc;
}

/* Whoever has a key, no node file, and may be a person, where the grid does not say so. */
static int check_node(struct ledger *l, const struct enrolment *x, const struct keyring *all, struct err *e)
{
	const struct keyring_entry *own = keyring_of(all, x->name);
	struct buf names = {0};
	struct err none;
	int rc = 0;
	for (size_t i = 0; i < all->n && !all->apart; i++) {
		struct json *node = registry_node(l, all->v[i].name, &none);
		if (!node && all->v[i].valid && strcmp(all->v[i].name, x->name) != 0)
			buf_addf(&names, "%s%s", names.len ? ", " : "", all->v[i].name);
		json_free(node);
	}
	if (own && own->person)
		rc = err_set(e, ERR_DATA, "'%s' is a person (expected another name for a node)", x->name);
	else if (names.len)
		rc = err_set(e, ERR_DATA,
			     "this grid does not say which of its keys are people's (%.300s have no node file): first, "
			     "for each person: dgrid enroll --person NAME",
			     names.data);
	buf_clear(&names);
	return rc;
}

/* What was a node's is nobody's. */
static int check_retired(struct ledger *l, const struct enrolment *x, struct err *e)
{
	struct json *retired;
	char *had = NULL;
	int rc = orders_of_node(l, ORDER_RETIRED, x->name, &retired, e) ||
			 (x->key.n && orders_key_of(l, x->key.v[0].text, &had, e))
		     ? -1
		     : 0;
	if (!rc && retired)
		rc = err_set(e, ERR_DATA, "'%s' is a retired node (expected another name)", x->name);
	else if (!rc && had)
		rc = err_set(e, ERR_DATA, "the key %s was that of the retired node '%s' (expected a new one)",
			     x->key.v[0].print, had);
	json_free(retired);
	free(had);
	return rc;
}

/* One key, one name: a node that had several could answer for several. */
static int check_names(struct ledger *l, struct enrolment *x, struct err *e)
{
	struct keyring all;
	if (keyring_read(&l->git, l->head, &all, e))
		return -1;
	int rc = 0;
	for (size_t i = 0; i < all.n && !rc && x->key.n; i++)
		if (strcmp(all.v[i].name, x->name) != 0 && keys_find(&all.v[i].keys, x->key.v[0].text))
			rc = err_set(e, ERR_DATA, "the key %s is enrolled as '%s' already (expected a key of its own)",
				     x->key.v[0].print, all.v[i].name);
	if (!rc && !x->revoke)
		rc = check_retired(l, x, e) || (x->person ? check_person : check_node)(l, x, &all, e) ? -1 : 0;
	const struct keyring_entry *own = keyring_of(&all, x->name);
	x->moves = !rc && x->person && !x->key.n && !own->person ? own->keys.n : 0;
	x->first = !rc && !x->revoke && !x->person && !all.apart;
	keyring_clear(&all);
	return rc;
}

/* The node's file as it should be. Comments of the file are kept. */
static int edit(const struct enrolment *x, const char *path, const struct buf *old, const struct keys *now,
		struct buf *text, size_t *left, struct err *e)
{
	size_t found = 0;
	const char *p = old->data ? old->data : "";
	for (size_t len; *p; p += len + (p[len] == '\n')) {
		struct keys one;
		len = strcspn(p, "\n");
		bool is_key = !keys_parse(&one, p, len, NULL);
		bool gone = is_key && x->revoke && (!x->print || !strcmp(one.v[0].print, x->print));
		keys_clear(&one);
		found += gone;
		if (!gone) {
			buf_add(text, p, len);
			buf_adds(text, "\n");
		}
	}
	*left = now->n > found ? now->n - found : 0;
	if (x->revoke) {
		if (x->print && !found)
			return err_set(e, ERR_NOENT, "%s has no key %s (dgrid nodes --json lists them)", path,
				       x->print);
		return 0;
	}
	const struct key *key = &x->key.v[0];
	if (now->n == KEYS_MAX)
		return err_set(e, ERR_DATA, "%s holds %d keys, no more are allowed (revoke old ones first)", path,
			       KEYS_MAX);
	buf_addf(text, "%s%s%s\n", key->text, key->comment[0] ? " " : "", key->comment);
	*left = now->n + 1;
	return 0;
}

static int read_file(struct enrolment *x, struct problems *p, const char *full, struct buf *old, struct keys *now,
		     bool *there, struct err *e)
{
	struct err none;
	*there = !file_read(full, KEYS_FILE_MAX, old, &none);
	if (!*there && none.class != ERR_NOENT)
		return err_set(e, ERR_DATA, "%s", none.msg);
	if (*there && keys_parse(now, old->data ? old->data : "", old->len, p) && (!x->revoke || x->print))
		return err_set(e, ERR_DATA,
			       "the file on the branch is not valid: %.*s (dgrid enroll --revoke %s removes it)",
			       (int)strcspn(p->text.data, "\n"), p->text.data, x->name);
	x->left = now->n;
	return 0;
}

/* Its folder tells people from nodes, whether anybody stands in it or not. */
static int keep_people(struct ledger *l, const struct enrolment *x, struct err *e)
{
	char *folder = xasprintf("%s/" PEOPLE_FOLDER, l->git.dir), *keep = xasprintf("%s.gitkeep", folder);
	int rc = 0;
	if (x->first || !strncmp(x->path, PEOPLE_FOLDER, strlen(PEOPLE_FOLDER)))
		rc = file_mkdirs(folder, e) || file_write_in_place(keep, "", 0, e) ||
			     GIT(l, e, "add", "--force", "--", PEOPLE_FOLDER ".gitkeep")
			 ? -1
			 : 0;
	free(folder);
	free(keep);
	return rc;
}

static int commit(struct ledger *l, const struct enrolment *x, const char *path, const char *full,
		  const struct buf *text, struct err *e)
{
	char *folder = xasprintf("%s/%s", l->git.dir, x->person ? PEOPLE_FOLDER : KEYS_FOLDER);
	char *message = xasprintf("%s: %s %s\n\n%s\n", l->git.name, x->revoke ? "revoke" : "enroll", x->name,
				  x->moves    ? "as a person"
				  : x->revoke ? (x->print ? x->print : "all its keys")
					      : x->key.v[0].print);
	int rc;
	/* Where a repository judges pushes, who enrols has to be enrolled; asked before anything is changed here, for
	 * who revokes a key of his own signs with it for the last time. */
	land_sign_if_enrolled(l);
	if (x->revoke && !x->left)
		rc = GIT(l, e, "rm", "--quiet", "--force", "--", path);
	else if (x->moves) {
		char *old = xasprintf(KEYS_FOLDER "%s.pub", x->name);
		rc = file_mkdirs(folder, e) || GIT(l, e, "mv", "--", old, path) ? -1 : 0;
		free(old);
	} else if (!(rc = file_mkdirs(folder, e)) && !(rc = file_write_in_place(full, text->data, text->len, e)))
		rc = GIT(l, e, "add", "--force", "--", path);
	if (!rc && (x->first || x->revoke))
		rc = keep_people(l, x, e);
	if (!rc)
		rc = GIT(l, e, "commit", "--quiet", "--no-verify", "-m", message);
	free(folder);
	free(message);
	return rc;
}

/* 1: a commit is made, 0: nothing to change, -1: error. */
static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct enrolment *x = ctx;
	find_file(l, x);
	const char *path = x->path;
	char *full = xasprintf("%s/%s", l->git.dir, path);
	struct buf old = {0}, text = {0};
	struct keys now = {0};
	struct problems p = {.file = path};
	bool there = false;
	int rc = check_names(l, x, e) ? -1 : read_file(x, &p, full, &old, &now, &there, e);
	if (!rc && x->moves) {
		x->left = x->moves;
		rc = commit(l, x, path, full, &text, e) ? -1 : 1;
	} else if (!rc &&
		   !(x->revoke ? !there : !x->key.n || keys_find(&now, x->key.v[0].text))) /* else as it should be */
		rc = edit(x, path, &old, &now, &text, &x->left, e) || commit(l, x, path, full, &text, e) ? -1 : 1;
	free(full);
	buf_clear(&old);
	buf_clear(&text);
	keys_clear(&now);
	problems_clear(&p);
	return rc;
}

static void tell(const struct enrolment *x)
{
	const char *print = x->revoke ? x->print : x->key.n ? x->key.v[0].print : NULL;
	if (x->json) {
		struct json *j = json_new(JSON_OBJECT);
		json_set(j, "schema", json_new_int(1));
		json_set(j, "node", json_new_str(x->name));
		json_set(j, "file", json_new_str(x->path));
		json_set(j, "action", json_new_str(x->revoke ? "revoke" : "enroll"));
		json_set(j, "key", print ? json_new_str(print) : json_new(JSON_NULL));
		json_set(j, "changed", json_new_bool(x->changed));
		json_set(j, "keys", json_new_int((int64_t)x->left));
		put_json(j);
		json_free(j);
	} else if (x->revoke)
		printf("%s: %s %s (%zu left in %s)\n", x->name, print ? print : "all keys",
		       x->changed ? "revoked" : "was not enrolled", x->left, x->path);
	else
		printf("%s: %s %s (%s, %zu key%s)\n", x->name, print ? print : "its keys",
		       !x->changed ? "was enrolled already"
		       : x->moves  ? "enrolled as a person's"
				   : "enrolled",
		       x->path, x->left, x->left == 1 ? "" : "s");
}

static int read_operands(struct enrolment *x, int n, char **v, struct err *e)
{
	if (n < 1 || (n < 2 && !x->revoke && !x->person))
		return err_set(e, ERR_USAGE, "enroll needs a node's id and its public key (see: dgrid enroll --help)");
	if (x->person && x->revoke)
		return err_set(e, ERR_USAGE, "--person is not for --revoke, which finds the name's keys itself");
	if (!task_id_valid(v[0]))
		return err_set(e, ERR_USAGE, "NODE: expected 1-64 of A-Z a-z 0-9 _ -, found '%.200s'", v[0]);
	x->name = v[0];
	if (!x->revoke && n < 2)
		return 0;
	if (!x->revoke)
		return read_key(v[1], &x->key, e);
	x->print = n > 1 ? v[1] : NULL;
	if (x->print && strncmp(x->print, "SHA256:", 7) != 0)
		return err_set(e, ERR_USAGE, "--revoke: expected a fingerprint such as SHA256:..., found '%.200s'",
			       x->print);
	return 0;
}

static int cmd_enroll(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_enroll, .argc = argc, .argv = argv};
	struct enrolment x = {0};
	struct ledger l = {0};
	struct grid_config c = {0};
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		x.revoke = x.revoke || key == 'r';
		x.json = x.json || key == 'j';
		x.person = x.person || key == 'p';
	}
	int rc = key < 0 || usage_operands(&s, 2, e) ? -1 : read_operands(&x, argc - s.rest, argv + s.rest, e);
	if (!rc && !(rc = open_grid_to_sign(ctx, &l, &c, e)) && !(rc = land(&l, build, &x, &x.changed, e)))
		tell(&x);
	keys_clear(&x.key);
	close_grid(&l, &c);
	return rc;
}

const struct verb verb_enroll = {
    .name = "enroll",
    .args = "[--json] (NODE KEY | --person NAME [KEY] | --revoke NAME [FINGERPRINT])",
    .summary =
	"add a public key to nodes/keys/NODE.pub or nodes/people/NAME.pub, or take it out: who may sign, and as what",
    .about =
	"Where grid.json has \"require_signed_nodes\": true, a node signs its commits with a key in "
	"nodes/keys/NODE.pub, and people sign what they do to running and finished tasks (cancel, retry, drain) with a "
	"key in nodes/people/NAME.pub, where NAME is the author name of their commits. A node's key cannot act for a "
	"person. Anyone who may push can enrol keys with this command; for a node, merging a pull request that adds "
	"the file does the same. Compare the fingerprint with the one the node's worker prints. If you are enrolled, "
	"this commit is signed too: a repository that checks pushes (dgrid init --hook) accepts no other.\n\nGrids "
	"made by 0.1.0 have people's keys in nodes/keys too. --person NAME without a key moves one to nodes/people; "
	"after the first such move, every key left in nodes/keys is a node's.\n\nA node may have several keys, so you "
	"can change a key without stopping the node: enrol the new one, replace the old one on the node, revoke the "
	"old one. A revocation takes effect with the next commit; earlier signatures stay valid.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    {'p', "--person", NULL, NULL, "the key is a person's"},
	    {'r', "--revoke", NULL, NULL, "remove the key with this fingerprint, or all keys of the name without one"},
	    {0}},
    .operands = "@nodes",
    .examples = (const struct usage_note[]){{"dgrid enroll pi-3 'ssh-ed25519 AAAA... pi-3'",
					     "the line that its worker printed"},
					    {"dgrid enroll --person ann ~/.ssh/id_ed25519.pub",
					     "a person who may cancel, retry and enrol others others"},
					    {"dgrid enroll --revoke pi-3 SHA256:Zk0...", "one key"},
					    {"dgrid enroll --revoke pi-3", "remove the node from the grid"},
					    {0}},
    .exits = (const struct usage_note[]){{"65", "the key is not valid, or key or name belongs to somebody else"},
					 {"66", "no such file, or the name has no such key"},
					 {0}},
    .run = cmd_enroll,
};
