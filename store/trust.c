#include "store/trust.h"
#include "base/clock.h"
#include "base/file.h"
#include "git/shown.h"
#include "schema/consent.h"
#include "schema/keys.h"
#include "schema/periodic.h"
#include "store/arrival.h"
#include "store/keygen.h"
#include "store/line.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAMESPACE "dgrid-task"
#define COMMIT_NAMESPACE "git" /* of what git commit -S signs */
#define LIST_MAX (1 << 20)

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* ---- what is signed ---- */

static int by_name(const void *pa, const void *pb)
{
	const struct json *a = *(const struct json *const *)pa, *b = *(const struct json *const *)pb;
	size_t least = a->name_len < b->name_len ? a->name_len : b->name_len;
	int c = memcmp(a->name, b->name, least);
	return c ? c : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static bool added_later(const char *name)
{
	static const char *const ours[] = {"approved_by", "attempts", "cancel",	   "claim",
					   "not_before",  "result",   "signatures"};
	for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
		if (!strcmp(name, ours[i]))
			return true;
	return false;
}

static void put(struct buf *out, const struct json *j, bool top)
{
	size_t n = 0;
	if (j->type != JSON_OBJECT && j->type != JSON_ARRAY) {
		json_write(out, j, 0);
		return;
	}
	for (const struct json *m = j->child; m; m = m->next)
		n++;
	const struct json **all = xcalloc(n + 1, sizeof(struct json *));
	n = 0;
	for (const struct json *m = j->child; m; m = m->next)
		if (!top || !added_later(m->name))
			all[n++] = m;
	if (j->type == JSON_OBJECT)
		qsort(all, n, sizeof *all, by_name);
	buf_adds(out, j->type == JSON_OBJECT ? "{" : "[");
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_adds(out, ",");
		if (j->type == JSON_OBJECT) {
			const struct json name = {.type = JSON_STRING, .text = all[i]->name, .len = all[i]->name_len};
			json_write(out, &name, 0);
			buf_adds(out, ":");
		}
		put(out, all[i], false);
	}
	buf_adds(out, j->type == JSON_OBJECT ? "}" : "]");
	free(all);
}

char *trust_text(const struct json *doc)
{
	struct buf b = {0};
	put(&b, doc, doc->type == JSON_OBJECT);
	return buf_detach(&b);
}

/* ---- signing ---- */

char *trust_default_key(const struct git *g, struct err *e)
{
	static const char *const usual[] = {"id_ed25519", "id_ecdsa", "id_rsa"};
	const char *home = getenv("HOME"), *given = getenv("DGRID_SIGNING_KEY");
	struct buf b = {0};
	char *key = NULL;
	if (given && *given)
		return xstrdup(given);
	if (!GIT(g, &b, NULL, "config", "--get", "--type=path", "user.signingKey") && b.len) {
		b.data[strcspn(b.data, "\n")] = 0;
		if (file_exists(b.data)) /* or it names a key of another kind */
			key = xstrdup(b.data);
	}
	buf_clear(&b);
	for (size_t i = 0; i < sizeof usual / sizeof *usual && !key && home; i++) {
		key = xasprintf("%s/.ssh/%s", home, usual[i]);
		if (!file_exists(key)) {
			free(key);
			key = NULL;
		}
	}
	if (!key)
		err_set(e, ERR_USAGE,
			"no key to sign with: give --key FILE, or set DGRID_SIGNING_KEY or git's user.signingKey "
			"(make one with: ssh-keygen -t ed25519)");
	return key;
}

int trust_sign(struct json *doc, const char *key, struct err *e)
{
	const struct json *old = json_get(doc, "signatures");
	if (!file_exists(key))
		return err_set(e, ERR_NOENT, "there is no key '%s'", key);
	if (task_signatures(doc) >= TASK_SIGNATURES_MAX)
		return err_set(e, ERR_DATA, "signatures: there are %d already, no more are allowed",
			       TASK_SIGNATURES_MAX);
	char *text = trust_text(doc), *print = NULL,
	     *armor = keygen_sign(NAMESPACE, key, text, strlen(text), &print, e);
	if (armor) {
		struct json *all = old && old->type == JSON_ARRAY ? json_copy(old) : json_new(JSON_ARRAY),
			    *one = json_new(JSON_OBJECT);
		json_set(one, "key", json_new_str(print));
		json_set(one, "signature", json_new_str(armor));
		json_append(all, one);
		json_set(doc, "signatures", all);
	}
	int rc = armor ? 0 : -1;
	free(text);
	free(print);
	free(armor);
	return rc;
}

