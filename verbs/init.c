#include "audit/hookfiles.h"
#include "base/asset.h"
#include "base/file.h"
#include "base/version.h"
#include "schema/keys.h"
#include "verbs/verbs.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RELEASE "v" DGRID_VERSION

struct plan {
	enum { CI_NONE, CI_GITHUB, CI_GITLAB } ci;
	bool bare, hook;
	bool unsourced;		  /* a workflow was written that does not know yet where dgrid's source is */
	const char *source, *ref; /* where workflows get dgrid itself */
	struct buf said, paths;	  /* for the user; what to commit, each path NUL-terminated */
};

/* Where an asset goes in the grid's repository. ci CI_NONE: always. */
static const struct {
	int ci;
	const char *asset, *path;
} placed[] = {
    {CI_NONE, "templates/grid-README.md", "README.md"},
    {CI_GITHUB, ".github/workflows/process-task-pr.yml", ".github/workflows/process-task-pr.yml"},
    {CI_GITHUB, ".github/workflows/maintain.yml", ".github/workflows/maintain.yml"},
    {CI_GITHUB, ".github/workflows/update-gh-pages.yml", ".github/workflows/update-gh-pages.yml"},
    {CI_GITLAB, "templates/gitlab-ci.yml", ".gitlab-ci.yml"},
};

static int write_in(const char *dir, const char *name, const char *text, struct err *e)
{
	char *path = xasprintf("%s/%s", dir, name), *slash = strrchr(path, '/');
	*slash = 0;
	int rc = file_mkdirs(path, e);
	*slash = '/';
	if (!rc && !file_exists(path))
		rc = file_write(path, text, strlen(text), e);
	free(path);
	return rc;
}

/* The text of an asset with the source of dgrid that was asked for in place of the one it names. */
static char *filled(const struct asset *a, const struct plan *p)
{
	/* Our own workflows build the repository that they stand in. */
	const char *from[] = {"DGRID_SOURCE: ${{ github.server_url }}/${{ github.repository }}", DGRID_SOURCE, RELEASE};
	char *source = xasprintf("DGRID_SOURCE: %s", p->source);
	const char *to[] = {source, p->source, p->ref};
	struct buf b = {0};
	for (const char *s = a->bytes; *s;) {
		size_t i = 0;
		while (i < 3 && strncmp(s, from[i], strlen(from[i])) != 0)
			i++;
		if (i < 3) {
			buf_adds(&b, to[i]);
			s += strlen(from[i]);
		} else
			buf_add(&b, s++, 1);
	}
	free(source);
	return buf_detach(&b);
}

static bool same_text(const char *path, const char *text)
{
	struct buf b = {0};
	struct err none;
	bool same = !file_read(path, 1 << 20, &b, &none) && !strcmp(b.data ? b.data : "", text);
	buf_clear(&b);
	return same;
}

/* A file that is there stays as it is: it is the repository's own. */
static int place(const char *dir, const char *asset, const char *name, struct plan *p, struct err *e)
{
	const struct asset *a = asset_find(asset);
	if (!a)
		return err_set(e, ERR_BUG, "the program does not carry '%s'", asset);
	char *text = filled(a, p), *path = xasprintf("%s/%s", dir, name);
	int rc = 0;
	if (!file_exists(path)) {
		rc = write_in(dir, name, text, e);
		p->unsourced |= strstr(text, "/you/dgrid\n") != NULL; /* the workflows' own test of a placeholder */
		buf_addf(&p->said, "wrote %s\n", name);
		buf_add(&p->paths, name, strlen(name) + 1);
	} else if (!same_text(path, text))
		buf_addf(&p->said, "left alone, because it is there already: %s\n", name);
	free(text);
	free(path);
	return rc;
}

