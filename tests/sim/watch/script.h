/* What a seed draws once for a whole run. */
#ifndef MUSTER_SIM_SCRIPT_H
#define MUSTER_SIM_SCRIPT_H

#include "support/random.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum {
    HOSTS_MAX = 5,
    SIM_WATCHERS_MAX = 12,
    SCOPES = 3,
    CROWD = 1400, /* users of a scope, in a large world */
    HOST_TICK_MS = 100,
    HOST_LATE_MS = 30, /* timers are so late at most */
    PACE_MAX_MS = 1000,
};

enum mishap {
    MISHAP_CUT,       /* no bytes from one node to another, or both ways, or between two halves */
    MISHAP_SLOW,      /* a stream takes longer */
    MISHAP_CRASH,     /* and mostly starts again, as a new incarnation */
    MISHAP_DRAIN,     /* the same with a word: watchers are sent elsewhere */
    MISHAP_WALL_JUMP, /* the wall clock of a node jumps, by up to an hour */
    MISHAP_FULL,      /* a watcher's connection takes no answer for a while */
    MISHAP_HANG_UP,   /* a watcher goes while it waits */
    MISHAP_PAUSE,     /* a node stands still, with watchers that wait there and requests in its sockets */
    MISHAPS,
};

struct script {
    unsigned hosts, sim_watchers, users;
    uint64_t active_ms, late_calls_ms; /* late: calls go on for so long after the last fault has ended */
    uint64_t flush_ms, delay_max_ms, call_every_ms, mishap_every_ms;
    uint32_t ttl_max_ms;
    unsigned mishaps; /* a mask of 1 << enum mishap */
    bool clocks_are_wrong, is_sealed;
};

struct script script_draw(struct random *random, bool is_large);
bool script_has(const struct script *script, enum mishap mishap);
/* By how much a lease may seem younger than it is, and how much later than its end a node may notice it. */
uint64_t script_slack_ms(const struct script *script);
void script_print(const struct script *script, FILE *out);

#endif
