/* sig: SIGTERM, SIGINT, SIGHUP and SIGCHLD arrive as bytes on a pipe, so that one poll() sees everything. SIGPIPE is
 * ignored; SIGHUP (nohup) and SIGINT ("&" in a script) stay ignored where they were at the start. */
#ifndef SIG_H
#define SIG_H
void sig_init(void);	 /* idempotent */
int sig_fd(void);	 /* becomes readable on a signal */
void sig_drain(void);	 /* empties the pipe */
int sig_stops(void);	 /* how many stop signals have come so far */
int sig_last_stop(void); /* number of the last one, 0 for none */
#endif
