/* Random honest histories, many a second, for tests/tamper/honest.py: nodes and people act by the program's own code
 * (what chooses, claims, renews, ends, heals, cancels, retries, promotes and counts), on a ledger in memory and by a
 * clock that jumps; each commit goes to `git fast-import` as a stream. Only ledger.c, heartbeat.c, runner.c and clock.c
 * are played (honest_stage.h): what they would do, without git, engine and waiting.
 *
 * usage: honest COUNT SEED DIR >stream    refs/h/0/main, refs/h/0/archive, refs/h/1/main, ... DIR: for scratch files
 * The stream has "@" and 39 digits where the id of the commit with that mark is to stand. */
#include "base/clock.h"
#include "honest_orders.h"
#include "honest_schedule.h"
#include "honest_stage.h"
#include "schema/checkpoint.h"
#include "schema/node.h"
#include "store/archive.h"
#include "store/places.h"
#include "store/promote.h"
#include "store/waiting.h"
#include "verbs/verbs.h"
#include "worker/reaper.h"
#include "worker/slots.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SLOTS 2
#define PEOPLE 2

struct sim_node {
	struct actor a;
	struct beat *beat; /* on the stage */
	bool up, joined, retired;
	int64_t started_at, next_due;
	char instance[17];
	struct selfcheck fit;
	struct slots slots;
	struct outbox outbox;
	struct chooser chooser;
	struct json *offered; /* what its file says that it offers */
	struct fit_node room;
	struct reaper reaper;
	unsigned beats;
};
static struct {
	struct sim_node nodes[NODES];
	struct actor people[PEOPLE];
	struct grid_config config;
	unsigned tasks;
	struct strs filed; /* "YYYY/MM/DD/ID", as often as such a task went to the archive */
	bool limits;	   /* as the newest grid.json says; the nodes go by it from then on, ms */
	int64_t limits_at;
} sim;
static const struct engine engines[] = {{.kind = ENGINE_BWRAP, .version = "0.8.0", .limits = true},
					{.kind = ENGINE_BWRAP, .version = "0.8.0"}};

/* ---- nodes ---- */

static struct node_facts facts(struct sim_node *n, const char *status)
{
	n->next_due = clock_now() + sim.config.heartbeat_seconds + 1;
	return (struct node_facts){.id = n->a.id,
				   .instance = n->instance,
				   .status = status,
				   .trouble = "",
				   .engine = "bwrap",
				   .engine_version = "0.8.0",
				   .work_dir = "/",
				   .limits = n->slots.engine->limits,
				   .offer = json_get(n->offered, "offer"),
				   .store = n->room.store,
				   .slots = SLOTS,
				   .busy = slots_busy(&n->slots),
				   .started_at = n->started_at,
				   .next_due = n->next_due,
				   .completed = n->slots.completed,
				   .failed = n->slots.failed,
				   .turns = "free"};
}

static void beat(struct sim_node *n)
{
	struct node_facts f = facts(n, "active");
	json_free(n->beat->doc);
	n->beat->doc = node_beat(&f);
	snprintf(n->beat->node, sizeof n->beat->node, "%s", n->a.id);
	snprintf(n->beat->oid, sizeof n->beat->oid, "%040u", ++n->beats);
}

static struct ledger open_as(const struct actor *a, const char *name)
{
	struct ledger l;
	(void)a;
	ledger_open(&l, "/nowhere", "main", NULL, name, "x@localhost", NULL);
	return l;
}

static struct outputs no_folders = {.unseen = true};

static bool has_checkpoints(const char *id)
{
	struct json *doc = ledger_doc(NULL, TASK_IN_PROGRESS, id, NULL);
	bool has = checkpoint_asked(doc);
	json_free(doc);
	return has;
}

