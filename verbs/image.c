#include "base/clock.h"
#include "base/text.h"
#include "schema/dockerfile.h"
#include "store/trust.h"
#include "verbs/report.h"
#include "verbs/sending.h"
#include "verbs/settings.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
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

/* What it says of building it; NULL: nothing. */
static const struct json *build_of(const struct snapshot_node *n, const char *image)
{
	const struct json *all = n->beat ? json_get(n->beat, "builds") : NULL, *one;
	one = json_get(all ? all : json_get(n->file, "builds"), image);
	return one && one->type == JSON_OBJECT ? one : NULL;
}

static const char *engine_of(const struct snapshot_node *n)
{
	const char *engine = json_str(n->file, "engine"); /* a beat has none */
	return engine ? engine : "";
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

static void add_row(struct table *t, const char *image, const struct snapshot_node *n, const char *pins, bool built)
{
	const struct json *it = n ? said(n, image) : NULL;
	char has[64] = "not known";
	bool digest = it && it->type == JSON_STRING;
	enum paint p = !it ? PAINT_DIM : !is_there(it) || is_other(it, pins) ? PAINT_RED : PAINT_GREEN;
	if (it && !digest)
		snprintf(has, sizeof has, "%s",
			 !it->boolean							    ? "no"
			 : !strcmp(engine_of(n), "bwrap") || !strcmp(engine_of(n), "slurm") ? "its own /usr"
											    : "yes");
	else if (digest)
		snprintf(has, sizeof has, "%.*s", SHOWN, it->text);
	const char *state = n && !is_there(it) ? json_str(build_of(n, image), "state") : NULL;
	if (state && !strcmp(state, "building"))
		snprintf(has, sizeof has, "is being built");
	else if (state && !strcmp(state, "failed"))
		snprintf(has, sizeof has, "no, its build failed");
	else if (built && n && !is_there(it))
		snprintf(has, sizeof has, json_get(n->file, "builds") ? "no, to be built" : "no, and builds none");
	if (is_other(it, pins))
		snprintf(has + strlen(has), sizeof has - strlen(has), ", not as pinned");
	table_cell(t, image, PAINT_NONE);
	table_cell(t, n ? n->id : "none", n ? PAINT_NONE : PAINT_DIM);
	table_cell(t, n ? node_state_name(n->state) : "", PAINT_NONE);
	table_cell(t, n ? engine_of(n) : "", PAINT_NONE);
	table_cell(t, n ? has : "", p);
}

static void tell_failures(const struct snapshot *s, struct buf *out)
{
	for (int i = 0; s->config.images[i]; i++)
		for (size_t k = 0; k < s->n_nodes; k++) {
			const struct json *b = build_of(&s->nodes[k], s->config.images[i]);
			const char *why = json_str(b, "why"), *again = json_str(b, "again_at");
			if (!why || s->nodes[k].state == NODE_LEFT)
				continue;
			text_clean(out, s->nodes[k].id, SIZE_MAX, 64);
			buf_adds(out, " could not build ");
			text_clean(out, s->config.images[i], SIZE_MAX, 100);
			buf_adds(out, ": ");
			text_clean(out, why, SIZE_MAX, 400);
			buf_adds(out, "; it tries again at ");
			text_clean(out, again ? again : "?", SIZE_MAX, 32);
			buf_adds(out, "\n");
		}
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
				add_row(&t, s->config.images[i], &s->nodes[k], s->config.pins[i], s->config.builds[i]);
		if (!n)
			add_row(&t, s->config.images[i], NULL, NULL, false);
	}
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), &out);
	table_clear(&t);
	tell_failures(s, &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
}

