#include "clock.h"
#include "dashboard.h"
#include "feed.h"
#include "metrics.h"
#include "verbs.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

struct wanted {
	const char *dir, *at, *title, *url;
	int64_t now; /* UTC seconds; 0: not said */
};

static int parse(struct wanted *w, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"output", 1, 0, 'o'}, {"at", 1, 0, 't'},  {"now", 1, 0, 'n'},
						{"title", 1, 0, 'T'},  {"url", 1, 0, 'u'}, {0}};
	int opt;
	*w = (struct wanted){0};
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "o:", options, NULL)) != -1)
		switch (opt) {
		case 'o':
			w->dir = optarg;
			break;
		case 't':
			w->at = optarg;
			break;
		case 'n':
			if (clock_parse(optarg, &w->now) || w->now <= 0)
				return err_set(e, ERR_USAGE,
					       "--now: expected a time such as 2026-11-23T09:00:00Z, found '%s'",
					       optarg);
			break;
		case 'T':
			w->title = optarg;
			if (!*optarg || strlen(optarg) > 100)
				return err_set(e, ERR_USAGE, "--title: expected 1-100 bytes of text");
			break;
		case 'u':
			w->url = optarg;
			if (strncmp(optarg, "https://", 8) != 0 && strncmp(optarg, "http://", 7) != 0)
				return err_set(e, ERR_USAGE, "--url: expected http(s)://..., found '%.200s'", optarg);
			break;
		default:
			return err_set(e, ERR_USAGE,
				       "unknown option or missing value '%s' (see: dgrid dashboard --help)",
				       argv[optind - 1]);
		}
	if (optind < argc)
		return err_set(e, ERR_USAGE, "unexpected '%s' (see: dgrid dashboard --help)", argv[optind]);
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

int cmd_dashboard(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct wanted w;
	struct snapshot s = {0};
	struct site site = {0};
	int rc = parse(&w, argc, argv, e);
	if (!rc && !(rc = open_snapshot(ctx, w.at, &s, e))) {
		struct dashboard_options o = {.title = w.title};
		if (w.now)
			snapshot_set_now(&s, w.now);
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
