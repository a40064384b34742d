#include "rep_door.h"
#include "muster/limits.h"
#include "rep_internal.h"
#include "sys/clock.h"

#include <nng/protocol/reqrep0/rep.h>
#include <stdlib.h>
#include <time.h>

enum { DOOR_REPLY_TIMEOUT_MS = 5000, DOOR_PROBE_EVERY_MS = 500, DOOR_PROBE_PATIENCE_MS = 2000 };
/* How often the door looks after itself. */
enum { DOOR_STEP_MS = 50 };

/* Waits so long, or until the door closes; returns whether it does. */
static bool wait_for_stop(struct rep_door *door, unsigned ms) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)ms * 1000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    pthread_mutex_lock(&door->stop_lock);
    if (!atomic_load(&door->is_closing)) pthread_cond_timedwait(&door->stop, &door->stop_lock, &until);
    pthread_mutex_unlock(&door->stop_lock);
    return atomic_load(&door->is_closing);
}

static void *look_after(void *context) {
    struct rep_door *door = context;
    while (!wait_for_stop(door, DOOR_STEP_MS)) {
        uint64_t now_us = clock_monotonic_us();
        replies_relieve(door, now_us);
        connections_hang_up(door);
        park_step(door);
        if (!atomic_load(&door->is_draining))
            listeners_step(&door->listeners, now_us); /* a draining door accepts nobody */
    }
    return NULL;
}

static uint32_t or_default(uint32_t value, uint32_t otherwise) {
    return value != 0 ? value : otherwise;
}

static struct rep_door *door_new(const struct rep_door_config *config) {
    struct rep_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&door->stop, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&door->stop_lock, NULL);
    pthread_mutex_init(&door->lock, NULL);
    TAILQ_INIT(&door->all);
    TAILQ_INIT(&door->sending);
    TAILQ_INIT(&door->spares);
    worker_pool_open(&door->workers);
    door->rpc = config->rpc;
    door->answer_context = config->answer_context;
    door->connections_max = config->connections_max != 0 ? config->connections_max : MUSTER_CONNECTIONS_DEFAULT;
    door->end_unread = config->end_unread;
    door->answer = config->answer;
    door->listeners.receive_bytes_max =
        config->receive_bytes_max != 0 ? config->receive_bytes_max + DOOR_REQUEST_ID_BYTES : DOOR_RECEIVE_BYTES_MAX;
    door->reply_timeout_ms = or_default(config->reply_timeout_ms, DOOR_REPLY_TIMEOUT_MS);
    door->listeners.probe_every_ms = or_default(config->probe_every_ms, DOOR_PROBE_EVERY_MS);
    door->listeners.probe_patience_ms = or_default(config->probe_patience_ms, DOOR_PROBE_PATIENCE_MS);
    return door;
}

/* The size limit of the socket is what its listeners start with. */
static int open_socket(struct rep_door *door) {
    int failure = nng_rep0_open(&door->socket);
    if (failure != 0) return failure;
    door->has_socket = true;
    door->listeners.socket = door->socket;
    size_t bytes_max = door->listeners.receive_bytes_max;
    if ((failure = nng_socket_set_size(door->socket, NNG_OPT_RECVMAXSZ, bytes_max)) != 0) return failure;
    failure = nng_pipe_notify(door->socket, NNG_PIPE_EV_ADD_PRE, connections_on_add, door);
    if (failure != 0) return failure;
    return nng_pipe_notify(door->socket, NNG_PIPE_EV_REM_POST, connections_on_remove, door);
}

struct rep_door *rep_door_open(const struct rep_door_config *config, const char **failed_url, const char **why) {
    int failure = NNG_ENOMEM;
    *failed_url = NULL;
    struct rep_door *door = door_new(config);
    if (door == NULL) goto fail;
    if (!connections_open(door) || (failure = open_socket(door)) != 0) goto fail_door;
    if ((failure = slots_open(door)) != 0) goto fail_door;
    slots_start(door);
    if ((failure = listeners_open(&door->listeners, config->urls, config->url_count, failed_url)) != 0) goto fail_door;
    door->has_thread = pthread_create(&door->thread, NULL, look_after, door) == 0;
    if (door->has_thread) return door;
    failure = NNG_ENOMEM;

fail_door:
    rep_door_close(door);
fail:
    *why = nng_strerror(failure);
    return NULL;
}

void rep_door_close(struct rep_door *door) {
    if (door == NULL) return;
    pthread_mutex_lock(&door->stop_lock);
    atomic_store(&door->is_closing, true);
    atomic_store(&door->takes_no_more, true);
    pthread_cond_broadcast(&door->stop);
    pthread_mutex_unlock(&door->stop_lock);
    if (door->has_thread) pthread_join(door->thread, NULL);
    listeners_close(&door->listeners);
    if (door->has_socket) nng_close(door->socket);
    slots_close(door);
    connections_close(door);
    worker_pool_close(&door->workers);
    pthread_mutex_destroy(&door->lock);
    pthread_mutex_destroy(&door->stop_lock);
    pthread_cond_destroy(&door->stop);
    free(door);
}

const char *rep_door_url(const struct rep_door *door, size_t i) {
    return door->listeners.items[i].url;
}

struct rep_door_figures rep_door_figures(const struct rep_door *door) {
    return (struct rep_door_figures){.connections = atomic_load(&door->connections),
                                     .relistened = atomic_load(&door->listeners.relistened)};
}
