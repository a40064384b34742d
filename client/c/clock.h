/* The client's clock: monotonic milliseconds, for timeouts and beats. */
#ifndef MUSTER_CLIENT_CLOCK_H
#define MUSTER_CLIENT_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

static inline uint64_t clock_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* A condition variable whose timed waits are on this clock. */
static inline int clock_cond_init(pthread_cond_t *cond) {
    pthread_condattr_t attributes;
    int rv = pthread_condattr_init(&attributes);
    if (rv != 0) return rv;
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    rv = pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
    return rv;
}

/* Waits until `cond` is signalled or it is until_ms; may return early. */
static inline void clock_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t until_ms) {
    struct timespec until = {.tv_sec = (time_t)(until_ms / 1000), .tv_nsec = (long)(until_ms % 1000) * 1000000};
    pthread_cond_timedwait(cond, mutex, &until);
}

#endif
