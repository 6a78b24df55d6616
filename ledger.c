#include "ledger.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "git/changeset.h"
#include "git/clone.h"
#include "schema/keys.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RACE_TRIES 60
#define SECOND_TRY_MS 300
#define BACKOFF_FIRST_MS 20
#define BACKOFF_MAX_MS 2000

#define GIT(l, out, e, ...) git_run(&(l)->git, out, e, (const char *const[]){__VA_ARGS__, NULL})

static char *task_path(const struct ledger *l, enum task_state s, const char *id)
{
	return xasprintf("%s/tasks/%s/%s.json", l->git.dir, task_state_name(s), id);
}

static int refresh(struct ledger *l, struct err *e)
{
	char *remote = xasprintf("refs/remotes/origin/%s", l->branch);
	char *file = xasprintf("%s/.git/%s", l->git.dir, remote);
	struct buf b = {0};
	int rc = 0;
	if (!folder_read_ref(file, l->head) && !(rc = GIT(l, &b, e, "rev-parse", "--verify", "--quiet", remote)))
		buf_first_line(&b, l->head, sizeof l->head);
	if (!rc)
		rc = clone_checkout(&l->git, remote, l->dirty, e);
	l->dirty = l->dirty && rc;
	free(file);
	free(remote);
	buf_clear(&b);
	return rc;
}

static int fetch(struct ledger *l, struct err *e)
{
	struct strs argv = {0};
	static const char *const head[] = {"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", NULL};
	for (int i = 0; head[i]; i++)
		strs_add(&argv, head[i]);
	strs_add(&argv, l->spec);
	for (const char *const *spec = l->also; spec && *spec; spec++)
		strs_add(&argv, *spec);
	int rc = git_run(&l->git, NULL, e, (const char *const *)argv.v);
	strs_clear(&argv);
	return rc;
}

bool ledger_lock(struct ledger *l)
{
	return folder_lock(&l->folder);
}

void ledger_unlock(struct ledger *l)
{
	folder_unlock(&l->folder);
}

static int make_clone(struct ledger *l, struct err *e)
{
	l->dirty = true;
	return l->temporary ? clone_make(&l->git, l->url, l->branch, l->folder.objects, e)
			    : clone_renew(&l->git, l->url, l->branch, l->folder.objects, e);
}

void ledger_tidy(struct ledger *l)
{
	struct err e;
	bool anew = false;
	if (!clone_cluttered(&l->git, l->folder.objects != NULL, &anew))
		return;
	int rc = anew ? make_clone(l, &e) : clone_pack(&l->git, &e);
	if (!rc && anew)
		rc = ledger_sync(l, &e);
	if (rc)
		log_at(LOG_WARN, "ledger", "cannot tidy up %s: %s", l->git.dir, e.msg);
}

int ledger_sync(struct ledger *l, struct err *e)
{
	struct err none;
	bool fresh = l->fresh && !l->also;
	l->fresh = false;
	if (fresh && !refresh(l, &none))
		return 0;
	char there[72], *ref = xasprintf("refs/remotes/origin/%s", l->branch);
	clone_clear_locks(&l->git, l->branch);
	int rc = fetch(l, e);
	if (rc && clone_forget_lost(&l->git))
		rc = fetch(l, e);
	bool fetched = !rc;
	if (!rc)
		rc = refresh(l, e);
	if (rc && !proc_given_up() && clone_damaged(&l->git, ref) &&
	    !git_remote_head(&l->git, l->branch, there, NULL) && there[0]) {
		log_at(LOG_WARN, "ledger", "the clone %s is damaged (%s); making it anew", l->git.dir, e->msg);
		rc = make_clone(l, e);
		fetched = !rc;
		if (!rc)
			rc = refresh(l, e);
	}
	free(ref);
	if (!fetched)
		return err_wrap(e, "cannot read branch '%s' of the grid (is it made with `dgrid init`?)", l->branch);
	return rc;
}

