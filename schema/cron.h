/* cron: the five fields of cron(8) as sets, and the minutes that are in all of them. UTC only, so a day always has its
 * 24 hours and no instant comes twice or never. Knows no clock.
 *   struct cron c; char why[CRON_WHY];
 *   if (!cron_parse(&c, "0 2 * * 1-5", why)) next = cron_next(&c, clock_now());
 */
#ifndef CRON_H
#define CRON_H
#include <stdbool.h>
#include <stdint.h>

#define CRON_WHY 240
struct cron { /* a bit each */
	uint64_t minutes;
	uint32_t hours, days, months, weekdays; /* days from bit 1, months from bit 1, Sunday is 0 */
	bool either;				/* days and weekdays are both restricted: one of them is enough */
};
/* Lists, ranges, steps, names (jan-dec, sun-sat) and @hourly, @daily, @weekly, @monthly, @yearly. -1: why says which
 * field and what was expected; also what never comes (February 30) is refused. */
int cron_parse(struct cron *c, const char *text, char why[CRON_WHY]);
/* UTC seconds. The first instant after t; the last one up to t, and t itself when it is one. 0: there is none. */
int64_t cron_next(const struct cron *c, int64_t t);
int64_t cron_latest(const struct cron *c, int64_t t);
#endif
