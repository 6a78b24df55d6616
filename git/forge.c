#include "git/forge.h"
#include <stdio.h>
#include <string.h>

static const struct {
	const char *host; /* whole, or the beginning when it ends with a dot */
	const char *commit, *file, *tree;
} known[] = {
    {"github.com", "/commit/", "/blob/", "/tree/"},
    {"gitlab.com", "/-/commit/", "/-/blob/", "/-/tree/"},
    {"gitlab.", "/-/commit/", "/-/blob/", "/-/tree/"},
    {"bitbucket.org", "/commits/", "/src/", "/src/"},
    {"codeberg.org", "/commit/", "/src/branch/", "/src/commit/"},
    {"gitea.com", "/commit/", "/src/branch/", "/src/commit/"},
    {"gitea.", "/commit/", "/src/branch/", "/src/commit/"},
    {"forgejo.", "/commit/", "/src/branch/", "/src/commit/"},
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
	*f = (struct forge){"", "", "", ""};
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
		snprintf(f->home, sizeof f->home, "https://%s/%.*s", host, (int)n, path);
		snprintf(f->commit, sizeof f->commit, "%s%s", f->home, known[i].commit);
		snprintf(f->file, sizeof f->file, "%s%s", f->home, known[i].file);
		snprintf(f->tree, sizeof f->tree, "%s%s", f->home, known[i].tree);
		return;
	}
}
