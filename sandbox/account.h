/* account: what a sandbox has used, as far as somebody can tell. */
#ifndef ACCOUNT_H
#define ACCOUNT_H
#include <stdint.h>

struct account {
	const char *by;		    /* who told the processor time: "cgroup", "samples" or "wait4"; NULL: nobody */
	int64_t user_ms, system_ms; /* of all its processes; with by alone */
	int64_t peak_kb;	    /* -1: not known, as below */
	int64_t read_bytes, written_bytes; /* from and to disks */
	int64_t refused;		   /* how often its limit of processes kept it from starting one */
};
#define ACCOUNT_NONE ((struct account){.peak_kb = -1, .read_bytes = -1, .written_bytes = -1, .refused = -1})
#endif
