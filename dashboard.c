#include "dashboard.h"
#include "base/clock.h"
#include "base/markup.h"
#include "base/version.h"
#include "git/forge.h"
#include "site/advice.h"
#include "site/history.h"
#include "site/nodelist.h"
#include "site/put.h"
#include "site/rows.h"
#include "site/taskpage.h"
#include "site/template.h"
#include "store/agenda.h"
#include "store/archive.h"
#include "store/record.h"
#include "store/tails.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_BYTES 250000 /* of tasks in index.html; the others come from data/tasks.js */
#define SCHEDULES_MAX 200
#define TAILS_MAX 8	/* nodes of a remote that are asked what their tasks print */
#define KEPT_PAGES 2000 /* of archived tasks: the newest that ever had one */
#define LIVE_PAGE "<!DOCTYPE html>\n<html lang=\"en\" class=\"no-js\" data-live"
#define BIG 1000000000000000
#define NEW_TASK "{\n  \"task_id\": \"my-task\",\n  \"script\": \"echo hello\",\n  \"timeout_seconds\": 60\n}\n"
#define AGE_LINE                                                                                                       \
	"<div class=\"top\"><div id=\"age\" class=\"age\"></div></div>\n<p id=\"age-said\" class=\"hidden\" "          \
	"role=\"status\"></p>\n"

struct build {
	const struct snapshot *s;
	const struct dashboard_options *o;
	struct site *site;
	struct rows rows;
	struct history history;
	struct forge forge;
	struct leftlist left;
	struct record audit;
	struct agenda agenda;
	struct strs ended;   /* in the archive by now; their pages are older than that */
	struct json *tails;  /* {NODE: what its tasks printed so far} */
	int asked;	     /* remotes for them */
	char *title, *place; /* place: the repository as a reader may see it */
	struct buf task_page_csp, index_csp;
	char live[64]; /* what pages that change say of themselves: that they do, and when they were read */
};

/* ---- JSON ---- */

static void put_range(struct buf *b, const char *name, const struct history_range *r)
{
	put_key(b, name);
	buf_adds(b, "{");
	put_int(b, "start", r->start);
	put_int(b, "step", r->step);
	put_series(b, "depth", r->depth, r->n);
	put_series(b, "done", r->done, r->n);
	put_series(b, "failed", r->failed, r->n);
	put_series(b, "wait50", r->wait50, r->n);
	put_series(b, "wait95", r->wait95, r->n);
	put_series(b, "run50", r->run50, r->n);
	put_series(b, "run95", r->run95, r->n);
	put_key(b, "all");
	buf_adds(b, "[");
	for (int i = 0; i < 4; i++)
		buf_addf(b, "%s%lld", i ? "," : "", (long long)r->all[i]);
	buf_adds(b, "]");
	buf_adds(b, "}");
}

static void put_schedules(struct buf *b, const struct agenda *a)
{
	put_key(b, "schedules");
	buf_adds(b, "[");
	for (size_t i = 0; i < a->n && i < SCHEDULES_MAX; i++) {
		const struct agenda_row *r = &a->v[i];
		put_sep(b);
		buf_adds(b, "{");
		put_str(b, "name", r->name, 64);
		put_str(b, "cron", r->wrong ? "" : r->s.cron_text, 100);
		put_str(b, "wrong", r->wrong, 300);
		put_int(b, "paused", !r->wrong && r->s.paused);
		put_int(b, "next", r->next);
		put_int(b, "late", r->late);
		put_int(b, "last", r->fired);
		put_str(b, "task", r->task, 64);
		put_str(b, "result", r->status[0] ? r->status : r->state, 32);
		buf_adds(b, "}");
	}
	buf_adds(b, "]");
}

/* ---- index.html ---- */

