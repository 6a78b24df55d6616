#include "store/tails.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACED "\xEF\xBF\xBD"

/* Brings there to own, and tells its commit; "" when the remote has none. */
static int fetch_tails(const struct git *g, const char *from, const char *there, const char *own, char tail[72],
		       struct err *e)
{
	char *spec = xasprintf("+%s:%s", there, own);
	int rc =
	    git_run(g, NULL, e,
		    (const char *const[]){"fetch", "--quiet", "--no-tags", "--no-write-fetch-head", from, spec, NULL});
	tail[0] = 0;
	if (!rc)
		rc = git_find(g, own, tail, e);
	else if (strstr(e->msg, "find remote ref"))
		rc = 0;
	free(spec);
	return rc;
}

int tails_ask(const struct git *g, const char *from, const char *branch, const char *node, char head[72], char tail[72],
	      struct err *e)
{
	struct buf b = {0};
	char *ref = xasprintf("refs/heads/%s", branch);
	char *own = xasprintf("%s/%s", TAILS_REF, node ? node : "");
	char *heads = xasprintf("%s/%s", TAILS_FALLBACK, node ? node : "");
	bool here = !strcmp(from, ".");
	/* Without --heads every ref of the host comes. */
	const char *all[] = {"ls-remote", from, ref, node ? own : NULL, node ? heads : NULL, NULL};
	const char *some[] = {"ls-remote", "--heads", from, ref, node ? heads : NULL, NULL};
	int rc = git_run(g, &b, e, here ? all : some);
	head[0] = tail[0] = 0;
	for (const char *line = rc || !b.data ? "" : b.data; *line;) {
		char oid[72], name[512];
		/* The pattern also matches refs that only end like it. */
		if (sscanf(line, "%71s %511[^\n]", oid, name) == 2) {
			if (!strcmp(name, ref))
				snprintf(head, 72, "%s", oid);
			else if (!strcmp(name, own) || (!strcmp(name, heads) && !tail[0]))
				snprintf(tail, 72, "%s", oid);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
	if (!rc && !here && node)
		rc = fetch_tails(g, from, tail[0] ? heads : own, own, tail, e);
	free(ref);
	free(own);
	free(heads);
	buf_clear(&b);
	return rc;
}

struct json *tails_read(const struct git *g, const char *node, const char *oid, struct err *e)
{
	struct buf b = {0};
	struct json_error je;
	struct json *doc = NULL;
	const char *show[] = {"show", "-s", "--no-show-signature", "--format=%B", oid, NULL};
	if (!git_run(g, &b, e, show) && !(doc = json_parse(b.data ? b.data : "", b.len, &je)))
		err_set(e, ERR_DATA, "the tails of node %s are no JSON: %s", node, je.msg);
	buf_clear(&b);
	return doc;
}

bool tails_find(const struct json *doc, const char *nonce, bool of_stderr, struct tail *t)
{
	const struct json *tasks = json_get(doc, "tasks"), *text = NULL;
	for (const struct json *one = tasks && tasks->type == JSON_ARRAY ? tasks->child : NULL; one; one = one->next) {
		const char *its = json_str(one, "nonce");
		if (!its || strcmp(its, nonce) != 0)
			continue;
		text = json_get(one, of_stderr ? "stderr" : "stdout");
		t->from = json_int(one, of_stderr ? "stderr_from" : "stdout_from", -1);
		t->end = json_int(one, of_stderr ? "stderr_bytes" : "stdout_bytes", -1);
		break;
	}
	if (!text || text->type != JSON_STRING || t->from < 0 || t->end < t->from ||
	    (uint64_t)(t->end - t->from) > text->len)
		return false;
	t->text = text->text;
	t->len = text->len;
	return true;
}

size_t tails_at(const char *text, size_t len, int64_t raw, int64_t n)
{
	/* Every replaced byte made the text two bytes longer. */
	int64_t replaced = raw >= 0 && (int64_t)len > raw ? ((int64_t)len - raw) / 2 : 0;
	size_t at = 0;
	while (n > 0 && at < len) {
		bool one = replaced && len - at >= 3 && !memcmp(text + at, REPLACED, 3);
		size_t width = 1;
		while (!one && at + width < len && (text[at + width] & 0xC0) == 0x80)
			width++;
		n -= one ? 1 : (int64_t)width;
		replaced -= one;
		at += one ? 3 : width;
	}
	return at;
}
