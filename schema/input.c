#include "schema/input.h"
#include "base/tree.h"
#include "schema/config.h"
#include "schema/task_edit.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 1024
#define REF_MAX 175
#define MB (1 << 20)

bool input_name_valid(const char *name)
{
	size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");
	return n >= 1 && n <= 64 && !name[n] && name[0] != '.' && tree_name_valid(name);
}

bool input_names(const struct json *inputs, const char *path)
{
	size_t n = strcspn(path, "/");
	char name[65];
	snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), path);
	if (strlen(path) > TEXT_MAX || !*name || !inputs || inputs->type != JSON_OBJECT || !json_get(inputs, name))
		return false;
	for (const char *at = path + n; *at; at += n) {
		at++;
		n = strcspn(at, "/");
		if (!n || (n <= 2 && !strncmp(at, "..", n)))
			return false;
	}
	return true;
}

static bool is_oid(const struct json *m)
{
	return m && m->type == JSON_STRING && (m->len == 40 || m->len == 64) &&
	       strspn(m->text, "0123456789abcdef") == m->len;
}

static bool is_ref(const struct json *m)
{
	return m && m->type == JSON_STRING && m->len <= REF_MAX && !strncmp(m->text, "refs/", 5) &&
	       strspn(m->text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_/-") == m->len;
}

static bool is_count(const struct json *m, int64_t *n)
{
	return !json_to_int(m, n) && *n >= 0;
}

/* Names with slashes between them. */
static bool is_path(const struct json *m)
{
	char name[65];
	bool valid = m->type == JSON_STRING && strlen(m->text) == m->len && m->len <= TEXT_MAX;
	for (const char *at = m->text; valid;) {
		size_t n = strcspn(at, "/");
		snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), at);
		valid = input_name_valid(name);
		if (!at[n])
			break;
		at += n + 1;
	}
	return valid;
}

/* What another task leaves. */
static const char *wrong_of_task(const struct json *input, const struct json **at)
{
	for (const struct json *m = input->child; m; m = m->next) {
		*at = m;
		if (!strcmp(m->name, "task")) {
			if (m->type != JSON_STRING || strlen(m->text) != m->len || !task_id_valid(m->text))
				return "expected the id of a task, 1-64 of A-Z a-z 0-9 _ -";
		} else if (!strcmp(m->name, "path")) {
			if (!is_path(m))
				return "expected names of 1-64 of A-Z a-z 0-9 . _ -, no dot first, with / between them";
		} else
			return "expected \"task\" and \"path\" only";
	}
	return NULL;
}

/* One input; adds what it says of its size. */
static const char *wrong_in(const struct json *input, const struct json **at, int64_t *files, int64_t *bytes,
			    int64_t *stored)
{
	int64_t n;
	*at = input;
	if (input->type != JSON_OBJECT)
		return "expected an object with \"tree\" or \"task\"";
	if (json_get(input, "task"))
		return wrong_of_task(input, at);
	if (!is_oid(json_get(input, "tree"))) {
		*at = json_get(input, "tree") ? json_get(input, "tree") : input;
		return "expected \"tree\", an object id of 40 or 64 hex digits (dgrid submit --input makes it)";
	}
	for (const struct json *m = input->child; m; m = m->next) {
		*at = m;
		if (!strcmp(m->name, "path")) {
			if (m->type != JSON_STRING || strlen(m->text) != m->len || !input_name_valid(m->text))
				return "expected the name of a file or folder in the tree, 1-64 of A-Z a-z 0-9 . _ -, "
				       "no dot first";
		} else if (!strcmp(m->name, "files") || !strcmp(m->name, "bytes") || !strcmp(m->name, "stored")) {
			if (!is_count(m, &n))
				return "expected a whole number";
			*(m->name[0] == 'f'   ? files
			  : m->name[0] == 'b' ? bytes
					      : stored) += n < INT64_MAX / INPUTS_MAX ? n : INT64_MAX / INPUTS_MAX;
		} else if (!strcmp(m->name, "from")) {
			if (m->type != JSON_STRING || m->len > TEXT_MAX)
				return "expected a string of at most 1024 bytes";
		} else if (strcmp(m->name, "tree") != 0)
			return "expected \"tree\", \"path\", \"files\", \"bytes\", \"stored\" and \"from\" only";
	}
	return NULL;
}

