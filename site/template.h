/* template: the pages' frames from assets/web, with what stands in them, and the policy that lets nothing else in. */
#ifndef TEMPLATE_H
#define TEMPLATE_H
#include "base/buf.h"

struct template_value {
	const char *name; /* as in {{NAME}} */
	const char *text;
};
/* An asset with its {{NAMES}} replaced. A name without value is left out. */
void template_fill(struct buf *out, const char *asset, const struct template_value *values, size_t n);
const char *template_text(const char *asset); /* "": there is none */
/* The Content-Security-Policy of a page with these scripts, names of assets. */
void template_policy(struct buf *out, const char *const *scripts, size_t n);
#endif
