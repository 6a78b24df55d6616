#include "audit/rule.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "schema/keys.h"
#include "schema/order.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SETTINGS_SLACK_SECONDS 3600 /* a node may work by settings that were valid a while ago */
#define PUSH_DELAY_SECONDS 300	    /* from what a document says to its commit, and what one machine's clock may jump */

static const struct rule rules[RULE_N] = {
    [RULE_PLACE_ONE] = {"place.one", "an id stands in one folder only, at every commit"},
    [RULE_PLACE_MOVE] =
	{"place.move", "a task moves as dgrid moves it: into unapproved or the queue; unapproved to queue (promoted, "
		       "approved) or failed (invalid, cancelled); queue to in_progress (claimed) or failed (cancelled, "
		       "invalid, expired: its `deadline` has passed); in_progress to completed or failed (ended), or "
		       "back (released, lost, unstartable, "
		       "tried again, voted); completed or failed to the queue (retried) or into the archive"},
    [RULE_PLACE_PATH] = {"place.path",
			 "below `tasks/` stand `FOLDER/ID.json`, `paused.json` and the folders' `.gitkeep` and "
			 "README only, by names that no git and no file system reads otherwise: none twice, none "
			 "that differs from another by upper and lower case alone, none that looks like "
			 "`tasks`, `nodes`, `schedules`, `grid.json` or `allowed_signers` and is not; no file or "
			 "link stands for a folder, and no folder for a file"},
    [RULE_FILE_MODE] = {"file.mode",
			"task files, node files, keys, schedules and `grid.json` are plain files (mode 100644): no "
			"link, no submodule, not executable"},
    [RULE_FILE_JSON] = {"file.json", "what dgrid wrote (`in_progress`, `completed`, `failed`, `nodes`) is an object in "
				     "JSON, under its own name"},
    [RULE_DOC_FIELDS] = {"doc.fields", "claims, entries of `attempts`, results, node files and the like have only the "
				       "members that dgrid writes, each in its form"},
    [RULE_COMMIT_FORM] = {"commit.form", "a commit names an author and a committer, in UTF-8 or an encoding of single "
					 "bytes (ISO 8859, Windows-125x, KOI8)"},
    [RULE_COMMIT_TIME] = {"commit.time", "no commit is of a time that is still to come; what a node commits is not "
					 "dated before what came before it"},
    [RULE_TASK_FIELDS] = {"task.fields",
			  "no submitted field changes once the task is in the grid, by promotion "
			  "neither; dgrid's own fields change only with the step they belong to; a person "
			  "may end a wait (`not_before`)"},
    [RULE_TASK_SIGNED] =
	{"task.signed", "with `require_signed_tasks` only tasks with a signature that counts are promoted and claimed"},
    [RULE_SECRET_SIGNED] = {"secret.signed", "a task with `secrets` is claimed only with a signature that counts, and "
					     "nothing of what it prints is kept but its length and hash"},
    [RULE_NETWORK_ALLOWED] =
	{"network.allowed",
	 "a task with `network` is claimed only with a signature that counts, while `grid.json` of the "
	 "parent names that network, by a node whose file offers it; its result names it, and no "
	 "other's names any"},
    [RULE_CLAIM_NODE] = {"claim.node", "a claim names a node that is registered, in a commit of that node's"},
    [RULE_CLAIM_NONCE] = {"claim.nonce", "a claim's nonce is 32 hex digits and was never used before"},
    [RULE_CLAIM_ATTEMPT] = {"claim.attempt", "a claim's attempt is the next one, and within `max_attempts`"},
    [RULE_CLAIM_TIME] = {"claim.time", "`claimed_at` is the time of the claim's commit, `lease_until` lies after it "
				       "and not beyond what the settings give"},
    [RULE_CLAIM_TASK] = {"claim.task",
			 "what is claimed is a valid task by the settings, whose `not_before` and "
			 "`start_after` have come and whose `deadline` has not passed, and the node carries "
			 "its labels"},
    [RULE_CLAIM_LIMITS] = {"claim.limits",
			   "with `require_limits` a node whose file says that it does not enforce limits "
			   "claims nothing, and no run goes without them"},
    [RULE_CLAIM_RENEWAL] = {"claim.renewal",
			    "a claim is renewed by its node only; only `lease_until` changes, and only "
			    "forward"},
    [RULE_CLAIM_DRAINED] = {"claim.drained", "no commit claims for a node that `nodes/drain` of its parent names"},
    [RULE_CLAIM_PAUSED] = {"claim.paused", "no commit claims a task that `tasks/paused.json` of its parent pauses"},
    [RULE_NEEDS_KNOWN] = {"needs.known",
			  "what comes to the queue waits for tasks of the branch only, and none for itself by "
			  "way of others"},
    [RULE_NEEDS_CLAIM] = {"needs.claim",
			  "what is claimed has all its `needs` in completed, and all it comes `after` ended as "
			  "the claim says"},
    [RULE_NEEDS_SKIP] = {"needs.skip", "what is skipped needs a task that is in failed, and names it"},
    [RULE_NEEDS_KEPT] = {"needs.kept", "what a task waits for stays on the branch until that task has ended"},
    [RULE_INPUT_PINNED] = {"input.pinned", "what a task is given of others is what their results say that they left"},
    [RULE_CHECKPOINT_PINNED] =
	{"checkpoint.pinned",
	 "a run is given the newest checkpoint that the attempts of its task show, or none where a person wanted none; "
	 "what "
	 "a claim says it saved stands on a ref of its own, within `out_mb`; without `checkpoint` there are none"},
    [RULE_GROUP_LIMIT] = {"group.limit",
			  "with what a commit claims, no more run of a concurrency group, with a label or of a "
			  "submitter than `grid.json` of its parent and the claimed task's `max_running` give"},
    [RULE_RESULT_CLAIM] = {"result.claim", "a result stands under the claim's node, nonce and attempt, in a commit of "
					   "that node's"},
    [RULE_RESULT_TIME] = {"result.time", "a run begins after its claim, ends after it began, and before its commit"},
    [RULE_RESULT_PARTS] = {"result.parts", "a run's status, exit code and signal agree, its output is what its length "
					   "and hash say, and it took no longer than it may have"},
    [RULE_RESULT_POINTS] = {"result.points",
			    "a result has an entry for each point of its task, in order, each as sound as "
			    "a result; the whole follows from them"},
    [RULE_RESULT_TASK] = {"result.task", "a result is of the task's script, in an image that the task or the settings "
					 "name, within the limits that they give"},
    [RULE_RESULT_FOLDER] = {"result.folder", "success stands in completed, every other known status in failed"},
    [RULE_RESULT_FROZEN] = {"result.frozen",
			    "no result is rewritten or removed: a finished task leaves only by a retry "
			    "or into the archive"},
    [RULE_OUT_FORM] = {"out.form", "`out` of a result is a tree's id, counts within the `out_mb` that the run was "
				   "given, with what a store has of it, "
				   "and the ref of its node and of a day from the run's end to the commit; of a "
				   "disputed result it has no ref"},
    [RULE_OUT_FALSE] = {"out.false",
			"with `--objects`: the ref that `out` of a result names has that tree, of that run; one that "
			"is no longer there is passed by"},
    [RULE_ATTEMPTS_GROW] = {"attempts.grow",
			    "`attempts` only grows, by the one entry of the claim that ended, with its "
			    "node, nonce and attempt; a new task has none"},
    [RULE_ATTEMPTS_RETRY] = {"attempts.retry", "a finished task goes back to the queue only by a person, with a "
					       "`retried` entry that says who"},
    [RULE_ORPHAN_EVIDENCE] = {"orphan.evidence", "a claim is ended by another than its node only with evidence that "
						 "the ledger and the commit's time bear out"},
    [RULE_CANCEL_NOTE] = {"cancel.note", "a task is cancelled only with a note that a person made, under that name"},
    [RULE_PROMOTE_MERGED] = {"promote.merged", "`approved_by` names the commit of the first-parent line that brought "
					       "the file, its author and committer; nobody changes it later"},
    [RULE_ARCHIVE_LOST] = {"archive.lost", "what leaves for the archive stands there, as the same blob, and nothing "
					   "else does"},
    [RULE_ARCHIVE_FROZEN] = {"archive.frozen", "the archive only grows"},
    [RULE_ARCHIVE_DAY] = {"archive.day", "an archived task stands under the day (UTC) on which it ended"},
    [RULE_ARCHIVE_TOTALS] = {"archive.totals",
			     "`tasks/archive.json` changes only with archiving, by exactly what left"},
    [RULE_NODE_FILE] = {"node.file", "`nodes/NODE.json` is written by NODE's own commits only"},
    [RULE_NODE_SCOPE] = {"node.scope",
			 "a node's commit changes tasks, its own node file and `last` of schedules, nothing else"},
    [RULE_NODE_RETIRED] =
	{"node.retired", "a retired node stays so: its mark in `nodes/retired` is not changed, no node file and no key "
			 "has its name, nobody has its keys, and no commit is its"},
    [RULE_ORDER_BY] = {"order.by", "a drain, a pause or a retirement names who committed it, and that time"},
    [RULE_NODE_ROOM] = {"node.room",
			"what a commit claims is within what its node offers, beside all else that the node holds: "
			"processors, memory, disk and each resource (what is claimed `ahead` waits for room; a node "
			"file without `offer` is not judged)"},
    [RULE_BUILD_ORDER] =
	{"build.order",
	 "with `require_signed_tasks` a signed order to build an image comes within a day of its "
	 "`ordered_at`, by the newest date so far, and is newer than others that stood there in that day"},
    [RULE_SCHEDULE_FIRE] = {"schedule.fire",
			    "a node changes of a schedule only `last`, forward, to an instant of its `cron` that has "
			    "come, and queues exactly "
			    "the tasks that `cron`, `missed` and `overlap` give from the old one to that, each equal "
			    "to the template; no other "
			    "task says that a schedule had it queued, but one that a person asked for, at that time"},
    [RULE_SIGNED_COMMIT] =
	{"signed.commit",
	 "with `require_signed_nodes` whatever changes `in_progress`, `completed`, "
	 "`failed`, node files, `last` of a schedule, drains, pauses, retired nodes or the archive is "
	 "signed by a key of WHO's: of a node in `nodes/keys/WHO.pub` of the parent commit, of a person in "
	 "`nodes/people/WHO.pub`"},
    [RULE_SIGNED_KEY] =
	{"signed.key", "no node's commit changes `nodes/keys` or `nodes/people`; a name is a node's or a person's, not "
		       "both, a key stands under one name, and `nodes/people` stays once it is there"},
    [RULE_VOTE_NODE] = {"vote.node", "a node votes once for a task, until somebody retries it"},
    [RULE_VOTE_COMMITMENT] = {"vote.commitment", "a vote carries a well-formed commitment and nothing of its run's "
						 "output"},
    [RULE_VOTE_QUORUM] = {"vote.quorum", "a quorum's result is the one that as many commitments open to as it says; "
					 "disputed is only what all replicas have voted for without a quorum; who is "
					 "called an outlier is one"},
    [RULE_HISTORY_REWRITTEN] = {"history.rewritten", "what was audited before is on the first-parent line still, of "
						     "the ledger and of the archive"},
    [RULE_HISTORY_ASIDE] = {"history.aside",
			    "a merge goes on from the line that the grid had: no claim, result or node file "
			    "of another parent's own stands beside it"},
    [NOTICE_BEGIN] = {"notice.begin", "the history begins with tasks that stand in the grid already: nothing shows how "
				      "they came there"},
    [NOTICE_MERGE] = {"notice.merge", "a merge: it is judged by what it changes on the first-parent line"},
    [NOTICE_SETTINGS] = {"notice.settings",
			 "`grid.json` changed; signatures that are required from there on, or no more, are named"},
    [NOTICE_SIGNERS] = {"notice.signers", "`allowed_signers` changed"},
    [NOTICE_KEYS] = {"notice.keys",
		     "`nodes/keys` or `nodes/people` changed; keys that came and went are named by fingerprint"},
    [NOTICE_SCHEDULE] = {"notice.schedule", "a person added, changed or removed a schedule"},
    [NOTICE_WORKFLOW] = {"notice.workflow", "a workflow of the host, or what another build service would run, changed"},
    [NOTICE_OUTSIDE] = {"notice.outside", "files outside the ledger changed"},
    [NOTICE_REMOVED] = {"notice.removed", "a person removed a queued task, a submission or a node's file"},
    [NOTICE_EDITED] = {"notice.edited",
		       "a person changed a submission that waits in unapproved, or the file of a queued task"},
    [NOTICE_REUSED] = {"notice.reused", "an id was used again, after a task of that name had left the grid: for the "
					"archive (`submit --replace`), or taken back"},
    [NOTICE_WORD] = {"notice.word",
		     "an older program cancelled a running task and wrote down no evidence that its node was dead"},
};

