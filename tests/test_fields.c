/* The table of members (audit/fields.h) against what the program writes: no member without a row, no row without a
 * member, and each row names a rule or says why none can. */
#include "audit/fields.h"
#include "audit/rule.h"
#include "base/clock.h"
#include "schema/fit.h"
#include "schema/node.h"
#include "schema/order.h"
#include "schema/periodic.h"
#include "schema/result.h"
#include "schema/task.h"
#include "schema/vote.h"
#include "store/archive.h"
#include "test.h"
#include "worker/outputs.h"
#include <stdlib.h>

static bool written[1024]; /* rows that some document had */

/* Every member of doc has a row of that kind. */
static void covers(enum field_doc kind, const struct json *doc)
{
	struct field_row row;
	char what[160];
	CHECK(doc && doc->child, field_doc_name(kind));
	for (const struct json *m = doc->child; m; m = m->next) {
		bool found = false;
		for (size_t i = 0; field_at(i, &row) && !found; i++)
			if (row.doc == kind && !strcmp(row.name, m->name))
				found = written[i] = true;
		CHECK(found, m->name);
	}
	what[0] = 0;
	CHECK(!field_wrong(kind, doc, what), what);
}

static struct json *a_result(void)
{
	const struct engine docker = {.kind = ENGINE_DOCKER};
	const struct engine_run run = {.cpus = 0.5, .memory_mb = 64, .pids = 8, .cpu_seconds = 9, .tmp_mb = 16};
	const struct attempt_result r = {
	    .status = ATT_FAILED,
	    .unenforced = true,
	    .end = END_EXIT_OR_SIGNAL,
	    .reason = "it ran into its limit of 8 processes (pids; the grid allows up to max_pids)",
	    .used = {.by = "cgroup", .peak_kb = 1},
	    .exit_code = 137,
	    .signal = 9,
	    .started_at = 1000,
	    .finished_at = 1001};
	const struct result_facts f = {.node = "n1",
				       .nonce = "0123456789abcdef0123456789abcdef",
				       .image = "alpine:3.20",
				       .image_digest = "",
				       .script = "true",
				       .engine = &docker,
				       .run = &run,
				       .output_limit = 1024,
				       .out_mb = 16,
				       .attempt = 1};
	const struct harvest left = {.tree = "0123456789012345678901234567890123456789",
				     .files = 1,
				     .bytes = 1,
				     .left_out = 1,
				     .stored_files = 1,
				     .stored_bytes = 2 << 20,
				     .large_mb = 1};
	struct json *result = result_json(&r, &f), *out = outputs_result(&left);
	json_set(out, "ref", json_new_str("refs/dgrid/out/2026-11-29/n1/1"));
	covers(FIELD_OUT, out);
	covers(FIELD_STORED, json_get(out, "stored"));
	covers(FIELD_USAGE, json_get(result, "usage"));
	json_set(result, "out", out);
	json_set(result, "out_error", json_new_str("declined"));
	return result;
}

static void points(void)
{
	struct attempt_result r = {.status = ATT_FAILED,
				   .exit_code = 137,
				   .signal = 9,
				   .out_bytes = 1,
				   .err_bytes = 1,
				   .end = END_EXIT_OR_SIGNAL,
				   .used = {.by = "cgroup"},
				   .reason = "it ran out"};
	buf_adds(&r.out, "a");
	buf_adds(&r.err, "b");
	struct json *one = result_point(&r, 3, false), *skipped = result_skipped(4), *all = json_new(JSON_ARRAY);
	covers(FIELD_POINT, one);
	covers(FIELD_POINT, skipped);
	json_append(all, one);
	json_append(all, skipped);
	const struct engine docker = {.kind = ENGINE_DOCKER};
	const struct engine_run run = {.cpus = 1};
	const struct result_facts f = {.node = "n1",
				       .nonce = "0123456789abcdef0123456789abcdef",
				       .image = "alpine:3.20",
				       .image_digest = "",
				       .script = "true",
				       .engine = &docker,
				       .run = &run,
				       .points = all,
				       .network = "egress",
				       .digest = true,
				       .attempt = 1};
	struct json *whole = result_json(&r, &f);
	covers(FIELD_RESULT, whole);
	json_free(whole);
	json_free(all);
	buf_clear(&r.out);
	buf_clear(&r.err);
}

