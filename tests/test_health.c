/* health: what is healthy, what a file may be. */
#include "base/file.h"
#include "test.h"
#include "worker/health.h"
#include <stdlib.h>
#include <unistd.h>

#define AT 1700000000

static struct health one(const char *state, const char *trouble, const char *remote)
{
	struct health p = {
	    .pid = 1, .busy = 1, .slots = 2, .at = AT, .next_due = AT + 5, .reached_at = AT, .patience = 300};
	snprintf(p.node, sizeof p.node, "n1");
	snprintf(p.state, sizeof p.state, "%s", state);
	snprintf(p.trouble, sizeof p.trouble, "%s", trouble);
	snprintf(p.remote, sizeof p.remote, "%s", remote);
	return p;
}

static void judged(struct health p, int64_t now, bool healthy, bool alive, const char *why)
{
	char text[600];
	CHECK(health_good(&p, false, now, text) == healthy, why);
	CHECK(strstr(text, why), text);
	CHECK(health_good(&p, true, now, text) == alive, why);
}

static int from(const char *dir, const char *bytes, struct health *p, struct err *e)
{
	char *path = xasprintf("%s/health.json", dir);
	file_write_scratch(path, bytes, strlen(bytes), e);
	free(path);
	return health_read(dir, p, e);
}

int main(void)
{
	judged(one("active", "", ""), AT + 1, true, true, "active, 1 of 2 slots busy");
	judged(one("active", "", ""), AT + 35, true, true, "active");
	judged(one("active", "", ""), AT + 36, false, false, "no sign of life for 36 s");
	judged(one("active", "", ""), AT - 86400, true, true, "active"); /* the clock was set back */
	judged(one("draining", "", ""), AT, true, true, "draining");
	judged(one("left", "", ""), AT, false, false, "it has left");
	judged(one("left", "no engine answers", ""), AT, false, false, "it has left: no engine answers");
	judged(one("starting", "", ""), AT, false, true, "it is starting");
	judged(one("paused", "engine: gone", ""), AT, false, true, "it claims nothing: engine: gone");
	judged(one("paused", "engine: gone", ""), AT + 100, false, false, "no sign of life");
	struct health cut_off = one("active", "", "no route to host");
	judged(cut_off, AT + 10, true, true, "trouble with the remote: no route to host");
	cut_off.reached_at = AT - 291;
	judged(cut_off, AT + 10, false, true, "the remote has not answered for 301 s: no route to host");
	struct health refused = one("active", "", "");
	snprintf(refused.refused, sizeof refused.refused, "no quota");
	judged(refused, AT + 10, false, true, "the remote refuses what it pushes: no quota");
	cut_off.remote[0] = 0; /* it has not been asked since */
	judged(cut_off, AT + 10, true, true, "active");

	struct err e;
	struct health p;
	char *dir = file_temp_dir(&e), *path = xasprintf("%s/health.json", dir);
	CHECK(health_read(dir, &p, &e) == -1 && e.class == ERR_NOENT && strstr(e.msg, dir), e.msg);
	struct buf b = {0};
	struct health full = one("paused", "disk \"full\"", "away\n");
	struct json *j = health_json(&full);
	json_write(&b, j, 0);
	CHECK(!from(dir, b.data, &p, &e), "what was written can be read");
	CHECK(!strcmp(p.node, "n1") && !strcmp(p.state, "paused") && !strcmp(p.trouble, full.trouble) &&
		  !strcmp(p.remote, full.remote) && p.pid == 1 && p.busy == 1 && p.slots == 2 && p.at == AT &&
		  p.next_due == AT + 5 && p.reached_at == AT && p.patience == 300,
	      b.data);
	json_free(j);
	buf_clear(&b);
	static const char *const bad[] = {"", "[]", "{", "{\"node_id\": \"n1\", \"state\": \"active\"}",
					  "{\"node_id\": 3, \"state\": \"active\", \"at\": \"now\", \"next_due\": 7}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		CHECK(from(dir, bad[i], &p, &e) == -1 && e.class == ERR_DATA && strstr(e.msg, path), bad[i]);
	file_remove_tree(dir, &e);
	free(path);
	free(dir);
	return test_end("test_health");
}