int ledger_open(struct ledger *l, const char *url, const char *branch, const char *dir, const char *name,
		const char *email, struct err *e)
{
	*l = (struct ledger){.url = xstrdup(url), .branch = xstrdup(branch), .tries = RACE_TRIES, .dirty = true};
	l->spec = xasprintf("+refs/heads/%s:refs/remotes/origin/%s", branch, branch);
	folder_open(&l->folder, url, branch);
	l->git.name = xstrdup(name);
	l->git.email = xstrdup(email);
	if (dir)
		l->git.dir = xstrdup(dir);
	else if (!(l->git.dir = file_temp_dir(e)))
		return -1;
	else
		l->temporary = true;
	int rc = -1;
	if (clone_there(&l->git)) {
		clone_clear_locks(&l->git, branch);
		clone_clear_leftovers(&l->git);
		rc = clone_adopt(&l->git, url, l->folder.objects, e);
	}
	if (rc) {
		rc = make_clone(l, e);
		l->fresh = !rc && l->temporary;
		l->dirty = !l->fresh; /* nothing has been written there yet */
	}
	return rc;
}

void ledger_close(struct ledger *l)
{
	folder_close(&l->folder);
	if (l->temporary)
		file_remove_tree(l->git.dir, NULL);
	free(l->git.dir);
	free(l->git.name);
	free(l->git.email);
	free(l->url);
	free(l->branch);
	free(l->spec);
	ledger_sign_with(l, NULL, NULL, NULL);
	*l = (struct ledger){0};
}

void ledger_sign_with(struct ledger *l, const char *key, const char *public_half, const char *why)
{
	char *old[] = {l->sign_key, l->sign_public, l->no_key};
	l->sign_key = key ? xstrdup(key) : NULL;
	l->sign_public = public_half ? xstrdup(public_half) : NULL;
	l->no_key = why ? xstrdup(why) : NULL;
	l->git.sign_with = l->sign_key;
	for (size_t i = 0; i < sizeof old / sizeof *old; i++)
		free(old[i]);
}

int ledger_may_sign(struct ledger *l, const char *who, struct err *e)
{
	if (keys_not_retired(l->git.dir, who, e))
		return -1;
	struct grid_config c = {0};
	struct err none;
	int rc = 0;
	/* Settings that are not valid change nothing: what held before holds. */
	if (!ledger_config(l, &c, &none))
		l->signed_only = c.require_signed_nodes;
	if (l->signed_only) {
		if (!l->sign_key)
			rc = err_set(e, ERR_PERM, "this grid takes signed commits only: %s",
				     l->no_key ? l->no_key : "there is no key to sign with");
		else if ((rc = keys_enrolled(l->git.dir, who, l->sign_public, l->signs_as, e)) != 0 &&
			 task_id_valid(who)) {
			char *text =
			    xasprintf("%s; to enrol it, somebody who may push to the branch types: dgrid "
				      "enroll %s%s '%s'",
				      e->msg, l->signs_as == KEYS_NODE ? "" : "--person ", who, l->sign_public);
			err_set(e, ERR_PERM, "%s", text);
			free(text);
		}
	}
	config_clear(&c);
	return rc;
}

int ledger_moved(struct ledger *l, bool *moved, struct err *e)
{
	char now[72];
	*moved = false;
	if (l->folder.ref && !folder_touched(&l->folder))
		return 0;
	if (!folder_head(&l->folder, now) && git_remote_head(&l->git, l->branch, now, e)) {
		folder_look_again(&l->folder);
		return -1;
	}
	*moved = strcmp(now, l->head) != 0;
	return 0;
}

int ledger_config(struct ledger *l, struct grid_config *c, struct err *e)
{
	char *path = xasprintf("%s/grid.json", l->git.dir);
	struct buf b = {0};
	struct problems p = {.file = "grid.json"};
	int rc = 0;
	config_defaults(c);
	struct err missing;
	if (file_read(path, 1 << 16, &b, &missing)) {
		if (missing.class != ERR_NOENT)
			rc = err_set(e, ERR_DATA, "%s", missing.msg);
	} else
		config_parse(c, b.data ? b.data : "", b.len, &p);
	if (p.n)
		rc = err_set(e, ERR_DATA, "%s", p.text.data);
	free(path);
	buf_clear(&b);
	problems_clear(&p);
	return rc;
}

