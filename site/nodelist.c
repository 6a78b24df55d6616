#include "site/nodelist.h"
#include "base/markup.h"
#include "schema/fit.h"
#include "site/put.h"
#include <string.h>

#define NODES_BYTES 100000 /* of nodes; those that are alive first */

/* done, failed: on the branch. The file counts since the node's start, and what is archived meanwhile. */
static int64_t memory_of(const struct json *file)
{
	int64_t gb = json_int(file, "memory_gb", 0);
	return json_int(file, "memory_mb", gb > 0 && gb < 1 << 20 ? gb * 1024 : 0);
}

static void put_node(struct buf *b, const struct snapshot *s, const struct rows *rows, size_t i)
{
	const struct snapshot_node *n = &s->nodes[i];
	int64_t done = rows->done[i], failed = rows->failed[i];
	const struct json *f = n->file;
	char words[ORDER_WORDS];
	int k = 0;
	put_sep(b);
	buf_adds(b, "{");
	put_str(b, "id", n->id, 64);
	put_str(b, "state", node_state_name(n->state), 16);
	put_int(b, "seen", n->view.seen > 0 && n->view.seen < 253402300800 ? n->view.seen : 0);
	put_str(b, "trouble", n->view.trouble, 200);
	put_str(b, "drained", n->drain ? order_words("drained", n->drain, words) : "", ORDER_WORDS);
	put_str(b, "engine", json_str(f, "engine"), 24);
	put_str(b, "version", json_str(f, "engine_version"), 32);
	put_int(b, "slots", n->view.slots);
	put_int(b, "busy", n->view.busy);
	int64_t own_done = json_int(f, "tasks_completed", 0), own_failed = json_int(f, "tasks_failed", 0);
	put_int(b, "done", own_done > done ? own_done : done);
	put_int(b, "failed", own_failed > failed ? own_failed : failed);
	put_int(b, "branch", done + failed);
	put_int(b, "cpu", rows->cpu_ms[i]);
	put_int(b, "late", json_int(f, "tasks_late", 0));
	put_int(b, "voted", json_int(f, "tasks_voted", 0));
	put_int(b, "outliers", json_int(rows->outliers, n->id, 0));
	struct buf offer = {0};
	fit_offer_words(json_get(n->view.doc, "offer") ? n->view.doc : f, &offer);
	put_str(b, "offer", offer.data, 200);
	buf_clear(&offer);
	put_int(b, "cpus", json_int(f, "cpu_count", 0));
	put_int(b, "memory", memory_of(f));
	put_int(b, "disk", json_int(f, "disk_gb", 0));
	put_int(b, "since", row_time(f, "started_at"));
	put_str(b, "os", json_str(f, "os"), 32);
	put_str(b, "arch", json_str(f, "arch"), 32);
	put_str(b, "dgrid", json_str(f, "dgrid_version"), 32);
	put_str(b, "turns", n->beat && json_str(n->beat, "turns") ? json_str(n->beat, "turns") : json_str(f, "turns"),
		64);
	put_key(b, "labels");
	buf_adds(b, "[");
	const struct json *labels = json_get(f, "labels");
	for (const struct json *l = labels ? labels->child : NULL; l && k < 32; l = l->next)
		if (l->type == JSON_STRING) {
			k++;
			put_sep(b);
			markup_json(b, l->text, markup_cut(l->text, strlen(l->text), 64));
		}
	buf_adds(b, "]}");
}

static bool alive(const struct snapshot_node *n)
{
	return n->state != NODE_LEFT && n->state != NODE_SILENT;
}

/* Nodes that left stay in the ledger: where machines come and go, there are many. */
void nodelist_put(struct buf *b, const struct snapshot *s, const struct rows *rows)
{
	size_t from = b->len;
	put_int(b, "node_count", (int64_t)s->n_nodes);
	put_key(b, "nodes");
	buf_adds(b, "[");
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n_nodes && b->len - from < NODES_BYTES; i++)
			if (alive(&s->nodes[i]) == !pass)
				put_node(b, s, rows, i);
	buf_adds(b, "]");
}
