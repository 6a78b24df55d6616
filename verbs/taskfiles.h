/* taskfiles: the files that a command line names, as tasks: one each, or all those of a flow (schema/flow.h).
 *   struct taskfiles f = {.group = ..., .by = ...}; taskfiles_read(&f, path, &ids, &texts, &problems, &e) ...
 *   -> doc = taskfiles_doc(&f, id, text, &problems) for each -> taskfiles_clear(&f)
 */
#ifndef TASKFILES_H
#define TASKFILES_H
#include "schema/flow.h"

struct taskfiles {
	const char *group; /* borrowed: in place of a flow's own; NULL: that */
	const char *by;	   /* borrowed: who submits */
	struct strs paths; /* the file of each row */
	struct flow flow;  /* the tasks of all flows */
};
/* Adds a row a task. e: the file cannot be read; what is wrong with a flow goes to p. */
int taskfiles_read(struct taskfiles *f, const char *path, struct strs *ids, struct strs *texts, struct problems *p,
		   struct err *e);
/* A row's document, with the lines of its file; NULL: it is none, which goes to p. The caller's. */
struct json *taskfiles_doc(const struct taskfiles *f, const char *id, const char *text, struct problems *p);
/* Who submits it and when, into the document and its text, where that does not say; the rest of the text stays byte for
 * byte. Nothing into one that is signed: its signatures would no longer hold. */
void taskfiles_stamp(const struct taskfiles *f, struct json *doc, char **text);
void taskfiles_clear(struct taskfiles *f);
#endif
