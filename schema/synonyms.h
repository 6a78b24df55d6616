/* synonyms: what other programs call a field of a task. */
#ifndef SYNONYMS_H
#define SYNONYMS_H
const char *synonym_of(const char *name); /* what it is called here; NULL: it is no such name */
#endif
