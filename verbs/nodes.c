#include "schema/fit.h"
#include "schema/keys.h"
#include "store/voters.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct column columns[] = {{.title = "NODE", .max = 64, .min = 8},
					{.title = "STATE", .max = 8, .ours = true},
					{.title = "ENGINE", .max = 14, .min = 6},
					{.title = "BUSY", .max = 9, .right = true, .ours = true},
					{.title = "SEEN", .max = 8, .ours = true},
					{.title = "COMPLETED", .max = 9, .right = true, .ours = true},
					{.title = "FAILED", .max = 9, .right = true, .ours = true},
					{.title = "VOTED", .max = 9, .right = true, .ours = true},
					{.title = "OUTLIER", .max = 9, .right = true, .ours = true},
					{.title = "OFFERS", .max = 60, .min = 6},
					{.title = "LABELS", .max = 200, .min = 6}};

static void add_number(struct table *t, int64_t n)
{
	char text[24];
	snprintf(text, sizeof text, "%lld", (long long)n);
	table_cell(t, text, PAINT_NONE);
}

/* "; networks egress, lan" */
static void add_names(struct buf *b, const char *what, const struct json *names)
{
	const struct json *v = names && names->type == JSON_ARRAY ? names->child : NULL;
	if (v)
		buf_addf(b, "%s%s%s ", b->len ? "; " : "", what, v->next ? "s" : "");
	for (; v; v = v->next)
		buf_addf(b, "%s%s", v->type == JSON_STRING ? v->text : "?", v->next ? ", " : "");
}

static void add_offer(struct table *t, const struct snapshot_node *n)
{
	struct buf b = {0};
	fit_offer_words(json_get(n->view.doc, "offer") ? n->view.doc : n->file, &b);
	add_names(&b, "network", json_get(n->file, "networks"));
	add_names(&b, "secret", json_get(n->file, "secrets"));
	table_cell(t, b.data ? b.data : "-", PAINT_NONE);
	buf_clear(&b);
}

/* Its labels, and what is the matter with it. */
static void add_rest(struct table *t, const struct snapshot_node *n)
{
	struct buf b = {0};
	char drained[ORDER_WORDS];
	const struct json *labels = json_get(n->file, "labels");
	for (const struct json *v = labels && labels->type == JSON_ARRAY ? labels->child : NULL; v; v = v->next)
		buf_addf(&b, "%s%s", b.len ? "," : "", v->type == JSON_STRING ? v->text : "?");
	if (n->drain)
		buf_addf(&b, "%s%s", b.len ? "  " : "", order_words("drained", n->drain, drained));
	if (n->view.trouble[0])
		buf_addf(&b, "%strouble: %s", b.len ? "  " : "", n->view.trouble);
	table_cell(t, b.data ? b.data : "", PAINT_NONE);
	buf_clear(&b);
}

/* Where nobody ever voted, votes have no columns. */
static bool any_votes(const struct snapshot *s, const struct json *outliers)
{
	bool any = outliers->child != NULL;
	for (size_t i = 0; i < s->n_nodes; i++)
		any = any || json_int(s->nodes[i].file, "tasks_voted", 0) > 0;
	return any;
}

/* outliers: how often each node was one, by its id. */
static void nodes_table(const struct snapshot *s, const struct json *outliers, struct buf *out)
{
	int width, rows;
	bool votes = any_votes(s, outliers);
	struct column shown[sizeof columns / sizeof *columns];
	struct table t = {.columns = shown};
	for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
		if (votes || (strcmp(columns[i].title, "VOTED") != 0 && strcmp(columns[i].title, "OUTLIER") != 0))
			shown[t.n++] = columns[i];
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		const char *version = json_str(n->file, "engine_version"), *engine = json_str(n->file, "engine");
		char seen[24] = "never", busy[48];
		char *runs = xasprintf("%s %s", engine ? engine : "-", version ? version : "");
		if (n->view.seen)
			report_span(s->now - n->view.seen, seen);
		int len = snprintf(busy, sizeof busy, "%lld/%lld", (long long)n->view.busy, (long long)n->view.slots);
		if (n->view.waiting)
			snprintf(busy + len, sizeof busy - (size_t)len, " +%lld", (long long)n->view.waiting);
		table_cell(&t, n->id, PAINT_NONE);
		bool drained = n->drain && n->state == NODE_DRAINING && !n->view.busy && !n->view.waiting;
		table_cell(&t, drained ? "drained" : node_state_name(n->state),
			   n->state == NODE_ACTIVE   ? PAINT_GREEN
			   : n->state == NODE_LEFT   ? PAINT_DIM
			   : n->state == NODE_SILENT ? PAINT_RED
						     : PAINT_YELLOW);
		table_cell(&t, runs, PAINT_NONE);
		table_cell(&t, busy, PAINT_NONE);
		table_cell(&t, seen, PAINT_NONE);
		add_number(&t, json_int(n->file, "tasks_completed", 0));
		add_number(&t, json_int(n->file, "tasks_failed", 0));
		if (votes) {
			add_number(&t, json_int(n->file, "tasks_voted", 0));
			add_number(&t, json_int(outliers, n->id, 0));
		}
		add_offer(&t, n);
		add_rest(&t, n);
		free(runs);
	}
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), out);
	table_clear(&t);
}

/* ---- who may sign ---- */

static bool is_node(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->n_nodes; i++)
		if (!strcmp(s->nodes[i].id, name))
			return true;
	return false;
}