/* Hosts take no workflow from a token that may not write any; their word for it is not clear to everyone. */
static int explain(struct err *e)
{
	if (!strstr(e->msg, "refusing to allow") || !strstr(e->msg, "workflow"))
		return -1;
	return err_set(
	    e, ERR_PERM,
	    "the host takes no workflow files from this token. Give it the right (GitHub: scope \"workflow\" "
	    "of a classic token, permission \"Workflows: write\" of a fine-grained one), or leave them out: "
	    "dgrid init --no-workflows");
}

static int commit_all(struct ledger *l, struct plan *p, bool new, struct err *e)
{
	const char *diff[] = {"status", "--porcelain", NULL};
	const char *commit[] = {"commit",
				"--quiet",
				"--no-verify",
				"-m",
				new ? "Make this repository a dgrid grid" : "Complete what dgrid init writes",
				NULL};
	struct strs add = {0};
	struct buf changed = {0};
	strs_add(&add, "add");
	strs_add(&add, "--force");
	strs_add(&add, "--");
	strs_add(&add, "grid.json");
	strs_add(&add, "tasks");
	strs_add(&add, "nodes");
	for (size_t at = 0; at < p->paths.len; at += strlen(p->paths.data + at) + 1)
		strs_add(&add, p->paths.data + at);
	int rc = git_run(&l->git, NULL, e, (const char *const *)add.v);
	if (!rc)
		rc = git_run(&l->git, &changed, e, diff);
	if (!rc && changed.len) {
		rc = git_run(&l->git, NULL, e, commit);
		if (!rc && git_push(&l->git, l->branch, false, e) != PUSH_LANDED)
			rc = explain(e);
	}
	if (!rc) {
		fputs(p->said.data ? p->said.data : "", stdout);
		if (p->unsourced)
			puts("the workflows refuse to run until DGRID_SOURCE in them says where dgrid's source is "
			     "(a new file gets it by dgrid init --source URL)");
		printf(!changed.len ? "already a grid\n"
		       : new	    ? "grid made on branch %s\n"
				    : "grid completed on branch %s\n",
		       l->branch);
	}
	strs_clear(&add);
	buf_clear(&changed);
	return rc;
}

/* The skeleton of a grid in the clone l, committed and pushed. */
static int init_clone(struct ledger *l, struct plan *p, struct err *e)
{
	char *settings = xasprintf("%s/grid.json", l->git.dir);
	bool new = !file_exists(settings);
	int rc = write_in(l->git.dir, "grid.json", config_template, e);
	buf_reset(&p->said);
	buf_reset(&p->paths);
	for (int s = 0; s < TASK_N_STATES && !rc; s++) {
		char *keep = xasprintf("tasks/%s/.gitkeep", task_state_name((enum task_state)s));
		rc = write_in(l->git.dir, keep, "", e);
		free(keep);
	}
	if (!rc)
		rc = write_in(l->git.dir, "nodes/.gitkeep", "", e);
	/* In a grid of 0.1.0 it would make nodes of people: there dgrid enroll --person does it. */
	char *keys = xasprintf("%s/" KEYS_FOLDER, l->git.dir);
	if (!rc && !file_exists(keys))
		rc = write_in(l->git.dir, PEOPLE_FOLDER ".gitkeep", "", e);
	free(keys);
	for (size_t i = 0; i < sizeof placed / sizeof *placed && !rc; i++)
		if (placed[i].ci == CI_NONE || placed[i].ci == (int)p->ci)
			rc = place(l->git.dir, placed[i].asset, placed[i].path, p, e);
	free(settings);
	return rc ? rc : commit_all(l, p, new, e);
}

static bool is_folder(const char *url)
{
	return url[0] == '/' || url[0] == '.' || !strchr(url, ':');
}

/* Whose workflows a host can run, judged by its name: in a folder, or on a host of another kind, none. */
static int ci_of(const char *url)
{
	const char *host = strstr(url, "://");
	char name[256];
	if (is_folder(url))
		return CI_NONE;
	host = host ? host + 3 : url;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(host, host == url ? ":" : "/"), host);
	const char *at = strrchr(name, '@');
	at = at ? at + 1 : name;
	return strstr(at, "gitlab") ? CI_GITLAB : strstr(at, "github") ? CI_GITHUB : CI_NONE;
}

