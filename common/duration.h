/* Spans of time as people write them: `500ms`, `60s`, `5m`, `1h30m`, `0.5s`, `7d`. */
#ifndef MUSTER_COMMON_DURATION_H
#define MUSTER_COMMON_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads numbers with their units, the largest unit first, with nothing around or between. A number may have up to nine
 * decimals, if it makes a whole number of milliseconds. False: the text is something else, or the span passes 2^64 - 1;
 * then *ms is 0. */
bool duration_parse(const char *text, uint64_t *ms);

enum { DURATION_BYTES = 24 };
/* Writes a span in the largest unit of which it is a whole number. Returns `out`. */
const char *duration_format(uint64_t ms, char out[DURATION_BYTES]);

#endif