static bool counts_as_node(const struct snapshot *s, const struct keyring *ring, const struct keyring_entry *one)
{
	return ring->apart ? !one->person : is_node(s, one->name);
}

static const struct column key_columns[] = {{.title = "NAME", .max = 64, .min = 8},
					    {.title = "AS", .ours = true},
					    {.title = "KEY", .max = 60, .ours = true},
					    {.title = "COMMENT", .max = 80, .min = 8}};

static void add_key(struct table *t, const char *name, bool node, const char *print, const char *comment, enum paint p)
{
	table_cell(t, name, PAINT_NONE);
	table_cell(t, node ? "node" : "person", PAINT_NONE);
	table_cell(t, print, p);
	table_cell(t, comment, PAINT_NONE);
}

/* Those who are enrolled, people too, and the nodes that are not though they have to be. */
static void keys_table(const struct snapshot *s, const struct keyring *ring, struct buf *out)
{
	int width, rows;
	struct table t = {.columns = key_columns, .n = sizeof key_columns / sizeof *key_columns};
	for (size_t i = 0; i < ring->n; i++) {
		const struct keyring_entry *one = &ring->v[i];
		bool node = counts_as_node(s, ring, one);
		if (!one->valid)
			add_key(&t, one->name, node, "none: the file is not valid", "", PAINT_RED);
		for (size_t k = 0; k < one->keys.n; k++)
			add_key(&t, one->name, node, one->keys.v[k].print, one->keys.v[k].comment, PAINT_NONE);
	}
	for (size_t i = 0; i < s->n_nodes && s->config.require_signed_nodes; i++)
		if (!keyring_of(ring, s->nodes[i].id))
			add_key(&t, s->nodes[i].id, true, "none: not enrolled", "", PAINT_RED);
	table_terminal(&width, &rows);
	buf_adds(out, "\n");
	table_text(&t, width, table_colour(), out);
	table_clear(&t);
}

static struct json *keys_json(const struct snapshot *s, const struct keyring *ring)
{
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < ring->n; i++)
		for (size_t k = 0; k < ring->v[i].keys.n; k++) {
			struct json *row = json_new(JSON_OBJECT);
			json_set(row, "name", json_new_str(ring->v[i].name));
			json_set(row, "key", json_new_str(ring->v[i].keys.v[k].print));
			json_set(row, "public_key", json_new_str(ring->v[i].keys.v[k].text));
			json_set(row, "comment", json_new_str(ring->v[i].keys.v[k].comment));
			json_set(row, "node", json_new_bool(counts_as_node(s, ring, &ring->v[i])));
			json_append(list, row);
		}
	return list;
}

static struct json *retired_json(const struct snapshot *s)
{
	struct json *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < s->told.n; i++) {
		if (s->told.v[i].kind != TOLD_RETIRED)
			continue;
		struct json *row = json_copy(s->told.v[i].doc);
		json_remove(row, "schema");
		json_set(row, "node_id", json_new_str(s->told.v[i].id));
		json_append(list, row);
	}
	return list;
}

static int cmd_nodes(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct snapshot s = {0};
	struct buf out = {0};
	struct json *nodes = NULL, *outliers = NULL;
	struct keyring ring = {0};
	int rc = report_options(&o, &verb_nodes, argc, argv, REPORT_NONE, e) || open_snapshot(ctx, o.at, &s, e) ||
			 keyring_read(&s.git, s.commit, &ring, e)
		     ? -1
		     : 0;
	if (!rc && o.json)
		rc = report_nodes(&s, &nodes, e);
	else if (!rc && s.n_nodes)
		rc = (outliers = voters_outliers(&s, e)) ? 0 : -1;
	if (!rc && o.json) {
		struct json *all = json_new(JSON_OBJECT);
		json_set(all, "schema", json_new_int(1));
		json_set(all, "commit", json_new_str(s.commit));
		json_set(all, "nodes", nodes);
		json_set(all, "retired", retired_json(&s));
		json_set(all, "require_signed_nodes", json_new_bool(s.config.require_signed_nodes));
		json_set(all, "keys", keys_json(&s, &ring));
		put_json(all);
		json_free(all);
	} else if (!rc) {
		if (s.n_nodes)
			nodes_table(&s, outliers, &out);
		else
			buf_adds(&out, "no node yet: dgrid worker\n");
		if (ring.n || (s.config.require_signed_nodes && s.n_nodes))
			keys_table(&s, &ring, &out);
		fwrite(out.data, 1, out.len, stdout);
	}
	json_free(outliers);
	buf_clear(&out);
	keyring_clear(&ring);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_nodes = {
    .name = "nodes",
    .args = "[--json] [--at REV|DATE]",
    .summary = "the nodes: alive or not, busy slots, engine",
    .about =
	"One line per node: active, paused (with the trouble it has), draining (it finishes its tasks and leaves, or "
	"was drained: by whom, when and why), left, or silent (no heartbeat for longer than orphan_after_seconds). "
	"Below, the enrolled keys of nodes and people, and nodes that need to be enrolled (see: dgrid enroll --help).",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .examples = (const struct usage_note[]){{"dgrid nodes", ""}, {"dgrid nodes --json", "for programs"}, {0}},
    .exits = (const struct usage_note[]){{"0", "printed, whatever state the nodes are in"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours, even on a terminal"}, {0}},
    .run = cmd_nodes,
};