/* It goes into files that shells and YAML read. */
static int check_source(const char *flag, const char *text, struct err *e)
{
	static const char safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~:/@+%-";
	if (!*text || *text == '-' || text[strspn(text, safe)] || strlen(text) > 1000)
		return err_set(e, ERR_USAGE,
			       "%s: expected letters, digits and any of _ . ~ : / @ + %% -, found '%.200s'", flag,
			       text);
	return 0;
}

/* A path where nothing stands yet becomes a bare repository, as with git init.
 *
 * Nothing points at a heartbeat once the next has come, so what git keeps of such objects is shortened from two weeks
 * to an hour (the gc that git runs after pushes, receive.autogc, does the rest). An hour is safe for who pushes
 * meanwhile: objects that come are in quarantine, which gc passes by as long, until the whole push is there, and have
 * the time at which they were written; one that was here already gets the present time when it comes again. From then
 * to the moment when the branch has it git needs seconds, and dgrid gives up a push after two minutes. A gc that finds
 * too much that is younger leaves a note that stops the next ones for a day (gc.logExpiry); in an hour there is
 * something to do. */
static int make_repository(const char *url, const char *branch, struct err *e)
{
	static const char *const settings[][2] = {{"gc.pruneExpire", "1.hour.ago"},
						  {"gc.logExpiry", "1.hour.ago"},
						  /* One task's files are fetched by the id of their tree. */
						  {"uploadpack.allowAnySHA1InWant", "true"},
						  {"uploadpack.allowFilter", "true"}};
	struct git g = {.dir = (char *)".", .name = (char *)"dgrid", .email = (char *)"dgrid@localhost"};
	char *head = xasprintf("--initial-branch=%s", branch);
	const char *args[] = {"init", "--quiet", "--bare", head, "--", url, NULL};
	bool new = is_folder(url) && !file_exists(url);
	int rc = new ? git_run(&g, NULL, e, args) : 0;
	g.dir = (char *)url;
	for (size_t i = 0; i < sizeof settings / sizeof *settings && new && !rc; i++)
		rc = git_run(&g, NULL, e, (const char *const[]){"config", settings[i][0], settings[i][1], NULL});
	free(head);
	return rc;
}

/* A hook is for who serves the repository, and so is --bare. */
static int check_bare(const char *url, const struct plan *p, struct err *e)
{
	const char *flag = p->hook ? "--hook" : "--bare";
	char *head = xasprintf("%s/HEAD", url);
	int rc = 0;
	if (!is_folder(url))
		rc = err_set(
		    e, ERR_USAGE,
		    "%s: expected a bare repository in a folder of this machine, found '%.200s' (run it on the machine "
		    "that serves the repository)",
		    flag, url);
	else if (file_exists(url) && !file_exists(head))
		rc = err_set(e, ERR_USAGE,
			     "%s: expected a bare repository, or a path where nothing stands yet; '%.200s' is neither",
			     flag, url);
	free(head);
	return rc;
}

/* given: the repository that is named, NULL: none. */
static int options(int argc, char **argv, struct plan *p, bool *by_host, const char **given, struct err *e)
{
	struct usage_scan s = {.verb = &verb_init, .argc = argc, .argv = argv};
	int opt;
	while ((opt = usage_next(&s, e)) > 0)
		switch (opt) {
		case 'c':
		case 'n': {
			const char *ci = opt == 'n' ? "none" : s.value;
			if (strcmp(ci, "none") != 0 && strcmp(ci, "github") != 0 && strcmp(ci, "gitlab") != 0)
				return err_set(e, ERR_USAGE, "--ci: expected none, github or gitlab, found '%.200s'",
					       ci);
			p->ci = !strcmp(ci, "none") ? CI_NONE : !strcmp(ci, "github") ? CI_GITHUB : CI_GITLAB;
			*by_host = false;
			break;
		}
		case 'b':
			p->bare = true;
			break;
		case 'h':
			p->hook = true;
			break;
		case 's':
			p->source = s.value;
			break;
		case 'r':
			p->ref = s.value;
			break;
		}
	if (opt < 0)
		return -1;
	if (argc - s.rest > 1)
		return err_set(e, ERR_USAGE, "init takes one repository, found '%.200s' too", argv[s.rest + 1]);
	*given = argv[s.rest];
	return check_source("--source", p->source, e) || check_source("--source-ref", p->ref, e) ? -1 : 0;
}

