/* Drives one server with connections × requests in flight from one thread, and times each request.
 *
 * Closed loop (rate 0): a slot asks again once it was answered. Open loop: requests fall due at even distances and are
 * timed from then, whether or not the connection was free, so that a stall shows in every request that it delayed
 * (no coordinated omission). */
#ifndef MUSTER_BENCH_ENGINE_H
#define MUSTER_BENCH_ENGINE_H

#include "histogram.h"
#include "load/protocol.h"

enum { CONNECTIONS_MAX = 1000, IN_FLIGHT_MAX = 256 };

struct load {
    const struct protocol *protocol;
    const char *host, *port;
    uint32_t connections, in_flight;
    uint64_t requests; /* at most; 0: any number, for `seconds` */
    double seconds;    /* at most; 0: any time, for `requests` */
    double rate;       /* requests a second; 0: as many as are answered */
    struct work work;
};

struct result {
    uint64_t requests, hits;
    double seconds; /* from the first request to the last answer */
    struct histogram latencies;
};

/* Runs the load. False, with *problem said, where a connection failed or an answer is no good. */
bool engine_run(const struct load *load, struct result *result, char problem[256]);

#endif
