/* Rules of tasks that wait for others, one commit at a time: what it changes, where tasks stood before it, which rule
 * it breaks. Whole histories stand in tests/tamper/frauds_needs.py. */
#include "audit/rules.h"
#include "audit/rules_needs.h"
#include "test.h"
#include <stdlib.h>

static enum rule_id told[8];
static size_t n_told;

static void tell(void *ctx, enum rule_id rule, const struct rule_commit *c, const char *path, const char *text)
{
	(void)ctx;
	(void)c;
	(void)path;
	(void)text;
	if (n_told < sizeof told / sizeof *told)
		told[n_told++] = rule;
}

#define NONE ((enum rule_id)RULE_N)
/* stands: "STATE/ID ..." as the commit leaves the world. change: the path that comes (+) or goes (-), with its
 * document.
 */
static const struct row {
	const char *what, *stands, *path, *doc, *path2, *doc2;
	enum rule_id rule;
} rows[] = {
    {"it names what is queued", "queue/a queue/b", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", NULL, NULL, NONE},
    {"it names what has ended", "queue/a failed/b", "+tasks/queue/a.json", "{\"after\":[\"b\"]}", NULL, NULL, NONE},
    {"it names nothing there", "queue/a", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", NULL, NULL, RULE_NEEDS_KNOWN},
    {"it names what is staged", "queue/a unapproved/b", "+tasks/queue/a.json", "{\"after\":[\"b\"]}", NULL, NULL,
     RULE_NEEDS_KNOWN},
    {"both come together", "queue/a queue/b", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "+tasks/queue/b.json", "{}",
     NONE},
    {"both wait", "queue/a queue/b", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "+tasks/queue/b.json",
     "{\"after\":[\"a\"]}", RULE_NEEDS_KNOWN},
    {"it is tried again", "queue/a", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "-tasks/failed/a.json", "{}", NONE},
    {"it was promoted", "queue/a", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "-tasks/unapproved/a.json", "{}",
     RULE_NEEDS_KNOWN},
    {"claimed after a success", "in_progress/a completed/b", "+tasks/in_progress/a.json",
     "{\"needs\":[\"b\"],\"claim\":{}}", NULL, NULL, NONE},
    {"claimed too soon", "in_progress/a queue/b", "+tasks/in_progress/a.json", "{\"needs\":[\"b\"],\"claim\":{}}", NULL,
     NULL, RULE_NEEDS_CLAIM},
    {"claimed after a failure", "in_progress/a failed/b", "+tasks/in_progress/a.json",
     "{\"needs\":[\"b\"],\"claim\":{}}", NULL, NULL, RULE_NEEDS_CLAIM},
    {"claimed, and says how it ended", "in_progress/a failed/b", "+tasks/in_progress/a.json",
     "{\"after\":[\"b\"],\"claim\":{\"after\":{\"b\":\"oom\"}}}", NULL, NULL, NONE},
    {"claimed, and does not say it", "in_progress/a failed/b", "+tasks/in_progress/a.json",
     "{\"after\":[\"b\"],\"claim\":{}}", NULL, NULL, RULE_NEEDS_CLAIM},
    {"claimed, and lies", "in_progress/a failed/b", "+tasks/in_progress/a.json",
     "{\"after\":[\"b\"],\"claim\":{\"after\":{\"b\":\"success\"}}}", NULL, NULL, RULE_NEEDS_CLAIM},
    {"claimed, and tells of a stranger", "in_progress/a completed/b", "+tasks/in_progress/a.json",
     "{\"needs\":[\"b\"],\"claim\":{\"after\":{\"b\":\"success\"}}}", NULL, NULL, RULE_NEEDS_CLAIM},
    {"skipped", "failed/a failed/b", "+tasks/failed/a.json",
     "{\"needs\":[\"b\"],\"result\":{\"status\":\"skipped\",\"because\":{\"task\":\"b\",\"status\":\"oom\"}}}", NULL,
     NULL, NONE},
    {"skipped for what has succeeded", "failed/a completed/b", "+tasks/failed/a.json",
     "{\"needs\":[\"b\"],\"result\":{\"status\":\"skipped\",\"because\":{\"task\":\"b\",\"status\":\"oom\"}}}", NULL,
     NULL, RULE_NEEDS_SKIP},
    {"skipped for what it only comes after", "failed/a failed/b", "+tasks/failed/a.json",
     "{\"after\":[\"b\"],\"result\":{\"status\":\"skipped\",\"because\":{\"task\":\"b\",\"status\":\"oom\"}}}", NULL,
     NULL, RULE_NEEDS_SKIP},
    {"skipped for nothing", "failed/a failed/b", "+tasks/failed/a.json",
     "{\"needs\":[\"b\"],\"result\":{\"status\":\"skipped\"}}", NULL, NULL, RULE_NEEDS_SKIP},
    {"what is waited for goes", "queue/a", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "-tasks/completed/b.json",
     "{}", RULE_NEEDS_KEPT},
    {"another goes", "queue/a queue/b", "+tasks/queue/a.json", "{\"needs\":[\"b\"]}", "-tasks/completed/c.json", "{}",
     NONE},
};

static void stand(struct rules *r, const char *stands)
{
	char state[16], id[16];
	for (int n; sscanf(stands, " %15[a-z_]/%15[a-z]%n", state, id, &n) == 2; stands += n)
		for (int s = 0; s < TASK_N_STATES; s++)
			if (!strcmp(task_state_name((enum task_state)s), state))
				world_task_add(&r->world, id)->states |= 1u << s;
}

static struct rule_change change(const char *path, const char *doc, struct json **parsed)
{
	struct rule_change ch = {.path = (char *)path + 1};
	struct rule_text text = {doc, strlen(doc), parsed};
	rule_change_classify(&ch);
	*(path[0] == '+' ? &ch.new_mode : &ch.old_mode) = 0100644;
	*(path[0] == '+' ? &ch.new : &ch.old) = text;
	return ch;
}

static void judge(const struct row *row)
{
	struct rules r = {.tell = tell};
	struct json *parsed[2] = {NULL, NULL};
	struct rule_change changes[2];
	struct rule_commit c = {.parent = "p", .changes = changes, .n = row->path2 ? 2 : 1};
	world_init(&r.world);
	stand(&r, row->stands);
	changes[0] = change(row->path, row->doc, &parsed[0]);
	if (row->path2)
		changes[1] = change(row->path2, row->doc2, &parsed[1]);
	n_told = 0;
	rules_needs(&r, &c);
	bool only = row->rule == NONE ? n_told == 0 : n_told > 0;
	for (size_t i = 0; i < n_told; i++)
		only = only && (told[i] == row->rule || (row->rule == RULE_NEEDS_KEPT && told[i] == RULE_NEEDS_KNOWN));
	CHECK(only, row->what);
	world_clear(&r.world);
	json_free(parsed[0]);
	json_free(parsed[1]);
}

int main(void)
{
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		judge(&rows[i]);
	return test_end("test_rules_needs");
}
