/* places: the refs that hold files, each written by one party alone.
 *   refs/dgrid/out/DAY/NODE/N  what a node's tasks wrote on a day (UTC): each push one commit more, whose message says
 *                              which task's tree stands under which name of its own tree. N counts from 1; it is 1
 *                              unless the node lost its store within the day
 *   refs/dgrid/in/TREE         an input: a commit without parent whose tree is TREE
 *   refs/dgrid/keep/NAME       outputs that somebody keeps for good
 *   refs/dgrid/ck/NONCE/TREE   a checkpoint of the run whose claim has that nonce: a commit likewise
 *   refs/dgrid/idle            since when inputs are named by nothing on the branch
 * Where a host takes heads only they are refs/heads/dgrid-out/... and so on. */
#ifndef PLACES_H
#define PLACES_H
#include <stdbool.h>
#include <stdint.h>

#define PLACE_OUT "refs/dgrid/out"
#define PLACE_IN "refs/dgrid/in"
#define PLACE_KEEP "refs/dgrid/keep"
#define PLACE_CHECKPOINT "refs/dgrid/ck"
#define PLACE_IDLE "refs/dgrid/idle"
#define PLACE_HEADS "refs/heads/dgrid-" /* in place of refs/dgrid/ */
#define PLACE_MAX 176			/* bytes of such a name, and the NUL */

struct place_out {
	char day[11], node[65]; /* "2026-11-29" */
	int64_t day_at;		/* UTC seconds at which that day began */
	int number;
};
bool place_out_parse(const char *ref, struct place_out *p); /* in either form; false: it is none */
void place_out_name(char ref[PLACE_MAX], const struct place_out *p, bool heads);
void place_day(int64_t utc_seconds, char day[11]);
bool place_in_parse(const char *ref, const char **tree); /* tree: the end of ref */
void place_in_name(char ref[PLACE_MAX], const char *tree, bool heads);
bool place_keep_parse(const char *ref, const char **name);
void place_keep_name(char ref[PLACE_MAX], const char *name, bool heads);
struct place_checkpoint {
	char nonce[33], tree[72];
};
bool place_checkpoint_parse(const char *ref, struct place_checkpoint *p);
void place_checkpoint_name(char ref[PLACE_MAX], const struct place_checkpoint *p, bool heads);
bool place_oid_valid(const char *oid); /* a whole object id: 40 or 64 of 0-9a-f */
#endif
