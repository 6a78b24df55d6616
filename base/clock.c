#include "base/clock.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#ifdef __APPLE__
#include <sys/random.h>
#endif

#define LAST_SECOND INT64_C(253402300799) /* of the year 9999 */

static int64_t ms_of(clockid_t clock)
{
	struct timespec t;
	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
	return ms_of(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
	return ms_of(CLOCK_REALTIME);
}

int64_t clock_now(void)
{
	return (int64_t)time(NULL);
}

const char *clock_format(int64_t utc_seconds, char out[32])
{
	time_t t = (time_t)utc_seconds;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return out;
}

/* Days since 1970-01-01 of a proleptic Gregorian date (timegm is not POSIX). */
static int64_t days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* form: 'd' is a digit, all else itself. */
static bool has_form(const char *text, const char *form)
{
	for (size_t i = 0; form[i]; i++)
		if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
			return false;
	return true;
}

static int two(const char *digits)
{
	return 10 * (digits[0] - '0') + digits[1] - '0';
}

int clock_parse(const char *text, int64_t *utc_seconds)
{
	if (!has_form(text, "dddd-dd-ddTdd:dd:dd"))
		return -1;
	int y = 100 * two(text) + two(text + 2), mo = two(text + 5), d = two(text + 8), h = two(text + 11),
	    mi = two(text + 14), s = two(text + 17);
	if (mo < 1 || mo > 12 || d < 1 || d > 31 || h > 23 || mi > 59 || s > 60)
		return -1;
	const char *p = text + 19;
	if (*p == '.')
		for (p++; *p >= '0' && *p <= '9'; p++)
			;
	int64_t zone = 0;
	if ((*p == '+' || *p == '-') && has_form(p + 1, "dd:dd")) {
		zone = (int64_t)(two(p + 1) * 3600 + two(p + 4) * 60) * (*p == '-' ? -1 : 1);
		p += 6;
	} else
		p += *p == 'Z';
	if (*p)
		return -1;
	*utc_seconds = days_from_civil(y, mo, d) * 86400 + h * 3600 + mi * 60 + s - zone;
	return 0;
}

void clock_nonce(char *out, unsigned n_bytes)
{
	unsigned char byte;
	for (unsigned i = 0; i < n_bytes; i++) {
		/* A predictable nonce would break the compare-and-swap, so no weaker source stands in. */
		if (getentropy(&byte, 1)) {
			fprintf(stderr, "dgrid: the system gives no random numbers: %s\n", strerror(errno));
			exit(EX_UNAVAILABLE);
		}
		snprintf(out + 2 * i, 3, "%02x", byte);
	}
}

int64_t clock_jitter(int64_t ms)
{
	char dice[9];
	clock_nonce(dice, 4);
	return ms / 2 + (int64_t)(strtoul(dice, NULL, 16) % (unsigned long)(ms / 2 + 1));
}

int64_t clock_read(const char *digits)
{
	long long t = strtoll(digits, NULL, 10);
	return t < 0 ? 0 : t > LAST_SECOND ? LAST_SECOND : t;
}