static void tasks(void)
{
	struct json_error je;
	const char *text = "{\"task_id\":\"a\",\"script\":\"true\",\"timeout_seconds\":60,\"replicas\":3,\"claim\":1}";
	struct json *doc = json_parse(text, strlen(text), &je), *result = a_result(), *quorum = NULL;
	const struct task_field *f;
	struct field_row row;
	for (size_t i = 0; (f = task_field_at(i)); i++) {
		bool found = false;
		for (size_t k = 0; field_at(k, &row) && !found; k++)
			if ((row.doc == FIELD_TASK || row.doc == FIELD_STEP) && !strcmp(row.name, f->name))
				found = written[k] = true;
		CHECK(found, f->name);
	}
	struct grid_config c;
	config_defaults(&c);
	task_set_claim(doc, "n1", "0123456789abcdef0123456789abcdef", 60);
	vote_set_terms(doc, vote_terms(doc, &c));
	task_claim_add(doc, "signed_by", json_new_str("ann"));
	task_claim_add(doc, "after", json_new(JSON_OBJECT));
	task_claim_add(doc, "inputs", json_new(JSON_OBJECT));
	task_claim_add(doc, "ahead", json_new_int(1));
	task_claim_add(doc, "checkpoint", json_new(JSON_OBJECT));
	task_claim_add(doc, "saved", json_new(JSON_OBJECT));
	covers(FIELD_CLAIM, json_get(doc, "claim"));
	struct json *again = json_copy(doc), *voted = json_copy(doc);
	json_set(result, "stderr", json_new_str("oh no\n"));
	task_end_claim(again, "failed", "why", result);
	covers(FIELD_ATTEMPT, json_get(again, "attempts")->child);
	struct json *released = json_copy(doc);
	task_end_claim(released, "released", "no engine", NULL);
	task_fault_engine(released);
	covers(FIELD_ATTEMPT, json_get(released, "attempts")->child);
	json_free(released);
	task_end_claim(voted, "voted", NULL, NULL);
	CHECK(vote_cast(voted, result), "a vote");
	covers(FIELD_ATTEMPT, json_get(voted, "attempts")->child);
	covers(FIELD_RESULT, result);
	covers(FIELD_LIMITS, json_get(result, "limits"));
	vote_judge(voted, (struct vote_terms){2, 2}, result, &quorum);
	if (!quorum) /* one voice alone decides nothing */
		vote_judge(voted, (struct vote_terms){1, 1}, result, &quorum);
	covers(FIELD_QUORUM, quorum);
	json_set(result, "quorum", quorum);
	covers(FIELD_RESULT, result);
	json_set(again, "result", result);
	task_retried(again, "ann");
	covers(FIELD_ATTEMPT, json_get(again, "attempts")->child->next);
	task_set_verdict(doc, "lost", "no sign of life");
	covers(FIELD_RESULT, json_get(doc, "result"));
	task_set_because(doc, "b", "oom");
	covers(FIELD_RESULT, json_get(doc, "result"));
	covers(FIELD_BECAUSE, json_get(json_get(doc, "result"), "because"));
	struct json *fired = periodic_task(doc, "nightly", 1000);
	covers(FIELD_SCHEDULE, json_get(fired, "schedule"));
	json_free(fired);
	struct json *invalid = task_invalid_doc("a", "no", "{", 1, "n1");
	covers(FIELD_INVALID, invalid);
	json_free(invalid);
	json_free(voted);
	json_free(again);
	json_free(doc);
	config_clear(&c);
}

