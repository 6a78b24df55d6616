#include "verbs/whynode.h"
#include "base/clock.h"
#include "schema/consent.h"
#include "schema/order.h"
#include "schema/task.h"
#include "schema/vote.h"
#include "verbs/report.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY 86400

void because(struct reasons *r, const char *code, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct json *one = json_new(JSON_OBJECT);
	json_set(one, "code", json_new_str(code));
	json_set(one, "text", json_new_str(text));
	json_append(r->list, one);
}

bool not_enrolled(const struct reasons *r, const char *node, char what[160])
{
	const struct keyring_entry *own = node ? keyring_of(&r->keys, node) : NULL;
	own = own && own->person ? NULL : own;
	if (!r->signed_only || !node || (own && own->valid))
		return false;
	snprintf(what, 160, KEYS_FOLDER "%.64s.pub is %s", node, own ? "not valid" : "not there");
	return true;
}

static char *join_labels(const struct json *wanted, const struct json *node_file, const char *between)
{
	struct buf b = {0};
	for (const struct json *w = wanted ? wanted->child : NULL; w; w = w->next) {
		struct json *one = json_new(JSON_ARRAY);
		json_append(one, json_copy(w));
		if (!node_file || !node_has_labels(node_file, one))
			buf_addf(&b, "%s%s", b.len ? between : "", w->text ? w->text : "?");
		json_free(one);
	}
	return b.data ? buf_detach(&b) : xstrdup("");
}

/* "14:20 UTC"; the whole time where it is not within a day. */
static const char *about(int64_t at, int64_t now, char out[40])
{
	char when[32];
	clock_format(at, when);
	if (at - now >= DAY)
		snprintf(out, 40, "%s", when);
	else
		snprintf(out, 40, "%.5s UTC", when + 11);
	return out;
}

static const struct json *builds_of(const struct snapshot_node *n)
{
	const struct json *all = n->beat ? json_get(n->beat, "builds") : NULL;
	return all ? all : json_get(n->file, "builds");
}

/* NULL: nothing. */
static const char *built_now(const struct snapshot_node *n)
{
	const struct json *all = builds_of(n);
	for (const struct json *v = all && all->type == JSON_OBJECT ? all->child : NULL; v; v = v->next) {
		const char *state = json_str(v, "state");
		if (state && !strcmp(state, "building"))
			return v->name;
	}
	return NULL;
}

/* An image that is to be built there. */
static void why_unbuilt(const struct snapshot_node *n, const char *image, struct reasons *r)
{
	const struct json *all = builds_of(n), *one = json_get(all, image);
	const char *state = json_str(one, "state"), *why = json_str(one, "why"), *at = json_str(one, "at"),
		   *again = json_str(one, "again_at");
	if (!all)
		because(r, "image",
			"%s: has no image %.160s, and its owner does not allow builds (worker --allow-build)", n->id,
			image);
	else if (state && !strcmp(state, "building"))
		because(r, "image", "%s: has been building the image %.160s since %.32s", n->id, image, at ? at : "?");
	else if (why)
		because(r, "image", "%s: could not build the image %.100s: %.250s; next try at %.32s", n->id, image,
			why, again ? again : "?");
	else
		because(r, "image", "%s: has no image %.160s, and will build it when no task runs there", n->id, image);
}

/* What it never gets there. False: nothing. */
static bool why_never(const struct snapshot_node *n, const struct grid_config *c, const struct rooms_found *f,
		      struct reasons *r)
{
	char words[240];
	for (size_t i = 0; i < f->n_never; i++)
		if (f->never[i].kind == FIT_IMAGE && config_build(c, f->never[i].what))
			why_unbuilt(n, f->never[i].what, r);
		else if (f->never[i].kind != FIT_LABEL)
			because(r,
				f->never[i].kind == FIT_NEVER	? "resources"
				: f->never[i].kind == FIT_STORE ? "store"
								: "image",
				"%s: %s", n->id, fit_words(&f->never[i], words));
	return f->n_never > 0;
}

