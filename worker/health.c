#include "worker/health.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVERY_S 5
#define GRACE_S 30 /* a machine may be busy, or its disk slow */

static struct {
	char *path;
	void (*say)(void *ctx, struct health *p);
	void *ctx;
	struct loop_timer *timer;
	bool failed;
} own;

struct json *health_json(const struct health *p)
{
	char when[32];
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "schema", json_new_int(1));
	json_set(j, "node_id", json_new_str(p->node));
	json_set(j, "pid", json_new_int(p->pid));
	json_set(j, "state", json_new_str(p->state));
	if (p->trouble[0])
		json_set(j, "trouble", json_new_str(p->trouble));
	json_set(j, "busy", json_new_int(p->busy));
	json_set(j, "slots", json_new_int(p->slots));
	json_set(j, "at", json_new_str(clock_format(p->at, when)));
	json_set(j, "next_due", json_new_str(clock_format(p->next_due, when)));
	if (p->reached_at)
		json_set(j, "remote_reached_at", json_new_str(clock_format(p->reached_at, when)));
	if (p->remote[0])
		json_set(j, "remote_trouble", json_new_str(p->remote));
	if (p->refused[0])
		json_set(j, "pushes_refused", json_new_str(p->refused));
	json_set(j, "patience_seconds", json_new_int(p->patience));
	return j;
}

/* ---- the worker's side ---- */

static void put(struct health *p)
{
	struct buf b = {0};
	struct err e;
	p->pid = getpid();
	p->at = clock_now();
	p->next_due = p->at + EVERY_S;
	struct json *j = health_json(p);
	json_write(&b, j, 0);
	buf_adds(&b, "\n");
	bool bad = file_write_scratch(own.path, b.data, b.len, &e) != 0;
	if (bad && !own.failed)
		log_at(LOG_WARN, "worker", "cannot say how it is to this machine: %s", e.msg);
	own.failed = bad;
	json_free(j);
	buf_clear(&b);
}

static void beat(void *ctx)
{
	(void)ctx;
	own.timer = NULL;
	health_now();
}

void health_now(void)
{
	struct health p = {.state = "starting"};
	if (!own.path)
		return;
	own.say(own.ctx, &p);
	put(&p);
	loop_timer_stop(own.timer);
	own.timer = loop_after(EVERY_S * 1000, beat, NULL);
}

void health_begin(const char *work_dir, void (*say)(void *ctx, struct health *p), void *ctx)
{
	own.path = xasprintf("%s/health.json", work_dir);
	own.say = say;
	own.ctx = ctx;
	health_now();
}

void health_end(const char *trouble)
{
	struct health p = {.state = "left"};
	if (!own.path)
		return;
	own.say(own.ctx, &p);
	snprintf(p.state, sizeof p.state, "left");
	snprintf(p.trouble, sizeof p.trouble, "%s", trouble);
	put(&p);
	loop_timer_stop(own.timer);
	free(own.path);
	own.path = NULL;
	own.timer = NULL;
}

/* ---- who asks ---- */

static void text(const struct json *j, const char *name, char *to, size_t room)
{
	const char *s = json_str(j, name);
	snprintf(to, room, "%s", s ? s : "");
}

static int64_t moment(const struct json *j, const char *name)
{
	int64_t t;
	const char *s = json_str(j, name);
	return s && !clock_parse(s, &t) ? t : 0;
}

int health_read(const char *work_dir, struct health *p, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	struct json *j = NULL;
	char *path = xasprintf("%s/health.json", work_dir);
	int rc = file_read(path, 65536, &b, e);
	*p = (struct health){0};
	if (rc && e->class == ERR_NOENT)
		err_set(e, ERR_NOENT, "no worker has worked in '%s' (see --work-dir and --node-id)", work_dir);
	if (!rc && (!(j = json_parse(b.data ? b.data : "", b.len, &je)) || j->type != JSON_OBJECT))
		rc = err_set(e, ERR_DATA, "'%s' is no health file of a worker: expected a JSON object", path);
	if (!rc) {
		text(j, "node_id", p->node, sizeof p->node);
		text(j, "state", p->state, sizeof p->state);
		text(j, "trouble", p->trouble, sizeof p->trouble);
		text(j, "remote_trouble", p->remote, sizeof p->remote);
		text(j, "pushes_refused", p->refused, sizeof p->refused);
		p->pid = json_int(j, "pid", 0);
		p->busy = json_int(j, "busy", 0);
		p->slots = json_int(j, "slots", 0);
		p->patience = json_int(j, "patience_seconds", 0);
		p->at = moment(j, "at");
		p->next_due = moment(j, "next_due");
		p->reached_at = moment(j, "remote_reached_at");
	}
	if (!rc && (!p->node[0] || !p->state[0] || !p->at || !p->next_due))
		rc = err_set(e, ERR_DATA, "'%s' is no health file of a worker: it lacks node_id, state, at or next_due",
			     path);
	json_free(j);
	buf_clear(&b);
	free(path);
	return rc;
}

bool health_good(const struct health *p, bool alive_only, int64_t now, char why[600])
{
	const char *because = p->trouble[0] ? ": " : "";
	int64_t silent = p->remote[0] && p->reached_at ? now - p->reached_at : 0;
	if (!strcmp(p->state, "left")) {
		snprintf(why, 600, "it has left%s%s", because, p->trouble);
		return false;
	}
	if (now > p->next_due + GRACE_S) {
		snprintf(why, 600, "no sign of life for %lld s: its process is gone, frozen or starved",
			 (long long)(now - p->at));
		return false;
	}
	if (!strcmp(p->state, "starting")) {
		snprintf(why, 600, "it is starting%s%s", p->remote[0] ? ", trouble with the remote: " : "", p->remote);
		return alive_only;
	}
	if (!strcmp(p->state, "paused")) {
		snprintf(why, 600, "it claims nothing%s%s", because, p->trouble);
		return alive_only;
	}
	if (p->refused[0]) {
		snprintf(why, 600, "the remote refuses what it pushes: %s", p->refused);
		return alive_only;
	}
	if (silent > p->patience) {
		snprintf(why, 600, "the remote has not answered for %lld s: %s", (long long)silent, p->remote);
		return alive_only;
	}
	snprintf(why, 600, "%s, %lld of %lld slots busy%s%s", p->state, (long long)p->busy, (long long)p->slots,
		 p->remote[0] ? "; trouble with the remote: " : "", p->remote);
	return true;
}
