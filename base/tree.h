/* tree: a folder on disk, as a tree of Git's can hold it. A stranger made it: nothing in it is followed, and what Git
 * or a host would refuse is left out and counted. Whoever may still write to it can do no harm, but his files may then
 * be neither what they were nor whole.
 *   tree_list(dir, &limits, &list, &e) -> list.over? -> tree_open(list.fd, list.v[i].path, ...) -> tree_list_clear
 */
#ifndef TREE_H
#define TREE_H
#include "base/buf.h"
#include <stdbool.h>
#include <stdint.h>

#define TREE_DEPTH_MAX 32

struct tree_limits {
	int64_t entries;    /* files, folders and whatever else stands there */
	int64_t bytes;	    /* of all files: as long as they say they are, or what they take on the disk, if more */
	int64_t file_bytes; /* of the largest file; 0: as many as bytes */
	bool links;	    /* symbolic links that stay inside are listed, not left out */
	bool moving;	    /* it is being written to: what vanishes meanwhile is left out */
	bool foreign;	    /* somebody's own folder: nothing in it is changed, not even to be able to read it */
};
enum tree_over { TREE_FITS, TREE_ENTRIES, TREE_BYTES, TREE_FILE, TREE_DEPTH };

struct tree_file {
	char *path, *name; /* name: what it is called in the tree; NULL: as path */
	char *text;	   /* what it has in the tree; NULL: what it holds */
	int64_t size;
	bool executable, link;
};
struct tree_list { /* starts as {.fd = -1} */
	struct tree_file *v;
	size_t n, room;
	int64_t bytes; /* as they will be in Git */
	int64_t taken; /* as the limit counts them */
	int64_t entries;
	uint64_t left_out;
	char *left;	     /* the first of them, as its folder has it; NULL: none */
	enum tree_over over; /* not TREE_FITS: the list is not whole */
	char *culprit;	     /* TREE_FILE and TREE_DEPTH: where */
	int fd;		     /* the folder */
};
/* Lists dir. Folders and files that their owner made unreadable are made readable on the way. 0: listed, or over. -1:
 * something cannot be read. */
int tree_list(const char *dir, const struct tree_limits *limits, struct tree_list *out, struct err *e);
void tree_list_clear(struct tree_list *l);
/* Does what stands in dir keep within the limits? Cheap: stops at the first that is passed. For looks at a folder that
 * is being written to: what vanishes meanwhile is no error. */
enum tree_over tree_measure(const char *dir, const struct tree_limits *limits);
/* Opens a listed file for reading, each step below the folder without following a link. -1 with e filled. */
int tree_open(int folder, const char *path, struct err *e);
/* Opens the folder that a listed file stands in, likewise. name: the file's in it, a part of path. */
int tree_folder(int folder, const char *path, const char **name, struct err *e);
/* Can a name stand in a tree that every host takes, and that every machine can write to its disk? UTF-8 without control
 * characters, no ".git" in any spelling that a file system takes for it, neither "." nor "..". */
bool tree_name_valid(const char *name);
/* Does a symbolic link with that text, so many folders deep, lead to something inside, by its text alone? */
bool tree_link_stays(int depth, const char *text, size_t len);
#endif
