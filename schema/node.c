#include "schema/node.h"
#include "base/clock.h"
#include "base/version.h"
#include "schema/fit.h"
#include "schema/level.h"
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CLOCK_TRUST_S 3600
#define BEAT_MAX_S 86400
#define SLOTS_MAX 100000

static struct json *say(const struct node_facts *f)
{
	char when[32];
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "schema", json_new_int(1));
	json_set(j, "node_id", json_new_str(f->id));
	json_set(j, "instance", json_new_str(f->instance));
	json_set(j, "status", json_new_str(f->status));
	if (f->trouble[0])
		json_set(j, "trouble", json_new_str(f->trouble));
	json_set(j, "last_heartbeat", json_new_str(clock_format(clock_now(), when)));
	json_set(j, "next_due", json_new_str(clock_format(f->next_due, when)));
	json_set(j, "slots", json_new_int(f->slots));
	json_set(j, "busy", json_new_int(f->busy));
	if (f->waiting)
		json_set(j, "waiting", json_new_int(f->waiting));
	if (f->builds)
		json_set(j, "builds", json_copy(f->builds));
	if (f->waiting_tasks)
		json_set(j, "waiting_tasks", json_copy(f->waiting_tasks));
	if (f->cluster_room >= 0)
		json_set(j, "cluster_room", json_new_int(f->cluster_room));
	if (f->turn_ms)
		json_set(j, "turn_ms", json_new_int(f->turn_ms));
	if (f->spoke_ms)
		json_set(j, "spoke_ms", json_new_int(f->spoke_ms));
	json_set(j, "pushes", json_new_int((int64_t)f->pushes));
	json_set(j, "rejected", json_new_int((int64_t)f->rejected));
	json_set(j, "turns", json_new_str(f->turns));
	if (f->offer)
		json_set(j, "offer", json_copy(f->offer));
	if (f->images)
		json_set(j, "images", json_copy(f->images));
	return j;
}

struct json *node_beat(const struct node_facts *f)
{
	struct json *j = say(f);
	if (f->points_done)
		json_set(j, "points_done", json_copy(f->points_done));
	return j;
}

/* So many tasks a beat tells of. */
#define PROGRESS_MAX 256
#define IMAGES_MAX 64
#define IMAGE_NAME_MAX 300

static struct json *progress_of(const struct json *told)
{
	struct json *kept = json_new(JSON_OBJECT);
	int64_t n;
	int count = 0;
	for (const struct json *v = told->child; v && count < PROGRESS_MAX; v = v->next, count++)
		if (v->name && v->name_len <= 64 && !json_to_int(v, &n) && n >= 0)
			json_set(kept, v->name, json_new_int(n));
	return kept;
}

static struct json *ids_of(const struct json *told)
{
	struct json *kept = json_new(JSON_ARRAY);
	int count = 0;
	for (const struct json *v = told->child; v && count < NODE_WAITING_MAX; v = v->next, count++)
		if (v->type == JSON_STRING && v->len <= 64)
			json_append(kept, json_copy(v));
	return kept;
}

static struct json *builds_of(const struct json *told)
{
	static const char *const members[] = {"build", "state", "at", "digest", "why", "again_at"};
	struct json *kept = json_new(JSON_OBJECT);
	int count = 0;
	for (const struct json *v = told->child; v && count < IMAGES_MAX; v = v->next, count++) {
		struct json *one = json_new(JSON_OBJECT);
		for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
			const struct json *m = json_get(v, members[i]);
			if (m && m->type == JSON_STRING && m->len < 512)
				json_set(one, members[i], json_copy(m));
		}
		if (v->name_len <= IMAGE_NAME_MAX)
			json_set(kept, v->name, one);
		else
			json_free(one);
	}
	return kept;
}

static struct json *images_of(const struct json *told)
{
	if (!told || told->type != JSON_OBJECT)
		return NULL;
	struct json *kept = json_new(JSON_OBJECT);
	int count = 0;
	for (const struct json *v = told->child; v && count < IMAGES_MAX; v = v->next, count++)
		if (v->name && v->name_len <= IMAGE_NAME_MAX &&
		    (v->type == JSON_BOOL || (v->type == JSON_STRING && v->len < 96)))
			json_set(kept, v->name, json_copy(v));
	return kept;
}

