#include "sandbox/engine.h"
#include "base/file.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAID_MAX 200 /* of what an engine says, where several are told */

static const struct engine_row *const rows[ENGINES] = {&engine_docker, &engine_podman, &engine_bwrap, &engine_slurm};

static const struct engine_row *row(const struct engine *g)
{
	return rows[g->kind];
}

const char *engine_name(enum engine_kind k)
{
	return rows[k]->name;
}

bool engine_images(enum engine_kind k)
{
	return rows[k]->images;
}

bool engine_runs_image(const struct engine *g, const char *image)
{
	return row(g)->images || rootfs_of(g->roots, image);
}

bool engine_client(const struct engine *g)
{
	return row(g)->client;
}

bool engine_foreign(const struct engine *g)
{
	return (!row(g)->client || row(g)->cluster) && geteuid() == 0;
}

bool engine_cluster(enum engine_kind k)
{
	return rows[k]->cluster;
}

const char *engine_enforce(const struct engine *g)
{
	return row(g)->enforce_it;
}

void engine_lacks(const struct engine *g, struct buf *why)
{
	if (row(g)->lacks)
		row(g)->lacks(why);
}

int engine_probe(enum engine_kind k, struct engine *out, struct err *e)
{
	*out = (struct engine){.kind = k};
	return rows[k]->probe(out, e);
}

const char *engine_mend(enum engine_kind k, const char *said)
{
	if (k == ENGINE_DOCKER && (file_exists("/.dockerenv") || file_exists("/run/.containerenv")))
		return "this is a container: give it the engine's socket, -v /var/run/docker.sock:/var/run/docker.sock "
		       "--group-add \"$(stat -c %g /var/run/docker.sock)\" (that is root's power over the machine; "
		       "SECURITY.md has other ways)";
	if (strstr(said, "ermission denied"))
		return "let this user reach the engine's socket (usermod -aG docker USER, then log in again; that is "
		       "root's power)";
	return rows[k]->get_it;
}

int engine_pick(const char *want, struct engine *out, struct err *e)
{
	struct buf why = {0};
	const char *mend = NULL;
	bool all = !strcmp(want, "auto"), known = all;
	for (int k = 0; k < ENGINES; k++) {
		struct err one;
		if (all ? rows[k]->cluster : strcmp(want, rows[k]->name) != 0)
			continue;
		known = true;
		if (!engine_probe((enum engine_kind)k, out, &one)) {
			buf_clear(&why);
			return 0;
		}
		buf_addf(&why, "%s%.*s%s", why.len ? "; " : "", SAID_MAX, one.msg,
			 strlen(one.msg) > SAID_MAX ? "..." : "");
		mend =
		    mend ? mend : engine_mend((enum engine_kind)k, one.msg); /* of the first, which is the usual one */
	}
	if (!known)
		err_set(e, ERR_USAGE, "unknown engine '%s', expected auto, docker, podman, bwrap or slurm", want);
	else
		err_set(e, ERR_UNAVAILABLE, "no engine runs containers here: %s. To mend it: %s%s", why.data, mend,
			all ? "; or install podman or bubblewrap (bwrap)" : "");
	buf_clear(&why);
	return -1;
}

int engine_image(const struct engine *g, const char *image, char digest[96], struct err *e)
{
	if (digest)
		digest[0] = 0;
	return row(g)->image ? row(g)->image(g, image, digest, e) : 0;
}

int engine_image_exact(const struct engine *g, const char *image, const char *digest, char ref[320], struct err *e)
{
	if (!row(g)->image_exact)
		return err_set(e, ERR_UNAVAILABLE, "%s runs no image", row(g)->name);
	return row(g)->image_exact(g, image, digest, ref, e);
}

int engine_built(const struct engine *g, const char *tree, char id[96], int64_t *mb, struct err *e)
{
	if (!row(g)->built)
		return err_set(e, ERR_UNAVAILABLE, "%s builds no images", row(g)->name);
	return row(g)->built(g, tree, id, mb, e);
}

