/* clock: monotonic milliseconds for durations, UTC RFC 3339 for files. */
#ifndef CLOCK_H
#define CLOCK_H
#include <stdint.h>
int64_t clock_mono_ms(void);
int64_t clock_wall_ms(void); /* since 1970, UTC: for what machines agree on, never for durations */
int64_t clock_now(void);     /* seconds since 1970, UTC */
/* Writes "2026-11-23T09:00:00Z" (20 characters and NUL) and returns out. */
const char *clock_format(int64_t utc_seconds, char out[32]);
/* Reads RFC 3339 (fraction and zone optional, no zone means UTC). Returns 0, or -1 if it is not a time. */
int clock_parse(const char *text, int64_t *utc_seconds);
/* Reads the seconds of a commit's date, which may be any number: what lies outside of the years 1970 to 9999 counts as
 * the nearest time within, so that sums and differences of a few of them never overflow. */
int64_t clock_read(const char *digits);
/* Fills n random bytes as 2n hex digits and NUL, from the system's random source. */
void clock_nonce(char *out, unsigned n_bytes);
/* A random time from half of ms to ms, so that those who wait do not wake together. */
int64_t clock_jitter(int64_t ms);
/* How long to wait after one more failure: twice as long as last, between least and most; last 0: least. */
static inline int64_t clock_longer(int64_t last, int64_t least, int64_t most)
{
	return 2 * last < least ? least : 2 * last > most ? most : 2 * last;
}
#endif
