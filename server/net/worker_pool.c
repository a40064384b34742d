#include "worker_pool.h"

void worker_pool_open(struct worker_pool *pool) {
    *pool = (struct worker_pool){.count = 0};
    pthread_mutex_init(&pool->lock, NULL);
}

void worker_pool_close(struct worker_pool *pool) {
    while (pool->count > 0) worker_free(pool->idle[--pool->count]);
    pthread_mutex_destroy(&pool->lock);
}

struct worker *worker_pool_take(struct worker_pool *pool) {
    pthread_mutex_lock(&pool->lock);
    struct worker *worker = pool->count > 0 ? pool->idle[--pool->count] : NULL;
    pthread_mutex_unlock(&pool->lock);
    return worker != NULL ? worker : worker_new();
}

void worker_pool_put(struct worker_pool *pool, struct worker *worker) {
    pthread_mutex_lock(&pool->lock);
    bool is_kept = pool->count < WORKERS_MAX;
    if (is_kept) pool->idle[pool->count++] = worker;
    pthread_mutex_unlock(&pool->lock);
    if (!is_kept) worker_free(worker);
}
