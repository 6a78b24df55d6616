#include "schema/fit.h"
#include "base/clock.h"
#include "schema/checkpoint.h"
#include "schema/input.h"
#include "schema/points.h"
#include "schema/task_edit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CPUS_MAX 1048576
#define MB_MAX (INT64_C(1) << 40)

/* ---- offers ---- */

static struct json *decimal(double n)
{
	char text[32];
	struct json_error je;
	snprintf(text, sizeof text, "%.6g", n);
	return json_parse(text, strlen(text), &je);
}

struct json *fit_offer_doc(const struct fit_offer *o)
{
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "cpus", decimal(o->cpus));
	json_set(j, "max_cpus", decimal(o->max_cpus));
	if (o->memory_mb) {
		json_set(j, "memory_mb", json_new_int(o->memory_mb));
		json_set(j, "max_memory_mb", json_new_int(o->max_memory_mb));
	}
	if (o->disk_mb)
		json_set(j, "disk_mb", json_new_int(o->disk_mb));
	if (o->resources && o->resources->child)
		json_set(j, "resources", json_copy(o->resources));
	return j;
}

static bool is_count(const struct json *v)
{
	int64_t n;
	return strlen(v->name) == v->name_len && task_id_valid(v->name) && !json_to_int(v, &n) && n >= 0 &&
	       n <= FIT_MOST;
}

struct json *fit_offer_of(const struct json *doc)
{
	static const char *const numbers[] = {"cpus", "max_cpus", "memory_mb", "max_memory_mb", "disk_mb"};
	const struct json *offer = json_get(doc, "offer"), *resources = json_get(offer, "resources");
	if (!offer || offer->type != JSON_OBJECT)
		return NULL;
	struct json *kept = json_new(JSON_OBJECT), *counts = json_new(JSON_OBJECT);
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		const struct json *v = json_get(offer, numbers[i]);
		if (v && v->type == JSON_NUMBER && v->len < 32)
			json_set(kept, numbers[i], json_copy(v));
	}
	int n = 0;
	for (const struct json *v = resources ? resources->child : NULL; v && n < FIT_OFFERED; v = v->next)
		if (v->name && is_count(v) && ++n)
			json_set(counts, v->name, json_copy(v));
	json_set(kept, "resources", counts);
	return kept;
}

void fit_offer_words(const struct json *doc, struct buf *out)
{
	struct fit_node n;
	fit_node_read(&n, "", doc);
	if (!n.offers)
		return;
	buf_addf(out, "%g cpu%s", (double)n.cpus / 1000, n.cpus == 1000 ? "" : "s");
	if (n.memory_mb < MB_MAX)
		buf_addf(out, ", %.3g GB", (double)n.memory_mb / 1024);
	if (n.disk_mb < MB_MAX)
		buf_addf(out, ", %.3g GB disk", (double)n.disk_mb / 1024);
	int k = 0;
	for (const struct json *v = n.resources ? n.resources->child : NULL; v && k < FIT_OFFERED; v = v->next)
		if (v->name && is_count(v) && ++k)
			buf_addf(out, ", %lld %s", (long long)json_int(n.resources, v->name, 0), v->name);
}

/* Thousandths; a part of one counts as one. 0: none, or no number that could be meant. */
static int64_t thousandths(const struct json *v)
{
	double n = v && v->type == JSON_NUMBER ? strtod(v->text, NULL) : 0;
	if (!(n > 0 && n <= CPUS_MAX))
		return 0;
	int64_t whole = (int64_t)(n * 1000 + 1e-6);
	return (double)whole + 1e-3 < n * 1000 ? whole + 1 : whole;
}

static int64_t mb(const struct json *doc, const char *name)
{
	int64_t n = json_int(doc, name, 0);
	return n < 0 ? 0 : n > MB_MAX ? MB_MAX : n;
}