/* What the courier makes of a result whose run left files: they are at the remote, under the day on which they came. */
static void leave_files(struct sim_node *n)
{
	for (struct outcome *o = n->outbox.first; o; o = o->next) {
		char day[32], ref[100], tree[72];
		const char *error = json_str(o->result, "out_error");
		bool kept =
		    !o->result && !o->kept && !strcmp(o->status, "released") && has_checkpoints(o->id) && one_in(2);
		if (!kept && (!error || strcmp(error, OUTPUTS_UNSEEN) != 0))
			continue;
		if (kept)
			o->kept = json_new(JSON_OBJECT);
		else
			json_remove(o->result, "out_error");
		struct json *out = json_new(JSON_OBJECT);
		memset(tree, '0' + (int)strlen(o->id) % 10, sizeof tree); /* so that votes agree */
		tree[40] = 0;
		snprintf(ref, sizeof ref, "refs/dgrid/out/%.10s/%s/%d", clock_format(clock_now(), day), n->a.id,
			 (int)below(2) + 1);
		json_set(out, "tree", json_new_str(tree));
		json_set(out, "files", json_new_int((int64_t)below(1000) + 1));
		json_set(out, "bytes", json_new_int((int64_t)below(16 << 20)));
		if (one_in(3))
			json_set(out, "left_out", json_new_int((int64_t)below(9) + 1));
		json_set(out, "ref", json_new_str(ref));
		struct json *to = kept ? o->kept : o->result, *doc = ledger_doc(NULL, TASK_IN_PROGRESS, o->id, NULL);
		if (n->room.store && json_int(json_get(doc, "claim"), "replicas", 1) < 2 && one_in(2)) {
			struct json *stored = json_new(JSON_OBJECT);
			json_set(out, "files", json_new_int(9));
			json_set(out, "bytes", json_new_int(1000));
			json_set(stored, "files", json_new_int(1 + below(9)));
			json_set(stored, "bytes", json_new_int((1 << 20) + 1 + below(14 << 20)));
			json_set(stored, "over_mb", json_new_int(1));
			json_set(out, "stored", stored);
		}
		json_free(doc);
		if (one_in(4))
			json_set(to, "out_error", json_new_str("declined by the host: too large"));
		else if (one_in(2))
			json_set(to, "out", json_copy(out));
		json_free(out);
	}
}

/* As slot_edit_renew, with a checkpoint that the saver has brought to the remote. */
static enum change_verdict renew(void *ctx, struct json *doc, enum task_state *to)
{
	const struct slot *s = ctx;
	enum change_verdict v = slot_edit_renew(ctx, doc, to);
	char when[32], ref[PLACE_MAX];
	struct place_checkpoint p;
	if (v != CHANGE_APPLY || !s->run || !checkpoint_asked(doc) || s->terms.replicas > 1 || one_in(3))
		return v;
	memset(p.tree, 'a' + (int)below(6), sizeof p.tree);
	p.tree[40] = 0;
	snprintf(p.nonce, sizeof p.nonce, "%s", s->nonce);
	place_checkpoint_name(ref, &p, false);
	struct json *saved = json_new(JSON_OBJECT);
	json_set(saved, "tree", json_new_str(p.tree));
	json_set(saved, "ref", json_new_str(ref));
	json_set(saved, "files", json_new_int((int64_t)below(1000) + 1));
	json_set(saved, "bytes", json_new_int((int64_t)below(16 << 20)));
	json_set(saved, "at", json_new_str(clock_format(clock_now(), when)));
	task_claim_add(doc, "saved", saved);
	return v;
}

/* One exchange, as talk.c has it: results, renewals, claims, the node's file. */
static void speak(struct sim_node *n, bool claims, bool leaves)
{
	struct ledger l = open_as(&n->a, "dgrid");
	struct ledger_change c[64];
	struct err e;
	memset(c, 0, sizeof c);
	n->slots.ledger = &l;
	if (stage.ms >= sim.limits_at)
		sim.config.require_limits = sim.limits;
	slots_watch(&n->slots, &l);
	leave_files(n);
	outbox_checked(&n->outbox, one_in(2));
	size_t out = outbox_changes(&n->outbox, INT64_MAX, c), k = out;
	for (int i = 0; i < SLOTS; i++)
		if (slot_lease_due(&n->slots.v[i]) == 2 || (slot_lease_due(&n->slots.v[i]) && out))
			c[k++] = (struct ledger_change){.id = n->slots.v[i].pick.id,
							.from = TASK_IN_PROGRESS,
							.to = TASK_IN_PROGRESS,
							.edit = renew,
							.ctx = &n->slots.v[i],
							.verb = "renew"};
	size_t first = k, want = claims ? (size_t)(SLOTS - slots_busy(&n->slots)) : 0;
	struct pick picks[SLOTS];
	memset(picks, 0, sizeof picks);
	n->slots.seats = &n->chooser.seats;
	n->chooser.said = c;
	n->chooser.n_said = out;
	size_t got = want ? choose(&n->chooser, &l, &sim.config, n->a.id, clock_now(), want, 8, picks) : 0;
	while (k - first < got) {
		struct slot *s = slot_take(&n->slots);
		s->pick = picks[k - first];
		s->ahead = one_in(3) ? (int)below(9) + 1 : 0;
		s->all->wait_seconds = (int64_t)below(TASK_AHEAD_SECONDS + 1);
		c[k] = (struct ledger_change){.id = s->pick.id,
					      .from = TASK_QUEUE,
					      .to = pick_runs(&s->pick) ? TASK_IN_PROGRESS : TASK_FAILED,
					      .text = s->pick.invalid_text,
					      .edit = s->pick.expired ? waiting_edit_expire : slot_edit_claim,
					      .ctx = s,
					      .verb = s->pick.invalid_text ? "invalid"
						      : s->pick.expired	   ? "expired"
									   : "claim"};
		k++;
	}
	size_t claimed = k;
	for (size_t i = 0; want && i < n->chooser.skips.n && k < 60; i++)
		c[k++] = WAITING_SKIP(&l, n->chooser.skips.v[i]);
	if (k || !n->joined || leaves) {
		struct node_facts f = facts(n, leaves ? "left" : "active");
		struct json *j = node_file(&f);
		char *text = task_text(j), *path = xasprintf("nodes/%s.json", n->a.id);
		ledger_commit(&l, n->a.id, c, k, path, text, &e);
		n->joined = true;
		json_free(j);
		free(text);
		free(path);
	}
	outbox_settle(&n->outbox, &l, c, out, SAID_LANDED, "");
	for (size_t i = out; i < claimed; i++) {
		struct slot *s = c[i].ctx;
		if (i < first) {
			if (c[i].outcome == CHANGE_LANDED)
				slot_renewed(s);
		} else if (c[i].outcome == CHANGE_LANDED && pick_runs(&s->pick))
			slot_start(s);
		else
			slot_free(s);
	}
	ledger_close(&l);
}

