#include "forks.h"

#include <pthread.h>
#include <stdatomic.h>

static atomic_uint forks;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards is_watching */
static bool is_watching;

/* In the child, whose only thread this is: the mutex may have been held by another one. */
static void forked(void) {
    atomic_fetch_add(&forks, 1);
    pthread_mutex_init(&mutex, NULL);
}

bool forks_watch(void) {
    pthread_mutex_lock(&mutex);
    if (!is_watching) is_watching = pthread_atfork(NULL, NULL, forked) == 0;
    bool is_done = is_watching;
    pthread_mutex_unlock(&mutex);
    return is_done;
}

unsigned forks_count(void) {
    return atomic_load_explicit(&forks, memory_order_relaxed);
}
