#include "schema/signatures.h"
#include <string.h>

#define SIGNATURE_HEAD "-----BEGIN SSH SIGNATURE-----\n"

size_t task_signatures(const struct json *doc)
{
	const struct json *all = json_get(doc, "signatures");
	size_t n = 0;
	for (const struct json *s = all ? all->child : NULL; s; s = s->next)
		n++;
	return n;
}

bool task_armored(const char *text)
{
	return !strncmp(text, SIGNATURE_HEAD, strlen(SIGNATURE_HEAD)) && strstr(text, "-----END SSH SIGNATURE-----") &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=- \n") == strlen(text);
}

const char *task_signatures_wrong(const struct json *signatures, const struct json **at)
{
	size_t n = 0;
	*at = signatures;
	if (signatures->type != JSON_ARRAY)
		return "expected an array of objects with \"signature\"";
	for (const struct json *s = signatures->child; s; s = s->next) {
		*at = s;
		if (++n > TASK_SIGNATURES_MAX)
			return "at most 8 signatures";
		if (s->type != JSON_OBJECT || !json_get(s, "signature"))
			return "expected an object with \"signature\"";
		for (const struct json *m = s->child; m; m = m->next) {
			bool key = !strcmp(m->name, "key"), signature = !strcmp(m->name, "signature");
			*at = m;
			if (!key && !signature)
				return "expected \"signature\" and \"key\" only";
			if (m->type != JSON_STRING || strlen(m->text) != m->len || m->len > TASK_SIGNATURE_MAX)
				return "expected a string of at most 4096 bytes without NUL";
			if (signature && !task_armored(m->text))
				return "expected an armored SSH signature (-----BEGIN SSH SIGNATURE-----...)";
		}
	}
	return NULL;
}
