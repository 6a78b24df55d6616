#include "store/record.h"
#include "base/clock.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_SECONDS 86400

#define GIT(g, out, e, ...) git_run(g, out, e, (const char *const[]){__VA_ARGS__, NULL})

/* True when g has both commits: then r says whether the one is on the other's first-parent line, and how far back. */
static bool find(const struct git *g, const char *head, struct record *r)
{
	struct buf count = {0};
	char there[72];
	struct err none;
	char *range = xasprintf("%s..%s", r->said.audited_to, head), *back = NULL;
	bool have = git_resolve(g, r->said.audited_to, there) &&
		    !GIT(g, &count, &none, "rev-list", "--count", "--first-parent", range) && count.len;
	if (have) {
		r->since = strtoll(count.data, NULL, 10);
		back = xasprintf("%s~%lld", head, (long long)r->since);
		bool on =
		    git_resolve(g, back, there) && !strncmp(there, r->said.audited_to, strlen(r->said.audited_to));
		r->place = on ? RECORD_ON : RECORD_OFF;
	}
	free(range);
	free(back);
	buf_clear(&count);
	return have;
}

static bool is_shallow(const struct git *g)
{
	struct buf b = {0};
	struct err none;
	bool shallow = GIT(g, &b, &none, "rev-parse", "--is-shallow-repository") || !b.len || b.data[0] == 't';
	buf_clear(&b);
	return shallow;
}

int record_read(const struct snapshot *s, struct record *r, struct err *e)
{
	*r = (struct record){0};
	if (s->past)
		return 0;
	if (checkpoint_read(&s->git, &r->said, e))
		return -1;
	if (!r->said.audited_to[0] || !r->said.at || r->said.violations < 0)
		return 0;
	r->place = RECORD_FAR;
	if (find(&s->git, s->commit, r))
		return 0;
	/* Not here. A whole repository that does not have it never had it on this branch; a shallow one may be too
	 * short. */
	if (!is_shallow(&s->git)) {
		r->place = RECORD_OFF;
		return 0;
	}
	struct git longer = {0};
	struct err none;
	bool shallow = true;
	if (s->cached && !snapshot_history(s, r->said.at - DAY_SECONDS, &longer, &shallow, &none) &&
	    !find(&longer, s->commit, r) && !shallow)
		r->place = RECORD_OFF;
	free(longer.dir);
	free(longer.name);
	free(longer.email);
	return 0;
}

bool record_bad(const struct record *r)
{
	return r->place == RECORD_OFF || (r->place != RECORD_NONE && r->said.violations > 0);
}

/* 5 s, 3 min, 7 h, 2 d */
static void span(int64_t seconds, char out[32])
{
	seconds = seconds < 0 ? 0 : seconds;
	if (seconds < 120)
		snprintf(out, 32, "%lld s", (long long)seconds);
	else if (seconds < 7200)
		snprintf(out, 32, "%lld min", (long long)(seconds / 60));
	else if (seconds < 2 * DAY_SECONDS)
		snprintf(out, 32, "%lld h", (long long)(seconds / 3600));
	else
		snprintf(out, 32, "%lld d", (long long)(seconds / DAY_SECONDS));
}

void record_tell(struct buf *out, const struct record *r, int64_t now)
{
	char age[32];
	if (r->place == RECORD_NONE)
		return;
	span(now - r->said.at, age);
	buf_addf(out, "audited to %.10s, ", r->said.audited_to);
	if (r->said.violations)
		buf_addf(out, "%lld VIOLATION%s (see: dgrid audit)", (long long)r->said.violations,
			 r->said.violations == 1 ? "" : "S");
	else
		buf_adds(out, "no violations");
	buf_addf(out, ", %s ago", age);
	if (r->place == RECORD_ON && r->since)
		buf_addf(out, "; %lld commit%s since", (long long)r->since, r->since == 1 ? "" : "s");
	else if (r->place == RECORD_OFF)
		buf_adds(out, "; THAT COMMIT IS NOT ON THIS BRANCH: its history was rewritten (see: dgrid audit)");
	else if (r->place == RECORD_FAR)
		buf_adds(out, "; whether this branch goes on from there cannot be told here, the history is cut off");
	if (r->said.witnessed_at) {
		span(now - r->said.witnessed_at, age);
		buf_addf(out, "; witnessed %s ago", age);
	}
}

struct json *record_json(const struct record *r)
{
	static const char *const places[] = {"", "on", "off", "unknown"};
	char when[32];
	if (r->place == RECORD_NONE)
		return json_new(JSON_NULL);
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "audited_to", json_new_str(r->said.audited_to));
	json_set(j, "branch", json_new_str(places[r->place]));
	json_set(j, "violations", json_new_int(r->said.violations));
	json_set(j, "notices", json_new_int(r->said.notices < 0 ? 0 : r->said.notices));
	json_set(j, "at", json_new_str(clock_format(r->said.at, when)));
	json_set(j, "witnessed_at",
		 r->said.witnessed_at ? json_new_str(clock_format(r->said.witnessed_at, when)) : json_new(JSON_NULL));
	json_set(j, "commits_since", r->place == RECORD_ON ? json_new_int(r->since) : json_new(JSON_NULL));
	return j;
}