/* Room that it lacks there now, or that is kept. False: nothing. */
static bool why_room(const struct snapshot *s, const struct snapshot_task *t, size_t at, const struct rooms_found *f,
		     struct reasons *r)
{
	const struct room *room = &r->rooms.v[at];
	const char *id = s->nodes[at].id;
	char words[240], until[40], since[24], kept[40], rest[160] = "";
	int64_t ready = fit_ready_since(t->doc);
	if (ready > 0 && !f->kept && room->kept_for != t && !fit_is_due(ready, s->now))
		snprintf(rest, sizeof rest,
			 "; smaller tasks may take the room until it is reserved for the first in line, from %s on",
			 about(ready + FIT_PATIENCE_SECONDS, s->now, kept));
	for (size_t i = 0; i < f->n_now; i++)
		because(r, "room", "%s: %s, frees about %s%s", id, fit_words(&f->now[i], words),
			about(f->free_at, s->now, until), rest);
	if (room->kept_for == t)
		because(r, "kept", "%s reserves its room for this task, which has waited %s: it should fit at about %s",
			id, report_span(s->now - room->kept_since, since), about(room->kept_until, s->now, until));
	else if (f->kept)
		because(r, "kept", "%s reserves its room for %s, which has waited %s, until about %s", id,
			room->kept_for->id, report_span(s->now - room->kept_since, since),
			about(room->kept_until, s->now, until));
	return f->n_now || f->kept;
}

/* Does the node offer what the task asks for beyond its sandbox? lacks: what not; "": it does, as far as it says. */
static bool consents(const struct snapshot_node *n, const struct json *doc, struct reasons *r, char lacks[100])
{
	lacks[0] = 0;
	if (!consent_offered(json_get(n->file, "networks"), json_get(n->file, "secrets"), doc, lacks))
		because(r, "consent", "node %s does not offer %s", n->id, lacks);
	else if (json_get(doc, "secrets"))
		because(r, "consent",
			"node %s has its secrets, for the signers and images that its owner lists; if it does not "
			"claim the task, its log says why",
			n->id);
	return !lacks[0];
}

/* The node on which it failed last leaves it to those with a free slot. */
static void why_left(const struct snapshot *s, const struct json *doc, size_t free_slots, struct reasons *r)
{
	char when[32];
	for (size_t i = 0; i < s->n_nodes; i++) {
		int64_t until = task_left_until(doc, s->nodes[i].id);
		if (until > s->now && free_slots > 1)
			because(r, "failed-there",
				"its last attempt failed on %s, which leaves it to other nodes until %s",
				s->nodes[i].id, clock_format(until, when));
	}
}

struct counts {
	size_t alive, carriers, able, offer, free;
	char lacked[100]; /* what none of the able offers */
};

/* Only an image keeps it from there, and that is to be built there. */
static bool will_build(const struct snapshot_node *n, const struct grid_config *c, const struct rooms_found *f)
{
	bool will = json_get(n->file, "builds");
	for (size_t i = 0; i < f->n_never; i++)
		will = will && f->never[i].kind == FIT_IMAGE && config_build(c, f->never[i].what);
	return will;
}

/* Could it ever run there, by what the node has and offers? */
static bool could(const struct snapshot *s, const struct snapshot_node *n, const struct json *doc,
		  const struct rooms_found *found, struct counts *c, struct reasons *r)
{
	const struct json *wanted = json_get(doc, "labels");
	char lacks[100];
	c->alive++;
	bool carries = node_has_labels(n->file, wanted);
	c->carriers += carries;
	if (!carries) {
		char *missing = join_labels(wanted, n->file, ", ");
		because(r, "labels", "node %s lacks the label%s %s", n->id, strchr(missing, ',') ? "s" : "", missing);
		free(missing);
	}
	if (why_never(n, &s->config, found, r) && !(carries && will_build(n, &s->config, found)))
		return false;
	if (!carries)
		return false;
	c->able++;
	if (!consents(n, doc, r, lacks)) {
		memcpy(c->lacked, lacks, sizeof lacks);
		return false;
	}
	c->offer++;
	return !found->n_never;
}

/* False: a living node could run it, or none lives. */
static bool nobody_could(const struct counts *c, const struct json *doc, struct reasons *r)
{
	if (!c->alive || c->offer)
		return false;
	if (!c->carriers) {
		char *all = join_labels(json_get(doc, "labels"), NULL, ",");
		because(r, "labels", "no live node has all its labels (%s): start one with dgrid worker --labels %s",
			all, all);
		free(all);
	} else if (!c->able)
		because(r, "resources",
			"no live node could ever run it: start one that has what it asks for, or submit it again with "
			"smaller requests");
	else
		because(r, "consent",
			"no node is known to offer %s to its signer (the owner of a node does, with dgrid worker "
			"--network or --secrets)",
			c->lacked);
	return true;
}

