/* Schedules before the audit: what a node may do with one, and what a person. */
#include "audit/rules.h"
#include "base/clock.h"
#include "schema/periodic.h"
#include "test.h"
#include <stdlib.h>

#define CRON "*/10 * * * *"
#define LAST "2026-11-29T02:00:00Z"

static struct rules r;
static struct rule_commit c;
static struct rule_change changes[32];
static struct json *docs[64];
static char *texts[64];
static size_t n_docs;
static char told[1024];
static int64_t since;

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *of, const char *path, const char *text)
{
	(void)ctx;
	(void)of;
	size_t n = strlen(told);
	snprintf(told + n, sizeof told - n, "%s%s %s: %s", n ? "\n" : "", rule_at(rule)->id, path, text);
}

static int origins(void *ctx, const struct rule_commit *of, const char *const *names, size_t n, int64_t *out)
{
	(void)ctx;
	(void)of;
	CHECK(n == 1 && !strcmp(names[0], "s"), "asked of the one schedule");
	*out = since;
	return 0;
}

static int64_t at(const char *text)
{
	int64_t t = 0;
	CHECK(!clock_parse(text, &t), text);
	return t;
}

static struct rule_text text_of(const char *text)
{
	texts[n_docs] = xstrdup(text);
	docs[n_docs] = NULL;
	struct rule_text t = {texts[n_docs], strlen(text), &docs[n_docs]};
	n_docs++;
	return t;
}

static char *schedule(const char *last, const char *more)
{
	return xasprintf("{\"cron\":\"" CRON "\",\"task\":{\"script\":\"true\",\"timeout_seconds\":60}%s%s%s%s}",
			 last ? ",\"last\":\"" : "", last ? last : "", last ? "\"" : "", more);
}

/* A world that has the schedule, and maybe a task; then a commit by a node or a person. */
static void begin(const char *old, const char *there, const char *who, const char *when)
{
	struct json_error je;
	for (size_t i = 0; i < n_docs; i++) {
		json_free(docs[i]);
		free(texts[i]);
	}
	for (size_t i = 0; i < c.n; i++)
		free(changes[i].path);
	n_docs = 0;
	told[0] = 0;
	world_clear(&r.world);
	world_init(&r.world);
	r.tell = tell;
	r.origins = origins;
	r.asked_since = 0;
	world_node_add(&r.world, "n1");
	if (old) {
		struct json *doc = json_parse(old, strlen(old), &je);
		world_schedule_set(&r.world, "s", doc);
		json_free(doc);
	}
	if (there) { /* '!' before it: its document does not say that a schedule had it queued */
		struct world_task *t = world_task_add(&r.world, there + (*there == '!'));
		t->states = 1u << TASK_IN_PROGRESS;
		t->fired = *there != '!';
	}
	static char subject[64], author[64];
	snprintf(subject, sizeof subject, "%s: 2 transitions", who);
	snprintf(author, sizeof author, "%s <%s@example.org>", who, who);
	c = (struct rule_commit){.subject = subject,
				 .author = author,
				 .committer = author,
				 .at = at(when),
				 .n_parents = 1,
				 .changes = changes};
	snprintf(c.id, sizeof c.id, "c0ffee");
	snprintf(c.parent, sizeof c.parent, "beef");
}

static void add(const char *path, const char *old, const char *new)
{
	struct rule_change *ch = &changes[c.n++];
	*ch = (struct rule_change){.path = xstrdup(path), .status = !old ? 'A' : !new ? 'D' : 'M'};
	rule_change_classify(ch);
	if (old) {
		ch->old_mode = 0100644;
		ch->old = text_of(old);
	}
	if (new) {
		ch->new_mode = 0100644;
		ch->new = text_of(new);
	}
}

/* The task of an instant; script: another than the template's, or NULL. */
static void add_task(const char *old, const char *when, const char *script)
{
	struct json_error je;
	char id[65];
	struct json *doc = json_parse(old, strlen(old), &je),
		    *task = periodic_task(json_get(doc, "task"), "s", at(when));
	if (script)
		json_set(task, "script", json_new_str(script));
	char *text = task_text(task), *path = xasprintf("tasks/queue/%s.json", periodic_id("s", at(when), id));
	add(path, NULL, text);
	json_free(doc);
	json_free(task);
	free(text);
	free(path);
}

static void ends(const char *expected, const char *what)
{
	rules_judge(&r, &c);
	bool good = *expected ? strstr(told, expected) == told : !*told;
	CHECK(good, (printf("%s: %s\n", what, told), what));
}

