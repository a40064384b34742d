#include "peers/pipe_address.h"
#include "rep_internal.h"
#include "sys/log.h"

#include <stdlib.h>

enum { BUCKETS_MIN = 16, BUCKETS_MAX = 1 << 16 };

bool connections_open(struct rep_door *door) {
    door->bucket_count = BUCKETS_MIN;
    while (door->bucket_count < door->connections_max && door->bucket_count < BUCKETS_MAX) door->bucket_count *= 2;
    door->buckets = calloc(door->bucket_count, sizeof *door->buckets);
    SLIST_INIT(&door->gone);
    return door->buckets != NULL;
}

/* nng counts its pipes up, so that they spread by themselves. */
static struct connections *bucket_of(const struct rep_door *door, uint32_t pipe) {
    return &door->buckets[pipe & (door->bucket_count - 1)];
}

struct connection *connection_of(const struct rep_door *door, uint32_t pipe) {
    struct connection *connection;
    SLIST_FOREACH(connection, bucket_of(door, pipe), chain) if (connection->pipe == pipe) break;
    return connection;
}

void connections_say_unread(const struct rep_door *door, const char *peer, size_t closed) {
    log_line(LEVEL_WARN, "connection_unread", "closed connections that do not read their replies", {"peer", peer, 0},
             {"closed", NULL, closed}, {"connections", NULL, atomic_load(&door->connections)});
}

void connections_close_unread(struct rep_door *door, uint32_t pipe_id) {
    nng_pipe pipe = {.id = pipe_id};
    char peer[PEER_BYTES];
    peer_name(pipe, peer);
    if (nng_pipe_close(pipe) == 0) connections_say_unread(door, peer, 1);
}

static void refuse_connection(struct rep_door *door, nng_pipe pipe, const char *event, const char *message) {
    char peer[PEER_BYTES];
    peer_name(pipe, peer);
    log_line(LEVEL_WARN, event, message, {"peer", peer, 0}, {"connections", NULL, atomic_load(&door->connections)});
    nng_pipe_close(pipe);
}

static bool remember(struct rep_door *door, uint32_t pipe) {
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) return false;
    connection->pipe = pipe;
    pthread_mutex_lock(&door->lock);
    SLIST_INSERT_HEAD(bucket_of(door, pipe), connection, chain);
    pthread_mutex_unlock(&door->lock);
    return true;
}

void connections_on_add(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct rep_door *door = context;
    (void)event;
    size_t connections = atomic_fetch_add(&door->connections, 1) + 1;
    if (listeners_took(&door->listeners, pipe)) {
        nng_pipe_close(pipe);
        return;
    }
    if (atomic_load(&door->is_draining)) nng_pipe_close(pipe);
    else if (connections > door->connections_max)
        refuse_connection(door, pipe, "connections_full", "refused a connection: as many are open as may be");
    else if (!remember(door, (uint32_t)pipe.id))
        refuse_connection(door, pipe, "out_of_memory", "refused a connection: no memory for it");
}

/* The places of its parked requests are handed back by the door's own thread: nng has one alone for the connections
 * that end. */
void connections_on_remove(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct rep_door *door = context;
    uint32_t id = (uint32_t)pipe.id;
    (void)event;
    atomic_fetch_sub(&door->connections, 1);
    pthread_mutex_lock(&door->lock);
    struct connection *connection = connection_of(door, id);
    if (connection != NULL) {
        SLIST_REMOVE(bucket_of(door, id), connection, connection, chain);
        if (connection->has_parked) SLIST_INSERT_HEAD(&door->gone, connection, chain);
    }
    bool is_over = connection != NULL && !connection->has_parked;
    pthread_mutex_unlock(&door->lock);
    if (is_over) free(connection);
}

/* A connection that goes between the parking and this has no places handed back by its going. */
void connection_has_parked(struct rep_door *door, uint32_t pipe) {
    pthread_mutex_lock(&door->lock);
    struct connection *connection = connection_of(door, pipe);
    if (connection != NULL) connection->has_parked = true;
    pthread_mutex_unlock(&door->lock);
    if (connection == NULL) pump_hang_up(rpc_watches(door->rpc), &door->watch_door, pipe);
}

void connections_hang_up(struct rep_door *door) {
    pthread_mutex_lock(&door->lock);
    struct connections gone = door->gone;
    SLIST_INIT(&door->gone);
    pthread_mutex_unlock(&door->lock);
    struct connection *connection;
    while ((connection = SLIST_FIRST(&gone)) != NULL) {
        SLIST_REMOVE_HEAD(&gone, chain);
        pump_hang_up(rpc_watches(door->rpc), &door->watch_door, connection->pipe);
        free(connection);
    }
}

void connections_close(struct rep_door *door) {
    for (size_t i = 0; i < door->bucket_count && door->buckets != NULL; i++) {
        struct connection *connection;
        while ((connection = SLIST_FIRST(&door->buckets[i])) != NULL) {
            SLIST_REMOVE_HEAD(&door->buckets[i], chain);
            free(connection);
        }
    }
    free(door->buckets);
}
