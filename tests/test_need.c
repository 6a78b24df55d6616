/* What tasks wait for: lists of ids, and no circles. */
#include "base/buf.h"
#include "schema/need.h"
#include "test.h"
#include <stdlib.h>
#include <string.h>

static struct json *parse(const char *text)
{
	struct json_error je;
	return json_parse(text, strlen(text), &je);
}

/* "" when the list is good, else "LINE:COL WHY". */
static bool list_is(const char *text, const char *expected)
{
	const struct json *at;
	char why[160] = "", found[200] = "";
	struct json *list = parse(text);
	if (!need_list_valid(list, "me", &at, why))
		snprintf(found, sizeof found, "%u:%u %s", at->line, at->col, why);
	json_free(list);
	if (!strcmp(found, expected))
		return true;
	fprintf(stderr, "%s: \"%s\", expected \"%s\"\n", text, found, expected);
	return false;
}

static void lists(void)
{
	CHECK(list_is("[]", ""), "a list of ids: list_is('[]', '')");
	CHECK(list_is("[\"a\", \"b-1\"]", ""), "a list of ids: list_is('['a', 'b-1']', '')");
	CHECK(list_is("\"a\"", "1:1 expected an array of task ids"),
	      "a list of ids: list_is(''a'', '1:1 expected an array of task ids')");
	CHECK(list_is("[\"a\", 7]", "1:7 expected the id of a task, 1-64 of A-Z a-z 0-9 _ -"),
	      "a list of ids: list_is('['a', 7]', '1:7 expected the id of a task, 1-64 of ");
	CHECK(list_is("[\"a b\"]", "1:2 expected the id of a task, 1-64 of A-Z a-z 0-9 _ -"),
	      "a list of ids: list_is('['a b']', '1:2 expected the id of a task, 1-64 of A");
	CHECK(list_is("[\"me\"]", "1:2 \"me\" is the task itself (expected another)"),
	      "a list of ids: list_is('['me']', '1:2 'me' is the task itself (expected ano");
	CHECK(list_is("[\"a\",\n\"a\"]", "2:1 \"a\" is named twice (expected each once)"),
	      "a list of ids: list_is('['a',n'a']', '2:1 'a' is named twice (expected each");
	struct buf b = {0};
	for (int i = 0; i <= NEEDS_MAX; i++)
		buf_addf(&b, "%s\"t%d\"", i ? "," : "[", i);
	buf_adds(&b, "]");
	struct json *many = parse(b.data);
	const struct json *at;
	char why[160];
	CHECK(!need_list_valid(many, NULL, &at, why) && !strcmp(why, "expected at most 256"),
	      "a list of ids: !need_list_valid(many, NULL, &at, why) && !strcmp(why, 'expe");
	json_free(many);
	buf_clear(&b);
}

static void all_of_a_document(void)
{
	struct json *doc = parse(
			"{\"needs\": [\"a\", \"b\"], \"after\": [\"b\", \"c\", 7],\n\"inputs\": {\"x\": {\"task\": "
			"\"c\"}, \"y\": {\"tree\": \"00\"}}}"),
		    *none = parse("{\"needs\": \"a\", \"inputs\": []}");
	struct needs needs;
	const char *member;
	needs_of(doc, &needs);
	CHECK(needs.n == 3, "what a document waits for: needs.n == 3");
	CHECK(!strcmp(needs.v[0].id, "a") && needs.v[0].success,
	      "what a document waits for: !strcmp(needs.v[0].id, 'a') && needs.v[0].success");
	CHECK(!strcmp(needs.v[1].id, "b") && needs.v[1].success,
	      "what a document waits for: !strcmp(needs.v[1].id, 'b') && needs.v[1].success"); /* needed is more than
												  waited for */
	CHECK(!strcmp(needs.v[2].id, "c") && needs.v[2].success,
	      "what a document waits for: !strcmp(needs.v[2].id, 'c') && needs.v[2].success");
	needs_clear(&needs);
	CHECK(need_at(doc, "b", &member)->col == 17 && !strcmp(member, "needs"),
	      "what a document waits for: need_at(doc, 'b', &member)->col == 17 && !strcmp(member, 'ne");
	CHECK(need_at(doc, "c", &member)->line == 1 && !strcmp(member, "after"),
	      "what a document waits for: need_at(doc, 'c', &member)->line == 1 && !strcmp(member, 'af");
	CHECK(!need_at(doc, "d", &member), "what a document waits for: !need_at(doc, 'd', &member)");
	CHECK(needs_any(doc) && !needs_any(none) && !needs_any(NULL),
	      "what a document waits for: needs_any(doc) && !needs_any(none) && !needs_any(NULL)");
	json_free(doc);
	json_free(none);
}

