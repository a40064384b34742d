#include "rep_internal.h"
#include "sys/clock.h"

#include <string.h>
#include <unistd.h>

/* A drain ends when no request came for so long; after so long it takes no more of them. */
enum { DRAIN_QUIET_MS = 100, DRAIN_TAKES_MS = 1000, DRAIN_STEP_MS = 5 };

/* What nng's statistics say of one connection of the door. */
struct traffic {
    uint64_t socket, received, sent;
};

static struct traffic traffic_of(nng_stat *pipe) {
    struct traffic traffic = {0};
    for (nng_stat *stat = nng_stat_child(pipe); stat != NULL; stat = nng_stat_next(stat)) {
        const char *name = nng_stat_name(stat);
        if (strcmp(name, "socket") == 0) traffic.socket = nng_stat_value(stat);
        else if (strcmp(name, "rx_msgs") == 0) traffic.received = nng_stat_value(stat);
        else if (strcmp(name, "tx_msgs") == 0) traffic.sent = nng_stat_value(stat);
    }
    return traffic;
}

/* nng says that a reply is sent when it has queued it; only the statistics know when the system has it. `unanswered`:
 * how many requests of a connection need no reply any more. */
static bool all_is_sent(const struct rep_door *door, uint64_t unanswered) {
    nng_stat *root;
    bool is_sent = true;
    if (nng_stats_get(&root) != 0) return true; /* an nng that keeps none */
    for (nng_stat *stat = nng_stat_child(root); stat != NULL && is_sent; stat = nng_stat_next(stat)) {
        if (strcmp(nng_stat_name(stat), "pipe") != 0) continue;
        struct traffic traffic = traffic_of(stat);
        if (traffic.socket != (uint64_t)nng_socket_id(door->socket)) continue;
        is_sent = traffic.received <= traffic.sent + unanswered;
    }
    nng_stats_free(root);
    return is_sent;
}

void rep_door_refuse(struct rep_door *door) {
    atomic_store(&door->is_draining, true);
}

bool rep_door_drain(struct rep_door *door, uint32_t timeout_ms) {
    uint64_t start_us = clock_monotonic_us(), last_request_us = start_us, now_us = start_us;
    uint64_t requests = atomic_load(&door->requests);
    rep_door_refuse(door);
    while (now_us - start_us < (uint64_t)timeout_ms * 1000) {
        if (now_us - start_us > DRAIN_TAKES_MS * 1000) atomic_store(&door->takes_no_more, true);
        if (atomic_load(&door->requests) != requests) {
            requests = atomic_load(&door->requests);
            last_request_us = now_us;
        }
        bool is_quiet = now_us - last_request_us > DRAIN_QUIET_MS * 1000 && !slots_are_busy(door);
        /* A connection may hold one request that nobody takes any more. */
        if (is_quiet && all_is_sent(door, atomic_load(&door->takes_no_more) ? 1 : 0)) return true;
        usleep(DRAIN_STEP_MS * 1000);
        now_us = clock_monotonic_us();
    }
    return false;
}
