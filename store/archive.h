/* archive: the branch "archive", where finished tasks go once the ledger branch holds enough of them:
 * YYYY/MM/DD/ID.json by the day (UTC) each ended. An id that ended twice on one day is ID.2.json the second time.
 * Its totals stand on the ledger branch (tasks/archive.json), so that most readers never need the archive itself.
 *   archive_open(&g, dir, url, NULL, &err) -> archive_find(&g, id, &err)               readers
 *   archive_open(&g, dir, url, clone, &err) -> archive_push(&g, ...)                   who moves tasks there
 */
#ifndef ARCHIVE_H
#define ARCHIVE_H
#include "git/git.h"
#include "json.h"

#define ARCHIVE_BRANCH "archive"
#define ARCHIVE_TOTALS "tasks/archive.json"

/* Makes dir a bare repository with the newest trees of the archive, without the files' contents where the host can
 * leave them out (what is read comes when it is asked for). clone: the .git of a clone whose objects are to be seen
 * too, NULL: none. g gets dir; the caller clears it with archive_close, also after an error. A grid without an archive
 * is no error. */
int archive_open(struct git *g, const char *dir, const char *url, const char *clone, struct err *e);
void archive_close(struct git *g);
/* The newest archived task of that id, and where it stands (YYYY/MM/DD/ID.json). NULL: none (e->class is ERR_NOENT),
 * or another error. */
struct json *archive_find(const struct git *g, const char *id, char path[128], struct err *e);
/* The same without its text, by any ref of any repository: 1 (path is filled), 0 (not there, or no such ref), -1. */
int archive_lists(const struct git *g, const char *ref, const char *id, char path[128], struct err *e);
/* The same of the archive as a person's clone has it, their own or origin's. */
int archive_lists_here(const struct git *g, const char *id, char path[128], struct err *e);

/* Many at once: of each id the newest. */
struct archive_query {
	char *const *ids; /* which; NULL: all there are */
	size_t n;
	int64_t since;	  /* only of that day and later (UTC seconds); 0: all */
	int64_t until;	  /* as it was at that time (UTC seconds); 0: now */
	bool docs;	  /* read them too, by one process; what is not here yet comes by one fetch */
	const char *word; /* of those only such as have it somewhere in their text; NULL: all */
};
struct archive_found {
	const char *id, *path; /* YYYY/MM/DD/ID.json */
	size_t asked;	       /* which of ids it is */
	struct json *doc;      /* the callee's; NULL: not asked for, or no valid JSON */
};
int archive_look(const struct git *g, const struct archive_query *q,
		 void (*on_found)(void *ctx, const struct archive_found *f), void *ctx, struct err *e);

/* The paths of all that was archived up to a time (UTC seconds). */
int archive_list(const struct git *g, int64_t until, void (*on_path)(void *ctx, const char *path), void *ctx,
		 struct err *e);

struct archive_item {
	char id[65];
	bool failed;				   /* stands in failed/, else in completed/ */
	char oid[72];				   /* its blob */
	int64_t finished_at;			   /* UTC seconds */
	int64_t duration_ms, cpu_ms;		   /* cpu_ms: 0: not known */
	struct json *outliers;			   /* {NODE: times} of its votes; owned, NULL: none */
	int64_t retried_completed, retried_failed; /* how often it had ended before it was tried again by hand */
};
void archive_day(int64_t utc_seconds, char sep, char out[16]); /* "2026/11/23", with that separator */
/* Fills times and counts of item from its document (NULL: there is none that can be read); now: UTC seconds. */
void archive_read(struct archive_item *item, const struct json *doc, int64_t now);
/* The totals with one more task. totals: the document of ARCHIVE_TOTALS, an empty object at first. */
void archive_count(struct json *totals, const struct archive_item *item);
/* Moves the items, which stand in commit head of branch, in one atomic push of both branches. totals: the new text of
 * ARCHIVE_TOTALS. made: the ledger's new commit, "" when there was nothing to push. e is filled for all but
 * PUSH_LANDED. */
enum push_outcome archive_push(const struct git *g, const char *who, const char *branch, const char *head,
			       const struct archive_item *items, size_t n, const char *totals, char made[72],
			       struct err *e);
#endif
