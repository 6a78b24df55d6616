#include "worker/nodekey.h"
#include "base/clock.h"
#include "base/log.h"
#include "schema/keys.h"
#include "store/trust.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell_how_to_enrol(const struct nodekey *k, const char *public_half)
{
	log_at(LOG_WARN, "worker", "to enrol this node, somebody who may push to the branch types:");
	log_at(LOG_WARN, "worker", "  dgrid enroll %s '%s'", k->node, public_half);
	log_at(LOG_WARN, "worker",
	       "or merges a pull request that adds the file " KEYS_FOLDER "%s.pub, which is this line:", k->node);
	log_at(LOG_WARN, "worker", "  %s", public_half);
	log_at(LOG_WARN, "worker", "the node begins by itself when the branch has it");
}

/* Makes the ledger sign with the key as its file has it now. */
static int load(struct nodekey *k, struct ledger *l, struct err *e)
{
	const char *path = k->given ? k->given : k->path;
	int there = file_there(path, e);
	if (there < 0)
		return -1;
	if (!k->given && !there) {
		if (trust_make_key(path, k->node, e))
			return -1;
		log_at(LOG_INFO, "worker", "made a key for this node: %s", path);
	}
	struct file_stamp now = file_stamp(path);
	if (l->sign_key && file_stamp_equal(&now, &k->stamp))
		return 0;
	char *public_half = trust_public(path, e), *full = realpath(path, NULL); /* git runs elsewhere */
	if (public_half) {
		k->stamp = now;
		ledger_sign_with(l, full ? full : path, public_half, NULL);
	}
	int rc = public_half ? 0 : -1;
	free(public_half);
	free(full);
	return rc;
}

/* The audit holds a name to one role. */
static bool is_person(const struct ledger *l, const char *node, struct err *e)
{
	char *path = xasprintf("%s/" PEOPLE_FOLDER "%s.pub", l->git.dir, node);
	int there = file_there(path, e);
	if (there > 0)
		err_set(e, ERR_PERM, "'%s' is the name of a person (" PEOPLE_FOLDER "%s.pub): give the node another",
			node, node);
	free(path);
	return there != 0;
}

bool nodekey_check(struct nodekey *k, struct ledger *l, const struct grid_config *c, struct selfcheck *fit)
{
	struct err e;
	char why[sizeof fit->barred] = "";
	bool was = fit->barred[0], unknown = false;
	l->signs_as = KEYS_NODE;
	int rc = 0;
	if (k->given || c->require_signed_nodes)
		rc = load(k, l, &e);
	if (!rc && is_person(l, k->node, &e))
		rc = -1;
	if (!rc && c->require_signed_nodes) {
		rc = keys_enrolled(l->git.dir, k->node, l->sign_public, KEYS_NODE, &e);
		unknown = rc != 0;
	}
	if (rc)
		snprintf(why, sizeof why, "%.*s", (int)sizeof why - 1, e.msg);
	if (!strcmp(why, fit->barred))
		return false;
	memcpy(fit->barred, why, sizeof why);
	if (why[0])
		selfcheck_pause(fit, why);
	if (unknown)
		tell_how_to_enrol(k, l->sign_public);
	if (was && !why[0])
		fit->check_at = clock_mono_ms(); /* is there other trouble? */
	return true;
}
