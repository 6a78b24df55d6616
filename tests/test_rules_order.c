/* What people tell the grid: the documents' meaning (schema/order.h), and the rules about them, one commit at a time.
 */
#include "audit/rules_order.h"
#include "base/clock.h"
#include "schema/order.h"
#include "test.h"
#include <stdlib.h>

#define NOW 1800000000
#define AT "2027-01-15T08:00:00Z" /* NOW */
#define LATE "2027-01-15T09:00:00Z"

static char told[256];

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text)
{
	(void)ctx, (void)c, (void)path, (void)text;
	size_t n = strlen(told);
	snprintf(told + n, sizeof told - n, "%s%s", n ? " " : "", rule_at(rule)->id);
}

/* A file of the commit: its path, what was there and what is there now; NULL: nothing. */
struct part {
	const char *path, *old, *new;
};
#define CLAIM(node, more) "tasks/in_progress/t.json", NULL, "{\"claim\":{\"node\":\"" node "\"}" more "}"
#define SAID(by, at, more) "{\"by\":\"" by "\",\"at\":\"" at "\"" more "}"
#define PAUSED(list) "{\"schema\":1,\"pauses\":[" list "]}"
#define KEY "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEh4S0nBN9kOrA9u8DfqGnJ8e1hYpMyK9bgDiYcNTmGQ"

/* before: what the parent shows of drains, retired nodes and pauses. */
static const struct row {
	const char *what, *by;
	struct part before, commit, also;
	const char *rules;
} rows[] = {
    {"a claim of a node that is not drained",
     "n1: claim t",
     {"nodes/drain/n2.json", NULL, SAID("ann", AT, "")},
     {CLAIM("n1", "")},
     {NULL, NULL, NULL},
     ""},
    {"of one that is",
     "n2: claim t",
     {"nodes/drain/n2.json", NULL, SAID("ann", AT, "")},
     {CLAIM("n2", "")},
     {NULL, NULL, NULL},
     "claim.drained"},
    {"of one whose drain is no JSON",
     "n2: claim t",
     {"nodes/drain/n2.json", NULL, "drained"},
     {CLAIM("n2", "")},
     {NULL, NULL, NULL},
     "claim.drained"},
    {"of a group that is not paused",
     "n1: claim t",
     {"tasks/paused.json", NULL, PAUSED("{\"group\":\"g\"}")},
     {CLAIM("n1", ",\"group\":\"h\"")},
     {NULL, NULL, NULL},
     ""},
    {"of one that is",
     "n1: claim t",
     {"tasks/paused.json", NULL, PAUSED("{\"group\":\"g\"}")},
     {CLAIM("n1", ",\"group\":\"g\"")},
     {NULL, NULL, NULL},
     "claim.paused"},
    {"of a label that is",
     "n1: claim t",
     {"tasks/paused.json", NULL, PAUSED("{\"group\":\"g\"},{\"label\":\"l\"}")},
     {CLAIM("n1", ",\"labels\":[\"k\",\"l\"]")},
     {NULL, NULL, NULL},
     "claim.paused"},
    {"of a whole queue that is",
     "n1: claim t",
     {"tasks/paused.json", NULL, PAUSED("{}")},
     {CLAIM("n1", "")},
     {NULL, NULL, NULL},
     "claim.paused"},
    {"of one whose pauses make no sense",
     "n1: claim t",
     {"tasks/paused.json", NULL, "[]"},
     {CLAIM("n1", "")},
     {NULL, NULL, NULL},
     "claim.paused"},
    {"with no pause in the list",
     "n1: claim t",
     {"tasks/paused.json", NULL, PAUSED("")},
     {CLAIM("n1", "")},
     {NULL, NULL, NULL},
     ""},
    {"a renewal on a drained node",
     "n2: renew t",
     {"nodes/drain/n2.json", NULL, SAID("ann", AT, "")},
     {"tasks/in_progress/t.json", "{}", "{\"claim\":{\"node\":\"n2\"}}"},
     {NULL, NULL, NULL},
     ""},
    {"a drain",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, SAID("ann", AT, ",\"schema\":1,\"reason\":\"disk\",\"release\":true")},
     {NULL, NULL, NULL},
     ""},
    {"in another's name",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, SAID("bob", AT, "")},
     {NULL, NULL, NULL},
     "order.by"},
    {"of another time",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, SAID("ann", LATE, "")},
     {NULL, NULL, NULL},
     "order.by"},
    {"by nobody",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, "{}"},
     {NULL, NULL, NULL},
     "order.by"},
    {"that is no object",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, "true"},
     {NULL, NULL, NULL},
     "file.json"},
    {"with more than that",
     "ann: drain n1",
     {NULL, NULL, NULL},
     {"nodes/drain/n1.json", NULL, SAID("ann", AT, ",\"release\":\"yes\"")},
     {NULL, NULL, NULL},
     "doc.fields"},
    {"an end of a drain",
     "bob: undrain n1",
     {"nodes/drain/n1.json", NULL, SAID("ann", AT, "")},
     {"nodes/drain/n1.json", SAID("ann", AT, ""), NULL},
     {NULL, NULL, NULL},
     ""},
    {"a pause beside an older one",
     "bob: pause queue",
     {NULL, NULL, NULL},
     {"tasks/paused.json", PAUSED(SAID("ann", LATE, "")),
      PAUSED(SAID("ann", LATE, "") "," SAID("bob", AT, ",\"group\":\"g\""))},
     {NULL, NULL, NULL},
     ""},
    {"which puts words into another's mouth",
     "bob: pause queue",
     {NULL, NULL, NULL},
     {"tasks/paused.json", PAUSED(SAID("ann", LATE, "")), PAUSED(SAID("ann", LATE, ",\"reason\":\"x\""))},
     {NULL, NULL, NULL},
     "order.by"},
    {"a pause that is no list",
     "bob: pause queue",
     {NULL, NULL, NULL},
     {"tasks/paused.json", NULL, "{\"pauses\":1}"},
     {NULL, NULL, NULL},
     "doc.fields"},
    {"a retirement",
     "ann: retire n1",
     {NULL, NULL, NULL},
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, ",\"keys\":[\"" KEY "\"]")},
     {"nodes/n1.json", "{}", NULL},
     ""},
    {"a mark that is taken away",
     "ann: retire n1",
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, "")},
     {"nodes/retired/n1.json", SAID("ann", AT, ""), NULL},
     {NULL, NULL, NULL},
     "node.retired"},
    {"a file of a retired node",
     "joe: claim t",
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, "")},
     {"nodes/n1.json", NULL, "{}"},
     {NULL, NULL, NULL},
     "node.retired"},
    {"a commit of a retired node",
     "n1: release t",
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, "")},
     {"tasks/queue/t.json", NULL, "{}"},
     {NULL, NULL, NULL},
     "node.retired"},
    {"a key for a retired node",
     "ann: enroll n1",
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, "")},
     {"nodes/keys/n1.pub", NULL, "# none yet\n"},
     {NULL, NULL, NULL},
     "node.retired"},
    {"its key for somebody else",
     "ann: enroll bob",
     {"nodes/retired/n1.json", NULL, SAID("ann", AT, ",\"keys\":[\"" KEY "\"]")},
     {"nodes/keys/bob.pub", NULL, KEY " bob\n"},
     {NULL, NULL, NULL},
     "node.retired"},
};

