/* Cron: what its five fields mean, the instants before and after a time, and what a schedule gives at a time. */
#include "base/clock.h"
#include "schema/periodic.h"
#include "test.h"
#include <stdlib.h>

static int64_t at(const char *text)
{
	int64_t t = -1;
	CHECK(!clock_parse(text, &t), text);
	return t;
}

/* The instant after a time, and up to the one after that none lies between. */
static void next(const char *cron, const char *from, const char *expected)
{
	struct cron c;
	char why[CRON_WHY] = "", when[32];
	CHECK(!cron_parse(&c, cron, why), why);
	int64_t t = cron_next(&c, at(from));
	CHECK(t == at(expected),
	      (printf("%s after %s: %s, not %s\n", cron, from, clock_format(t, when), expected), cron));
	CHECK(cron_latest(&c, t) == t, cron);
	CHECK(cron_latest(&c, t - 1) <= at(from), cron);
	CHECK(cron_next(&c, t - 1) == t, cron);
}

static void latest(const char *cron, const char *to, const char *expected)
{
	struct cron c;
	char why[CRON_WHY] = "", when[32];
	CHECK(!cron_parse(&c, cron, why), why);
	int64_t t = cron_latest(&c, at(to));
	CHECK(t == at(expected), (printf("%s up to %s: %s\n", cron, to, clock_format(t, when)), cron));
}

static void refused(const char *cron, const char *says)
{
	struct cron c;
	char why[CRON_WHY] = "";
	CHECK(cron_parse(&c, cron, why) == -1, cron);
	CHECK(strstr(why, says) != NULL, (printf("%s: %s\n", cron, why), cron));
}