const struct rule *rule_at(enum rule_id r)
{
	return r < RULE_N ? &rules[r] : NULL;
}

int rule_find(const char *id)
{
	for (int i = 0; i < RULE_N; i++)
		if (!strcmp(rules[i].id, id))
			return i;
	return -1;
}

void rule_tell(const struct rules *r, enum rule_id rule, const struct rule_commit *c, const char *path, const char *fmt,
	       ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	r->tell(r->ctx, rule, c, path, text);
}

/* ---- paths ---- */

static bool starts(const char *path, const char *with)
{
	return !strncmp(path, with, strlen(with));
}

/* "ID.json" with nothing after: the id into out. */
static bool id_of(const char *base, char out[65])
{
	size_t n = strlen(base);
	if (n <= 5 || n > 69 || strcmp(base + n - 5, ".json") != 0)
		return false;
	snprintf(out, 65, "%.*s", (int)(n - 5), base);
	return task_id_valid(out);
}

static bool keeper(const char *base)
{
	static const char *const names[] = {".gitkeep", ".gitignore", "README", "README.md"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(base, names[i]))
			return true;
	return false;
}

static void classify_task(struct rule_change *ch)
{
	const char *rest = ch->path + strlen("tasks/");
	ch->kind = RULE_BAD_PATH;
	if (!strcmp(rest, "archive.json"))
		ch->kind = RULE_TOTALS;
	else if (!strcmp(ch->path, ORDER_PAUSED))
		ch->kind = RULE_PAUSED;
	else if (keeper(rest))
		ch->kind = RULE_KEEP;
	for (int s = 0; s < TASK_N_STATES; s++) {
		const char *name = task_state_name((enum task_state)s);
		size_t n = strlen(name);
		if (strncmp(rest, name, n) != 0 || rest[n] != '/')
			continue;
		if (id_of(rest + n + 1, ch->id)) {
			ch->kind = RULE_TASK;
			ch->state = (enum task_state)s;
		} else if (keeper(rest + n + 1))
			ch->kind = RULE_KEEP;
	}
}

