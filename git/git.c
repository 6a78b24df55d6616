#include "git/git.h"
#include "base/text.h"
#include "git/command.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIT_TIMEOUT_MS 120000
#define GIT_LONG_MS 86400000
#define OUTPUT_MAX (16 << 20) /* of commands whose output is taken whole */

/* What moves much over a line is bounded by silence and not by length: a slow line needs its time. */
static bool moves_much(const char *verb)
{
	return !strcmp(verb, "clone") || !strcmp(verb, "fetch");
}

static int64_t silence_ms(void)
{
	const char *said = getenv("DGRID_SILENCE_SECONDS");
	long long seconds = said ? strtoll(said, NULL, 10) : 0;
	return seconds > 0 && seconds <= 86400 ? seconds * 1000 : GIT_TIMEOUT_MS;
}

/* Of one command; one that speaks with a remote is bounded as its silence is. */
static int64_t limit_ms(const char *verb)
{
	return !strcmp(verb, "push") || !strcmp(verb, "ls-remote") ? silence_ms() : GIT_TIMEOUT_MS;
}

struct proc *git_start(const struct git *g, const char *const *args, void *ctx,
		       void (*on_end)(void *ctx, const struct proc_result *res), struct err *e)
{
	return git_start_input(g, NULL, 0, args, ctx, on_end, e);
}

struct proc *git_start_input(const struct git *g, const char *input, size_t len, const char *const *args, void *ctx,
			     void (*on_end)(void *ctx, const struct proc_result *res), struct err *e)
{
	struct strs argv = {0}, env = {0};
	git_command(g, g->dir, args, &argv, &env);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = (const char *const *)env.v,
				 .timeout_ms = moves_much(args[0]) ? GIT_TIMEOUT_MS : limit_ms(args[0]),
				 .input = input,
				 .input_len = len,
				 .ctx = ctx,
				 .on_end = on_end};
	struct proc *p = proc_start(&spec, e);
	strs_clear(&argv);
	strs_clear(&env);
	return p;
}

struct proc *git_stream(const struct git *g, const char *const *args, bool feed, void *ctx,
			void (*on_output)(void *ctx, enum proc_stream s, const char *bytes, size_t len),
			void (*on_end)(void *ctx, const struct proc_result *res), struct err *e)
{
	struct strs argv = {0}, env = {0};
	git_command(g, g->dir, args, &argv, &env);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = (const char *const *)env.v,
				 .feed = feed,
				 .wide = true,
				 .ctx = ctx,
				 .on_output = on_output,
				 .on_end = on_end};
	struct proc *p = proc_start(&spec, e);
	strs_clear(&argv);
	strs_clear(&env);
	return p;
}

/* A sign of life a second, while anything comes. */
static void tell_progress(struct strs *argv)
{
	for (size_t i = 0; i < argv->n; i++)
		if (!strcmp(argv->v[i], "--quiet")) {
			free(argv->v[i]);
			argv->v[i] = xstrdup("--progress");
		}
}

/* What git says without --quiet of a transfer that goes well is nobody's complaint. */
static void drop_progress(struct buf *said)
{
	static const char *const noise[] = {
	    "Cloning into ",	    "From ",	     " ", "remote: Enumerating ", "remote: Counting ",
	    "remote: Compressing ", "remote: Total "};
	struct buf kept = {0};
	for (const char *p = said->data ? said->data : ""; *p;) {
		size_t n = strcspn(p, "\n");
		bool drop = memchr(p, '\r', n) != NULL;
		for (size_t i = 0; i < sizeof noise / sizeof *noise && !drop; i++)
			drop = !strncmp(p, noise[i], strlen(noise[i]));
		if (!drop)
			buf_addf(&kept, "%.*s\n", (int)n, p);
		p += n;
		p += *p == '\n';
	}
	buf_clear(said);
	*said = kept;
}

