#include "audit/rules_archive.h"
#include "store/archive.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED_A_DAY_MAX 1000000 /* times that one task may have ended on a day */
#define MIDNIGHT_SECONDS 600	/* what ended at no known time is filed by the clock of who archives */

static const struct rule_change *totals_of(const struct rule_commit *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->changes[i].kind == RULE_TOTALS)
			return &c->changes[i];
	return NULL;
}

bool rules_archives(const struct rule_commit *c)
{
	const struct rule_change *totals = totals_of(c);
	for (size_t i = 0; i < c->n && totals && totals->new_mode; i++) {
		const struct rule_change *ch = &c->changes[i];
		if (ch->kind == RULE_TASK && (ch->state == TASK_COMPLETED || ch->state == TASK_FAILED) && !ch->new_mode)
			return true;
	}
	return false;
}

/* "YYYY/MM/DD/ID.json", or ID.2.json of one that ended twice on a day: the id into out. */
static bool filed_as(const char *path, char day[11], char id[65])
{
	static const char form[] = "dddd/dd/dd/";
	for (size_t i = 0; i < sizeof form - 1; i++)
		if (form[i] == 'd' ? path[i] < '0' || path[i] > '9' : path[i] != form[i])
			return false;
	const char *base = path + sizeof form - 1;
	size_t n = strcspn(base, ".");
	if (n < 1 || n > 64)
		return false;
	snprintf(day, 11, "%.10s", path);
	snprintf(id, 65, "%.*s", (int)n, base);
	const char *rest = base + n;
	if (rest[1] >= '2' && rest[1] <= '9')
		rest += 1 + strspn(rest + 1, "0123456789");
	else if (rest[1] == '1' && rest[2] >= '0' && rest[2] <= '9')
		rest += 1 + strspn(rest + 1, "0123456789");
	return task_id_valid(id) && !strcmp(rest, ".json");
}

static bool right_day(const struct json *doc, const struct archive_item *item, int64_t at, const char *day)
{
	char is[16], before[16];
	struct archive_item early = {0};
	archive_day(item->finished_at, '/', is);
	archive_read(&early, doc, at - MIDNIGHT_SECONDS);
	archive_day(early.finished_at, '/', before);
	json_free(early.outliers);
	return !strcmp(is, day) || !strcmp(before, day);
}

/* What the archive's commit adds, by id. */
struct filed {
	char day[11], id[65];
	const struct rule_change *change;
	bool taken; /* the ledger's commit accounts for it */
};

static int by_id(const void *pa, const void *pb)
{
	return strcmp(((const struct filed *)pa)->id, ((const struct filed *)pb)->id);
}

static struct filed *file_all(const struct rule_commit *archive, size_t *n)
{
	struct filed *all = xcalloc(archive->n + 1, sizeof *all);
	*n = 0;
	for (size_t i = 0; i < archive->n; i++) {
		const struct rule_change *ch = &archive->changes[i];
		if (ch->new_mode && filed_as(ch->path, all[*n].day, all[*n].id))
			all[(*n)++].change = ch;
	}
	qsort(all, *n, sizeof *all, by_id);
	return all;
}

/* Where it stands in the archive now, and is that right? */
static void judge_item(struct rules *r, const struct rule_commit *c, const struct rule_change *ch, struct filed *all,
		       size_t n, const struct json *doc, const struct archive_item *item)
{
	struct filed key = {0}, *other = NULL;
	snprintf(key.id, sizeof key.id, "%s", ch->id);
	struct filed *at = bsearch(&key, all, n, sizeof *all, by_id);
	while (at && at > all && !strcmp(at[-1].id, ch->id))
		at--;
	for (; at && at < all + n && !strcmp(at->id, ch->id); at++) {
		if (at->taken)
			continue;
		other = at;
		if (strcmp(at->change->new_oid, ch->old_oid) != 0)
			continue;
		at->taken = true;
		if (!right_day(doc, item, c->at, at->day))
			rule_tell(r, RULE_ARCHIVE_DAY, c, at->change->path, "it ended on another day");
		return;
	}
	if (other) {
		other->taken = true;
		rule_tell(r, RULE_ARCHIVE_LOST, c, ch->path, "what stands in the archive as %.120s is another document",
			  other->change->path);
	} else
		rule_tell(r, RULE_ARCHIVE_LOST, c, ch->path, "it left for the archive, and does not stand there");
}

/* Programs up to 0.1.0 leave each day's processor time as it was. */
static bool same_but_cpu(const struct json *is, const struct json *expected, const struct json *was)
{
	struct json *other = json_copy(expected);
	const struct json *days = json_get(other, "days"), *before = json_get(was, "days");
	for (struct json *d = days ? days->child : NULL; d; d = d->next) {
		const struct json *ms = json_get(json_get(before, d->name), "cpu_ms");
		if (ms)
			json_set(d, "cpu_ms", json_copy(ms));
		else
			json_remove(d, "cpu_ms");
	}
	bool same = rule_same(is, other);
	json_free(other);
	return same;
}

static void judge_totals(struct rules *r, const struct rule_commit *c, const struct json *expected)
{
	const struct rule_change *ch = totals_of(c);
	const struct json *is = rule_doc(&ch->new);
	if (!is || is->type != JSON_OBJECT)
		rule_tell(r, RULE_ARCHIVE_TOTALS, c, ch->path, "the totals are no object in JSON");
	else if (!rule_same(is, expected) && !same_but_cpu(is, expected, rule_doc(&ch->old)))
		rule_tell(r, RULE_ARCHIVE_TOTALS, c, ch->path, "the totals did not change by exactly what left");
}

