/* Spans of time as people write them: `500ms`, `60s`, `5m`, `24h`, `7d`. */
#ifndef MUSTER_COMMON_DURATION_H
#define MUSTER_COMMON_DURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One whole number and one unit, nothing around or between. *ms is 0 if it is none, or passes 2^64 - 1. */
bool duration_parse(const char *text, uint64_t *ms);

enum { DURATION_BYTES = 24 };
/* Writes a span in the largest unit that it is a whole number of. Returns `out`. */
const char *duration_format(uint64_t ms, char out[DURATION_BYTES]);

#endif