int ledger_ids(struct ledger *l, enum task_state s, struct strs *out, struct err *e)
{
	char *folder = xasprintf("%s/tasks/%s", l->git.dir, task_state_name(s));
	int rc = task_ids_in(folder, out, e);
	free(folder);
	return rc;
}

bool ledger_answered(const struct err *e)
{
	return e->class == ERR_NONE || e->class == ERR_NOENT || e->class == ERR_DATA;
}

int ledger_read(struct ledger *l, enum task_state s, const char *id, struct buf *out, struct err *e)
{
	char *path = task_path(l, s, id);
	int rc = file_read(path, TASK_FILE_MAX, out, e);
	free(path);
	return rc;
}

struct file_stamp ledger_stamp(const struct ledger *l, enum task_state s, const char *id)
{
	char *path = task_path(l, s, id);
	struct file_stamp stamp = file_stamp(path);
	free(path);
	return stamp;
}

int ledger_elsewhere(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	int found = 0;
	for (int k = 0; k < TASK_N_STATES && !found; k++) {
		char *path = k == (int)s ? NULL : task_path(l, (enum task_state)k, id);
		found = path ? file_there(path, e) : 0;
		free(path);
	}
	return found;
}

int ledger_shown(struct ledger *l, enum task_state s, const char *id, struct shown *out, struct err *e)
{
	char *path = xasprintf("tasks/%s/%s.json", task_state_name(s), id);
	int rc = git_shown(&l->git, "HEAD", path, TASK_FILE_MAX, out, e);
	free(path);
	return rc;
}

/* What the index remembers of the files goes too: the checkout looks at each of them. */
static int checkout_anew(struct ledger *l, struct err *e)
{
	clone_forget_index(&l->git);
	l->dirty = true;
	return refresh(l, e);
}

int ledger_true(struct ledger *l, enum task_state s, const char *id, const struct buf *bytes, struct err *e)
{
	struct shown shown;
	int rc = ledger_shown(l, s, id, &shown, e);
	bool same = shown.kind == SHOWN_FILE ? bytes && bytes->len == shown.text.len &&
						   (!bytes->len || !memcmp(bytes->data, shown.text.data, bytes->len))
		    : shown.kind == SHOWN_NOTHING ? !bytes
						  : true; /* no file, or too large a one: no bytes can be its */
	shown_clear(&shown);
	if (rc || same)
		return rc ? -1 : 1;
	log_at(LOG_WARN, "ledger", "tasks/%s/%s.json is not what the branch has; the work tree is checked out anew",
	       task_state_name(s), id);
	return checkout_anew(l, e) ? -1 : 0;
}

struct json *ledger_doc(struct ledger *l, enum task_state s, const char *id, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	struct json *doc = NULL;
	if (!ledger_read(l, s, id, &b, e)) {
		doc = json_parse(b.data ? b.data : "", b.len, &je);
		if (!doc)
			err_set(e, ERR_DATA, "tasks/%s/%s.json:%u:%u: %s", task_state_name(s), id, je.line, je.col,
				je.msg);
		else if (doc->type != JSON_OBJECT) { /* nothing can be written into it */
			err_set(e, ERR_DATA, "tasks/%s/%s.json:%u:%u: expected an object, found %s", task_state_name(s),
				id, doc->line, doc->col, json_type_name(doc->type));
			json_free(doc);
			doc = NULL;
		}
	}
	buf_clear(&b);
	return doc;
}