static void put_archive_days(struct build *x)
{
	const struct json *days = json_get(x->s->archive, "days");
	struct history_range *m = &x->history.month;
	int64_t *done = xcalloc(m->n, sizeof *done), *failed = xcalloc(m->n, sizeof *failed);
	for (const struct json *d = days ? days->child : NULL; d; d = d->next) {
		char when[32];
		int64_t t, a = json_int(d, "completed", 0), b = json_int(d, "failed", 0);
		snprintf(when, sizeof when, "%.10sT00:00:00Z", d->name ? d->name : "");
		if (clock_parse(when, &t) || t < m->start || t >= m->start + m->step * (int64_t)m->n)
			continue;
		done[(t - m->start) / m->step] = a > 0 && a < BIG ? a : 0;
		failed[(t - m->start) / m->step] = b > 0 && b < BIG ? b : 0;
	}
	for (size_t i = 0; i < x->rows.n; i++) {
		const struct row *r = &x->rows.v[i];
		if (!r->cancelled && r->ended >= m->start && r->ended < m->start + m->step * (int64_t)m->n)
			(r->failed ? failed : done)[(r->ended - m->start) / m->step]++;
	}
	for (size_t i = 0; i < m->n; i++)
		history_day_total(&x->history, m->start + m->step * (int64_t)i, done[i], failed[i]);
	free(done);
	free(failed);
}

static void put_counts(struct buf *b, const struct build *x)
{
	const struct snapshot *s = x->s;
	put_key(b, "counts");
	buf_adds(b, "{");
	for (int k = 0; k < TASK_N_STATES; k++)
		put_int(b, task_state_name((enum task_state)k), (int64_t)s->count[k]);
	put_int(b, "cancelled", (int64_t)x->rows.cancelled);
	put_int(b, "archived", snapshot_total(s, "tasks"));
	put_int(b, "archived_failed", snapshot_total(s, "failed"));
	buf_adds(b, "}");
}

static void put_audit(struct buf *b, const struct record *r)
{
	if (r->place == RECORD_NONE)
		return;
	put_key(b, "audit");
	buf_adds(b, "{");
	put_str(b, "commit", r->said.audited_to, 72);
	put_str(b, "branch", r->place == RECORD_ON ? "on" : r->place == RECORD_OFF ? "off" : "unknown", 16);
	put_int(b, "violations", r->said.violations);
	put_int(b, "since", r->since);
	put_int(b, "at", r->said.at);
	buf_adds(b, "}");
}

static void put_data(struct buf *b, struct build *x, size_t in_page, bool archive)
{
	const struct snapshot *s = x->s;
	buf_adds(b, "{");
	put_int(b, "schema", 1);
	put_str(b, "title", x->title, 200);
	put_str(b, "place", x->place, 300);
	put_str(b, "home", x->forge.home, 512);
	put_str(b, "commit_url", x->forge.commit, 528);
	put_str(b, "file_url", x->forge.file, 528);
	put_str(b, "commit", s->commit, 72);
	put_int(b, "committed_at", s->committed_at);
	put_int(b, "now", s->now);
	put_int(b, "past", s->past);
	put_str(b, "feed", x->o->feed, 64);
	put_int(b, "skew", s->config.max_clock_skew_seconds);
	put_int(b, "keep", s->config.keep_finished);
	put_counts(b, x);
	put_audit(b, &x->audit);
	nodelist_put(b, x->s, &x->rows);
	put_schedules(b, &x->agenda);
	put_key(b, "advice");
	advice_put(b, s, &x->rows, &x->history);
	put_key(b, "events");
	buf_adds(b, "[");
	for (size_t i = 0; i < x->rows.n_events; i++) {
		put_sep(b);
		buf_add(b, x->rows.events[i].json.data, x->rows.events[i].json.len);
	}
	buf_adds(b, "]");
	put_range(b, "day", &x->history.day);
	put_range(b, "month", &x->history.month);
	put_int(b, "since", x->history.since);
	put_str(b, "limit", x->history.limit, 100);
	put_int(b, "more", (int64_t)(x->rows.n - in_page));
	put_int(b, "archive", archive);
	put_key(b, "states");
	buf_adds(b, "[");
	for (int k = 0; k < TASK_N_STATES; k++) {
		put_sep(b);
		buf_addf(b, "\"%s\"", row_state((enum task_state)k));
	}
	buf_adds(b, "]");
	put_key(b, "columns");
	buf_addf(b, "[%s]", x->rows.n ? x->rows.columns.data : "");
	put_key(b, "tasks");
	buf_adds(b, "[\n");
	for (size_t i = 0; i < in_page; i++) {
		buf_adds(b, i ? ",\n" : "");
		buf_add(b, x->rows.v[i].json.data, x->rows.v[i].json.len);
	}
	buf_adds(b, "]}");
}