/* ---- verifying ---- */

struct check {
	char *signature, *then, *now; /* files: the signature, the list when the task came, and today's */
	char *time;		      /* -Overify-time=... */
};

/* Does list (a file) let somebody sign this? Fills by. 1 yes, 0 no (why says what ssh-keygen says), -1 error. */
static int allowed(const struct check *c, const char *list, const char *text, struct trust_signer_of *by, char *why,
		   size_t room, struct err *e)
{
	const struct keygen_question q = {.space = NAMESPACE,
					  .list = list,
					  .signature = c->signature,
					  .time = c->time,
					  .text = text,
					  .len = strlen(text)};
	return keygen_allowed(&q, by->who, by->key, why, room, e);
}

int trust_available(struct err *e)
{
	/* A signature of the bytes "dgrid" by a key that was thrown away. */
	static const char armor[] = "-----BEGIN SSH SIGNATURE-----\n"
				    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgJTt2piQcvYAUBiXWLAda/c1gf2\n"
				    "0BoU3x3IwbrFjcJT4AAAAKZGdyaWQtdGFzawAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gt\n"
				    "ZWQyNTUxOQAAAEDaMuN5iz+YX9XLuKM8IQ9aIGKQSqYfHtF+lVi5KeZ+ZOEwVisbQc7l7u\n"
				    "hwy7+2PcP6jbhRtaHtbEKfEdEnQ0oF\n"
				    "-----END SSH SIGNATURE-----\n";
	static const char list[] = "dgrid valid-before=\"20400101\" ssh-ed25519 "
				   "AAAAC3NzaC1lZDI1NTE5AAAAICU7dqYkHL2AFAYl1iwHWv3NYH9tAaFN8dyMG6xY3CU+\n";
	char *dir = file_temp_dir(e), why[256] = "";
	struct trust_signer_of by;
	if (!dir)
		return -1;
	struct check c = {.signature = xasprintf("%s/signature", dir),
			  .now = xasprintf("%s/list", dir),
			  .time = xstrdup("-Overify-time=20260101000000")};
	int rc = file_write_in_place(c.signature, armor, sizeof armor - 1, e);
	if (!rc)
		rc = file_write_in_place(c.now, list, sizeof list - 1, e);
	int good = rc ? -1 : allowed(&c, c.now, "dgrid", &by, why, sizeof why, e);
	if (!good)
		err_set(e, ERR_UNAVAILABLE,
			"ssh-keygen does not accept a good signature (is it OpenSSH 8.9 or newer?): %s", why);
	file_remove_tree(dir, NULL);
	free(dir);
	free(c.signature);
	free(c.now);
	free(c.time);
	return good == 1 ? 0 : -1;
}

int trust_lists(const struct git *g, const char *commit, struct err *e)
{
	struct buf b = {0};
	int rc = GIT(g, &b, e, "ls-tree", "--full-tree", commit, "--", TRUST_LIST) ? -1 : b.len > 0;
	buf_clear(&b);
	return rc;
}

int trust_signed(const struct json *doc, struct err *e)
{
	const struct json *all = json_get(doc, "signatures"), *at;
	if (!all || task_signatures_wrong(all, &at))
		return 0;
	char *dir = file_temp_dir(e);
	if (!dir)
		return -1;
	char *file = xasprintf("%s/signature", dir), *text = trust_text(doc);
	int rc = 0;
	for (const struct json *s = all->child; s && !rc; s = s->next) {
		struct proc_result res;
		const char *armor = json_str(s, "signature");
		if (file_write_in_place(file, armor, strlen(armor), e) ||
		    KEYGEN_ON(text, strlen(text), &res, e, "-Y", "check-novalidate", "-n", NAMESPACE, "-s", file)) {
			rc = -1;
			break;
		}
		rc = res.end == PROC_EXITED && res.code == 0;
		proc_result_clear(&res);
	}
	file_remove_tree(dir, NULL);
	free(dir);
	free(file);
	free(text);
	return rc;
}