int ledger_find(struct ledger *l, const char *id, struct err *e)
{
	int found = LEDGER_NOWHERE;
	/* unapproved last: a file that was staged under the id of a task must not hide the task. */
	for (int k = 1; k <= TASK_N_STATES && found == LEDGER_NOWHERE; k++) {
		int s = k % TASK_N_STATES;
		char *path = task_path(l, (enum task_state)s, id);
		int there = file_there(path, e);
		if (there)
			found = there > 0 ? s : LEDGER_UNKNOWN;
		free(path);
	}
	return found;
}

static bool is_claim(const struct ledger_change *c)
{
	return c->from == TASK_QUEUE && c->to == TASK_IN_PROGRESS;
}

/* A change is dropped by what the branch shows, not by a work tree in which a file is missing or cut. A claim needs no
 * proof: one that is not made now is made later. 0: it is so; -1: it is not, or cannot be told. */
static int confirm(struct ledger *l, const struct ledger_change *c, const struct buf *seen, struct err *e)
{
	int rc = is_claim(c) ? 1 : ledger_true(l, c->from, c->id, seen, e);
	return rc > 0 ? 0 : rc < 0 ? -1 : err_set(e, ERR_RETRY, "the work tree was damaged; it is checked out anew");
}

/* What the change makes of its task's document: made, the caller's; NULL: it is dropped. */
static int edit(struct ledger *l, struct ledger_change *c, char **made, struct err *e)
{
	struct buf text = {0};
	struct json_error je;
	*made = NULL;
	int rc = ledger_read(l, c->from, c->id, &text, e);
	if (rc && !ledger_answered(e))
		return -1;
	struct json *doc = rc ? NULL : json_parse(text.data ? text.data : "", text.len, &je);
	if (doc && doc->type == JSON_OBJECT && c->edit(c->ctx, doc, &c->to) == CHANGE_APPLY)
		*made = task_text(doc);
	rc = *made ? 0 : confirm(l, c, rc && e->class == ERR_NOENT ? NULL : &text, e);
	json_free(doc);
	buf_clear(&text);
	return rc;
}

static int write_extra(struct ledger *l, const char *rel, const char *text, struct changeset *set, struct err *e)
{
	char *path = xasprintf("%s/%s", l->git.dir, rel), *slash = strrchr(path, '/');
	*slash = 0;
	int rc = file_mkdirs(path, e);
	*slash = '/';
	if (!rc)
		rc = file_write_in_place(path, text, strlen(text), e);
	changeset_wrote(set, rel);
	free(path);
	return rc;
}

#define OWN_TROUBLE (-2)
/* Puts one change into the work tree. 1: applied, 0: no longer legal, -1: error; OWN_TROUBLE: that is the change's
 * alone. */
static int apply(struct ledger *l, struct ledger_change *c, struct changeset *set, struct err *e)
{
	if (c->path)
		return write_extra(l, c->path, c->text, set, e) ? OWN_TROUBLE : 1;
	char *src = task_path(l, c->from, c->id), *dst = NULL, *made = NULL, *folder = NULL, *rel_dst = NULL;
	char *rel_src = xasprintf("tasks/%s/%s.json", task_state_name(c->from), c->id);
	int rc = OWN_TROUBLE, at = c->create ? ledger_find(l, c->id, e) : LEDGER_NOWHERE;
	int there = c->create ? at == LEDGER_NOWHERE : file_there(src, e);
	if (at == LEDGER_UNKNOWN || there < 0 || (!there && !c->create && confirm(l, c, NULL, e)))
		goto out;
	rc = 0;
	if (!there || (c->create && c->edit && c->edit(c->ctx, NULL, &c->to) == CHANGE_DROP))
		goto out;
	if (!c->text) {
		rc = edit(l, c, &made, e) ? OWN_TROUBLE : 0;
		if (!made)
			goto out;
	}
	dst = task_path(l, c->to, c->id);
	rel_dst = xasprintf("tasks/%s/%s.json", task_state_name(c->to), c->id);
	folder = xasprintf("%s/tasks/%s", l->git.dir, task_state_name(c->to));
	if (!c->create && c->from != c->to && (there = file_there(dst, e)) != 0) {
		if (there > 0)
			err_set(e, ERR_DATA, "%s is in tasks/%s/ and in tasks/%s/: remove the one or the other", c->id,
				task_state_name(c->from), task_state_name(c->to));
		rc = OWN_TROUBLE;
		goto out;
	}
	rc = file_mkdirs(folder, e);
	/* What is replaced whole may be a folder or worse. */
	if (!rc && c->text && !c->create && !(rc = file_remove_tree(src, e)))
		changeset_removed(set, rel_src);
	/* An edited file is written where it stands; git mv then carries it along. */
	const char *text = made ? made : c->text;
	if (!rc)
		rc = file_write_in_place(made ? src : dst, text, strlen(text), e);
	if (!rc && made && c->from != c->to) {
		char *to = xasprintf("tasks/%s/", task_state_name(c->to));
		changeset_moves(set, rel_src, to);
		free(to);
	} else if (!rc)
		changeset_wrote(set, rel_dst);
	rc = rc ? rc : 1;
out:
	free(src);
	free(dst);
	free(rel_src);
	free(rel_dst);
	free(folder);
	free(made);
	return rc;
}