/* Other files may stand there, but none in a folder under a schedule's name. */
static void classify_schedule(struct rule_change *ch)
{
	const char *base = ch->path + strlen(PERIODIC_FOLDER);
	char *first = xasprintf("%.*s", (int)strcspn(base, "/"), base), none[65];
	if (id_of(base, ch->id))
		ch->kind = RULE_SCHEDULE;
	else if (base[strcspn(base, "/")] && id_of(first, none))
		ch->kind = RULE_BAD_PATH;
	free(first);
}

/* What an eye or a file system may take for a letter: upper and lower case, full width, any other sign in its place
 * (LONG S, KELVIN SIGN, Cyrillic), and signs that nobody sees within. Some letters at least must be the name's own. */
static bool looks_like(const char *part, size_t len, const char *name)
{
	size_t same = 0, least = strlen(name) / 2;
	const char *p = part, *end = part + len;
	while (end > p && (end[-1] == '.' || end[-1] == ' ')) /* some file systems drop them */
		end--;
	for (; *name; name++) {
		uint32_t c = 0;
		size_t n;
		while (p < end && (n = utf8_next(p, (size_t)(end - p), &c)) &&
		       ((c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) || (c >= 0x2060 && c <= 0x206F) ||
			(c >= 0x300 && c <= 0x36F) || (c >= 0xFE00 && c <= 0xFE0F) || c == 0xFEFF || c == 0xAD ||
			c == 0x34F || c == 0x180E || c < ' '))
			p += n;
		if (p >= end)
			return false;
		n = utf8_next(p, (size_t)(end - p), &c);
		if (c >= 0xFF01 && c <= 0xFF5E)
			c -= 0xFEE0;
		if (n && c < 128 && (c | (c >= 'A' && c <= 'Z' ? 32 : 0)) != (unsigned char)*name)
			return false;
		same += n && c < 128;
		p += n ? n : 1;
	}
	while (p < end && (unsigned char)*p >= 128) /* something unseen behind it */
		p++;
	return p == end && same >= least;
}