static int64_t count_of(const struct json *resources, const char *name)
{
	int64_t n;
	const struct json *v = resources && resources->type == JSON_OBJECT ? resources->child : NULL;
	for (int i = 0; v && i < FIT_OFFERED && strcmp(v->name, name) != 0; i++)
		v = v->next;
	return !v || strcmp(v->name, name) != 0 || json_to_int(v, &n) || n < 0 ? 0 : n > FIT_MOST ? FIT_MOST : n;
}

void fit_node_read(struct fit_node *n, const char *id, const struct json *file)
{
	const struct json *offer = json_get(file, "offer"), *store = json_get(file, "store");
	*n = (struct fit_node){.id = id,
			       .store = store && store->type == JSON_BOOL && store->boolean,
			       .offers = offer && offer->type == JSON_OBJECT,
			       .labels = json_get(file, "labels"),
			       .images = json_get(file, "images"),
			       .slots = json_int(file, "slots", 1)};
	if (!n->offers)
		return;
	n->cpus = thousandths(json_get(offer, "cpus"));
	n->cpus = n->cpus ? n->cpus : CPUS_MAX * INT64_C(1000);
	n->max_cpus = thousandths(json_get(offer, "max_cpus"));
	n->memory_mb = json_get(offer, "memory_mb") ? mb(offer, "memory_mb") : MB_MAX;
	n->max_memory_mb = mb(offer, "max_memory_mb");
	n->disk_mb = json_get(offer, "disk_mb") ? mb(offer, "disk_mb") : MB_MAX;
	n->resources = json_get(offer, "resources");
	n->max_cpus = n->max_cpus && n->max_cpus < n->cpus ? n->max_cpus : n->cpus;
	n->max_memory_mb = n->max_memory_mb && n->max_memory_mb < n->memory_mb ? n->max_memory_mb : n->memory_mb;
}

/* ---- asks ---- */

static bool wants_store(const struct json *task)
{
	const struct json *claim = json_get(task, "claim");
	if (mb(task, "out_mb") > CONFIG_GIT_MB || inputs_pin_stored(json_get(task, "inputs")) ||
	    inputs_pin_stored(json_get(claim, "inputs")) || input_stored(json_get(claim, "checkpoint")))
		return true;
	struct json *next = claim ? NULL : checkpoint_next(task);
	bool stored = input_stored(next) > 0;
	json_free(next);
	return stored;
}

void fit_want_read(struct fit_want *w, const struct json *task)
{
	const struct json *resources = json_get(task, "resources"), *brief = json_get(task, "seconds");
	int64_t disk = mb(task, "disk_mb"), out = mb(task, "out_mb");
	*w = (struct fit_want){.cpus = thousandths(json_get(task, "cpus")),
			       .memory_mb = mb(task, "memory_mb"),
			       .disk_mb = disk > out ? disk : out,
			       .seconds = brief ? json_int(task, "seconds", 0)
						: points_seconds(task, json_int(task, "timeout_seconds", 0)),
			       .resources = resources && resources->type == JSON_OBJECT ? resources : NULL,
			       .store = wants_store(task)};
	if (w->seconds < 0 || w->seconds > RUN_SECONDS_MAX) /* some other hand wrote it */
		w->seconds = RUN_SECONDS_MAX;
}

void fit_brief(struct json *brief, const struct json *task)
{
	static const char *const kept[] = {"cpus", "memory_mb", "disk_mb", "out_mb", "resources"};
	struct fit_want w;
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		if (json_get(task, kept[i]))
			json_set(brief, kept[i], json_copy(json_get(task, kept[i])));
	fit_want_read(&w, task);
	json_set(brief, "seconds", json_new_int(w.seconds)); /* no task has a member of that name */
}

static int64_t resources_in_all(const struct fit_want *w)
{
	int64_t n = 0;
	for (const struct json *v = w->resources ? w->resources->child : NULL; v; v = v->next)
		n += count_of(w->resources, v->name);
	return n;
}

static int more(int64_t a, int64_t b)
{
	return (a < b) - (a > b);
}

/* Who does not say gets as much as any may ask for. */
static int64_t full(int64_t n)
{
	return n ? n : INT64_MAX;
}

