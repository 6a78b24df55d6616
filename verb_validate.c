#include "file.h"
#include "log.h"
#include "request.h"
#include "trust.h"
#include "verbs.h"
#include <getopt.h>
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

static void print(const struct asked *a, const struct problems *p, size_t files)
{
	struct buf b = {0};
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
		put_json(all);
		json_free(all);
	} else if (a->github) {
		problems_annotate(p, &b);
		fputs(b.data ? b.data : "", stdout);
	} else if (p->n)
		fputs(p->text.data, stdout);
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
		struct task t;
		struct err why;
		size_t before = p->n;
		char *stem = stem_of(paths[i]);
		p->file = paths[i];
		if (file_read(paths[i], TASK_FILE_MAX, &b, &why)) {
			problem_at(p, 1, 1, "%s (expected a readable file of at most %d bytes)", why.msg,
				   TASK_FILE_MAX);
			missing += why.class == ERR_NOENT;
		} else if (!task_parse(&t, b.data ? b.data : "", b.len, stem, &s.config, true, p)) {
			if (s.config.require_signed_tasks)
				rc = check_signature(&s, t.doc, p, e);
			task_clear(&t);
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

static int check_request(const struct context *ctx, const struct asked *a, struct problems *p, size_t *files,
			 struct err *e)
{
	char *base = xstrdup(a->range), *dots = strstr(base, ".."), *head = dots ? dots + 2 : NULL;
	/* BASE...HEAD, as a host writes it, means the same: it is always where the branch starts that counts. */
	head += head && *head == '.';
	struct request r = {.git = {.dir = (char *)(file_exists(ctx->dir) ? ctx->dir : "."),
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
		rc = request_judge(&r, p, e);
	}
	*files = r.files;
	if (!rc && p->n)
		rc = err_set(e, ERR_DATA, "the request is refused: %zu problem%s", p->n, p->n == 1 ? "" : "s");
	free(base);
	return rc;
}

int cmd_validate(const struct context *ctx, int argc, char **argv, struct err *e)
{
	static const struct option options[] = {{"json", 0, 0, 'j'},   {"github", 0, 0, 'g'}, {"max-files", 1, 0, 'm'},
						{"fields", 0, 0, 'f'}, {"pr", 1, 0, 'p'},     {0}};
	struct asked a = {0};
	struct problems p = {0};
	size_t bad = 0, files;
	int opt, rc;
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (opt) {
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
			a.range = optarg;
			break;
		case 'm':
			if (parse_number("--max-files", optarg, 1, 1000, &a.max_files, e))
				return -1;
			break;
		default:
			return err_set(e, ERR_USAGE,
				       "unknown option or missing value '%.200s' (see: dgrid validate --help)",
				       argv[optind - 1]);
		}
	files = (size_t)(argc - optind);
	if (a.fields) {
		print_fields();
		return 0;
	}
	if (a.json && a.github)
		return err_set(e, ERR_USAGE, "--json and --github exclude each other");
	if (!a.range && !files)
		return err_set(e, ERR_USAGE, "validate needs at least one file, or --pr BASE..HEAD");
	if (a.range && files)
		return err_set(e, ERR_USAGE, "--pr takes no files, found '%.200s'", argv[optind]);
	rc = a.range ? check_request(ctx, &a, &p, &files, e) : check_files(ctx, &a, argv + optind, files, &p, &bad, e);
	if (!rc || p.n)
		print(&a, &p, files);
	problems_clear(&p);
	return rc;
}
