#include "feed.h"
#include "look.h"
#include "metrics.h"
#include "verbs.h"
#include <stdio.h>

int cmd_metrics(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct look o;
	struct snapshot s = {0};
	struct buf out = {0};
	int rc = look_options(&o, argc, argv, LOOK_ATOM, false, e);
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