static int cmd_init(const struct context *ctx, int argc, char **argv, struct err *e)
{
	struct ledger l = {0};
	struct context here = *ctx;
	struct plan p = {.source = DGRID_SOURCE, .ref = RELEASE};
	bool by_host = true;
	const char *operand = NULL;
	if (options(argc, argv, &p, &by_host, &operand, e))
		return -1;
	char *given = operand ? absolute_repo(operand) : NULL;
	if (given)
		here.url = given;
	int rc = need_repo(&here, e);
	if (!rc && by_host)
		p.ci = ci_of(here.url);
	/* The hook first, so that it judges this program's own push too. */
	if (!rc && (((p.bare || p.hook) && check_bare(here.url, &p, e)) || make_repository(here.url, here.branch, e) ||
		    (p.hook && hook_install(here.url, here.branch, e)) ||
		    ledger_open(&l, here.url, here.branch, NULL, here.name, here.email, e)))
		rc = -1;
	if (!rc && (rc = init_clone(&l, &p, e)) != 0 && strstr(e->msg, "hash algorithm") &&
	    !(rc = file_remove_tree(l.git.dir, e)) && !(rc = git_init_sha256(&l.git, l.url, l.branch, e)))
		rc = init_clone(&l, &p, e);
	if (!rc && p.hook)
		printf("every push to it is judged by hooks/pre-receive and hooks/reference-transaction\n");
	if (l.url)
		ledger_close(&l);
	buf_clear(&p.said);
	buf_clear(&p.paths);
	free(given);
	return rc;
}

const struct verb verb_init = {
    .name = "init",
    .args = "[--ci github|gitlab|none] [--no-workflows] [--source URL] [--source-ref REF] [--bare] [--hook] [REPO]",
    .summary = "make a repository into a grid; --ci: whose workflows to write, else told by the host's name",
    .about =
	"Writes the files of a grid (the task folders, grid.json, a README, workflows for the host) in one commit and "
	"pushes it. If the folder does not exist, a bare repository is made first, whose gc removes old heartbeats "
	"after an hour. Existing files stay as they are, so you can run it again to add what is missing.",
    .needs = USAGE_WRITES,
    .options =
	(const struct usage_option[]){
	    {'c', "--ci", "HOST", "github gitlab none",
	     "which workflows to write: github, gitlab or none; default: by the host's name, none for a folder"},
	    {'n', "--no-workflows", NULL, NULL, "the same as --ci none; for tokens that may not write workflows"},
	    {'s', "--source", "URL", NULL, "where the workflows get dgrid's source; default: its own repository"},
	    {'r', "--source-ref", "REF", NULL, "which tag, branch or commit of it; default: the tag of this version"},
	    {'b', "--bare", NULL, NULL, "require a bare repository in a folder; it is created if nothing is there"},
	    {'h', "--hook", NULL, NULL,
	     "the same, with a hook that checks every push against the audit's rules (hooks/pre-receive, "
	     "receive.fsckObjects); run this on the machine that serves the repository"},
	    {0}},
    .operands = "@folders",
    .examples = (const struct usage_note[]){{"dgrid init /srv/grid.git", "a grid in a folder"},
					    {"dgrid init --bare --hook /srv/grid.git", "one that checks every push"},
					    {"DGRID_REPO_URL=https://github.com/you/grid.git dgrid init", ""},
					    {0}},
    .exits = (const struct usage_note[]){{"0", "the branch is a grid now, or was one already"}, {"66", ""}, {0}},
    .run = cmd_init,
};
