/* registry: which nodes the branch knows (nodes/NODE.json), and which schedules (schedules/NAME.json), as the ledger's
 * work tree has them. */
#ifndef REGISTRY_H
#define REGISTRY_H
#include "ledger.h"

void registry_ids(struct ledger *l, struct strs *out); /* of all that are registered, sorted */
/* nodes/NODE.json, the caller's; NULL when there is none (ERR_NOENT) or it is no JSON (ERR_DATA). */
struct json *registry_node(struct ledger *l, const char *node, struct err *e);
/* The bytes of any small file of the branch; ERR_NOENT: there is none. */
int registry_file(struct ledger *l, const char *path, struct buf *out, struct err *e);
int registry_ids_in(struct ledger *l, const char *folder, struct strs *out, struct err *e); /* "nodes/drain/"; sorted */
size_t registry_active(struct ledger *l); /* how many are registered, and have not left */

int registry_schedules(struct ledger *l, struct strs *out, struct err *e); /* the names of all, sorted */
/* The bytes of one; ERR_NOENT: there is none. */
int registry_schedule(struct ledger *l, const char *name, struct buf *out, struct err *e);
struct file_stamp registry_schedule_stamp(const struct ledger *l, const char *name);
#endif