static void heal(struct sim_node *n)
{
	struct ledger l = open_as(&n->a, "dgrid");
	struct orphans o = {0};
	struct err e;
	if (!reaper_look(&n->reaper, &l, &sim.config, n->a.id, &o, &e) && o.n)
		reaper_heal(&l, n->a.id, &o, &e);
	orphans_clear(&o);
	ledger_close(&l);
}

/* A worker that is killed gives nothing back. */
static void forget_runs(struct sim_node *n)
{
	static struct series **lost;
	static size_t n_lost;
	for (int i = 0; i < SLOTS; i++) {
		if (n->slots.v[i].run) {
			lost = xrealloc(lost, (n_lost + 1) * sizeof(struct series *));
			lost[n_lost++] = n->slots.v[i].run;
			free(stage_attempt(n->slots.v[i].run));
		}
		slot_free(&n->slots.v[i]);
	}
}

/* Ends what runs now: the whole, one point, or those that share its sandbox. */
static void end_one(struct slot *s)
{
	struct attempt *a = s->run ? stage_attempt(s->run) : NULL;
	if (a)
		stage_end(a);
}

/* Another at each start; nodes of 0.1.0 say nothing. */
static void draw_offer(struct sim_node *n)
{
	static const char *const gpus[] = {"", ", \"resources\": {\"gpu\": 1}",
					   ", \"resources\": {\"gpu\": 2, \"x\": 1}"};
	struct json_error je;
	char *text = one_in(4) ? xstrdup("{}")
			       : xasprintf("{\"offer\": {\"cpus\": %lld, \"max_cpus\": %s, \"memory_mb\": %lld, "
					   "\"max_memory_mb\": %lld, \"disk_mb\": %lld%s}%s}",
					   (long long)below(3) + 1, one_in(2) ? "1" : "0.5",
					   (long long)(512 * (below(3) + 1)), (long long)(256 * (below(3) + 1)),
					   (long long)below(30), gpus[below(3)], one_in(2) ? "" : ", \"store\": true");
	json_free(n->offered);
	n->offered = json_parse(text, strlen(text), &je);
	fit_node_read(&n->room, n->a.id, n->offered);
	chooser_forget(&n->chooser);
	free(text);
}

static void start(struct sim_node *n)
{
	draw_offer(n);
	struct ledger l = open_as(&n->a, "dgrid");
	struct orphans o = {0};
	struct strs kept = {0};
	struct err e;
	n->up = true;
	n->started_at = clock_now();
	clock_nonce(n->instance, 8);
	for (const struct outcome *i = n->outbox.first; i; i = i->next)
		strs_add(&kept, i->nonce);
	reaper_own(&l, n->a.id, (const char *const *)kept.v, kept.n, &o, &e);
	reaper_heal(&l, n->a.id, &o, &e);
	orphans_clear(&o);
	strs_clear(&kept);
	ledger_close(&l);
	beat(n);
	speak(n, false, false);
}

