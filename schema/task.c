#include "schema/task.h"
#include "schema/fit.h"
#include "schema/limit.h"
#include "schema/points.h"
#include "schema/vote.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {"unapproved", "queue", "in_progress", "completed", "failed"};

const char *task_state_name(enum task_state s)
{
	return state_names[s];
}

/* What its members say together. */
static void check_terms(const struct members *k)
{
	const struct task *t = k->t;
	const struct json *quorum = json_get(t->doc, "quorum"), *retry = json_get(t->doc, "retry_on_failure");
	int64_t least = vote_majority(t->replicas);
	if (quorum && !t->replicas && !json_get(t->doc, "replicas"))
		problem_in(k->p, quorum->line, quorum->col, "quorum",
			   "without \"replicas\" (expected both, or \"replicas\" alone)");
	else if (t->quorum && t->replicas && (t->quorum < least || t->quorum > t->replicas))
		problem_in(k->p, quorum->line, quorum->col, "quorum",
			   "%lld is not valid (expected a whole number from %lld to %lld: more than half of replicas)",
			   (long long)t->quorum, (long long)least, (long long)t->replicas);
	for (size_t i = 0; i < 2 && !json_get(t->doc, "points"); i++) {
		const struct json *lone = json_get(t->doc, i ? "share_sandbox" : "first_point");
		if (lone)
			problem_in(k->p, lone->line, lone->col, lone->name,
				   "without \"points\" (expected both, or neither)");
	}
	size_t points = points_count(t->doc);
	if (points > 1 && points_seconds(t->doc, t->timeout_seconds) > k->c->max_points_seconds)
		problem_in(k->p, json_get(t->doc, "points")->line, json_get(t->doc, "points")->col, "points",
			   "%zu points of %lld s each (expected at most %lld s together, as max_points_seconds of "
			   "grid.json has it)",
			   points, (long long)t->timeout_seconds, (long long)k->c->max_points_seconds);
	int64_t replicas = vote_terms(t->doc, k->c).replicas;
	const struct json *secrets = json_get(t->doc, "secrets");
	if (secrets && replicas > 1)
		problem_in(k->p, secrets->line, secrets->col, "secrets",
			   "not valid of a task that %lld nodes run (expected \"replicas\": 1)", (long long)replicas);
	const struct json *checkpoint = json_get(t->doc, "checkpoint");
	if (t->checkpoint && replicas > 1)
		problem_in(k->p, checkpoint->line, checkpoint->col, "checkpoint",
			   "true is not valid of a task that %lld nodes run (expected false, or \"replicas\": 1)",
			   (long long)replicas);
	else if (t->checkpoint && json_get(t->doc, "points"))
		problem_in(k->p, checkpoint->line, checkpoint->col, "checkpoint",
			   "true is not valid beside \"points\" (expected one of them)");
	else if (t->checkpoint && !t->out_mb)
		problem_in(k->p, checkpoint->line, checkpoint->col, "checkpoint",
			   "true is not valid of a task without /out (expected an \"out_mb\" above 0)");
	if (t->retry_on_failure && replicas > 1)
		problem_in(k->p, retry->line, retry->col, "retry_on_failure",
			   "true is not valid of a task that %lld nodes run (expected false, or \"replicas\": 1)",
			   (long long)replicas);
}

/* What is submitted leaves room in its file for what becomes of it. */
static void check_size(const struct json *doc, struct problems *p)
{
	char *text = task_text(doc);
	size_t n = strlen(text);
	free(text);
	if (n > TASK_SUBMIT_MAX)
		problem_at(p, doc->line, doc->col, "%zu bytes as dgrid writes it (expected at most %d in a submission)",
			   n, TASK_SUBMIT_MAX);
}

struct json *task_read(const char *text, size_t len, struct problems *p)
{
	struct json_error je;
	struct json *doc = NULL;
	if (len > TASK_FILE_MAX)
		problem_at(p, 1, 1, "%zu bytes (expected at most %d)", len, TASK_FILE_MAX);
	else if (!(doc = json_parse(text, len, &je)))
		problem_at(p, je.line, je.col, "%s", je.msg);
	else if (doc->type != JSON_OBJECT) {
		problem_at(p, doc->line, doc->col, "%s (expected an object)", json_type_name(doc->type));
		json_free(doc);
		doc = NULL;
	}
	return doc;
}

int task_judge(struct task *t, struct json *doc, const char *file_id, const struct grid_config *c, bool submitted,
	       struct problems *p)
{
	size_t before = p->n;
	*t = (struct task){.doc = doc,
			   .priority = 5,
			   .max_attempts = TASK_MAX_ATTEMPTS,
			   .memory_mb = config_memory_mb(c),
			   .pids = c->max_pids,
			   .out_mb = json_get(doc, "secrets")	     ? 0
				     : c->max_out_mb < CONFIG_GIT_MB ? c->max_out_mb
								     : CONFIG_GIT_MB,
			   .cpus = config_cpus(c),
			   .usual_image = xstrdup(c->images[0] ? c->images[0] : "")};
	t->image = t->usual_image;
	const struct members k = {.t = t, .c = c, .file_id = file_id, .p = p};
	for (const struct json *m = doc->child; m; m = m->next)
		member_check(&k, m, submitted);
	members_required(&k);
	if (submitted)
		check_size(doc, p);
	check_terms(&k);
	limit_judge(doc, p);
	fit_judge(doc, p);
	if (p->n == before) {
		t->not_before = task_ready_at(doc);
		t->deadline = task_deadline(doc);
		return 0;
	}
	task_clear(t);
	return -1;
}

int task_parse(struct task *t, const char *text, size_t len, const char *file_id, const struct grid_config *c,
	       bool submitted, struct problems *p)
{
	struct json *doc = task_read(text, len, p);
	*t = (struct task){0};
	return doc ? task_judge(t, doc, file_id, c, submitted, p) : -1;
}

void task_clear(struct task *t)
{
	json_free(t->doc);
	free(t->usual_image);
	*t = (struct task){0};
}