/* graph: "a:b,c b: c:b" */
static char *circle_of(const char *graph)
{
	struct need_task v[16] = {{0}};
	const struct need_task *first;
	char *text = xstrdup(graph), *save = NULL;
	size_t n = 0;
	for (char *one = strtok_r(text, " ", &save); one; one = strtok_r(NULL, " ", &save)) {
		char *needs = strchr(one, ':'), *in = NULL;
		*needs++ = 0;
		v[n].id = one;
		for (char *id = strtok_r(needs, ",", &in); id; id = strtok_r(NULL, ",", &in)) {
			v[n].needs.v = xrealloc(v[n].needs.v, (v[n].needs.n + 1) * sizeof *v[n].needs.v);
			v[n].needs.v[v[n].needs.n++] = (struct need){xstrdup(id), true};
		}
		n++;
	}
	char *told = needs_circle(v, n, &first);
	CHECK(!told || need_task_of(v, n, first->id) == first,
	      "the first of a circle is one of them: !told || need_task_of(v, n, first->id) == first");
	for (size_t i = 0; i < n; i++)
		needs_clear(&v[i].needs);
	free(text);
	return told;
}

static bool circle_is(const char *graph, const char *expected)
{
	char *found = circle_of(graph);
	bool same = found && expected ? !strcmp(found, expected) : found == expected;
	if (!same)
		fprintf(stderr, "%s: \"%s\"\n", graph, found ? found : "none");
	free(found);
	return same;
}

static void circles(void)
{
	CHECK(circle_is("a: b:a c:a,b d:b,c,elsewhere", NULL),
	      "circles: circle_is('a: b:a c:a,b d:b,c,elsewhere', NULL)");
	CHECK(circle_is("a:a", "a needs a"), "circles: circle_is('a:a', 'a needs a')");
	CHECK(circle_is("a:b b:a", "a needs b, b needs a"), "circles: circle_is('a:b b:a', 'a needs b, b needs a')");
	CHECK(circle_is("x:a a:b b:c c:a y:x", "a needs b, b needs c, c needs a"),
	      "circles: circle_is('x:a a:b b:c c:a y:x', 'a needs b, b needs c, c ne");
	CHECK(circle_is("z:y y:x x:w w:", NULL), "circles: circle_is('z:y y:x x:w w:', NULL)");
	CHECK(circle_is("a:d b:a c:b d:e,c e:", "a needs d, d needs c, c needs b, b needs a"),
	      "circles: circle_is('a:d b:a c:b d:e,c e:', 'a needs d, d needs c, c n");
	/* However long a chain is. */
	enum { N = 20000 };
	struct need_task *v = xcalloc(N, sizeof *v);
	struct needs *needs = xcalloc(N, sizeof *needs);
	char(*ids)[16] = xcalloc(N, sizeof *ids);
	const struct need_task *first;
	for (int i = 0; i < N; i++) {
		snprintf(ids[i], sizeof ids[i], "t%05d", i);
		needs[i].v = xcalloc(1, sizeof(struct need));
		needs[i].n = i + 1 < N;
		needs[i].v[0] = (struct need){ids[i + 1 < N ? i + 1 : i], true};
		v[i] = (struct need_task){.id = ids[i], .needs = needs[i]};
	}
	CHECK(!needs_circle(v, N, &first), "circles: !needs_circle(v, N, &first)");
	for (int i = 0; i < N; i++)
		free(needs[i].v);
	free(needs);
	free(ids);
	free(v);
}

int main(void)
{
	lists();
	all_of_a_document();
	circles();
	return test_end("test_need");
}
