/* Accepts connections, on loop 0, for every door; refuses those above a limit. */
#include "listener.h"
#include "net_internal.h"
#include "sys/log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* After a refusal, connections that never sent a request are closed sooner, for so long. */
enum { CROWDED_MS = 2000 };

/* An accepted socket on its way to its loop. */
struct arrival {
    struct post post;
    struct door *door;
    struct remote remote;
    int fd;
    enum stream_kind kind;
    bool is_stale;
};

void door_forget_connection(struct door *door, const struct remote_key *remote) {
    atomic_fetch_sub(&door->connections, 1);
    connection_counts_remove(door->counts, remote);
}

static void arrive_at_loop(const struct arrival *arrival, struct loop *loop) {
    if (atomic_load(&loop->loops->is_stopping)) {
        close(arrival->fd);
        door_forget_connection(arrival->door, &arrival->remote.key);
        return;
    }
    struct stream *stream = stream_open(loop, arrival->door, arrival->fd, arrival->kind, &arrival->remote);
    if (stream == NULL) {
        door_forget_connection(arrival->door, &arrival->remote.key);
        log_line(LEVEL_ERROR, "out_of_memory", "closed a connection for want of memory",
                 {"peer", arrival->remote.name, 0}, {"door", arrival->door->protocol->name, 0});
    } else if (arrival->is_stale) {
        stream_mark_stale(stream);
    }
}

static void run_arrival(struct post *post, struct loop *loop) {
    struct arrival *arrival = (struct arrival *)post;
    arrive_at_loop(arrival, loop);
    free(arrival);
}

static void hand_out(struct loop *loop, const struct arrival *arrival) {
    struct loops *loops = loop->loops;
    unsigned to = arrival->door->is_on_one_loop ? 0 : loops->next++ % loops->count;
    struct arrival *copy = to != loop->index ? malloc(sizeof *copy) : NULL;
    if (copy == NULL) {
        arrive_at_loop(arrival, loop);
        return;
    }
    *copy = *arrival;
    copy->post.run = run_arrival;
    loop_post(&loops->items[to], &copy->post);
}

/* ---- who gets a place ---- */

static void refuse_arrival(struct loop *loop, const struct arrival *arrival, const char *message) {
    struct door *door = arrival->door;
    atomic_fetch_add(&door->refused, 1);
    atomic_store(&door->crowded_until_ms, loop->now.now_ms + CROWDED_MS);
    log_line(LEVEL_WARN, "connections_full", message, {"door", door->protocol->name, 0},
             {"peer", arrival->remote.name, 0}, {"connections", NULL, atomic_load(&door->connections)});
    close(arrival->fd);
}

static void admit_connection(struct loop *loop, struct arrival *arrival) {
    struct door *door = arrival->door;
    bool is_ipc = arrival->kind == STREAM_IPC;
    size_t max = door->connections_max - (is_ipc ? 0 : door->reserved);
    size_t share = remote_is_loopback(&arrival->remote.key) ? door->share_loopback : door->share;
    switch (connection_counts_add(door->counts, &arrival->remote.key, max, share)) {
    case COUNT_ALL_FULL:
        refuse_arrival(loop, arrival, "refused a connection: as many are open as may be");
        return;
    case COUNT_ADDRESS_FULL:
        refuse_arrival(loop, arrival, "refused a connection: its address has as many as it may");
        return;
    case COUNT_TAKEN:
        break;
    }
    atomic_fetch_add(&door->connections, 1);
    listener_tune(arrival->fd, is_ipc);
    hand_out(loop, arrival);
}

/* The connection stays in the kernel's queue, which would wake the loop again at once. */
static void pause_accepting(struct loop *loop, struct listener *listener, int error) {
    if (error != EMFILE && error != ENFILE && error != ENOBUFS && error != ENOMEM) return;
    listener->paused_until_ms = loop->now.now_ms + LOOP_ACCEPT_PAUSE_MS;
    loop_watch(loop, &listener->source, 0, false);
    atomic_store(&listener->door->crowded_until_ms, loop->now.now_ms + CROWDED_MS);
    log_line(LEVEL_WARN, "connections_full", "cannot accept connections: no more open files, or no memory for them",
             {"door", listener->door->protocol->name, 0},
             {"connections", NULL, atomic_load(&listener->door->connections)});
}

void listener_accept(struct loop *loop, struct listener *listener, bool is_stale) {
    for (int i = 0; i < LOOP_ACCEPTS || is_stale; i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof address;
        int fd = accept4(listener->source.fd, (struct sockaddr *)&address, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno == ECONNABORTED) continue;
        if (fd < 0) {
            pause_accepting(loop, listener, errno);
            return;
        }
        struct arrival arrival = {.door = listener->door,
                                  .remote = remote_of(fd, &address),
                                  .fd = fd,
                                  .kind = listener->kind,
                                  .is_stale = is_stale};
        admit_connection(loop, &arrival);
    }
}

/* A client whose connection is closed as soon as it is made cannot know what became of its call; one that is refused a
 * connection can. So those that the kernel has accepted are served, as far as a door that drains does, and then nobody
 * listens. */
void listener_shut(struct loop *loop, struct listener *listener) {
    for (int i = 0; i < LISTENER_BACKLOG; i += LOOP_ACCEPTS) listener_accept(loop, listener, false);
    listener_close(listener->source.fd, listener->url);
    listener->source.fd = -1;
    listener->paused_until_ms = 0;
}

void listener_resume(struct loop *loop, struct listener *listener) {
    if (listener->paused_until_ms == 0 || loop->now.now_ms < listener->paused_until_ms) return;
    listener->paused_until_ms = 0;
    loop_watch(loop, &listener->source, EPOLLIN, false);
}
