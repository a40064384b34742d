#include "writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

struct snapshot_keeper {
    struct snapshot_file *file;
    struct node *node;
    uint32_t every_ms;
    bool is_stopping;
    pthread_mutex_t lock;
    pthread_cond_t stop;
    pthread_t thread;
};

/* Waits for the next one to be due. false: there is to be none. */
static bool wait_for_next(struct snapshot_keeper *keeper) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)(keeper->every_ms % 1000) * 1000000;
    until.tv_sec += keeper->every_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int waited = 0;
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->is_stopping && waited == 0) waited = pthread_cond_timedwait(&keeper->stop, &keeper->lock, &until);
    bool is_due = !keeper->is_stopping;
    pthread_mutex_unlock(&keeper->lock);
    return is_due;
}

static void *keep(void *context) {
    struct snapshot_keeper *keeper = context;
    while (wait_for_next(keeper)) (void)snapshot_file_write(keeper->file, keeper->node);
    return NULL;
}

struct snapshot_keeper *snapshot_keeper_start(struct snapshot_file *file, struct node *node, uint32_t every_ms) {
    struct snapshot_keeper *keeper = calloc(1, sizeof *keeper);
    if (keeper == NULL) return NULL;
    keeper->file = file;
    keeper->node = node;
    keeper->every_ms = every_ms;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&keeper->lock, NULL);
    if (pthread_create(&keeper->thread, NULL, keep, keeper) == 0) return keeper;
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->stop);
    free(keeper);
    return NULL;
}

void snapshot_keeper_stop(struct snapshot_keeper *keeper) {
    if (keeper == NULL) return;
    pthread_mutex_lock(&keeper->lock);
    keeper->is_stopping = true;
    pthread_cond_broadcast(&keeper->stop);
    pthread_mutex_unlock(&keeper->lock);
    pthread_join(keeper->thread, NULL);
    pthread_mutex_destroy(&keeper->lock);
    pthread_cond_destroy(&keeper->stop);
    free(keeper);
}
