#include "ticker.h"
#include "clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct ticker {
    struct node *node;
    uint32_t tick_ms;
    bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
};

static void *tick(void *context) {
    struct ticker *ticker = context;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    pthread_mutex_lock(&ticker->lock);
    while (!ticker->is_stopping) {
        pthread_mutex_unlock(&ticker->lock);
        node_tick(ticker->node, clock_now());
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += (long)(ticker->tick_ms % 1000) * 1000000;
        until.tv_sec += ticker->tick_ms / 1000 + until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&ticker->lock);
        if (!ticker->is_stopping) pthread_cond_timedwait(&ticker->stop, &ticker->lock, &until);
    }
    pthread_mutex_unlock(&ticker->lock);
    return NULL;
}

struct ticker *ticker_start(struct node *node, uint32_t tick_ms) {
    struct ticker *ticker = calloc(1, sizeof *ticker);
    if (ticker == NULL) return NULL;
    ticker->node = node;
    ticker->tick_ms = tick_ms;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&ticker->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&ticker->lock, NULL);
    if (pthread_create(&ticker->thread, NULL, tick, ticker) == 0) return ticker;
    pthread_mutex_destroy(&ticker->lock);
    pthread_cond_destroy(&ticker->stop);
    free(ticker);
    return NULL;
}

void ticker_stop(struct ticker *ticker) {
    if (ticker == NULL) return;
    pthread_mutex_lock(&ticker->lock);
    ticker->is_stopping = true;
    pthread_cond_broadcast(&ticker->stop);
    pthread_mutex_unlock(&ticker->lock);
    pthread_join(ticker->thread, NULL);
    pthread_mutex_destroy(&ticker->lock);
    pthread_cond_destroy(&ticker->stop);
    free(ticker);
}
