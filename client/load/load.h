/* The load generator: connections × requests in flight against one server, and the latency of each request.
 *
 * Closed loop (rate 0): a slot sends its next request when the previous one is answered. Open loop: requests are due at
 * equal distances in time, over all connections, and are timed from then, whether or not a slot was free, so that a
 * stall shows in every request that it delayed (no coordinated omission). */
#ifndef MUSTER_LOAD_LOAD_H
#define MUSTER_LOAD_LOAD_H

#include "histogram.h"
#include "protocol.h"

enum {
    LOAD_CONNECTIONS_MAX = 10000,
    LOAD_IN_FLIGHT_MAX = 1024, /* per connection */
    LOAD_SLOTS_MAX = 65536,    /* connections × in flight */
    LOAD_THREADS_MAX = 64,
};

struct load_plan {
    const struct protocol *protocol;
    const char *address; /* tcp://HOST:PORT or ipc://PATH */
    struct work work;
    uint32_t connections, in_flight, threads; /* each at least 1 */
    uint64_t requests;                        /* limit of requests in all; 0: until duration_ms */
    uint64_t duration_ms;                     /* limit of time; 0: until `requests` */
    double rate;                              /* requests per second in all; 0: closed loop */
    uint32_t timeout_ms;                      /* after which no answer at all is a failure */
    uint64_t seed;                            /* of the random choice of users */
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
    LOAD_UNREACHABLE, /* connecting failed, or the server closed a connection, is silent or speaks another protocol */
    LOAD_REFUSED,     /* the server answered with an error */
    LOAD_FAILED,      /* a local failure: memory, threads, descriptors */
};

/* Called about ten times per second with the number of requests answered so far, on the thread that called load_run. */
typedef void load_progress_fn(void *arg, uint64_t answered);

/* Runs a plan to its end, on plan->threads threads of its own. progress may be NULL. If the outcome is not LOAD_DONE,
 * *error says why, and *result has what was measured until then. */
enum load_outcome load_run(const struct load_plan *plan, load_progress_fn *progress, void *arg,
                           struct load_result *result, struct error *error);

#endif
