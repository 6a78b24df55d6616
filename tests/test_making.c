/* Tasks made of options: the table against the schema, each kind of value, and the lines at the head of a script. */
#include "schema/config.h"
#include "schema/task.h"
#include "test.h"
#include "verbs/directives.h"
#include "verbs/making.h"
#include "verbs/verbs.h"
#include <stdlib.h>

static const struct usage_option *option(const char *name)
{
	const struct usage_option *o;
	for (size_t i = 0; (o = making_option_at(i)); i++)
		if (!strcmp(o->name, name))
			return o;
	return NULL;
}

static int take(struct making *m, const char *name, const char *value, struct err *e)
{
	const struct usage_option *o = option(name);
	CHECK(o, name);
	return o ? making_take(m, o, value, e) : -1;
}

/* What the option makes of the value, as JSON in one line; NULL: it is refused. */
static void makes(const char *name, const char *value, const char *expected)
{
	struct making m = {0};
	struct err e = {0};
	struct buf b = {0};
	int rc = take(&m, name, value, &e);
	if (!rc)
		json_write(&b, m.members, 0);
	CHECK(expected ? !rc && !strcmp(b.data, expected)
		       : rc && e.class == ERR_USAGE && !strncmp(e.msg, name, strlen(name)),
	      rc ? e.msg : b.data);
	buf_clear(&b);
	making_clear(&m);
}

static void values(void)
{
	makes("--timeout", "30", "{\"timeout_seconds\":30}");
	makes("--timeout", "0", NULL);
	makes("--timeout", "1m", "{\"timeout_seconds\":60}");
	makes("--timeout", "90s", "{\"timeout_seconds\":90}");
	makes("--timeout", "1d", "{\"timeout_seconds\":86400}");
	makes("--timeout", "25h", NULL);
	makes("--timeout", "0m", NULL);
	makes("--timeout", "m", NULL);
	makes("--timeout", "1mm", NULL);
	makes("--timeout", "-1m", NULL);
	makes("--timeout", "99999999999999999999d", NULL);
	makes("--cpu-seconds", "2h", "{\"cpu_seconds\":7200}");
	makes("--cpus", "0.5", "{\"cpus\":0.5}");
	makes("--cpus", ".25", "{\"cpus\":0.25}");
	makes("--cpus", "2", "{\"cpus\":2}");
	makes("--cpus", "0", NULL);
	makes("--cpus", "-1", NULL);
	makes("--cpus", "nan", NULL);
	makes("--cpus", "1x", NULL);
	makes("--memory", "64", "{\"memory_mb\":64}");
	makes("--memory", "512m", "{\"memory_mb\":512}");
	makes("--memory", "2G", "{\"memory_mb\":2048}");
	makes("--memory", "1024g", "{\"memory_mb\":1048576}");
	makes("--memory", "1025g", NULL);
	makes("--disk-mb", "9g", "{\"disk_mb\":9216}");
	makes("--disk-mb", "16t", "{\"disk_mb\":16777216}");
	makes("--disk-mb", "17t", NULL);
	makes("--out-mb", "2G", "{\"out_mb\":2048}");
	makes("--out-mb", "0", "{\"out_mb\":0}");
	makes("--out-mb", "3g", NULL);
	makes("--out-mb", "m", NULL);
	makes("--memory", "0", NULL);
	makes("--memory", "m", NULL);
	makes("--memory", "1k", NULL);
	makes("--memory", "1mb", NULL);
	makes("--out-mb", "0", "{\"out_mb\":0}");
	makes("--env", "A=b=c d", "{\"env\":{\"A\":\"b=c d\"}}");
	makes("--env", "A=", "{\"env\":{\"A\":\"\"}}");
	makes("--env", "A", NULL);
	makes("--env", "=b", NULL);
	makes("--env", "1A=b", NULL);
	makes("--env", "A-B=c", NULL);
	makes("--metadata", "a-b c=d", "{\"metadata\":{\"a-b c\":\"d\"}}");
	makes("--group", "sweep-1_A", "{\"group\":\"sweep-1_A\"}");
	makes("--group", "a b", NULL);
	makes("--group", "", NULL);
	makes("--retry-on-failure", NULL, "{\"retry_on_failure\":true}");
	makes("--checkpoint", NULL, "{\"checkpoint\":true}");
	makes("--max-attempts", "11", NULL);
	makes("--concurrency-group", "deploy-db", "{\"concurrency_group\":\"deploy-db\"}");
	makes("--concurrency-group", "label:gpu", NULL);
	makes("--max-running", "3", "{\"max_running\":3}");
	makes("--max-running", "0", NULL);
	makes("--start-after", "2026-11-23T02:00:00+01:00", "{\"start_after\":\"2026-11-23T01:00:00Z\"}");
	makes("--deadline", "2026-11-23T02:00:00Z", "{\"deadline\":\"2026-11-23T02:00:00Z\"}");
	static const char *const no_times[] = {"",    "+",    "+1",	   "+h",       "1h",
					       "+1w", "+1hh", "+9999999s", "tomorrow", "2026-11-23"};
	for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++)
		makes("--start-after", no_times[i], NULL);
}

