#include "git/forge.h"
#include <stdio.h>
#include <string.h>

static const struct {
	const char *host; /* whole, or the beginning when it ends with a dot */
	const char *commit, *file, *tree;
	enum { NO_PAGE, GITHUB, GITLAB, GITEA } kind; /* how a new file is asked for */
} known[] = {
    {"github.com", "/commit/", "/blob/", "/tree/", GITHUB},
    {"gitlab.com", "/-/commit/", "/-/blob/", "/-/tree/", GITLAB},
    {"gitlab.", "/-/commit/", "/-/blob/", "/-/tree/", GITLAB},
    {"bitbucket.org", "/commits/", "/src/", "/src/", NO_PAGE},
    {"codeberg.org", "/commit/", "/src/branch/", "/src/commit/", GITEA},
    {"gitea.com", "/commit/", "/src/branch/", "/src/commit/", GITEA},
    {"gitea.", "/commit/", "/src/branch/", "/src/commit/", GITEA},
    {"forgejo.", "/commit/", "/src/branch/", "/src/commit/", GITEA},
};
#define PLAIN "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~-"

/* Takes host and path out of scheme://[user[:password]@]host[:port]/path or [user@]host:path. */
static bool take_apart(const char *url, char host[128], const char **path)
{
	static const char *const schemes[] = {"https://", "http://", "ssh://", "git://"};
	const char *from = NULL, *end;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes && !from; i++)
		if (!strncmp(url, schemes[i], strlen(schemes[i])))
			from = url + strlen(schemes[i]);
	bool scp = !from;
	if (scp && (strstr(url, "://") || url[0] == '/' || url[0] == '.'))
		return false;
	from = scp ? url : from;
	end = from + strcspn(from, "/");
	for (const char *p = from; p < end; p++)
		if (*p == '@')
			from = p + 1;
	size_t n = strcspn(from, scp ? ":" : ":/");
	if (!n || n >= 128 || strspn(from, PLAIN) < n)
		return false;
	snprintf(host, 128, "%.*s", (int)n, from);
	*path = from + n;
	if (scp)
		return *(*path)++ == ':';
	*path += strcspn(*path, "/"); /* the port */
	return *(*path)++ == '/';
}

void forge_of(struct forge *f, const char *url)
{
	char host[128];
	const char *path;
	*f = (struct forge){"", "", "", "", "", 0};
	if (!take_apart(url, host, &path))
		return;
	while (*path == '/')
		path++;
	size_t n = strlen(path);
	while (n && path[n - 1] == '/')
		n--;
	if (n > 4 && !strncmp(path + n - 4, ".git", 4))
		n -= 4;
	if (!n || n > 300 || !memchr(path, '/', n) || strspn(path, PLAIN "/") < n || strstr(path, ".."))
		return;
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		size_t len = strlen(known[i].host);
		if (known[i].host[len - 1] == '.' ? strncmp(host, known[i].host, len) != 0
						  : strcmp(host, known[i].host) != 0)
			continue;
		f->kind = known[i].kind;
		snprintf(f->home, sizeof f->home, "https://%s/%.*s", host, (int)n, path);
		snprintf(f->commit, sizeof f->commit, "%s%s", f->home, known[i].commit);
		snprintf(f->file, sizeof f->file, "%s%s", f->home, known[i].file);
		snprintf(f->tree, sizeof f->tree, "%s%s", f->home, known[i].tree);
		return;
	}
}

static void add_escaped(char *out, size_t room, const char *text)
{
	size_t n = strlen(out);
	for (; *text && n + 4 < room; text++)
		if (strchr(PLAIN, *text))
			out[n++] = *text;
		else
			n += (size_t)snprintf(out + n, room - n, "%%%02X", (unsigned)(unsigned char)*text);
	out[n] = 0;
}

void forge_create(struct forge *f, const char *branch, const char *folder, const char *name, const char *text)
{
	f->create[0] = 0;
	if (f->kind == NO_PAGE || !branch[0] || strspn(branch, PLAIN "/") < strlen(branch))
		return;
	if (f->kind == GITHUB)
		snprintf(f->create, sizeof f->create, "%s/new/%s?filename=%s/%s&value=", f->home, branch, folder, name);
	else if (f->kind == GITLAB)
		snprintf(f->create, sizeof f->create, "%s/-/new/%s?file_name=%s/%s", f->home, branch, folder, name);
	else
		snprintf(f->create, sizeof f->create, "%s/_new/%s/%s/?filename=%s&value=", f->home, branch, folder,
			 name);
	if (f->kind != GITLAB)
		add_escaped(f->create, sizeof f->create, text);
}