/* Stopped at once: the claims go back; or drained: what runs may end first. */
static void stop(struct sim_node *n, bool drain)
{
	for (int i = 0; i < SLOTS; i++)
		while (n->slots.v[i].run) {
			if (!drain)
				series_cancel(n->slots.v[i].run);
			stage.ms += 1000 * below(3);
			end_one(&n->slots.v[i]);
		}
	speak(n, false, true);
	json_free(n->beat->doc);
	n->beat->doc = NULL;
	n->up = false;
}

static void node_acts(struct sim_node *n)
{
	stage.acts = &n->a;
	if (n->retired)
		return;
	if (!n->up) {
		if (one_in(2))
			start(n);
		return;
	}
	switch (below(20)) {
	case 0:
		forget_runs(n); /* kill -9 */
		n->up = false;
		return;
	case 1:
		stop(n, one_in(2));
		return;
	case 2:
		return; /* cut off for a while: no beat, no exchange */
	case 3:
	case 4:
		beat(n);
		heal(n);
		return;
	case 5:
	case 6:
		play_firing(&n->a, &sim.config);
		return;
	default:
		break;
	}
	for (int i = 0; i < SLOTS; i++)
		for (int k = 0; k < 3 && (stage_cancelled(n->slots.v[i].run) || one_in(2)); k++)
			end_one(&n->slots.v[i]);
	if (one_in(3))
		stage.ms += 1000 * below(4); /* the exchange takes its time */
	speak(n, !one_in(4), false);
	beat(n);
}

/* ---- people ---- */

/* Some of the ids in these folders. */
static void add_needs(struct buf *b, const char *member, enum task_state from, enum task_state to)
{
	struct strs ids = {0};
	size_t named = 0;
	for (int s = (int)from; s <= (int)to; s++)
		ledger_ids(NULL, (enum task_state)s, &ids, NULL);
	for (size_t i = 0; i < ids.n && named < 3; i++)
		if (one_in(3))
			buf_addf(b, "%s\"%s\"", named++ ? ", " : member, ids.v[i]);
	buf_adds(b, named ? "]" : "");
	strs_clear(&ids);
}

static struct json *new_task(const char *id)
{
	static const char *const odd[] = {"\"\\u00e9\\ud83d\\ude00\"", "{\"deep\": [1, 2.50, {\"a\": null}]}", "1e3",
					  "\"\""};
	struct json_error je;
	struct buf b = {0};
	buf_addf(&b, "{\"script\": \"echo %lld\", \"task_id\": \"%s\", \"timeout_seconds\": %lld", (long long)below(99),
		 id, (long long)(10 + below(100)));
	if (one_in(2))
		buf_addf(&b, ", \"metadata\": %s", odd[below(4)]);
	if (one_in(3))
		buf_addf(&b, ", \"max_attempts\": %lld", (long long)(1 + below(3)));
	if (one_in(6))
		buf_adds(&b, ", \"replicas\": 3, \"quorum\": 2");
	else {
		if (one_in(3))
			buf_adds(&b, ", \"retry_on_failure\": true");
		if (one_in(2))
			buf_adds(&b, ", \"checkpoint\": true");
	}
	if (one_in(4))
		buf_addf(&b, ", \"priority\": %lld, \"env\": {\"A\": \"b\"}, \"x-of\": 1.0", (long long)below(10));
	if (one_in(3))
		add_needs(&b, ", \"needs\": [", TASK_QUEUE, TASK_COMPLETED);
	if (one_in(5))
		add_needs(&b, ", \"after\": [", TASK_QUEUE, TASK_FAILED);
	if (one_in(4) && !strstr(b.data, "checkpoint"))
		buf_addf(&b, ", \"points\": %s, \"first_point\": %lld",
			 one_in(2) ? "3" : "[{\"A\": \"1\"}, {\"DGRID_POINT\": \"70\"}, {}, {}]", (long long)below(60));
	if (one_in(3))
		buf_addf(&b, ", \"cpus\": %s, \"memory_mb\": %lld", one_in(2) ? "0.25" : "0.75",
			 (long long)(64 * (1 + below(8))));
	if (one_in(6))
		buf_addf(&b, ", \"resources\": {\"gpu\": %lld}, \"disk_mb\": %lld", (long long)(1 + below(2)),
			 (long long)(1 + below(20)));
	if (strstr(b.data, "points") && one_in(2))
		buf_adds(&b, ", \"share_sandbox\": true");
	if (one_in(2))
		buf_addf(&b, ", \"concurrency_group\": \"g%lld\"", (long long)below(2));
	else if (one_in(4))
		buf_addf(&b, ", \"concurrency_group\": \"m\", \"max_running\": %lld", (long long)(1 + below(3)));
	if (one_in(4))
		buf_adds(&b, ", \"output\": \"digest\"");
	if (one_in(2))
		buf_addf(&b, ", \"submitted_by\": \"%s\"", one_in(2) ? "alice" : "bob");
	if (one_in(2))
		buf_addf(&b, ", \"group\": \"g%lld\"", (long long)below(3));
	char when[32];
	if (one_in(6))
		buf_addf(&b, ", \"start_after\": \"%s\"", clock_format(clock_now() + below(120), when));
	else if (one_in(6))
		buf_addf(&b, ", \"deadline\": \"%s\"", clock_format(clock_now() + below(120), when));
	buf_adds(&b, "}");
	struct json *doc = json_parse(b.data, b.len, &je);
	buf_clear(&b);
	return doc;
}

