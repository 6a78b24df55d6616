#include "schema/cron.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY 86400
#define DAYS_MAX 14610 /* 40 years: a February 29 on a certain weekday comes within them, or never */
#define TEXT_MAX 200

struct field {
	const char *name;
	int min, max;
	const char *words; /* three letters each, the first is min */
};
enum { MINUTE, HOUR, DAY_OF_MONTH, MONTH, WEEKDAY, N_FIELDS };
static const struct field fields[N_FIELDS] = {{"minute", 0, 59, ""},
					      {"hour", 0, 23, ""},
					      {"day of the month", 1, 31, ""},
					      {"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
					      {"weekday", 0, 7, "sunmontuewedthufrisat"}};

/* ---- dates ---- */

struct date {
	int month, day, weekday;
};

/* Of the days since 1970-01-01, in the Gregorian calendar. */
static struct date date_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, of_era = z - era * 146097,
		year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365,
		of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
	int64_t weekday = (days + 4) % 7;
	return (struct date){.month = (int)(month < 10 ? month + 3 : month - 9),
			     .day = (int)(of_year - (153 * month + 2) / 5 + 1),
			     .weekday = (int)(weekday < 0 ? weekday + 7 : weekday)};
}

static bool on_day(const struct cron *c, int64_t days)
{
	struct date d = date_of(days);
	bool day = c->days >> d.day & 1, weekday = c->weekdays >> d.weekday & 1;
	return (c->months >> d.month & 1) && (c->either ? day || weekday : day && weekday);
}

/* The minute of a day, from `from` on upwards or downwards; -1: none. */
static int minute_of(const struct cron *c, int from, int step)
{
	for (int m = from; m >= 0 && m < 24 * 60; m += step)
		if ((c->hours >> m / 60 & 1) && (c->minutes >> m % 60 & 1))
			return m;
	return -1;
}

static int64_t seek(const struct cron *c, int64_t t, int step)
{
	int64_t days = t / DAY - (t % DAY < 0), minute = (t - days * DAY) / 60;
	for (int i = 0; i < DAYS_MAX; i++, days += step) {
		int from = i ? step > 0 ? 0 : 24 * 60 - 1 : (int)minute;
		int m = on_day(c, days) ? minute_of(c, from, step) : -1;
		if (m >= 0)
			return days * DAY + m * 60;
	}
	return 0;
}

int64_t cron_next(const struct cron *c, int64_t t)
{
	int64_t minute = t / 60 - (t % 60 < 0);
	return seek(c, (minute + 1) * 60, 1);
}

int64_t cron_latest(const struct cron *c, int64_t t)
{
	return seek(c, t, -1);
}

/* ---- reading ---- */

/* A number or a name; NULL: it is none. last: it ends a range, where Sunday may be 7. */
static const char *read_value(const struct field *f, const char *p, bool last, int *out)
{
	char *end;
	for (size_t i = 0; f->words[i]; i += 3)
		if (!strncasecmp(p, f->words + i, 3)) {
			*out = f->min + (int)i / 3;
			if (last && f == &fields[WEEKDAY] && !*out)
				*out = 7;
			return p + 3;
		}
	if (*p < '0' || *p > '9')
		return NULL;
	long n = strtol(p, &end, 10);
	if (end - p > 2 || n < f->min || n > f->max)
		return NULL;
	*out = (int)n;
	return end;
}

/* "*", "5", "1-5", each of the last two or * with "/N" (a number alone without). NULL: it is none. */
static const char *read_range(const struct field *f, const char *p, uint64_t *set)
{
	int from = f->min, to = f->max, step = 1;
	bool range = *p == '*';
	if (range) {
		p++;
		to -= f == &fields[WEEKDAY]; /* 7 is Sunday again */
	} else {
		if (!(p = read_value(f, p, false, &from)))
			return NULL;
		to = from;
		range = *p == '-';
		if (range && (!(p = read_value(f, p + 1, true, &to)) || to < from))
			return NULL;
	}
	if (*p == '/') {
		char *end;
		long n = strtol(p + 1, &end, 10);
		if (!range || p[1] < '1' || p[1] > '9' || n > f->max)
			return NULL;
		step = (int)n;
		p = end;
	}
	for (int i = from; i <= to; i += step)
		*set |= (uint64_t)1 << (f == &fields[WEEKDAY] ? i % 7 : i);
	return p;
}

static int read_field(const struct field *f, const char *text, size_t len, uint64_t *set, char why[CRON_WHY])
{
	const char *p = text;
	*set = 0;
	while ((p = read_range(f, p, set)) && p < text + len && *p == ',')
		p++;
	if (p && p == text + len)
		return 0;
	snprintf(why, CRON_WHY,
		 "the %s \"%.*s\" is not valid (expected *, or numbers from %d to %d%s, as 5, 1-5, 1,3 or */2)",
		 f->name, (int)(len < 60 ? len : 60), text, f->min, f->max,
		 f == &fields[MONTH]	 ? " or jan to dec"
		 : f == &fields[WEEKDAY] ? " (Sunday is 0 and 7) or sun to sat"
					 : "");
	return -1;
}

static const char *whole(const char *text)
{
	static const char *const names[][2] = {
	    {"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},	 {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	    {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}};
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (!strcmp(text, names[i][0]))
			return names[i][1];
	return text;
}

int cron_parse(struct cron *c, const char *text, char why[CRON_WHY])
{
	uint64_t set[N_FIELDS];
	bool star[N_FIELDS];
	int n = 0;
	const char *p = whole(text);
	*c = (struct cron){0};
	for (p += strspn(p, " \t"); *p; p += strspn(p, " \t")) {
		size_t len = strcspn(p, " \t");
		if (n == N_FIELDS || *p == '@' || strlen(text) > TEXT_MAX) {
			n = N_FIELDS + 1;
			break;
		}
		if (read_field(&fields[n], p, len, &set[n], why))
			return -1;
		star[n++] = *p == '*';
		p += len;
	}
	if (n != N_FIELDS) {
		snprintf(why, CRON_WHY,
			 "\"%.60s\" is not valid (expected five fields: minute, hour, day of the month, month, "
			 "weekday, in UTC; or @hourly, @daily, @weekly, @monthly, @yearly)",
			 text);
		return -1;
	}
	*c = (struct cron){.minutes = set[MINUTE],
			   .hours = (uint32_t)set[HOUR],
			   .days = (uint32_t)set[DAY_OF_MONTH],
			   .months = (uint32_t)set[MONTH],
			   .weekdays = (uint32_t)set[WEEKDAY],
			   .either = !star[DAY_OF_MONTH] && !star[WEEKDAY]};
	if (cron_next(c, 0))
		return 0;
	snprintf(why, CRON_WHY, "\"%.60s\" never comes (expected a day that its month has)", text);
	return -1;
}
