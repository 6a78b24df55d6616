#include "base/text.h"
#include "schema/need.h"
#include "store/waits.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LEVELS_MAX 12 /* drawn; deeper ones are told as a number */

/* The tasks that wait for others, and those that are waited for. */
struct graph_task {
	const char *id;		       /* borrowed */
	const struct snapshot_task *t; /* NULL: it is not on the branch */
	struct needs needs;
	size_t level; /* 0: it waits for none of them */
	size_t under; /* the deepest of those that it waits for: it is drawn below it; SIZE_MAX: none */
	enum { UNKNOWN, LOOKING, KNOWN } mark;
	bool chosen, related;
};
struct graph {
	struct graph_task *v; /* by id */
	size_t n;
	struct strs absent; /* owns the ids of what is not on the branch */
	bool dot, json;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct graph_task *)a)->id, ((const struct graph_task *)b)->id);
}

static struct graph_task *find(const struct graph *g, const char *id)
{
	const struct graph_task key = {.id = id};
	return g->n ? bsearch(&key, g->v, g->n, sizeof *g->v, by_id) : NULL;
}

static void graph_clear(struct graph *g)
{
	for (size_t i = 0; i < g->n; i++)
		needs_clear(&g->v[i].needs);
	free(g->v);
	strs_clear(&g->absent);
}

/* All tasks, each id once, and what they name that is nowhere. */
static void graph_read(struct graph *g, const struct snapshot *s)
{
	g->v = xcalloc(s->n_tasks + 1, sizeof *g->v);
	for (size_t i = 0; i < s->n_tasks; i++)
		if (snapshot_find(s, s->tasks[i].id) == &s->tasks[i]) {
			struct graph_task *one = &g->v[g->n++];
			*one = (struct graph_task){.id = s->tasks[i].id, .t = &s->tasks[i], .under = SIZE_MAX};
			needs_of(s->tasks[i].doc, &one->needs);
		}
	if (g->n)
		qsort(g->v, g->n, sizeof *g->v, by_id);
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->v[i].needs.n; k++) {
			bool known = find(g, g->v[i].needs.v[k].id) != NULL;
			for (size_t a = 0; a < g->absent.n && !known; a++)
				known = !strcmp(g->absent.v[a], g->v[i].needs.v[k].id);
			if (!known)
				strs_add(&g->absent, g->v[i].needs.v[k].id);
		}
	g->v = xrealloc(g->v, (g->n + g->absent.n + 1) * sizeof *g->v);
	for (size_t a = 0; a < g->absent.n; a++)
		g->v[g->n++] = (struct graph_task){.id = g->absent.v[a], .under = SIZE_MAX};
	if (g->n)
		qsort(g->v, g->n, sizeof *g->v, by_id);
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->v[i].needs.n; k++)
			g->v[i].related = find(g, g->v[i].needs.v[k].id)->related = true;
}

/* ---- which of them ---- */

static int choose_named(struct graph *g, const char *name, struct err *e)
{
	struct graph_task *one = find(g, name);
	size_t found = 0;
	if (one) {
		one->chosen = true;
		found = 1;
	}
	for (size_t i = 0; i < g->n && !one; i++) {
		const char *group = g->v[i].t ? json_str(g->v[i].t->doc, "group") : NULL;
		if (group && !strcmp(group, name)) {
			g->v[i].chosen = true;
			found++;
		}
	}
	return found ? 0 : err_set(e, ERR_NOENT, "no task and no group '%.100s' on the branch", name);
}

/* What a chosen one waits for, and what waits for it, belongs to it. */
static void choose_related(struct graph *g)
{
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < g->n; i++)
			for (size_t k = 0; k < g->v[i].needs.n; k++) {
				struct graph_task *a = &g->v[i], *b = find(g, a->needs.v[k].id);
				more = more || a->chosen != b->chosen;
				a->chosen = b->chosen = a->chosen || b->chosen;
			}
	}
}

