#include "worker/dayref.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHALLOW_MAX (1 << 20)
#define OWN_REF "refs/sent" /* refs/sent/DAY/N: the tip of the remote's ref */

char *dayref_own(const struct dayref *r)
{
	return xasprintf(OWN_REF "/%s/%d", r->place.day, r->place.number);
}

/* "COMMIT N": a ref of that day, the last one counts. */
static void take_ref(void *ctx, const char *record)
{
	struct dayref *r = ctx;
	record += strspn(record, "\n"); /* of the record before */
	size_t n = strcspn(record, " ");
	long number = strtol(record + n, NULL, 10);
	if (n >= sizeof r->tip || number < r->place.number)
		return;
	r->place.number = (int)number;
	snprintf(r->tip, sizeof r->tip, "%.*s", (int)n, record);
}

static void look_up(struct dayref *r)
{
	char *below = xasprintf(OWN_REF "/%s", r->place.day);
	const char *args[] = {"for-each-ref", "--format=%(objectname) %(refname:lstrip=3)%00", below, NULL};
	struct err e;
	/* Where that fails, the first push is refused, and another ref begun. */
	git_records(&r->store->git, args, take_ref, r, &e);
	free(below);
	char *path = xasprintf("%s/shallow", r->store->git.dir);
	struct buf cuts = {0};
	r->cut = r->tip[0] && !file_read(path, SHALLOW_MAX, &cuts, &e) && strstr(cuts.data ? cuts.data : "", r->tip);
	buf_clear(&cuts);
	free(path);
}

void dayref_take(struct dayref *r, bool look)
{
	char day[11];
	place_day(clock_now(), day);
	if (!strcmp(day, r->place.day))
		return;
	r->place = (struct place_out){.number = 1};
	snprintf(r->place.day, sizeof r->place.day, "%s", day);
	snprintf(r->place.node, sizeof r->place.node, "%s", r->node);
	r->tip[0] = 0;
	r->cut = r->doubt = false;
	if (look)
		look_up(r);
	r->doubt = r->tip[0] != 0;
}

struct proc *dayref_ask(const struct dayref *r, void *ctx, void (*on_end)(void *ctx, const struct proc_result *res),
			struct err *e)
{
	char *plain = xasprintf(PLACE_OUT "/%s/%s/*", r->place.day, r->node),
	     *heads = xasprintf(PLACE_HEADS "out/%s/%s/*", r->place.day, r->node);
	const char *args[] = {"ls-remote", "origin", plain, heads, NULL};
	struct proc *p = git_start(&r->store->git, args, ctx, on_end, e);
	free(plain);
	free(heads);
	return p;
}

/* "OID<tab>REF" a line */
int dayref_told(struct dayref *r, const struct proc_result *res, bool taken)
{
	const char *lines = res->out.data ? res->out.data : "";
	size_t n = 2, was = (size_t)r->place.number, free_one = 1;
	bool same = false;
	if (res->end != PROC_EXITED || res->code)
		return -1;
	for (const char *p = lines; *p; p++)
		n += *p == '\n';
	bool *used = xcalloc(n + 1, sizeof *used);
	for (const char *line = lines; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		char oid[72], ref[PLACE_MAX];
		struct place_out at;
		if (sscanf(line, "%71s %175s", oid, ref) != 2 || !place_out_parse(ref, &at))
			continue;
		same = same || ((size_t)at.number == was && !strcmp(oid, r->tip));
		if ((size_t)at.number < n)
			used[at.number] = true;
	}
	while (used[free_one])
		free_one++;
	free(used);
	r->doubt = false;
	if (same && !taken)
		return 0;
	r->tip[0] = 0;
	r->cut = false;
	r->place.number = (int)free_one;
	log_at(LOG_INFO, "outputs", "ref %zu of today has not what this node brought last: going on with %d", was,
	       r->place.number);
	return 0;
}
