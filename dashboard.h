/* dashboard: a snapshot as a static site: snapshot -> bytes. No page needs a server: data stands in the page, and what
 * does not fit comes as scripts beside it, which a page opened from a folder can load too.
 *   index.html          tiles, charts, nodes, events, the newest tasks
 *   t/ID.html           a page for each of the newest tasks
 *   data/tasks.js       the tasks that are not in index.html
 *   data/archive.js     the names of those in the archive
 */
#ifndef DASHBOARD_H
#define DASHBOARD_H
#include "site/site.h"
#include "store/snapshot.h"

struct dashboard_options {
	const char *title;	    /* NULL: grid.json's, or the repository's name */
	const char *metrics, *feed; /* names of files beside the pages that they shall point to; NULL: none */
};
/* Adds all files to the site; nothing of the same snapshot and its time differs between two calls. */
int dashboard_build(const struct snapshot *s, const struct dashboard_options *o, struct site *site, struct err *e);
#endif