static bool misleading(const char *path)
{
	/* All that stands at the top and that dgrid reads; and by their short names. */
	static const char *const names[] = {"tasks",	"nodes",      "schedules", "grid.json",
					    TRUST_LIST, "grid~1.jso", "allowe~1",  "schedu~1"};
	size_t len = strcspn(path, "/\\:");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (looks_like(path, len, names[i]))
			return true;
	return strstr(path, "//") != NULL;
}

/* What build services take their orders from, of those that we know. */
static bool runs_on_a_host(const char *path)
{
	static const char *const first[] = {
	    ".github/",	   ".gitlab",	  ".gitea/",	     ".forgejo/",    ".circleci/",    ".buildkite/",
	    ".semaphore/", ".woodpecker", ".drone",	     ".travis",	     ".cirrus",	      ".builds/",
	    ".build.",	   ".zuul",	  ".tekton/",	     ".harness/",    ".teamcity/",    ".azuredevops",
	    ".appveyor",   "appveyor",	  "azure-pipelines", "Jenkinsfile",  "bitbucket-pip", "buildspec",
	    "cloudbuild",  "codefresh",	  "wercker",	     ".screwdriver", "screwdriver.",  "netlify.",
	    "vercel.",	   ".onedev",	  ".space.kts",	     ".vela",	     ".concourse/"};
	for (size_t i = 0; i < sizeof first / sizeof *first; i++) {
		size_t n = strlen(first[i]), bare = n - (first[i][n - 1] == '/'); /* a folder may be a link */
		if (!strncasecmp(path, first[i], n) || (strlen(path) == bare && !strncasecmp(path, first[i], bare)))
			return true;
	}
	return false;
}

