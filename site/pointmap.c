#include "site/pointmap.h"
#include "base/markup.h"
#include "schema/result.h"
#include "site/rows.h"
#include <stdlib.h>
#include <string.h>

/* ---- the map ---- */

struct axis { /* a variable and its values, in the order in which they come */
	const char *name;
	const char *v[POINTS_MAX];
	size_t n;
};

static size_t axis_at(struct axis *a, const char *value)
{
	size_t i = 0;
	while (i < a->n && strcmp(a->v[i], value) != 0)
		i++;
	if (i == a->n && a->n < POINTS_MAX)
		a->v[a->n++] = value;
	return i;
}

/* Two variables that take every pair of their values once, whatever else does not change. */
static bool two_axes(const struct point *all, size_t n, struct axis axes[2])
{
	size_t found = 0;
	for (const struct json *v = all[0].vars ? all[0].vars->child : NULL; v; v = v->next) {
		struct axis a = {.name = v->name};
		for (size_t i = 0; i < n; i++) {
			const char *value = json_str(all[i].vars, v->name);
			if (!value)
				return false;
			axis_at(&a, value);
		}
		if (a.n < 2 || !strcmp(v->name, POINT_INDEX))
			continue;
		if (found == 2)
			return false;
		axes[found++] = a;
	}
	return found == 2 && axes[0].n * axes[1].n == n && axes[1].n <= 40;
}

static int64_t longest(const struct json *points)
{
	int64_t max = 1;
	for (const struct json *end = points->child; end; end = end->next)
		if (json_int(end, "duration_ms", 0) > max)
			max = json_int(end, "duration_ms", 0);
	return max;
}

/* A link to its row: failed ones crossed, the others darker the longer they took. */
static void put_cell(struct buf *b, const struct point *p, const struct json *end, int64_t max)
{
	const char *status = json_str(end, "status");
	int64_t ms = json_int(end, "duration_ms", -1);
	bool good = status && !strcmp(status, "success");
	buf_addf(b, "<a class=\"cell ");
	if (good)
		buf_addf(b, "heat-%d", ms < 0 ? 0 : (int)((double)ms / (double)max * 4));
	else
		buf_adds(b, "heat-bad");
	buf_addf(b, "\" href=\"#p-%lld\" title=\"point %lld: ", (long long)p->index, (long long)p->index);
	markup_html(b, status ? status : "?", markup_cut(status ? status : "?", status ? strlen(status) : 1, 24));
	if (ms >= 0 && ms < 1000000000000)
		buf_addf(b, ", %.2f s", (double)ms / 1000);
	buf_addf(b, "\">%s%lld</a>", good ? "" : "✗ ", (long long)p->index);
}

static void put_map(struct buf *b, const struct point *all, size_t n, const struct json *points)
{
	const struct json *end[POINTS_MAX] = {0};
	struct axis *axes = xcalloc(2, sizeof *axes);
	size_t known = 0;
	int64_t max = longest(points);
	for (const struct json *e = points->child; e && known < n; e = e->next)
		end[known++] = e;
	buf_adds(b, "<div class=\"heat scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Map of the points\">");
	if (known == n && two_axes(all, n, axes)) {
		buf_adds(b, "<table><thead><tr><th scope=\"col\">");
		markup_html(b, axes[0].name, markup_cut(axes[0].name, strlen(axes[0].name), 64));
		buf_adds(b, " \\ ");
		markup_html(b, axes[1].name, markup_cut(axes[1].name, strlen(axes[1].name), 64));
		buf_adds(b, "</th>");
		for (size_t k = 0; k < axes[1].n; k++) {
			buf_adds(b, "<th scope=\"col\">");
			markup_html(b, axes[1].v[k], markup_cut(axes[1].v[k], strlen(axes[1].v[k]), 24));
			buf_adds(b, "</th>");
		}
		buf_adds(b, "</tr></thead><tbody>\n");
		for (size_t r = 0; r < axes[0].n; r++) {
			buf_adds(b, "<tr><th scope=\"row\">");
			markup_html(b, axes[0].v[r], markup_cut(axes[0].v[r], strlen(axes[0].v[r]), 24));
			buf_adds(b, "</th>");
			for (size_t k = 0; k < axes[1].n; k++) {
				buf_adds(b, "<td>");
				for (size_t i = 0; i < n; i++)
					if (!strcmp(json_str(all[i].vars, axes[0].name), axes[0].v[r]) &&
					    !strcmp(json_str(all[i].vars, axes[1].name), axes[1].v[k]))
						put_cell(b, &all[i], end[i], max);
				buf_adds(b, "</td>");
			}
			buf_adds(b, "</tr>\n");
		}
		buf_adds(b, "</tbody></table>");
	} else
		for (size_t i = 0; i < known; i++)
			put_cell(b, &all[i], end[i], max);
	buf_adds(b, "</div>\n");
	free(axes);
}