/* Anyone may have put anything there: counting must not trip over it. */
static struct json *totals_before(const struct rule_commit *c)
{
	const struct json *was = rule_doc(&totals_of(c)->old);
	const struct json *days = json_get(was, "days");
	const struct json *outliers = json_get(was, "outliers");
	bool fit = was && was->type == JSON_OBJECT && (!days || days->type == JSON_OBJECT) &&
		   (!outliers || outliers->type == JSON_OBJECT);
	for (const struct json *d = days && fit ? days->child : NULL; d && fit; d = d->next)
		fit = d->type == JSON_OBJECT;
	return fit ? json_copy(was) : json_new(JSON_OBJECT);
}

void rules_archiving(struct rules *r, const struct rule_commit *c, const struct rule_change *const *leaving, size_t n)
{
	const struct rule_change *totals = totals_of(c);
	if (!totals)
		return; /* then what left was removed, and that is told */
	if (!n || !totals->new_mode) {
		rule_tell(r, RULE_ARCHIVE_TOTALS, c, totals->path, "the totals %s without anything being archived",
			  totals->new_mode ? "changed" : "were removed");
		return;
	}
	size_t n_filed = 0;
	struct filed *filed = c->archive ? file_all(c->archive, &n_filed) : NULL;
	struct json *sum = totals_before(c);
	for (size_t i = 0; i < n; i++) {
		struct archive_item item = {.failed = leaving[i]->state == TASK_FAILED};
		const struct json *doc = rule_doc(&leaving[i]->old);
		archive_read(&item, doc, c->at);
		archive_count(sum, &item);
		json_free(item.outliers);
		item.outliers = NULL;
		if (c->archive)
			judge_item(r, c, leaving[i], filed, n_filed, doc, &item);
		if (leaving[i]->old.bytes) { /* thousands may leave at once */
			json_free(*leaving[i]->old.doc);
			*leaving[i]->old.doc = NULL;
		}
	}
	judge_totals(r, c, sum);
	if (!c->archive && c->archive_seen)
		rule_tell(r, RULE_ARCHIVE_LOST, c, leaving[0]->path,
			  "%zu task%s left for the archive, and the branch archive has no commit that took %s", n,
			  n == 1 ? "" : "s", n == 1 ? "it" : "them");
	for (size_t i = 0; i < n_filed; i++)
		if (!filed[i].taken && !filed[i].change->old_mode)
			rule_tell(r, RULE_ARCHIVE_LOST, c->archive, filed[i].change->path,
				  "it stands in the archive, and did not leave the ledger");
	if (c->archive && c->archive->signature > RULE_GOOD)
		rule_tell(r, RULE_SIGNED_COMMIT, c->archive, c->archive->n ? c->archive->changes[0].path : "",
			  "the archive's commit is not signed as it must be%s%s", c->archive->signature_why ? ": " : "",
			  c->archive->signature_why ? c->archive->signature_why : "");
	json_free(sum);
	free(filed);
}

/* ID.2.json is of the second that ended on a day, and so on: the highest number is the newest. */
static bool numbered_right(struct rules *r, const struct rule_commit *a, const char *path)
{
	const char *base = strrchr(path, '/') + 1, *dot = strchr(base, '.');
	char *end, *before;
	errno = 0;
	long n = strtol(dot + 1, &end, 10);
	if (end == dot + 1 || !r->archived)
		return true;
	if (errno || n > ENDED_A_DAY_MAX)
		return false;
	before = n == 2 ? xasprintf("%.*s.json", (int)(dot - path), path)
			: xasprintf("%.*s.%ld.json", (int)(dot - path), path, n - 1);
	bool there = false;
	for (size_t i = 0; i < a->n && !there; i++)
		there = a->changes[i].new_mode && !strcmp(a->changes[i].path, before);
	there = there || (a->parent[0] && r->archived(r->ctx, a, before));
	free(before);
	return there;
}

void rules_archive_commit(struct rules *r, const struct rule_commit *a, bool unclaimed)
{
	char day[11], id[65];
	bool told = false;
	for (size_t i = 0; i < a->n; i++) {
		const struct rule_change *ch = &a->changes[i];
		told = true;
		if (!ch->new_mode)
			rule_tell(r, RULE_ARCHIVE_FROZEN, a, ch->path, "it was taken out of the archive");
		else if (ch->old_mode)
			rule_tell(r, RULE_ARCHIVE_FROZEN, a, ch->path, "it was changed in the archive");
		else if (!filed_as(ch->path, day, id))
			rule_tell(r, RULE_ARCHIVE_DAY, a, ch->path, "it is not filed as YYYY/MM/DD/ID.json");
		else if (!numbered_right(r, a, ch->path))
			rule_tell(r, RULE_ARCHIVE_DAY, a, ch->path,
				  "its number is not the next one of that id and day, as if it were the newest");
		else if (ch->new_mode != 0100644)
			rule_tell(r, RULE_FILE_MODE, a, ch->path, "mode %06o (expected 100644, a plain file)",
				  ch->new_mode);
		else
			told = false;
	}
	if (unclaimed && !told)
		rule_tell(r, RULE_ARCHIVE_LOST, a, a->n ? a->changes[0].path : "",
			  "no commit of the ledger accounts for this one of the archive");
}