static void submit(struct actor *a)
{
	struct ledger l = open_as(a, a->id);
	struct ledger_change c[3];
	char ids[3][16], *texts[3];
	struct err e;
	size_t n = 1 + (size_t)below(3);
	for (size_t i = 0; i < n; i++) {
		snprintf(ids[i], sizeof ids[i], "t%u", sim.tasks++);
		struct json *doc = new_task(ids[i]);
		if (one_in(12))
			json_set(doc, "timeout_seconds", json_new_str("soon")); /* by hand, and wrong */
		texts[i] = task_text(doc);
		c[i] = (struct ledger_change){
		    .id = ids[i], .to = TASK_QUEUE, .create = true, .text = texts[i], .verb = "submit"};
		json_free(doc);
	}
	ledger_commit(&l, a->id, c, n, NULL, NULL, &e);
	for (size_t i = 0; i < n; i++)
		free(texts[i]);
	ledger_close(&l);
}

/* A merged request, some time, and then its promotion, by a person or by a node. */
static void offer(struct actor *a)
{
	struct ledger l = open_as(a, a->id);
	struct staged_ids all = {0};
	struct staged one = {.verdict = STAGED_LEFT};
	struct err e;
	char *path, name[64];
	snprintf(one.id, sizeof one.id, "offer%u", sim.tasks++);
	snprintf(one.mode, sizeof one.mode, "100644");
	struct json *doc = new_task(one.id);
	if (one_in(6))
		json_set(doc, "scirpt", json_new_str("x")); /* nobody looked */
	char *text = task_text(doc);
	path = stage_path(TASK_UNAPPROVED, one.id);
	stage_commit("main", a->id, "Merge an offer\n");
	stage_set(path, text);
	snprintf(name, sizeof name, "%s <%s@localhost>", a->id, a->id);
	struct arrival by = {.author = name, .committer = name, .at = clock_now()};
	snprintf(by.commit, sizeof by.commit, "@%039lu", stage.mark);
	stage.ms += 1000 * below(60);
	if (one_in(8)) { /* withdrawn */
		stage_commit("main", a->id, "Not that one\n");
		stage_set(path, NULL);
	} else {
		const char *who = a->id;
		struct sim_node *n = &sim.nodes[below(NODES)];
		if (n->up && one_in(2)) {
			stage.acts = &n->a;
			who = n->a.id;
		}
		for (int k = 0; k < TASK_N_STATES; k++)
			ledger_ids(&l, (enum task_state)k, &all.in[k], NULL);
		struct buf shown = {.data = text, .len = strlen(text)};
		promote_judge(&l, &sim.config, &all, &shown, &by, &one);
		struct staged_list list = {.v = &one, .n = 1};
		promote_land(&l, who, &list, 1, &e);
		for (int k = 0; k < TASK_N_STATES; k++)
			strs_clear(&all.in[k]);
		free(one.why);
		free(one.approver);
		json_free(one.doc);
	}
	json_free(doc);
	free(text);
	free(path);
	ledger_close(&l);
}