int fit_size(const struct fit_want *a, const struct fit_want *b)
{
	int by = more(resources_in_all(a), resources_in_all(b));
	by = by ? by : more(full(a->cpus), full(b->cpus));
	by = by ? by : more(full(a->memory_mb), full(b->memory_mb));
	return by ? by : more(a->disk_mb, b->disk_mb);
}

int fit_turns(const struct fit_turn *a, const struct fit_turn *b)
{
	int by = more(a->priority, b->priority);
	by = by ? by : more(b->created, a->created);
	by = by ? by : fit_size(a->want, b->want);
	return by ? by : strcmp(a->id, b->id);
}

/* Who does not say gets what the grid gives, or all that the node gives one task. */
static int64_t cpus_of(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w)
{
	int64_t usual = (int64_t)(config_cpus(c) * 1000 + 0.999);
	return w->cpus ? w->cpus : usual < n->max_cpus ? usual : n->max_cpus;
}

static int64_t memory_of(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w)
{
	int64_t usual = config_memory_mb(c);
	return w->memory_mb ? w->memory_mb : usual < n->max_memory_mb ? usual : n->max_memory_mb;
}

/* ---- what runs ---- */

void fit_load_put(struct fit_load *l, const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		  int64_t until)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->v = xrealloc(l->v, l->room * sizeof *l->v);
	}
	l->v[l->n++] = (struct fit_held){*w, until};
	l->cpus += cpus_of(n, c, w);
	l->memory_mb += memory_of(n, c, w);
	l->disk_mb += w->disk_mb;
}

void fit_load_add(struct fit_load *l, const struct fit_node *n, const struct grid_config *c, const struct json *task)
{
	const struct json *claim = json_get(task, "claim");
	const char *node = json_str(claim, "node"), *since = json_str(claim, "claimed_at");
	struct fit_want w;
	int64_t at;
	if (!node || strcmp(node, n->id) != 0)
		return;
	fit_want_read(&w, task);
	fit_load_put(l, n, c, &w, since && !clock_parse(since, &at) ? at + w.seconds : 0);
}

void fit_load_clear(struct fit_load *l)
{
	free(l->v);
	*l = (struct fit_load){0};
}

/* ---- the judge ---- */

static size_t tell(struct fit_obstacle *out, size_t n, struct fit_obstacle one)
{
	if (out && n < FIT_OBSTACLES)
		out[n] = one;
	return n < FIT_OBSTACLES ? n + 1 : n;
}

static bool has_label(const struct json *own, const char *label)
{
	for (const struct json *o = own && own->type == JSON_ARRAY ? own->child : NULL; o; o = o->next)
		if (o->type == JSON_STRING && !strcmp(o->text, label))
			return true;
	return false;
}

/* FIT_ROOM: nothing is wrong with it. */
static enum fit_kind look_at_image(const struct fit_node *n, const struct grid_config *c, const char *image)
{
	const char *name = image ? image : c->images[0] ? c->images[0] : "", *pins = config_pins(c, name);
	const struct json *there = json_get(n->images, name);
	if (there && there->type == JSON_BOOL && !there->boolean)
		return FIT_IMAGE;
	return there && there->type == JSON_STRING && pins && !config_pinned(pins, there->text) ? FIT_PIN : FIT_ROOM;
}

bool fit_has_image(const struct fit_node *n, const struct grid_config *c, const char *image)
{
	return look_at_image(n, c, image) == FIT_ROOM;
}

static const char processors[] = "processors", memory[] = "memory", disk[] = "disk";