static void put_links(struct buf *b, const struct build *x)
{
	const struct grid_config *c = &x->s->config;
	for (size_t i = 0; c->links[i].text; i++) {
		buf_adds(b, "<li><a href=\"");
		markup_html(b, c->links[i].url, strlen(c->links[i].url));
		buf_adds(b, "\" rel=\"noreferrer\">");
		markup_html(b, c->links[i].text, strlen(c->links[i].text));
		buf_adds(b, "</a></li>");
	}
	if (x->forge.create[0]) {
		buf_adds(b, "<li><a href=\"");
		markup_html(b, x->forge.create, strlen(x->forge.create));
		buf_adds(b, "\" rel=\"noreferrer\">Submit a task</a></li>");
	}
}

/* For who has no JavaScript, and for those who read the page's source. */
static void put_plain(struct buf *b, const struct build *x)
{
	const struct snapshot *s = x->s;
	char when[32];
	size_t n = 0;
	buf_addf(b,
		 "<p>Ledger at %.10s, read at %s: %zu queued, %zu running, %zu completed, %zu failed, %lld "
		 "archived.</p>",
		 s->commit, clock_format(s->now, when), s->count[TASK_QUEUE], s->count[TASK_IN_PROGRESS],
		 s->count[TASK_COMPLETED], s->count[TASK_FAILED], (long long)snapshot_total(s, "tasks"));
	if (x->audit.place != RECORD_NONE) {
		buf_addf(b, "<p%s>The ledger was ", record_bad(&x->audit) ? " class=\"bad-text\"" : "");
		record_tell(b, &x->audit, s->now);
		buf_adds(b, ".</p>");
	}
	buf_adds(b, "<ul>");
	for (size_t i = 0; i < x->rows.n && n < 100; i++)
		if (x->rows.v[i].page) {
			const struct snapshot_task *t = &s->tasks[x->rows.v[i].task];
			n++;
			buf_addf(b, "<li><a href=\"t/%s.html\">%s</a>, %s</li>", t->id, t->id,
				 task_state_name(t->state));
		}
	buf_adds(b, "</ul>");
}

static void add_index(struct build *x, size_t in_page, bool archive)
{
	struct buf page = {0}, title = {0}, data = {0}, links = {0}, plain = {0}, feed = {0}, machines = {0};
	markup_html(&title, x->title, strlen(x->title));
	put_data(&data, x, in_page, archive);
	put_links(&links, x);
	put_plain(&plain, x);
	if (x->o->metrics && x->o->feed)
		buf_addf(&machines, " For machines: <a href=\"%s\">figures</a>, <a href=\"%s\">a feed of failures</a>.",
			 x->o->metrics, x->o->feed);
	if (x->o->feed)
		buf_addf(&feed,
			 "<link rel=\"alternate\" type=\"application/atom+xml\" title=\"Failures\" href=\"%s\">\n",
			 x->o->feed);
	struct template_value values[] = {{"TITLE", title.data},
					  {"CSP", x->index_csp.data},
					  {"STYLE", template_text("web/style.css")},
					  {"BASE", template_text("web/base.js")},
					  {"CHARTS", template_text("web/charts.js")},
					  {"PANELS", template_text("web/panels.js")},
					  {"APP", template_text("web/app.js")},
					  {"DATA", data.data},
					  {"LINKS", links.data},
					  {"PLAIN", plain.data},
					  {"FEED", feed.data},
					  {"MACHINES", machines.data},
					  {"VERSION", DGRID_VERSION},
					  {"LIVE", x->live}};
	template_fill(&page, "web/index.html", values, sizeof values / sizeof *values);
	site_add(x->site, "index.html", &page);
	buf_clear(&title);
	buf_clear(&data);
	buf_clear(&links);
	buf_clear(&plain);
	buf_clear(&feed);
	buf_clear(&machines);
}

