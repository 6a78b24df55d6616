/* screen: a terminal taken over for a page of its own, and the keys that are typed meanwhile.
 *   screen_possible("watch", e) || screen_begin() -> screen_key(), screen_put(...) ... -> screen_end()
 */
#ifndef SCREEN_H
#define SCREEN_H
#include "base/buf.h"
#include <stdbool.h>

enum { /* what is not a character */
       KEY_NONE,
       KEY_ENTER = '\n',
       KEY_ESCAPE = 27,
       KEY_ERASE = 127,
       KEY_UP = 0x100,
       KEY_DOWN,
       KEY_PAGE_UP,
       KEY_PAGE_DOWN,
       KEY_HOME,
       KEY_END
};
/* 0, or ERR_USAGE: stdout is no terminal that could be redrawn. what: who asks, "dgrid watch". */
int screen_possible(const char *what, struct err *e);
void screen_begin(void); /* an empty page, no cursor; keys come one by one, where stdin is a terminal */
void screen_end(void);	 /* all as it was */
/* What was typed next: a byte, or one of the above; KEY_NONE: nothing so far. */
int screen_key(void);
/* Appends a line of a page that is redrawn in place. last: what stood below it goes. */
void screen_line(struct buf *out, const char *text, size_t len, bool last);
void screen_put(struct buf *out); /* to the terminal, from its top */
#endif
