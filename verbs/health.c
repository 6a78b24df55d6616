#include "worker/health.h"
#include "base/clock.h"
#include "verbs/verbs.h"
#include "worker/worker.h"
#include <stdio.h>
#include <stdlib.h>

static int cmd_health(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_health, .argc = argc, .argv = argv};
	const char *dir = NULL, *node = NULL;
	char why[600], *usual = NULL;
	bool json = false, alive = false;
	struct health p;
	int key;
	(void)ctx;
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'w':
			dir = s.value;
			break;
		case 'n':
			node = s.value;
			break;
		case 'a':
			alive = true;
			break;
		case 'j':
			json = true;
			break;
		}
	if (key < 0 || usage_operands(&s, 0, e))
		return -1;
	int rc = health_read(dir ? dir : (usual = worker_folder(node)), &p, e);
	free(usual);
	if (rc)
		return -1;
	bool healthy = health_good(&p, alive, clock_now(), why);
	if (json) {
		struct json *j = health_json(&p);
		json_set(j, "healthy", json_new_bool(healthy));
		json_set(j, "why", json_new_str(why));
		put_json(j);
		json_free(j);
	} else {
		put_clean(p.node, sizeof p.node);
		printf(": %s: ", healthy ? "healthy" : "not healthy");
		put_clean(why, sizeof why);
		putchar('\n');
	}
	return healthy ? 0 : err_set(e, ERR_NO, "%s", ""); /* said already */
}

const struct verb verb_health = {
    .name = "health",
    .args = "[--alive] [--work-dir DIR] [--node-id ID] [--json]",
    .summary = "is this machine's worker alive, and does it work? for service managers and containers",
    .about = "Reads the file health.json that a worker writes to its work folder every 5 seconds, without using the "
	     "grid or the network. A worker is healthy if it is active or draining. It is not healthy if it has left, "
	     "its file is more than 30 seconds late (it is gone, frozen or starved), it is still starting, it is "
	     "paused by trouble of its own (engine, image, disk), or it has not reached the remote for longer than the "
	     "grid's orphan_after_seconds.\n\nA worker recovers from its own trouble and the remote's by itself, and "
	     "keeps its results on disk until then, so restarting it does not help. A service manager that restarts on "
	     "failure should use --alive.",
    .needs = USAGE_NOTHING,
    .options =
	(const struct usage_option[]){
	    {'a', "--alive", NULL, NULL, "check only that it runs: starting, paused and without the remote are fine"},
	    {'w', "--work-dir", "DIR", "@folders", "the worker's folder; default: as for dgrid worker"},
	    {'n', "--node-id", "ID", "@nodes", "the worker's name, for the default of --work-dir"},
	    USAGE_JSON,
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid health", ""},
					    {"HEALTHCHECK CMD [\"dgrid\", \"health\"]", "in a Dockerfile"},
					    {"dgrid health --alive || systemctl restart dgrid-worker@n1", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "healthy"},
					 {"1", "not healthy; the line on stdout says why"},
					 {"65", "the file in the folder is not a worker's health file"},
					 {"66", "no worker has worked in that folder"},
					 {0}},
    .environment = (const struct usage_note[]){{"NODE_ID", "--node-id"},
					       {"XDG_STATE_HOME", "where work folders are; default ~/.local/state"},
					       {0}},
    .run = cmd_health,
};