/* allowed_signers of a commit as a file; 1: it is there, 0: it is not, -1: error. dated: a key of it has a time. */
static int list_of(const struct git *g, const char *commit, const char *path, bool *dated, struct err *e)
{
	struct buf b = {0};
	char oid[72] = "", type[8] = "";
	int rc = GIT(g, &b, e, "ls-tree", "--full-tree", commit, "--", TRUST_LIST);
	if (!rc && b.len && sscanf(b.data, "%*s %7s %71s", type, oid) == 2 && !strcmp(type, "blob")) {
		buf_reset(&b);
		rc = GIT(g, &b, e, "cat-file", "blob", oid) ? -1 : 1;
	}
	if (rc > 0 && b.len > LIST_MAX)
		rc = err_set(e, ERR_DATA, TRUST_LIST ": more than %d bytes", LIST_MAX);
	if (rc > 0 && b.len && (strcasestr(b.data, "valid-") || strcasestr(b.data, "cert-authority")))
		*dated = true;
	if (rc > 0 && file_write_in_place(path, b.data ? b.data : "", b.len, e))
		rc = -1;
	buf_clear(&b);
	return rc;
}

/* One signature, held against both lists. 1 yes, 0 no, -1 error. */
static int check_one(const struct check *c, const struct json *s, const char *text, struct trust_verdict *v,
		     struct err *e)
{
	const char *armor = json_str(s, "signature");
	char why[256] = "";
	struct trust_signer_of by, today;
	if (file_write_in_place(c->signature, armor, strlen(armor), e))
		return -1;
	int rc = allowed(c, c->then, text, &by, why, sizeof why, e);
	if (rc == 1) {
		rc = allowed(c, c->now, text, &today, why, sizeof why, e);
		if (!rc)
			snprintf(v->why, sizeof v->why, "its signer %s is no longer in " TRUST_LIST " (%s)", by.who,
				 why);
	} else if (!rc)
		snprintf(v->why, sizeof v->why,
			 "its signature is not one that " TRUST_LIST " allowed when the task came (%s)", why);
	if (rc == 1)
		v->all[v->n++] = by;
	return rc;
}

/* Is there a signature that could count? Else v says what is wrong. */
static bool is_signed(const struct json *doc, struct trust_verdict *v)
{
	const struct json *all = json_get(doc, "signatures"), *at;
	const char *shape = all ? task_signatures_wrong(all, &at) : NULL;
	*v = (struct trust_verdict){0};
	if (shape)
		snprintf(v->why, sizeof v->why, "signatures: %s", shape);
	else if (!all || !all->child)
		snprintf(v->why, sizeof v->why, "it is not signed, and %s",
			 consent_asked(doc) || consent_asked(json_get(doc, "task"))
			     ? "what asks for secrets or a network has to be"
			     : "this grid runs signed tasks only");
	return !shape && all && all->child;
}

/* When the task came, for keys that count for a time only. Whoever makes a commit says when: nobody is believed to have
 * come before those who were there already, lest an expired key count again, nor from the future. */
static int set_time(struct check *c, const struct git *g, const char *spec, const struct arrival *came, bool dated,
		    struct err *e)
{
	struct tm tm;
	char when[32];
	int64_t at = came->at, newest = 0, now = clock_now();
	if (dated && came->commit[0] && line_newest(g, came->parent, spec, &newest, e))
		return -1;
	at = newest > at ? newest : at;
	time_t t = (time_t)(at < now && at > 0 ? at : now);
	gmtime_r(&t, &tm);
	strftime(when, sizeof when, "%Y%m%d%H%M%S", &tm);
	c->time = xasprintf("-Overify-time=%s", when);
	return 0;
}

/* Of a task that came so, held against the list before it and that of now. */
static int judge(const struct git *g, const struct arrival *came, const char *now, const char *spec,
		 const struct json *doc, struct trust_verdict *v, struct err *e)
{
	struct check c = {0};
	bool dated = false;
	char *dir = file_temp_dir(e), *text;
	if (!dir)
		return -1;
	text = trust_text(doc);
	c.signature = xasprintf("%s/signature", dir);
	c.then = xasprintf("%s/then", dir);
	c.now = xasprintf("%s/now", dir);
	int rc = list_of(g, came->parent, c.then, &dated, e);
	if (!rc)
		snprintf(v->why, sizeof v->why, "there was no " TRUST_LIST " before the commit that brought it");
	else if (rc == 1 && (rc = list_of(g, now, c.now, &dated, e)) == 0)
		snprintf(v->why, sizeof v->why, "there is no " TRUST_LIST " any more");
	if (rc == 1 && set_time(&c, g, spec, came, dated, e))
		rc = -1;
	if (rc == 1) {
		for (const struct json *s = json_get(doc, "signatures")->child; s && rc >= 0; s = s->next)
			rc = check_one(&c, s, text, v, e);
		v->ok = rc >= 0 && v->n;
		if (v->ok) {
			v->why[0] = 0;
			snprintf(v->signer, sizeof v->signer, "%s", v->all[0].who);
		}
	}
	file_remove_tree(dir, NULL);
	free(dir);
	free(text);
	free(c.signature);
	free(c.then);
	free(c.now);
	free(c.time);
	/* A no counts only of an ssh-keygen that can say yes. */
	return rc < 0 || (!v->ok && trust_available(e)) ? -1 : 0;
}