static void others(void)
{
	char *labels[] = {"gpu"};
	struct json *names = json_new(JSON_ARRAY);
	json_append(names, json_new_str("a"));
	struct json_error je;
	struct json *resources = json_parse("{\"gpu\": 1}", 10, &je);
	const struct fit_offer offered = {
	    .cpus = 2.5, .max_cpus = 2, .memory_mb = 64, .max_memory_mb = 32, .disk_mb = 9, .resources = resources};
	struct json *offer = fit_offer_doc(&offered);
	covers(FIELD_OFFER, offer);
	json_free(resources);
	struct node_facts f = {.id = "n1",
			       .instance = "0",
			       .status = "paused",
			       .trouble = "disk",
			       .engine = "bwrap",
			       .engine_version = "1",
			       .work_dir = "/",
			       .offer = offer,
			       .images = offer,
			       .store = true,
			       .labels = labels,
			       .n_labels = 1,
			       .networks = names,
			       .secrets = names,
			       .slots = 1,
			       .waiting = 1,
			       .waiting_tasks = names,
			       .builds = offer,
			       .turns = "free",
			       .turn_ms = 1,
			       .spoke_ms = 1};
	struct json *node = node_file(&f), *totals = json_new(JSON_OBJECT), *outliers = json_new(JSON_OBJECT);
	covers(FIELD_NODE, node);
	json_set(outliers, "n2", json_new_int(1));
	struct archive_item item = {
	    .finished_at = 1000, .outliers = outliers, .retried_completed = 1, .retried_failed = 1};
	archive_count(totals, &item);
	item.failed = true;
	archive_count(totals, &item);
	covers(FIELD_TOTALS, totals);
	json_free(outliers);
	json_free(totals);
	json_free(names);
	json_free(node);
	json_free(offer);
}

static void orders(void)
{
	struct strs keys = {0};
	strs_add(&keys, "ssh-ed25519 AAAA");
	struct json *drain = order_drain("ann", "new disk", true), *gone = order_retirement("ann", "stolen", &keys),
		    *group = order_pause("ann", "licences", "group", "g"),
		    *label = order_pause("ann", NULL, "label", "l"), *list = json_new(JSON_ARRAY), *paused;
	covers(FIELD_DRAIN, drain);
	covers(FIELD_RETIRED, gone);
	covers(FIELD_PAUSE, group);
	covers(FIELD_PAUSE, label);
	json_append(list, group);
	json_append(list, label);
	paused = order_pauses(list);
	covers(FIELD_PAUSED, paused);
	json_free(paused);
	json_free(list);
	json_free(gone);
	json_free(drain);
	strs_clear(&keys);
}

/* What is written where no function of its own can be called here; each is in the tamper suite's honest history. */
static bool elsewhere(const struct field_row *row)
{
	static const char *const names[] = {"evidence", "outliers", "status"};
	if (row->doc == FIELD_EVIDENCE || row->doc == FIELD_APPROVED || row->doc == FIELD_CANCEL ||
	    row->doc == FIELD_PERIODIC || (row->doc == FIELD_INVALID && !strcmp(row->name, "approved_by")))
		return true;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if ((row->doc == FIELD_ATTEMPT || row->doc == FIELD_QUORUM) && !strcmp(row->name, names[i]))
			return true;
	return false;
}

/* "`rule.id`, ..." or "-: why". */
static void held(void)
{
	struct field_row row;
	for (size_t i = 0; field_at(i, &row); i++) {
		char *where = xasprintf("%s.%s", field_doc_name(row.doc), row.name);
		CHECK(i < sizeof written, "there is room for all rows");
		CHECK(written[i] || elsewhere(&row), where);
		bool rule = false;
		for (const char *p = row.held; (p = strchr(p, '`'));) {
			const char *end = strchr(++p, '`');
			char *id = xasprintf("%.*s", end ? (int)(end - p) : 0, p);
			rule = rule || rule_find(id) >= 0;
			/* What looks like a rule's name is one. */
			CHECK(!strchr(id, '.') || rule_find(id) >= 0, id);
			free(id);
			p = end ? end + 1 : p + strlen(p);
		}
		CHECK(rule || (!strncmp(row.held, "-: no rule: ", 12) && row.held[12]), where);
		free(where);
	}
}

int main(void)
{
	points();
	tasks();
	others();
	orders();
	held();
	return test_end("test_fields");
}
