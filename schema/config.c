#include "schema/config.h"
#include "base/clock.h"
#include "schema/signatures.h"
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIDS_ONCE 10 /* max_pids without the setting, up to 0.1.0 */

const char config_template[] = "{\n  \"schema\": 1,\n  \"branch\": \"main\",\n  \"images\": [\"alpine:3.22\"]\n}\n";

static void clear_images(struct grid_config *c)
{
	for (int i = 0; c->images[i]; i++) {
		free(c->images[i]);
		free(c->pins[i]);
		json_free(c->builds[i]);
		c->images[i] = c->pins[i] = NULL;
		c->builds[i] = NULL;
	}
}

static void clear_networks(struct grid_config *c)
{
	for (int i = 0; c->networks[i]; i++) {
		free(c->networks[i]);
		c->networks[i] = NULL;
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

static void clear_concurrency(struct grid_config *c)
{
	for (size_t i = 0; i < c->n_concurrency; i++)
		free(c->concurrency[i].name);
	free(c->concurrency);
	c->concurrency = NULL;
	c->n_concurrency = 0;
}

void config_clear(struct grid_config *c)
{
	clear_concurrency(c);
	free(c->branch);
	c->branch = NULL;
	clear_images(c);
	clear_networks(c);
	free(c->title);
	c->title = NULL;
	clear_links(c);
}

#define DIGEST_WORD "sha256:"
#define PINS_MAX 8

/* Text that is sha256: and 64 digits; NULL: it is not. The digits are returned. */
static const char *digest_of(const struct json *v)
{
	const char *hex = v->type == JSON_STRING && !strncmp(v->text, DIGEST_WORD, strlen(DIGEST_WORD))
			      ? v->text + strlen(DIGEST_WORD)
			      : "";
	return v->type == JSON_STRING && strlen(v->text) == v->len && strlen(hex) == 64 &&
		       strspn(hex, "0123456789abcdef") == 64
		   ? hex
		   : NULL;
}

/* One digest, or a list of them. The caller frees; NULL: a problem. */
static char *parse_pins(const struct json *digest, struct problems *p)
{
	struct buf b = {0};
	bool list = digest->type == JSON_ARRAY;
	int n = 0;
	for (const struct json *v = list ? digest->child : digest; v; v = list ? v->next : NULL, n++) {
		const char *hex = digest_of(v);
		if (hex && n < PINS_MAX) {
			buf_addf(&b, "%s%s", n ? " " : "", hex);
			continue;
		}
		problem_in(p, v->line, v->col, "images",
			   hex ? "at most 8 digests of an image" : "digest: expected sha256: and 64 digits of 0-9 a-f");
		buf_clear(&b);
		return NULL;
	}
	if (!n)
		problem_in(p, digest->line, digest->col, "images", "digest: expected one, or a list of them");
	return b.data;
}

static bool is_tree(const struct json *v)
{
	return v->type == JSON_STRING && (v->len == 40 || v->len == 64) &&
	       strspn(v->text, "0123456789abcdef") == v->len;
}

/* An order to build an image: is it one? */
static bool build_valid(const struct json *build, const struct json *ordered, const struct json *signatures,
			struct problems *p)
{
	const struct json *at;
	const char *why = signatures ? task_signatures_wrong(signatures, &at) : NULL;
	int64_t when;
	if (!is_tree(build))
		problem_in(p, build->line, build->col, "images",
			   "build: expected the id of a tree (dgrid image --build makes it of a folder)");
	else if (ordered && (ordered->type != JSON_STRING || clock_parse(ordered->text, &when)))
		problem_in(p, ordered->line, ordered->col, "images",
			   "ordered_at: expected a time such as 2026-11-30T08:00:00Z");
	else if (why)
		problem_in(p, at->line, at->col, "images", "signatures: %s", why);
	else
		return true;
	return false;
}

static void parse_image(struct grid_config *c, int n, const struct json *v, struct problems *p)
{
	const struct json *whole = v->type == JSON_OBJECT ? v : NULL, *name = whole ? json_get(v, "image") : v,
			  *digest = json_get(whole, "digest"), *build = json_get(whole, "build"),
			  *ordered = build ? json_get(whole, "ordered_at") : NULL,
			  *signatures = build ? json_get(whole, "signatures") : NULL;
	for (const struct json *m = whole ? v->child : NULL; m; m = m->next)
		if (m != name && m != digest && m != build && m != ordered && m != signatures) {
			problem_in(p, m->name_line, m->name_col, "images",
				   "\"%.80s\" is no member of an image (expected image, and digest or build)", m->name);
			return;
		}
	if (name != v && (!name || (digest != NULL) == (build != NULL))) {
		problem_in(
		    p, v->line, v->col, "images",
		    "expected {\"image\": NAME, \"digest\": \"sha256:...\"}, or \"build\" in place of \"digest\"");
		return;
	}
	/* A leading dash would be read as an option by the engine. */
	if (name->type != JSON_STRING || !name->len || name->text[0] == '-' || strlen(name->text) != name->len) {
		problem_in(p, name->line, name->col, "images", "expected an image name such as \"alpine:3.22\"");
		return;
	}
	for (int i = 0; i < n; i++)
		if (whole && !strcmp(c->images[i], name->text)) {
			problem_in(p, name->line, name->col, "images", "\"%.200s\" is there twice", name->text);
			return;
		}
	if (build && !build_valid(build, ordered, signatures, p))
		return;
	c->pins[n] = digest ? parse_pins(digest, p) : NULL;
	c->builds[n] = build ? json_copy(v) : NULL;
	c->images[n] = xstrdup(name->text);
}

static void parse_images(struct grid_config *c, const struct json *m, struct problems *p)
{
	int n = 0;
	if (m->type != JSON_ARRAY || !m->child) {
		problem_in(p, m->line, m->col, "images", "expected a list of at least one image name");
		return;
	}
	clear_images(c);
	for (const struct json *v = m->child; v; v = v->next)
		if (n == 15)
			problem_in(p, v->line, v->col, "images", "at most 15 images");
		else {
			parse_image(c, n, v, p);
			n += c->images[n] != NULL;
		}
}

const struct json *config_build_order(const struct grid_config *c, const char *image)
{
	for (int i = 0; c->images[i]; i++)
		if (!strcmp(c->images[i], image))
			return c->builds[i];
	return NULL;
}

const char *config_build(const struct grid_config *c, const char *image)
{
	return json_str(config_build_order(c, image), "build");
}

const char *config_pins(const struct grid_config *c, const char *image)
{
	for (int i = 0; c->images[i]; i++)
		if (!strcmp(c->images[i], image))
			return c->pins[i];
	return NULL;
}

bool config_pinned(const char *pins, const char *digest)
{
	const char *hex = strncmp(digest, DIGEST_WORD, strlen(DIGEST_WORD)) ? digest : digest + strlen(DIGEST_WORD);
	return strlen(hex) == 64 && strstr(pins, hex);
}

/* Letters, digits, _ and -: nothing that an engine could take for more than a name. */
static bool is_name(const char *text)
{
	size_t n = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-");
	return n >= 1 && n <= 64 && !text[n];
}

static void parse_network(struct grid_config *c, const struct json *m, struct problems *p)
{
	size_t n = 0;
	if (m->type != JSON_ARRAY) {
		problem_in(p, m->line, m->col, m->name, "expected a list of names such as \"egress-proxy\"");
		return;
	}
	clear_networks(c);
	for (const struct json *v = m->child; v; v = v->next)
		if (v->type != JSON_STRING || strlen(v->text) != v->len || !is_name(v->text))
			problem_in(p, v->line, v->col, m->name, "expected a name: 1-64 of A-Z a-z 0-9 _ -");
		else if (n == sizeof c->networks / sizeof *c->networks - 1)
			problem_in(p, v->line, v->col, m->name, "at most 16 names");
		else
			c->networks[n++] = xstrdup(v->text);
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

/* A group's name, "label:NAME", "submitter:NAME" or "submitter:*". */
static bool is_limit(const char *key)
{
	static const char submitter[] = "submitter:", label[] = "label:";
	size_t n = strlen(submitter);
	if (!strncmp(key, submitter, n)) {
		for (const char *p = key + n; *p; p++)
			if ((unsigned char)*p < ' ' || *p == 127)
				return false;
		return key[n] && strlen(key + n) <= 120;
	}
	key += strncmp(key, label, strlen(label)) ? 0 : strlen(label);
	return is_name(key);
}

static void parse_concurrency(struct grid_config *c, const struct json *m, struct problems *p)
{
	if (m->type != JSON_OBJECT) {
		problem_in(p, m->line, m->col, m->name, "expected an object of whole numbers");
		return;
	}
	clear_concurrency(c);
	for (const struct json *v = m->child; v; v = v->next) {
		int64_t most;
		if (strlen(v->name) != v->name_len || !is_limit(v->name))
			problem_in(
			    p, v->name_line, v->name_col, m->name,
			    "\"%.80s\" is not valid (expected a group's name of A-Z a-z 0-9 _ -, \"label:NAME\", "
			    "\"submitter:NAME\" or \"submitter:*\")",
			    v->name);
		else if (json_to_int(v, &most) || most < 0 || most > CONFIG_CONCURRENCY_MAX)
			problem_in(p, v->line, v->col, m->name, "%.80s: expected a whole number from 0 to %d", v->name,
				   CONFIG_CONCURRENCY_MAX);
		else {
			c->concurrency = xrealloc(c->concurrency, (c->n_concurrency + 1) * sizeof *c->concurrency);
			c->concurrency[c->n_concurrency++] = (struct config_concurrency){xstrdup(v->name), most};
		}
	}
}

static void parse_flag(bool *flag, const struct json *m, struct problems *p)
{
	if (m->type != JSON_BOOL)
		problem_in(p, m->line, m->col, m->name, "expected true or false");
	*flag = m->boolean;
}

static void parse_schema(struct grid_config *c, const struct json *m, struct problems *p)
{
	int64_t n;
	(void)c;
	if (json_to_int(m, &n) || n != 1)
		problem_in(p, m->line, m->col, "schema", "expected 1 (a newer grid needs a newer dgrid)");
}

static void parse_branch(struct grid_config *c, const struct json *m, struct problems *p)
{
	if (m->type != JSON_STRING || !m->len || m->text[0] == '-') {
		problem_in(p, m->line, m->col, "branch", "expected a branch name");
		return;
	}
	free(c->branch);
	c->branch = xstrdup(m->text);
}

static void parse_promote(struct grid_config *c, const struct json *m, struct problems *p)
{
	bool workers = m->type == JSON_STRING && !strcmp(m->text, "workers");
	if (!workers && (m->type != JSON_STRING || strcmp(m->text, "workflow") != 0))
		problem_in(p, m->line, m->col, "promote", "expected \"workflow\" or \"workers\"");
	else
		c->workers_promote = workers;
}

static void parse_schedule(struct grid_config *c, const struct json *m, struct problems *p)
{
	bool maintain = m->type == JSON_STRING && !strcmp(m->text, "maintain");
	if (!maintain && (m->type != JSON_STRING || strcmp(m->text, "workers") != 0))
		problem_in(p, m->line, m->col, "schedule", "expected \"workers\" or \"maintain\"");
	else
		c->maintain_schedules = maintain;
}

static void parse_signed_tasks(struct grid_config *c, const struct json *m, struct problems *p)
{
	parse_flag(&c->require_signed_tasks, m, p);
}

static void parse_limits(struct grid_config *c, const struct json *m, struct problems *p)
{
	parse_flag(&c->require_limits, m, p);
}

static void parse_signed_nodes(struct grid_config *c, const struct json *m, struct problems *p)
{
	parse_flag(&c->require_signed_nodes, m, p);
}

static void parse_fair_share(struct grid_config *c, const struct json *m, struct problems *p)
{
	parse_flag(&c->fair_share, m, p);
}

static void parse_title(struct grid_config *c, const struct json *m, struct problems *p)
{
	if (m->type != JSON_STRING || !m->len || m->len > 100) {
		problem_in(p, m->line, m->col, "title", "expected 1-100 bytes of text");
		return;
	}
	free(c->title);
	c->title = xstrdup(m->text);
}

static void parse_cpus(double *to, const struct json *m, struct problems *p)
{
	double d = m->type == JSON_NUMBER ? strtod(m->text, NULL) : -1;
	if (!(d >= 0.01 && d <= 1024))
		problem_in(p, m->line, m->col, m->name, "expected a number from 0.01 to 1024");
	else
		*to = d;
}

static void parse_max_cpus(struct grid_config *c, const struct json *m, struct problems *p)
{
	parse_cpus(&c->max_cpus, m, p);
}

static void parse_default_cpus(struct grid_config *c, const struct json *m, struct problems *p)
{
	if (m->type == JSON_NULL)
		c->default_cpus = 0; /* as without the setting */
	else
		parse_cpus(&c->default_cpus, m, p);
}

double config_cpus(const struct grid_config *c)
{
	return c->default_cpus > 0 ? c->default_cpus : c->max_cpus;
}

int64_t config_memory_mb(const struct grid_config *c)
{
	return c->default_memory_mb ? c->default_memory_mb : c->max_memory_mb;
}

/* Every setting: a whole number within its range, or what a function of its own reads. */
#define NUMBER(name, dflt, min, max) #name, offsetof(struct grid_config, name), dflt, min, max, NULL, "", ""
#define OTHER(name, parse, kind, dflt) #name, 0, 0, 0, 0, parse, kind, dflt
static const struct setting {
	const char *name;
	size_t offset;
	int64_t dflt, min, max;
	void (*parse)(struct grid_config *c, const struct json *m, struct problems *p);
	const char *kind, *dflt_text; /* of what is no whole number */
	const char *about;
} settings[] = {
    {OTHER(schema, parse_schema, "1", "1"), "the version of the format"},
    {OTHER(branch, parse_branch, "text", "\"main\""), "the branch that holds the grid"},
    {OTHER(images, parse_images, "list of 1-15 names or `{\"image\": …, \"digest\" or \"build\": …}`",
	   "[\"alpine:3.20\"]"),
     "the images that tasks may use; the first is the default. Nodes and the audit enforce a `digest` (`sha256:…`), or "
     "one of a list. `build` is a tree that nodes build the image from if their owners allow it (`dgrid image "
     "--build`). `dgrid init` writes a newer image than the default"},
    {NUMBER(min_timeout_seconds, 10, 1, 86400), "the shortest time limit that a task may ask for"},
    {NUMBER(max_timeout_seconds, 300, 1, 86400), "the longest time limit that a task may ask for"},
    {OTHER(max_cpus, parse_max_cpus, "number, 0.01-1024", "1"),
     "the most processors that a task may ask for; also its default unless `default_cpus` is set"},
    {NUMBER(max_memory_mb, 512, 16, 1048576),
     "the most memory that a task may ask for; also its default unless `default_memory_mb` is set"},
    {OTHER(default_cpus, parse_default_cpus, "number, 0.01-1024", ""),
     "the processors that a task gets if it does not ask, at most `max_cpus`"},
    {NUMBER(default_memory_mb, 0, 4, 1048576),
     "the memory that a task gets if it does not ask, at most `max_memory_mb`"},
    {NUMBER(max_pids, 64, 3, 4096), "the most processes and threads that a task may ask for; also its default"},
    {NUMBER(tmp_mb, 64, 1, 65536), "the size of a task's `/tmp`"},
    {NUMBER(output_limit_bytes, 10240, 256, 262144),
     "bytes kept of a task's stdout and of its stderr: the beginning and the end"},
    {NUMBER(point_output_bytes, 1024, 128, 16384), "the same for each point of a task with `points`"},
    {NUMBER(max_points_seconds, 3600, 10, 22118400),
     "the longest that all points of a task may run together: their number times the time limit"},
    {NUMBER(poll_seconds, 5, 1, 3600), "how often a worker polls for tasks, up to six times less often when idle; a "
				       "folder on the same machine is watched instead"},
    {NUMBER(heartbeat_seconds, 30, 1, 3600), "how often a node sends a heartbeat"},
    {NUMBER(orphan_after_seconds, 300, 5, 86400),
     "when a node has sent no heartbeat for so long, plus `max_clock_skew_seconds`, its tasks are given to others"},
    {NUMBER(lease_seconds, 0, 5, 86400), "how long a claim is valid without renewal; `max_clock_skew_seconds` later "
					 "others may take the task; default: the task's time limit plus 60"},
    {NUMBER(max_clock_skew_seconds, 60, 0, 3600),
     "how far clocks may differ; added before a dead node's tasks are given to others"},
    {NUMBER(retry_backoff_seconds, 10, 1, 3600),
     "the delay before the second attempt of a task with `retry_on_failure`; doubles with each further one"},
    {NUMBER(replicas, 1, 1, 9), "how many nodes run a task that does not set `replicas`"},
    {NUMBER(quorum, 0, 1, 9), "how many of them must agree; default: a majority"},
    {NUMBER(live_tail_bytes, 2048, 0, 65536), "bytes of each stream of a running task that are published for `dgrid "
					      "logs -f`, as public as results are; 0: nothing before the end"},
    {NUMBER(pushes_per_minute, 0, 1, 100000),
     "the most pushes per minute of the whole grid, heartbeats included; 6 is right for GitHub; default: no limit"},
    {NUMBER(keep_finished, 500, 1, 100000), "how many finished tasks stay on the branch; older ones move to the branch "
					    "`archive`, where `show`, `logs`, `why` and `wait` find them"},
    {NUMBER(max_out_mb, 16, 0, CONFIG_FILES_MB),
     "the most that a task may leave in `/out`; also its default, up to 2048; 0: no task has `/out`"},
    {NUMBER(max_out_files, 1000, 1, 100000), "the most files and folders that a task may leave in `/out`"},
    {NUMBER(max_in_mb, 64, 0, CONFIG_FILES_MB), "the most that a task may have in `/in`, all inputs together; 0: none"},
    {NUMBER(max_in_files, 10000, 1, 100000), "the most files and folders that a task may have in `/in`"},
    {NUMBER(large_file_mb, 50, 1, CONFIG_GIT_MB),
     "larger files go to the store (`--store`) of the node that ran the task, or of the submitter, and Git gets a "
     "pointer; without a store they go to Git"},
    {NUMBER(keep_out_days, 14, 1, 36500), "how long files that tasks left in `/out` are kept"},
    {NUMBER(checkpoint_seconds, 600, 1, 86400), "how often `/out` of a running task with `checkpoint` is saved"},
    {OTHER(concurrency, parse_concurrency, "object of whole numbers, 0-100000", "{}"),
     "how many tasks may run at a time, by concurrency group (1 if not named here), `label:NAME`, `submitter:NAME` or "
     "`submitter:*` (each other submitter)"},
    {OTHER(network, parse_network, "list of up to 16 names", "[]"),
     "the networks that signed tasks may ask for; each node's owner maps them to networks of the machine (`dgrid "
     "worker --network`), or offers none"},
    {OTHER(fair_share, parse_fair_share, "true or false", "false"),
     "among tasks of the same priority, those of the submitter with the fewest running tasks go first"},
    {OTHER(promote, parse_promote, "\"workflow\" or \"workers\"", "\"workflow\""),
     "what moves merged submissions to the queue; `workers`: any idle worker does it too"},
    {OTHER(schedule, parse_schedule, "\"workers\" or \"maintain\"", "\"workers\""),
     "what queues tasks of due schedules; `maintain`: workers do not, only `dgrid maintain` and `dgrid schedule run`"},
    {NUMBER(max_files_per_request, 1, 1, 1000), "the most task files that one pull request may add"},
    {OTHER(require_limits, parse_limits, "true or false", "false"),
     "only nodes that enforce the limits of memory, processes and processors claim tasks; bubblewrap needs control "
     "groups for that"},
    {OTHER(require_signed_tasks, parse_signed_tasks, "true or false", "false"),
     "workers run only tasks that somebody in `allowed_signers` has signed"},
    {OTHER(require_signed_nodes, parse_signed_nodes, "true or false", "false"),
     "nodes sign their commits with a key in `nodes/keys/`, and people sign what they do to running and finished tasks "
     "with one in `nodes/people/`"},
    {OTHER(title, parse_title, "text, 1-100 bytes", ""), "the title of the dashboard"},
    {OTHER(links, parse_links, "list of up to 9 `{\"text\": …, \"url\": …}`", "[]"),
     "links on the dashboard; a URL begins with https://, http:// or mailto:"},
};
#define N_SETTINGS (sizeof settings / sizeof *settings)

bool config_setting(size_t i, struct config_setting *out)
{
	if (i >= N_SETTINGS)
		return false;
	const struct setting *s = &settings[i];
	*out = (struct config_setting){
	    .name = s->name, .about = s->about, .text = !strncmp(s->kind, "text", 4) || s->kind[0] == '"'};
	snprintf(out->dflt, sizeof out->dflt, "%s", s->dflt_text);
	if (s->max && s->dflt)
		snprintf(out->dflt, sizeof out->dflt, "%lld", (long long)s->dflt);
	if (s->max)
		snprintf(out->kind, sizeof out->kind, "whole number, %lld-%lld", (long long)s->min, (long long)s->max);
	else
		snprintf(out->kind, sizeof out->kind, "%s", s->kind);
	return true;
}

static void *at(struct grid_config *c, size_t offset)
{
	return (char *)c + offset;
}

void config_defaults(struct grid_config *c)
{
	*c = (struct grid_config){.branch = xstrdup("main"), .max_cpus = 1, .max_pids_once = PIDS_ONCE};
	c->images[0] = xstrdup("alpine:3.20");
	for (size_t i = 0; i < N_SETTINGS; i++)
		if (settings[i].max)
			*(int64_t *)at(c, settings[i].offset) = settings[i].dflt;
}

static void parse_member(struct grid_config *c, const struct json *m, struct problems *p)
{
	int64_t n;
	if (strlen(m->name) != m->name_len) {
		problem_in(p, m->name_line, m->name_col, m->name, "unknown setting (expected no NUL in a name)");
		return;
	}
	const struct setting *s = settings;
	while (s < settings + N_SETTINGS && strcmp(m->name, s->name) != 0)
		s++;
	if (s == settings + N_SETTINGS) {
		if (strncmp(m->name, "x-", 2) != 0)
			problem_in(
			    p, m->name_line, m->name_col, m->name,
			    "unknown setting (dgrid config --fields lists them; names of your own begin with x-)");
	} else if (s->parse)
		s->parse(c, m, p);
	else if (m->type == JSON_NULL && !s->dflt)
		*(int64_t *)at(c, s->offset) = 0; /* null: as without the setting */
	else if (json_to_int(m, &n) || n < s->min || n > s->max)
		problem_in(p, m->line, m->col, m->name, "expected a whole number from %lld to %lld", (long long)s->min,
			   (long long)s->max);
	else
		*(int64_t *)at(c, s->offset) = n;
	if (!strcmp(m->name, "max_pids"))
		c->max_pids_once = c->max_pids;
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
	if (c->default_cpus > c->max_cpus)
		problem_in(p, 1, 1, "default_cpus", "larger than max_cpus (expected at most %g)", c->max_cpus);
	if (c->default_memory_mb > c->max_memory_mb)
		problem_in(p, 1, 1, "default_memory_mb", "larger than max_memory_mb (expected at most %lld)",
			   (long long)c->max_memory_mb);
	const struct json *quorum = json_get(j, "quorum");
	if (c->quorum && quorum && (2 * c->quorum <= c->replicas || c->quorum > c->replicas))
		problem_in(p, quorum->line, quorum->col, "quorum",
			   "expected a whole number from %lld to %lld, more than half of replicas",
			   (long long)(c->replicas / 2 + 1), (long long)c->replicas);
	json_free(j);
}
