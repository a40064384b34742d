#include "watch_pump.h"
#include "reply/worker.h"
#include "sys/clock.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

struct watch_pump {
    struct watches *watches;
    struct worker *worker;
    atomic_bool is_woken; /* since the node was last pumped */
    bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
};

/* By any thread, often: only the first one after the pump has begun to work takes the lock. */
static void wake(void *context) {
    struct watch_pump *pump = context;
    if (atomic_exchange(&pump->is_woken, true)) return;
    pthread_mutex_lock(&pump->lock);
    pthread_cond_signal(&pump->wake);
    pthread_mutex_unlock(&pump->lock);
}

static struct timespec after_ms(uint32_t ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return until;
}

/* Waits so long, or until it is woken or stopped; returns whether it goes on. */
static bool wait_for_work(struct watch_pump *pump, uint32_t ms) {
    struct timespec until = after_ms(ms);
    int failure = 0;
    pthread_mutex_lock(&pump->lock);
    while (!pump->is_stopping && !atomic_load(&pump->is_woken) && failure == 0)
        failure = pthread_cond_timedwait(&pump->wake, &pump->lock, &until);
    bool goes_on = !pump->is_stopping;
    pthread_mutex_unlock(&pump->lock);
    return goes_on;
}

static void *pump_watches(void *context) {
    struct watch_pump *pump = context;
    uint32_t wait_ms;
    do {
        atomic_store(&pump->is_woken, false); /* before the node is looked at: what comes later wakes again */
        wait_ms = pump_run(pump->watches, pump->worker, clock_now());
    } while (wait_for_work(pump, wait_ms));
    return NULL;
}

static void destroy(struct watch_pump *pump) {
    pthread_mutex_destroy(&pump->lock);
    pthread_cond_destroy(&pump->wake);
    worker_free(pump->worker);
    free(pump);
}

struct watch_pump *watch_pump_start(struct watches *watches) {
    struct watch_pump *pump = calloc(1, sizeof *pump);
    if (pump == NULL) return NULL;
    pump->watches = watches;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pump->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&pump->lock, NULL);
    pump->worker = worker_new();
    if (pump->worker == NULL || pthread_create(&pump->thread, NULL, pump_watches, pump) != 0) {
        destroy(pump);
        return NULL;
    }
    pump_set_waker(watches, wake, pump);
    return pump;
}

void watch_pump_stop(struct watch_pump *pump) {
    if (pump == NULL) return;
    pthread_mutex_lock(&pump->lock);
    pump->is_stopping = true;
    pthread_cond_broadcast(&pump->wake);
    pthread_mutex_unlock(&pump->lock);
    pthread_join(pump->thread, NULL);
}

void watch_pump_free(struct watch_pump *pump) {
    if (pump != NULL) destroy(pump);
}