/* n1 moves last from LAST to `last` at `when`, and queues the tasks of these instants. */
static void fires(const char *more, const char *there, const char *last, const char *when, const char *const *tasks,
		  const char *script, const char *expected)
{
	char *old = schedule(LAST, more), *new = schedule(last, more);
	begin(old, there, "n1", when);
	add("schedules/s.json", old, new);
	for (; *tasks; tasks++)
		add_task(old, *tasks, script);
	ends(expected, more);
	free(old);
	free(new);
}
#define TASKS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* Everything was missed for weeks; then n queued from that instant on. */
static void far_behind(const char *when, const char *first, int n, const char *expected)
{
	char last[32], text[32],
	    *old = schedule(LAST, ",\"missed\":\"all\",\"overlap\":\"queue\""),
	    *new = schedule(clock_format(at(first) + (n - 1) * 600, last), ",\"missed\":\"all\",\"overlap\":\"queue\"");
	begin(old, NULL, "n1", when);
	add("schedules/s.json", old, new);
	for (int i = 0; i < n; i++)
		add_task(old, clock_format(at(first) + i * 600, text), NULL);
	ends(expected, first);
	free(old);
	free(new);
}

static void nodes(void)
{
	const char *t10 = "2026-11-29T02:10:00Z", *t20 = "2026-11-29T02:20:00Z", *t30 = "2026-11-29T02:30:00Z";
	since = 0;
	fires("", NULL, t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, "");
	fires("", NULL, t30, "2026-11-29T02:31:00Z", TASKS(t30), NULL, "");
	fires("", "s-20261129T0200Z", t10, "2026-11-29T02:10:02Z", TASKS(NULL), NULL, ""); /* overlaps */
	fires("", "!s-20261129T0200Z", t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, ""); /* anybody's */
	fires("", "s-20300101T0000Z", t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, "");  /* a later instant's */
	fires("", "s-x-20261129T0200Z", t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, "");
	fires(",\"overlap\":\"queue\"", "s-20261129T0200Z", t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, "");
	fires(",\"missed\":\"skip\"", NULL, t10, "2026-11-29T03:09:00Z", TASKS(NULL), NULL,
	      "schedule.fire schedules/s.json: last is not the newest");
	fires(",\"missed\":\"skip\"", NULL, t30, "2026-11-29T02:39:00Z", TASKS(t30), NULL, "");
	fires(",\"missed\":\"all\",\"overlap\":\"queue\"", NULL, t30, "2026-11-29T02:31:00Z", TASKS(t10, t20, t30),
	      NULL, "");
#define BAD "schedule.fire schedules/s.json: "
	fires("", NULL, t30, "2026-11-29T02:25:00Z", TASKS(t30), NULL, BAD "last is 300 s later");
	fires("", NULL, "2026-11-29T02:11:00Z", "2026-11-29T02:12:00Z", TASKS(NULL), NULL, BAD "last is no instant");
	fires("", NULL, "2026-11-29T01:50:00Z", "2026-11-29T02:12:00Z", TASKS(NULL), NULL,
	      BAD "last was not moved forward");
	fires("", NULL, t10, "2026-11-29T02:10:02Z", TASKS(NULL), NULL, BAD "it does not queue");
	fires("", NULL, t10, "2026-11-29T02:10:02Z", TASKS(t10), "rm -rf /", BAD "it does not queue");
	fires("", NULL, t30, "2026-11-29T02:31:00Z", TASKS(t20, t30), NULL,
	      "schedule.fire tasks/queue/s-20261129T0220Z");
	fires("", "s-20261129T0200Z", t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, "schedule.fire tasks/queue/");
	fires("", NULL, t10, "2026-11-29T02:40:00Z", TASKS(t10), NULL, BAD "last is not the newest");
	fires(",\"paused\":true", NULL, t10, "2026-11-29T02:10:02Z", TASKS(t10), NULL, BAD "it is paused");
	fires(",\"missed\":\"all\",\"overlap\":\"queue\"", NULL, t30, "2026-11-29T02:31:00Z", TASKS(t10, t30), NULL,
	      BAD "it does not queue");
	/* Of all that were missed the newest 1,000, from six days on; the nodes' clocks may differ. */
	far_behind("2026-12-20T00:00:00Z", "2026-12-13T01:30:00Z", 24, "");
	far_behind("2026-12-20T00:00:00Z", "2026-12-13T01:30:00Z", 12, BAD "last is not the newest");
	far_behind("2026-12-20T00:00:10Z", "2026-12-13T01:20:00Z", 24, "");
	far_behind("2026-12-20T00:00:00Z", "2026-11-29T02:10:00Z", 24, BAD "last is not the newest");
	far_behind("2026-12-20T00:00:00Z", "2026-12-13T01:40:00Z", 24, BAD "last is no instant");
	/* Written meanwhile: it looks forward from there. */
	since = at("2026-11-29T02:25:00Z");
	fires("", NULL, t20, "2026-11-29T02:26:00Z", TASKS(t20), NULL, BAD "last is an instant from before");
	fires("", NULL, t30, "2026-11-29T02:31:00Z", TASKS(t30), NULL, "");
	since = 0;
}

