/* A publisher of changes: one connection, on a thread of its own, on which users of the default scope become busy and
 * online again, in an open loop: each change falls due at its time, whether or not the earlier ones were answered, and
 * whatever those who listen are at. What fails ends the program. */
#ifndef MUSTER_BENCH_PUBLISHER_H
#define MUSTER_BENCH_PUBLISHER_H

#include "connection.h"
#include "subscribe_protocol.h"

#include <pthread.h>
#include <stdatomic.h>

enum { PUBLISHER_IN_FLIGHT_MAX = 64, PUBLISHER_INPUT_BYTES = 16384 };

struct publisher {
    const struct subscribe_protocol *protocol;
    int fd;
    struct work work; /* which users change */
    struct user_choice choice;
    uint8_t *is_busy;                 /* by user */
    _Atomic(uint64_t) *due_ns;        /* by user: when its last change was due. Any thread reads */
    pthread_t thread;                 /* of the run, unless it was joined */
    bool is_running;                  /* the caller's: the thread is to be joined */
    atomic_bool is_done;              /* all of the run was sent and answered; then what follows may be read */
    uint64_t wanted, sent, confirmed; /* the marker is one of them */
    double rate;
    uint64_t start_ns, behind_ns; /* behind_ns: the most by which a change was sent late */
    bool is_marker_busy;
    uint8_t in[PUBLISHER_INPUT_BYTES];
    size_t in_len;
};

/* users: who changes, 0..users - 1. */
void publisher_open(struct publisher *publisher, const struct subscribe_protocol *protocol, const char *address,
                    uint64_t users);
/* Begins a run, which ends the one before: `count` changes, `rate` a second, then at once one of USER_MARKER. */
void publisher_begin(struct publisher *publisher, uint64_t count, double rate);
/* Whether the last run, if there was one, is over. */
bool publisher_is_done(struct publisher *publisher);
/* When the last change of a user was due; 0: there was none, or it is not one of the publisher's. */
uint64_t publisher_due_ns(const struct publisher *publisher, uint64_t user);

#endif
