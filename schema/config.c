#include "schema/config.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char config_template[] = "{\n  \"schema\": 1,\n  \"branch\": \"main\",\n  \"images\": [\"alpine:3.20\"]\n}\n";

static const struct {
	const char *name;
	size_t offset;
	int64_t dflt, min, max;
} ints[] = {
    {"min_timeout_seconds", offsetof(struct grid_config, min_timeout_seconds), 10, 1, 86400},
    {"max_timeout_seconds", offsetof(struct grid_config, max_timeout_seconds), 300, 1, 86400},
    {"output_limit_bytes", offsetof(struct grid_config, output_limit_bytes), 10240, 256, 262144},
    {"heartbeat_seconds", offsetof(struct grid_config, heartbeat_seconds), 30, 1, 3600},
    {"orphan_after_seconds", offsetof(struct grid_config, orphan_after_seconds), 300, 5, 86400},
    {"max_clock_skew_seconds", offsetof(struct grid_config, max_clock_skew_seconds), 60, 0, 3600},
    {"poll_seconds", offsetof(struct grid_config, poll_seconds), 5, 1, 3600},
    {"keep_finished", offsetof(struct grid_config, keep_finished), 500, 1, 100000},
    {"max_memory_mb", offsetof(struct grid_config, max_memory_mb), 512, 16, 1048576},
    {"max_pids", offsetof(struct grid_config, max_pids), 10, 3, 4096},
    {"tmp_mb", offsetof(struct grid_config, tmp_mb), 64, 1, 65536},
    {"pushes_per_minute", offsetof(struct grid_config, pushes_per_minute), 0, 1, 100000},
    {"lease_seconds", offsetof(struct grid_config, lease_seconds), 0, 5, 86400},
    {"live_tail_bytes", offsetof(struct grid_config, live_tail_bytes), 2048, 0, 65536},
    {"retry_backoff_seconds", offsetof(struct grid_config, retry_backoff_seconds), 10, 1, 3600},
    {"max_files_per_request", offsetof(struct grid_config, max_files_per_request), 1, 1, 1000},
    {"replicas", offsetof(struct grid_config, replicas), 1, 1, 9},
    {"quorum", offsetof(struct grid_config, quorum), 0, 1, 9},
};
#define N_INTS (sizeof ints / sizeof *ints)

static int64_t *int_at(struct grid_config *c, size_t i)
{
	return (int64_t *)(void *)((char *)c + ints[i].offset);
}

void config_defaults(struct grid_config *c)
{
	*c = (struct grid_config){.branch = xstrdup("main"), .max_cpus = 1};
	c->images[0] = xstrdup("alpine:3.20");
	for (size_t i = 0; i < N_INTS; i++)
		*int_at(c, i) = ints[i].dflt;
}

static void clear_images(struct grid_config *c)
{
	for (int i = 0; c->images[i]; i++) {
		free(c->images[i]);
		c->images[i] = NULL;
	}
}

static void clear_links(struct grid_config *c)
{
	for (size_t i = 0; i < sizeof c->links / sizeof *c->links; i++) {
		free(c->links[i].text);
		free(c->links[i].url);
		c->links[i] = (struct config_link){0};
	}
}

void config_clear(struct grid_config *c)
{
	free(c->branch);
	c->branch = NULL;
	clear_images(c);
	free(c->title);
	c->title = NULL;
	clear_links(c);
}

static void parse_images(struct grid_config *c, const struct json *m, struct problems *p)
{
	int n = 0;
	if (m->type != JSON_ARRAY || !m->child) {
		problem_in(p, m->line, m->col, "images", "expected a list of at least one image name");
		return;
	}
	clear_images(c);
	for (const struct json *v = m->child; v; v = v->next) {
		/* A leading dash would be read as an option by the engine. */
		if (v->type != JSON_STRING || !v->len || v->text[0] == '-' || strlen(v->text) != v->len)
			problem_in(p, v->line, v->col, "images", "expected an image name such as \"alpine:3.20\"");
		else if (n == 15)
			problem_in(p, v->line, v->col, "images", "at most 15 images");
		else
			c->images[n++] = xstrdup(v->text);
	}
}

/* Nothing but a page or a mail address: a link must not run a script. */
static bool is_link(const struct json *v)
{
	static const char *const schemes[] = {"https://", "http://", "mailto:"};
	if (!v || v->type != JSON_STRING || v->len > 2000)
		return false;
	for (size_t i = 0; i < v->len; i++)
		if ((unsigned char)v->text[i] <= 32 || v->text[i] == 127 || strchr("\"<>\\^`{|}", v->text[i]))
			return false;
	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
		if (!strncmp(v->text, schemes[i], strlen(schemes[i])) && v->text[strlen(schemes[i])])
			return true;
	return false;
}

