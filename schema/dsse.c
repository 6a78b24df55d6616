#include "schema/dsse.h"
#include "base/base64.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "-----END SSH SIGNATURE-----"
#define COLUMNS 70 /* of armor, as ssh-keygen has it */
#define WHY_MAX 240

void dsse_pae(struct buf *out, const char *type, const char *text, size_t len)
{
	buf_addf(out, "DSSEv1 %zu %s %zu ", strlen(type), type, len);
	buf_add(out, text, len);
}

struct json *dsse_make(const char *type, const char *text, size_t len, const char *keyid, const char *armor)
{
	const char *from = strstr(armor, BEGIN), *to = from ? strstr(from, END) : NULL;
	struct buf payload = {0}, sig = {0};
	if (!to)
		return NULL;
	for (const char *p = from + strlen(BEGIN); p < to; p++)
		if (*p != '\n' && *p != '\r')
			buf_add(&sig, p, 1);
	base64_add(&payload, text, len);
	struct json *j = json_new(JSON_OBJECT), *all = json_new(JSON_ARRAY), *one = json_new(JSON_OBJECT);
	json_set(one, "keyid", json_new_str(keyid));
	json_set(one, "sig", json_new_strn(sig.data, sig.len));
	json_append(all, one);
	json_set(j, "payload", json_new_strn(payload.data, payload.len));
	json_set(j, "payloadType", json_new_str(type));
	json_set(j, "signatures", all);
	buf_clear(&payload);
	buf_clear(&sig);
	return j;
}

/* Its bytes. False: it is no string of base64, of either alphabet. */
static bool decode(const struct json *text, struct buf *out)
{
	if (!text || text->type != JSON_STRING)
		return false;
	uint8_t *bytes = xcalloc(BASE64_MOST(text->len) + 1, 1);
	long n = base64_decode(text->text, text->len, true, bytes);
	if (n >= 0)
		buf_add(out, bytes, (size_t)n);
	free(bytes);
	return n >= 0;
}

bool dsse_read(const struct json *envelope, const char *type, struct buf *payload, char why[240])
{
	const struct json *all = json_get(envelope, "signatures");
	const char *is = json_str(envelope, "payloadType");
	size_t n = 0;
	if (!envelope || envelope->type != JSON_OBJECT)
		snprintf(why, WHY_MAX, "expected an object with payload, payloadType and signatures");
	else if (!is || strcmp(is, type) != 0)
		snprintf(why, WHY_MAX, "payloadType: expected \"%s\", found %s%.80s%s", type, is ? "\"" : "",
			 is ? is : "none", is ? "\"" : "");
	else if (!decode(json_get(envelope, "payload"), payload))
		snprintf(why, WHY_MAX, "payload: expected base64");
	else if (!all || all->type != JSON_ARRAY || !all->child)
		snprintf(why, WHY_MAX, "signatures: expected an array of at least one");
	else {
		why[0] = 0;
		for (const struct json *s = all->child; s && !why[0]; s = s->next, n++) {
			const struct json *id = json_get(s, "keyid");
			struct buf armor = {0};
			if (n == DSSE_SIGNATURES_MAX)
				snprintf(why, WHY_MAX, "signatures: more than %d", DSSE_SIGNATURES_MAX);
			else if (s->type != JSON_OBJECT || !dsse_armor(s, &armor))
				snprintf(why, WHY_MAX, "signatures[%zu].sig: expected base64", n);
			else if (id && id->type != JSON_STRING)
				snprintf(why, WHY_MAX, "signatures[%zu].keyid: expected a string, found %s", n,
					 json_type_name(id->type));
			buf_clear(&armor);
		}
		return !why[0];
	}
	return false;
}

bool dsse_armor(const struct json *signature, struct buf *armor)
{
	struct buf raw = {0}, text = {0};
	bool good = decode(json_get(signature, "sig"), &raw) && raw.len;
	if (good)
		base64_add(&text, raw.data, raw.len);
	buf_adds(armor, BEGIN);
	for (size_t i = 0; i < text.len; i += COLUMNS)
		buf_addf(armor, "%.*s\n", (int)(text.len - i < COLUMNS ? text.len - i : COLUMNS), text.data + i);
	buf_adds(armor, END "\n");
	buf_clear(&raw);
	buf_clear(&text);
	return good;
}
