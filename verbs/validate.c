#include "base/file.h"
#include "base/log.h"
#include "schema/consent.h"
#include "schema/flow.h"
#include "schema/periodic.h"
#include "store/agenda.h"
#include "store/batch.h"
#include "store/request.h"
#include "store/trust.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct asked {
	bool json, github, fields;
	long max_files;
	const char *range;
};

/* The rows of the tables in docs/TASK_FORMAT.md. */
static void print_fields(void)
{
	const struct task_field *f;
	for (int ours = 0; ours < 2; ours++)
		for (size_t i = 0; (f = task_field_at(i)); i++)
			if (!ours && f->dflt) {
				printf("| `%s` | %s | ", f->name, f->type);
				printf("%s%s| ", f->rule, *f->rule ? " " : "");
				printf("%s%s|\n", f->dflt, *f->dflt ? " " : "");
			} else if (ours && !f->dflt)
				printf("| `%s` | %s | %s |\n", f->name, f->type, f->rule);
}

static void print(const struct asked *a, const struct problems *p, size_t files, const struct request *r)
{
	struct buf b = {0};
	char *enrols = NULL;
	if (r->enrols[0])
		enrols =
		    xasprintf("it enrols '%s' with the key %s: merge it only when that is what this node's own worker "
			      "printed",
			      r->enrols, r->key);
	if (a->json) {
		struct json *all = json_new(JSON_OBJECT), *list = json_new(JSON_ARRAY);
		for (size_t i = 0; i < p->told; i++) {
			struct json *row = json_new(JSON_OBJECT);
			json_set(row, "file", json_new_str(p->v[i].file));
			json_set(row, "line", json_new_int(p->v[i].line));
			json_set(row, "column", json_new_int(p->v[i].col));
			json_set(row, "field", json_new_str(p->v[i].field));
			json_set(row, "message", json_new_str(p->v[i].message));
			json_append(list, row);
		}
		json_set(all, "schema", json_new_int(1));
		json_set(all, "valid", json_new_bool(!p->n));
		json_set(all, "files", json_new_int((int64_t)files));
		json_set(all, "problems", list);
		if (enrols) {
			struct json *one = json_new(JSON_OBJECT);
			json_set(one, "node", json_new_str(r->enrols));
			json_set(one, "key", json_new_str(r->key));
			json_set(all, "enrolls", one);
		}
		put_json(all);
		json_free(all);
	} else if (a->github) {
		problems_annotate(p, &b);
		fputs(b.data ? b.data : "", stdout);
		if (enrols)
			printf("::notice::%s\n", enrols);
	} else if (p->n)
		fputs(p->text.data, stdout);
	else if (enrols)
		puts(enrols);
	free(enrols);
	buf_clear(&b);
}

/* ---- files ---- */

/* With a repository its own ceilings and images count; without one the defaults. The repository we happen to stand in
 * need not be a grid, nor its host be there. */
static int settings(const struct context *ctx, struct snapshot *s, struct err *e)
{
	const char *url = getenv("DGRID_REPO_URL");
	bool by_chance = !strcmp(ctx->dir, ".") && !(url && *url);
	int rc = 0;
	if (ctx->url && (rc = open_snapshot(ctx, NULL, s, e)) != 0 && by_chance) {
		log_at(LOG_WARN, "validate",
		       "the settings of this repository's grid are not known, the defaults count: %s", e->msg);
		snapshot_close(s);
		rc = 0;
	}
	if (!rc && !s->config.branch)
		config_defaults(&s->config);
	if (!rc && s->config_problems.n)
		rc = err_set(e, ERR_DATA, "the grid's settings are not valid:\n%s", s->config_problems.text.data);
	return rc;
}

static int check_signature(const struct snapshot *s, const struct json *doc, struct problems *p, struct err *e)
{
	struct trust_verdict v;
	if (!json_get(doc, "signatures"))
		return 0;
	if (trust_judge_new(&s->git, s->commit, doc, &v, e))
		return -1;
	if (!v.ok)
		trust_tell(p, doc, &v);
	return 0;
}

/* An id that a schedule of the grid gives its own tasks would keep one of them from being queued. */
static int check_id(const struct snapshot *s, const char *id, struct problems *p, struct err *e)
{
	struct strs names = {0};
	int rc = s->commit[0] && periodic_stem(id) ? agenda_names(&s->git, s->commit, &names, e) : 0;
	const char *owner = periodic_owner(&names, id);
	if (!rc && owner)
		problem_at(p, 1, 1, "task_id \"%s\" is one that schedule \"%s\" gives its own tasks (expected another)",
			   id, owner);
	strs_clear(&names);
	return rc;
}

