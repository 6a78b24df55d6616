#include "site/filelist.h"
#include "base/markup.h"
#include "store/pointer.h"
#include <string.h>

#define NAME_BYTES 400

/* pointers: what is so small may be one, to a file in a store, whose size only its content tells. */
static void put_name(struct buf *b, const struct left_name *v, bool pointers)
{
	size_t len = strlen(v->path), cut = markup_cut(v->path, len, NAME_BYTES);
	buf_adds(b, "<tr><td><code>");
	markup_html(b, v->path, cut);
	buf_addf(b, "%s</code></td><td class=\"num\">", cut < len ? "…" : "");
	if (v->bytes >= 0 && !(pointers && v->bytes < POINTER_TEXT))
		buf_addf(b, "%lld", (long long)v->bytes);
	buf_adds(b, "</td></tr>\n");
}

void filelist_put(struct buf *b, const struct left_names *names, const struct json *out, const struct forge *f)
{
	if (!names || !names->n)
		return;
	int64_t all = json_int(out, "files", 0), more = all > (int64_t)names->n ? all - (int64_t)names->n : 0;
	buf_adds(b, "<section aria-labelledby=\"h-files\"><h2 id=\"h-files\">Files</h2>\n<p>");
	if (f->tree[0] && names->commit[0])
		buf_addf(b, "<a href=\"%s%s/%s\" rel=\"noreferrer\">On its host</a>, or", f->tree, names->commit,
			 names->id);
	else
		buf_adds(b, "To get them:");
	buf_addf(b, " <code>dgrid get %s</code></p>\n", names->id);
	buf_adds(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Files\"><table><thead><tr>"
		    "<th scope=\"col\">Name</th><th scope=\"col\">Bytes</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < names->n; i++)
		put_name(b, &names->v[i], json_get(out, "stored") != NULL);
	buf_adds(b, "</tbody></table></div>\n");
	if (more)
		buf_addf(b, "<p>and %lld more</p>\n", (long long)more);
	buf_adds(b, "</section>\n");
}
