/* watchview: what dgrid watch shows, and the lines it is made of. Nothing here looks at the grid or at keys. */
#ifndef WATCHVIEW_H
#define WATCHVIEW_H
#include "verbs/statuspage.h"

enum watch_mode { WATCH_LIST, WATCH_FILTER, WATCH_TASK, WATCH_ASK };
struct watchview {
	struct statuspage page;
	int64_t every;		     /* seconds between two looks */
	enum watch_mode mode, under; /* under: what the question stands below */
	char trouble[600];	     /* "": the last look succeeded */
	char said[400];		     /* the last line, until the next key; "": what the keys do */
	const char *ask;	     /* the verb that is asked about */
	/* the list */
	char filter[64];
	bool failed_only;
	const struct selected **rows; /* of the page */
	struct strs lines;	      /* a row each, as it is drawn */
	char title[400];
	size_t n_rows, at, top;
	char id[65]; /* the task that is chosen; "": none */
	/* one task */
	struct strs text;
	size_t from;
	bool at_end; /* stays there as more comes */
	struct json *tails;
	struct strs above; /* lines above the list */
	bool stale;	   /* its lines are to be made anew: at another width, and as ages count on */
	int width, height; /* of the terminal */
};
/* The rows of the page that the filter leaves, and the chosen one among them. After each look, and each new filter. */
void watchview_rows(struct watchview *v);
void watchview_move(struct watchview *v, long by);		    /* the choice, or the text */
size_t watchview_body(const struct watchview *v);		    /* lines that the list, or the text, has room for */
const struct selected *watchview_chosen(const struct watchview *v); /* NULL: it is not on the page any more */
void watchview_draw(struct watchview *v);
void watchview_clear(struct watchview *v);
#endif
