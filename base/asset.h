/* asset: files of the source tree that the program carries with it (workflows that init writes, the dashboard's pages).
 * Which ones is said by ASSETS in the Makefile; scripts/embed.sh makes the table. */
#ifndef ASSET_H
#define ASSET_H
#include <stddef.h>

struct asset {
	const char *name;  /* its path in the source tree */
	const char *bytes; /* NUL-terminated; the NUL does not count */
	size_t len;
};
extern const struct asset assets[];		  /* ends with a name of NULL */
const struct asset *asset_find(const char *name); /* NULL: there is none */
#endif