static void add_rest(struct build *x, size_t from)
{
	struct buf b = {0};
	if (from == x->rows.n)
		return;
	buf_adds(&b, "dgrid(\"tasks\",[\n");
	for (size_t i = from; i < x->rows.n; i++) {
		buf_adds(&b, i > from ? ",\n" : "");
		buf_add(&b, x->rows.v[i].json.data, x->rows.v[i].json.len);
	}
	buf_adds(&b, "]);\n");
	site_add(x->site, "data/tasks.js", &b);
}

struct archive_names {
	struct build *x;
	struct buf b;
	char day[11];
	struct strs had; /* ids with pages that earlier runs wrote, the oldest first */
};

static void page_name(const char *id, char name[80])
{
	snprintf(name, 80, "t/%.64s.html", id);
}

/* YYYY/MM/DD/ID.json or ID.N.json */
static void take_archived(void *ctx, const char *path)
{
	struct archive_names *a = ctx;
	char y[5], m[3], d[3], id[65];
	if (sscanf(path, "%4[0-9]/%2[0-9]/%2[0-9]/%64[A-Za-z0-9_-]", y, m, d, id) != 4)
		return;
	char day[11];
	snprintf(day, sizeof day, "%s-%s-%s", y, m, d);
	if (strcmp(day, a->day) != 0) {
		buf_addf(&a->b, "%s\"%s\":[", a->day[0] ? "],\n" : "", day);
		memcpy(a->day, day, sizeof day);
	}
	put_sep(&a->b);
	buf_addf(&a->b, "\"%s\"", id);
	char name[80];
	page_name(id, name);
	if (site_had(a->x->site, name) && !rows_find(&a->x->rows, a->x->s, id))
		strs_add(&a->had, id);
}

/* A link to a page holds for as long as its task is in the archive. What was written before the task had ended is
 * written once more. */
static void keep_pages(struct build *x, const struct strs *had)
{
	size_t from = had->n > KEPT_PAGES ? had->n - KEPT_PAGES : 0;
	for (size_t i = from; i < had->n; i++) {
		char name[80];
		page_name(had->v[i], name);
		if (!site_begins(x->site, name, LIVE_PAGE))
			site_keep(x->site, name);
		else if (!strs_has(&x->ended, had->v[i]))
			strs_add(&x->ended, had->v[i]);
	}
}

static bool add_archive(struct build *x)
{
	struct archive_names a = {.x = x, .day = ""};
	struct err none;
	bool any = snapshot_total(x->s, "tasks") > 0, read = any && !snapshot_archive(x->s, take_archived, &a, &none);
	if (any && !read) /* which of them are still there cannot be told */
		site_keep_folder(x->site, "t/");
	keep_pages(x, &a.had);
	if (read && a.day[0]) {
		struct buf all = {0};
		buf_adds(&all, "dgrid(\"archive\",{\n");
		buf_add(&all, a.b.data, a.b.len);
		buf_adds(&all, "]}");
		for (size_t i = a.had.n > KEPT_PAGES ? a.had.n - KEPT_PAGES : 0, n = 0; i < a.had.n; i++)
			buf_addf(&all, "%s\"%s\"", n++ ? "," : ",[", a.had.v[i]);
		buf_adds(&all, a.had.n ? "]);\n" : ");\n");
		site_add(x->site, "data/archive.js", &all);
	}
	buf_clear(&a.b);
	strs_clear(&a.had);
	return read && a.day[0];
}

