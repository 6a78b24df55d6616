#include "store/keygen.h"
#include "schema/signatures.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const keygen_env[] = {"LC_ALL=C", "TZ=UTC0", "SSH_ASKPASS_REQUIRE=force", "GIT_TOKEN", NULL};

int keygen_run(const char *const *args, const char *text, size_t len, struct proc_result *res, struct err *e)
{
	struct strs argv = {0};
	strs_add(&argv, "ssh-keygen");
	for (; *args; args++)
		strs_add(&argv, *args);
	struct proc_spec spec = {.argv = (const char *const *)argv.v,
				 .env = keygen_env,
				 .input = text,
				 .input_len = len,
				 .timeout_ms = KEYGEN_TIMEOUT_MS};
	int rc = proc_run(&spec, res, e);
	strs_clear(&argv);
	if (rc)
		err_set(e, ERR_UNAVAILABLE,
			"ssh-keygen does not start; it checks signatures (install OpenSSH's client)");
	else if (res->end != PROC_EXITED)
		rc = err_set(e, ERR_UNAVAILABLE, "ssh-keygen did not end by itself");
	if (rc)
		proc_result_clear(res);
	return rc;
}

void keygen_words(const struct proc_result *res, char *out, size_t room)
{
	const char *said = res->err.len ? res->err.data : res->out.data ? res->out.data : "";
	size_t end = strlen(said), begin;
	while (end && (said[end - 1] == '\n' || said[end - 1] == '\r'))
		end--;
	for (begin = end; begin && said[begin - 1] != '\n';)
		begin--;
	snprintf(out, room, "%.*s", (int)(end - begin < 200 ? end - begin : 200), said + begin);
	for (char *p = out; *p; p++)
		if ((unsigned char)*p < 32 || *p == 127)
			*p = '?';
}

/* "256 SHA256:... comment (ED25519)" */
static char *fingerprint(const char *key, struct err *e)
{
	struct proc_result res;
	char print[128] = "";
	if (KEYGEN(&res, e, "-l", "-f", key))
		return NULL;
	if (res.out.data)
		sscanf(res.out.data, "%*s %127s", print);
	proc_result_clear(&res);
	return xstrdup(print);
}

char *keygen_sign(const char *space, const char *key, const char *text, size_t len, char **print, struct err *e)
{
	struct proc_result res;
	char said[256], *armor = NULL;
	*print = fingerprint(key, e);
	if (!*print || KEYGEN_ON(text, len, &res, e, "-q", "-Y", "sign", "-n", space, "-f", key))
		return NULL;
	keygen_words(&res, said, sizeof said);
	if (res.code || !res.out.data || !task_armored(res.out.data))
		err_set(e, ERR_PERM,
			"ssh-keygen does not sign with '%s': %s (a key with a passphrase has to be in an agent: "
			"ssh-add)",
			key, said);
	else
		armor = xstrdup(res.out.data);
	proc_result_clear(&res);
	return armor;
}

/* 'Good "dgrid-task" signature for NAME with ED25519 key SHA256:...': what stands last, for a name could look like it.
 */
static void take_key(const struct proc_result *res, char key[64])
{
	key[0] = 0;
	for (const char *p = res->out.data; p && (p = strstr(p, " key SHA256:")); p++)
		sscanf(p, " key %63s", key);
}

int keygen_allowed(const struct keygen_question *q, char who[128], char key[64], char *why, size_t room, struct err *e)
{
	struct proc_result names, res;
	int rc = 0;
	if (KEYGEN(&names, e, "-Y", "find-principals", "-s", q->signature, "-f", q->list, q->time))
		return -1;
	keygen_words(&names, why, room);
	for (char *name = names.code ? NULL : names.out.data, *next; name && *name && !rc; name = next) {
		next = name + strcspn(name, "\n");
		if (*next)
			*next++ = 0;
		if (!*name || *name == '-')
			continue;
		if (KEYGEN_ON(q->text, q->len, &res, e, "-Y", "verify", "-n", q->space, "-I", name, "-s", q->signature,
			      "-f", q->list, q->time)) {
			rc = -1;
			break;
		}
		rc = res.code == 0;
		keygen_words(&res, why, room);
		if (rc) {
			snprintf(who, 128, "%s", name);
			take_key(&res, key);
		}
		proc_result_clear(&res);
	}
	proc_result_clear(&names);
	return rc;
}
