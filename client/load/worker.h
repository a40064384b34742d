/* One thread of the load generator: its connections, and the requests in flight on them. */
#ifndef MUSTER_LOAD_WORKER_H
#define MUSTER_LOAD_WORKER_H

#include "load.h"

#include <stdatomic.h>

/* What all workers of a run share. */
struct load_shared {
    const struct load_plan *plan;
    _Atomic uint64_t ticket;    /* the next request's number */
    _Atomic uint64_t answered;  /* requests, for progress */
    _Atomic int outcome;        /* enum load_outcome: LOAD_DONE until something fails */
    struct error error;         /* written by the worker that changed `outcome`; read after all have ended */
    uint64_t start_ns, stop_ns; /* stop_ns: no request is due from then on; UINT64_MAX: there is no limit of time */
};

/* Sets outcome and error, unless something failed before. Any thread. */
void load_shared_fail(struct load_shared *shared, enum load_outcome outcome, enum muster_code code, const char *text);

uint64_t load_now_ns(void); /* the monotonic clock */

struct load_worker;

/* Makes a worker with `connections` of its own and connects them. NULL on failure, which is in shared->outcome and
 * shared->error. shared: must outlive the worker; start_ns and stop_ns may be set until load_worker_run. number: among
 * the workers. */
struct load_worker *load_worker_new(struct load_shared *shared, uint32_t connections, uint32_t number);
void load_worker_free(struct load_worker *worker);

/* Sends and receives until the plan is done or shared->outcome says that something failed. On a thread of its own. */
void load_worker_run(struct load_worker *worker);

/* Adds what the worker measured. last_ns: raised to when its last answer came. */
void load_worker_collect(const struct load_worker *worker, struct load_result *into, uint64_t *last_ns);

#endif
