#include "headroom.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Threads wait here until all have been started. */
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t opened;
    bool is_open;
};

static void *gate_wait(void *context) {
    struct gate *gate = context;
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_open) pthread_cond_wait(&gate->opened, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    return NULL;
}

static void gate_open(struct gate *gate) {
    pthread_mutex_lock(&gate->lock);
    gate->is_open = true;
    pthread_cond_broadcast(&gate->opened);
    pthread_mutex_unlock(&gate->lock);
}

/* Limits of address space and of commitment refuse the allocation. Pages are not touched: where the machine itself runs
 * out of memory the system ends a process, and nothing it could be told would help. */
static bool memory_is_there(size_t bytes) {
    void *volatile memory = malloc(bytes); /* volatile: the compiler may not drop the pair of calls */
    bool is_there = memory != NULL;
    free(memory);
    return is_there;
}

bool headroom_check(unsigned threads, size_t bytes, struct error *error) {
    struct gate gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
    pthread_t started[HEADROOM_THREADS_MAX];
    unsigned count = 0;
    int failure = 0;
    assert(threads <= HEADROOM_THREADS_MAX);
    while (count < threads && (failure = pthread_create(&started[count], NULL, gate_wait, &gate)) == 0) count++;
    bool has_memory = failure == 0 && (bytes == 0 || memory_is_there(bytes));
    gate_open(&gate);
    for (unsigned i = 0; i < count; i++) pthread_join(started[i], NULL);
    if (failure != 0)
        return error_fail(error, MUSTER_RESOURCE_EXHAUSTED,
                          "the system has no room for the %u threads that are needed, only for %u: %s", threads, count,
                          strerror(failure));
    if (!has_memory)
        return error_fail(error, MUSTER_RESOURCE_EXHAUSTED, "out of memory: %zu MiB are needed", bytes >> 20);
    return true;
}