/* One task of a file; where the grid takes signed ones only, its signatures too. */
static int check_task(const struct snapshot *s, struct json *doc, const char *id, struct problems *p, struct err *e)
{
	struct task t;
	int rc = check_id(s, id, p, e);
	if (task_judge(&t, doc, id, &s->config, true, p))
		return rc;
	if (!rc && consent_signed(&s->config, t.doc))
		rc = check_signature(s, t.doc, p, e);
	task_clear(&t);
	return rc;
}

/* Where a task stands that a flow waits for; a name may also be that of a group. */
static int state_of(void *snapshot, const char *id, struct err *e)
{
	struct snapshot *s = snapshot;
	const struct snapshot_task *t = snapshot_find(s, id);
	for (size_t i = 0; !t && i < s->n_tasks; i++) {
		const char *group;
		if (snapshot_doc(s, &s->tasks[i], e) && e->class != ERR_DATA)
			return LEDGER_UNKNOWN;
		group = json_str(s->tasks[i].doc, "group");
		if (group && !strcmp(group, id))
			return TASK_QUEUE;
	}
	return t ? (int)t->state : LEDGER_NOWHERE;
}

/* Of a flow all its tasks, and whether they wait for each other, or for what is not there: where there is no grid, what
 * else is there is not known. */
static int check_flow(struct snapshot *s, const struct json *doc, const char *stem, struct problems *p, struct err *e)
{
	struct flow flow;
	struct batch batch = {.state_of = state_of, .ctx = s};
	const char *file = p->file;
	int rc = 0;
	flow_expand(doc, stem, &flow, p);
	for (size_t i = 0; i < flow.n && !rc; i++) {
		rc = check_task(s, json_copy(flow.v[i].doc), flow.v[i].id, p, e);
		batch_add(&batch, flow.v[i].id, file, flow.v[i].doc);
	}
	if (!s->commit[0])
		flow_judge_circle(&flow, p);
	else if (!rc)
		rc = batch_judge(&batch, true, p, e);
	p->file = file;
	batch_clear(&batch);
	flow_clear(&flow);
	return rc;
}

/* schedules/NAME.json, whatever stands before that. */
static bool is_schedule(const char *path)
{
	const char *base = strrchr(path, '/');
	size_t n = base ? (size_t)(base + 1 - path) : 0, folder = strlen(PERIODIC_FOLDER);
	return n >= folder && !strncmp(path + n - folder, PERIODIC_FOLDER, folder) &&
	       (n == folder || path[n - folder - 1] == '/');
}

static int check_schedule(const struct snapshot *s, const struct buf *text, const char *name, struct problems *p,
			  struct err *e)
{
	struct periodic one;
	if (periodic_parse(&one, text->data ? text->data : "", text->len, name, &s->config, p))
		return 0;
	struct json *part = periodic_signed(one.doc, name);
	int rc = consent_signed(&s->config, one.task) ? check_signature(s, part, p, e) : 0;
	json_free(part);
	periodic_clear(&one);
	return rc;
}

static int check_files(const struct context *ctx, const struct asked *a, char **paths, size_t n, struct problems *p,
		       size_t *bad, struct err *e)
{
	struct snapshot s = {0};
	size_t missing = 0;
	int rc = settings(ctx, &s, e);
	if (!rc && a->max_files && n > (size_t)a->max_files) {
		p->file = paths[a->max_files];
		problem_at(p, 1, 1, "%zu files (expected at most %ld)", n, a->max_files);
		++*bad;
	}
	for (size_t i = 0; i < n && !rc; i++) {
		struct buf b = {0};
		struct json *doc;
		struct err why;
		size_t before = p->n;
		char *stem = stem_of(paths[i]);
		p->file = paths[i];
		if (file_read(paths[i], TASK_FILE_MAX, &b, &why)) {
			problem_at(p, 1, 1, "%s (expected a readable file of at most %d bytes)", why.msg,
				   TASK_FILE_MAX);
			missing += why.class == ERR_NOENT;
		} else if (is_schedule(paths[i]))
			rc = check_schedule(&s, &b, stem, p, e);
		else if ((doc = task_read(b.data ? b.data : "", b.len, p)) != NULL) {
			if (flow_is(doc)) {
				rc = check_flow(&s, doc, stem, p, e);
				json_free(doc);
			} else
				rc = check_task(&s, doc, stem, p, e);
		}
		*bad += p->n != before;
		buf_clear(&b);
		free(stem);
	}
	p->file = NULL;
	snapshot_close(&s);
	if (!rc && *bad)
		rc = err_set(e, missing == *bad ? ERR_NOENT : ERR_DATA, "%zu invalid file%s", *bad,
			     *bad == 1 ? "" : "s");
	return rc;
}

