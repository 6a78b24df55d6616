#include "site/feed.h"
#include "base/clock.h"
#include "base/text.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES 50
#define OUTPUT_MAX 2000 /* bytes of the end of stderr */

/* As XML text or an attribute's value. What would be harmful on a terminal (it is U+FFFD then) and what XML 1.0 cannot
 * hold is left out. */
static void add_xml(struct buf *out, const char *s, size_t len)
{
	struct buf b = {0};
	text_output(&b, s, len);
	for (const char *p = b.data; p && *p; p++)
		if (!strncmp(p, "\xEF\xBF", 2) && (unsigned char)p[2] >= 0xBD) /* U+FFFD to U+FFFF */
			p += 2;
		else if (strchr("&<>\"'", *p))
			buf_addf(out, "&#%u;", (unsigned)*p);
		else
			buf_add(out, p, 1);
	buf_clear(&b);
}

static void add_text(struct buf *out, const char *s)
{
	add_xml(out, s ? s : "", s ? strlen(s) : 0);
}

static int64_t ended(const struct snapshot_task *t)
{
	int64_t when;
	const char *text = json_str(json_get(t->doc, "result"), "finished_at");
	return text && !clock_parse(text, &when) && when > 0 && when < 253402300800 ? when : 0;
}

static int newest_first(const void *pa, const void *pb)
{
	const struct snapshot_task *a = *(struct snapshot_task *const *)pa, *b = *(struct snapshot_task *const *)pb;
	int64_t x = ended(a), y = ended(b);
	return x != y ? (x > y ? -1 : 1) : strcmp(a->id, b->id);
}

/* The same for as long as the failure is the same: of the claim that failed, else of the time. */
static void add_id(struct buf *out, const struct snapshot_task *t)
{
	const char *nonce = json_str(json_get(t->doc, "result"), "nonce");
	size_t n = 0;
	while (nonce && n < 64 && isxdigit((unsigned char)nonce[n]))
		n++;
	if (nonce && n && !nonce[n])
		buf_addf(out, "urn:dgrid:failure:%s:%s", t->id, nonce);
	else
		buf_addf(out, "urn:dgrid:failure:%s:%lld", t->id, (long long)ended(t));
}

static void add_entry(struct buf *out, const struct snapshot_task *t, const char *base)
{
	char when[32];
	const struct json *result = json_get(t->doc, "result"), *err = json_get(result, "stderr");
	const char *status = json_str(result, "status"), *node = json_str(result, "node"),
		   *reason = json_str(result, "reason"), *description = json_str(t->doc, "description");
	int64_t code = json_int(result, "exit_code", -1), attempt = json_int(result, "attempt", 0);
	buf_adds(out, "  <entry>\n    <id>");
	add_id(out, t);
	buf_addf(out, "</id>\n    <title>%s: ", t->id);
	add_text(out, status ? status : "failed");
	if (code >= 0)
		buf_addf(out, ", exit code %lld", (long long)code);
	buf_addf(out, "</title>\n    <updated>%s</updated>\n", clock_format(ended(t), when));
	if (*base) {
		buf_adds(out, "    <link rel=\"alternate\" type=\"text/html\" href=\"");
		add_text(out, base);
		buf_addf(out, "t/%s.html\"/>\n", t->id);
	}
	buf_adds(out, "    <content type=\"text\">");
	if (description) {
		add_text(out, description);
		buf_adds(out, "\n");
	}
	if (node) {
		buf_adds(out, "node ");
		add_text(out, node);
		buf_adds(out, "\n");
	}
	if (attempt > 0)
		buf_addf(out, "attempt %lld\n", (long long)attempt);
	if (reason) {
		add_text(out, reason);
		buf_adds(out, "\n");
	}
	if (err && err->type == JSON_STRING && err->len) {
		size_t from = err->len > OUTPUT_MAX ? err->len - OUTPUT_MAX : 0;
		while (from && from < err->len && ((unsigned char)err->text[from] & 0xC0) == 0x80)
			from++;
		buf_adds(out, from ? "...\n" : "");
		add_xml(out, err->text + from, err->len - from);
	}
	if (!t->doc)
		buf_adds(out, "its file is not valid JSON");
	buf_adds(out, "</content>\n  </entry>\n");
}

void feed_failures(const struct snapshot *s, const char *base_url, struct buf *out)
{
	char when[32];
	size_t n = 0;
	struct snapshot_task **list = xcalloc(s->n_tasks + 1, sizeof(struct snapshot_task *));
	char *base = !base_url || !*base_url		     ? xstrdup("")
		     : base_url[strlen(base_url) - 1] == '/' ? xstrdup(base_url)
							     : xasprintf("%s/", base_url);
	for (size_t i = 0; i < s->n_tasks; i++) {
		const char *status = json_str(json_get(s->tasks[i].doc, "result"), "status");
		if (s->tasks[i].state == TASK_FAILED && !(status && !strcmp(status, "cancelled")))
			list[n++] = &s->tasks[i];
	}
	qsort(list, n, sizeof *list, newest_first);
	buf_adds(out,
		 "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n  <id>");
	add_text(out, *base ? base : "urn:dgrid:failures");
	buf_addf(out, "%s</id>\n  <title>Failed tasks</title>\n  <author><name>dgrid</name></author>\n",
		 *base ? "failures.atom" : "");
	/* A feed that did not change stays the same file. */
	buf_addf(out, "  <updated>%s</updated>\n", clock_format(n ? ended(list[0]) : 0, when));
	if (*base) {
		buf_adds(out, "  <link rel=\"self\" type=\"application/atom+xml\" href=\"");
		add_text(out, base);
		buf_adds(out, "failures.atom\"/>\n  <link rel=\"alternate\" type=\"text/html\" href=\"");
		add_text(out, base);
		buf_adds(out, "\"/>\n");
	}
	for (size_t i = 0; i < n && i < ENTRIES; i++)
		add_entry(out, list[i], base);
	buf_adds(out, "</feed>\n");
	free(list);
	free(base);
}