/* Each option makes a member that the schema knows as a submitter's, and every member has an option, or says why not.
 */
static void table(void)
{
	static const char *const without[] = {"task_id", "script",	 "inputs",     "workdir",
					      "stdin",	 "submitted_by", "created_at", "signatures",
					      "schema",	 "points",	 "first_point"};
	static const char *const values[] = {"1", "a", "A=b", "+1h", "A=1"};
	const struct usage_option *o;
	const struct task_field *f;
	struct making all = {0};
	struct err e;
	for (size_t i = 0; (o = making_option_at(i)); i++) {
		size_t k = 0;
		CHECK(o->key == MAKING, o->name);
		while (k < 5 && making_take(&all, o, values[k], &e))
			k++;
		CHECK(k < 5, o->name);
	}
	for (size_t i = 0; (f = task_field_at(i)); i++) {
		bool named = false;
		for (size_t k = 0; k < sizeof without / sizeof *without; k++)
			named = named || !strcmp(f->name, without[k]);
		CHECK(!f->dflt || named || json_get(all.members, f->name), f->name);
	}
	for (const struct json *m = all.members->child; m; m = m->next) {
		bool known = false;
		for (size_t i = 0; (f = task_field_at(i)); i++)
			known = known || (f->dflt && !strcmp(f->name, m->name));
		CHECK(known, m->name);
	}
	making_clear(&all);
}

static struct json *parsed(const char *text)
{
	struct json_error je;
	return json_parse(text, strlen(text), &je);
}

static void is(const struct json *doc, const char *expected)
{
	struct buf b = {0};
	json_write(&b, doc, 0);
	CHECK(!strcmp(b.data, expected), b.data);
	buf_clear(&b);
}