/* ---- where each stands ---- */

/* In a ledger that other hands wrote, a task may wait for itself. */
static size_t place(struct graph *g, struct graph_task *one)
{
	if (one->mark != UNKNOWN)
		return one->level;
	one->mark = LOOKING;
	for (size_t k = 0; k < one->needs.n; k++) {
		struct graph_task *other = find(g, one->needs.v[k].id);
		if (other->mark == LOOKING)
			continue;
		size_t level = place(g, other) + 1;
		if (level > one->level || one->under == SIZE_MAX) {
			one->level = level;
			one->under = (size_t)(other - g->v);
		}
	}
	one->mark = KNOWN;
	return one->level;
}

/* ---- on the terminal ---- */

static const char *state_of(const struct snapshot *s, const struct graph_task *one)
{
	const char *status = one->t ? json_str(json_get(one->t->doc, "result"), "status") : NULL;
	if (!one->t)
		return "not on the branch";
	if (status)
		return status;
	if (one->t->state == TASK_QUEUE)
		return waits_of(s, one->t->doc, NULL) ? "waiting" : "queued";
	return one->t->state == TASK_IN_PROGRESS ? "running" : task_state_name(one->t->state);
}

static void draw_one(const struct graph *g, const struct snapshot *s, const struct graph_task *one, const char *lead)
{
	const char *state = state_of(s, one), *node = NULL;
	enum paint paint = !strcmp(state, "running") ? PAINT_YELLOW : report_paint(state);
	const struct json *doc = one->t ? one->t->doc : NULL;
	bool colour = table_colour() && paint != PAINT_NONE, also = false;
	printf("%s%s  %s", lead, one->id, colour ? paint_code(paint) : "");
	put_clean(state, 24);
	fputs(colour ? "\033[0m" : "", stdout);
	if (one->t && one->t->state == TASK_IN_PROGRESS && (node = json_str(json_get(doc, "claim"), "node"))) {
		fputs(" on ", stdout);
		put_clean(node, 64);
	}
	for (size_t k = 0; k < one->needs.n; k++)
		if (one->under == SIZE_MAX || strcmp(one->needs.v[k].id, g->v[one->under].id) != 0) {
			printf("%s%s", also ? ", " : "  (and after ", one->needs.v[k].id);
			also = true;
		}
	puts(also ? ")" : "");
}

static bool is_under(const struct graph *g, size_t i, size_t under)
{
	return g->v[i].chosen && g->v[i].under == under;
}

/* All that are drawn below one; lead: what stands before their lines. */
static void draw(const struct graph *g, const struct snapshot *s, size_t under, const char *lead, size_t level)
{
	size_t left = 0;
	for (size_t i = 0; i < g->n; i++)
		left += is_under(g, i, under);
	for (size_t i = 0; i < g->n; i++) {
		if (!is_under(g, i, under))
			continue;
		bool root = under == SIZE_MAX, last = --left == 0;
		char *mine = level > LEVELS_MAX ? xasprintf("%s[%zu] ", lead, level)
						: xasprintf("%s%s", lead,
							    root   ? ""
							    : last ? "└─ "
								   : "├─ ");
		char *theirs = level >= LEVELS_MAX ? xstrdup(lead)
						   : xasprintf("%s%s", lead,
							       root   ? ""
							       : last ? "   "
								      : "│  ");
		draw_one(g, s, &g->v[i], mine);
		draw(g, s, i, theirs, level + 1);
		free(mine);
		free(theirs);
	}
}

/* ---- for programs ---- */

