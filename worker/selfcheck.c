#include "worker/selfcheck.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MIN_MS 500
#define WAIT_MAX_MS 30000
#define IMAGE_RETRY_MS 60000
#define MIN_FREE_BYTES (16 << 20)

bool selfcheck_pause(struct selfcheck *s, const char *why)
{
	char text[sizeof s->trouble];
	snprintf(text, sizeof text, "%s", why);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	bool news = strcmp(s->trouble, text) != 0;
	if (news)
		log_at(LOG_ERROR, "worker", "no claims until this is mended: %s", text);
	memcpy(s->trouble, text, sizeof text);
	s->wait_ms = s->wait_ms * 2 < WAIT_MIN_MS ? WAIT_MIN_MS : s->wait_ms * 2;
	s->wait_ms = s->wait_ms > WAIT_MAX_MS ? WAIT_MAX_MS : s->wait_ms;
	s->check_at = clock_mono_ms() + clock_jitter(s->wait_ms);
	return news;
}

bool selfcheck_disk(struct selfcheck *s, const char *dir)
{
	char why[256];
	int64_t room = file_free_bytes(dir);
	if (room < 0 || room >= MIN_FREE_BYTES)
		return false;
	snprintf(why, sizeof why, "disk: less than %d MB are free in '%.200s'", MIN_FREE_BYTES >> 20, dir);
	selfcheck_pause(s, why);
	return true;
}

/* Asks the engine; the answer is kept under the image's name. */
static struct selfcheck_image *look_for(struct selfcheck *s, const struct engine *g, const char *name, struct err *e)
{
	char digest[96];
	int rc = engine_image(g, name, digest, e); /* serves the loop, which may add images */
	struct selfcheck_image *i = NULL;
	for (size_t k = 0; k < s->n_images && !i; k++)
		if (!strcmp(s->images[k].name, name))
			i = &s->images[k];
	if (!i) {
		s->images = xrealloc(s->images, (s->n_images + 1) * sizeof *s->images);
		i = &s->images[s->n_images++];
		*i = (struct selfcheck_image){.name = xstrdup(name)};
	}
	i->failed_until = rc ? clock_mono_ms() + IMAGE_RETRY_MS : 0;
	if (!s->told)
		s->told = json_new(JSON_OBJECT);
	const struct json *before = json_get(s->told, name);
	s->news = s->news || (rc && (!before || before->boolean));
	json_set(s->told, name, json_new_bool(!rc));
	snprintf(i->digest, sizeof i->digest, "%s", rc ? "" : digest);
	return i;
}

const char *selfcheck_image(struct selfcheck *s, const struct engine *g, const char *image)
{
	struct err e;
	struct selfcheck_image *i = NULL;
	for (size_t k = 0; k < s->n_images && !i; k++)
		if (!strcmp(s->images[k].name, image))
			i = &s->images[k];
	if (!i || (i->failed_until && clock_mono_ms() >= i->failed_until)) {
		i = look_for(s, g, image, &e);
		if (i->failed_until)
			log_at(LOG_WARN, "worker", "%s; its tasks are left to other nodes", e.msg);
	}
	return i->failed_until ? NULL : i->digest;
}

void selfcheck_clear(struct selfcheck *s)
{
	for (size_t i = 0; i < s->n_images; i++)
		free(s->images[i].name);
	free(s->images);
	json_free(s->told);
	*s = (struct selfcheck){0};
}

bool selfcheck_run(struct selfcheck *s, struct engine *g, const struct grid_config *c, const char *dir)
{
	struct err e;
	struct engine now;
	s->check_at = 0;
	if (selfcheck_disk(s, dir))
		return false;
	bool suspect = s->suspect;
	if (engine_pick(engine_name(g->kind), &now, &e) || look_for(s, g, c->images[0], &e)->failed_until ||
	    (suspect && trial_run(g, c, &e))) {
		char *why = xasprintf("engine: %s", e.msg);
		selfcheck_pause(s, why);
		free(why);
		return false;
	}
	s->suspect = false;
	g->limits = now.limits;
	if (s->limits && !now.limits) {
		selfcheck_pause(s, SELFCHECK_LIMITS);
		return false;
	}
	if (s->signatures && trust_available(&e)) {
		selfcheck_pause(s, e.msg);
		return false;
	}
	if (s->barred[0]) {
		selfcheck_pause(s, s->barred);
		return false;
	}
	if (s->blamed[0]) {
		selfcheck_pause(s, s->blamed);
		return false;
	}
	bool mended = s->trouble[0];
	if (mended)
		log_at(LOG_INFO, "worker", "mended, claiming again: %s", s->trouble);
	s->trouble[0] = 0;
	s->wait_ms = 0;
	return mended;
}
