#include "audit/world.h"
#include "base/clock.h"
#include "schema/fit.h"
#include "schema/keys.h"
#include "schema/node.h"
#include "schema/periodic.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NONCES_MAX (1u << 19)
#define PAGE 512 /* hashes that are read at once */

void world_init(struct world *w)
{
	*w = (struct world){.nonces_max = NONCES_MAX};
	config_defaults(&w->config);
}

static void free_task(struct world_task *t)
{
	needs_clear(&t->needs);
	free(t->out);
	free(t->status);
	free(t->author);
	free(t->committer);
	free(t);
}

static void clear_orders(struct world_orders *o)
{
	for (size_t i = 0; i < o->n; i++)
		json_free(o->v[i].doc);
	free(o->v);
}

static void clear_keys(struct world *w)
{
	for (size_t i = 0; i < w->room_keys; i++)
		for (struct world_key *k = w->keys[i], *next; k; k = next) {
			next = k->next;
			free(k);
		}
	free(w->keys);
}

void world_clear(struct world *w)
{
	for (size_t i = 0; i < w->room_tasks; i++)
		for (struct world_task *t = w->tasks[i], *next; t; t = next) {
			next = t->next;
			free_task(t);
		}
	for (size_t i = 0; i < w->room_nodes; i++)
		for (struct world_node *n = w->nodes[i], *next; n; n = next) {
			next = n->next;
			json_free(n->labels);
			json_free(n->networks);
			json_free(n->offer);
			free(n);
		}
	clear_orders(&w->drains);
	clear_orders(&w->retired);
	clear_keys(w);
	json_free(w->paused);
	for (size_t i = 0; i < w->n_schedules; i++)
		json_free(w->schedules[i].doc);
	free(w->schedules);
	for (size_t i = 0; i < w->n_running; i++)
		json_free(w->running[i].brief);
	free(w->running);
	free(w->tasks);
	free(w->nodes);
	free(w->nonces);
	for (size_t i = 0; i < w->n_runs; i++)
		free(w->runs[i].fences);
	free(w->runs);
	if (w->file)
		fclose(w->file);
	config_clear(&w->config);
	for (size_t i = 0; i < w->n_past; i++)
		config_clear(&w->past[i].config);
	*w = (struct world){0};
}

/* FNV-1a; ids that differ by case alone share it. */
static size_t hash(const char *s, bool fold)
{
	uint64_t h = 1469598103934665603u;
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		h = (h ^ (fold && c >= 'A' && c <= 'Z' ? c + 32u : c)) * 1099511628211u;
	}
	return (size_t)(h ^ h >> 32);
}

/* ---- tasks ---- */

struct world_task *world_task(const struct world *w, const char *id)
{
	struct world_task *t = w->room_tasks ? w->tasks[hash(id, true) & (w->room_tasks - 1)] : NULL;
	while (t && strcmp(t->id, id) != 0)
		t = t->next;
	return t;
}

static void grow_tasks(struct world *w)
{
	size_t room = w->room_tasks ? 2 * w->room_tasks : 256;
	struct world_task **fresh = xcalloc(room, sizeof *fresh);
	for (size_t i = 0; i < w->room_tasks; i++)
		for (struct world_task *t = w->tasks[i], *next; t; t = next) {
			size_t at = hash(t->id, true) & (room - 1);
			next = t->next;
			t->next = fresh[at];
			fresh[at] = t;
		}
	free(w->tasks);
	w->tasks = fresh;
	w->room_tasks = room;
}

struct world_task *world_task_add(struct world *w, const char *id)
{
	struct world_task *t = world_task(w, id);
	if (t)
		return t;
	if (w->n_tasks >= w->room_tasks)
		grow_tasks(w);
	struct world_task **at = &w->tasks[hash(id, true) & (w->room_tasks - 1)];
	t = xcalloc(1, sizeof *t);
	snprintf(t->id, sizeof t->id, "%s", id);
	t->next = *at;
	*at = t;
	w->n_tasks++;
	return t;
}

