#include "values.h"

#include "common/duration.h"
#include "common/number.h"

#include <string.h>

bool value_span(const char *text, uint64_t least_ms, uint64_t most_ms, uint64_t *out) {
    uint64_t span_ms;
    *out = 0;
    if (!duration_parse(text, &span_ms) || span_ms < least_ms || span_ms > most_ms) return false;
    *out = span_ms;
    return true;
}

bool value_number(const char *text, uint64_t least, uint64_t most, uint64_t *out) {
    uint64_t number = 0;
    *out = 0;
    if (!number_take(&text, &number) || *text != '\0') return false;
    if (number < least || number > most) return false;
    *out = number;
    return true;
}

static const char *const status_names[] = {
    [MUSTER_STATUS_UNSPECIFIED] = "",
    [MUSTER_STATUS_AWAY] = "away",
    [MUSTER_STATUS_ONLINE] = "online",
    [MUSTER_STATUS_BUSY] = "busy",
};

bool value_status(const char *text, enum muster_status *out) {
    *out = MUSTER_STATUS_UNSPECIFIED;
    for (int status = MUSTER_STATUS_AWAY; status <= MUSTER_STATUS_BUSY; status++) {
        if (strcmp(text, status_names[status]) != 0) continue;
        *out = (enum muster_status)status;
        return true;
    }
    return false;
}

const char *value_status_name(enum muster_status status) {
    return (unsigned)status <= MUSTER_STATUS_BUSY ? status_names[status] : "unknown";
}

const char *value_node_state_name(enum muster_node_state state) {
    static const char *const names[] = {[MUSTER_NODE_JOINING] = "joining",
                                        [MUSTER_NODE_ALIVE] = "alive",
                                        [MUSTER_NODE_SUSPECT] = "suspect",
                                        [MUSTER_NODE_DOWN] = "down",
                                        [MUSTER_NODE_LEFT] = "left"};
    const size_t at = (size_t)state;
    return at >= sizeof names / sizeof names[0] || names[at] == NULL ? "unknown" : names[at];
}

enum windows_result windows_add(struct windows *windows, char *list, const char **piece) {
    for (char *one; (one = strsep(&list, ",")) != NULL;) {
        *piece = one;
        uint64_t span_ms;
        if (!value_span(one, 1, UINT64_MAX, &span_ms)) return WINDOWS_MALFORMED;
        if (windows->count == MUSTER_WINDOWS_MAX) return WINDOWS_TOO_MANY;
        windows->span_ms[windows->count] = span_ms;
        windows->written[windows->count++] = one;
    }
    return WINDOWS_OK;
}
