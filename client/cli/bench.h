/* The load generator: plans, phases, results. It speaks the nng wire itself, from prepared requests, so that on a
 * machine that it shares with the node it takes as little of it as it can. */
#ifndef MUSTER_CLI_BENCH_H
#define MUSTER_CLI_BENCH_H

#include "load/histogram.h"
#include "muster/muster.h"
#include "values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum bench_call { BENCH_TOUCH, BENCH_LIVE, BENCH_LIST, BENCH_COUNTS, BENCH_PING, BENCH_ECHO };
enum bench_order { BENCH_RANDOM, BENCH_SEQUENTIAL };

enum {
    BENCH_CONNECTIONS_MAX = 10000,
    BENCH_IN_FLIGHT_MAX = 1024,
    BENCH_SLOTS_MAX = 65536, /* connections * in flight */
    BENCH_THREADS_MAX = 64,
    BENCH_USER_BYTES = 17, /* "user:%012u" */
    BENCH_ECHO_BYTES = 36, /* with the request's id a message of 40 bytes */
};
#define BENCH_USERS_MAX UINT64_C(1000000000000)

/* What is sent, how often, and for how long. */
struct bench_plan {
    enum bench_call call;
    enum bench_order order;              /* of the users that touch and live name */
    const char *address, *token, *scope; /* token and scope may be NULL */
    uint32_t connections, in_flight, threads;
    uint32_t batch;    /* beats of a touch, users of a live, users a page of a list */
    uint64_t users;    /* named users are 0..users-1 */
    uint32_t ttl_ms;   /* of a touch */
    uint64_t requests; /* so many in all; 0: until duration_ms have passed */
    uint64_t duration_ms;
    double rate; /* requests a second over all connections, each due at its own time; 0: each slot sends when its last
                    answer came */
    uint32_t timeout_ms; /* without any answer */
    struct windows windows;
};

struct bench_result {
    struct histogram latency; /* ns, a request; with a rate from the time it was due, else from when it was sent */
    struct histogram walk;    /* ns, all pages of one list */
    uint64_t items;           /* beats told, users answered, scopes counted */
    uint64_t unsent;          /* requests that were due and could not be sent in time: the node is that far behind */
    uint64_t bytes_sent, bytes_received;
    double seconds; /* from the first request to the last answer */
};

/* Runs a plan to its end, with progress on a terminal (what: static, "requests answered"; NULL: none).
 * STATUS_DONE, STATUS_UNREACHABLE (cannot connect, the node broke off or is silent) or STATUS_REFUSED (it answered an
 * error), after a message. */
int bench_run(const struct bench_plan *plan, const char *what, struct bench_result *result);

#endif
