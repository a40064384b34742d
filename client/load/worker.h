/* One thread of the load generator: its connections, and the requests in flight on them. */
#ifndef MUSTER_LOAD_WORKER_H
#define MUSTER_LOAD_WORKER_H

#include "cli/bench.h"

#include <stdatomic.h>

/* What all workers of a run share. */
struct bench_shared {
    const struct bench_plan *plan;
    _Atomic uint64_t ticket;    /* the next request */
    _Atomic uint64_t answered;  /* requests, for progress */
    _Atomic int status;         /* STATUS_DONE until something fails */
    uint64_t start_ns, stop_ns; /* stop_ns: no request is due from then on; UINT64_MAX where their number is given */
};

struct bench_worker;

/* Makes a worker with `connections` of its own and connects them. NULL after a message: it cannot connect.
 * shared: outlives the worker; start_ns and stop_ns may be set until bench_worker_run. seed: of its choice of users. */
struct bench_worker *bench_worker_new(struct bench_shared *shared, uint32_t connections, uint64_t seed);
void bench_worker_free(struct bench_worker *worker);

/* Sends and receives until the plan is done or shared->status says that something failed. For a thread of its own. */
void bench_worker_run(struct bench_worker *worker);

/* Adds what it measured. last_ns: raised to when its last answer came. */
void bench_worker_collect(const struct bench_worker *worker, struct bench_result *into, uint64_t *last_ns);

#endif