size_t fit_never(const struct fit_node *n, const struct grid_config *c, const struct json *task,
		 const struct fit_want *w, struct fit_obstacle *out)
{
	const struct json *wanted = json_get(task, "labels");
	size_t k = 0;
	for (const struct json *v = wanted && wanted->type == JSON_ARRAY ? wanted->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && !has_label(n->labels, v->text))
			k = tell(out, k, (struct fit_obstacle){.kind = FIT_LABEL, .what = v->text});
	if (n->offers) {
		const struct fit_obstacle most[] = {{FIT_NEVER, processors, true, w->cpus, 0, n->max_cpus},
						    {FIT_NEVER, memory, true, w->memory_mb, 0, n->max_memory_mb},
						    {FIT_NEVER, disk, true, w->disk_mb, 0, n->disk_mb}};
		for (size_t i = 0; i < sizeof most / sizeof *most; i++)
			if (most[i].wanted > most[i].most)
				k = tell(out, k, most[i]);
		for (const struct json *v = w->resources ? w->resources->child : NULL; v; v = v->next) {
			const struct fit_obstacle o = {FIT_NEVER, v->name,
						       false,	  count_of(w->resources, v->name),
						       0,	  count_of(n->resources, v->name)};
			if (o.wanted > o.most)
				k = tell(out, k, o);
		}
	}
	if (w->store && !n->store)
		k = tell(out, k, (struct fit_obstacle){.kind = FIT_STORE, .what = "store"});
	const char *image = json_str(task, "image");
	const enum fit_kind kind = look_at_image(n, c, image);
	if (kind != FIT_ROOM)
		k = tell(out, k, (struct fit_obstacle){.kind = kind, .what = image ? image : c->images[0]});
	return k;
}

bool fit_suits(const struct fit_node *n, const struct grid_config *c, const struct json *task)
{
	struct fit_node node = *n;
	struct fit_want w;
	node.images = NULL;
	fit_want_read(&w, task);
	return !fit_never(&node, c, task, &w, NULL);
}

static int64_t held_of(const struct fit_load *l, const char *name)
{
	int64_t n = 0;
	for (size_t i = 0; i < l->n; i++)
		n += count_of(l->v[i].want.resources, name);
	return n;
}

size_t fit_room(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		const struct fit_load *l, struct fit_obstacle *out)
{
	size_t k = 0;
	if (!n->offers)
		return 0;
	const struct fit_obstacle rooms[] = {
	    {FIT_ROOM, processors, true, cpus_of(n, c, w), n->cpus - l->cpus, n->cpus},
	    {FIT_ROOM, memory, true, memory_of(n, c, w), n->memory_mb - l->memory_mb, n->memory_mb},
	    {FIT_ROOM, disk, true, w->disk_mb, n->disk_mb - l->disk_mb, n->disk_mb}};
	for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
		if (rooms[i].wanted && rooms[i].wanted > rooms[i].free)
			k = tell(out, k, rooms[i]);
	for (const struct json *v = w->resources ? w->resources->child : NULL; v; v = v->next) {
		const int64_t most = count_of(n->resources, v->name);
		const struct fit_obstacle o = {
		    FIT_ROOM, v->name, false, count_of(w->resources, v->name), most - held_of(l, v->name), most};
		if (o.wanted > o.free)
			k = tell(out, k, o);
	}
	for (size_t i = 0; out && i < k; i++)
		out[i].free = out[i].free < 0 ? 0 : out[i].free;
	return k;
}

/* ---- times ---- */

int64_t fit_ready_since(const struct json *task)
{
	int64_t at = json_time(task, "created_at"), ready = task_ready_at(task);
	return ready > at ? ready : at;
}

bool fit_is_due(int64_t ready_since, int64_t now)
{
	return ready_since && now - ready_since >= FIT_PATIENCE_SECONDS;
}

/* Does it fit, with a slot for it, when all that ends by then has ended, and beside also (NULL: none) that does not? */
static bool fits_at(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		    const struct fit_want *also, int64_t then, const struct fit_load *l)
{
	struct fit_load left = {0};
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].until > then)
			fit_load_put(&left, n, c, &l->v[i].want, 0);
	if (also)
		fit_load_put(&left, n, c, also, 0);
	bool fits = !fit_room(n, c, w, &left, NULL) && (int64_t)left.n < n->slots;
	fit_load_clear(&left);
	return fits;
}

static int by_time(const void *pa, const void *pb)
{
	int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
	return (a > b) - (a < b);
}

