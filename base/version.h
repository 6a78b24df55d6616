/* version: of the program, semantic versioning, and where its source is. */
#ifndef VERSION_H
#define VERSION_H
#define DGRID_VERSION "0.1.0"
#define DGRID_SOURCE "https://github.com/you/dgrid"
#endif
