/* watch: the memory and processor time of bubblewrap's sandboxes where no control group counts it (Linux; elsewhere
 * nothing is watched). One pass over /proc serves all of them, at a rate that follows what a pass costs and whether
 * anything happens. w = watch_start(init, 512, over, ctx);  ... over(ctx) is called once, from the loop ...
 * watch_stop(w);
 */
#ifndef WATCH_H
#define WATCH_H
#include <stdint.h>
struct watch;
/* init: the host's pid of the sandbox's first process. */
struct watch *watch_start(long init, int memory_mb, void (*over)(void *ctx), void *ctx);
void watch_stop(struct watch *w);	     /* NULL is fine */
int64_t watch_cpu_ms(const struct watch *w); /* the processor time that it has seen used; NULL: none */
/* Signals the processes inside the sandbox whose first process is init, but for that one. */
void watch_signal(long init, int sig);
#endif