void world_task_waits(struct world *w, struct world_task *t, struct needs *needs)
{
	w->n_waiting -= t->needs.n > 0;
	needs_clear(&t->needs);
	t->needs = *needs;
	w->n_waiting += t->needs.n > 0;
}

void world_task_remove(struct world *w, const char *id)
{
	if (!w->room_tasks)
		return;
	struct world_task **at = &w->tasks[hash(id, true) & (w->room_tasks - 1)], *t;
	while ((t = *at) && strcmp(t->id, id) != 0)
		at = &t->next;
	if (!t)
		return;
	*at = t->next;
	w->n_waiting -= t->needs.n > 0;
	free_task(t);
	w->n_tasks--;
}

const struct world_task *world_task_like(const struct world *w, const char *id)
{
	const struct world_task *t = w->room_tasks ? w->tasks[hash(id, true) & (w->room_tasks - 1)] : NULL;
	while (t && (!t->states || !strcmp(t->id, id) || strcasecmp(t->id, id) != 0))
		t = t->next;
	return t;
}

void world_rests(struct world *w, const char *id)
{
	size_t i = 0;
	while (i < w->n_running && strcmp(w->running[i].id, id) != 0)
		i++;
	if (i == w->n_running)
		return;
	json_free(w->running[i].brief);
	w->running[i] = w->running[--w->n_running];
}

void world_runs(struct world *w, const char *id, const struct json *doc)
{
	world_rests(w, id);
	w->running = xrealloc(w->running, (w->n_running + 1) * sizeof *w->running);
	struct world_running *one = &w->running[w->n_running++];
	*one = (struct world_running){.brief = limit_brief(doc, NULL)};
	snprintf(one->id, sizeof one->id, "%s", id);
}

/* ---- nodes ---- */

struct world_node *world_node(const struct world *w, const char *id)
{
	struct world_node *n = w->room_nodes ? w->nodes[hash(id, false) & (w->room_nodes - 1)] : NULL;
	while (n && strcmp(n->id, id) != 0)
		n = n->next;
	return n;
}

struct world_node *world_node_add(struct world *w, const char *id)
{
	struct world_node *n = world_node(w, id);
	if (n)
		return n;
	if (!w->room_nodes) {
		w->room_nodes = 1024; /* more nodes than that make the chains longer, no more */
		w->nodes = xcalloc(w->room_nodes, sizeof(struct world_node *));
	}
	struct world_node **at = &w->nodes[hash(id, false) & (w->room_nodes - 1)];
	n = xcalloc(1, sizeof *n);
	snprintf(n->id, sizeof n->id, "%s", id);
	n->next = *at;
	*at = n;
	w->n_nodes++;
	return n;
}

void world_node_remove(struct world *w, const char *id)
{
	if (!w->room_nodes)
		return;
	struct world_node **at = &w->nodes[hash(id, false) & (w->room_nodes - 1)], *n;
	while ((n = *at) && strcmp(n->id, id) != 0)
		at = &n->next;
	if (!n)
		return;
	*at = n->next;
	json_free(n->labels);
	json_free(n->networks);
	json_free(n->offer);
	free(n);
	w->n_nodes--;
}

void world_node_read(struct world_node *n, const struct json *doc)
{
	const char *status = json_str(doc, "status");
	n->seen = json_time(doc, "last_heartbeat");
	n->next_due = json_time(doc, "next_due");
	n->unenforced = node_unenforced(doc);
	n->left = status && !strcmp(status, "left");
	const struct json *labels = json_get(doc, "labels");
	json_free(n->labels);
	n->labels = labels && labels->child ? json_copy(labels) : NULL;
	const struct json *networks = json_get(doc, "networks");
	json_free(n->networks);
	n->networks = networks ? json_copy(networks) : NULL;
	json_free(n->offer);
	struct json *offer = fit_offer_of(doc);
	n->offer = offer ? json_new(JSON_OBJECT) : NULL;
	if (offer)
		json_set(n->offer, "offer", offer);
	if (offer && json_get(doc, "store"))
		json_set(n->offer, "store", json_copy(json_get(doc, "store")));
}

