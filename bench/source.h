/* A source of changes: one connection, on a thread of its own, on which users of the default scope become busy and
 * online again, in an open loop: each change falls due at its time, whether or not the earlier ones were answered, and
 * whatever those who listen are at. What fails ends the program. */
#ifndef MUSTER_BENCH_SOURCE_H
#define MUSTER_BENCH_SOURCE_H

#include "line.h"
#include "tongue.h"

#include <pthread.h>
#include <stdatomic.h>

enum { SOURCE_IN_FLIGHT_MAX = 64, SOURCE_INPUT_BYTES = 16384 };

struct source {
    const struct tongue *tongue;
    int fd;
    struct work work;                 /* picks the users */
    uint8_t *is_busy;                 /* by user */
    _Atomic(uint64_t) *due_ns;        /* by user: when its last change was due. Any thread reads */
    pthread_t thread;                 /* of the run, unless it was joined */
    bool is_running;                  /* the caller's: the thread is to be joined */
    atomic_bool is_done;              /* all of the run was sent and answered; then what follows may be read */
    uint64_t wanted, sent, confirmed; /* the marker is one of them */
    double rate;
    uint64_t start_ns, behind_ns; /* behind_ns: the most by which a change was sent late */
    bool is_marker_busy;
    uint8_t in[SOURCE_INPUT_BYTES];
    size_t in_len;
};

/* users: who changes, 0..users - 1. */
void source_open(struct source *source, const struct tongue *tongue, const struct sockaddr_in *address, uint64_t users);
/* Begins a run, which ends the one before: `count` changes, `rate` a second, then at once one of USER_MARKER. */
void source_begin(struct source *source, uint64_t count, double rate);
/* Whether the last run, if there was one, is over. */
bool source_is_done(struct source *source);
/* When the last change of a user was due; 0: there was none, or it is not one of the source's. */
uint64_t source_due_ns(const struct source *source, uint64_t user);

#endif