/* In the place of the task that is due comes another that does not say whose it is. */
static void in_its_place(const char *who, const char *id, const char *expected)
{
	char *old = schedule(LAST, ""), *new = schedule("2026-11-29T02:10:00Z", ""),
	     *path = xasprintf("tasks/queue/%s.json", id),
	     *task = xasprintf("{\"task_id\":\"%s\",\"script\":\"rm -rf /\",\"timeout_seconds\":60}", id);
	begin(old, NULL, who, "2026-11-29T02:10:02Z");
	add("schedules/s.json", old, new);
	add(path, NULL, task);
	ends(expected, id);
	free(old);
	free(new);
	free(path);
	free(task);
}

static void others(void)
{
	char *one = schedule(LAST, ""), *other = schedule(LAST, ",\"paused\":true"),
	     *back = schedule("2026-11-28T00:00:00Z", "");
	in_its_place("n1", "s-20261129T0210Z", BAD "it does not queue the task that is due");
	in_its_place("n1", "S-20261129T0210Z", BAD "it does not queue the task that is due");
	in_its_place("ann", "s-20261129T0210Z", "notice.schedule schedules/s.json: last was moved by ann");
	begin(one, NULL, "n1", "2026-11-29T02:10:02Z"); /* twice: last stands there already */
	add_task(one, LAST, NULL);
	add("nodes/n1.json", NULL, NULL);
	ends("schedule.fire tasks/queue/s-20261129T0200Z.json: schedule s has none", "twice");
	begin(one, NULL, "n1", "2026-11-29T02:10:02Z");
	add("schedules/s.json", one, other);
	ends("node.scope schedules/s.json", "a node pauses it");
	begin(one, NULL, "n1", "2026-11-29T02:10:02Z");
	add("schedules/s.json", one, NULL);
	ends("node.scope schedules/s.json", "a node removes it");
	begin(one, NULL, "ann", "2026-11-29T02:10:02Z");
	add("schedules/s.json", one, other);
	ends("notice.schedule schedules/s.json: changed by ann", "a person pauses it");
	CHECK(world_schedule(&r.world, "s")->since == c.at && world_schedule(&r.world, "s")->known,
	      "it counts from there");
	begin(one, NULL, "ann", "2026-11-29T02:10:02Z");
	add("schedules/s.json", one, back);
	ends("notice.schedule schedules/s.json: last was moved by ann", "a person moves last back");
	begin(one, NULL, "ann", "2026-11-29T02:10:02Z");
	add("schedules/s.json", one, NULL);
	ends("notice.schedule schedules/s.json: removed by ann", "a person removes it");
	CHECK(!world_schedule(&r.world, "s"), "gone");
	begin(one, NULL, "ann", "2026-11-29T02:10:05Z"); /* schedule run s */
	add_task(one, "2026-11-29T02:10:03Z", NULL);
	ends("", "a person runs it now");
	begin(one, NULL, "ann", "2026-11-29T03:10:05Z");
	add_task(one, "2026-11-29T02:10:03Z", NULL);
	ends("schedule.fire tasks/queue/", "at another time");
	begin(one, NULL, "n1", "2026-11-29T02:10:05Z");
	add_task(one, "2026-11-29T02:10:03Z", NULL);
	ends("schedule.fire tasks/queue/", "a node runs it now");
	begin(NULL, NULL, "ann", "2026-11-29T02:10:05Z");
	add_task(one, "2026-11-29T02:10:03Z", NULL);
	ends("schedule.fire tasks/queue/s-20261129T021003Z.json: there is no schedule s", "of none");
	begin(NULL, NULL, "ann", "2026-11-29T02:10:05Z");
	add("tasks/unapproved/a.json", NULL,
	    "{\"task_id\":\"a\",\"script\":\"true\",\"timeout_seconds\":60,\"schedule\":{\"name\":\"s\",\"at\":\"" LAST
	    "\"}}");
	ends("schedule.fire tasks/unapproved/a.json: a submission says", "a submission");
	begin(NULL, NULL, "ann", "2026-11-29T02:10:05Z");
	add("schedules/notes.txt", NULL, "x");
	ends("notice.outside", "a grid's own folder of that name");
	free(one);
	free(other);
	free(back);
	begin(NULL, NULL, "ann", "2026-11-29T02:10:05Z");
}

int main(void)
{
	world_init(&r.world);
	nodes();
	others();
	world_clear(&r.world);
	return test_end("test_rules_fire");
}