/* ---- what people have told ---- */

static struct world_order *find_order(const struct world_orders *o, const char *node)
{
	for (size_t i = 0; i < o->n; i++)
		if (!strcmp(o->v[i].id, node))
			return &o->v[i];
	return NULL;
}

const struct json *world_order(const struct world_orders *o, const char *node)
{
	const struct world_order *one = find_order(o, node);
	return one ? one->doc : NULL;
}

void world_order_set(struct world_orders *o, const char *node, struct json *doc)
{
	struct world_order *one = find_order(o, node);
	if (!one && !doc)
		return;
	if (!one) {
		o->v = xrealloc(o->v, (o->n + 1) * sizeof *o->v);
		one = &o->v[o->n++];
		snprintf(one->id, sizeof one->id, "%s", node);
	} else
		json_free(one->doc);
	one->doc = doc;
	if (!doc)
		*one = o->v[--o->n];
}

/* ---- who is enrolled ---- */

static struct world_key **key_at(const struct world *w, const char *path)
{
	struct world_key **at = &w->keys[hash(path, false) & (w->room_keys - 1)];
	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	return at;
}

static void grow_keys(struct world *w)
{
	struct world_key **old = w->keys;
	size_t n = w->room_keys;
	w->room_keys = n ? 4 * n : 64;
	w->keys = xcalloc(w->room_keys, sizeof(struct world_key *));
	for (size_t i = 0; i < n; i++)
		for (struct world_key *k = old[i], *next; k; k = next) {
			next = k->next;
			k->next = NULL;
			*key_at(w, k->path) = k;
		}
	free(old);
}

static struct world_key *key_set(struct world *w, const char *path, bool there)
{
	if (w->n_keys >= w->room_keys)
		grow_keys(w);
	struct world_key **at = key_at(w, path);
	if (!*at) {
		size_t size = strlen(path) + 1;
		*at = xcalloc(1, sizeof **at + size);
		memcpy((*at)->path, path, size);
		w->n_keys++;
	}
	(*at)->there = there;
	return *at;
}

void world_key(struct world *w, const char *path, bool there)
{
	bool person = !strncmp(path, PEOPLE_FOLDER, strlen(PEOPLE_FOLDER)), was = false;
	if (w->room_keys)
		was = *key_at(w, path) && (*key_at(w, path))->there;
	key_set(w, path, there);
	if (person && was != there)
		w->n_people = there ? w->n_people + 1 : w->n_people - 1;
	w->apart = w->apart || (person && there);
}

void world_key_texts(struct world *w, const char *path, const char *bytes, size_t len, bool there)
{
	struct keys keys = {0};
	char name[65];
	bool person;
	if (!bytes || len > KEYS_FILE_MAX || !keys_path(path, name, &person) || keys_parse(&keys, bytes, len, NULL))
		return;
	for (size_t i = 0; i < keys.n; i++) {
		const char *holder = world_key_holder(w, keys.v[i].text);
		if (!there && holder && strcmp(holder, name) != 0)
			continue; /* it stands under another by now */
		memcpy(key_set(w, keys.v[i].text, there)->holder, name, sizeof name);
	}
	keys_clear(&keys);
}

const char *world_key_holder(const struct world *w, const char *text)
{
	const struct world_key *k = w->room_keys ? *key_at(w, text) : NULL;
	return k && k->there ? k->holder : NULL;
}

static bool key_stands(const struct world *w, const char *folder, const char *who)
{
	char *path = xasprintf("%s%s.pub", folder, who);
	const struct world_key *k = w->room_keys ? *key_at(w, path) : NULL;
	free(path);
	return k && k->there;
}

