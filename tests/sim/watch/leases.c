#include "leases.h"

#include <stdlib.h>

static const char *const scope_names[SCOPES] = {"room:0", "room:1", "room:2"};

const char *scope_name(unsigned scope) {
    return scope_names[scope];
}

void user_name(unsigned user, char out[16]) {
    snprintf(out, 16, "u%u", user);
}

unsigned user_number(const char *name) {
    char *end;
    unsigned long number = name[0] == 'u' ? strtoul(name + 1, &end, 10) : CROWD;
    return number < CROWD && *end == '\0' ? (unsigned)number : CROWD;
}

void leases_end(struct leases *leases, unsigned scope, unsigned user, uint64_t now_ms) {
    leases->ended_ms[scope][user] = now_ms;
}

bool leases_are_known(const struct leases *leases, unsigned scope, unsigned user, uint64_t made_ms, uint64_t at_ms) {
    if (!leases_hold(leases, scope, user, at_ms)) return false;
    uint64_t made = leases->made_ms[scope][user];
    return made < made_ms && made > leases->ended_ms[scope][user];
}

void leases_extend(struct leases *leases, unsigned scope, unsigned user, uint64_t now_ms, uint64_t until_ms) {
    uint64_t *end_ms = &leases->ends_ms[scope][user];
    if (until_ms > *end_ms) {
        *end_ms = until_ms;
        leases->made_ms[scope][user] = now_ms;
    } else { /* it may be the same session, whose lease is shorter now */
        leases_end(leases, scope, user, now_ms);
    }
    if (until_ms > leases->last_ms) leases->last_ms = until_ms;
}

bool leases_hold(const struct leases *leases, unsigned scope, unsigned user, uint64_t at_ms) {
    return user < CROWD && leases->ends_ms[scope][user] >= at_ms;
}

size_t leases_count(const struct leases *leases, unsigned scope, uint64_t at_ms) {
    size_t count = 0;
    for (unsigned user = 0; user < CROWD; user++) count += leases_hold(leases, scope, user, at_ms);
    return count;
}