static void put_dot(const struct graph *g, const struct snapshot *s)
{
	puts("digraph tasks {\n\trankdir=LR;\n\tnode [shape=box, style=rounded];");
	for (size_t i = 0; i < g->n; i++)
		if (g->v[i].chosen) {
			printf("\t\"%s\" [label=\"%s\\n", g->v[i].id, g->v[i].id);
			const char *state = state_of(s, &g->v[i]);
			for (; *state; state++) /* a stranger's word may be anything */
				if ((*state >= 'a' && *state <= 'z') || *state == ' ')
					putchar(*state);
			puts("\"];");
		}
	for (size_t i = 0; i < g->n; i++)
		for (size_t k = 0; k < g->v[i].needs.n && g->v[i].chosen; k++)
			printf("\t\"%s\" -> \"%s\"%s;\n", g->v[i].needs.v[k].id, g->v[i].id,
			       g->v[i].needs.v[k].success ? "" : " [style=dashed]");
	puts("}");
}

static void put_tasks(const struct graph *g, const struct snapshot *s)
{
	struct json *all = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < g->n; i++) {
		const struct graph_task *one = &g->v[i];
		struct json *row = json_new(JSON_OBJECT), *needs = json_new(JSON_ARRAY), *after = json_new(JSON_ARRAY);
		for (size_t k = 0; k < one->needs.n; k++)
			json_append(one->needs.v[k].success ? needs : after, json_new_str(one->needs.v[k].id));
		json_set(row, "task_id", json_new_str(one->id));
		json_set(row, "state", one->t ? json_new_str(task_state_name(one->t->state)) : json_new(JSON_NULL));
		json_set(row, "status", json_new_str(state_of(s, one)));
		json_set(row, "level", json_new_int((int64_t)one->level));
		json_set(row, "needs", needs);
		json_set(row, "after", after);
		if (one->chosen)
			json_append(list, row);
		else
			json_free(row);
	}
	json_set(all, "schema", json_new_int(1));
	json_set(all, "commit", json_new_str(s->commit));
	json_set(all, "tasks", list);
	put_json(all);
	json_free(all);
}

static int show(struct graph *g, struct snapshot *s, char *const *names, int n, struct err *e)
{
	size_t chosen = 0;
	graph_read(g, s);
	for (int i = 0; i < n; i++)
		if (choose_named(g, names[i], e))
			return -1;
	choose_related(g);
	for (size_t i = 0; i < g->n; i++) {
		place(g, &g->v[i]);
		g->v[i].chosen = n ? g->v[i].chosen : g->v[i].related;
		chosen += g->v[i].chosen;
	}
	if (g->json)
		put_tasks(g, s);
	else if (g->dot)
		put_dot(g, s);
	else if (chosen)
		draw(g, s, SIZE_MAX, "", 0);
	else
		puts("no task waits for another");
	return 0;
}

static int cmd_graph(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan scan = {.verb = &verb_graph, .argc = argc, .argv = argv};
	struct graph g = {0};
	struct snapshot s = {0};
	const char *at = NULL;
	int key;
	while ((key = usage_next(&scan, e)) > 0) {
		g.dot = g.dot || key == 'd';
		g.json = g.json || key == 'j';
		at = key == 't' ? scan.value : at;
	}
	int rc = key < 0 || open_snapshot(ctx, at, &s, e) || snapshot_load(&s, (1u << TASK_N_STATES) - 1, e) ||
			 show(&g, &s, argv + scan.rest, argc - scan.rest, e)
		     ? -1
		     : 0;
	graph_clear(&g);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_graph = {
    .name = "graph",
    .args = "[--dot|--json] [--at REV|DATE] [GROUP|ID]...",
    .summary = "which tasks wait for which, drawn as a tree",
    .about = "Draws the tasks that depend on others (needs and after) and those they depend on, with their states; "
	     "each task stands below the last one it waits for. With a group or an id, only these tasks and everything "
	     "connected to them.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'d', "--dot", NULL, NULL, "print a graph for Graphviz; after is dashed"}, USAGE_JSON, USAGE_AT, {0}},
    .operands = "@tasks",
    .examples = (const struct usage_note[]){{"dgrid graph nightly", ""},
					    {"dgrid graph --dot | dot -Tsvg >tasks.svg", "a picture"},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "drawn, even if no task depends on another"}, {0}},
    .run = cmd_graph,
};