bool world_is_keyed(const struct world *w, const char *who)
{
	return key_stands(w, KEYS_FOLDER, who);
}

bool world_is_person(const struct world *w, const char *who)
{
	return key_stands(w, PEOPLE_FOLDER, who);
}

bool world_is_node(const struct world *w, const char *who)
{
	return world_node(w, who) || world_order(&w->retired, who) || (w->apart && world_is_keyed(w, who));
}

/* ---- schedules ---- */

struct world_schedule *world_schedule(const struct world *w, const char *name)
{
	for (size_t i = 0; i < w->n_schedules; i++)
		if (!strcmp(w->schedules[i].name, name))
			return &w->schedules[i];
	return NULL;
}

struct world_schedule *world_schedule_set(struct world *w, const char *name, const struct json *doc)
{
	struct world_schedule *s = world_schedule(w, name);
	if (!s) {
		w->schedules = xrealloc(w->schedules, (w->n_schedules + 1) * sizeof *w->schedules);
		s = &w->schedules[w->n_schedules++];
		*s = (struct world_schedule){.doc = NULL};
		snprintf(s->name, sizeof s->name, "%s", name);
	}
	json_free(s->doc);
	s->doc = doc && doc->type == JSON_OBJECT ? json_copy(doc) : NULL;
	return s;
}

void world_schedule_remove(struct world *w, const char *name)
{
	struct world_schedule *s = world_schedule(w, name);
	if (!s)
		return;
	json_free(s->doc);
	*s = w->schedules[--w->n_schedules];
}

bool world_schedule_busy(const struct world *w, const char *name, int64_t before)
{
	char first[65]; /* ids of one schedule are in the order of their instants */
	periodic_id(name, before, first);
	const unsigned active = 1u << TASK_QUEUE | 1u << TASK_IN_PROGRESS;
	for (size_t i = 0; i < w->room_tasks; i++)
		for (const struct world_task *t = w->tasks[i]; t; t = t->next)
			if (t->states & active && t->fired && periodic_id_of(t->id, name) && strcmp(t->id, first) < 0)
				return true;
	return false;
}

void world_task_read(struct world_task *t, const struct json *doc)
{
	char name[65];
	snprintf(name, sizeof name, "%.*s", (int)periodic_stem(t->id), t->id);
	t->fired = periodic_made(doc, t->id, name);
}

/* ---- nonces ---- */

static bool nonce_put(uint64_t *table, size_t room, uint64_t h)
{
	size_t i = (size_t)h & (room - 1);
	while (table[i] && table[i] != h)
		i = (i + 1) & (room - 1);
	if (table[i])
		return false;
	table[i] = h;
	return true;
}

static int by_hash(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
	return (a > b) - (a < b);
}

/* What is in memory becomes a sorted run of the file. Without a file it stays. */
static void spill(struct world *w)
{
	size_t n = 0, before = w->n_runs ? w->runs[w->n_runs - 1].at + w->runs[w->n_runs - 1].n : 0;
	uint64_t *all = xcalloc(w->n_nonces, sizeof *all);
	for (size_t i = 0; i < w->room_nonces; i++)
		if (w->nonces[i])
			all[n++] = w->nonces[i];
	qsort(all, n, sizeof *all, by_hash);
	if (!w->file)
		w->file = tmpfile();
	if (!w->file || fseek(w->file, (long)(before * sizeof *all), SEEK_SET) ||
	    fwrite(all, sizeof *all, n, w->file) != n || fflush(w->file)) {
		w->nonces_max *= 2;
		free(all);
		return;
	}
	w->runs = xrealloc(w->runs, (w->n_runs + 1) * sizeof *w->runs);
	struct world_run *run = &w->runs[w->n_runs++];
	*run = (struct world_run){.at = before, .n = n, .fences = xcalloc(n / PAGE + 1, sizeof *run->fences)};
	for (size_t i = 0; i < n; i += PAGE)
		run->fences[i / PAGE] = all[i];
	memset(w->nonces, 0, w->room_nonces * sizeof *w->nonces);
	w->n_nonces = 0;
	free(all);
}

