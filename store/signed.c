#include "store/signed.h"
#include "base/file.h"
#include "base/sha256.h"
#include "schema/keys.h"
#include "store/trust.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMMIT_MAX (16u << 20)
#define AT_ONCE_MAX 16
#define NOWHERE "0000000000000000000000000000000000000000"

/* ---- a commit, taken apart ---- */

int signed_split(const char *raw, size_t len, struct buf *payload, struct buf *signature)
{
	enum { PLAIN, OURS, FOREIGN } in = PLAIN;
	int found = 0;
	for (size_t i = 0; i < len;) {
		const char *line = raw + i, *end = memchr(line, '\n', len - i);
		size_t n = end ? (size_t)(end - line) + 1 : len - i;
		if (line[0] == '\n') { /* the message: whatever stands there was signed */
			buf_add(payload, line, len - i);
			break;
		}
		if (line[0] != ' ') {
			/* gpgsig-sha256 is git's own for the other kind of repository, and for ours in one of sha256.
			 */
			bool ours = n > 7 && !memcmp(line, "gpgsig ", 7),
			     other = n > 14 && !memcmp(line, "gpgsig-sha256 ", 14);
			in = ours || other ? OURS : n > 6 && !memcmp(line, "gpgsig", 6) ? FOREIGN : PLAIN;
			found += ours || other;
			if (in == OURS)
				buf_add(signature, line + (ours ? 7 : 14), n - (ours ? 7 : 14));
		} else if (in == OURS)
			buf_add(signature, line + 1, n - 1);
		if (in == PLAIN)
			buf_add(payload, line, n);
		i += n;
	}
	buf_adds(payload, "");
	buf_adds(signature, "");
	return found > 1 ? -1 : found;
}

/* ---- the lists ---- */

struct list {
	struct keyring ring;
	char *path; /* as a file for ssh-keygen */
};
struct judging {
	const struct git *g;
	const struct signed_question *q;
	struct signed_verdict *v;
	char *dir;
	struct strs trees; /* two of each question: texts that are equal where the keys are; "" for none */
	struct list *lists;
	size_t *list_of; /* of each question */
	size_t n_lists, running;
	struct job *jobs; /* of each question */
	struct err *e;
	int rc;
};
struct job { /* one commit */
	struct judging *j;
	size_t at;
	char *signature; /* file; NULL: not signed */
	struct buf payload;
	bool good;
};

static void take_tree(void *ctx, size_t i, const char *bytes, size_t len)
{
	(void)i;
	/* Each commit asks, and the tree grows with the keys: its hash is enough. */
	uint8_t hash[32];
	char hex[SHA256_HEX] = "";
	if (bytes && len) {
		sha256(bytes, len, hash);
		sha256_hex(hash, hex);
	}
	strs_add(&((struct judging *)ctx)->trees, hex);
}

static int write_list(struct judging *j, struct list *l, struct err *e)
{
	struct buf text = {0};
	for (size_t i = 0; i < l->ring.n; i++)
		for (size_t k = 0; k < l->ring.v[i].keys.n; k++)
			if (keyring_of(&l->ring, l->ring.v[i].name) == &l->ring.v[i])
				buf_addf(&text, "%s namespaces=\"git\" %s\n", l->ring.v[i].name,
					 l->ring.v[i].keys.v[k].text);
	l->path = xasprintf("%s/list-%zu", j->dir, j->n_lists);
	int rc = file_write_in_place(l->path, text.data ? text.data : "", text.len, e);
	buf_clear(&text);
	return rc;
}

/* The keys that count for each question; those that are equal are read once. */
static int read_lists(struct judging *j, size_t n, struct err *e)
{
	struct strs names = {0};
	for (size_t i = 0; i < n; i++) {
		strs_addf(&names, "%s:nodes/keys", j->q[i].parent[0] ? j->q[i].parent : NOWHERE);
		strs_addf(&names, "%s:nodes/people", j->q[i].parent[0] ? j->q[i].parent : NOWHERE);
	}
	int rc = git_cat(j->g, "tree", names.v, names.n, COMMIT_MAX, take_tree, j, e);
	strs_clear(&names);
	for (size_t i = 0; i < n && !rc; i++) {
		size_t k = 0;
		const char *const *t = (const char *const *)j->trees.v;
		while (k < i && (strcmp(t[2 * k], t[2 * i]) != 0 || strcmp(t[2 * k + 1], t[2 * i + 1]) != 0))
			k++;
		if (k < i) {
			j->list_of[i] = j->list_of[k];
			continue;
		}
		j->lists = xrealloc(j->lists, (j->n_lists + 1) * sizeof *j->lists);
		struct list *l = &j->lists[j->n_lists];
		*l = (struct list){0};
		j->list_of[i] = j->n_lists++;
		if (t[2 * i][0] || t[2 * i + 1][0])
			rc = keyring_read(j->g, j->q[i].parent, &l->ring, e);
		if (!rc)
			rc = write_list(j, l, e);
	}
	return rc;
}

/* ---- the signatures ---- */