/* ---- pages of tasks ---- */

/* What the tasks of a node printed so far. Nothing of the past, and of a remote of few nodes only: each is asked for on
 * its own. */
static void read_tails(struct build *x, const char *node)
{
	char head[72], tail[72];
	struct err none;
	if (x->s->past || !x->s->config.live_tail_bytes || !task_id_valid(node) || json_get(x->tails, node) ||
	    x->asked == TAILS_MAX)
		return;
	x->asked += x->s->cached;
	struct json *doc = NULL;
	if (!tails_ask(&x->s->git, x->s->cached ? "origin" : ".", x->s->branch, node, head, tail, &none) && tail[0])
		doc = tails_read(&x->s->git, node, tail, &none);
	json_set(x->tails, node, doc ? doc : json_new(JSON_NULL));
}

static void put_page(struct build *x, const struct snapshot_task *t, const struct json *doc)
{
	struct history_task c = history_task(&x->history, t->id);
	const char *node = json_str(json_get(doc, "claim"), "node");
	struct taskpage p = {.s = x->s,
			     .task = t,
			     .doc = doc,
			     .forge = &x->forge,
			     .queued = c.queued,
			     .claimed = c.claimed,
			     .ended = c.ended,
			     .behind = json_get(x->rows.behind, t->id),
			     .left = leftlist_of(&x->left, t->id),
			     .queued_at = c.queued_at,
			     .tails = t->state == TASK_IN_PROGRESS && node ? json_get(x->tails, node) : NULL};
	struct buf body = {0}, page = {0}, title = {0};
	taskpage_body(&body, &p);
	markup_html(&title, x->title, strlen(x->title));
	bool runs = t->state == TASK_IN_PROGRESS || t->state == TASK_QUEUE || t->state == TASK_UNAPPROVED;
	struct template_value values[] = {{"TITLE", title.data},
					  {"ID", t->id},
					  {"CSP", x->task_page_csp.data},
					  {"STYLE", template_text("web/style.css")},
					  {"BASE", template_text("web/base.js")},
					  {"LOG", template_text("web/log.js")},
					  {"BODY", body.data},
					  {"AGE", runs && !x->s->past ? AGE_LINE : ""},
					  {"LIVE", runs ? x->live : ""}};
	template_fill(&page, "web/task.html", values, sizeof values / sizeof *values);
	char name[80];
	page_name(t->id, name);
	site_add(x->site, name, &page);
	buf_clear(&body);
	buf_clear(&title);
}

static void add_page(void *ctx, size_t index, const struct json *doc)
{
	struct build *x = ctx;
	put_page(x, &x->s->tasks[index], doc);
}

static void add_archived(void *ctx, const struct archive_found *f)
{
	const char *status = json_str(json_get(f->doc, "result"), "status");
	struct snapshot_task t = {.id = (char *)f->id,
				  .regular = true,
				  .state = status && !strcmp(status, "success") ? TASK_COMPLETED : TASK_FAILED};
	put_page(ctx, &t, f->doc);
	json_free(f->doc);
}

static int add_pages(struct build *x, struct err *e)
{
	size_t *which = xcalloc(x->rows.n + 1, sizeof *which), n = 0;
	for (size_t i = 0; i < x->rows.n; i++)
		if (x->rows.v[i].page) {
			which[n++] = x->rows.v[i].task;
			if (x->s->tasks[x->rows.v[i].task].state == TASK_IN_PROGRESS)
				read_tails(x, x->rows.v[i].node);
		}
	leftlist_read(&x->left, x->s, which, n, x->forge.home[0] != 0);
	int rc = snapshot_stream(x->s, which, n, add_page, x, e);
	free(which);
	if (!rc && x->ended.n) {
		struct archive_query q = {.ids = x->ended.v, .n = x->ended.n, .docs = true};
		rc = snapshot_archive_look(x->s, &q, add_archived, x, e);
	}
	return rc;
}