static char *texts[8];
static struct json *docs[8];
static size_t n_texts;

static struct rule_text text_of(const char *text)
{
	texts[n_texts] = xstrdup(text);
	docs[n_texts] = NULL;
	struct rule_text t = {texts[n_texts], strlen(text), &docs[n_texts]};
	n_texts++;
	return t;
}

static void judge(struct rules *r, struct rule_commit *c, const struct part *a, const struct part *b)
{
	struct rule_change changes[2];
	const struct part *parts[] = {a, b};
	c->changes = changes;
	c->n = 0;
	for (size_t i = 0; i < 2; i++) {
		if (!parts[i]->path)
			continue;
		struct rule_change *ch = &changes[c->n++];
		*ch = (struct rule_change){.path = (char *)parts[i]->path};
		rule_change_classify(ch);
		if (parts[i]->old) {
			ch->old_mode = 0100644;
			ch->old = text_of(parts[i]->old);
		}
		if (parts[i]->new) {
			ch->new_mode = 0100644;
			ch->new = text_of(parts[i]->new);
		}
	}
	rule_who(c, &r->world);
	rules_order(r, c);
	while (n_texts) {
		json_free(docs[--n_texts]);
		free(texts[n_texts]);
	}
}

static void rules(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct row *row = &rows[i];
		const struct part none = {NULL, NULL, NULL};
		struct rules r = {.tell = tell};
		world_init(&r.world);
		struct rule_commit first = {.subject = (char *)"init", .author = (char *)"ann <a@b>", .at = NOW},
				   c = {.parent = "beef",
					.subject = (char *)row->by,
					.author = (char *)"joe <a@b>",
					.at = NOW};
		judge(&r, &first, &row->before, &none);
		told[0] = 0;
		judge(&r, &c, &row->commit, &row->also);
		CHECK(!strcmp(told, row->rules), row->what);
		world_clear(&r.world);
	}
}

static void words(void)
{
	char out[ORDER_WORDS], name[ORDER_NAME];
	struct json *o =
	    order_parse(SAID("ann", AT, ",\"reason\":\"disk\""), strlen(SAID("ann", AT, ",\"reason\":\"disk\"")));
	CHECK(!strcmp(order_words("drained", o, out), "drained by ann since " AT ": disk"), "who, when and why");
	CHECK(!order_releases(o), "it does not release");
	json_free(o);
	o = order_parse("{", 1);
	CHECK(o && strstr(order_words("drained", o, out), "no object in JSON"), "what cannot be read says so");
	CHECK(order_pause_at(o, 0) == o && !order_pause_at(o, 1), "and pauses once");
	CHECK(!strcmp(order_pause_name(order_pause_at(o, 0), name), "the whole queue"), "everything");
	json_free(o);
	struct buf many = {0};
	buf_adds(&many, "{\"pauses\": [{\"group\": \"a\"}");
	for (int i = 0; i < ORDER_PAUSES_MAX; i++)
		buf_adds(&many, ", {\"group\": \"a\"}");
	buf_adds(&many, "]}");
	struct json *crowd = order_parse(many.data, many.len);
	CHECK(order_pauses_many(json_get(crowd, "pauses")) && order_pause_at(crowd, 0) == crowd &&
		  !order_pause_at(crowd, 1),
	      "more than there may be are one of everything");
	json_free(crowd);
	buf_clear(&many);
	CHECK(!order_pause_at(NULL, 0) && !order_pause_of(NULL, NULL), "where nothing is told nothing is paused");
	CHECK(order_reason_valid("new disk") && !order_reason_valid("a\nb") && !order_reason_valid("\x1b[31m"),
	      "one line");
}

int main(void)
{
	rules();
	words();
	return test_end("test_rules_order");
}
