#include "log.h"
#include "peer.h"
#include "rep_internal.h"

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
}

void connections_on_remove(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct rep_door *door = context;
    (void)pipe, (void)event;
    atomic_fetch_sub(&door->connections, 1);
}