/* Is it the task that this schedule gives at its instant? What dgrid adds to a task is not compared. */
static bool made_of(const struct json *template, const char *name, const struct json *doc)
{
	int64_t at;
	const char *when = json_str(json_get(doc, "schedule"), "at");
	if (!template || template->type != JSON_OBJECT || !when || clock_parse(when, &at))
		return false;
	struct json *made = periodic_task(template, name, at);
	char *is = trust_text(doc), *should = trust_text(made);
	bool same = !strcmp(is, should);
	free(is);
	free(should);
	json_free(made);
	return same;
}

/* A task that a schedule had queued has no signature of its own: that of the schedule counts, as the commit before
 * shows it. */
static int judge_scheduled(const struct git *g, const char *head, const char *spec, const struct arrival *by,
			   const struct json *doc, struct trust_verdict *v, struct err *e)
{
	const char *name = json_str(json_get(doc, "schedule"), "name");
	struct shown shown = {0};
	struct json_error je;
	struct json *file = NULL, *part = NULL;
	int rc = 0;
	*v = (struct trust_verdict){0};
	if (name && periodic_name_valid(name) && by->parent[0]) {
		char *path = xasprintf(PERIODIC_FOLDER "%s.json", name);
		rc = git_shown(g, by->parent, path, TASK_FILE_MAX, &shown, e);
		free(path);
		if (!rc && shown.kind == SHOWN_FILE && shown.text.len)
			file = json_parse(shown.text.data, shown.text.len, &je);
	}
	if (!rc && !file)
		snprintf(v->why, sizeof v->why, "there was no schedule of that name before the commit that brought it");
	else if (!rc && !made_of(json_get(file, "task"), name, doc))
		snprintf(v->why, sizeof v->why, "it is not the task of schedule %.64s", name);
	else if (!rc) {
		char why[sizeof v->why];
		part = periodic_signed(file, name);
		rc = trust_judge_from(g, head, spec, by, part, v, e);
		snprintf(why, sizeof why, "schedule %.64s: %.400s", name, v->why);
		if (!rc && !v->ok)
			memcpy(v->why, why, sizeof why);
	}
	json_free(file);
	json_free(part);
	shown_clear(&shown);
	return rc;
}

int trust_judge_from(const struct git *g, const char *head, const char *spec, const struct arrival *by,
		     const struct json *doc, struct trust_verdict *v, struct err *e)
{
	if (json_get(doc, "schedule"))
		return judge_scheduled(g, head, spec, by, doc, v, e);
	if (!is_signed(doc, v))
		return 0;
	if (by->parent[0])
		return judge(g, by, head, spec, doc, v, e);
	snprintf(v->why, sizeof v->why, "it came with the branch's first commit, before there was a " TRUST_LIST);
	return 0;
}

int trust_judge(const struct git *g, const char *head, const char *spec, const char *id, const struct json *doc,
		struct trust_verdict *v, struct err *e)
{
	struct arrival came;
	if (!json_get(doc, "schedule") && !is_signed(doc, v))
		return 0;
	if (arrival_find(g, head, spec, id, &came, e)) {
		if (e->class != ERR_NOENT)
			return -1;
		snprintf(v->why, sizeof v->why, "no commit of the branch's first-parent line brought it");
		return 0;
	}
	int rc = trust_judge_from(g, head, spec, &came, doc, v, e);
	arrival_clear(&came);
	return rc;
}

int trust_judge_new(const struct git *g, const char *head, const struct json *doc, struct trust_verdict *v,
		    struct err *e)
{
	struct arrival coming = {.at = clock_now()};
	snprintf(coming.parent, sizeof coming.parent, "%s", head);
	return is_signed(doc, v) ? judge(g, &coming, head, NULL, doc, v, e) : 0;
}

