#include "store/attest.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "schema/dsse.h"
#include "schema/provenance.h"
#include "schema/task.h"
#include "store/line.h"
#include "store/trust.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (4u << 20)
#define LISTED 200     /* differences that are told */
#define SHOWN_BYTES 80 /* of a value */

struct attesting {
	const char *key, *to, *at, *verify, *id;
	bool json;
	struct snapshot s;
	struct attest a;
	/* --verify */
	struct json *envelope, *statement, *differences;
	struct buf payload;
	size_t n_differences;
	struct attest_signer by;
};

static int options(struct attesting *a, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_attest, .argc = argc, .argv = argv};
	int key;
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'j':
			a->json = true;
			break;
		case 't':
			a->at = s.value;
			break;
		case 'k':
			a->key = s.value;
			break;
		case 'o':
			a->to = s.value;
			break;
		case 'v':
			a->verify = s.value;
			break;
		}
	if (key < 0 || usage_operands(&s, a->verify ? 0 : 1, e))
		return -1;
	a->id = s.rest < argc ? argv[s.rest] : NULL;
	if (a->verify ? a->key || a->to : a->json)
		return err_set(e, ERR_USAGE,
			       a->verify ? "--verify signs and writes nothing: not with --key or --output"
					 : "--json is for --verify (an attestation is JSON)");
	if (!a->verify && !a->id)
		return err_set(e, ERR_USAGE, "expected the id of a finished task, or --verify FILE");
	return 0;
}

/* With the whole history, which snapshots of remotes have of a named commit only. Keys count by the time of now, or of
 * what --at names; a commit that was dated back does not make an expired one count. */
static int open_whole(struct attesting *a, const struct context *ctx, struct err *e)
{
	int64_t newest;
	if (need_repo(ctx, e))
		return -1;
	char *branch = xasprintf("refs/heads/%s", ctx->branch);
	int rc = open_snapshot(ctx, a->at ? a->at : branch, &a->s, e);
	a->s.git.as_is = true;
	if (!rc && a->at && !(rc = line_newest(&a->s.git, a->s.commit, NULL, &newest, e)))
		a->s.now = newest > a->s.now ? newest : a->s.now;
	if (!rc && (!a->at || a->s.now > clock_now()))
		a->s.now = clock_now();
	free(branch);
	return rc;
}

/* ---- making one ---- */

static int write_out(const struct attesting *a, const struct json *envelope, struct err *e)
{
	struct buf b = {0};
	int rc = 0;
	json_write(&b, envelope, 0);
	buf_adds(&b, "\n");
	if (a->to)
		rc = file_write(a->to, b.data, b.len, e);
	else
		fwrite(b.data, 1, b.len, stdout);
	buf_clear(&b);
	return rc;
}

