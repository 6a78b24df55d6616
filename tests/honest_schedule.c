#include "honest_schedule.h"
#include "base/clock.h"
#include "store/firing.h"
#include "verbs/verbs.h"
#include <stdlib.h>

/* What is due goes into the queue: by a node, as worker's upkeep does it, or by a person. */
void play_firing(const struct actor *node, const struct grid_config *c)
{
	struct ledger l;
	struct firings f = {0};
	struct err e;
	ledger_open(&l, "/nowhere", "main", NULL, "dgrid", "x@localhost", &e);
	if (!firing_look(&l, c, NULL, clock_now(), &f, &e))
		firing_land(&l, node->id, &f, &e);
	firing_clear(&f);
	ledger_close(&l);
}

static void schedule_verb(const struct actor *a, const char *name)
{
	struct context ctx = {.url = "/nowhere", .branch = "main", .name = (char *)a->id, .email = "x@localhost"};
	char verb[] = "schedule", run[] = "run", which[8], *argv[] = {verb, run, which, NULL};
	struct err e;
	snprintf(which, sizeof which, "%s", name ? name : "");
	verb_schedule.run(&ctx, name ? 3 : 2, argv, &e);
}

/* By hand: made, changed, paused, told to begin elsewhere, taken away. */
static void change_schedule(const struct actor *a, const char *name)
{
	static const char *const terms[] = {"",
					    ", \"missed\": \"skip\"",
					    ", \"overlap\": \"queue\"",
					    ", \"missed\": \"skip\", \"overlap\": \"queue\"",
					    ", \"missed\": \"all\", \"overlap\": \"queue\"",
					    ", \"paused\": true"};
	char *path = xasprintf(PERIODIC_FOLDER "%s.json", name), when[32];
	struct json *old = stage_json(path);
	stage_commit("main", a->id, "Schedules\n");
	if (old && one_in(4))
		stage_set(path, NULL);
	else if (old && one_in(3)) {
		bool moved = one_in(2);
		if (moved)
			json_set(old, "last", json_new_str(clock_format(clock_now() - below(9000) + 3000, when)));
		else
			json_set(old, "paused", json_new_bool(one_in(2)));
		char *text = task_text(old);
		stage_set(path, text);
		if (moved) /* and nothing else: it is no change of the schedule */
			stage_file(path)->since = 0;
		free(text);
	} else {
		char *text =
		    xasprintf("{\"cron\": \"*/%lld * * * *\", \"task\": {\"script\": \"echo %s\", \"timeout_seconds\": "
			      "%lld}%s}",
			      (long long)below(9) + 1, name, (long long)below(90) + 10, terms[below(6)]);
		stage_set(path, text);
		free(text);
	}
	json_free(old);
	free(path);
}

void play_schedules(const struct actor *a)
{
	const char *name = one_in(2) ? "odd" : "even";
	if (one_in(3))
		schedule_verb(a, NULL);
	else if (one_in(4))
		schedule_verb(a, name);
	else
		change_schedule(a, name);
}
