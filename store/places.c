#include "store/places.h"
#include "base/clock.h"
#include "schema/task.h"
#include <stdio.h>
#include <string.h>

#define DAY_SECONDS 86400
#define NUMBER_MAX 9999

/* What follows refs/dgrid/KIND/ or refs/heads/dgrid-KIND/; NULL: neither. */
static const char *below(const char *ref, const char *kind)
{
	static const char *const roots[] = {"refs/dgrid/", PLACE_HEADS};
	size_t len = strlen(kind);
	for (size_t i = 0; i < 2; i++) {
		size_t n = strlen(roots[i]);
		if (!strncmp(ref, roots[i], n) && !strncmp(ref + n, kind, len) && ref[n + len] == '/')
			return ref + n + len + 1;
	}
	return NULL;
}

void place_day(int64_t utc_seconds, char day[11])
{
	char when[32];
	snprintf(day, 11, "%.10s", clock_format(utc_seconds, when));
}

bool place_out_parse(const char *ref, struct place_out *p)
{
	const char *rest = below(ref, "out");
	char when[32], back[11];
	int end = 0;
	*p = (struct place_out){0};
	if (!rest || sscanf(rest, "%10[0-9-]/%64[A-Za-z0-9_-]/%4d%n", p->day, p->node, &p->number, &end) != 3 ||
	    rest[end] || p->number < 1)
		return false;
	snprintf(when, sizeof when, "%sT00:00:00Z", p->day);
	if (clock_parse(when, &p->day_at))
		return false;
	/* One name for one thing: no 2026-11-31, no /01. */
	char name[PLACE_MAX];
	place_day(p->day_at, back);
	place_out_name(name, p, !strncmp(ref, PLACE_HEADS, strlen(PLACE_HEADS)));
	return !strcmp(back, p->day) && !strcmp(name, ref);
}

void place_out_name(char ref[PLACE_MAX], const struct place_out *p, bool heads)
{
	snprintf(ref, PLACE_MAX, "%s/%s/%s/%d", heads ? PLACE_HEADS "out" : PLACE_OUT, p->day, p->node, p->number);
}

bool place_oid_valid(const char *oid)
{
	size_t n = oid ? strlen(oid) : 0;
	return (n == 40 || n == 64) && strspn(oid, "0123456789abcdef") == n;
}

bool place_in_parse(const char *ref, const char **tree)
{
	*tree = below(ref, "in");
	return *tree && place_oid_valid(*tree);
}

void place_in_name(char ref[PLACE_MAX], const char *tree, bool heads)
{
	snprintf(ref, PLACE_MAX, "%s/%s", heads ? PLACE_HEADS "in" : PLACE_IN, tree);
}

bool place_keep_parse(const char *ref, const char **name)
{
	*name = below(ref, "keep");
	return *name && task_id_valid(*name);
}

void place_keep_name(char ref[PLACE_MAX], const char *name, bool heads)
{
	snprintf(ref, PLACE_MAX, "%s/%s", heads ? PLACE_HEADS "keep" : PLACE_KEEP, name);
}

bool place_checkpoint_parse(const char *ref, struct place_checkpoint *p)
{
	const char *rest = below(ref, "ck");
	*p = (struct place_checkpoint){0};
	if (!rest || strspn(rest, "0123456789abcdef") != 32 || rest[32] != '/' || !place_oid_valid(rest + 33))
		return false;
	snprintf(p->nonce, sizeof p->nonce, "%.32s", rest);
	snprintf(p->tree, sizeof p->tree, "%s", rest + 33);
	return true;
}

void place_checkpoint_name(char ref[PLACE_MAX], const struct place_checkpoint *p, bool heads)
{
	snprintf(ref, PLACE_MAX, "%s/%s/%s", heads ? PLACE_HEADS "ck" : PLACE_CHECKPOINT, p->nonce, p->tree);
}
