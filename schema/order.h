/* order: what people tell the grid: a node is drained (nodes/drain/NODE.json) or retired (nodes/retired/NODE.json), the
 * queue or a part of it is paused (tasks/paused.json). Documents alone are asked, so a worker before its claim, the
 * audit after it, and whoever tells why a task waits come to the same answer. A file that is there and makes no sense
 * holds whatever it could mean: the node is drained, the whole queue is paused.
 */
#ifndef ORDER_H
#define ORDER_H
#include "json.h"

#define ORDER_DRAINS "nodes/drain/"
#define ORDER_RETIRED "nodes/retired/"
#define ORDER_PAUSED "tasks/paused.json"
#define ORDER_REASON_MAX 200 /* bytes */
#define ORDER_PAUSES_MAX 200 /* more are no list of pauses: each task is held against all */

/* The document of such a file, never NULL. The caller's. */
struct json *order_parse(const char *text, size_t len);
/* "drained by ann since 2026-11-23T09:00:00Z: reason", as far as it is said; did: "drained". Cut when long. */
#define ORDER_WORDS 400
const char *order_words(const char *did, const struct json *order, char out[ORDER_WORDS]);
bool order_releases(const struct json *drain); /* what runs is given back */

/* New ones, made now; reason NULL: none. The caller's. */
struct json *order_drain(const char *by, const char *reason, bool release);
struct json *order_retirement(const char *by, const char *reason, const struct strs *keys); /* "TYPE BASE64" */
/* kind: "group" or "label", NULL: the whole queue */
struct json *order_pause(const char *by, const char *reason, const char *kind, const char *name);
struct json *order_pauses(const struct json *list); /* the file's document of an array of them */
bool order_reason_valid(const char *reason);	    /* text of one line */

bool order_pauses_many(const struct json *list); /* more than there may be */
/* The ith pause of tasks/paused.json; NULL: no more. What is no list of pauses is one of the whole queue. */
const struct json *order_pause_at(const struct json *paused, size_t i);
/* The pause that keeps this task from being claimed; NULL: none does (paused may be NULL). */
const struct json *order_pause_of(const struct json *paused, const struct json *task);
#define ORDER_NAME 160
const char *order_pause_name(const struct json *pause, char out[ORDER_NAME]); /* "the whole queue", "the group G" */

/* Is it one of the keys that a retired node had? text: "TYPE BASE64" */
bool order_had_key(const struct json *retired, const char *text);
#endif