void rule_change_classify(struct rule_change *ch)
{
	const char *p = ch->path;
	ch->kind = RULE_OUTSIDE;
	if (starts(p, "tasks/"))
		classify_task(ch);
	else if (starts(p, KEYS_FOLDER) || starts(p, PEOPLE_FOLDER))
		ch->kind = RULE_KEY;
	else if (starts(p, ORDER_DRAINS) && id_of(p + strlen(ORDER_DRAINS), ch->id))
		ch->kind = RULE_DRAIN;
	else if (starts(p, ORDER_RETIRED) && id_of(p + strlen(ORDER_RETIRED), ch->id))
		ch->kind = RULE_RETIRED;
	else if (starts(p, "nodes/"))
		ch->kind = id_of(p + 6, ch->id) ? RULE_NODE : keeper(p + 6) ? RULE_KEEP : RULE_BAD_PATH;
	else if (!strcmp(p, "grid.json"))
		ch->kind = RULE_SETTINGS;
	else if (starts(p, PERIODIC_FOLDER))
		classify_schedule(ch);
	else if (!strcmp(p, TRUST_LIST))
		ch->kind = RULE_SIGNERS;
	else if (runs_on_a_host(p))
		ch->kind = RULE_WORKFLOW;
	else if (misleading(p)) /* Tasks/, tasks as a file, tasks./, a look-alike */
		ch->kind = RULE_BAD_PATH;
}

/* ---- who ---- */

static bool known_verb(const char *verb, size_t len)
{
	static const char *const verbs[] = {"submit",  "promote", "approve",	 "claim",     "renew",	  "release",
					    "success", "failed",  "timeout",	 "oom",	      "lost",	  "requeue",
					    "cancel",  "retry",	  "invalid",	 "cancelled", "vote",	  "disputed",
					    "enroll",  "revoke",  "unstartable", "skip",      "schedule", "fire",
					    "expired", "drain",	  "undrain",	 "pause",     "resume",	  "retire"};
	for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
		if (strlen(verbs[i]) == len && !strncmp(verbs[i], verb, len))
			return true;
	return false;
}

/* What stands after "WHO: ". */
static bool dgrids_words(const char *tail)
{
	size_t digits = strspn(tail, "0123456789"), verb = strcspn(tail, " ");
	if (digits && !strcmp(tail + digits, " transitions"))
		return true;
	if (starts(tail, "archive ") && (digits = strspn(tail + 8, "0123456789")) > 0)
		return !strcmp(tail + 8 + digits, " task") || !strcmp(tail + 8 + digits, " tasks");
	return tail[verb] == ' ' && known_verb(tail, verb) && task_id_valid(tail + verb + 1);
}

