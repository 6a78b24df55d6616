/* settings: one setting of grid.json made of what it was, checked and landed in one commit. */
#ifndef SETTINGS_H
#define SETTINGS_H
#include "ledger.h"

/* make is asked at every new head for the setting's new value (the caller's, NULL: e is filled); was: what it is, NULL:
 * it is not set. */
int settings_land(struct ledger *l, const char *key,
		  struct json *(*make)(void *ctx, const struct json *was, struct err *e), void *ctx, bool *changed,
		  struct err *e);
#endif
