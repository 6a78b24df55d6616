/* blame: is it this node on which tasks fail, or are it the tasks? Compared is the same work: first attempts of tasks
 * of one group, here and on other nodes. A task's first attempt comes to a node by chance, so if the node does not
 * matter, how many of a group's failures fall to it follows the hypergeometric distribution; groups are added up. Later
 * attempts do not count: only what has failed once gets there. A pure function.
 */
#ifndef BLAME_H
#define BLAME_H
#include <stdbool.h>
#include <stddef.h>

#define BLAME_FAILURES 5  /* at least so many here */
#define BLAME_CHANCE 1e-3 /* a node like any other is blamed by so many looks at most */
#define BLAME_STUCK 3	  /* or: so many in a row could not be started here, and were on other nodes */
#define BLAME_HERE_MAX 100
#define BLAME_THERE_MAX 200 /* of one work; what is older does not count */

struct blame_run {	  /* a first attempt */
	const char *work; /* which it may be compared with */
	bool here, failed;
	bool stuck; /* it could not be started here, and another node has started it since */
};
struct blame {
	bool bad;
	size_t failed, runs;		 /* here, of work that other nodes had too */
	size_t failed_there, runs_there; /* on those */
	size_t stuck;			 /* in a row */
	double chance;			 /* of as many failures here or more, were the node like any other */
};
struct blame blame_judge(const struct blame_run *newest_first, size_t n);
#endif
