#include "verbs/land.h"
#include "git/push.h"

#define ROUNDS 60 /* others push meanwhile */

int land(struct ledger *l, int (*build)(struct ledger *l, void *ctx, struct err *e), void *ctx, bool *changed,
	 struct err *e)
{
	*changed = false;
	for (int round = 0; round < ROUNDS; round++) {
		if (round && ledger_sync(l, e))
			return -1;
		int made = build(l, ctx, e);
		if (made <= 0)
			return made;
		enum push_outcome got = push_branch(&l->git, l->branch, l->head, l->folder.ref != NULL, e);
		*changed = true;
		if (got == PUSH_LANDED)
			return 0;
		if (got != PUSH_RACED)
			return -1;
	}
	return err_set(e, ERR_RETRY, "the branch keeps moving; try again");
}

void land_sign_if_enrolled(struct ledger *l)
{
	struct err none;
	if (l->sign_key && ledger_may_sign(l, l->git.name, &none) != 0)
		ledger_sign_with(l, NULL, NULL, NULL);
}