static int attest(struct attesting *a, const struct context *ctx, struct err *e)
{
	const struct git here = {.dir = (char *)ctx->dir, .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char why[320];
	int rc = -1;
	if (!task_id_valid(a->id))
		return err_set(e, ERR_NOENT, "no task '%.80s' in this grid", a->id);
	if (open_whole(a, ctx, e) || attest_read(&a->s.git, a->s.commit, a->id, NULL, &a->a, e))
		return -1;
	char *key = a->key ? xstrdup(a->key) : trust_default_key(&here, e);
	if (key && (a->envelope = attest_sign(&a->a, key, e)))
		rc = 0;
	/* What nobody could check is not written. */
	if (!rc && dsse_read(a->envelope, PROVENANCE_PAYLOAD, &a->payload, why)) {
		int good = attest_signer(&a->s.git, a->s.commit, a->s.now, a->envelope, &a->payload, &a->by, why, e);
		rc = good < 0 ? -1 : 0;
		if (!good)
			rc = err_set(e, ERR_PERM,
				     "the key '%s' is none that this grid enrols: %s (enrol it with: dgrid enroll NODE "
				     "KEY.pub, or --person NAME KEY.pub)",
				     key, why);
	}
	free(key);
	return rc ? -1 : write_out(a, a->envelope, e);
}

/* ---- checking one ---- */

static int read_envelope(struct attesting *a, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	char why[240];
	int rc = file_read_named(a->verify, FILE_MAX, &b, e);
	if (!rc && !(a->envelope = json_parse(b.data ? b.data : "", b.len, &je)))
		rc = err_set(e, ERR_DATA, "%s:%u:%u: %s", a->verify, je.line, je.col, je.msg);
	else if (!rc && !dsse_read(a->envelope, PROVENANCE_PAYLOAD, &a->payload, why))
		rc = err_set(e, ERR_DATA, "%s is no attestation: %s", a->verify, why);
	buf_clear(&b);
	return rc;
}

/* Of a signed text: what is it about? */
static int read_statement(struct attesting *a, const char **id, const char **commit, struct err *e)
{
	struct json_error je;
	char why[200];
	if (!(a->statement = json_parse(a->payload.data ? a->payload.data : "", a->payload.len, &je)))
		return err_set(e, ERR_DATA, "%s: payload:%u:%u: %s", a->verify, je.line, je.col, je.msg);
	if (!provenance_of(a->statement, id, commit, why))
		return err_set(e, ERR_DATA, "%s: payload: %s", a->verify, why);
	if (!task_id_valid(*id))
		return err_set(e, ERR_NOENT, "%s: no task '%.80s' in this grid", a->verify, *id);
	return 0;
}

static void put_value(struct buf *out, const struct json *j)
{
	struct buf b = {0};
	if (!j) {
		buf_adds(out, "nothing");
		return;
	}
	json_write(&b, j, 0);
	text_clean(out, b.data, b.len, SHOWN_BYTES);
	buf_clear(&b);
}

static void differs(void *ctx, const char *path, const struct json *found, const struct json *expected)
{
	struct attesting *a = ctx;
	struct buf line = {0};
	if (a->n_differences++ >= LISTED)
		return;
	struct json *one = json_new(JSON_OBJECT);
	json_set(one, "field", json_new_str(path));
	json_set(one, "found", found ? json_copy(found) : json_new(JSON_NULL));
	json_set(one, "ledger", expected ? json_copy(expected) : json_new(JSON_NULL));
	json_append(a->differences, one);
	if (a->json)
		return;
	text_clean(&line, path, strlen(path), 200);
	buf_adds(&line, ": found ");
	put_value(&line, found);
	buf_adds(&line, ", the ledger has ");
	put_value(&line, expected);
	puts(line.data);
	buf_clear(&line);
}

static void tell(const struct attesting *a, const char *id)
{
	static const char *const as[] = {"node", "person", "allowed_signers"};
	static const char *const words[] = {"a key of that node", "a key of that person", "allowed_signers"};
	if (!a->json && !a->n_differences) {
		printf("%s: task %s, claimed in %.10s, ended in %.10s by node %s: as the ledger has it\n", a->verify,
		       id, a->a.claim, a->a.result, a->a.node);
		fputs("signed by ", stdout);
		put_clean(a->by.who, sizeof a->by.who);
		printf(" (%s, %s)\n", a->by.key, words[a->by.as]);
	}
	if (!a->json)
		return;
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "schema", json_new_int(1));
	json_set(j, "verdict", json_new_str(a->n_differences ? "differs" : "good"));
	json_set(j, "task_id", json_new_str(id));
	json_set(j, "claim", json_new_str(a->a.claim));
	json_set(j, "result", json_new_str(a->a.result));
	json_set(j, "node", json_new_str(a->a.node));
	json_set(j, "signed_by", json_new_str(a->by.who));
	json_set(j, "signed_as", json_new_str(as[a->by.as]));
	json_set(j, "key", json_new_str(a->by.key));
	json_set(j, "differences", json_copy(a->differences));
	put_json(j);
	json_free(j);
}