void trust_tell(struct problems *p, const struct json *doc, const struct trust_verdict *v)
{
	const struct json *all = json_get(doc, "signatures");
	problem_in(p, all ? all->line : 1, all ? all->col : 1, "signatures",
		   "%s (expected a signature that counts, or none yet)", v->why);
}

/* ---- keys of nodes, and the signatures of commits ---- */

/* The one key of a text: of a .pub file, or of what ssh-keygen -y prints. NULL: it is none. */
static char *only_key(const char *text, size_t len)
{
	struct keys k;
	char *key = NULL;
	if (!keys_parse(&k, text, len, NULL) && k.n == 1)
		key = xstrdup(k.v[0].text);
	keys_clear(&k);
	return key;
}

static char *key_in(const char *path)
{
	struct buf b = {0};
	struct err none;
	char *key = file_read(path, KEYS_FILE_MAX, &b, &none) ? NULL : only_key(b.data ? b.data : "", b.len);
	buf_clear(&b);
	return key;
}

char *trust_public(const char *key, struct err *e)
{
	struct proc_result res;
	char said[256] = "", *found;
	if (!file_exists(key)) {
		err_set(e, ERR_NOENT, "there is no key '%s'", key);
		return NULL;
	}
	if ((found = key_in(key))) /* its private half is an agent's */
		return found;
	if (KEYGEN(&res, e, "-y", "-P", "", "-f", key))
		return NULL;
	char *path = xasprintf("%s.pub", key), *beside = key_in(path);
	if (!res.code && res.out.data)
		found = only_key(res.out.data, res.out.len);
	else
		keygen_words(&res, said, sizeof said);
	if (!found && strstr(said, "passphrase")) { /* which hides the private half alone */
		found = beside;
		beside = NULL;
	}
	if (found && beside && strcmp(found, beside) != 0) { /* ssh-keygen would refuse to sign */
		snprintf(said, sizeof said, "the file beside it that ends in .pub is another key's (put both there)");
		free(found);
		found = NULL;
	}
	free(path);
	free(beside);
	proc_result_clear(&res);
	if (!found)
		err_set(e, ERR_PERM, "ssh-keygen cannot use the key '%s': %s", key,
			said[0] ? said : "it is of a kind that nobody should sign with");
	return found;
}

int trust_make_key(const char *key, const char *comment, struct err *e)
{
	struct proc_result res;
	char said[256];
	if (KEYGEN(&res, e, "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", key))
		return -1;
	keygen_words(&res, said, sizeof said);
	int rc = res.code ? err_set(e, ERR_PERM, "ssh-keygen does not make the key '%s': %s", key, said) : 0;
	proc_result_clear(&res);
	return rc;
}

struct proc *trust_verify_start(const char *list, const char *who, const char *signature, const char *text, size_t len,
				void *ctx, void (*on_end)(void *ctx, const struct proc_result *res), struct err *e)
{
	const char *argv[] = {"ssh-keygen", "-Y", "verify", "-n", COMMIT_NAMESPACE, "-I", who, "-s",
			      signature,    "-f", list,	    NULL};
	struct proc_spec spec = {.argv = argv,
				 .env = keygen_env,
				 .input = text,
				 .input_len = len,
				 .timeout_ms = KEYGEN_TIMEOUT_MS,
				 .ctx = ctx,
				 .on_end = on_end};
	return proc_start(&spec, e);
}

int trust_signer(const char *list, const char *signature, const char *text, size_t len, char by[128], char print[64],
		 char *why, size_t room, struct err *e)
{
	struct proc_result res;
	by[0] = print[0] = 0;
	/* Without a list it tells only whether the signature is one of this text, and by which key. */
	if (KEYGEN_ON(text, len, &res, e, "-Y", "check-novalidate", "-n", COMMIT_NAMESPACE, "-s", signature))
		return -1;
	bool good = res.code == 0;
	const char *hash = res.out.data ? strstr(res.out.data, "SHA256:") : NULL;
	if (good && hash)
		sscanf(hash, "%63s", print);
	keygen_words(&res, why, room);
	proc_result_clear(&res);
	if (!good)
		return 0;
	if (KEYGEN(&res, e, "-Y", "find-principals", "-s", signature, "-f", list))
		return -1;
	if (!res.code && res.out.data)
		snprintf(by, 128, "%.*s", (int)strcspn(res.out.data, "\n"), res.out.data);
	proc_result_clear(&res);
	return 1;
}