struct json *node_beat_of(const struct json *doc)
{
	static const char *const members[] = {
	    "schema", "node_id", "instance", "status", "trouble",  "last_heartbeat", "next_due", "slots",
	    "busy",   "turn_ms", "spoke_ms", "pushes", "rejected", "turns",	     "waiting",	 "cluster_room"};
	struct json *beat = doc->type == JSON_OBJECT ? json_new(JSON_OBJECT) : NULL;
	for (size_t i = 0; beat && i < sizeof members / sizeof *members; i++) {
		const struct json *v = json_get(doc, members[i]);
		if (v && !v->child)
			json_set(beat, members[i], json_copy(v));
	}
	struct json *offer = beat ? fit_offer_of(doc) : NULL,
		    *images = beat ? images_of(json_get(doc, "images")) : NULL;
	if (offer)
		json_set(beat, "offer", offer);
	if (images)
		json_set(beat, "images", images);
	const struct json *progress = beat ? json_get(doc, "points_done") : NULL,
			  *waiting = beat ? json_get(doc, "waiting_tasks") : NULL,
			  *builds = beat ? json_get(doc, "builds") : NULL;
	if (builds && builds->type == JSON_OBJECT)
		json_set(beat, "builds", builds_of(builds));
	if (waiting && waiting->type == JSON_ARRAY)
		json_set(beat, "waiting_tasks", ids_of(waiting));
	if (progress && progress->type == JSON_OBJECT)
		json_set(beat, "points_done", progress_of(progress));
	return beat;
}

struct json *node_file(const struct node_facts *f)
{
	char when[32];
	struct utsname u;
	struct statvfs disk;
	struct json *j = say(f), *labels = json_new(JSON_ARRAY);
	for (size_t i = 0; i < f->n_labels; i++)
		json_append(labels, json_new_str(f->labels[i]));
	json_set(j, "started_at", json_new_str(clock_format(f->started_at, when)));
	json_set(j, "labels", labels);
	if (f->store)
		json_set(j, "store", json_new_bool(true));
	if (f->networks)
		json_set(j, "networks", json_copy(f->networks));
	if (f->secrets)
		json_set(j, "secrets", json_copy(f->secrets));
	json_set(j, "engine", json_new_str(f->engine));
	json_set(j, "engine_version", json_new_str(f->engine_version));
	json_set(j, "limits_enforced", json_new_bool(f->limits));
	json_set(j, "cpu_count", json_new_int(sysconf(_SC_NPROCESSORS_ONLN)));
#ifdef _SC_PHYS_PAGES
	/* In megabytes first: pages times page size overflows a 32-bit long. */
	json_set(j, "memory_mb", json_new_int((int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE) >> 20));
#endif
	if (!statvfs(f->work_dir, &disk))
		json_set(j, "disk_gb", json_new_int((int64_t)disk.f_bavail * (int64_t)disk.f_frsize >> 30));
	if (uname(&u) >= 0) {
		json_set(j, "os", json_new_str(u.sysname));
		json_set(j, "os_release", json_new_str(u.release));
		json_set(j, "arch", json_new_str(u.machine));
	}
	json_set(j, "dgrid_version", json_new_str(DGRID_VERSION));
	json_set(j, "task_level", json_new_int(TASK_LEVEL));
	json_set(j, "tasks_completed", json_new_int((int64_t)f->completed));
	json_set(j, "tasks_failed", json_new_int((int64_t)f->failed));
	json_set(j, "tasks_voted", json_new_int((int64_t)f->voted));
	json_set(j, "tasks_late", json_new_int((int64_t)f->late));
	return j;
}

static const char *text(const struct json *doc, const char *name)
{
	const char *s = json_str(doc, name);
	return s ? s : "";
}

static int64_t within(int64_t n)
{
	return n < 0 ? 0 : n > SLOTS_MAX ? SLOTS_MAX : n;
}

void node_read(struct node_view *v, const struct json *doc)
{
	*v = (struct node_view){.doc = doc,
				.id = text(doc, "node_id"),
				.instance = text(doc, "instance"),
				.status = text(doc, "status"),
				.trouble = text(doc, "trouble"),
				.slots = json_int(doc, "slots", 1),
				.busy = json_int(doc, "busy", 0),
				.waiting = json_int(doc, "waiting", 0)};
	/* A clock may be wrong, within reason; what lies far ahead tells nothing of when it was said. */
	int64_t latest = clock_now() + CLOCK_TRUST_S;
	if (clock_parse(text(doc, "last_heartbeat"), &v->seen) || v->seen > latest)
		v->seen = 0;
	if (clock_parse(text(doc, "next_due"), &v->next_due) || v->next_due > latest + BEAT_MAX_S)
		v->next_due = 0;
	v->slots = within(v->slots);
	v->busy = within(v->busy);
	v->waiting = within(v->waiting);
}

bool node_unenforced(const struct json *node_doc)
{
	const struct json *says = json_get(node_doc, "limits_enforced");
	return says && says->type == JSON_BOOL && !says->boolean;
}

bool node_has_labels(const struct json *node_doc, const struct json *wanted)
{
	const struct json *own = json_get(node_doc, "labels");
	for (const struct json *w = wanted ? wanted->child : NULL; w; w = w->next) {
		bool has = false;
		for (const struct json *o = own ? own->child : NULL; o && !has; o = o->next)
			has = o->text && w->text && !strcmp(o->text, w->text);
		if (!has)
			return false;
	}
	return true;
}