static void take_commit(void *ctx, size_t i, const char *bytes, size_t len)
{
	struct judging *j = ctx;
	struct job *job = &j->jobs[i];
	struct signed_verdict *v = &j->v[i];
	struct buf signature = {0};
	*v = (struct signed_verdict){.state = SIGNED_NONE, .why = "it is not signed"};
	*job = (struct job){.j = j, .at = i};
	if (!bytes) {
		if (!j->rc)
			j->rc = err_set(j->e, ERR_UNAVAILABLE, "commit %.20s is not here", j->q[i].commit);
		return;
	}
	int split = signed_split(bytes, len, &job->payload, &signature);
	if (split < 0) {
		v->state = SIGNED_BAD;
		snprintf(v->why, sizeof v->why, "it bears more than one signature");
	} else if (split && strncmp(signature.data, "-----BEGIN SSH SIGNATURE-----", 29) != 0) {
		v->state = SIGNED_BAD;
		snprintf(v->why, sizeof v->why, "its signature is not one by an SSH key");
	} else if (split) {
		job->signature = xasprintf("%s/signature-%zu", j->dir, i);
		if (!j->rc)
			j->rc = file_write_in_place(job->signature, signature.data, signature.len, j->e);
	}
	buf_clear(&signature);
}

static void verified(void *ctx, const struct proc_result *res)
{
	struct job *job = ctx;
	struct judging *j = job->j;
	job->good = res->end == PROC_EXITED && res->code == 0;
	j->running--;
	if (res->end != PROC_EXITED && !j->rc)
		j->rc = err_set(j->e, ERR_UNAVAILABLE, "ssh-keygen did not end by itself");
}

static bool name_fits(const char *who)
{
	size_t n = strspn(who, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n && n <= 64 && !who[n];
}

/* Is it WHO's? Most are, so that is asked first. */
static int verify_all(struct judging *j, size_t n, struct err *e)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	size_t most = processors < 1 ? 1 : processors > AT_ONCE_MAX ? AT_ONCE_MAX : (size_t)processors;
	for (size_t i = 0; i < n || j->running;) {
		if (i == n || j->running == most || j->rc) {
			if (!j->running)
				break;
			loop_step(1000);
			continue;
		}
		struct job *job = &j->jobs[i];
		const struct list *l = &j->lists[j->list_of[i]];
		i++;
		if (!job->signature || !name_fits(j->q[job->at].who) || !keyring_of(&l->ring, j->q[job->at].who))
			continue;
		if (trust_verify_start(l->path, j->q[job->at].who, job->signature, job->payload.data, job->payload.len,
				       job, verified, e))
			j->running++;
		else
			j->rc = -1;
	}
	return j->rc;
}

static bool is_person(const struct list *l, const char *who)
{
	const struct keyring_entry *one = keyring_of(&l->ring, who);
	return one && one->person;
}

/* What to say of one that is not WHO's. */
static int explain(struct judging *j, size_t i, struct err *e)
{
	struct job *job = &j->jobs[i];
	struct signed_verdict *v = &j->v[i];
	const struct list *l = &j->lists[j->list_of[i]];
	char by[128], said[160];
	int whole = trust_signer(l->path, job->signature, job->payload.data, job->payload.len, by, v->key, said,
				 sizeof said, e);
	if (whole < 0)
		return -1;
	const struct keyring_entry *own = keyring_of(&l->ring, j->q[i].who);
	snprintf(v->by, sizeof v->by, "%.64s", by);
	v->person = is_person(l, v->by);
	v->state = whole ? SIGNED_OTHER : SIGNED_BAD;
	if (!whole)
		snprintf(v->why, sizeof v->why, "its signature does not fit it (%s)", said);
	else if (by[0])
		snprintf(v->why, sizeof v->why, "it is signed with a key of %.64s (%.60s)", by, v->key);
	else
		snprintf(v->why, sizeof v->why, "it is signed with a key that nobody has enrolled (%.60s)%s", v->key,
			 own && !own->valid ? "; the file of its node's keys is not valid" : "");
	return 0;
}

int signed_commits(const struct git *g, const struct signed_question *q, size_t n, struct signed_verdict *v,
		   struct err *e)
{
	struct judging j = {.g = g, .q = q, .v = v, .e = e};
	struct strs ids = {0};
	bool signatures = false;
	if (!n)
		return 0;
	if (!(j.dir = file_temp_dir(e)))
		return -1;
	j.jobs = xcalloc(n, sizeof *j.jobs);
	j.list_of = xcalloc(n, sizeof *j.list_of);
	for (size_t i = 0; i < n; i++)
		strs_add(&ids, q[i].commit);
	int rc = git_cat(g, "commit", ids.v, n, COMMIT_MAX, take_commit, &j, e);
	rc = rc ? rc : j.rc;
	for (size_t i = 0; i < n; i++)
		signatures = signatures || j.jobs[i].signature;
	if (!rc && signatures) {
		rc = read_lists(&j, n, e);
		if (!rc)
			rc = verify_all(&j, n, e);
		for (size_t i = 0; i < n && !rc; i++) {
			if (j.jobs[i].good) {
				v[i] = (struct signed_verdict){.state = SIGNED_GOOD,
							       .person = is_person(&j.lists[j.list_of[i]], q[i].who)};
				snprintf(v[i].by, sizeof v[i].by, "%.64s", q[i].who);
			} else if (j.jobs[i].signature)
				rc = explain(&j, i, e);
		}
	}
	for (size_t i = 0; i < n; i++) {
		free(j.jobs[i].signature);
		buf_clear(&j.jobs[i].payload);
	}
	for (size_t i = 0; i < j.n_lists; i++) {
		keyring_clear(&j.lists[i].ring);
		free(j.lists[i].path);
	}
	file_remove_tree(j.dir, NULL);
	free(j.dir);
	free(j.jobs);
	free(j.lists);
	free(j.list_of);
	strs_clear(&j.trees);
	strs_clear(&ids);
	return rc;
}
