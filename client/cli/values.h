/* Values on the command line: durations, numbers, names, lists. */
#ifndef MUSTER_CLI_VALUES_H
#define MUSTER_CLI_VALUES_H

#include "muster/limits.h"
#include "muster/muster.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a duration such as 500ms, 60s, 1h30m or 7d, from least_ms to most_ms. false: it is not one, and *out is 0. */
bool value_span(const char *text, uint64_t least_ms, uint64_t most_ms, uint64_t *out);

/* Reads a decimal number from `least` to `most`, digits only. false: it is not one, and *out is 0. */
bool value_number(const char *text, uint64_t least, uint64_t most, uint64_t *out);

/* Reads online, away or busy. false: it is none of them. */
bool value_status(const char *text, enum muster_status *out);
/* The name of a status, "" for unspecified. Static. */
const char *value_status_name(enum muster_status status);

/* The name of a state, such as alive; "unknown" for other values. Static. */
const char *value_node_state_name(enum muster_node_state state);

/* Windows, as given and in ms. */
struct windows {
    size_t count;
    uint64_t span_ms[MUSTER_WINDOWS_MAX];
    const char *written[MUSTER_WINDOWS_MAX]; /* point into the lists */
};

enum windows_result { WINDOWS_OK, WINDOWS_MALFORMED, WINDOWS_TOO_MANY };

/* Appends the windows of a comma-separated list; each is 1ms or more. list: split in place; must outlive `windows`.
 * *piece: the one that is wrong, on failure. */
enum windows_result windows_add(struct windows *windows, char *list, const char **piece);

#endif
