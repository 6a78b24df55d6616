#include "site/put.h"
#include "base/markup.h"
#include <string.h>

#define BIG 1000000000000000

void put_sep(struct buf *b)
{
	char c = b->len ? b->data[b->len - 1] : '[';
	if (c != '{' && c != '[' && c != ':')
		buf_add(b, ",", 1);
}

void put_key(struct buf *b, const char *name)
{
	put_sep(b);
	buf_addf(b, "\"%s\":", name);
}

void put_int(struct buf *b, const char *name, int64_t n)
{
	put_key(b, name);
	buf_addf(b, "%lld", (long long)(n > BIG ? BIG : n < -BIG ? -BIG : n));
}

void put_str(struct buf *b, const char *name, const char *text, size_t max)
{
	put_key(b, name);
	markup_json(b, text ? text : "", text ? markup_cut(text, strlen(text), max) : 0);
}

void put_series(struct buf *b, const char *name, const int64_t *v, size_t n)
{
	put_key(b, name);
	buf_adds(b, "[");
	for (size_t i = 0; i < n; i++) {
		put_sep(b);
		if (v[i] < 0)
			buf_adds(b, "null");
		else
			buf_addf(b, "%lld", (long long)v[i]);
	}
	buf_adds(b, "]");
}
