/* Times as access logs write them. Pure, and safe in every thread. Results are milliseconds since
 * 1970-01-01T00:00:00Z, of the years 0 to 9999; false, and *unix_ms is 0, if the text is no such time. */
#ifndef MUSTER_CLI_TIMESTAMP_H
#define MUSTER_CLI_TIMESTAMP_H

#include "common/text.h"

#include <stdbool.h>
#include <stdint.h>

enum { TIMESTAMP_CLF_BYTES = 26 };

/* `17/May/2015:10:05:03 +0000`, all of the text. */
bool timestamp_clf(struct text text, int64_t *unix_ms);

/* RFC 3339 and ISO 8601: `2015-05-17T10:05:03.250+02:00`. A blank may stand for the T, a comma for the point, the colon
 * of the offset may be left out, and without an offset it is UTC. */
bool timestamp_iso(struct text text, int64_t *unix_ms);

/* A number of seconds, milliseconds, microseconds or nanoseconds since 1970: below 1e11 it is seconds (until the year
 * 5138), below 1e14 milliseconds (of 1973 and later), below 1e17 microseconds. Rounded to milliseconds. */
bool timestamp_number(double number, int64_t *unix_ms);

/* Any of the three, the number in decimal digits with or without a fraction. */
bool timestamp_any(struct text text, int64_t *unix_ms);

#endif