bool engine_builds(const struct engine *g)
{
	return row(g)->build_argv != NULL;
}

int engine_base(const struct engine *g, const char *image, struct err *e)
{
	return engine_image(g, image, NULL, e) ? -1 : row(g)->base(g, image, e);
}

void engine_build_argv(const struct engine *g, const struct engine_build *b, struct strs *argv)
{
	row(g)->build_argv(g, b, argv);
}

int engine_drop_built(const struct engine *g, const char *tree, struct err *e)
{
	return row(g)->drop_built ? row(g)->drop_built(g, tree, e) : 0;
}

int engine_network(const struct engine *g, const char *name, struct err *e)
{
	if (!row(g)->network)
		return err_set(e, ERR_USAGE,
			       "%s gives tasks no network: it could only share this machine's own with them (expected "
			       "docker or podman)",
			       row(g)->name);
	return row(g)->network(g, name, e);
}

void engine_start_argv(const struct engine *g, const struct engine_run *r, struct strs *argv)
{
	row(g)->start_argv(g, r, argv);
}

void engine_kill_argv(const struct engine *g, const char *name, const char *signal, struct strs *argv)
{
	if (row(g)->kill_argv)
		row(g)->kill_argv(g, name, signal, argv);
}

void engine_remove_argv(const struct engine *g, const char *name, struct strs *argv)
{
	if (row(g)->remove_argv)
		row(g)->remove_argv(g, name, argv);
}

void engine_state_argv(const struct engine *g, const char *name, struct strs *argv)
{
	if (row(g)->state_argv)
		row(g)->state_argv(g, name, argv);
}

int engine_parse_state(const struct engine *g, const char *text, size_t len, struct engine_state *out)
{
	*out = (struct engine_state){0};
	return row(g)->parse_state ? row(g)->parse_state(text, len, out) : -1;
}

int engine_remove_leftovers(const struct engine *g, const char *instance, struct err *e)
{
	return row(g)->remove_leftovers(g, instance, e);
}

void engine_own_argv(const struct engine *g, const char *dir, const char *image, struct strs *argv)
{
	if (row(g)->own_argv)
		row(g)->own_argv(g, dir, image, argv);
}

bool engine_sees_nothing(const char *said)
{
	return strstr(said, "bind source path does not exist") ||
	       (strstr(said, "statfs ") && strstr(said, "no such file"));
}

int engine_make_out(const struct engine *g, const char *dir, struct err *e)
{
	/* A container's user 1000 is whoever the engine makes of it; the folder above shuts out everybody else. */
	if (mkdir(dir, 0700) || chmod(dir, row(g)->client && !row(g)->cluster ? 0777 : 0700))
		return err_set(e, errno == ENOSPC || errno == EDQUOT ? ERR_UNAVAILABLE : ERR_PERM,
			       "cannot make the folder '%s': %s", dir, strerror(errno));
	return 0;
}

int engine_make_out_of(const struct engine *g, const char *all, const char *dir, struct err *e)
{
	if (engine_foreign(g) && chmod(all, 0711)) /* its user goes through */
		return err_set(e, ERR_PERM, "cannot open '%s' to the sandbox's user: %s", all, strerror(errno));
	return engine_make_out(g, dir, e);
}

int engine_make_in(const struct engine *g, const char *dir, struct err *e)
{
	bool foreign = engine_foreign(g);
	if (mkdir(dir, 0700) || (foreign && (chown(dir, (uid_t)-1, ENGINE_GROUP) || chmod(dir, 0710))))
		return err_set(e, ERR_UNAVAILABLE, "cannot make the folder '%s': %s", dir, strerror(errno));
	return 0;
}

int engine_give_out(const struct engine *g, const struct engine_run *r, struct err *e)
{
	if (engine_foreign(g) && lchown(r->out_dir, (uid_t)r->user, (gid_t)r->user))
		return err_set(e, ERR_UNAVAILABLE, "cannot give '%s' to the sandbox's user: %s", r->out_dir,
			       strerror(errno));
	return 0;
}