/* Runs git; how is what the spec says beyond the command. */
static int run_as(const struct git *g, const char *const *args, bool in_dir, struct proc_spec how,
		  struct proc_result *res, struct err *e)
{
	struct strs argv = {0}, env = {0};
	if (proc_given_up())
		return err_set(e, ERR_UNAVAILABLE, "git %s: there was no more time for it", args[0]);
	git_command(g, in_dir ? g->dir : NULL, args, &argv, &env);
	how.argv = (const char *const *)argv.v;
	how.env = (const char *const *)env.v;
	if (moves_much(args[0])) {
		how.timeout_ms = 0;
		how.quiet_ms = silence_ms();
		tell_progress(&argv);
	} else
		how.timeout_ms = how.timeout_ms ? how.timeout_ms : limit_ms(args[0]);
	int rc = proc_run(&how, res, e);
	if (moves_much(args[0]))
		drop_progress(&res->err);
	strs_clear(&argv);
	strs_clear(&env);
	return rc;
}

static int run(const struct git *g, const char *const *args, bool in_dir, struct proc_result *res, struct err *e)
{
	return run_as(g, args, in_dir, (struct proc_spec){.cap = OUTPUT_MAX}, res, e);
}

static bool tells_why(const char *line)
{
	static const char *const starts[] = {"fatal:", "error:", "remote: fatal:", "remote: error:", "remote: ERROR:"};
	for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
		if (!strncmp(line, starts[i], strlen(starts[i])))
			return true;
	return false;
}

/* What git said, whole lines as far as there is room: a host's greeting and ssh's own warnings come first, the reason
 * last, so the lines that name themselves errors have precedence, then the end. */
static void pick(const char *said, char *out, size_t room)
{
	struct strs lines = {0};
	for (const char *p = said; *p;) {
		size_t n = strcspn(p, "\r\n");
		struct buf clean = {0};
		text_clean(&clean, p, n, (int)room / 2);
		if (clean.len && strspn(clean.data, " ") != clean.len)
			strs_add(&lines, clean.data);
		buf_clear(&clean);
		p += n;
		p += *p != 0;
	}
	bool *kept = xcalloc(lines.n + 1, sizeof *kept);
	size_t used = 0;
	for (int errors = 1; errors >= 0; errors--)
		for (size_t i = lines.n; i > 0; i--) {
			size_t n = strlen(lines.v[i - 1]) + 1;
			if (kept[i - 1] || tells_why(lines.v[i - 1]) != (errors == 1))
				continue;
			if (used + n >= room)
				break;
			kept[i - 1] = true;
			used += n;
		}
	size_t len = 0;
	out[0] = 0;
	for (size_t i = 0; i < lines.n; i++)
		if (kept[i])
			len += (size_t)snprintf(out + len, room - len, "%s%s", len ? " " : "", lines.v[i]);
	free(kept);
	strs_clear(&lines);
}

static int failed(const char *verb, const struct proc_result *res, struct err *e)
{
	char said[601];
	char *whole = xstrdup(res->err.data ? res->err.data : "");
	git_redact(whole); /* before anything is cut off: half a secret would not be known */
	pick(whole, said, sizeof said);
	free(whole);
	if (res->end == PROC_TIMED_OUT && moves_much(verb))
		return err_set(e, ERR_UNAVAILABLE, "git %s: the remote was silent for %lld s", verb,
			       (long long)silence_ms() / 1000);
	if (res->end == PROC_TIMED_OUT)
		return err_set(e, ERR_UNAVAILABLE, "git %s did not end within %lld s", verb,
			       (long long)limit_ms(verb) / 1000);
	if (res->end == PROC_SIGNALLED)
		return err_set(e, ERR_UNAVAILABLE, "git %s was ended by signal %d", verb, res->code);
	return err_set(e, res->code == 1 && !said[0] ? ERR_NO : ERR_UNAVAILABLE, "git %s: %s", verb, said);
}

static int finish(const char *verb, struct proc_result *res, struct buf *out, struct err *e)
{
	int rc = 0;
	if (res->end != PROC_EXITED || res->code != 0)
		rc = failed(verb, res, e);
	else if (out && res->out_cut) /* half an answer is none */
		rc = err_set(e, ERR_UNAVAILABLE, "git %s: it answers with more than %d MiB", verb, OUTPUT_MAX >> 20);
	else if (out)
		buf_add(out, res->out.data ? res->out.data : "", res->out.len);
	proc_result_clear(res);
	return rc;
}

