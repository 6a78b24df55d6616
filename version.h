/* version: of the program, semantic versioning. */
#ifndef VERSION_H
#define VERSION_H
#define DGRID_VERSION "0.1.0"
#endif