static struct json *node_json(const struct snapshot_node *n, const char *image, const char *pins)
{
	const struct json *it = said(n, image);
	struct json *row = json_new(JSON_OBJECT);
	json_set(row, "node", json_new_str(n->id));
	json_set(row, "state", json_new_str(node_state_name(n->state)));
	json_set(row, "engine", json_new_str(engine_of(n)));
	json_set(row, "has", it ? json_new_bool(is_there(it) && !is_other(it, pins)) : json_new(JSON_NULL));
	if (build_of(n, image))
		json_set(row, "build", json_copy(build_of(n, image)));
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
				json_append(nodes, node_json(&s->nodes[k], s->config.images[i], s->config.pins[i]));
		json_set(one, "image", json_new_str(s->config.images[i]));
		json_set(one, "default", json_new_bool(!i));
		json_set(one, "digests", pins);
		if (s->config.builds[i])
			json_set(one, "build", json_copy(json_get(s->config.builds[i], "build")));
		json_set(one, "nodes", nodes);
		json_append(images, one);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "images", images);
	put_json(all);
	json_free(all);
}

/* ---- one that nodes are to build ---- */

struct ordering {
	struct json *order;
	const struct grid_config *config; /* before it */
};

static const char *first_key(const struct json *order)
{
	const struct json *all = json_get(order, "signatures");
	const char *key = all ? json_str(all->child, "key") : NULL;
	return key ? key : "";
}

/* It stands there already, made by the same key: then its own time counts. */
static bool is_ordered(const struct json *there, const struct json *order)
{
	const char *tree = json_str(there, "build");
	return tree && json_time(there, "ordered_at") && !strcmp(tree, json_str(order, "build")) &&
	       !strcmp(first_key(there), first_key(order));
}

/* The images with the order in the place of what had its name, else behind them. */
static struct json *with_order(void *ctx, const struct json *was, struct err *e)
{
	const struct ordering *o = ctx;
	struct json *list = json_new(JSON_ARRAY);
	const char *name = json_str(o->order, "image");
	bool placed = false;
	(void)e;
	if (!was)
		json_append(list, json_new_str(o->config->images[0]));
	for (const struct json *v = was ? was->child : NULL; v; v = v->next) {
		const char *own = v->type == JSON_STRING ? v->text : json_str(v, "image");
		bool same = own && !strcmp(own, name);
		if (!same || !placed)
			json_append(list, json_copy(same && !is_ordered(v, o->order) ? o->order : v));
		placed = placed || same;
	}
	if (!placed)
		json_append(list, json_copy(o->order));
	return list;
}

struct asked {
	const char *dir, *key;
	bool sign;
};

/* With the settings as they will be: what is built is no base of its own. */
static int check_folder(const char *dir, const char *name, const struct grid_config *c, struct json *order,
			struct err *e)
{
	struct grid_config later = *c;
	char *file = NULL;
	if (!file_exists(dir))
		return err_set(e, ERR_NOENT, "there is no folder '%.200s'", dir);
	for (int i = 0; c->images[i]; i++)
		if (!strcmp(c->images[i], name))
			later.builds[i] = order;
	int rc = dockerfile_of(dir, &later, &file, NULL, e);
	free(file);
	return rc && e->class == ERR_NOENT ? err_wrap(e, "'%.200s'", dir) : rc;
}

/* Where only signed tasks run, it is built by a signed order alone. */
static int sign(struct ledger *l, const struct grid_config *c, struct json *order, const struct asked *a, struct err *e)
{
	struct trust_verdict v = {.ok = true};
	char *key = !a->sign ? NULL : a->key ? xstrdup(a->key) : trust_default_key(&l->git, e);
	int rc = (a->sign && !key) || (key && trust_sign(order, key, e)) ? -1 : 0;
	free(key);
	if (!rc && c->require_signed_tasks && !(rc = trust_judge_new(&l->git, l->head, order, &v, e)) && !v.ok)
		rc = err_set(e, ERR_PERM, "no node would build it: %s (expected --sign with a key that counts)", v.why);
	return rc;
}

