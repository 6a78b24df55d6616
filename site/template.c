#include "site/template.h"
#include "base/asset.h"
#include "base/sha256.h"
#include <string.h>

void template_fill(struct buf *out, const char *asset, const struct template_value *values, size_t n)
{
	const struct asset *a = asset_find(asset);
	const char *p = a ? a->bytes : "", *open;
	while ((open = strstr(p, "{{"))) {
		size_t len = strcspn(open + 2, "}");
		buf_add(out, p, (size_t)(open - p));
		for (size_t i = 0; i < n; i++)
			if (strlen(values[i].name) == len && !strncmp(values[i].name, open + 2, len) && values[i].text)
				buf_adds(out, values[i].text);
		p = open + 2 + len + (open[2 + len] ? 2 : 0);
	}
	buf_adds(out, p);
}

const char *template_text(const char *name)
{
	const struct asset *a = asset_find(name);
	return a ? a->bytes : "";
}

/* Only the page's own scripts and styles may run, named by their hashes. strict-dynamic: the scripts of data are loaded
 * by ours; a page opened from a folder has no origin that 'self' could stand for. */
void template_policy(struct buf *out, const char *const *scripts, size_t n)
{
	const char *style = template_text("web/style.css");
	buf_adds(out, "default-src 'none'; script-src 'strict-dynamic'");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, " ");
		sha256_csp(out, template_text(scripts[i]), strlen(template_text(scripts[i])));
	}
	buf_adds(out, "; style-src ");
	sha256_csp(out, style, strlen(style));
	buf_adds(out, "; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'");
}
