/* The load generator: connections × requests in flight against one server, and how long each request took.
 *
 * Closed loop (rate 0): a slot sends its next request once the one before was answered. Open loop: requests fall due
 * at even distances over all connections and are timed from then, whether or not a slot was free, so that a stall
 * shows in every request that it delayed (no coordinated omission). */
#ifndef MUSTER_LOAD_LOAD_H
#define MUSTER_LOAD_LOAD_H

#include "histogram.h"
#include "protocol.h"

enum {
    LOAD_CONNECTIONS_MAX = 10000,
    LOAD_IN_FLIGHT_MAX = 1024, /* a connection */
    LOAD_SLOTS_MAX = 65536,    /* connections × in flight */
    LOAD_THREADS_MAX = 64,
};

struct load_plan {
    const struct protocol *protocol;
    const char *address; /* tcp://HOST:PORT or ipc://PATH */
    struct work work;
    uint32_t connections, in_flight, threads; /* each at least 1 */
    uint64_t requests;                        /* at most so many in all; 0: any number, until duration_ms */
    uint64_t duration_ms;                     /* at most so long; 0: until `requests` */
    double rate;                              /* requests a second in all; 0: closed loop */
    uint32_t timeout_ms;                      /* without any answer */
    uint64_t seed;                            /* of the choice of users */
};

struct load_result {
    struct histogram latency; /* ns, a request; with a rate from the time it was due, else from when it was sent */
    struct histogram walk;    /* ns, all pages of one list */
    uint64_t hits;            /* of all answers (struct answer) */
    uint64_t unsent;          /* requests that were due within duration_ms and were not sent: no slot was free */
    uint64_t bytes_sent, bytes_received;
    double seconds; /* from the first request to the last answer */
};

enum load_outcome {
    LOAD_DONE,
    LOAD_UNREACHABLE, /* it cannot connect, the server closed a connection, is silent or is no server of this kind */
    LOAD_REFUSED,     /* the server answered with an error */
    LOAD_FAILED,      /* this machine: memory, threads, descriptors */
};

/* Told how many requests were answered so far, some ten times a second, on the thread that called load_run. */
typedef void load_progress_fn(void *arg, uint64_t answered);

/* Runs a plan to its end on threads of its own. progress may be NULL. Unless LOAD_DONE, *error says why; *result is
 * what was measured until then. */
enum load_outcome load_run(const struct load_plan *plan, load_progress_fn *progress, void *arg,
                           struct load_result *result, struct error *error);

#endif
