/* seccomp: which system calls a script under bubblewrap may make, as the filter that bwrap --seccomp takes. Docker and
 * Podman bring their own; this one denies what theirs deny a container without capabilities. Linux on x86_64 and
 * aarch64; elsewhere there is none. */
#ifndef SECCOMP_H
#define SECCOMP_H
#include "base/buf.h"
#include <stdbool.h>
/* Adds the filter, an array of struct sock_filter, to out. False: none is known for this machine. */
bool seccomp_filter(struct buf *out);
#endif