int git_run(const struct git *g, struct buf *out, struct err *e, const char *const *args)
{
	struct proc_result res;
	return run(g, args, true, &res, e) ? -1 : finish(args[0], &res, out, e);
}

int git_run_long(const struct git *g, struct err *e, const char *const *args)
{
	struct proc_result res;
	struct proc_spec how = {.timeout_ms = GIT_LONG_MS};
	return run_as(g, args, true, how, &res, e) ? -1 : finish(args[0], &res, NULL, e);
}

int git_run_input(const struct git *g, const char *input, size_t len, struct err *e, const char *const *args)
{
	struct proc_result res;
	struct proc_spec how = {.input = input, .input_len = len};
	return run_as(g, args, true, how, &res, e) ? -1 : finish(args[0], &res, NULL, e);
}

int git_clone(const struct git *g, const char *url, const char *branch, struct err *e)
{
	struct proc_result res;
	/* --no-local: a plain path would otherwise ignore --depth and copy the whole history. */
	const char *args[] = {"clone",
			      "--quiet",
			      "--no-local",
			      "--no-checkout",
			      "--depth",
			      "1",
			      "--single-branch",
			      "--branch",
			      branch,
			      "--template=",
			      "--",
			      url,
			      g->dir,
			      NULL};
	if (run(g, args, false, &res, e))
		return -1;
	int rc = 0;
	if (res.end == PROC_EXITED && res.code && res.err.data && strstr(res.err.data, "Remote branch")) {
		/* Either the repository is empty (init may fill it) or it has other branches only. */
		proc_result_clear(&res);
		const char *any[] = {"clone",	    "--quiet", "--no-local", "--depth", "1", "--no-checkout",
				     "--template=", "--",      url,	     g->dir,	NULL};
		if (run(g, any, false, &res, e))
			return -1;
		if (res.end != PROC_EXITED || res.code)
			rc = failed("clone", &res, e);
		else {
			char *ref = xasprintf("refs/heads/%s", branch);
			const char *head[] = {"symbolic-ref", "HEAD", ref, NULL};
			rc = git_run(g, NULL, e, head);
			free(ref);
		}
	} else if (res.end != PROC_EXITED || res.code)
		rc = failed("clone", &res, e);
	proc_result_clear(&res);
	return rc;
}

int git_init_sha256(const struct git *g, const char *url, const char *branch, struct err *e)
{
	struct proc_result res;
	const char *init[] = {"init", "--quiet", "--object-format=sha256", "--template=", "--", g->dir, NULL};
	char *ref = xasprintf("refs/heads/%s", branch);
	const char *head[] = {"symbolic-ref", "HEAD", ref, NULL}, *remote[] = {"remote", "add", "origin", url, NULL};
	int rc = run(g, init, false, &res, e);
	if (!rc && (res.end != PROC_EXITED || res.code))
		rc = failed("init", &res, e);
	proc_result_clear(&res);
	if (!rc && !(rc = git_run(g, NULL, e, head)))
		rc = git_run(g, NULL, e, remote);
	free(ref);
	return rc;
}

/* The remote's reason stands in parentheses at the end of the refused ref's line, which is not in the error output. */
static void add_reason(const char *out, struct err *e)
{
	const char *line = out[0] == '!' ? out : strstr(out, "\n!"), *open = line ? strchr(line, '(') : NULL;
	size_t n = open ? strcspn(open, "\n") : 0;
	if (!n || n > 300)
		return;
	char *reason = xstrndup(open, n);
	git_redact(reason);
	struct buf clean = {0};
	text_clean(&clean, reason, strlen(reason), 300);
	size_t len = strlen(e->msg);
	snprintf(e->msg + len, sizeof e->msg - len, " %s", clean.data ? clean.data : "");
	buf_clear(&clean);
	free(reason);
}

/* git's own word for a connection that ended before the answer. */
static bool unheard(const char *line, size_t len)
{
	static const char words[] = "remote failed to report status";
	for (size_t i = 0; i + sizeof words - 1 <= len; i++)
		if (!memcmp(line + i, words, sizeof words - 1))
			return true;
	return false;
}