static bool in_run(const struct world *w, const struct world_run *run, uint64_t h)
{
	size_t lo = 0, hi = (run->n + PAGE - 1) / PAGE; /* the last page that begins with h or less */
	uint64_t page[PAGE];
	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		*(run->fences[mid] <= h ? &lo : &hi) = mid;
	}
	size_t n = run->n - lo * PAGE < PAGE ? run->n - lo * PAGE : PAGE;
	return run->fences[lo] <= h && !fseek(w->file, (long)((run->at + lo * PAGE) * sizeof h), SEEK_SET) &&
	       fread(page, sizeof h, n, w->file) == n && bsearch(&h, page, n, sizeof h, by_hash);
}

bool world_nonce_new(struct world *w, const char *nonce)
{
	uint64_t h = 1469598103934665603u;
	for (const char *p = nonce; *p; p++)
		h = (h ^ (unsigned char)*p) * 1099511628211u;
	h ^= h >> 29;
	h *= 0xbf58476d1ce4e5b9u; /* FNV alone mixes its low bits badly */
	h ^= h >> 32;
	h += !h;
	for (size_t i = 0; i < w->n_runs; i++)
		if (in_run(w, &w->runs[i], h))
			return false;
	if (w->n_nonces >= w->nonces_max)
		spill(w);
	if (2 * (w->n_nonces + 1) > w->room_nonces) {
		size_t room = w->room_nonces ? 2 * w->room_nonces : 1024;
		uint64_t *fresh = xcalloc(room, sizeof *fresh);
		for (size_t i = 0; i < w->room_nonces; i++)
			if (w->nonces[i])
				nonce_put(fresh, room, w->nonces[i]);
		free(w->nonces);
		w->nonces = fresh;
		w->room_nonces = room;
	}
	if (!nonce_put(w->nonces, w->room_nonces, h))
		return false;
	w->n_nonces++;
	return true;
}

/* ---- settings ---- */

static bool read_settings(struct grid_config *out, const char *text, size_t len)
{
	struct problems p = {.file = "grid.json"};
	config_defaults(out);
	if (text)
		config_parse(out, text, len, &p);
	bool good = !p.n;
	if (!good)
		config_clear(out);
	problems_clear(&p);
	return good;
}

void world_settings(struct world *w, const char *text, size_t len, int64_t at)
{
	struct grid_config fresh = {0};
	w->unread = !read_settings(&fresh, text, len);
	w->unknown = w->unread && (w->unknown || !at);
	if (w->unread)
		return;
	if (!at)
		config_clear(&w->config);
	else {
		if (w->n_past == WORLD_PAST)
			config_clear(&w->past[--w->n_past].config);
		memmove(&w->past[1], &w->past[0], w->n_past * sizeof *w->past);
		w->past[0] = (struct world_past){w->config, at};
		w->n_past++;
	}
	w->config = fresh;
}

bool world_settings_hold(struct world *w, const char *text, size_t len)
{
	struct grid_config fresh = {0};
	if (!text || !read_settings(&fresh, text, len))
		return false;
	config_clear(&w->config);
	w->config = fresh;
	w->unread = true;
	w->unknown = false;
	return true;
}

void world_past_add(struct world *w, const char *text, size_t len, int64_t until)
{
	struct grid_config old = {0};
	if (w->n_past < WORLD_PAST && read_settings(&old, text, len))
		w->past[w->n_past++] = (struct world_past){old, until};
}

const struct grid_config *world_config(const struct world *w, size_t n, int64_t since)
{
	if (!n)
		return &w->config;
	return n <= w->n_past && w->past[n - 1].until >= since ? &w->past[n - 1].config : NULL;
}