void rule_who(struct rule_commit *c, const struct world *w)
{
	const char *subject = c->subject ? c->subject : "", *tail = NULL;
	for (const char *p = subject; (p = strstr(p, ": ")); p += 2)
		tail = p;
	c->ours = tail && dgrids_words(tail + 2);
	if (c->ours)
		snprintf(c->who, sizeof c->who, "%.*s", (int)(tail - subject), subject);
	else {
		const char *name = c->author ? c->author : "", *mail = strrchr(name, '<');
		snprintf(c->who, sizeof c->who, "%.*s",
			 (int)(mail && mail > name ? mail - name - 1 : (long)strlen(name)), name);
	}
	c->node = false;
	if (!c->ours || !task_id_valid(c->who))
		return;
	c->node = world_is_node(w, c->who);
	for (size_t i = 0; i < c->n && !c->node; i++)
		c->node =
		    c->changes[i].kind == RULE_NODE && c->changes[i].new_mode && !strcmp(c->changes[i].id, c->who);
}

/* ---- values ---- */

const struct json *rule_doc(const struct rule_text *t)
{
	struct json_error je;
	if (t->bytes && !*t->doc)
		*t->doc = json_parse(t->bytes, t->len, &je);
	return t->bytes ? *t->doc : NULL;
}

bool rule_text_is(const struct json *object, const char *name, const char *text)
{
	const char *s = json_str(object, name);
	return s && text && !strcmp(s, text);
}

/* A name may hold a NUL, so it is no text. */
static int by_name(const void *a, const void *b)
{
	const struct json *x = *(const struct json *const *)a, *y = *(const struct json *const *)b;
	size_t least = x->name_len < y->name_len ? x->name_len : y->name_len;
	int c = memcmp(x->name, y->name, least);
	return c ? c : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

const struct json *rule_index_find(struct rule_index *x, const struct json *like)
{
	const struct json *m = x->next ? x->next : x->object->child;
	if (m && !by_name(&m, &like)) {
		x->next = m->next;
		return m;
	}
	for (m = x->object->child; m && !x->sorted; m = m->next)
		x->n++;
	if (!x->sorted) {
		x->sorted = xcalloc(x->n + 1, sizeof *x->sorted);
		x->n = 0;
		for (m = x->object->child; m; m = m->next)
			x->sorted[x->n++] = m;
		qsort(x->sorted, x->n, sizeof *x->sorted, by_name);
	}
	const struct json *const *at = bsearch(&like, x->sorted, x->n, sizeof *x->sorted, by_name);
	x->next = at ? (*at)->next : NULL;
	return at ? *at : NULL;
}

void rule_index_clear(struct rule_index *x)
{
	free(x->sorted);
	*x = (struct rule_index){0};
}

static bool same_members(const struct json *a, const struct json *b)
{
	struct rule_index in = {.object = b};
	size_t n = 0;
	bool same = true;
	for (const struct json *m = a->child; m && same; m = m->next, n++)
		same = rule_same(m, rule_index_find(&in, m));
	for (const struct json *m = b->child; m && same; m = m->next)
		n--;
	rule_index_clear(&in);
	return same && !n; /* names are unique, the parser sees to that */
}

bool rule_same(const struct json *a, const struct json *b)
{
	if (!a || !b)
		return a == b;
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case JSON_NULL:
		return true;
	case JSON_BOOL:
		return a->boolean == b->boolean;
	case JSON_NUMBER:
	case JSON_STRING:
		return a->len == b->len && !memcmp(a->text, b->text, a->len);
	case JSON_OBJECT:
		return same_members(a, b);
	case JSON_ARRAY:
		break;
	}
	const struct json *x = a->child, *y = b->child;
	for (; x && y; x = x->next, y = y->next)
		if (!rule_same(x, y))
			return false;
	return x == y;
}

int64_t rule_tolerance(const struct rules *r)
{
	return r->world.config.max_clock_skew_seconds + PUSH_DELAY_SECONDS;
}

int64_t rule_behind(const struct rules *r)
{
	return 2 * r->world.config.max_clock_skew_seconds + PUSH_DELAY_SECONDS;
}

int64_t rule_ahead(const struct rules *r)
{
	return r->now ? r->world.config.max_clock_skew_seconds : rule_tolerance(r);
}

bool rule_dgrids(const struct json *m)
{
	static const char *const names[] = {"claim", "attempts", "result", "approved_by", "cancel", "not_before"};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(m->name, names[i]) && strlen(m->name) == m->name_len)
			return true;
	return false;
}

