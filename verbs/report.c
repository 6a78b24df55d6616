#include "verbs/report.h"
#include "base/clock.h"
#include "store/voters.h"
#include "store/waits.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_LIMIT 20
#define DEFAULT_WATCH 2
#define PACE_SECONDS 600

static int check(struct report_options *o, struct usage_scan *s, enum report_operands takes, struct err *e)
{
	char **argv = s->argv;
	int first = s->rest, argc = s->argc;
	/* --watch 5: the seconds are optional, so getopt leaves them where they are. */
	if (o->watch && first < argc && argv[first][0] >= '0' && argv[first][0] <= '9' &&
	    parse_number("--watch", argv[first++], 1, 3600, &o->watch, e))
		return -1;
	if ((takes == REPORT_MANY || takes == REPORT_ANY) && first < argc) {
		s->rest = first;
		o->n_ids = (size_t)usage_distinct(s);
		o->ids = argv + first;
		first = argc;
	} else if (takes == REPORT_ONE && first < argc)
		o->id = argv[first++];
	else if (takes == REPORT_ONE || (takes == REPORT_MANY && !o->of.given))
		return err_set(e, ERR_USAGE, "%s needs a task id", argv[0]);
	if (first < argc)
		return err_set(e, ERR_USAGE, "unexpected '%s' (see: dgrid %s --help)", argv[first], argv[0]);
	if (o->json && (o->markdown || o->atom))
		return err_set(e, ERR_USAGE, "--json or %s, not both", o->atom ? "--atom" : "--markdown");
	if (o->watch && (o->json || o->markdown || o->at))
		return err_set(e, ERR_USAGE,
			       "--watch shows the grid as it is, on a terminal: not with --json, --markdown or --at");
	if (o->follow && (o->json || o->at || o->table || o->csv))
		return err_set(e, ERR_USAGE,
			       "--follow shows what is printed now: not with --json, --at, --table or --csv");
	if (o->csv && (o->json || o->table))
		return err_set(e, ERR_USAGE, "--csv or %s, not both", o->json ? "--json" : "--table");
	return 0;
}

int report_options(struct report_options *o, const struct verb *v, int argc, char **argv, enum report_operands takes,
		   struct err *e)
{
	struct usage_scan s = {.verb = v, .argc = argc, .argv = argv};
	int key;
	*o = (struct report_options){.limit = DEFAULT_LIMIT, .every = DEFAULT_WATCH};
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'j':
			o->json = true;
			break;
		case 'a':
			o->all = true;
			break;
		case 'm':
			o->markdown = true;
			break;
		case 'f':
			o->follow = true;
			break;
		case 'T':
			o->table = true;
			break;
		case 'V':
			o->csv = true;
			break;
		case 'A':
			o->atom = s.value ? s.value : "";
			if (*o->atom && strncmp(o->atom, "https://", 8) != 0 && strncmp(o->atom, "http://", 7) != 0)
				return err_set(e, ERR_USAGE, "--atom: expected http(s)://..., found '%.200s'", o->atom);
			break;
		case 't':
			o->at = s.value;
			break;
		case 'w':
			o->watch = DEFAULT_WATCH;
			if (s.value && parse_number("--watch", s.value, 1, 3600, &o->watch, e))
				return -1;
			break;
		case 'E':
			if (parse_number("--every", s.value, 1, 3600, &o->every, e))
				return -1;
			break;
		case 'l':
			if (parse_number("--limit", s.value, 0, 1000000, &o->limit, e))
				return -1;
			break;
		case SELECT:
			if (select_take(&o->of, s.option, s.value, e))
				return -1;
			break;
		}
	return key < 0 ? -1 : check(o, &s, takes, e);
}

void report_clear(struct report_options *o)
{
	selection_clear(&o->of);
}

void report_list(const struct report_options *o, const struct json *list)
{
	bool alone = !o->of.given && o->n_ids == 1 && list->child;
	struct json *all = alone ? json_copy(list->child) : json_new(JSON_OBJECT);
	json_set(all, "schema", json_new_int(1));
	if (!alone)
		json_set(all, "tasks", json_copy(list));
	put_json(all);
	json_free(all);
}

