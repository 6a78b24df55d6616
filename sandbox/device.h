/* device: devices of this machine that a script is given one by one, such as GPUs. Each is one of a named resource. */
#ifndef DEVICE_H
#define DEVICE_H
#include "base/buf.h"
#include "json.h"

struct device {
	char *resource, *path; /* "gpu", "/dev/nvidia0" */
	char *also;	       /* another that every user of it needs, "/dev/kfd"; NULL: none */
	char *nvidia;	       /* its number, by which engines with NVIDIA's toolkit know it; NULL: another maker's */
	const void *holder;    /* the caller's: who has it now; NULL: nobody */
};
struct devices { /* starts as {0} */
	struct device *v;
	size_t n;
};
/* Adds the GPUs of NVIDIA and of AMD (ROCm) that dev (/dev) and sys (/sys) have. */
void devices_find(struct devices *d, const char *dev, const char *sys);
int devices_add(struct devices *d, const char *text, struct err *e); /* NAME=PATH, a device below /dev */
size_t devices_count(const struct devices *d, const char *resource);
void devices_drop(struct devices *d, const char *resource);
/* n free ones of the resource become holder's; false: there are not so many, and none does. */
bool devices_take(struct devices *d, const char *resource, size_t n, const void *holder);
/* The same of all that {NAME: N} asks for, as far as there are devices of such a name at all. */
bool devices_take_asked(struct devices *d, const struct json *asks, const void *holder);
struct device *devices_of(const struct devices *d, const void *holder, size_t *n); /* copies that borrow; to be freed */
void devices_release(struct devices *d, const void *holder);
void devices_clear(struct devices *d);
/* "DGRID_RESOURCE_GPU=0,1" for each resource of which given has some: numbers, or paths. */
void devices_env(const struct device *given, size_t n, struct strs *env);
#endif