/* Nobody's key made it. Perhaps it was somebody's when the result came. */
static int unsigned_by(struct attesting *a, const char *why, struct err *e)
{
	const char *id, *commit;
	struct err none;
	char then[320], there[72];
	bool was = !a->at && !read_statement(a, &id, &commit, &none) && git_resolve(&a->s.git, commit, there) &&
		   attest_signer(&a->s.git, there, a->s.now, a->envelope, &a->payload, &a->by, then, &none) == 1;
	if (was)
		return err_set(e, ERR_NO,
			       "%s: no signature counts: the key %s is not enrolled any more; it was when the result "
			       "came (by the keys of then: --at %.10s)",
			       a->verify, a->by.key, there);
	return err_set(e, ERR_NO, "%s: no signature counts: %s", a->verify, why);
}

static int verify(struct attesting *a, const struct context *ctx, struct err *e)
{
	const char *id, *commit;
	char why[320] = "";
	if (read_envelope(a, e) || open_whole(a, ctx, e))
		return -1;
	int good = attest_signer(&a->s.git, a->s.commit, a->s.now, a->envelope, &a->payload, &a->by, why, e);
	if (good < 0 || (!good && unsigned_by(a, why, e)) || read_statement(a, &id, &commit, e))
		return -1;
	if (attest_read(&a->s.git, a->s.commit, id, commit, &a->a, e))
		return err_wrap(e, "%s", a->verify);
	a->differences = json_new(JSON_ARRAY);
	provenance_compare(a->statement, a->a.statement, a, differs);
	tell(a, id);
	return a->n_differences ? err_set(e, ERR_NO, "%s differs from the ledger in %zu field%s", a->verify,
					  a->n_differences, a->n_differences == 1 ? "" : "s")
				: 0;
}

static int cmd_attest(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct attesting a = {0};
	int rc = options(&a, argc, argv, e);
	if (!rc)
		rc = a.verify ? verify(&a, ctx, e) : attest(&a, ctx, e);
	attest_clear(&a.a);
	json_free(a.envelope);
	json_free(a.statement);
	json_free(a.differences);
	buf_clear(&a.payload);
	snapshot_close(&a.s);
	return rc;
}

const struct verb verb_attest = {
    .name = "attest",
    .args = "[--key FILE] [-o FILE] [--at REV|DATE] ID | --verify FILE [--json] [--at REV|DATE]",
    .summary = "write or check a signed statement of what ran, where, with which inputs",
    .about =
	"Writes what the ledger records of a finished task's run, archived or not, as an in-toto Statement v1 with the "
	"SLSA provenance v1 predicate, in a DSSE envelope signed with the SSH key of a node or a person "
	"(docs/AUDIT.md). A key that is not enrolled in the grid is refused, since nobody could verify it.\n\nWith "
	"--verify, checks that an enrolled key (enrolled now, or with --at at that time) signed the statement, and "
	"that each field matches the ledger. A clone or a copy on disk is enough (--repo FOLDER); nothing is fetched.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    USAGE_JSON,
	    USAGE_AT,
	    {'k', "-k, --key", "FILE", "@files",
	     "the SSH key to sign with; default: $DGRID_SIGNING_KEY, git's user.signingKey, ~/.ssh/id_ed25519 and the "
	     "like; a node's is node_key in its work directory"},
	    {'o', "-o, --output", "FILE", "@files", "the file to write; default: stdout"},
	    {'v', "--verify", "FILE", "@files", "check this statement (-: stdin) instead"},
	    {0}},
    .operands = "@tasks:completed,failed",
    .examples =
	(const struct usage_note[]){{"dgrid attest -o hello.intoto.json hello", ""},
				    {"dgrid attest --key ~/.dgrid/node_key hello", "by the node itself"},
				    {"dgrid --repo copy.git attest --verify hello.intoto.json", "without a network"},
				    {0}},
    .exits =
	(const struct usage_note[]){{"0", "written; with --verify: signed, and it matches the ledger"},
				    {"1", "the task never ran; with --verify: a field differs, or no signature counts"},
				    {"65", "the file is not such a statement"},
				    {"66", "no such task, file or key"},
				    {"69", "the repository is shallow, or the remote or ssh-keygen does not answer"},
				    {"77", "the key cannot sign, or the grid does not enrol it"},
				    {0}},
    .run = cmd_attest,
};
