#include "periodic.h"
#include "common/monotonic.h"
#include "common/waiting.h"

#include <stdlib.h>

struct periodic {
    void (*work)(void *context);
    void *context;
    uint32_t first_ms, every_ms;
    pthread_mutex_t lock; /* of the two flags */
    pthread_cond_t changed;
    bool is_stopping, has_ended;
    pthread_t thread;
};

/* Waits with the lock held. False: it is to stop. */
static bool periodic_wait(struct periodic *periodic, uint32_t wait_ms) {
    uint64_t until_us = monotonic_us() + (uint64_t)wait_ms * 1000;
    while (!periodic->is_stopping)
        if (!waiting_until(&periodic->changed, &periodic->lock, until_us)) break;
    return !periodic->is_stopping;
}

static void *periodic_run(void *argument) {
    struct periodic *periodic = argument;
    pthread_mutex_lock(&periodic->lock);
    for (uint32_t wait_ms = periodic->first_ms; periodic_wait(periodic, wait_ms); wait_ms = periodic->every_ms) {
        pthread_mutex_unlock(&periodic->lock);
        periodic->work(periodic->context);
        pthread_mutex_lock(&periodic->lock);
    }
    periodic->has_ended = true;
    pthread_cond_broadcast(&periodic->changed);
    pthread_mutex_unlock(&periodic->lock);
    return NULL;
}

struct periodic *periodic_start(void (*work)(void *context), void *context, uint32_t first_ms, uint32_t every_ms) {
    struct periodic *periodic = calloc(1, sizeof *periodic);
    if (periodic == NULL) return NULL;
    periodic->work = work;
    periodic->context = context;
    periodic->first_ms = first_ms;
    periodic->every_ms = every_ms;
    if (pthread_mutex_init(&periodic->lock, NULL) != 0) goto fail_memory;
    if (!waiting_init(&periodic->changed)) goto fail_lock;
    if (pthread_create(&periodic->thread, NULL, periodic_run, periodic) != 0) goto fail_changed;
    return periodic;

fail_changed:
    pthread_cond_destroy(&periodic->changed);
fail_lock:
    pthread_mutex_destroy(&periodic->lock);
fail_memory:
    free(periodic);
    return NULL;
}

bool periodic_stop_within(struct periodic *periodic, uint32_t within_ms) {
    if (periodic == NULL) return true;
    uint64_t until_us = monotonic_us() + (uint64_t)within_ms * 1000;
    pthread_mutex_lock(&periodic->lock);
    periodic->is_stopping = true;
    pthread_cond_broadcast(&periodic->changed);
    while (!periodic->has_ended)
        if (!waiting_until(&periodic->changed, &periodic->lock, until_us)) break;
    bool has_ended = periodic->has_ended;
    pthread_mutex_unlock(&periodic->lock);
    if (!has_ended) return false;
    pthread_join(periodic->thread, NULL);
    pthread_cond_destroy(&periodic->changed);
    pthread_mutex_destroy(&periodic->lock);
    free(periodic);
    return true;
}

void periodic_stop(struct periodic *periodic) {
    while (!periodic_stop_within(periodic, UINT32_MAX)) {
    }
}