/* ---- what several judges look at ---- */

bool rule_kept(const struct rule_move *m, const char *name, enum rule_id rule)
{
	const struct json *was = json_get(m->old, name), *is = json_get(m->new, name);
	if (rule_same(was, is))
		return true;
	rule_say(m, rule, "%s was %s", name, !was ? "added" : !is ? "taken out" : "changed");
	return false;
}

const struct json *rule_one_attempt(const struct rule_move *m)
{
	const struct json *was = json_get(m->old, "attempts"), *is = json_get(m->new, "attempts");
	const struct json *a = was && was->type == JSON_ARRAY ? was->child : NULL,
			  *b = is && is->type == JSON_ARRAY ? is->child : NULL;
	for (; a && b; a = a->next, b = b->next)
		if (!rule_same(a, b)) {
			rule_say(m, RULE_ATTEMPTS_GROW, "an earlier entry of attempts was changed");
			return NULL;
		}
	if (a)
		rule_say(m, RULE_ATTEMPTS_GROW, "an entry of attempts was taken out");
	else if (!b)
		rule_say(m, RULE_ATTEMPTS_GROW, "attempts has no entry of how this ended");
	else if (b->next)
		rule_say(m, RULE_ATTEMPTS_GROW, "attempts got more than one entry");
	else if (b->type != JSON_OBJECT)
		rule_say(m, RULE_ATTEMPTS_GROW, "the new entry of attempts is no object");
	else
		return b;
	return NULL;
}

bool rule_own(const struct rule_move *m)
{
	return m->c->node && rule_text_is(m->claim, "node", m->c->who);
}

bool rule_fields(const struct rule_move *m, enum field_doc kind, const struct json *doc)
{
	char what[160];
	if (!field_wrong(kind, doc, what))
		return true;
	rule_say(m, RULE_DOC_FIELDS, "%s", what);
	return false;
}

const struct grid_config *rule_config(struct rules *r, size_t n, int64_t since)
{
	if (n > r->world.n_past && r->older_settings && (!r->asked_since || since < r->asked_since)) {
		r->asked_since = since;
		r->older_settings(r->ctx, since);
	}
	return world_config(&r->world, n, since);
}

const struct grid_config *rule_settings(const struct rule_move *m, size_t n, int64_t at)
{
	return rule_config(m->rules, n, at - SETTINGS_SLACK_SECONDS);
}

bool rule_limits_required(const struct rule_move *m, int64_t at)
{
	const struct grid_config *c;
	bool all = true;
	for (size_t n = 0; all && (c = rule_settings(m, n, at)); n++)
		all = c->require_limits;
	return all;
}

bool rule_now(const struct rule_move *m, enum rule_id rule, const struct json *of, const char *name)
{
	int64_t off = json_time(of, name) - m->c->at;
	if (!json_get(of, name) || (off <= rule_tolerance(m->rules) && -off <= rule_tolerance(m->rules)))
		return true;
	rule_say(m, rule, "%s is not the time of the commit", name);
	return false;
}

bool rule_named(const struct rule_commit *c)
{
	return c->ours || c->signature == RULE_GOOD;
}

void rule_cancel_note(const struct rule_move *m)
{
	const struct json *was = json_get(m->old, "cancel"), *is = json_get(m->new, "cancel");
	const char *by = json_str(is, "by");
	if (was && rule_same(was, is))
		return;
	if (is && rule_fields(m, FIELD_CANCEL, is))
		rule_now(m, RULE_CANCEL_NOTE, is, "requested_at");
	/* Who asks a second time leaves a note of that. */
	if (!is)
		rule_say(m, RULE_CANCEL_NOTE, "%s",
			 was ? "the note of who asked for it was taken out"
			     : "cancelled without a note of who asked for it");
	else if (!by || !*by)
		rule_say(m, RULE_CANCEL_NOTE, "the note names nobody");
	else if (m->c->node)
		rule_say(m, RULE_CANCEL_NOTE, "the note was made by a node, %s", m->c->who);
	else if (rule_named(m->c) && strcmp(by, m->c->who) != 0)
		rule_say(m, RULE_CANCEL_NOTE, "the note names %.100s, the commit is %s's", by, m->c->who);
}

const char *rule_done_to(const struct rule_change *ch)
{
	return !ch->new_mode ? "removed" : ch->old_mode ? "changed" : "added";
}