/* `dgrid cancel` or `dgrid retry`, of any task that it may be said of. */
static void act(struct actor *a, bool retry)
{
	struct context ctx = {.url = "/nowhere", .branch = "main", .name = a->id, .email = "x@localhost"};
	struct strs ids = {0};
	struct err e;
	for (int s = TASK_UNAPPROVED; s < TASK_N_STATES; s++)
		if (retry == (s == TASK_COMPLETED || s == TASK_FAILED))
			ledger_ids(NULL, (enum task_state)s, &ids, NULL);
	if (ids.n) {
		char verb[8], force[] = "--force", fresh[] = "--fresh", *id = ids.v[below((int64_t)ids.n)],
			      *argv[] = {verb, id,
					 !retry	     ? NULL
					 : one_in(4) ? fresh
						     : force,
					 NULL};
		snprintf(verb, sizeof verb, "%s", retry ? "retry" : "cancel");
		(retry ? &verb_retry : &verb_cancel)->run(&ctx, retry ? 3 : 2, argv, &e);
	}
	strs_clear(&ids);
}

static void person_heals(struct actor *a)
{
	struct context ctx = {.url = "/nowhere", .branch = "main", .name = a->id, .email = "x@localhost"};
	char verb[] = "heal", *argv[] = {verb, NULL};
	struct err e;
	verb_heal.run(&ctx, 1, argv, &e);
}

static void file(const char *day, const char *id, const char *text)
{
	char *path = xasprintf("%s/%s", day, id);
	int times = 1;
	for (size_t i = 0; i < sim.filed.n; i++)
		times += !strcmp(sim.filed.v[i], path);
	strs_add(&sim.filed, path);
	if (times > 1)
		fprintf(stage.out, "M 100644 inline %s.%d.json\n", path, times);
	else
		fprintf(stage.out, "M 100644 inline %s.json\n", path);
	stage_data(text);
	free(path);
}

/* Both commits of upkeep.c: the oldest finished tasks (only: that one), their totals, and the archive's own. */
static void archive(const char *who, const char *name, const char *only)
{
	struct strs ids = {0}, failed = {0}, waited = {0};
	struct archive_item items[8] = {{.failed = false}};
	char paths[8][96], *texts[8], *message;
	size_t n = 0, excess;
	ledger_ids(NULL, TASK_COMPLETED, &ids, NULL);
	size_t completed = ids.n;
	ledger_ids(NULL, TASK_FAILED, &failed, NULL);
	for (size_t i = 0; i < failed.n; i++)
		strs_add(&ids, failed.v[i]);
	strs_clear(&failed);
	excess = only ? 8 : ids.n > (size_t)sim.config.keep_finished ? ids.n - (size_t)sim.config.keep_finished : 0;
	struct json *totals = stage_json(ARCHIVE_TOTALS);
	totals = totals ? totals : json_new(JSON_OBJECT);
	waiting_named(NULL, &waited, NULL);
	for (size_t i = 0; i < ids.n && n < excess && n < 8; i++) {
		if ((only && strcmp(only, ids.v[i]) != 0) || waiting_among(&waited, ids.v[i]))
			continue;
		struct archive_item *a = &items[n];
		a->failed = i >= completed;
		char *path = stage_path(a->failed ? TASK_FAILED : TASK_COMPLETED, ids.v[i]);
		struct json *doc = stage_json(path);
		snprintf(a->id, sizeof a->id, "%s", ids.v[i]);
		archive_read(a, doc, clock_now());
		snprintf(paths[n], sizeof paths[n], "%s", path);
		texts[n++] = xstrdup(stage_file(path)->text);
		archive_count(totals, a);
		json_free(doc);
		free(path);
	}
	if (n) {
		message =
		    xasprintf("%s: archive %zu task%s\n\ndgrid-nonce: 0123456789abcdef\n", who, n, n == 1 ? "" : "s");
		stage_commit("archive", name, message);
		for (size_t i = 0; i < n; i++) {
			char day[16];
			archive_day(items[i].finished_at, '/', day);
			file(day, items[i].id, texts[i]);
		}
		stage_commit("main", name, message);
		for (size_t i = 0; i < n; i++)
			stage_set(paths[i], NULL);
		char *text = task_text(totals);
		stage_set(ARCHIVE_TOTALS, text);
		free(text);
		free(message);
		stage.transitions += (unsigned)n;
	}
	for (size_t i = 0; i < n; i++) {
		free(texts[i]);
		json_free(items[i].outliers);
	}
	strs_clear(&waited);
	json_free(totals);
	strs_clear(&ids);
}

