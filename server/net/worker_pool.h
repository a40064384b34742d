/* Workers that wait to be used again, the last used first: it is still in the cache. As many as requests were ever
 * answered at one time; nng's task threads bound that. Thread-safe. */
#ifndef MUSTER_NET_WORKER_POOL_H
#define MUSTER_NET_WORKER_POOL_H

#include "reply/worker.h"

#include <pthread.h>

enum { WORKERS_MAX = 64 };

struct worker_pool {
    pthread_mutex_t lock;
    struct worker *idle[WORKERS_MAX];
    size_t count;
};

void worker_pool_open(struct worker_pool *pool);
void worker_pool_close(struct worker_pool *pool); /* every worker is back */

struct worker *worker_pool_take(struct worker_pool *pool); /* NULL: memory is short */
void worker_pool_put(struct worker_pool *pool, struct worker *worker);

#endif
