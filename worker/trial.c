#include "worker/trial.h"
#include "base/clock.h"
#include "base/proc.h"
#include "runner.h"
#include "sandbox/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIAL_MS 20000
#define CLUSTER_MB 64

struct running {
	bool done, placeless;
	enum attempt_status status;
	char said[300];
};

static void ended(void *ctx, struct attempt_result *r)
{
	struct running *t = ctx;
	t->done = true;
	t->status = r->status;
	t->placeless = r->placeless;
	snprintf(t->said, sizeof t->said, "%.290s", r->message[0] ? r->message : r->err.data ? r->err.data : "");
}

int trial_run(const struct engine *g, const struct grid_config *c, struct err *e)
{
	char nonce[17];
	clock_nonce(nonce, 8);
	char *name = xasprintf("dgrid-trial-%s", nonce);
	struct running t = {0};
	struct machine m; /* the ceilings may be those of larger nodes */
	machine_read(&m);
	if (engine_cluster(g->kind)) /* where a small job begins soonest */
		m = (struct machine){.cpus = 1, .memory_mb = CLUSTER_MB};
	struct attempt_spec spec = {
	    .engine = g,
	    .run = {.name = name,
		    .node = "trial",
		    .instance = nonce,
		    .task = "trial",
		    .nonce = nonce,
		    .image = c->images[0],
		    .script = "true",
		    .cpus = c->max_cpus < m.cpus ? c->max_cpus : m.cpus,
		    .memory_mb = (int)(m.memory_mb && m.memory_mb < c->max_memory_mb ? m.memory_mb : c->max_memory_mb),
		    .pids = (int)c->max_pids,
		    .tmp_mb = (int)c->tmp_mb},
	    .limited = c->require_limits,
	    .timeout_ms = TRIAL_MS,
	    .queue_ms = TRIAL_MS,
	    .grace_ms = 1000,
	    .output_limit = 1024,
	    .ctx = &t,
	    .on_done = ended};
	struct err not_started;
	if (!attempt_start(&spec, &not_started))
		snprintf(t.said, sizeof t.said, "%.290s", not_started.msg);
	else
		while (!t.done)
			loop_step(1000);
	free(name);
	return t.done && t.status == ATT_SUCCESS
		   ? 0
		   : err_set(e, t.placeless ? ERR_RETRY : ERR_UNAVAILABLE, "a trial script did not run: %s", t.said);
}

bool trial_ask(enum engine_kind k, struct trial *t)
{
	struct err e;
	*t = (struct trial){0};
	t->answers = !engine_probe(k, &t->engine, &e);
	if (!t->answers)
		snprintf(t->why, sizeof t->why, "%s", e.msg);
	return t->answers;
}

int trial_choose(const struct grid_config *c, const struct engine *first, struct trial t[TRIAL_ENGINES])
{
	int taken = -1, n = 0;
	struct err e;
	for (int k = 0; k < TRIAL_ENGINES; k++) {
		if (engine_cluster((enum engine_kind)k)) /* which nobody gets unasked */
			t[k] = (struct trial){0};
		else if (!first || k > (int)first->kind)
			trial_ask((enum engine_kind)k, &t[k]);
		else
			t[k] = (struct trial){.answers = k == (int)first->kind, .engine = *first};
		if (t[k].answers && ++n == 1)
			taken = k;
	}
	for (int k = 0; k < ENGINES && n > 1; k++) {
		if (!t[k].answers || !engine_images((enum engine_kind)k))
			continue;
		t[k].has_image = !engine_image(&t[k].engine, c->images[0], NULL, &e);
		t[k].ran = t[k].has_image && !trial_run(&t[k].engine, c, &e);
		if (t[k].ran)
			return k;
		snprintf(t[k].why, sizeof t[k].why, "%.1000s", e.msg);
	}
	return taken;
}