/* `dgrid submit --replace`: what has ended goes to the archive, and its id to another task. */
static void replace(struct actor *a)
{
	struct ledger l = open_as(a, a->id);
	struct strs ids = {0};
	struct err e;
	ledger_ids(NULL, TASK_COMPLETED, &ids, NULL);
	ledger_ids(NULL, TASK_FAILED, &ids, NULL);
	if (ids.n) {
		const char *id = ids.v[below((int64_t)ids.n)];
		archive(a->id, a->id, id);
		struct json *doc = new_task(id);
		char *text = task_text(doc);
		struct ledger_change c = {.id = id, .to = TASK_QUEUE, .create = true, .text = text, .verb = "submit"};
		ledger_commit(&l, a->id, &c, 1, NULL, NULL, &e);
		json_free(doc);
		free(text);
	}
	strs_clear(&ids);
	ledger_close(&l);
}

/* How many may run at a time: nodes see that with the branch. */
static void draw_concurrency(struct json *doc)
{
	struct json *all = json_new(JSON_OBJECT), *only = json_new(JSON_OBJECT);
	struct problems p = {0};
	if (one_in(2))
		json_set(all, "g0", json_new_int(below(4)));
	if (one_in(2))
		json_set(all, "submitter:*", json_new_int(1 + below(4)));
	if (one_in(3))
		json_set(all, "submitter:bob", json_new_int(1 + below(2)));
	json_set(only, "concurrency", json_copy(all));
	json_set(only, "fair_share", json_new_bool(one_in(2)));
	char *text = task_text(only);
	config_parse(&sim.config, text, strlen(text), &p);
	json_set(doc, "concurrency", all);
	json_set(doc, "fair_share", json_copy(json_get(only, "fair_share")));
	for (int i = 0; i < NODES; i++)
		chooser_forget(&sim.nodes[i].chooser);
	problems_clear(&p);
	json_free(only);
	free(text);
}

/* require_limits comes or goes; nodes see it now or a while later. */
static void change_settings(struct actor *a)
{
	struct json *doc = stage_json("grid.json");
	sim.limits = !sim.limits;
	sim.limits_at = stage.ms + (one_in(2) ? 0 : 1000 * below(600));
	json_set(doc, "require_limits", json_new_bool(sim.limits));
	draw_concurrency(doc);
	char *text = task_text(doc);
	stage_commit("main", a->id, "Other settings\n");
	stage_set("grid.json", text);
	free(text);
	json_free(doc);
}

/* One that has said its results, whatever it holds; where it is up, it stops. */
static void retire(struct actor *a)
{
	for (int i = 1; i < NODES; i++) {
		struct sim_node *n = &sim.nodes[i];
		if (n->retired || !n->joined || n->outbox.n)
			continue;
		forget_runs(n);
		n->up = false;
		play_retire(a, n->a.id);
		n->retired = true;
		return;
	}
}

static void person_acts(struct actor *a)
{
	stage.acts = a;
	switch (below(14)) {
	case 12:
	case 13:
		if (one_in(12))
			retire(a);
		else
			play_orders(a);
		break;
	case 11:
		replace(a);
		break;
	case 0:
	case 1:
	case 2:
		submit(a);
		break;
	case 3:
		offer(a);
		break;
	case 4:
		act(a, false);
		break;
	case 5:
		act(a, true);
		break;
	case 6:
		person_heals(a);
		break;
	case 7:
		archive(a->id, a->id, NULL);
		break;
	case 8:
	case 9:
		play_schedules(a);
		break;
	default:
		if (one_in(4))
			change_settings(a);
	}
}

/* ---- one history ---- */