/* What limits how many run names a group, whichever there is. */
static void limited(void)
{
	static const struct {
		const char *group, *first, *doc, *expected;
	} cases[] = {
	    {NULL, NULL, "{\"task_id\":\"a\"}", "a"},
	    {NULL, "b", "{\"task_id\":\"a\"}", "b"},
	    {NULL, "b", "{\"task_id\":\"a\",\"group\":\"g\"}", "g"},
	    {NULL, "b", "{\"task_id\":\"a\",\"concurrency_group\":\"c\"}", "c"},
	    {"d", "b", "{\"task_id\":\"a\",\"concurrency_group\":\"c\"}", "d"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct making m = {.members = json_new(JSON_OBJECT), .first = cases[i].first};
		json_set(m.members, "max_running", json_new_int(2));
		if (cases[i].group)
			json_set(m.members, "concurrency_group", json_new_str(cases[i].group));
		struct json *doc = parsed(cases[i].doc);
		making_apply(&m, doc);
		const char *group = json_str(doc, "concurrency_group");
		CHECK(group && !strcmp(group, cases[i].expected), cases[i].expected);
		CHECK(json_int(doc, "max_running", 0) == 2, "its limit");
		json_free(doc);
		making_clear(&m);
	}
}

static void applied(void)
{
	struct making line = {0}, script = {0};
	struct err e;
	take(&script, "--timeout", "20", &e);
	take(&script, "--env", "A=script", &e);
	take(&script, "--env", "B=script", &e);
	take(&script, "--label", "gpu", &e);
	take(&line, "--timeout", "30", &e);
	take(&line, "--timeout", "40", &e); /* the last one counts */
	take(&line, "--env", "A=line", &e);
	take(&line, "--label", "gpu", &e);
	take(&line, "--label", "big", &e);
	making_over(&script, &line);
	is(script.members,
	   "{\"timeout_seconds\":40,\"env\":{\"A\":\"line\",\"B\":\"script\"},\"labels\":[\"gpu\",\"big\"]}");
	struct json *doc =
	    parsed("{\"timeout_seconds\":5,\"env\":{\"C\":\"file\",\"A\":\"file\"},\"labels\":7,\"pids\":3}");
	making_apply(&script, doc);
	is(doc, "{\"timeout_seconds\":40,\"env\":{\"C\":\"file\",\"A\":\"line\",\"B\":\"script\"},\"labels\":[\"gpu\","
		"\"big\"],"
		"\"pids\":3}");
	json_free(doc);
	doc = making_task(&line, "t", "true", "ann");
	struct task t;
	struct grid_config c;
	struct problems p = {0};
	config_defaults(&c);
	CHECK(json_int(doc, "timeout_seconds", 0) == 40 && json_int(doc, "priority", 0) == 5, "made");
	CHECK(!task_judge(&t, doc, "t", &c, true, &p), p.text.data);
	task_clear(&t);
	config_clear(&c);
	problems_clear(&p);
	making_clear(&line);
	making_clear(&script);
}

/* ---- directives ---- */

static int note(void *ctx, int key, struct usage_scan *s, struct err *e)
{
	char letter;
	(void)key;
	if (s->value && !strcmp(s->value, "wrong"))
		return err_set(e, ERR_USAGE, "that is wrong");
	buf_addf(ctx, "%s%s%s;", usage_name(s->option, &letter), s->value ? "=" : "", s->value ? s->value : "");
	return 0;
}

/* What a script's head says, or the error. */
static void says(const char *script, const char *expected)
{
	struct buf b = {0};
	struct strs kept = {0};
	struct err e = {0};
	int rc = directives_read(&verb_submit, "s.sh", script, &kept, note, &b, &e);
	buf_add(&b, "", 0);
	CHECK(!strcmp(rc ? e.msg : b.data, expected), rc ? e.msg : b.data);
	CHECK(!rc || e.class == ERR_USAGE, "class");
	buf_clear(&b);
	strs_clear(&kept);
}

static void directives(void)
{
	says("", "");
	says("echo hi\n", "");
	says("#!/bin/sh\n# words\n\n#DGRID --timeout 30 --label gpu\n \t\n# more\n#DGRID --env A=b\necho hi\n",
	     "--timeout=30;--label=gpu;--env=A=b;");
	says("#DGRID --env=A='x  y' --env \"B=a\\\"b$c\\d\" --env C=a\\ b --description 'a'#b\n",
	     "--env=A=x  y;--env=B=a\"b$c\\d;--env=C=a b;--description=a#b;");
	says("#DGRID --timeout 5 # as ever\n#DGRID\n#DGRID\t--priority 3", "--timeout=5;--priority=3;");
	says("#DGRIDX --timeout 5\n# DGRID --timeout 6\n#dgrid --timeout 7\n", "");
	says("# one\n#DGRID --env 'A=b\n", "s.sh:2: a quote is not closed");
	says("#DGRID --nothing\n", "s.sh:1: unknown option '--nothing' (see: dgrid submit --help)");
	says("\n\n#DGRID --timeout\n",
	     "s.sh:3: --timeout needs a value: dgrid submit --timeout N (see: dgrid submit --help)");
	says("#DGRID --label a b\n", "s.sh:1: unexpected 'b' (expected options alone)");
	says("#DGRID --label a -- b\n", "s.sh:1: unexpected '--' (expected options alone)");
	says("#DGRID --label a\n#DGRID --label wrong\n", "s.sh:2: that is wrong");
}

int main(void)
{
	values();
	table();
	limited();
	applied();
	directives();
	return test_end("test_making");
}