static int order_build(const struct context *ctx, const struct asked *a, const char *name, struct err *e)
{
	struct ledger l = {0};
	struct grid_config c = {0};
	struct sending sent = {0};
	const struct sending_tree none = {0};
	struct ordering o = {.order = json_new(JSON_OBJECT), .config = &c};
	char *spec = xasprintf("build=%s", a->dir);
	char when[32];
	bool changed = false;
	int rc = open_grid_to_sign(ctx, &l, &c, e) || check_folder(a->dir, name, &c, o.order, e) ||
			 sending_make(&sent, ctx, &c, strlen(l.head) == 64, &none, &spec, 1, e)
		     ? -1
		     : 0;
	if (!rc) {
		json_set(o.order, "image", json_new_str(name));
		json_set(o.order, "build", json_new_str(sent.trees.v[0]));
		json_set(o.order, "ordered_at", json_new_str(clock_format(clock_now(), when)));
		rc = sign(&l, &c, o.order, a, e) || sending_push(&sent, e) ||
			     settings_land(&l, "images", with_order, &o, &changed, e)
			 ? -1
			 : 0;
	}
	if (!rc)
		printf("%s: %s tree %s\n", name, changed ? "to be built from the" : "is built already from the",
		       sent.trees.v[0]);
	json_free(o.order);
	sending_clear(&sent);
	close_grid(&l, &c);
	free(spec);
	return rc;
}

static int show(const struct context *ctx, const char *at, bool json, struct err *e)
{
	struct snapshot s = {0};
	int rc = open_snapshot(ctx, at, &s, e);
	if (!rc && json)
		tell_json(&s);
	else if (!rc)
		tell_text(&s);
	snapshot_close(&s);
	return rc;
}

static int cmd_image(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_image, .argc = argc, .argv = argv};
	struct asked a = {0};
	const char *at = NULL;
	bool json = false;
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		json = json || key == 'j';
		at = key == 't' ? s.value : at;
		a.dir = key == 'b' ? s.value : a.dir;
		a.key = key == 'k' ? s.value : a.key;
		a.sign = a.sign || key == 'S' || key == 'k';
	}
	if (key < 0 || usage_operands(&s, a.dir ? 1 : 0, e))
		return -1;
	if (a.dir && (s.rest >= argc || json || at))
		return err_set(e, ERR_USAGE, "--build DIR takes the image's name, and neither --json nor --at");
	if (!a.dir && a.sign)
		return err_set(e, ERR_USAGE, "--sign and --key go with --build");
	return a.dir ? order_build(ctx, &a, argv[s.rest], e) : show(ctx, at, json, e);
}

const struct verb verb_image = {
    .name = "image",
    .args = "[--json] [--at REV|DATE] | --build DIR [--sign] [--key FILE] NAME",
    .summary = "the images that tasks may ask for, which node has which, and orders to build one",
    .about = "One line for each image of grid.json and each node that has not left, with the image's digest there: "
	     "that of its registry, else its id; under bubblewrap that of its root files (worker --rootfs). A node "
	     "reports an image once a task has asked for it there.\n\nWith --build, a folder with a Dockerfile or "
	     "Containerfile is sent like an input, and its tree becomes the image's build in grid.json, in one commit. "
	     "Nodes whose owner allows it (worker --allow-build) build it when no task runs there; others do not claim "
	     "its tasks. A different folder later makes a different image.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    USAGE_AT,
	    {'b', "--build", "DIR", "@folders", "let nodes build the image NAME from this folder"},
	    {'S', "--sign", NULL, NULL, "sign the build with your SSH key; required where only signed tasks run"},
	    {'k', "--key", "FILE", "@files", "sign it with this key; implies --sign"},
	    {0}},
    .examples =
	(const struct usage_note[]){
	    {"dgrid image", ""},
	    {"dgrid image --build etl grid/etl:3", "from etl/Dockerfile, on nodes that allow it"},
	    {"dgrid image --json | jq '.images[] | {image, digests}'", "what is pinned"},
	    {0}},
    .exits =
	(const struct usage_note[]){
	    {"0", "printed, or the build is in grid.json"},
	    {"65", "the image's name or folder is not valid, or its Dockerfile would fetch something"},
	    {"66", "no such folder, or it has no Dockerfile"},
	    {"77", "only signed builds count in this grid, and this one has no valid signature"},
	    {0}},
    .environment = (const struct usage_note[]){{"DGRID_SIGNING_KEY", "the key for --sign"},
					       {"NO_COLOR", "no colours, even on a terminal"},
					       {0}},
    .run = cmd_image,
};
