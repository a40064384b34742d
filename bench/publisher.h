/* Publishes changes over one connection, on its own thread: users of the default scope become busy, and online again,
 * in an open loop: a change is due at its time whether or not earlier ones were answered. A failure ends the program.
 */
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
    uint8_t *is_busy;          /* by user */
    _Atomic(uint64_t) *due_ns; /* by user: when its last change was due. Any thread reads */
    pthread_t thread;          /* of the current run */
    bool is_running;           /* the thread must be joined; used by the caller's thread only */
    atomic_bool is_done;       /* all changes of the run were sent and answered; the fields below may be read then */
    uint64_t wanted, sent, confirmed; /* the marker included */
    double rate;
    uint64_t start_ns, behind_ns; /* behind_ns: the largest delay of a change */
    bool is_marker_busy;
    uint8_t in[PUBLISHER_INPUT_BYTES];
    size_t in_len;
};

/* users: users 0..users - 1 change. */
void publisher_open(struct publisher *publisher, const struct subscribe_protocol *protocol, const char *address,
                    uint64_t users);
/* Starts a run, after the end of the one before: `count` changes, `rate` per second, then at once one of USER_MARKER.
 */
void publisher_begin(struct publisher *publisher, uint64_t count, double rate);
/* Whether no run is in progress. */
bool publisher_is_done(struct publisher *publisher);
/* When the last change of a user was due; 0: there was none, or it is not one of the publisher's. */
uint64_t publisher_due_ns(const struct publisher *publisher, uint64_t user);

#endif
