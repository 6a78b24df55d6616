/* job: this program as a job of Slurm's, on one of the cluster's nodes: one attempt in a bubblewrap sandbox, which it
 * tells of by the files of its folder (slurm.h).
 */
#ifndef JOB_H
#define JOB_H
/* In main: was this process started as a job? Then it runs: its exit code. Else -1. */
int job_asked(int argc, char **argv);
#endif
