#include "duration.h"
#include "number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct unit {
    const char *name;
    uint64_t ms;
} units[] = {{"d", 24 * 60 * 60 * 1000}, {"h", 60 * 60 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}};
enum { UNITS = sizeof units / sizeof units[0] };

enum { DECIMALS_MAX = 9 };

/* The unit that the text begins with, after the one before; UNITS: none. */
static size_t unit_at(const char *text, size_t after) {
    for (size_t i = UNITS; i-- > after;) /* `ms` before `m` */
        if (strncmp(text, units[i].name, strlen(units[i].name)) == 0) return i;
    return UNITS;
}

/* Decimals behind a point, as a fraction; 0/1 where there is no point. */
static bool take_decimals(const char **text, uint64_t *numerator, uint64_t *denominator) {
    *numerator = 0;
    *denominator = 1;
    if (**text != '.') return true;
    const char *const first = ++*text;
    if (!number_take(text, numerator) || *text - first > DECIMALS_MAX) return false;
    for (const char *digit = first; digit < *text; digit++) *denominator *= 10;
    return true;
}

/* A number and its unit, which is after *unit. Adds it to *ms. */
static bool take_part(const char **text, size_t *unit, uint64_t *ms) {
    uint64_t number, numerator, denominator;
    if (!number_take(text, &number) || !take_decimals(text, &numerator, &denominator)) return false;
    const size_t i = unit_at(*text, *unit);
    if (i == UNITS || number > UINT64_MAX / units[i].ms || numerator * units[i].ms % denominator != 0) return false;
    const uint64_t whole_ms = number * units[i].ms, part_ms = numerator * units[i].ms / denominator;
    if (part_ms > UINT64_MAX - whole_ms || whole_ms + part_ms > UINT64_MAX - *ms) return false;
    *ms += whole_ms + part_ms;
    *text += strlen(units[i].name);
    *unit = i + 1;
    return true;
}

bool duration_parse(const char *text, uint64_t *ms) {
    size_t unit = 0;
    *ms = 0;
    do {
        if (take_part(&text, &unit, ms)) continue;
        *ms = 0;
        return false;
    } while (*text != '\0');
    return true;
}

const char *duration_format(uint64_t ms, char out[DURATION_BYTES]) {
    size_t i = 0;
    if (ms == 0) i = UNITS - 2;
    else
        while (ms % units[i].ms != 0) i++;
    snprintf(out, DURATION_BYTES, "%" PRIu64 "%s", ms / units[i].ms, units[i].name);
    return out;
}