bool inputs_valid(const struct json *inputs, int64_t max_mb, int64_t max_files, const struct json **at, char why[240])
{
	size_t n = 0;
	int64_t files = 0, bytes = 0, stored = 0;
	const char *what = NULL, *name = NULL;
	*at = inputs;
	if (inputs->type != JSON_OBJECT)
		what = "expected an object: a name each, and what it is";
	for (const struct json *i = what ? NULL : inputs->child; i && !what; i = i->next) {
		name = i->name;
		if (++n > INPUTS_MAX)
			what = "expected at most 16";
		else if (strlen(i->name) != i->name_len || !input_name_valid(i->name))
			what = "expected a name of 1-64 of A-Z a-z 0-9 . _ -, no dot first";
		else
			what = wrong_in(i, at, &files, &bytes, &stored);
		if (what && *at == inputs)
			*at = i;
	}
	if (what && name)
		snprintf(why, 240, "\"%.64s\": %s", name, what);
	else if (what)
		snprintf(why, 240, "%s", what);
	else if (n && !max_mb)
		snprintf(why, 240, "this grid gives tasks no files (max_in_mb of grid.json is 0)");
	else if (bytes > max_mb * MB || stored > max_mb * MB - bytes)
		snprintf(why, 240, "%lld bytes in all (expected at most %lld MB: max_in_mb of grid.json)",
			 (long long)(bytes + stored), (long long)max_mb);
	else if (bytes > CONFIG_GIT_MB * (int64_t)MB)
		snprintf(why, 240, "%lld bytes for Git (expected at most %d MB: larger files with --store)",
			 (long long)bytes, CONFIG_GIT_MB);
	else if (files > max_files)
		snprintf(why, 240, "%lld files in all (expected at most %lld: max_in_files of grid.json)",
			 (long long)files, (long long)max_files);
	else
		return true;
	if (!what)
		*at = inputs;
	return false;
}

/* What a stranger's document may say. */
int64_t input_stored(const struct json *of)
{
	int64_t n = json_int(of, "stored", 0);
	return n > 0 ? n : 0;
}

size_t inputs_of(const struct json *doc, struct input out[INPUTS_MAX])
{
	const struct json *all = json_get(doc, "inputs");
	size_t n = 0;
	for (const struct json *i = all && all->type == JSON_OBJECT ? all->child : NULL; i && n < INPUTS_MAX;
	     i = i->next)
		out[n++] = (struct input){.name = i->name,
					  .tree = json_str(i, "tree"),
					  .task = json_str(i, "task"),
					  .path = json_str(i, "path"),
					  .files = json_int(i, "files", 0),
					  .bytes = json_int(i, "bytes", 0),
					  .stored = input_stored(i)};
	return n;
}

bool input_pin_valid(const struct json *pin)
{
	return is_oid(json_get(pin, "tree")) && is_ref(json_get(pin, "ref"));
}

void inputs_pin(struct input *v, size_t n, const struct json *pinned)
{
	for (size_t i = 0; i < n; i++) {
		const struct json *one = v[i].task ? json_get(pinned, v[i].name) : NULL;
		bool good = input_pin_valid(one);
		if (v[i].task) {
			v[i].tree = good ? json_str(one, "tree") : NULL;
			v[i].ref = good ? json_str(one, "ref") : NULL;
			v[i].stored = good ? input_stored(one) : 0;
		}
	}
}

size_t inputs_given(const struct json *doc, const struct json *pinned, const struct json *checkpoint,
		    struct input out[INPUTS_GIVEN])
{
	size_t n = inputs_of(doc, out);
	inputs_pin(out, n, pinned);
	if (input_pin_valid(checkpoint))
		out[n++] = (struct input){.name = INPUT_CHECKPOINT,
					  .tree = json_str(checkpoint, "tree"),
					  .ref = json_str(checkpoint, "ref"),
					  .stored = input_stored(checkpoint)};
	return n;
}

bool inputs_pin_stored(const struct json *pins)
{
	for (const struct json *i = pins && pins->type == JSON_OBJECT ? pins->child : NULL; i; i = i->next)
		if (input_stored(i))
			return true;
	return false;
}
