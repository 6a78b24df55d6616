#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <string.h>

#define SHOWN 19 /* of a digest in the table: sha256: and 12 digits */

static const struct column columns[] = {{.title = "IMAGE", .max = 60, .min = 8},
					{.title = "NODE", .max = 64, .min = 8},
					{.title = "STATE", .max = 8, .ours = true},
					{.title = "ENGINE", .max = 8, .ours = true},
					{.title = "HAS", .max = 40, .ours = true}};

/* What the node says of an image, by the newer of its two words; NULL: nothing, for no task has asked for it there. */
static const struct json *said(const struct snapshot_node *n, const char *image)
{
	const struct json *all = n->beat ? json_get(n->beat, "images") : NULL, *it;
	it = json_get(all ? all : json_get(n->file, "images"), image);
	return it && (it->type == JSON_BOOL || it->type == JSON_STRING) ? it : NULL;
}

static bool is_there(const struct json *it)
{
	return it && (it->type == JSON_STRING || it->boolean);
}

/* Another than the settings pin, as far as the node has looked since. */
static bool is_other(const struct json *it, const char *pins)
{
	return pins && is_there(it) && (it->type != JSON_STRING || !config_pinned(pins, it->text));
}

static void add_row(struct table *t, const char *image, const struct snapshot_node *n, const char *pins)
{
	const struct json *it = n ? said(n, image) : NULL;
	char has[64] = "not known";
	bool digest = it && it->type == JSON_STRING;
	enum paint p = !it ? PAINT_DIM : !is_there(it) || is_other(it, pins) ? PAINT_RED : PAINT_GREEN;
	if (it && !digest)
		snprintf(has, sizeof has, "%s",
			 !it->boolean								? "no"
			 : !strcmp(n->view.engine, "bwrap") || !strcmp(n->view.engine, "slurm") ? "its own /usr"
												: "yes");
	else if (digest)
		snprintf(has, sizeof has, "%.*s", SHOWN, it->text);
	if (is_other(it, pins))
		snprintf(has + strlen(has), sizeof has - strlen(has), ", not as pinned");
	table_cell(t, image, PAINT_NONE);
	table_cell(t, n ? n->id : "none", n ? PAINT_NONE : PAINT_DIM);
	table_cell(t, n ? node_state_name(n->state) : "", PAINT_NONE);
	table_cell(t, n ? n->view.engine : "", PAINT_NONE);
	table_cell(t, n ? has : "", p);
}

static void tell_text(const struct snapshot *s)
{
	int width, rows;
	struct buf out = {0};
	struct table t = {.columns = columns, .n = sizeof columns / sizeof *columns};
	for (int i = 0; s->config.images[i]; i++) {
		size_t n = 0;
		for (size_t k = 0; k < s->n_nodes; k++)
			if (s->nodes[k].state != NODE_LEFT && ++n)
				add_row(&t, s->config.images[i], &s->nodes[k], s->config.pins[i]);
		if (!n)
			add_row(&t, s->config.images[i], NULL, NULL);
	}
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), &out);
	table_clear(&t);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
}

static struct json *node_json(const struct snapshot_node *n, const char *image)
{
	const struct json *it = said(n, image);
	struct json *row = json_new(JSON_OBJECT);
	json_set(row, "node", json_new_str(n->id));
	json_set(row, "state", json_new_str(node_state_name(n->state)));
	json_set(row, "engine", json_new_str(n->view.engine));
	json_set(row, "has", it ? json_new_bool(is_there(it)) : json_new(JSON_NULL));
	json_set(row, "digest", it && it->type == JSON_STRING ? json_copy(it) : json_new(JSON_NULL));
	return row;
}

static void tell_json(const struct snapshot *s)
{
	struct json *all = json_new(JSON_OBJECT), *images = json_new(JSON_ARRAY);
	for (int i = 0; s->config.images[i]; i++) {
		struct json *one = json_new(JSON_OBJECT), *nodes = json_new(JSON_ARRAY), *pins = json_new(JSON_ARRAY);
		for (const char *p = s->config.pins[i]; p && *p; p += strcspn(p, " "), p += strspn(p, " ")) {
			char digest[80];
			snprintf(digest, sizeof digest, "sha256:%.64s", p);
			json_append(pins, json_new_str(digest));
		}
		for (size_t k = 0; k < s->n_nodes; k++)
			if (s->nodes[k].state != NODE_LEFT)
				json_append(nodes, node_json(&s->nodes[k], s->config.images[i]));
		json_set(one, "image", json_new_str(s->config.images[i]));
		json_set(one, "default", json_new_bool(!i));
		json_set(one, "digests", pins);
		json_set(one, "nodes", nodes);
		json_append(images, one);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "images", images);
	put_json(all);
	json_free(all);
}

static int cmd_image(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct snapshot s = {0};
	int rc =
	    report_options(&o, &verb_image, argc, argv, REPORT_NONE, e) || open_snapshot(ctx, o.at, &s, e) ? -1 : 0;
	if (!rc && o.json)
		tell_json(&s);
	else if (!rc)
		tell_text(&s);
	snapshot_close(&s);
	report_clear(&o);
	return rc;
}

const struct verb verb_image = {
    .name = "image",
    .args = "[--json] [--at REV|DATE]",
    .summary = "the images that tasks may ask for, and which node has which",
    .about =
	"A line for each image of grid.json and each node that has not left, with the image's digest there: that of "
	"its registry, else its id; under bubblewrap that of its root files (worker --rootfs). A node knows of an "
	"image when a task has asked for it there.",
    .needs = USAGE_READS,
    .options = (const struct usage_option[]){USAGE_JSON, USAGE_AT, {0}},
    .examples =
	(const struct usage_note[]){
	    {"dgrid image", ""}, {"dgrid image --json | jq '.images[] | {image, digests}'", "what is pinned"}, {0}},
    .exits = (const struct usage_note[]){{"0", "printed, whoever has them"}, {0}},
    .environment = (const struct usage_note[]){{"NO_COLOR", "no colours, even on a terminal"}, {0}},
    .run = cmd_image,
};
