#include "dashboard.h"
#include "base/clock.h"
#include "base/markup.h"
#include "base/version.h"
#include "git/forge.h"
#include "schema/fit.h"
#include "site/advice.h"
#include "site/history.h"
#include "site/rows.h"
#include "site/taskpage.h"
#include "site/template.h"
#include "store/agenda.h"
#include "store/archive.h"
#include "store/record.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_BYTES 250000  /* of tasks in index.html; the others come from data/tasks.js */
#define NODES_BYTES 100000 /* of nodes; those that are alive first */
#define SCHEDULES_MAX 200
#define KEPT_PAGES 2000 /* of archived tasks: the newest that ever had one */
#define LIVE_PAGE "<!DOCTYPE html>\n<html lang=\"en\" class=\"no-js\" data-live"
#define BIG 1000000000000000
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
	char *title, *place; /* place: the repository as a reader may see it */
	struct buf task_page_csp, index_csp;
	char live[64]; /* what pages that change say of themselves: that they do, and when they were read */
};

/* ---- JSON ---- */

static void sep(struct buf *b)
{
	char c = b->len ? b->data[b->len - 1] : '[';
	if (c != '{' && c != '[' && c != ':')
		buf_add(b, ",", 1);
}

static void key(struct buf *b, const char *name)
{
	sep(b);
	buf_addf(b, "\"%s\":", name);
}

static void put_int(struct buf *b, const char *name, int64_t n)
{
	key(b, name);
	buf_addf(b, "%lld", (long long)(n > BIG ? BIG : n < -BIG ? -BIG : n));
}

static void put_str(struct buf *b, const char *name, const char *text, size_t max)
{
	key(b, name);
	markup_json(b, text ? text : "", text ? markup_cut(text, strlen(text), max) : 0);
}

static void put_series(struct buf *b, const char *name, const int64_t *v, size_t n)
{
	key(b, name);
	buf_adds(b, "[");
	for (size_t i = 0; i < n; i++) {
		sep(b);
		if (v[i] < 0)
			buf_adds(b, "null");
		else
			buf_addf(b, "%lld", (long long)v[i]);
	}
	buf_adds(b, "]");
}

static void put_range(struct buf *b, const char *name, const struct history_range *r)
{
	key(b, name);
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
	key(b, "all");
	buf_adds(b, "[");
	for (int i = 0; i < 4; i++)
		buf_addf(b, "%s%lld", i ? "," : "", (long long)r->all[i]);
	buf_adds(b, "]");
	buf_adds(b, "}");
}

/* done, failed: on the branch. The file counts since the node's start, and what is archived meanwhile. */
static int64_t memory_of(const struct json *file)
{
	int64_t gb = json_int(file, "memory_gb", 0);
	return json_int(file, "memory_mb", gb > 0 && gb < 1 << 20 ? gb * 1024 : 0);
}

static void put_node(struct buf *b, const struct build *x, size_t i)
{
	const struct snapshot_node *n = &x->s->nodes[i];
	int64_t done = x->rows.done[i], failed = x->rows.failed[i];
	const struct json *f = n->file;
	char words[ORDER_WORDS];
	int k = 0;
	sep(b);
	buf_adds(b, "{");
	put_str(b, "id", n->id, 64);
	put_str(b, "state", node_state_name(n->state), 16);
	put_int(b, "seen", n->view.seen > 0 && n->view.seen < 253402300800 ? n->view.seen : 0);
	put_str(b, "trouble", n->view.trouble, 200);
	put_str(b, "drained", n->drain ? order_words("drained", n->drain, words) : "", ORDER_WORDS);
	put_str(b, "engine", json_str(f, "engine"), 24);
	put_str(b, "version", json_str(f, "engine_version"), 32);
	put_int(b, "slots", n->view.slots);
	put_int(b, "busy", n->view.busy);
	int64_t own_done = json_int(f, "tasks_completed", 0), own_failed = json_int(f, "tasks_failed", 0);
	put_int(b, "done", own_done > done ? own_done : done);
	put_int(b, "failed", own_failed > failed ? own_failed : failed);
	put_int(b, "branch", done + failed);
	put_int(b, "cpu", x->rows.cpu_ms[i]);
	put_int(b, "late", json_int(f, "tasks_late", 0));
	put_int(b, "voted", json_int(f, "tasks_voted", 0));
	put_int(b, "outliers", json_int(x->rows.outliers, n->id, 0));
	struct buf offer = {0};
	fit_offer_words(json_get(n->view.doc, "offer") ? n->view.doc : f, &offer);
	put_str(b, "offer", offer.data, 200);
	buf_clear(&offer);
	put_int(b, "cpus", json_int(f, "cpu_count", 0));
	put_int(b, "memory", memory_of(f));
	put_int(b, "disk", json_int(f, "disk_gb", 0));
	put_int(b, "since", row_time(f, "started_at"));
	put_str(b, "os", json_str(f, "os"), 32);
	put_str(b, "arch", json_str(f, "arch"), 32);
	put_str(b, "dgrid", json_str(f, "dgrid_version"), 32);
	put_str(b, "turns", n->beat && json_str(n->beat, "turns") ? json_str(n->beat, "turns") : json_str(f, "turns"),
		64);
	key(b, "labels");
	buf_adds(b, "[");
	const struct json *labels = json_get(f, "labels");
	for (const struct json *l = labels ? labels->child : NULL; l && k < 32; l = l->next)
		if (l->type == JSON_STRING) {
			k++;
			sep(b);
			markup_json(b, l->text, markup_cut(l->text, strlen(l->text), 64));
		}
	buf_adds(b, "]}");
}