enum push_outcome git_push_outcome(const struct proc_result *res, struct err *e)
{
	const char *out = res->out.data ? res->out.data : "";
	bool any = false, landed = true, refused = false; /* one line a ref */
	for (const char *p = out; *p;) {
		size_t len = strcspn(p, "\n");
		if (strchr(" +-*=!", *p) && p[1] == '\t') {
			any = true;
			refused = refused || (*p == '!' && !unheard(p, len));
			landed = landed && *p != '!';
		}
		p += len;
		p += *p == '\n';
	}
	enum push_outcome outcome = PUSH_UNKNOWN;
	if (any && landed && res->end == PROC_EXITED && res->code == 0)
		/* "=" (up to date) counts too: the commit holds a nonce, so nobody else can have made it. */
		outcome = PUSH_LANDED;
	else if (refused)
		outcome = PUSH_DECLINED;
	if (outcome != PUSH_LANDED)
		failed("push", res, e);
	if (outcome == PUSH_DECLINED) {
		e->class = ERR_PERM;
		add_reason(out, e);
	}
	return outcome;
}

/* git's own refusal, before it sends anything: the ref there has what we have not. A server's is "[remote rejected]".
 */
static bool refused_here(const char *line)
{
	return strstr(line, "\t[rejected] (") != NULL;
}

/* "FLAG TAB FROM:TO TAB SUMMARY (REASON)" of the ref at the remote, the last one; NULL: there is none. The caller's. */
static char *line_of(const char *out, const char *ref)
{
	char *ending = xasprintf(":%s\t", ref), *found = NULL;
	for (const char *p = out; *p;) {
		size_t len = strcspn(p, "\n");
		char *line = xstrndup(p, len);
		bool it = line[0] && strchr(" +-*=!", *line) && line[1] == '\t' && strstr(line, ending);
		free(it ? found : line);
		found = it ? line : found;
		p += len;
		p += *p == '\n';
	}
	free(ending);
	return found;
}

enum push_outcome git_push_outcome_of(const struct proc_result *res, const char *ref, struct err *e)
{
	char *line = line_of(res->out.data ? res->out.data : "", ref);
	enum push_outcome outcome = !line || (*line == '!' && unheard(line, strlen(line))) ? PUSH_UNKNOWN
				    : *line != '!'					   ? PUSH_LANDED
				    : refused_here(line)				   ? PUSH_RACED
											   : PUSH_DECLINED;
	if (outcome != PUSH_LANDED)
		failed("push", res, e);
	if (outcome == PUSH_DECLINED) {
		e->class = ERR_PERM;
		add_reason(line, e);
	}
	free(line);
	return outcome;
}

enum push_outcome git_push_with(const struct git *g, const char *const *args, struct err *e)
{
	struct proc_result res;
	if (run(g, args, true, &res, e))
		return PUSH_DECLINED;
	enum push_outcome outcome = git_push_outcome(&res, e);
	proc_result_clear(&res);
	return outcome;
}

enum push_outcome git_push_ref(const struct git *g, const char *const *args, const char *ref, struct err *e)
{
	struct proc_result res;
	if (run(g, args, true, &res, e))
		return PUSH_UNKNOWN;
	enum push_outcome outcome = git_push_outcome_of(&res, ref, e);
	proc_result_clear(&res);
	return outcome;
}

bool git_push_refs(const struct git *g, const char *const *args, char *const *refs, size_t n, enum push_outcome *what,
		   struct err *e)
{
	struct proc_result res = {0};
	bool ran = !run(g, args, true, &res, e), landed = ran && git_push_outcome(&res, e) == PUSH_LANDED;
	for (size_t i = 0; i < n && !landed; i++)
		what[i] = ran ? git_push_outcome_of(&res, refs[i], e) : PUSH_UNKNOWN;
	if (ran)
		proc_result_clear(&res);
	return !landed;
}