static void fields(void)
{
	next("* * * * *", "2026-11-29T02:00:00Z", "2026-11-29T02:01:00Z");
	next("* * * * *", "2026-11-29T02:00:59Z", "2026-11-29T02:01:00Z");
	next("* * * * *", "2026-12-31T23:59:30Z", "2027-01-01T00:00:00Z");
	next("0 2 * * 1-5", "2026-11-27T02:00:00Z", "2026-11-30T02:00:00Z"); /* Friday: Monday is next */
	next("0 2 * * mon-fri", "2026-11-27T01:59:59Z", "2026-11-27T02:00:00Z");
	next("*/15 * * * *", "2026-11-29T02:46:00Z", "2026-11-29T03:00:00Z");
	next("10-40/15 9 * * *", "2026-11-29T09:26:00Z", "2026-11-29T09:40:00Z");
	next("5,35 0,12 * * *", "2026-11-29T00:36:00Z", "2026-11-29T12:05:00Z");
	next("0 0 31 * *", "2026-11-29T00:00:00Z", "2026-12-31T00:00:00Z");
	next("0 0 1 jan,JUL *", "2026-02-01T00:00:00Z", "2026-07-01T00:00:00Z");
	next("0 0 * * 7", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z");
	next("0 0 * * fri-sun", "2026-11-28T12:00:00Z", "2026-11-29T00:00:00Z");
	next("0 0 * * */2", "2026-11-29T12:00:00Z", "2026-12-01T00:00:00Z"); /* Sunday, Tuesday, ... */
	next(" 0  0\t* * * ", "2026-11-29T12:00:00Z", "2026-11-30T00:00:00Z");
	/* Both days restricted: either. One of them with a star: both, as cron. */
	next("0 0 13 * 5", "2026-11-28T00:00:00Z", "2026-12-04T00:00:00Z");
	next("0 0 13 * 5", "2026-12-11T00:00:00Z", "2026-12-13T00:00:00Z");
	next("0 0 */10 * 1", "2026-12-01T00:00:00Z", "2026-12-21T00:00:00Z");
	/* February 29, also past a century that has none. */
	next("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z");
	next("0 0 29 2 *", "2096-02-29T00:00:00Z", "2104-02-29T00:00:00Z");
	latest("0 0 29 2 *", "2026-01-01T00:00:00Z", "2024-02-29T00:00:00Z");
	latest("0 0 29 2 *", "2103-12-31T00:00:00Z", "2096-02-29T00:00:00Z");
	next("59 23 28 2 *", "2027-02-28T23:59:00Z", "2028-02-28T23:59:00Z");
	latest("0 2 * * 1-5", "2026-11-29T02:00:00Z", "2026-11-27T02:00:00Z");
	latest("30 4 1 1 *", "2026-01-01T04:29:59Z", "2025-01-01T04:30:00Z");
	next("@hourly", "2026-11-29T02:00:00Z", "2026-11-29T03:00:00Z");
	next("@daily", "2026-11-29T02:00:00Z", "2026-11-30T00:00:00Z");
	next("@midnight", "2026-11-29T02:00:00Z", "2026-11-30T00:00:00Z");
	next("@weekly", "2026-11-29T00:00:00Z", "2026-12-06T00:00:00Z");
	next("@monthly", "2026-11-29T02:00:00Z", "2026-12-01T00:00:00Z");
	next("@yearly", "2026-11-29T02:00:00Z", "2027-01-01T00:00:00Z");
	next("@annually", "2026-11-29T02:00:00Z", "2027-01-01T00:00:00Z");
}

static void no_cron(void)
{
	static const char *const five[] = {"", "* * * *", "* * * * * *", "@reboot", "@daily 1", "0 0 * * * @daily"};
	static const char *const minute[] = {
	    "60 * * * *",  "-1 * * * *",   "a * * * *",	   "1- * * * *",  "5-1 * * * *", ", * * * *",  "1,, * * * *",
	    "*/0 * * * *", "5/15 * * * *", "*/60 * * * *", "1.5 * * * *", "** * * * *",	 "001 * * * *"};
	for (size_t i = 0; i < sizeof five / sizeof *five; i++)
		refused(five[i], "expected five fields");
	for (size_t i = 0; i < sizeof minute / sizeof *minute; i++)
		refused(minute[i], "the minute");
	refused("0 24 * * *", "the hour");
	refused("0 0 0 * *", "the day of the month");
	refused("0 0 32 * *", "the day of the month");
	refused("0 0 * 13 *", "the month");
	refused("0 0 * janu *", "the month");
	refused("0 0 * * 8", "the weekday");
	refused("0 0 * * 5-0", "the weekday");
	refused("0 0 30 2 *", "never comes");
	refused("0 0 31 4,6,9,11 *", "never comes");
}

/* ---- schedules ---- */

static struct grid_config config;

static char *text_of(const char *more)
{
	return xasprintf("{\"cron\": \"*/10 * * * *\",\n \"task\": {\"script\": \"true\", \"timeout_seconds\": 60}%s}",
			 more);
}

static struct periodic parsed(const char *more)
{
	struct periodic s;
	struct problems p = {0};
	char *text = text_of(more);
	CHECK(!periodic_parse(&s, text, strlen(text), "nightly", &config, &p), p.n ? p.text.data : text);
	problems_clear(&p);
	free(text);
	return s;
}

static void says(const char *text, const char *name, const char *expected)
{
	struct periodic s;
	struct problems p = {.file = "s.json"};
	CHECK(periodic_parse(&s, text, strlen(text), name, &config, &p) == -1, text);
	CHECK(p.n && strstr(p.text.data, expected), (printf("%s\n", p.n ? p.text.data : "valid"), expected));
	problems_clear(&p);
}

static void documents(void)
{
#define GOOD "\"cron\": \"@daily\", \"task\": {\"script\": \"true\", \"timeout_seconds\": 60}"
	struct periodic s = parsed("");
	CHECK(s.missed == MISSED_LATEST && !s.queues && !s.paused && !s.last, "defaults");
	periodic_clear(&s);
	s = parsed(",\"schema\":1,\"missed\":\"all\",\"overlap\":\"queue\",\"paused\":true,\"last\":\"2026-11-29T02:00:"
		   "00Z\",\"x-a\":1");
	CHECK(s.missed == MISSED_ALL && s.queues && s.paused && s.last == at("2026-11-29T02:00:00Z"), "all members");
	periodic_clear(&s);
	says("[]", "a", "s.json:1:1: array (expected an object)");
	says("{\"cron\":", "a", "s.json:1:");
	says("{}", "a", "s.json:1:1: cron: missing");
	says("{}", "a", "s.json:1:1: task: missing");
	says("{" GOOD ",\n \"cronn\": 1}", "a", "s.json:2:2: cronn: unknown field of a schedule (expected \"cron\"");
	says("{" GOOD ", \"schema\": 2}", "a", "schema: 2 is not valid (expected 1");
	says("{" GOOD ", \"missed\": \"none\"}", "a", "missed: \"none\" is not valid");
	says("{" GOOD ", \"missed\": \"all\"}", "a", "missed: \"all\" needs \"overlap\": \"queue\"");
	says("{" GOOD ", \"overlap\": 1}", "a", "overlap: 1 is not valid");
	says("{" GOOD ", \"paused\": \"no\"}", "a", "paused: \"no\" is not valid");
	says("{" GOOD ", \"last\": \"now\"}", "a", "last: \"now\" is not valid");
	says("{" GOOD ", \"signatures\": [1]}", "a", "signatures: not valid");
	says("{" GOOD "}", "a b", "the name \"a b\" is not valid");
	says("{" GOOD "}", "a23456789012345678901234567890123456789012345678", "the name");
	says("{\"cron\": \"@daily\",\n\"task\": {\"script\": \"true\"}}", "a", "s.json:2:9: timeout_seconds: missing");
	says("{\"cron\": \"0 0 30 2 *\", \"task\": 1}", "a", "s.json:1:10: cron: \"0 0 30 2 *\" never comes");
	says("{\"cron\": \"@daily\", \"task\": {\"script\": \"true\", \"timeout_seconds\": 60, \"task_id\": \"a\"}}",
	     "a", "task_id: dgrid writes it into each task of a schedule");
	says("{\"cron\": \"@daily\", \"task\": {\"script\": \"true\", \"timeout_seconds\": 60, \"claim\": 1}}", "a",
	     "claim: only dgrid writes this field");
	says("{\"cron\": \"@daily\", \"task\": {\"script\": \"true\", \"timeout_seconds\": 60, \"needs\": [\"b\"]}}",
	     "a", "s.json:1:28: task: it waits for other tasks");
}

static void tasks(void)
{
	char id[65];
	int64_t t = at("2026-11-29T02:00:00Z");
	struct periodic s = parsed("");
	CHECK(!strcmp(periodic_id("nightly", t, id), "nightly-20261129T0200Z"), id);
	CHECK(periodic_id_of(id, "nightly") && !periodic_id_of(id, "night") && !periodic_id_of(id, "nightly-"), id);
	CHECK(!periodic_id_of(periodic_id("nightly", t + 1, id), "nightly"), id);
	CHECK(!strcmp(id, "nightly-20261129T020001Z"), id);
	CHECK(!periodic_id_of("nightly-20261129T0200z", "nightly"), "lower case");
	CHECK(!periodic_id_of("nightly-x-20261129T0200Z", "nightly"), "another's");
	char *both[] = {(char *)"night", (char *)"nightly"};
	const struct strs names = {.v = both, .n = 2};
	const char *owner = periodic_owner(&names, "NIGHTLY-20261129t0200z");
	CHECK(owner && !strcmp(owner, "nightly"), "whatever the letters");
	CHECK(!periodic_owner(&names, "nightly-20261129T020001Z") && !periodic_owner(&names, "x-20261129T0200Z") &&
		  !periodic_owner(&names, "-20261129T0200Z") && !periodic_owner(&names, "nightly"),
	      "nobody's");
	struct json *task = periodic_task(s.task, "nightly", t);
	CHECK(periodic_made(task, "nightly-20261129T0200Z", "nightly") &&
		  !periodic_made(task, "night-20261129T0200Z", "night") &&
		  !periodic_made(s.task, "nightly-20261129T0200Z", "nightly"),
	      "by the document");
	char *text = task_text(task);
	struct task parsed_task;
	struct problems p = {0};
	CHECK(!task_parse(&parsed_task, text, strlen(text), "nightly-20261129T0200Z", &config, false, &p), text);
	task_clear(&parsed_task);
	CHECK(!strcmp(json_str(task, "created_at"), "2026-11-29T02:00:00Z"), text);
	CHECK(!strcmp(json_str(json_get(task, "schedule"), "name"), "nightly"), text);
	free(text);
	problems_clear(&p);
	json_free(task);
	/* What is signed: under its name, and neither last nor paused. */
	struct periodic other = parsed(",\"paused\":true,\"last\":\"2026-11-29T02:00:00Z\"");
	struct json *a = periodic_signed(s.doc, "nightly"), *b = periodic_signed(other.doc, "nightly"),
		    *c = periodic_signed(s.doc, "daily");
	char *as = task_text(a), *bs = task_text(b), *cs = task_text(c);
	CHECK(!strcmp(as, bs) && strcmp(as, cs) != 0, as);
	CHECK(!periodic_moved(s.doc, other.doc) && !periodic_moved(s.doc, s.doc),
	      "paused is a change, nothing is none");
	struct periodic moved = parsed(",\"last\":\"2026-11-29T02:00:00Z\"");
	CHECK(periodic_moved(s.doc, moved.doc) && !periodic_moved(moved.doc, s.doc), "last alone");
	periodic_clear(&moved);
	free(as), free(bs), free(cs);
	json_free(a), json_free(b), json_free(c);
	periodic_clear(&other);
	periodic_clear(&s);
}

/* What is due at `now`, as "LAST: TASK TASK (PASSED passed)". */
static void plan(const char *more, const char *since, const char *now, bool busy, const char *expected)
{
	struct periodic s = parsed(more);
	struct periodic_plan p, again;
	struct buf said = {0};
	char when[32];
	int64_t from = since ? at(since) : 0;
	periodic_plan(&s, from, at(now), busy, &p);
	buf_addf(&said, "%.5s", p.last ? clock_format(p.last, when) + 11 : "none");
	for (size_t i = 0; i < p.n; i++)
		buf_addf(&said, " %.5s", clock_format(p.at[i], when) + 11);
	buf_addf(&said, "%s, %lld passed", p.overlaps ? " overlaps" : "", (long long)p.passed);
	CHECK(!strcmp(said.data, expected), (printf("%s %s: %s, not %s\n", more, now, said.data, expected), more));
	if (p.last) { /* and so it is judged */
		CHECK(periodic_given(&s, from, p.last, at(now), busy, &again), more);
		CHECK(again.n == p.n && !memcmp(again.at, p.at, p.n * sizeof *p.at), more);
		CHECK(!periodic_given(&s, from, p.last + 60, at(now) + 60, busy, &again), "no instant");
		CHECK(!periodic_given(&s, p.last, p.last, at(now), busy, &again), "twice");
	}
	buf_clear(&said);
	periodic_clear(&s);
}

static void plans(void)
{
#define LAST ",\"last\":\"2026-11-29T02:00:00Z\""
	plan("" LAST, NULL, "2026-11-29T02:09:59Z", false, "none, 0 passed");
	plan("" LAST, NULL, "2026-11-29T02:10:00Z", false, "02:10 02:10, 0 passed");
	plan("" LAST, NULL, "2026-11-29T02:45:00Z", false, "02:40 02:40, 3 passed");
	plan("" LAST, NULL, "2026-11-29T02:45:00Z", true, "02:40 overlaps, 3 passed");
	plan("" LAST, "2026-11-29T02:40:00Z", "2026-11-29T02:45:00Z", false, "none, 0 passed"); /* written since */
	plan("" LAST, "2026-11-29T02:39:59Z", "2026-11-29T02:45:00Z", false, "02:40 02:40, 0 passed");
	plan("", "2026-11-29T02:35:00Z", "2026-11-29T02:45:00Z", false, "02:40 02:40, 0 passed");
	plan(",\"paused\":true" LAST, NULL, "2026-11-29T02:45:00Z", false, "none, 0 passed");
	plan(",\"missed\":\"skip\"" LAST, NULL, "2026-11-29T02:45:00Z", false, "02:40 02:40, 3 passed");
	plan(",\"missed\":\"skip\"" LAST, NULL, "2026-11-29T02:50:00Z", false, "02:50 02:50, 4 passed");
	plan(",\"missed\":\"skip\",\"overlap\":\"queue\"" LAST, NULL, "2026-11-29T02:50:00Z", true,
	     "02:50 02:40 02:50, 3 passed");
	plan(",\"overlap\":\"queue\"" LAST, NULL, "2026-11-29T02:45:00Z", true, "02:40 02:40, 3 passed");
	plan(",\"missed\":\"all\",\"overlap\":\"queue\"" LAST, NULL, "2026-11-29T02:35:00Z", true,
	     "02:30 02:10 02:20 02:30, 0 passed");
	/* A long sleep: 24 at a time, or the newest. */
	struct periodic s = parsed(",\"missed\":\"all\",\"overlap\":\"queue\"" LAST);
	struct periodic_plan p;
	periodic_plan(&s, 0, at("2026-11-30T02:00:00Z"), false, &p);
	CHECK(p.n == PERIODIC_MOST && p.last == at("2026-11-29T06:00:00Z"), "24 at most");
	CHECK(!periodic_given(&s, 0, at("2026-11-29T06:10:00Z"), at("2026-11-30T02:00:00Z"), false, &p), "25 in one");
	int64_t now = at("2026-12-30T02:00:00Z"); /* a month later: the newest 1,000 */
	periodic_plan(&s, 0, now, false, &p);
	CHECK(p.n == PERIODIC_MOST && p.at[0] == now - 999 * 600 && p.last == p.at[0] + 23 * 600 &&
		  p.passed == 31 * 144 - 1000,
	      "no older ones");
	periodic_clear(&s);
	s = parsed(",\"last\":\"1990-01-01T00:00:00Z\"");
	periodic_plan(&s, 0, at("2026-11-30T02:00:00Z"), false, &p);
	CHECK(p.n == 1 && p.at[0] == p.last && p.passed == PERIODIC_COUNTED, "36 years");
	periodic_clear(&s);
	/* Skipped as too old: it is passed by all the same. */
	struct periodic daily = {.missed = MISSED_SKIP, .last = at("2026-11-28T00:00:00Z")};
	char why[CRON_WHY];
	CHECK(!cron_parse(&daily.cron, "@daily", why), why);
	periodic_plan(&daily, 0, at("2026-11-29T00:10:00Z"), false, &p);
	CHECK(p.n == 1 && p.last == at("2026-11-29T00:00:00Z"), "ten minutes late");
	periodic_plan(&daily, 0, at("2026-11-29T00:10:01Z"), false, &p);
	CHECK(p.n == 0 && p.last == at("2026-11-29T00:00:00Z") && p.passed == 1 && !p.overlaps, "later");
}

int main(void)
{
	config_defaults(&config);
	fields();
	no_cron();
	documents();
	tasks();
	plans();
	config_clear(&config);
	return test_end("test_cron");
}