static void begin(void)
{
	static const char *const names[PEOPLE] = {"alice", "bob"};
	int64_t skew = below(61);
	char text[320];
	for (size_t i = 0; i < FILES; i++) {
		free(stage.files[i].text);
		stage.files[i].text = NULL;
	}
	for (int i = 0; i < PEOPLE; i++) {
		sim.people[i] = (struct actor){.skew = below(2 * skew + 1) - skew};
		snprintf(sim.people[i].id, sizeof sim.people[i].id, "%s", names[i]);
	}
	sim.tasks = stage.transitions = 0;
	strs_clear(&sim.filed);
	sim.limits = one_in(4);
	sim.limits_at = 0;
	stage.acts = &sim.people[0];
	/* Somewhere in the two years before 2026-11. */
	stage.ms = 1000 * (1730000000 + below(63000000));
	snprintf(text, sizeof text,
		 "{\"schema\": 1, \"large_file_mb\": 1, \"heartbeat_seconds\": %lld, \"orphan_after_seconds\": %lld, "
		 "\"max_clock_skew_seconds\": %lld, "
		 "\"keep_finished\": %lld, \"retry_backoff_seconds\": %lld%s%s}\n",
		 (long long)(1 + below(60)), (long long)(5 + below(300)), (long long)skew, (long long)(1 + below(4)),
		 (long long)(1 + below(20)), one_in(2) ? ", \"lease_seconds\": 30" : "",
		 sim.limits ? ", \"require_limits\": true" : "");
	stage_commit("main", "alice", "Make this repository a dgrid grid\n");
	stage_set("grid.json", text);
	for (int s = 0; s < TASK_N_STATES; s++) {
		char *keep = xasprintf("tasks/%s/.gitkeep", task_state_name((enum task_state)s));
		stage_set(keep, "");
		free(keep);
	}
	stage_set("nodes/.gitkeep", "");
	stage_set("nodes/people/.gitkeep", "");
	ledger_config(NULL, &sim.config, NULL);
	char *outbox = xasprintf("%s/outbox", stage.dir);
	struct err e;
	for (int i = 0; i < NODES; i++) {
		struct sim_node *n = &sim.nodes[i];
		*n = (struct sim_node){
		    .a = {.skew = below(2 * skew + 1) - skew}, .beat = &stage.beats[i], .reaper = {.patient = true}};
		snprintf(n->a.id, sizeof n->a.id, "n%d", i + 1);
		slots_init(&n->slots, SLOTS, 0);
		n->slots.node_id = n->a.id;
		n->slots.instance = n->instance;
		n->slots.work_dir = "/";
		n->slots.engine = &engines[i && one_in(2)];
		n->slots.config = &sim.config;
		n->slots.outbox = &n->outbox;
		n->slots.fit = &n->fit;
		n->slots.outputs = &no_folders; /* leave_files plays them */
		n->slots.node = n->chooser.node = &n->room;
		if (outbox_open(&n->outbox, outbox, n->a.id, "grid", &e)) {
			fprintf(stderr, "honest: %s\n", e.msg);
			exit(70);
		}
	}
	free(outbox);
}

static void end(void)
{
	for (int i = 0; i < NODES; i++) {
		struct sim_node *n = &sim.nodes[i];
		forget_runs(n);
		for (const struct outcome *o = n->outbox.first; o; o = o->next) {
			char *path = xasprintf("%s/%s.json", n->outbox.dir, o->nonce);
			unlink(path);
			free(path);
		}
		slots_clear(&n->slots);
		outbox_clear(&n->outbox);
		chooser_clear(&n->chooser);
		reaper_clear(&n->reaper);
		selfcheck_clear(&n->fit);
		json_free(n->offered);
		json_free(n->beat->doc);
		n->beat->doc = NULL;
	}
	config_clear(&sim.config);
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fputs("usage: honest COUNT SEED DIR >stream\n", stderr);
		return 64;
	}
	unsigned count = (unsigned)strtoul(argv[1], NULL, 10), commits = 0, transitions = 0;
	stage.dice = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
	stage.dir = argv[3];
	/* The verbs print to stdout; the stream is another. */
	int fd = dup(1);
	stage.out = fdopen(fd, "w");
	char *tasks = xasprintf("%s/tasks", stage.dir);
	if (!stage.out || !freopen("/dev/null", "w", stdout) || mkdir(tasks, 0700)) {
		perror("honest");
		return 70;
	}
	for (stage.history = 0; stage.history < count; stage.history++) {
		begin();
		unsigned long before = stage.mark;
		unsigned least = 10 + (unsigned)below(21);
		for (int turn = 0; stage.transitions < least && turn < 400; turn++) {
			stage.ms += 1000 * (one_in(25) ? below(900) : below(4)) + below(1000);
			if (one_in(4))
				person_acts(&sim.people[below(PEOPLE)]);
			else
				node_acts(&sim.nodes[below(NODES)]);
			if (one_in(10)) { /* an idle node keeps house */
				struct sim_node *n = &sim.nodes[below(NODES)];
				stage.acts = &n->a;
				if (n->up)
					archive(n->a.id, "dgrid", NULL);
			}
		}
		end();
		commits += (unsigned)(stage.mark - before);
		transitions += stage.transitions;
	}
	fputs("done\n", stage.out);
	if (fclose(stage.out))
		return 70;
	rmdir(tasks);
	char *outbox = xasprintf("%s/outbox", stage.dir);
	rmdir(outbox);
	free(tasks);
	free(outbox);
	for (size_t i = 0; i < FILES; i++)
		free(stage.files[i].text);
	fprintf(stderr, "%u histories, %u commits, %u transitions\n", count, commits, transitions);
	return 0;
}