enum push_outcome git_push_all(const struct git *g, const char *const *args, const char *ref, enum push_outcome *of,
			       struct err *e)
{
	struct proc_result res;
	struct err why = {0};
	*of = PUSH_UNKNOWN;
	if (run(g, args, true, &res, e))
		return PUSH_UNKNOWN;
	enum push_outcome outcome = git_push_outcome(&res, e);
	*of = git_push_outcome_of(&res, ref, &why);
	/* "(atomic push failed)" is git's word, "(atomic push failure)" and "(atomic transaction failed)" are a host's.
	 */
	if (*of == PUSH_DECLINED || *of == PUSH_RACED) {
		char *line = line_of(res.out.data ? res.out.data : "", ref);
		if (line && strstr(line, "(atomic "))
			*of = PUSH_UNKNOWN;
		else if (outcome == PUSH_DECLINED)
			*e = why;
		free(line);
	}
	proc_result_clear(&res);
	return outcome;
}

enum push_outcome git_push(const struct git *g, const char *branch, bool whole, struct err *e)
{
	char *spec = xasprintf("HEAD:refs/heads/%s", branch);
	const char *args[] = {"push",	"--porcelain", "--no-verify", whole ? "--no-thin" : "--thin",
			      "origin", spec,	       NULL};
	enum push_outcome outcome = git_push_with(g, args, e);
	free(spec);
	return outcome;
}

int git_remote_head(const struct git *g, const char *branch, char out[72], struct err *e)
{
	struct buf b = {0};
	char *ref = xasprintf("refs/heads/%s", branch);
	const char *args[] = {"ls-remote", "--heads", "origin", ref, NULL}; /* else every ref of the host comes */
	int rc = git_run(g, &b, e, args);
	out[0] = 0;
	/* The pattern also matches branches that only end like it. */
	for (const char *line = rc || !b.data ? "" : b.data; *line;) {
		size_t n = strcspn(line, "\n"), oid = strcspn(line, "\t");
		if (oid < n && oid < 72 && n - oid - 1 == strlen(ref) && !strncmp(line + oid + 1, ref, strlen(ref)))
			snprintf(out, 72, "%.*s", (int)oid, line);
		line += n;
		line += *line == '\n';
	}
	free(ref);
	buf_clear(&b);
	return rc;
}

int git_clone_bare(const struct git *g, const char *url, const char *branch, struct err *e)
{
	struct proc_result res;
	const char *args[] = {"clone",	  "--quiet", "--bare",	    "--no-local", "--depth", "1",    "--single-branch",
			      "--branch", branch,    "--template=", "--",	  url,	     g->dir, NULL};
	if (run(g, args, false, &res, e))
		return -1;
	int rc = res.end != PROC_EXITED || res.code ? failed("clone", &res, e) : 0;
	proc_result_clear(&res);
	return rc;
}

/* Takes the output of cat-file --batch apart: "OID TYPE SIZE\n" and SIZE bytes and "\n", or "OID missing\n". */
struct batch {
	struct buf pending;
	size_t next, n, max, left; /* left: bytes of the current blob, with its newline, still to come */
	bool in_blob, wanted;
	const char *type;
	void (*on_blob)(void *ctx, size_t i, const char *bytes, size_t len);
	void *ctx;
};

static void batch_header(struct batch *b, const char *line)
{
	char type[16] = "";
	unsigned long long size = 0;
	if (sscanf(line, "%*s %15s %llu", type, &size) != 2) {
		b->on_blob(b->ctx, b->next++, NULL, 0);
		return;
	}
	b->in_blob = true;
	b->left = (size_t)size + 1;
	b->wanted = size <= b->max && !strcmp(type, b->type);
}

static void batch_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct batch *b = ctx;
	if (which != PROC_OUT)
		return;
	while (len && b->next < b->n) {
		size_t take;
		if (b->in_blob) {
			take = len < b->left ? len : b->left;
			if (b->wanted)
				buf_add(&b->pending, bytes, take);
			b->left -= take;
			if (!b->left) {
				b->in_blob = false;
				b->on_blob(b->ctx, b->next++, b->wanted ? b->pending.data : NULL,
					   b->wanted ? b->pending.len - 1 : 0);
				buf_reset(&b->pending);
			}
		} else {
			const char *end = memchr(bytes, '\n', len);
			take = end ? (size_t)(end - bytes) + 1 : len;
			buf_add(&b->pending, bytes, take);
			if (end) {
				char *line = xstrndup(b->pending.data, b->pending.len);
				buf_reset(&b->pending);
				batch_header(b, line);
				free(line);
			}
		}
		bytes += take;
		len -= take;
	}
}

