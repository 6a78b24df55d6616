#include "sandbox/meter.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID_DIGITS 64

void meter_init(struct meter *m, const struct cgroup *ours, const char *dir, const char *name)
{
	*m = (struct meter){.ours = ours, .used = ACCOUNT_NONE};
	if (dir)
		m->id_file = xasprintf("%s/%s.id", dir, name);
}

/* The groups of the container, as soon as its client has written down its id and they are there. */
static bool found_theirs(struct meter *m)
{
	char id[ID_DIGITS + 1] = "";
	int fd = m->theirs.dirs.n || !m->id_file ? -1 : open(m->id_file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0 && read(fd, id, ID_DIGITS) == ID_DIGITS && strspn(id, "0123456789abcdef") == ID_DIGITS)
		cgroup_find(&m->theirs, id);
	if (fd >= 0)
		close(fd);
	return m->theirs.dirs.n > 0;
}

void meter_look(struct meter *m, const struct watch *w)
{
	m->watched_ms = w ? watch_cpu_ms(w) : m->watched_ms;
	if (m->ours)
		cgroup_account(m->ours, &m->used);
	else if (found_theirs(m) && cgroup_account(&m->theirs, &m->used))
		m->used.by = "samples";
}

int64_t meter_cpu_ms(const struct meter *m)
{
	return m->used.by ? m->used.user_ms + m->used.system_ms : m->watched_ms;
}

void meter_charge(struct meter *m, const struct proc_result *res)
{
	struct account *u = &m->used;
	bool all = res->end == PROC_EXITED;
	if (!u->by && all) {
		u->by = "wait4";
		u->user_ms = res->user_ms;
		u->system_ms = res->system_ms;
	}
	if (u->peak_kb < 0 && res->peak_kb)
		u->peak_kb = res->peak_kb;
	if (all) { /* a group counts what is written when it goes to the disk, which may be after the end */
		u->read_bytes = res->read_bytes;
		u->written_bytes = res->written_bytes;
	}
}

enum meter_short meter_short(const struct meter *m, const char *said)
{
	static const char *const words[] = {"Resource temporarily unavailable", "annot fork", "can't fork",
					    "can't start new thread", "native thread"};
	if (m->used.refused > 0)
		return METER_SHORT;
	if (m->ours && m->used.refused == 0)
		return METER_ENOUGH;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strstr(said, words[i]))
			return METER_MAYBE_SHORT;
	return METER_ENOUGH;
}

void meter_clear(struct meter *m)
{
	if (m->id_file)
		unlink(m->id_file);
	free(m->id_file);
	cgroup_forget(&m->theirs);
	*m = (struct meter){0};
}
