#include "worker/selfcheck.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MIN_MS 500
#define WAIT_MAX_MS 30000
#define IMAGE_FIRST_MS 5000
#define IMAGE_MAX_MS 60000
#define FOLDER_MS 10000 /* so long an image that is a folder of this machine is taken for what it was */
#define ABANDONED_SECONDS 5
#define MIN_FREE_BYTES (16 << 20)

bool selfcheck_pause(struct selfcheck *s, const char *why)
{
	char text[sizeof s->trouble];
	snprintf(text, sizeof text, "%s", why);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	bool news = strcmp(s->trouble, text) != 0;
	s->end_told = s->end_told && !news;
	if (news)
		log_at(LOG_ERROR, "worker", "no claims until this is mended: %s", text);
	memcpy(s->trouble, text, sizeof text);
	s->wait_ms = clock_longer(s->wait_ms, WAIT_MIN_MS, WAIT_MAX_MS);
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

bool selfcheck_room(struct selfcheck *s, const char *dir, int64_t out_mb)
{
	int64_t room = file_free_bytes(dir), git_mb = out_mb < CONFIG_GIT_MB ? out_mb : CONFIG_GIT_MB,
		need = MIN_FREE_BYTES + (out_mb + git_mb) * (1 << 20);
	if (!out_mb || room < 0 || room >= need)
		return true;
	snprintf(
	    s->tight, sizeof s->tight,
	    "disk: less than %lld MB are free in '%.100s': tasks that may leave %lld MB (out_mb) are left to others",
	    (long long)(need >> 20), dir, (long long)out_mb);
	return false;
}

void selfcheck_unstored(struct selfcheck *s, const char *id, const char *why)
{
	char text[256];
	snprintf(text, sizeof text, "disk: what %s left %.160s", id, why);
	s->unstored = clock_mono_ms();
	selfcheck_pause(s, text);
}

/* What a git that failed left half-done goes when it has lain a while: only then is it nobody's any more. */
static bool stores(struct selfcheck *s)
{
	struct err e;
	char why[256];
	if (!s->unstored || !s->store)
		return true;
	int rc = filestore_trial(s->store, ABANDONED_SECONDS, &e);
	if (rc) {
		snprintf(why, sizeof why, "disk: what tasks leave cannot be stored: %.200s", e.msg);
		selfcheck_pause(s, why);
	} else if (clock_mono_ms() < s->unstored + (ABANDONED_SECONDS + 2) * 1000)
		selfcheck_pause(s, s->trouble);
	else
		s->unstored = 0;
	return !s->unstored;
}

/* Is it still the image that the settings mean? */
static bool same_terms(const struct selfcheck_image *i, const struct grid_config *c)
{
	const char *pins = config_pins(c, i->name), *build = config_build(c, i->name);
	return (!i->pins || !pins ? i->pins == pins : !strcmp(i->pins, pins)) &&
	       (!i->build || !build ? i->build == build : !strcmp(i->build, build));
}

static struct selfcheck_image *known(const struct selfcheck *s, const char *name)
{
	for (size_t k = 0; k < s->n_images; k++)
		if (!strcmp(s->images[k].name, name))
			return &s->images[k];
	return NULL;
}

static bool same_word(const struct json *a, const struct json *b)
{
	return a->type == b->type && (a->type == JSON_BOOL ? a->boolean == b->boolean : !strcmp(a->text, b->text));
}

/* Asks the engine; the answer is kept under the image's name. */
static struct selfcheck_image *look_for(struct selfcheck *s, const struct engine *g, const struct grid_config *c,
					const char *name, struct err *e)
{
	char digest[96], ref[320], *copy = xstrdup(name);
	char *pins = config_pins(c, name) ? xstrdup(config_pins(c, name)) : NULL;
	char *build = config_build(c, name) ? xstrdup(config_build(c, name)) : NULL;
	int rc = trial_find(g, copy, pins, build, digest, ref,
			    e); /* serves the loop, which may add images and read settings */
	struct selfcheck_image *i = known(s, copy);
	if (!i) {
		s->images = xrealloc(s->images, (s->n_images + 1) * sizeof *s->images);
		i = &s->images[s->n_images++];
		*i = (struct selfcheck_image){.name = xstrdup(copy)};
	}
	free(i->pins);
	free(i->build);
	free(copy);
	i->pins = pins;
	i->build = build;
	i->looked_at = clock_mono_ms();
	i->wait_ms = rc ? clock_longer(i->wait_ms, IMAGE_FIRST_MS, IMAGE_MAX_MS) : 0;
	i->failed_until = rc ? i->looked_at + i->wait_ms : 0;
	if (!rc)
		i->why[0] = 0;
	if (!rc && i->digest[0] && strcmp(i->digest, digest) != 0)
		log_at(LOG_INFO, "worker", "image %s is %s now", i->name, digest);
	if (!s->told)
		s->told = json_new(JSON_OBJECT);
	const struct json *before = json_get(s->told, i->name);
	/* With rc: another than the settings pin. */
	struct json *now = digest[0] ? json_new_str(digest) : json_new_bool(!rc);
	s->news = s->news || (before ? !same_word(before, now) : rc != 0);
	json_set(s->told, i->name, now);
	snprintf(i->digest, sizeof i->digest, "%s", rc ? "" : digest);
	snprintf(i->ref, sizeof i->ref, "%s", rc ? "" : ref);
	return i;
}

const struct selfcheck_image *selfcheck_known(const struct selfcheck *s, const struct grid_config *c, const char *image)
{
	const struct selfcheck_image *i = known(s, image);
	return i && !i->failed_until && same_terms(i, c) ? i : NULL;
}

const struct selfcheck_image *selfcheck_image(struct selfcheck *s, const struct engine *g, const struct grid_config *c,
					      const char *image)
{
	struct err e;
	struct selfcheck_image *i = known(s, image);
	int64_t now = clock_mono_ms();
	bool stale = i && (i->failed_until		? now >= i->failed_until
			   : rootfs_of(g->roots, image) ? now >= i->looked_at + FOLDER_MS
							: false);
	if (!i || stale || !same_terms(i, c)) {
		i = look_for(s, g, c, image, &e);
		if (i->failed_until && strncmp(i->why, e.msg, sizeof i->why - 1) != 0)
			log_at(LOG_WARN, "worker", "%s; its tasks are left to other nodes", e.msg);
		if (i->failed_until)
			snprintf(i->why, sizeof i->why, "%.255s", e.msg);
	}
	return i->failed_until ? NULL : i;
}

int64_t selfcheck_again_at(const struct selfcheck *s, const char *image)
{
	const struct selfcheck_image *i = known(s, image);
	return i ? i->failed_until : 0;
}

bool selfcheck_means(const struct selfcheck *s, const struct grid_config *c, const char *image, const char *digest)
{
	const char *pins = config_pins(c, image);
	const struct selfcheck_image *built = config_build(c, image) ? selfcheck_known(s, c, image) : NULL;
	if (config_build(c, image))
		return built && (!digest[0] || !strcmp(built->digest, digest));
	return !pins || !digest[0] || config_pinned(pins, digest);
}

void selfcheck_look_again(struct selfcheck *s, const char *image)
{
	struct selfcheck_image *i = known(s, image);
	if (i)
		i->failed_until = i->failed_until ? 1 : 0;
}

void selfcheck_clear(struct selfcheck *s)
{
	for (size_t i = 0; i < s->n_images; i++) {
		free(s->images[i].name);
		free(s->images[i].pins);
		free(s->images[i].build);
	}
	free(s->images);
	json_free(s->told);
	*s = (struct selfcheck){0};
}

/* The first image of the grid that is here; NULL: none is, and e says why the usual one is not. Those before it are
 * said to be missing. */
static const struct selfcheck_image *first_image(struct selfcheck *s, const struct engine *g,
						 const struct grid_config *c, struct err *e)
{
	struct err other;
	for (int i = 0; c->images[i]; i++) {
		const struct selfcheck_image *was = known(s, c->images[i]);
		bool news = !was || !was->failed_until, there;
		there = !look_for(s, g, c, c->images[i], i ? &other : e)->failed_until;
		if (there)
			return known(s, c->images[i]);
		if (news && c->images[1])
			log_at(LOG_WARN, "worker", "%s; its tasks are left to other nodes", i ? other.msg : e->msg);
	}
	return NULL;
}

bool selfcheck_run(struct selfcheck *s, struct engine *g, const struct grid_config *c, const char *dir)
{
	struct err e;
	struct engine now;
	s->check_at = 0;
	if (!stores(s) || selfcheck_disk(s, dir))
		return false;
	bool suspect = s->suspect;
	const struct selfcheck_image *image = NULL;
	if (engine_pick(engine_name(g->kind), &now, &e) || !(image = first_image(s, g, c, &e)) ||
	    (suspect && trial_run(g, c, image->ref[0] ? image->ref : image->name, &e) && e.class != ERR_RETRY)) {
		char *why = xasprintf("engine: %s", e.msg);
		selfcheck_pause(s, why);
		free(why);
		return false;
	}
	s->suspect = false; /* a cluster without a place for the trial says nothing against the node */
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
	if (mended && !s->end_told)
		log_at(LOG_INFO, "worker", "mended, claiming again: %s", s->trouble);
	s->end_told = false;
	s->trouble[0] = 0;
	s->wait_ms = 0;
	return mended;
}