static bool lives(const struct snapshot_node *n)
{
	return n->state != NODE_LEFT && n->state != NODE_SILENT;
}

bool why_never_runs(const struct snapshot *s, const struct json *doc, struct reasons *r)
{
	struct counts c = {0};
	struct rooms_found found = {0};
	struct fit_node node;
	struct fit_want want;
	fit_want_read(&want, doc);
	for (size_t i = 0; i < s->n_nodes; i++)
		if (lives(&s->nodes[i])) {
			rooms_node(&s->nodes[i], &node);
			found.n_never = fit_never(&node, &s->config, doc, &want, found.never);
			could(s, &s->nodes[i], doc, &found, &c, r);
		}
	return nobody_could(&c, doc, r);
}

static void ask(const struct snapshot *s, const struct snapshot_task *t, size_t at, struct counts *c, struct reasons *r)
{
	const struct snapshot_node *n = &s->nodes[at];
	struct rooms_found found;
	const char *builds;
	char what[160], words[ORDER_WORDS];
	rooms_judge(&r->rooms, at, t, &found);
	if (!could(s, n, t->doc, &found, c, r))
		return;
	if (vote_has(t->doc, n->id))
		because(r, "voted", "node %s has voted on it already", n->id);
	else if (not_enrolled(r, n->id, what))
		because(r, "not-enrolled",
			"node %s claims nothing: it is not enrolled (%s); enrol it with dgrid enroll %s KEY, its log "
			"has the key",
			n->id, what, n->id);
	else if (n->drain)
		because(r, "drained", "node %s is %s", n->id, order_words("drained", n->drain, words));
	else if (n->state == NODE_PAUSED)
		because(r, "paused", "node %s claims nothing: %s", n->id, n->view.trouble);
	else if (n->state == NODE_DRAINING)
		because(r, "draining", "node %s is draining", n->id);
	else if (json_int(n->view.doc, "cluster_room", -1) == 0)
		because(r, "cluster", "the cluster of node %s has no idle processor, and one of its tasks waits there",
			n->id);
	else if ((builds = built_now(n)))
		because(r, "building", "node %s is building the image %.160s, and claims nothing meanwhile", n->id,
			builds);
	else {
		bool busy = n->view.busy >= n->view.slots;
		if (busy)
			because(r, "busy", "all %lld slots of node %s are busy", (long long)n->view.slots, n->id);
		bool tight = n->view.trouble[0] && json_int(t->doc, "out_mb", s->config.max_out_mb);
		if (tight)
			because(r, "disk", "node %s: %s", n->id, n->view.trouble);
		c->free += !why_room(s, t, at, &found, r) && !busy && !tight;
	}
}

void why_nodes(const struct snapshot *s, const struct snapshot_task *t, struct reasons *r)
{
	struct counts c = {0};
	if (!r->rooms.s)
		rooms_open(&r->rooms, s);
	for (size_t i = 0; i < s->n_nodes; i++)
		if (lives(&s->nodes[i]))
			ask(s, t, i, &c, r);
	why_left(s, t->doc, c.free, r);
	if (!s->n_nodes)
		because(r, "no-nodes", "no node has ever joined this grid: start one with dgrid worker");
	else if (!c.alive)
		because(r, "nobody-alive", "none of the %zu known node%s is alive: start one with dgrid worker",
			s->n_nodes, s->n_nodes == 1 ? "" : "s");
	else if (nobody_could(&c, t->doc, r))
		;
	else if (c.free && !r->waits && json_get(t->doc, "secrets"))
		because(r, "soon",
			"%zu node%s with a free slot should claim it at the next poll, if its owner gives the secrets "
			"to this signer and image; otherwise it waits",
			c.free, c.free == 1 ? "" : "s");
	else if (c.free && !r->waits)
		because(r, "soon", "nothing blocks it: %zu node%s with a free slot should claim it at the next poll",
			c.free, c.free == 1 ? "" : "s");
}