const char *report_span(int64_t seconds, char out[24])
{
	long long s = seconds < 0 ? 0 : (long long)seconds;
	if (s < 120)
		snprintf(out, 24, "%lld s", s);
	else if (s < 7200)
		snprintf(out, 24, "%lld min", s / 60);
	else if (s < 172800)
		snprintf(out, 24, "%lld h", s / 3600);
	else
		snprintf(out, 24, "%lld d", s / 86400);
	return out;
}

enum paint report_paint(const char *status)
{
	if (!strcmp(status, "success"))
		return PAINT_GREEN;
	if (!strcmp(status, "running") || !strcmp(status, "claimed") || !strncmp(status, "voted", 5))
		return PAINT_YELLOW;
	return strcmp(status, "-") != 0 ? PAINT_RED : PAINT_NONE;
}

char *report_names(const struct json *list)
{
	struct buf b = {0};
	for (const struct json *v = list && list->type == JSON_ARRAY ? list->child : NULL; v; v = v->next)
		buf_addf(&b, "%s%s", b.len ? ", " : "", v->type == JSON_STRING ? v->text : "?");
	return b.data ? buf_detach(&b) : xstrdup("");
}

void report_copy(struct json *to, const struct json *from, const char *name)
{
	if (json_get(from, name))
		json_set(to, name, json_copy(json_get(from, name)));
}

struct json *report_counts(const struct snapshot *s)
{
	struct json *counts = json_new(JSON_OBJECT);
	for (int k = 0; k < TASK_N_STATES; k++)
		json_set(counts, task_state_name((enum task_state)k), json_new_int((int64_t)s->count[k]));
	json_set(counts, "archived", json_new_int(json_int(s->archive, "tasks", 0)));
	return counts;
}

int report_nodes(const struct snapshot *s, struct json **nodes, struct err *e)
{
	char when[32];
	struct json *list, *outliers = voters_outliers(s, e);
	if (!outliers)
		return -1;
	list = json_new(JSON_ARRAY);
	for (size_t i = 0; i < s->n_nodes; i++) {
		const struct snapshot_node *n = &s->nodes[i];
		struct json *row = n->file && n->file->type == JSON_OBJECT ? json_copy(n->file) : json_new(JSON_OBJECT);
		/* What only the heartbeat knows, or knows better. */
		static const char *const fresh[] = {"status",	      "trouble",  "busy",   "slots",
						    "last_heartbeat", "next_due", "pushes", "rejected",
						    "turns",	      "offer",	  "images"};
		if (n->beat && json_time(n->beat, "last_heartbeat") == n->view.seen)
			for (size_t k = 0; k < sizeof fresh / sizeof *fresh; k++)
				report_copy(row, n->beat, fresh[k]);
		json_set(row, "node_id", json_new_str(n->id));
		json_set(row, "state", json_new_str(node_state_name(n->state)));
		if (n->view.seen)
			json_set(row, "last_seen", json_new_str(clock_format(n->view.seen, when)));
		if (n->drain)
			json_set(row, "drain", json_copy(n->drain));
		json_set(row, "outliers", json_new_int(json_int(outliers, n->id, 0)));
		json_append(list, row);
	}
	json_free(outliers);
	*nodes = list;
	return 0;
}

struct pace report_pace(const struct snapshot *s)
{
	struct pace p = {.seconds = PACE_SECONDS, .oldest_queued = -1};
	int64_t first = s->now;
	for (size_t i = 0; i < s->n_tasks; i++) {
		const struct snapshot_task *t = &s->tasks[i];
		int64_t ended = json_time(json_get(t->doc, "result"), "finished_at"),
			created = json_time(t->doc, "created_at");
		if ((t->state == TASK_COMPLETED || t->state == TASK_FAILED) && ended && ended <= s->now) {
			first = ended < first ? ended : first;
			p.finished += ended > s->now - PACE_SECONDS;
		}
		if (t->state == TASK_QUEUE && created && s->now - created > p.oldest_queued &&
		    !waits_of(s, t->doc, NULL))
			p.oldest_queued = s->now - created;
	}
	/* What ended before the oldest that is left has been archived. */
	if (json_int(s->archive, "tasks", 0) > 0 && p.finished && s->now - first < PACE_SECONDS)
		p.seconds = s->now - first < 10 ? 10 : s->now - first;
	p.per_minute = (double)p.finished * 60 / (double)p.seconds;
	return p;
}
