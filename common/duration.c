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

bool duration_parse(const char *text, uint64_t *ms) {
    uint64_t number = 0;
    *ms = 0;
    if (!number_take(&text, &number)) return false;
    for (size_t i = 0; i < UNITS; i++) {
        if (strcmp(text, units[i].name) != 0) continue;
        if (number > UINT64_MAX / units[i].ms) return false;
        *ms = number * units[i].ms;
        return true;
    }
    return false;
}

const char *duration_format(uint64_t ms, char out[DURATION_BYTES]) {
    size_t i = 0;
    if (ms == 0) i = UNITS - 2;
    else
        while (ms % units[i].ms != 0) i++;
    snprintf(out, DURATION_BYTES, "%" PRIu64 "%s", ms / units[i].ms, units[i].name);
    return out;
}
