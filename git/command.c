#include "git/command.h"
#include "base/proc.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the token ---- */

static char *token_site; /* scheme://host[:port] */

/* "scheme://[user[:password]@]host[:port]/..." as scheme://host[:port], in lower case; NULL for what is no such URL. */
static char *site_of(const char *url, size_t len)
{
	char *text = xstrndup(url, len), *site = NULL, *host = strstr(text, "://");
	if (host) {
		*host = 0;
		host += 3;
		host[strcspn(host, "/?#")] = 0;
		char *at = strrchr(host, '@');
		site = xasprintf("%s://%s", text, at ? at + 1 : host);
		for (char *p = site; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		const char *standard = !strncmp(site, "https://", 8) ? ":443" : ":80";
		size_t n = strlen(site), m = strlen(standard);
		if (n > m && !strcmp(site + n - m, standard))
			site[n - m] = 0;
	}
	free(text);
	return site;
}

/* What git says of the user's and the system's own settings, in no repository; NULL: nothing. The caller's. */
static char *ask(const char *const *args)
{
	static const char *const nowhere[] = {"GIT_DIR", "GIT_WORK_TREE", "GIT_CONFIG_PARAMETERS", NULL};
	struct proc_spec spec = {.argv = args, .env = nowhere, .timeout_ms = 10000};
	struct proc_result res;
	char *said = NULL;
	if (proc_run(&spec, &res, NULL))
		return NULL;
	size_t n = res.out.data ? strcspn(res.out.data, "\n") : 0;
	if (res.end == PROC_EXITED && !res.code && n)
		said = xstrndup(res.out.data, n);
	proc_result_clear(&res);
	return said;
}

char *git_real_url(const char *url)
{
	char *real = ask((const char *const[]){"git", "-C", "/", "ls-remote", "--get-url", "--", url, NULL});
	return real ? real : xstrdup(url);
}

bool git_token_for(const char *url)
{
	free(token_site);
	token_site = NULL;
	if (!url || !getenv("GIT_TOKEN"))
		return false;
	char *real = git_real_url(url);
	token_site = site_of(real, strlen(real));
	free(real);
	if (token_site && strncmp(token_site, "http://", 7) != 0 && strncmp(token_site, "https://", 8) != 0) {
		free(token_site);
		token_site = NULL;
	}
	return token_site != NULL;
}

bool git_askpass(int argc, char **argv, int *code)
{
	const char *site = getenv("DGRID_ASKPASS");
	if (!site || argc != 2)
		return false;
	const char *token = getenv("GIT_TOKEN"), *user = getenv("GIT_TOKEN_USER");
	/* "Password for 'https://user@host': ". After a redirect, or for a proxy, it is another host that asks. */
	const char *from = strchr(argv[1], '\''), *to = strrchr(argv[1], '\'');
	char *asks = from && from < to ? site_of(from + 1, (size_t)(to - from - 1)) : NULL;
	*code = asks && !strcmp(asks, site) ? 0 : 1;
	free(asks);
	if (*code)
		fprintf(stderr, "error: GIT_TOKEN is for %s alone\n", *site ? site : "the grid's own host");
	else if (!strncmp(argv[1], "Username", 8))
		puts(user ? user : "x-access-token");
	else
		puts(token ? token : "");
	return true;
}

void git_redact(char *text)
{
	const char *token = getenv("GIT_TOKEN");
	size_t n = token ? strlen(token) : 0;
	for (char *p = text; n && (p = strstr(p, token)); p += n)
		memset(p, '*', n);
	/* scheme://user:password@host, and scheme://token@host; a user's name alone is none over ssh. */
	for (char *p = text; (p = strstr(p, "://")); p++) {
		char *end = p + 3 + strcspn(p + 3, "/ \t\n'\""), *at = NULL, *colon = NULL;
		for (char *q = p + 3; q < end; q++) {
			if (*q == '@')
				at = q;
			if (*q == ':' && !colon)
				colon = q;
		}
		bool http =
		    (p - text >= 4 && !strncmp(p - 4, "http", 4)) || (p - text >= 5 && !strncmp(p - 5, "https", 5));
		if (at && colon && colon < at)
			memset(colon + 1, '*', (size_t)(at - colon - 1));
		else if (at && http)
			memset(p + 3, '*', (size_t)(at - p - 3));
	}
}

/* ---- whose settings count ----
 * The user's and the system's settings say how a host is reached: credential helpers, proxies, url.insteadOf, ssh, CAs,
 * http.*. What decides what is written, read or printed is pinned here, whatever they say. */

static const char *const pinned[] = {
    /* The ledger is a stranger's text: no hooks, no links, no end-of-line or path magic. */
    "core.hooksPath=/dev/null", "core.symlinks=false", "core.autocrlf=false", "core.eol=lf", "core.safecrlf=false",
    "core.attributesFile=/dev/null", "core.excludesFile=/dev/null", "core.useReplaceRefs=false", "core.fsmonitor=false",
    "core.untrackedCache=false", "core.splitIndex=false", "core.sparseCheckout=false", "core.logAllRefUpdates=false",
    "feature.manyFiles=false", "feature.experimental=false",
    /* What we read is as git writes it by itself. */
    "core.quotePath=false", "core.abbrev=auto", "color.ui=false", "color.diff=false", "column.ui=never",
    "log.showSignature=false", "log.showRoot=true", "log.diffMerges=separate", "log.follow=false", "log.mailmap=false",
    "log.decorate=false", "i18n.commitEncoding=UTF-8", "i18n.logOutputEncoding=UTF-8", "diff.renames=false",
    "diff.orderFile=/dev/null", "diff.relative=false", "diff.noPrefix=false", "diff.mnemonicPrefix=false",
    "diff.ignoreSubmodules=none",
    /* What we write is what was said. */
    "commit.cleanup=verbatim", "commit.verbose=false", "core.commentChar=#", "branch.autoSetupMerge=false",
    "submodule.recurse=false", "clone.defaultRemoteName=origin", "clone.rejectShallow=false",
    "init.defaultRefFormat=files", "safe.bareRepository=all",
    /* What goes over the line is what was named. */
    "push.pushOption=", "push.gpgSign=false", "push.followTags=false", "push.recurseSubmodules=no",
    "push.negotiate=false", "push.useForceIfIncludes=false", "fetch.prune=false", "fetch.pruneTags=false",
    "fetch.recurseSubmodules=false", "fetch.writeCommitGraph=false", "fetch.negotiationAlgorithm=consecutive",
    "protocol.version=2",
    /* Upkeep is ours to call. A clone can be had again: a crash may damage it, at the cost of a new one. What is pushed
     * is safe by the other side's settings. And one pack is quicker to write than its objects. */
    "gc.auto=0", "maintenance.auto=false", "core.fsync=none", "fetch.unpackLimit=1", "advice.detachedHead=false",
    "advice.graftFileDeprecated=false"};

static const char *const scrubbed[] = {"GIT_WORK_TREE",		  "GIT_INDEX_FILE",	   "GIT_COMMON_DIR",
				       "GIT_NAMESPACE",		  "GIT_CONFIG_PARAMETERS", "GIT_PREFIX",
				       "GIT_GRAFT_FILE",	  "GIT_SHALLOW_FILE",	   "GIT_REPLACE_REF_BASE",
				       "GIT_AUTHOR_DATE",	  "GIT_COMMITTER_DATE",	   "GIT_GLOB_PATHSPECS",
				       "GIT_NOGLOB_PATHSPECS",	  "GIT_ICASE_PATHSPECS",   "GIT_DEFAULT_HASH",
				       "GIT_DEFAULT_REF_FORMAT",  "GIT_EXTERNAL_DIFF",	   "GIT_DIFF_OPTS",
				       "GIT_ATTR_SOURCE",	  "GIT_INDEX_VERSION",	   "GIT_NOTES_REF",
				       "GIT_CEILING_DIRECTORIES", "GIT_PUSH_OPTION_COUNT"};

static void set(struct strs *argv, const char *setting)
{
	strs_add(argv, "-c");
	strs_add(argv, setting);
}

#define OWN_SSH "ssh -oBatchMode=yes"

/* With our own, an ssh that asks would wait for an answer that nobody can give; with the user's, he knows. */
static int known_ssh = -1;
static bool own_ssh(void)
{
	if (known_ssh < 0) {
		char *ssh = git_ssh_command();
		known_ssh = !ssh || strcmp(ssh, OWN_SSH) != 0;
		free(ssh);
	}
	return known_ssh != 0;
}

char *git_ssh_command(void)
{
	const char *told = getenv("GIT_SSH_COMMAND");
	char *set = told ? xstrdup(told)
			 : ask((const char *const[]){"git", "-C", "/", "config", "--get", "core.sshCommand", NULL});
	return set || getenv("GIT_SSH") ? set : xstrdup(OWN_SSH);
}

void git_use_ssh(const char *command)
{
	setenv("GIT_SSH_COMMAND", command, 1);
	known_ssh = 1;
}

void git_settle(const char *url)
{
	if (url && (*url == '/' || *url == '.'))
		known_ssh = 1; /* a folder: there is none to ask for */
	else
		own_ssh();
}

/* A list of folders, in which one in quotes may have any name. */
static void add_lent(struct strs *env, const char *folder)
{
	struct buf line = {0};
	buf_adds(&line, "GIT_ALTERNATE_OBJECT_DIRECTORIES=\"");
	for (; *folder; folder++)
		buf_addf(&line, "%s%c", *folder == '"' || *folder == '\\' ? "\\" : "", *folder);
	buf_adds(&line, "\"");
	strs_add(env, line.data);
	buf_clear(&line);
}

void git_command(const struct git *g, const char *dir, const char *const *args, struct strs *argv, struct strs *env)
{
	/* How git tells its hooks which repository it serves, and where the objects of a push wait for their verdict.
	 */
	static const char *const of_hooks[] = {"GIT_DIR", "GIT_OBJECT_DIRECTORY", "GIT_QUARANTINE_PATH",
					       "GIT_ALTERNATE_OBJECT_DIRECTORIES"};
	strs_add(argv, "git");
	if (dir) {
		strs_add(argv, "-C");
		strs_add(argv, dir);
	}
	for (size_t i = 0; i < sizeof pinned / sizeof *pinned && !g->theirs; i++)
		set(argv, pinned[i]);
	set(argv, g->sign_with ? "commit.gpgSign=true" : "commit.gpgSign=false");
	if (g->sign_with) {
		set(argv, "gpg.format=ssh");
		strs_add(argv, "-c");
		strs_addf(argv, "user.signingKey=%s", g->sign_with);
		/* A passphrase is for an agent or an askpass: there is no terminal to ask on. */
		strs_add(env, "SSH_ASKPASS_REQUIRE=force");
	}
	if (getenv("GIT_TOKEN")) {
		/* No helper may store the token, nor answer in its place. */
		set(argv, "credential.helper=");
		strs_addf(env, "GIT_ASKPASS=%s", proc_self());
		strs_addf(env, "DGRID_ASKPASS=%s", token_site ? token_site : "");
	}
	if (g->as_is)
		set(argv, "core.commitGraph=false");
	if (g->files) {
		/* Large files go to disk and to the wire in a stream, and packs are mapped a little at a time: git's
		 * memory is then no matter of their size. */
		set(argv, "core.bigFileThreshold=1m");
		set(argv, "core.packedGitWindowSize=1m");
		set(argv, "core.packedGitLimit=16m");
	}
	for (; *args; args++)
		strs_add(argv, *args);
	for (size_t i = 0; i < sizeof scrubbed / sizeof *scrubbed; i++)
		strs_add(env, scrubbed[i]);
	for (size_t i = 0; i < sizeof of_hooks / sizeof *of_hooks && !g->in_hook; i++)
		strs_add(env, of_hooks[i]);
	if (g->lent)
		add_lent(env, g->lent);
	if (g->as_is) {
		strs_add(env, "GIT_NO_REPLACE_OBJECTS=1");
		strs_add(env, "GIT_GRAFT_FILE=/dev/null");
	}
	strs_add(env, "LC_ALL=C");
	strs_add(env, "GIT_TERMINAL_PROMPT=0");
	strs_add(env, "GIT_EDITOR=true");
	strs_add(env, "GIT_ATTR_NOSYSTEM=1");
	strs_add(env, "GIT_LITERAL_PATHSPECS=1"); /* a file's name is no pattern */
	if (!own_ssh())
		strs_add(env, "GIT_SSH_COMMAND=" OWN_SSH);
	strs_addf(env, "GIT_AUTHOR_NAME=%s", g->name);
	strs_addf(env, "GIT_AUTHOR_EMAIL=%s", g->email);
	strs_addf(env, "GIT_COMMITTER_NAME=%s", g->name);
	strs_addf(env, "GIT_COMMITTER_EMAIL=%s", g->email);
}