static void parse_links(struct grid_config *c, const struct json *m, struct problems *p)
{
	size_t n = 0;
	if (m->type != JSON_ARRAY) {
		problem_at(p, m->line, m->col, "links: expected a list of {\"text\": ..., \"url\": ...}");
		return;
	}
	clear_links(c);
	for (const struct json *v = m->child; v; v = v->next) {
		const struct json *text = json_get(v, "text"), *url = json_get(v, "url");
		if (!text || text->type != JSON_STRING || !text->len || text->len > 100 || !is_link(url))
			problem_at(
			    p, v->line, v->col,
			    "links: expected {\"text\": 1-100 bytes, \"url\": https://, http:// or mailto: address}");
		else if (n == sizeof c->links / sizeof *c->links - 1)
			problem_at(p, v->line, v->col, "links: at most 9 links");
		else
			c->links[n++] = (struct config_link){xstrdup(text->text), xstrdup(url->text)};
	}
}

static void parse_member(struct grid_config *c, const struct json *m, struct problems *p)
{
	int64_t n;
	if (strlen(m->name) != m->name_len) {
		problem_in(p, m->name_line, m->name_col, m->name, "unknown setting (expected no NUL in a name)");
		return;
	}
	for (size_t i = 0; i < N_INTS; i++)
		if (!strcmp(m->name, ints[i].name)) {
			if (m->type == JSON_NULL && !ints[i].dflt)
				*int_at(c, i) = 0; /* null: no limit, as without the setting */
			else if (json_to_int(m, &n) || n < ints[i].min || n > ints[i].max)
				problem_in(p, m->line, m->col, m->name, "expected a whole number from %lld to %lld",
					   (long long)ints[i].min, (long long)ints[i].max);
			else
				*int_at(c, i) = n;
			return;
		}
	if (!strcmp(m->name, "schema")) {
		if (json_to_int(m, &n) || n != 1)
			problem_in(p, m->line, m->col, "schema", "expected 1 (a newer grid needs a newer dgrid)");
	} else if (!strcmp(m->name, "branch")) {
		if (m->type != JSON_STRING || !m->len || m->text[0] == '-')
			problem_in(p, m->line, m->col, "branch", "expected a branch name");
		else {
			free(c->branch);
			c->branch = xstrdup(m->text);
		}
	} else if (!strcmp(m->name, "promote")) {
		bool workers = m->type == JSON_STRING && !strcmp(m->text, "workers");
		if (!workers && (m->type != JSON_STRING || strcmp(m->text, "workflow") != 0))
			problem_in(p, m->line, m->col, "promote", "expected \"workflow\" or \"workers\"");
		else
			c->workers_promote = workers;
	} else if (!strcmp(m->name, "images"))
		parse_images(c, m, p);
	else if (!strcmp(m->name, "require_signed_tasks")) {
		if (m->type != JSON_BOOL)
			problem_at(p, m->line, m->col, "require_signed_tasks: expected true or false");
		c->require_signed_tasks = m->boolean;
	} else if (!strcmp(m->name, "require_signed_nodes")) {
		if (m->type != JSON_BOOL)
			problem_at(p, m->line, m->col, "require_signed_nodes: expected true or false");
		c->require_signed_nodes = m->boolean;
	} else if (!strcmp(m->name, "links"))
		parse_links(c, m, p);
	else if (!strcmp(m->name, "title")) {
		if (m->type != JSON_STRING || !m->len || m->len > 100)
			problem_at(p, m->line, m->col, "title: expected 1-100 bytes of text");
		else {
			free(c->title);
			c->title = xstrdup(m->text);
		}
	} else if (!strcmp(m->name, "max_cpus")) {
		double d = m->type == JSON_NUMBER ? strtod(m->text, NULL) : -1;
		if (!(d >= 0.01 && d <= 1024))
			problem_in(p, m->line, m->col, "max_cpus", "expected a number from 0.01 to 1024");
		else
			c->max_cpus = d;
	} else if (strncmp(m->name, "x-", 2) != 0)
		problem_in(p, m->name_line, m->name_col, m->name,
			   "unknown setting (expected a setting of the README; names of your own begin with x-)");
}

void config_parse(struct grid_config *c, const char *text, size_t len, struct problems *p)
{
	struct json_error je;
	struct json *j = json_parse(text, len, &je);
	if (!j) {
		problem_at(p, je.line, je.col, "%s", je.msg);
		return;
	}
	if (j->type != JSON_OBJECT)
		problem_at(p, j->line, j->col, "expected an object, found %s", json_type_name(j->type));
	else
		for (const struct json *m = j->child; m; m = m->next)
			parse_member(c, m, p);
	if (c->min_timeout_seconds > c->max_timeout_seconds)
		problem_in(p, 1, 1, "min_timeout_seconds", "larger than max_timeout_seconds (expected at most that)");
	const struct json *quorum = json_get(j, "quorum");
	if (c->quorum && quorum && (2 * c->quorum <= c->replicas || c->quorum > c->replicas))
		problem_in(p, quorum->line, quorum->col, "quorum",
			   "expected a whole number from %lld to %lld, more than half of replicas",
			   (long long)(c->replicas / 2 + 1), (long long)c->replicas);
	json_free(j);
}
