#include "schema/result.h"
#include "base/clock.h"
#include "base/sha256.h"
#include <stdlib.h>
#include <string.h>

static void set_hash(struct json *r, const char *name, const uint8_t hash[32])
{
	char hex[SHA256_HEX];
	sha256_hex(hash, hex);
	json_set(r, name, json_new_str(hex));
}

static void set_stream(struct json *r, const char *name, const struct buf *b, uint64_t total, bool cut,
		       const uint8_t hash[32])
{
	char *bytes = xasprintf("%s_bytes", name), *truncated = xasprintf("%s_truncated", name),
	     *sum = xasprintf("%s_sha256", name);
	json_set(r, name, json_new_strn(b->data ? b->data : "", b->len));
	json_set(r, bytes, json_new_int((int64_t)total));
	json_set(r, truncated, json_new_bool(cut));
	set_hash(r, sum, hash);
	free(bytes);
	free(truncated);
	free(sum);
}

static struct json *decimal(double d)
{
	struct json *j = json_new(JSON_NUMBER);
	free(j->text);
	j->text = xasprintf("%g", d);
	j->len = strlen(j->text);
	return j;
}

/* What it ran with is what it has to be run with again. */
static struct json *limits(const struct engine_run *r, size_t output_limit)
{
	struct json *j = json_new(JSON_OBJECT);
	json_set(j, "cpus", decimal(r->cpus));
	json_set(j, "memory_mb", json_new_int(r->memory_mb));
	json_set(j, "pids", json_new_int(r->pids));
	json_set(j, "tmp_mb", json_new_int(r->tmp_mb));
	json_set(j, "output_limit_bytes", json_new_int((int64_t)output_limit));
	return j;
}

struct json *result_json(const struct attempt_result *a, const struct result_facts *f)
{
	char when[32];
	uint8_t script[32];
	bool bwrap = f->engine->kind == ENGINE_BWRAP;
	struct json *r = json_new(JSON_OBJECT);
	json_set(r, "status", json_new_str(attempt_status_name(a->status)));
	json_set(r, "exit_code", a->exit_code < 0 ? json_new(JSON_NULL) : json_new_int(a->exit_code));
	json_set(r, "signal", a->signal ? json_new_int(a->signal) : json_new(JSON_NULL));
	json_set(r, "node", json_new_str(f->node));
	json_set(r, "attempt", json_new_int(f->attempt));
	json_set(r, "nonce", json_new_str(f->nonce));
	json_set(r, "started_at", json_new_str(clock_format(a->started_at, when)));
	json_set(r, "finished_at", json_new_str(clock_format(a->finished_at, when)));
	json_set(r, "duration_ms", json_new_int(a->duration_ms));
	json_set(r, "engine", json_new_str(engine_name(f->engine->kind)));
	/* bubblewrap runs no image: the script sees the host's own /usr. */
	json_set(r, "image", json_new_str(bwrap ? "host:/usr" : f->image));
	json_set(r, "image_digest", json_new_str(f->image_digest));
	json_set(r, "limits", limits(f->run, f->output_limit));
	sha256(f->script, strlen(f->script), script);
	set_hash(r, "script_sha256", script);
	set_stream(r, "stdout", &a->out, a->out_bytes, a->out_truncated, a->out_sha256);
	set_stream(r, "stderr", &a->err, a->err_bytes, a->err_truncated, a->err_sha256);
	return r;
}