/* ---- the table ---- */

/* The variables of a point, each as NAME=value. */
static void put_variables(struct buf *b, const struct json *vars)
{
	for (const struct json *v = vars ? vars->child : NULL; v; v = v->next)
		if (v->type == JSON_STRING && strcmp(v->name, POINT_INDEX) != 0) {
			buf_adds(b, "<code>");
			markup_html(b, v->name, markup_cut(v->name, strlen(v->name), 64));
			buf_adds(b, "=");
			markup_html(b, v->text, markup_cut(v->text, v->len, 80));
			buf_adds(b, "</code> ");
		}
}

static void put_point(struct buf *b, const struct point *p, const struct json *end)
{
	const char *status = json_str(end, "status");
	bool bad = !status || strcmp(status, "success") != 0;
	char *said = result_line(end, bad);
	int64_t code = json_int(end, "exit_code", -1), ms = json_int(end, "duration_ms", -1);
	buf_addf(b, "<tr id=\"p-%lld\" tabindex=\"-1\"><td class=\"num\">%lld</td><td><span class=\"badge s-%s\">",
		 (long long)p->index, (long long)p->index,
		 status && !strcmp(status, "success") ? "completed" : row_badge(status));
	markup_html(b, status ? status : "?", markup_cut(status ? status : "?", status ? strlen(status) : 1, 24));
	buf_adds(b, "</span></td><td class=\"num\">");
	if (code >= 0)
		buf_addf(b, "%lld", (long long)code);
	buf_adds(b, "</td><td class=\"num\">");
	if (ms >= 0 && ms < 1000000000000)
		buf_addf(b, "%.2f s", (double)ms / 1000);
	buf_adds(b, "</td><td>");
	put_variables(b, p->vars);
	buf_adds(b, "</td><td>");
	markup_html(b, said, markup_cut(said, strlen(said), 200));
	buf_adds(b, "</td></tr>\n");
	free(said);
}

/* Those that failed first. */
void pointmap_put(struct buf *b, const struct json *doc, const struct json *points)
{
	static const char *const heads[] = {"Point", "Status", "Exit code", "Time", "Variables", "Output"};
	struct point all[POINTS_MAX];
	size_t n = points_of(doc, all);
	if (n > 1 && points->type == JSON_ARRAY)
		put_map(b, all, n, points);
	buf_adds(b, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Points\"><table><thead><tr>");
	for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
		buf_addf(b, "<th scope=\"col\">%s</th>", heads[i]);
	buf_adds(b, "</tr></thead>\n<tbody>\n");
	for (int good = 0; good < 2; good++) {
		const struct json *end = points->type == JSON_ARRAY ? points->child : NULL;
		for (size_t i = 0; i < n && end; i++, end = end->next) {
			const char *status = json_str(end, "status");
			if ((status && !strcmp(status, "success")) == good)
				put_point(b, &all[i], end);
		}
	}
	buf_adds(b, "</tbody></table></div>\n");
}