/* What only enrolled keys may change, where the grid says so: all but what anyone may submit, and what was merged and
 * is promoted, be it fit to run or not. */
static bool is_bound(const struct ledger_change *c)
{
	bool staged = c->from == TASK_UNAPPROVED && !c->create;
	return c->path || c->to == TASK_IN_PROGRESS || c->to == TASK_COMPLETED || (c->to == TASK_FAILED && !staged) ||
	       (!c->create && !staged && c->from != TASK_QUEUE);
}

/* What one commit is to say. */
struct draft {
	struct changeset set;
	struct buf body; /* a line for each change */
	struct buf notes;
	size_t n;   /* changes */
	bool bound; /* is it something that nodes write? */
};

/* Puts every change into the work tree that is still legal. OWN_TROUBLE: one was refused. */
static int apply_all(struct ledger *l, struct ledger_change *c, size_t n, bool *applied, struct draft *d, struct err *e)
{
	bool whole = false;
	for (size_t i = 0; i < n; i++)
		whole = whole || c[i].path;
	for (size_t i = 0; i < n; i++) {
		applied[i] = false;
		if (c[i].outcome != CHANGE_PENDING)
			continue;
		l->draft = (struct ledger_draft){c, applied, i};
		int rc = apply(l, &c[i], &d->set, e);
		l->draft.n = 0;
		if (whole && rc != 1)
			return rc ? -1 : err_set(e, ERR_RETRY, "'%s' is in the ledger already", c[i].id);
		if (rc == OWN_TROUBLE) {
			c[i].outcome = CHANGE_REFUSED;
			snprintf(l->trouble, sizeof l->trouble, "%.299s", e->msg);
		}
		if (rc < 0)
			return rc;
		if (!rc) {
			c[i].outcome = CHANGE_DROPPED;
			continue;
		}
		applied[i] = true;
		d->bound = d->bound || is_bound(&c[i]);
		d->n++;
		buf_addf(&d->body, "%s %s\n", c[i].verb, c[i].id);
		if (c[i].note)
			buf_addf(&d->notes, "%s\n", c[i].note);
	}
	return 0;
}

static char *message_of(const char *who, const struct draft *d)
{
	/* The nonce makes the commit one that only we can have made, whatever the clock and the author. */
	char nonce[17];
	clock_nonce(nonce, 8);
	const char *body = d->body.data ? d->body.data : "", *notes = d->notes.data ? d->notes.data : "",
		   *gap = *notes ? "\n" : "";
	if (d->n == 1)
		return xasprintf("%s: %s\n%s%sdgrid-nonce: %s\n", who, body, notes, gap, nonce);
	return xasprintf("%s: %zu transitions\n\n%s\n%s%sdgrid-nonce: %s\n", who, d->n, body, notes, gap, nonce);
}

