/* heartbeat: a node's sign of life on a ref of its own, refs/dgrid/heartbeats/NODE: a commit without parent whose
 * message is the node's beat as JSON, pushed forced. It never touches the ledger branch. A host that takes only heads
 * gets refs/heads/dgrid-heartbeats/NODE, and one that refuses forced pushes gets beats that follow each other. All in
 * the background, from the event loop's timers. h = heartbeat_start(&git, "n1", say, ctx, 30000); ... heartbeat_now(h)
 * after a change ... heartbeat_stop(h)
 */
#ifndef HEARTBEAT_H
#define HEARTBEAT_H
#include "git/git.h"
#include "json.h"

#define HEARTBEAT_REF "refs/dgrid/heartbeats"
#define HEARTBEAT_FALLBACK "refs/heads/dgrid-heartbeats"

struct heartbeat;
/* say returns what to publish (the heartbeat frees it). may tells how many ms a beat that is due has to wait, 0: push
 * it now (NULL: always). Neither they nor tails may ask for a beat themselves, run git or wait (assert). git must
 * outlive it. every_ms: between beats. */
struct heartbeat *heartbeat_start(const struct git *g, const char *node, struct json *(*say)(void *ctx),
				  int64_t (*may)(void *ctx), void *ctx, int64_t every_ms);
/* The tails of what runs go along with each beat, in the same push, to refs/dgrid/tails/NODE (see tails.h). tails
 * returns what to publish (freed here), NULL for nothing. A host that declines them gets beats alone. */
void heartbeat_tails(struct heartbeat *h, struct json *(*tails)(void *ctx));
/* There is something new in the tails: the next beat comes least_ms after the last, unless it is due before. */
void heartbeat_news(struct heartbeat *h, int64_t least_ms);
void heartbeat_put_off(struct heartbeat *h);	 /* life was shown otherwise: the next beat is a whole interval away */
bool heartbeat_shown(const struct heartbeat *h); /* the first beat has been published */
int64_t heartbeat_shown_at(const struct heartbeat *h); /* when the last one was made that was, monotonic ms; 0: none */
bool heartbeat_busy(const struct heartbeat *h);	       /* git is at work for it */
void heartbeat_every(struct heartbeat *h, int64_t every_ms); /* from the next beat on */
void heartbeat_now(struct heartbeat *h);		     /* as soon as the one under way has ended */
unsigned heartbeat_pushes(const struct heartbeat *h);
/* No beat begins any more; waits for a push under way, until given_up (NULL: never) says true. */
void heartbeat_quiet(struct heartbeat *h, bool (*given_up)(void));
/* The same, and frees it. remove: takes the ref away, once the node's file says that it left: before that the ref may
 * not go. */
void heartbeat_stop(struct heartbeat *h, bool remove, bool (*given_up)(void));

/* The beats of all nodes. oid changes with every beat, whatever the node's clock says. Anyone may push a ref there: of
 * each no more is kept than what a beat says, and what is too large, or no beat, has no doc. */
struct beat {
	char node[65], oid[72];
	struct json *doc; /* NULL: it cannot be read */
};
struct beats {
	struct beat *v;
	size_t n;
};
extern const char *const heartbeat_specs[]; /* what to fetch, NULL-terminated, for who fetches more in one go */
int heartbeats_fetch(const struct git *g, struct err *e);		    /* from origin */
int heartbeats_read(const struct git *g, struct beats *out, struct err *e); /* as fetched, or in place */
void heartbeats_clear(struct beats *b);
const struct json *heartbeats_of(const struct beats *b, const char *node); /* NULL: none */
struct json *heartbeat_of_commit(const char *commit, size_t len); /* the bytes of one; NULL: no beat; the caller's */
/* There is something where its beat should be, and it cannot be read: that is no silence. */
bool heartbeats_unread(const struct beats *b, const char *node);
#endif