/* ---- a pull request ---- */

static int check_request(const struct context *ctx, const struct asked *a, struct problems *p, struct request *r,
			 struct err *e)
{
	char *base = xstrdup(a->range), *dots = strstr(base, ".."), *head = dots ? dots + 2 : NULL;
	/* BASE...HEAD, as a host writes it, means the same: it is always where the branch starts that counts. */
	head += head && *head == '.';
	*r = (struct request){.git = {.dir = (char *)(file_exists(ctx->dir) ? ctx->dir : "."),
				      .name = (char *)ctx->name,
				      .email = (char *)ctx->email},
			      .base = base,
			      .head = head,
			      .max_files = a->max_files};
	int rc = -1;
	if (!dots || dots == base || !*head)
		err_set(e, ERR_USAGE, "--pr: expected BASE..HEAD, found '%.200s'", a->range);
	else {
		*dots = 0;
		rc = request_judge(r, p, e);
	}
	if (!rc && p->n)
		rc = err_set(e, ERR_DATA, "the request is refused: %zu problem%s", p->n, p->n == 1 ? "" : "s");
	free(base);
	return rc;
}

static int cmd_validate(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct usage_scan s = {.verb = &verb_validate, .argc = argc, .argv = argv};
	struct asked a = {0};
	struct problems p = {0};
	struct request r = {0};
	size_t bad = 0, files;
	int key, rc;
	while ((key = usage_next(&s, e)) > 0)
		switch (key) {
		case 'j':
			a.json = true;
			break;
		case 'g':
			a.github = true;
			break;
		case 'f':
			a.fields = true;
			break;
		case 'p':
			a.range = s.value;
			break;
		case 'm':
			if (parse_number("--max-files", s.value, 1, 1000, &a.max_files, e))
				return -1;
			break;
		}
	if (key < 0)
		return -1;
	files = (size_t)usage_distinct(&s);
	if (a.fields) {
		print_fields();
		return 0;
	}
	if (a.json && a.github)
		return err_set(e, ERR_USAGE, "--json and --github exclude each other");
	if (!a.range && !files)
		return err_set(e, ERR_USAGE, "validate needs at least one file, or --pr BASE..HEAD");
	if (a.range && files)
		return err_set(e, ERR_USAGE, "--pr takes no files, found '%.200s'", argv[s.rest]);
	if (a.range) {
		rc = check_request(ctx, &a, &p, &r, e);
		files = r.files;
	} else
		rc = check_files(ctx, &a, argv + s.rest, files, &p, &bad, e);
	if (!rc || p.n)
		print(&a, &p, files, &r);
	problems_clear(&p);
	return rc;
}

const struct verb verb_validate = {
    .name = "validate",
    .args = "[--json|--github] [--max-files N] (FILE... | --pr BASE..HEAD | --fields)",
    .summary = "check task files and schedules, or a pull request, and report all problems",
    .about = "Checks task files and schedules (schedules/NAME.json) against the grid's settings, or the defaults if "
	     "there is no grid. Each problem is one line: FILE:LINE:COLUMN: what is wrong and what was "
	     "expected.\n\nWith --pr it checks a pull request from Git objects alone, against the grid.json of its "
	     "base. Only new, valid task files with new ids in tasks/unapproved pass, or a request that adds the "
	     "public key of one new node (nodes/keys/NODE.pub) and nothing else; compare its fingerprint yourself. "
	     "What cannot be checked does not pass.",
    .needs = USAGE_READS,
    .options =
	(const struct usage_option[]){
	    {'p', "--pr", "BASE..HEAD", NULL, "check the commits of HEAD that BASE does not have; fetch both first"},
	    {'m', "--max-files", "N", NULL,
	     "allow at most N files; default with --pr: max_files_per_request of grid.json"},
	    {'g', "--github", NULL, NULL, "print the problems as annotations for GitHub Actions"},
	    USAGE_JSON,
	    {'f', "--fields", NULL, NULL, "print the fields of a task as rows of a Markdown table"},
	    {0}},
    .operands = "@files",
    .examples =
	(const struct usage_note[]){{"dgrid validate tasks/queue/*.json", ""},
				    {"dgrid validate --pr origin/main..HEAD", "before a pull request is opened"},
				    {0}},
    .exits =
	(const struct usage_note[]){
	    {"0", "all valid"}, {"65", "at least one problem"}, {"66", "no such file or revision"}, {0}},
    .run = cmd_validate,
};
