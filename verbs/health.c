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
    .about =
	"Reads the file health.json that a worker writes into its work folder every 5 seconds; neither the grid nor "
	"the network "
	"is asked. Healthy is a worker that is active or draining. Not healthy is one that has left, whose file is "
	"more than 30 seconds late (gone, frozen, starved), that is still starting, that is paused by trouble of "
	"its own (engine, image, disk), or that has not reached the remote for longer than the grid's "
	"orphan_after_seconds.\n\n"
	"A worker mends trouble of its own and of the remote by itself as soon as it can, and keeps its results on "
	"disk until then: to restart it helps nothing. What restarts on failure should ask with --alive.",
    .needs = USAGE_NOTHING,
    .options =
	(const struct usage_option[]){
	    {'a', "--alive", NULL, NULL, "only whether it runs: starting, paused and without remote is fine"},
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
					 {"65", "the file in the folder is no worker's health file"},
					 {"66", "no worker has worked in that folder"},
					 {0}},
    .environment = (const struct usage_note[]){{"NODE_ID", "--node-id"},
					       {"XDG_STATE_HOME", "where work folders are; default ~/.local/state"},
					       {0}},
    .run = cmd_health,
};