/* Builds the commit on the current head. 1: made, 0: nothing left to say, -1: error. */
static int build(struct ledger *l, const char *who, struct ledger_change *c, size_t n, bool *applied,
		 const char *extra_path, const char *extra_text, struct err *e)
{
	struct draft d = {.bound = extra_path != NULL};
	char *message = NULL;
	int rc = apply_all(l, c, n, applied, &d, e);
	if (rc == OWN_TROUBLE) {
		/* What the others had put there goes too; they are put there again, without that one. */
		l->dirty = true;
		rc = refresh(l, e) ? -1 : build(l, who, c, n, applied, extra_path, extra_text, e);
		goto out;
	}
	if (rc || (!d.n && (n || !extra_path)))
		goto out;
	if ((d.bound && ledger_may_sign(l, who, e)) ||
	    (extra_path && write_extra(l, extra_path, extra_text, &d.set, e))) {
		rc = -1;
		goto out;
	}
	message = message_of(who, &d);
	rc = changeset_commit(&l->git, &d.set, message, l->made, e) ? -1 : 1;
out:
	changeset_clear(&d.set);
	buf_clear(&d.body);
	buf_clear(&d.notes);
	free(message);
	return rc;
}

static void landed(struct ledger *l, struct ledger_change *c, size_t n, const bool *applied)
{
	for (size_t i = 0; i < n; i++)
		if (applied[i])
			c[i].outcome = CHANGE_LANDED;
	memcpy(l->head, l->made, sizeof l->head);
}

static enum push_outcome push(struct ledger *l, const struct ledger_change *c, size_t n, const bool *applied,
			      struct err *e)
{
	bool whole = l->folder.ref != NULL, brings = false;
	for (size_t i = 0; i < n && l->beside; i++)
		brings = brings || (applied[i] && c[i].brings);
	l->pushes++;
	return brings ? push_both(&l->git, l->branch, l->head, whole, l->beside, e)
		      : push_branch(&l->git, l->branch, l->head, whole, e);
}

int ledger_commit(struct ledger *l, const char *who, struct ledger_change *c, size_t n, const char *extra_path,
		  const char *extra_text, struct err *e)
{
	bool *applied = xcalloc(n + 1, sizeof *applied);
	int64_t backoff = BACKOFF_FIRST_MS;
	int rc = -1;
	l->refused = false;
	for (int try = 1; try <= l->tries; try++) {
		int64_t began = clock_mono_ms();
		int made = build(l, who, c, n, applied, extra_path, extra_text, e);
		l->dirty = l->dirty || made < 0;
		if (made <= 0) {
			rc = made;
			break;
		}
		enum push_outcome got = push(l, c, n, applied, e);
		if (got == PUSH_DECLINED && l->tries > 1 &&
		    !push_too_many(e->msg)) { /* it may have passed: somebody's lock, say */
			proc_pause(SECOND_TRY_MS);
			got = push(l, c, n, applied, e);
		}
		l->push_ms = clock_mono_ms() - began;
		l->refused = got == PUSH_DECLINED;
		if (got == PUSH_LANDED) {
			landed(l, c, n, applied);
			rc = 0;
			break;
		}
		if (got != PUSH_RACED)
			break;
		l->rejected++;
		e->class = ERR_RETRY;
		err_wrap(e, "lost %d race%s for the branch in a row, try again", try, try == 1 ? "" : "s");
		if (try == l->tries)
			break;
		/* Full jitter, so that losers do not meet again. */
		char dice[9];
		clock_nonce(dice, 4);
		proc_pause((int64_t)(strtoul(dice, NULL, 16) % (unsigned long)backoff));
		backoff = clock_longer(backoff, BACKOFF_FIRST_MS, BACKOFF_MAX_MS);
		if (ledger_sync(l, e)) {
			e->class = ERR_RETRY; /* nothing of ours is under way: the last push was refused */
			break;
		}
	}
	free(applied);
	if (rc) /* leave nothing half-made behind */
		refresh(l, NULL);
	return rc;
}