static bool had_page(void *ctx, const char *id)
{
	const struct build *x = ctx;
	char name[80];
	page_name(id, name);
	return site_had(x->site, name);
}

/* ---- all ---- */

static struct history_end how_it_ended(void *ctx, const char *id)
{
	const struct build *x = ctx;
	const struct row *r = rows_find(&x->rows, x->s, id);
	return (struct history_end){.ms = r ? r->ms : -1, .cancelled = r && r->cancelled};
}

/* The repository's name as anybody may read it: no user, no password, no folder of this machine. */
static char *public_place(const char *url)
{
	const char *scheme = strstr(url, "://"), *from = scheme ? scheme + 3 : url, *end = from + strcspn(from, "/");
	for (const char *p = from; p < end; p++)
		if (*p == '@')
			from = p + 1;
	if (url[0] == '/' || !strncmp(url, "file:", 5) || !strchr(url, ':')) {
		size_t n = strlen(url);
		while (n > 1 && url[n - 1] == '/')
			n--;
		while (from < url + n && memchr(from, '/', (size_t)(url + n - from)))
			from = (const char *)memchr(from, '/', (size_t)(url + n - from)) + 1;
		return xstrndup(from, (size_t)(url + n - from));
	}
	return xstrdup(from);
}

static char *default_title(const char *place)
{
	const char *base = place;
	for (const char *p = place; *p; p++)
		if ((*p == '/' || *p == ':') && p[1])
			base = p + 1;
	size_t n = strlen(base);
	if (n > 4 && !strcmp(base + n - 4, ".git"))
		n -= 4;
	return n ? xstrndup(base, n) : xstrdup("dgrid");
}

int dashboard_build(const struct snapshot *s, const struct dashboard_options *o, struct site *site, struct err *e)
{
	struct build x = {.s = s, .o = o, .site = site, .tails = json_new(JSON_OBJECT)};
	static const char *const task_scripts[] = {"web/base.js", "web/log.js"};
	static const char *const scripts[] = {"web/base.js", "web/charts.js", "web/panels.js", "web/app.js"};
	size_t in_page = 0, bytes = 0;
	int rc = rows_read(&x.rows, s, e);
	if (!rc)
		rc = record_read(s, &x.audit, e);
	if (!rc)
		rc = agenda_read(s, &x.agenda, e);
	if (rc)
		goto out;
	rows_pages(&x.rows, s, had_page, &x);
	history_read(&x.history, s, how_it_ended, &x);
	for (size_t i = 0; i < x.rows.n; i++)
		rows_close(&x.rows, i, history_task(&x.history, s->tasks[x.rows.v[i].task].id).queued_at);
	put_archive_days(&x);
	forge_of(&x.forge, s->url);
	forge_create(&x.forge, s->branch, "tasks/unapproved", "my-task.json", NEW_TASK);
	snprintf(x.live, sizeof x.live, "%s data-now=\"%lld\"", s->past ? "" : " data-live", (long long)s->now);
	x.place = public_place(s->url);
	x.title = o->title ? xstrdup(o->title) : s->config.title ? xstrdup(s->config.title) : default_title(x.place);
	template_policy(&x.index_csp, scripts, 4);
	template_policy(&x.task_page_csp, task_scripts, 2);
	while (in_page < x.rows.n && in_page < ROWS_PAGES && bytes + x.rows.v[in_page].json.len < ROWS_BYTES)
		bytes += x.rows.v[in_page++].json.len;
	add_index(&x, in_page, add_archive(&x));
	add_rest(&x, in_page);
	rc = add_pages(&x, e);
out:
	rows_clear(&x.rows);
	leftlist_clear(&x.left);
	strs_clear(&x.ended);
	json_free(x.tails);
	agenda_clear(&x.agenda);
	history_clear(&x.history);
	free(x.title);
	free(x.place);
	buf_clear(&x.index_csp);
	buf_clear(&x.task_page_csp);
	return rc;
}