int git_cat(const struct git *g, const char *type, char *const *oids, size_t n, size_t max,
	    void (*on_blob)(void *ctx, size_t i, const char *bytes, size_t len), void *ctx, struct err *e)
{
	struct batch b = {.n = n, .max = max, .type = type, .on_blob = on_blob, .ctx = ctx};
	struct buf input = {0};
	struct proc_result res;
	const char *args[] = {"cat-file", "--batch", NULL};
	for (size_t i = 0; i < n; i++)
		buf_addf(&input, "%s\n", oids[i]);
	struct proc_spec how = {.input = input.data, .input_len = input.len, .ctx = &b, .on_output = batch_take};
	int rc = run_as(g, args, true, how, &res, e);
	if (!rc && (res.end != PROC_EXITED || res.code || b.next != n))
		rc = failed("cat-file", &res, e);
	proc_result_clear(&res);
	buf_clear(&input);
	buf_clear(&b.pending);
	return rc;
}

struct records {
	struct buf pending;
	void (*on_record)(void *ctx, const char *record);
	void *ctx;
	struct buf said; /* git's complaint */
};

static void records_take(void *ctx, enum proc_stream which, const char *bytes, size_t len)
{
	struct records *r = ctx;
	if (which == PROC_ERR && r->said.len < 4096)
		buf_add(&r->said, bytes, len);
	while (which == PROC_OUT && len) {
		const char *end = memchr(bytes, 0, len);
		size_t take = end ? (size_t)(end - bytes) + 1 : len;
		buf_add(&r->pending, bytes, take);
		if (end) {
			r->on_record(r->ctx, r->pending.data);
			buf_reset(&r->pending);
		}
		bytes += take;
		len -= take;
	}
}

int git_records(const struct git *g, const char *const *args, void (*on_record)(void *ctx, const char *record),
		void *ctx, struct err *e)
{
	struct records r = {.on_record = on_record, .ctx = ctx};
	struct proc_result res;
	int rc = run_as(g, args, true, (struct proc_spec){.ctx = &r, .on_output = records_take}, &res, e);
	if (!rc) {
		buf_add(&res.err, r.said.data ? r.said.data : "", r.said.len);
		if (res.end != PROC_EXITED || res.code)
			rc = failed(args[0], &res, e);
		else if (r.pending.len && strspn(r.pending.data, "\n") < r.pending.len)
			rc = err_set(e, ERR_UNAVAILABLE, "git %s: its answer ends in the middle", args[0]);
		proc_result_clear(&res);
	}
	buf_clear(&r.pending);
	buf_clear(&r.said);
	return rc;
}

int git_find(const struct git *g, const char *rev, char out[72], struct err *e)
{
	char *commit = xasprintf("%s^{commit}", rev);
	const char *args[] = {"rev-parse", "--verify", "--quiet", commit, NULL};
	struct proc_result res;
	int rc = 0;
	out[0] = 0;
	if (!rev[0] || rev[0] == '-')
		goto out; /* what could be an option is no revision */
	if ((rc = run(g, args, true, &res, e)) != 0)
		goto out;
	if (res.end == PROC_EXITED && !res.code)
		buf_first_line(&res.out, out, 72);
	else if (res.end != PROC_EXITED || res.code != 1 || res.err.len)
		rc = failed("rev-parse", &res, e);
	proc_result_clear(&res);
out:
	free(commit);
	return rc;
}

char *git_rev_of(const char *branch, const char *rev)
{
	size_t n = strlen(branch);
	bool named = !strncmp(rev, branch, n) && (!rev[n] || strchr("~^@:", rev[n]));
	return xasprintf("%s%s", named ? "refs/heads/" : "", rev);
}

bool git_no_object(const char *oid)
{
	return oid[strspn(oid, "0")] == 0;
}

bool git_resolve(const struct git *g, const char *rev, char out[72])
{
	struct err none;
	return !git_find(g, rev, out, &none) && out[0];
}
