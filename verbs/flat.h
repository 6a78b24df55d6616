/* flat: files of several tasks side by side in one folder: do their names go together? What is the same file in both
 * does.
 *   flat_add for each task -> flat_judge(&f, &e) before anything is written -> flat_clear
 */
#ifndef FLAT_H
#define FLAT_H
#include "store/checkout.h"

struct flat_file {
	char *path, *id;
	char oid[72];
	bool executable;
};
struct flat { /* starts as {0} */
	struct flat_file *v;
	size_t n;
};
void flat_add(struct flat *f, const char *id, const struct checkout *files);
int flat_judge(struct flat *f, struct err *e); /* ERR_DATA: names a file and both tasks */
void flat_clear(struct flat *f);
#endif
