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

/* Nobody else's image of that name will do. */
static int find_built(const struct engine *g, const char *name, const char *tree, char digest[96], char ref[320],
		      struct err *e)
{
	int64_t mb;
	if (engine_built(g, tree, digest, &mb, e)) {
		digest[0] = 0;
		return err_wrap(e, "image '%s' is to be built", name);
	}
	snprintf(ref, 320, "%s", digest);
	return 0;
}

int trial_find(const struct engine *g, const char *name, const char *pins, const char *build, char digest[96],
	       char ref[320], struct err *e)
{
	ref[0] = 0;
	if (build)
		return find_built(g, name, build, digest, ref, e);
	if (!pins || !engine_images(g->kind)) {
		if (engine_image(g, name, digest, e)) {
			digest[0] = 0;
			return -1;
		}
		if (!pins || config_pinned(pins, digest))
			return 0;
		return err_set(e, ERR_UNAVAILABLE, "image '%s' is %s here, and grid.json pins it to sha256:%.64s%s",
			       name, digest[0] ? digest : "this machine's /usr", pins,
			       strlen(pins) > 64 ? " or others" : "");
	}
	for (const char *p = pins; *p; p += strcspn(p, " "), p += strspn(p, " ")) {
		snprintf(digest, 96, "sha256:%.64s", p);
		if (!engine_image_exact(g, name, digest, ref, e))
			return 0;
	}
	digest[0] = 0;
	return -1;
}

char *trial_image(const struct engine *g, const struct grid_config *c, struct err *e)
{
	char digest[96], ref[320];
	struct err other;
	for (int i = 0; c->images[i]; i++)
		if (!trial_find(g, c->images[i], c->pins[i], config_build(c, c->images[i]), digest, ref,
				i ? &other : e))
			return xstrdup(ref[0] ? ref : c->images[i]);
	return NULL;
}

int trial_run(const struct engine *g, const struct grid_config *c, const char *image, struct err *e)
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
		    .image = image,
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
		char *image = trial_image(&t[k].engine, c, &e);
		t[k].has_image = image != NULL;
		t[k].ran = image && !trial_run(&t[k].engine, c, image, &e);
		free(image);
		if (t[k].ran)
			return k;
		snprintf(t[k].why, sizeof t[k].why, "%.1000s", e.msg);
	}
	return taken;
}
