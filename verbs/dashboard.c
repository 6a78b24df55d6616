#include "dashboard.h"
#include "base/clock.h"
#include "site/feed.h"
#include "site/metrics.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <string.h>

struct wanted {
	const char *dir, *at, *title, *url;
	int64_t now; /* UTC seconds; 0: not said */
};

static int parse(struct wanted *w, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_dashboard, .argc = argc, .argv = argv};
	int key;
	*w = (struct wanted){0};
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'o':
			w->dir = s.value;
			break;
		case 't':
			w->at = s.value;
			break;
		case 'n':
			if (clock_parse(s.value, &w->now) || w->now <= 0)
				return err_set(e, ERR_USAGE,
					       "--now: expected a time such as 2026-11-23T09:00:00Z, found '%s'",
					       s.value);
			break;
		case 'T':
			w->title = s.value;
			if (!*w->title || strlen(w->title) > 100)
				return err_set(e, ERR_USAGE, "--title: expected 1-100 bytes of text");
			break;
		case 'u':
			w->url = s.value;
			if (strncmp(w->url, "https://", 8) != 0 && strncmp(w->url, "http://", 7) != 0)
				return err_set(e, ERR_USAGE, "--url: expected http(s)://..., found '%.200s'", w->url);
			break;
		}
	if (key < 0 || usage_operands(&s, 0, e))
		return -1;
	if (!w->dir || !*w->dir)
		return err_set(e, ERR_USAGE, "dashboard needs a folder to write to: dgrid dashboard -o DIR");
	return 0;
}

/* Files beside the pages, for machines. */
static int add_for_machines(struct snapshot *s, const char *url, struct dashboard_options *o, struct site *site,
			    struct err *e)
{
	struct buf metrics = {0}, feed = {0};
	if (snapshot_load(s, ~0u, e))
		return -1;
	metrics_json(s, &metrics);
	feed_failures(s, url, &feed);
	o->metrics = "metrics.json";
	o->feed = "failures.atom";
	site_add(site, o->metrics, &metrics);
	site_add(site, o->feed, &feed);
	return 0;
}

static int cmd_dashboard(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct wanted w;
	struct snapshot s = {0};
	struct site site = {0};
	int rc = parse(&w, argc, argv, e);
	if (!rc && !(rc = open_snapshot(ctx, w.at, &s, e))) {
		struct dashboard_options o = {.title = w.title};
		if (w.now)
			snapshot_set_now(&s, w.now);
		site_open(&site, w.dir);
		rc = add_for_machines(&s, w.url, &o, &site, e);
		if (!rc)
			rc = dashboard_build(&s, &o, &site, e);
		if (!rc)
			rc = site_write(&site, w.dir, e);
		if (!rc)
			printf("%s/index.html: ledger at %.10s; %zu file%s written, %zu unchanged, %zu removed\n",
			       w.dir, s.commit, site.written, site.written == 1 ? "" : "s", site.same, site.removed);
	}
	site_clear(&site);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_dashboard = {
    .name = "dashboard",
    .args = "-o DIR [--at REV|DATE] [--now TIME] [--title T] [--url URL]",
    .summary = "write the grid as a static site: charts, nodes, tasks, a page per task",
    .about = "Writes a folder of static pages that need no server and load nothing from elsewhere: open index.html in "
	     "a browser, or publish the folder anywhere. It also has metrics.json and failures.atom, a feed. Unchanged "
	     "files are left alone, and files of earlier runs that are not needed any more are removed.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'o', "-o, --output", "DIR", "@folders", "the folder to write to, created if needed; required"},
	    USAGE_AT,
	    {'n', "--now", "TIME", NULL,
	     "judge ages as of this time (2026-11-23T09:00:00Z): the same bytes for the same ledger"},
	    {'T', "--title", "T", NULL, "the title of the pages; default: title of grid.json"},
	    {'u', "--url", "URL", NULL,
	     "where the folder will be published (http:// or https://), for links in the feed"},
	    {0}},
    .examples =
	(const struct usage_note[]){
	    {"dgrid dashboard -o site", ""},
	    {"dgrid dashboard -o site --at 2026-11-23", "as the grid was at that day's start"},
	    {"dgrid dashboard -o public --title 'Nightly grid' --url https://a.example/grid/", ""},
	    {0}},
    .exits = (const struct usage_note[]){{"0", "written"},
					 {"74", "it could not be written: the disk is full, for example"},
					 {"77", "something else is there already, or writing there is not permitted"},
					 {0}},
    .run = cmd_dashboard,
};
