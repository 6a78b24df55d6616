/* config: shows the settings of grid.json, and sets one of them in a commit. */
#include "schema/config.h"
#include "base/table.h"
#include "base/text.h"
#include "verbs/land.h"
#include "verbs/settings.h"
#include "verbs/verbs.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	const char *key, *value; /* NULL: not given */
	const char *at;
	bool json, unset, fields;
};

/* The rows of the table in the manual, dgrid-ledger.5. */
static void print_fields(void)
{
	struct config_setting s;
	for (size_t i = 0; config_setting(i, &s); i++)
		printf("| `%s` | %s | %s%s| %s |\n", s.name, s.kind, s.dflt, *s.dflt ? " " : "", s.about);
}

static int unknown(const char *key, struct err *e)
{
	struct config_setting s;
	const char *near = NULL;
	size_t best = 4;
	for (size_t i = 0; config_setting(i, &s); i++)
		near = text_nearer(key, s.name, near, &best);
	return err_set(e, ERR_USAGE, "there is no setting '%.200s'%s%s%s (dgrid config --fields lists them)", key,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int find(const char *key, struct config_setting *s, struct err *e)
{
	for (size_t i = 0; config_setting(i, s); i++)
		if (!strcmp(key, s->name))
			return 0;
	return unknown(key, e);
}

/* A value, or the default, in one line, as it is typed: a string without quotes. The caller's. */
static char *shown(const struct json *value, const struct config_setting *s)
{
	struct buf b = {0};
	if (!value)
		buf_adds(&b, s->dflt);
	else if (value->type == JSON_STRING)
		text_clean(&b, value->text, value->len, INT_MAX);
	else
		json_write(&b, value, 0);
	if (!value && s->text && b.len > 1) { /* without its quotes */
		char *bare = xstrndup(b.data + 1, b.len - 2);
		buf_clear(&b);
		return bare;
	}
	buf_adds(&b, "");
	return buf_detach(&b);
}

static struct json *parsed(const char *text)
{
	struct json_error je;
	return *text ? json_parse(text, strlen(text), &je) : NULL;
}

/* grid.json as a tree; a branch without one has no settings. */
static int read_tree(const struct snapshot *s, struct json **tree, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	struct err none = {0};
	*tree = NULL;
	if (snapshot_file(s, "grid.json", &b, &none)) {
		buf_clear(&b);
		return none.class == ERR_NOENT ? 0 : err_set(e, none.class, "%s", none.msg);
	}
	*tree = json_parse(b.data ? b.data : "", b.len, &je);
	int rc = *tree ? 0 : err_set(e, ERR_DATA, "grid.json:%u:%u: %s", je.line, je.col, je.msg);
	buf_clear(&b);
	return rc;
}

static struct json *as_json(const struct asked *a, const struct json *tree)
{
	struct json *all = json_new(JSON_OBJECT), *rows = json_new(JSON_ARRAY);
	struct config_setting s;
	for (size_t i = 0; config_setting(i, &s); i++) {
		const struct json *own = json_get(tree, s.name);
		struct json *row = json_new(JSON_OBJECT), *dflt = parsed(s.dflt);
		if (a->key && strcmp(a->key, s.name) != 0) {
			json_free(row);
			json_free(dflt);
			continue;
		}
		dflt = dflt ? dflt : json_new(JSON_NULL);
		json_set(row, "name", json_new_str(s.name));
		json_set(row, "value", json_copy(own ? own : dflt));
		json_set(row, "default", dflt);
		json_set(row, "set", json_new_bool(own != NULL));
		json_set(row, "expected", json_new_str(s.kind));
		json_set(row, "about", json_new_str(s.about));
		json_append(rows, row);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "settings", rows);
	return all;
}

static void print_table(const struct json *tree)
{
	static const struct column columns[] = {{.title = "SETTING", .max = 40},
						{.title = "VALUE", .max = 200, .min = 8},
						{.title = "", .max = 8, .ours = true}};
	struct table t = {.columns = columns, .n = 3};
	struct buf out = {0};
	struct config_setting s;
	int width, rows;
	for (size_t i = 0; config_setting(i, &s); i++) {
		const struct json *own = json_get(tree, s.name);
		char *value = shown(own, &s);
		table_cell(&t, s.name, PAINT_NONE);
		table_cell(&t, value, own ? PAINT_NONE : PAINT_DIM);
		table_cell(&t, own ? "" : "default", PAINT_DIM);
		free(value);
	}
	table_terminal(&width, &rows);
	table_text(&t, width, table_colour(), &out);
	fwrite(out.data, 1, out.len, stdout);
	buf_clear(&out);
	table_clear(&t);
}

static int show(const struct context *ctx, const struct asked *a, struct err *e)
{
	struct snapshot s = {0};
	struct config_setting one;
	struct json *tree = NULL;
	int rc = open_snapshot(ctx, a->at, &s, e);
	if (!rc)
		rc = read_tree(&s, &tree, e);
	if (!rc && a->json) {
		struct json *all = as_json(a, tree);
		put_json(all);
		json_free(all);
	} else if (!rc && a->key && !(rc = find(a->key, &one, e))) {
		char *value = shown(json_get(tree, a->key), &one);
		puts(value);
		free(value);
	} else if (!rc)
		print_table(tree);
	json_free(tree);
	snapshot_close(&s);
	return rc;
}

struct change {
	const char *key;
	struct config_setting setting;
	struct json *value;							/* NULL: unset */
	struct json *(*make)(void *ctx, const struct json *was, struct err *e); /* NULL: value is known */
	void *ctx;
	char *before, *after; /* out: as they are shown */
	const char *alone;    /* out: the setting that is missing beside a ceiling that was raised; NULL: none */
};

/* What was typed: JSON; a text setting takes the text as it is too, a list its elements between commas. */
static int read_value(struct change *c, const char *typed, struct err *e)
{
	struct json_error je;
	c->value = json_parse(typed, strlen(typed), &je);
	if (c->setting.text && (!c->value || c->value->type != JSON_STRING)) {
		json_free(c->value);
		c->value = json_new_str(typed);
	} else if (!c->value && !strcmp(c->key, "images")) {
		c->value = json_new(JSON_ARRAY);
		for (const char *p = typed; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ','))
			json_append(c->value, json_new_strn(p, strcspn(p, ",")));
	}
	return c->value ? 0 : err_set(e, ERR_DATA, "%s: expected %s, found '%.200s'", c->key, c->setting.kind, typed);
}

/* The branch's grid.json as a tree; none there: an empty one. */
static struct json *read_settings(struct ledger *l, struct err *e)
{
	char *path = xasprintf("%s/grid.json", l->git.dir);
	struct buf b = {0};
	struct json_error je;
	struct err why = {0};
	struct json *tree = NULL;
	if (!file_read(path, TASK_FILE_MAX, &b, &why)) {
		tree = json_parse(b.data ? b.data : "", b.len, &je);
		if (!tree)
			err_set(e, ERR_DATA, "grid.json:%u:%u: %s (fix it with a commit of your own)", je.line, je.col,
				je.msg);
		else if (tree->type != JSON_OBJECT) {
			err_set(e, ERR_DATA, "grid.json:1:1: expected an object, found %s", json_type_name(tree->type));
			json_free(tree);
			tree = NULL;
		}
	} else if (why.class == ERR_NOENT)
		tree = json_new(JSON_OBJECT);
	else
		err_set(e, why.class, "%s", why.msg);
	buf_clear(&b);
	free(path);
	return tree;
}

/* The settings as they would be are judged whole, before anything is written. */
static int judge(const char *text, struct err *e)
{
	struct grid_config c;
	struct problems p = {.file = "grid.json"};
	config_defaults(&c);
	config_parse(&c, text, strlen(text), &p);
	int rc = p.n ? err_set(e, ERR_DATA, "%.*s", (int)strcspn(p.text.data, "\n"), p.text.data) : 0;
	config_clear(&c);
	problems_clear(&p);
	return rc;
}

static int write_settings(struct ledger *l, const struct change *c, const char *text, struct err *e)
{
	char *path = xasprintf("%s/grid.json", l->git.dir);
	char *message = xasprintf("%s: set %s\n\n%s: %s -> %s\n", l->git.name, c->key, c->key, c->before, c->after);
	int rc = file_write_in_place(path, text, strlen(text), e);
	land_sign_if_enrolled(l);
	if (!rc)
		rc = git_run(&l->git, NULL, e, (const char *const[]){"add", "--force", "--", "grid.json", NULL});
	if (!rc)
		rc = git_run(&l->git, NULL, e,
			     (const char *const[]){"commit", "--quiet", "--no-verify", "-m", message, NULL});
	free(path);
	free(message);
	return rc;
}

/* A ceiling is also what tasks get that do not ask, unless another setting says what. */
static const char *alone(const struct change *c, const struct json *tree)
{
	const char *usual = !strcmp(c->key, "max_memory_mb") ? "default_memory_mb"
			    : !strcmp(c->key, "max_cpus")    ? "default_cpus"
							     : NULL;
	bool raised = usual && c->value && strtod(c->after, NULL) > strtod(c->before, NULL);
	return raised && !json_get(tree, usual) ? usual : NULL;
}

static int build(struct ledger *l, void *ctx, struct err *e)
{
	struct change *c = ctx;
	struct json *tree = read_settings(l, e);
	if (!tree)
		return -1;
	free(c->before);
	free(c->after);
	c->before = shown(json_get(tree, c->key), &c->setting);
	bool was = json_get(tree, c->key) != NULL;
	if (c->make) {
		json_free(c->value);
		c->value = c->make(c->ctx, json_get(tree, c->key), e);
	}
	if (c->make && !c->value) {
		json_free(tree);
		return -1;
	}
	if (c->value)
		json_set(tree, c->key, json_copy(c->value));
	else
		json_remove(tree, c->key);
	c->after = shown(json_get(tree, c->key), &c->setting);
	c->alone = alone(c, tree);
	char *text = task_text(tree);
	int rc = judge(text, e);
	if (!rc && (c->value ? !was || strcmp(c->before, c->after) != 0 : was))
		rc = write_settings(l, c, text, e) ? -1 : 1;
	free(text);
	json_free(tree);
	return rc;
}

static int set(const struct context *ctx, const struct asked *a, struct err *e)
{
	struct change c = {.key = a->key};
	struct ledger l = {0};
	struct grid_config config = {0};
	bool changed = false;
	int rc = find(a->key, &c.setting, e);
	if (!rc && !a->unset)
		rc = read_value(&c, a->value, e);
	if (!rc)
		rc = open_grid_to_sign(ctx, &l, &config, e);
	if (!rc)
		rc = land(&l, build, &c, &changed, e);
	if (!rc && changed)
		printf("%s: %s (was %s)\n", c.key, *c.after ? c.after : "unset", *c.before ? c.before : "unset");
	if (!rc && changed && c.alone)
		fprintf(stderr,
			"dgrid: tasks that do not ask for a value now get all of it, too: dgrid config %s %s gives "
			"them what they got before\n",
			c.alone, c.before);
	if (!rc && !changed)
		printf("%s: %s already\n", c.key, *c.after ? c.after : "unset");
	close_grid(&l, &config);
	json_free(c.value);
	free(c.before);
	free(c.after);
	return rc;
}

int settings_land(struct ledger *l, const char *key,
		  struct json *(*make)(void *ctx, const struct json *was, struct err *e), void *ctx, bool *changed,
		  struct err *e)
{
	struct change c = {.key = key, .make = make, .ctx = ctx};
	int rc = find(key, &c.setting, e) || land(l, build, &c, changed, e) ? -1 : 0;
	json_free(c.value);
	free(c.before);
	free(c.after);
	return rc;
}

static int cmd_config(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_config, .argc = argc, .argv = argv};
	struct asked a = {0};
	struct config_setting one;
	int key;
	while ((key = usage_next(&s, e)) > 0) {
		a.json = a.json || key == 'j';
		a.unset = a.unset || key == 'u';
		a.fields = a.fields || key == 'f';
		a.at = key == 't' ? s.value : a.at;
	}
	if (key < 0 || usage_operands(&s, 2, e))
		return -1;
	a.key = s.rest < argc ? argv[s.rest] : NULL;
	a.value = a.key && s.rest + 1 < argc ? argv[s.rest + 1] : NULL;
	if (a.fields) {
		print_fields();
		return 0;
	}
	if (a.unset && (!a.key || a.value))
		return err_set(e, ERR_USAGE, "--unset takes the name of one setting");
	if ((a.unset || a.value) && (a.at || a.json))
		return err_set(e, ERR_USAGE, "--json and --at show settings, and cannot set one");
	if (a.key && find(a.key, &one, e))
		return -1;
	return a.unset || a.value ? set(ctx, &a, e) : show(ctx, &a, e);
}

const struct verb verb_config = {
    .name = "config",
    .args = "[--json] [--at REV|DATE] [KEY] | KEY VALUE | --unset KEY | --fields",
    .summary = "show the grid's settings, or set one: grid.json, checked, in one commit",
    .about =
	"Without KEY, lists all settings with their values or defaults; with KEY, prints the value of one. With VALUE, "
	"checks the setting, writes it to grid.json and pushes it in one commit. VALUE is JSON; quotes around a string "
	"may be omitted, and images may be separated by commas. Workers apply a new setting at their next fetch.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    USAGE_AT,
	    {'u', "--unset", NULL, NULL, "remove the setting, so that its default applies"},
	    {'f', "--fields", NULL, NULL,
	     "print all settings with their ranges and defaults, as rows of a Markdown table"},
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid config", "all of them"},
					    {"dgrid config max_pids 64", ""},
					    {"dgrid config images alpine:3.22,python:3.13", ""},
					    {"dgrid config --unset title", ""},
					    {0}},
    .exits =
	(const struct usage_note[]){{"65", "the value is not valid for that setting, or grid.json is not valid"}, {0}},
    .run = cmd_config,
};