int64_t fit_free_at(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		    const struct fit_load *l, int64_t now)
{
	int64_t *ends = xcalloc(l->n + 1, sizeof *ends), at = now;
	for (size_t i = 0; i < l->n; i++)
		ends[i] = l->v[i].until > now ? l->v[i].until : now;
	qsort(ends, l->n, sizeof *ends, by_time);
	for (size_t i = 0; i < l->n; i++) {
		if (i && ends[i] == ends[i - 1])
			continue;
		at = ends[i];
		if (fits_at(n, c, w, NULL, at, l))
			break;
	}
	free(ends);
	return at;
}

bool fit_passes(const struct fit_node *n, const struct grid_config *c, const struct fit_want *w,
		const struct fit_want *first, int64_t at, const struct fit_load *l, int64_t now)
{
	return now + w->seconds <= at || fits_at(n, c, first, w, at, l);
}

/* ---- in words ---- */

static const char *amount(const struct fit_obstacle *o, int64_t n, char out[32])
{
	if (o->ours && o->what == processors)
		snprintf(out, 32, "%g", (double)n / 1000);
	else
		snprintf(out, 32, "%lld", (long long)n);
	return out;
}

const char *fit_words(const struct fit_obstacle *o, char words[240])
{
	char wanted[32], left[32], most[32];
	bool in_mb = o->ours && o->what != processors;
	const char *unit = in_mb ? "MB of " : "";
	amount(o, o->wanted, wanted);
	amount(o, o->free, left);
	amount(o, o->most, most);
	switch (o->kind) {
	case FIT_LABEL:
		snprintf(words, 240, "lacks the label %.80s", o->what);
		break;
	case FIT_IMAGE:
		snprintf(words, 240, "has no image %.160s", o->what);
		break;
	case FIT_STORE:
		snprintf(words, 240, "has no store (worker --store), and files of it are in one or may have to be");
		break;
	case FIT_PIN:
		snprintf(words, 240, "its image %.160s is another than the one that grid.json pins", o->what);
		break;
	case FIT_NEVER:
		if (!o->most && !o->ours)
			snprintf(words, 240, "has no %.64s, %s wanted", o->what, wanted);
		else if (o->what == processors && o->ours && o->most == 1000)
			snprintf(words, 240, "one task gets at most 1 processor, %s wanted", wanted);
		else
			snprintf(words, 240, "one task gets at most %s %s%.64s, %s wanted", most, unit, o->what,
				 wanted);
		break;
	case FIT_ROOM:
		snprintf(words, 240, "%s of %s %s%.64s free, %s wanted", left, most, unit, o->what, wanted);
		break;
	}
	return words;
}

/* ---- a task's members ---- */

bool fit_resources_valid(const struct json *resources, const struct json **at, char why[160])
{
	size_t n = 0;
	int64_t count;
	*at = resources;
	snprintf(why, 160, "expected an object of names and whole numbers, such as {\"gpu\": 1}");
	if (resources->type != JSON_OBJECT)
		return false;
	for (const struct json *v = resources->child; v; v = v->next) {
		*at = v;
		if (strlen(v->name) != v->name_len || !task_id_valid(v->name))
			snprintf(why, 160, "\"%.64s\" is no name (expected 1-64 of A-Z a-z 0-9 _ -)", v->name);
		else if (json_to_int(v, &count) || count < 1 || count > FIT_MOST)
			snprintf(why, 160, "\"%.64s\": expected a whole number from 1 to %d", v->name, FIT_MOST);
		else if (++n > FIT_RESOURCES)
			snprintf(why, 160, "more than %d (expected at most that)", FIT_RESOURCES);
		else
			continue;
		return false;
	}
	return true;
}

void fit_judge(const struct json *task, struct problems *p)
{
	const struct json *m = json_get(task, "disk_mb");
	int64_t out = json_int(task, "out_mb", 0), own;
	if (m && !json_to_int(m, &own) && own < out)
		problem_in(p, m->line, m->col, m->name, "%lld is less than its out_mb (expected at least %lld)",
			   (long long)own, (long long)out);
}
