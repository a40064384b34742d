/* Dates and times of the proleptic Gregorian calendar in UTC. Uses no time zone tables, no locale and no state of the C
 * library. Pure, and safe in every thread. */
#ifndef MUSTER_CLI_DATETIME_H
#define MUSTER_CLI_DATETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct datetime {
    int year;                 /* 0..9999 */
    int month, day;           /* 1..12, 1.. */
    int hour, minute, second; /* second 60 is a leap second, equal to second 0 of the next minute */
};

enum { DATETIME_TEXT_BYTES = 32 }; /* of datetime_format, with the terminating NUL */

/* Seconds since 1970-01-01T00:00:00Z of `time` read as UTC, in *unix_s.
 * false, and *unix_s is 0, if a field is out of its range or the month has no such day. */
bool datetime_to_unix_s(const struct datetime *time, int64_t *unix_s);

/* Writes an instant as RFC 3339 in UTC, `2015-05-17T11:00:00Z`, with milliseconds such as `.250` before the Z unless
 * they are 0. unix_ms: clamped to the years 0..9999. */
void datetime_format(int64_t unix_ms, char out[DATETIME_TEXT_BYTES]);

#endif