static bool alive(const struct snapshot_node *n)
{
	return n->state != NODE_LEFT && n->state != NODE_SILENT;
}

/* Nodes that left stay in the ledger: where machines come and go, there are many. */
static void put_nodes(struct buf *b, const struct build *x)
{
	const struct snapshot *s = x->s;
	size_t from = b->len;
	put_int(b, "node_count", (int64_t)s->n_nodes);
	key(b, "nodes");
	buf_adds(b, "[");
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < s->n_nodes && b->len - from < NODES_BYTES; i++)
			if (alive(&s->nodes[i]) == !pass)
				put_node(b, x, i);
	buf_adds(b, "]");
}

static void put_schedules(struct buf *b, const struct agenda *a)
{
	key(b, "schedules");
	buf_adds(b, "[");
	for (size_t i = 0; i < a->n && i < SCHEDULES_MAX; i++) {
		const struct agenda_row *r = &a->v[i];
		sep(b);
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
	key(b, "counts");
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
	key(b, "audit");
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
	put_nodes(b, x);
	put_schedules(b, &x->agenda);
	key(b, "advice");
	advice_put(b, s, &x->rows, &x->history);
	key(b, "events");
	buf_adds(b, "[");
	for (size_t i = 0; i < x->rows.n_events; i++) {
		sep(b);
		buf_add(b, x->rows.events[i].json.data, x->rows.events[i].json.len);
	}
	buf_adds(b, "]");
	put_range(b, "day", &x->history.day);
	put_range(b, "month", &x->history.month);
	put_int(b, "since", x->history.since);
	put_str(b, "limit", x->history.limit, 100);
	put_int(b, "more", (int64_t)(x->rows.n - in_page));
	put_int(b, "archive", archive);
	key(b, "states");
	buf_adds(b, "[");
	for (int k = 0; k < TASK_N_STATES; k++) {
		sep(b);
		buf_addf(b, "\"%s\"", row_state((enum task_state)k));
	}
	buf_adds(b, "]");
	key(b, "columns");
	buf_addf(b, "[%s]", x->rows.n ? x->rows.columns.data : "");
	key(b, "tasks");
	buf_adds(b, "[\n");
	for (size_t i = 0; i < in_page; i++) {
		buf_adds(b, i ? ",\n" : "");
		buf_add(b, x->rows.v[i].json.data, x->rows.v[i].json.len);
	}
	buf_adds(b, "]}");
}

static void put_links(struct buf *b, const struct grid_config *c)
{
	for (size_t i = 0; c->links[i].text; i++) {
		buf_adds(b, "<li><a href=\"");
		markup_html(b, c->links[i].url, strlen(c->links[i].url));
		buf_adds(b, "\" rel=\"noreferrer\">");
		markup_html(b, c->links[i].text, strlen(c->links[i].text));
		buf_adds(b, "</a></li>");
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
	put_links(&links, &x->s->config);
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
	sep(&a->b);
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

static void put_page(struct build *x, const struct snapshot_task *t, const struct json *doc)
{
	struct history_task c = history_task(&x->history, t->id);
	struct taskpage p = {.s = x->s,
			     .task = t,
			     .doc = doc,
			     .forge = &x->forge,
			     .queued = c.queued,
			     .claimed = c.claimed,
			     .ended = c.ended,
			     .behind = json_get(x->rows.behind, t->id),
			     .left = leftlist_of(&x->left, t->id),
			     .queued_at = c.queued_at};
	struct buf body = {0}, page = {0}, title = {0};
	taskpage_body(&body, &p);
	markup_html(&title, x->title, strlen(x->title));
	bool runs = t->state == TASK_IN_PROGRESS || t->state == TASK_QUEUE || t->state == TASK_UNAPPROVED;
	struct template_value values[] = {{"TITLE", title.data},
					  {"ID", t->id},
					  {"CSP", x->task_page_csp.data},
					  {"STYLE", template_text("web/style.css")},
					  {"BASE", template_text("web/base.js")},
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
		if (x->rows.v[i].page)
			which[n++] = x->rows.v[i].task;
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
	struct build x = {.s = s, .o = o, .site = site};
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
	snprintf(x.live, sizeof x.live, "%s data-now=\"%lld\"", s->past ? "" : " data-live", (long long)s->now);
	x.place = public_place(s->url);
	x.title = o->title ? xstrdup(o->title) : s->config.title ? xstrdup(s->config.title) : default_title(x.place);
	template_policy(&x.index_csp, scripts, 4);
	template_policy(&x.task_page_csp, scripts, 1);
	while (in_page < x.rows.n && in_page < ROWS_PAGES && bytes + x.rows.v[in_page].json.len < ROWS_BYTES)
		bytes += x.rows.v[in_page++].json.len;
	add_index(&x, in_page, add_archive(&x));
	add_rest(&x, in_page);
	rc = add_pages(&x, e);
out:
	rows_clear(&x.rows);
	leftlist_clear(&x.left);
	strs_clear(&x.ended);
	agenda_clear(&x.agenda);
	history_clear(&x.history);
	free(x.title);
	free(x.place);
	buf_clear(&x.index_csp);
	buf_clear(&x.task_page_csp);
	return rc;
}
