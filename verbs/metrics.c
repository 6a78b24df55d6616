#include "site/metrics.h"
#include "site/feed.h"
#include "verbs/report.h"
#include "verbs/verbs.h"
#include <stdio.h>

static int cmd_metrics(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct report_options o;
	struct snapshot s = {0};
	struct buf out = {0};
	int rc = report_options(&o, &verb_metrics, argc, argv, REPORT_NONE, e);
	if (!rc && !(rc = open_snapshot(ctx, o.at, &s, e)))
		rc = snapshot_load(&s, ~0u, e);
	if (!rc && o.json)
		metrics_json(&s, &out);
	else if (!rc && o.atom)
		feed_failures(&s, o.atom, &out);
	else if (!rc)
		metrics_text(&s, &out);
	fwrite(out.data ? out.data : "", 1, out.len, stdout);
	buf_clear(&out);
	snapshot_close(&s);
	return rc;
}

const struct verb verb_metrics = {
    .name = "metrics",
    .args = "[--json | --atom[=URL]] [--at REV|DATE]",
    .summary = "the grid's figures for Prometheus; --atom: a feed of its failures",
    .about = "Prints the grid's metrics in Prometheus text format: tasks by state, run and wait times, nodes and their "
	     "slots. A grid has no server to scrape: let cron write them to a file for the node exporter's textfile "
	     "collector.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    {'A', "--atom", "[URL]", NULL,
	     "print an Atom feed of the newest failures; URL: where the dashboard is published"},
	    USAGE_AT,
	    {0}},
    .examples = (const struct usage_note[]){{"dgrid metrics >grid.prom", ""},
					    {"dgrid metrics --atom=https://example.org/grid/ >failures.atom", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "printed"}, {0}},
    .run = cmd_metrics,
};
