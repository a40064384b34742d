#include "subscribers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, LOOKED_AT_EACH = 16, INPUT_BYTES_LEAST = 16384, STEP_MS = 10 };

struct watcher_connection {
    int fd;
    bool is_looked_at; /* the ages of the changes it receives are recorded */
    struct watcher *watchers;
    uint8_t *in;
    size_t in_len, in_capacity;
};

/* ---- opening ---- */

static void poll_descriptor(struct subscribers *subscribers, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(subscribers->epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void watcher_connection_open(struct subscribers *subscribers, uint32_t number) {
    struct watcher_connection *connection = &subscribers->connections[number];
    *connection =
        (struct watcher_connection){.fd = connection_dial(subscribers->plan.protocol->base, subscribers->plan.address),
                                    .is_looked_at = number % LOOKED_AT_EACH == 0,
                                    .watchers = subscribers->watchers + number * WATCHERS_EACH_MAX,
                                    .in_capacity = INPUT_BYTES_LEAST};
    connection->in = malloc(connection->in_capacity + 1);
    if (connection->in == NULL) die("memory is short");
    poll_descriptor(subscribers, connection->fd, connection);
    for (uint32_t slot = 0; slot < subscribers->plan.watchers_each; slot++)
        connection->watchers[slot].number = number * subscribers->plan.watchers_each + slot;
}

void subscribers_open(struct subscribers *subscribers, const struct subscribers_plan *plan) {
    memset(subscribers, 0, sizeof *subscribers);
    subscribers->plan = *plan;
    subscribers->epoll = epoll_create1(EPOLL_CLOEXEC);
    subscribers->connections = calloc(plan->connections, sizeof *subscribers->connections);
    subscribers->watchers = calloc((size_t)plan->connections * WATCHERS_EACH_MAX, sizeof *subscribers->watchers);
    subscribers->asks = malloc((size_t)plan->watchers_each * ASK_BYTES_MAX);
    if (subscribers->epoll < 0 || subscribers->connections == NULL || subscribers->watchers == NULL ||
        subscribers->asks == NULL)
        die("memory or descriptors are short");
    subscribers->watcher_count = plan->connections * plan->watchers_each;
    for (uint32_t i = 0; i < plan->connections; i++) watcher_connection_open(subscribers, i);
    publisher_open(&subscribers->publisher, plan->protocol, plan->address, plan->users);
    poll_descriptor(subscribers, STDIN_FILENO, subscribers);
}

void subscribers_ask(struct subscribers *subscribers) {
    for (uint32_t i = 0; i < subscribers->plan.connections; i++) {
        struct watcher_connection *connection = &subscribers->connections[i];
        size_t len = 0;
        for (uint32_t slot = 0; slot < subscribers->plan.watchers_each; slot++)
            len += subscribers->plan.protocol->ask(&subscribers->plan.watching, &connection->watchers[slot], slot,
                                                   subscribers->asks + len);
        connection_send(connection->fd, subscribers->asks, len);
    }
}

/* ---- the goal ---- */

static bool is_satisfied(const struct subscribers *subscribers, const struct watcher *watcher) {
    switch (subscribers->goal) {
    case GOAL_NONE:
        return false;
    case GOAL_SYNCED:
        return watcher->is_synced;
    case GOAL_MARKED:
        return watcher->markers >= subscribers->wanted;
    case GOAL_LIVE:
        return watcher->is_synced && watcher->live == subscribers->wanted;
    }
    abort();
}

static struct watcher *watcher_at(const struct subscribers *subscribers, uint32_t number) {
    uint32_t each = subscribers->plan.watchers_each;
    return &subscribers->watchers[(size_t)(number / each) * WATCHERS_EACH_MAX + number % each];
}

void subscribers_aim(struct subscribers *subscribers, enum goal goal, uint64_t wanted) {
    subscribers->goal = goal;
    subscribers->wanted = wanted;
    subscribers->satisfied = 0;
    for (uint32_t i = 0; i < subscribers->watcher_count; i++) {
        struct watcher *watcher = watcher_at(subscribers, i);
        watcher->is_satisfied = is_satisfied(subscribers, watcher);
        subscribers->satisfied += watcher->is_satisfied;
    }
}

/* ---- reception ---- */

/* Records the ages of the changes of one input. */
struct aging {
    struct subscribers *subscribers;
    uint64_t now_ns;
};

static void keep_age(void *arg, const uint8_t *user) {
    struct aging *aging = arg;
    uint64_t number = 0;
    for (int i = 5; i < USER_BYTES; i++) number = number * 10 + (uint64_t)(user[i] - '0');
    uint64_t due = publisher_due_ns(&aging->subscribers->publisher, number);
    if (due != 0 && due < aging->now_ns) histogram_record(&aging->subscribers->received.ages, aging->now_ns - due);
}

static void note_goal(struct subscribers *subscribers, struct watcher *watcher) {
    bool was_satisfied = watcher->is_satisfied;
    watcher->is_satisfied = is_satisfied(subscribers, watcher);
    subscribers->satisfied += (uint32_t)watcher->is_satisfied - (uint32_t)was_satisfied;
}

/* Reads all answers of the input, and sends the next requests in one piece. */
static void receive_all(struct subscribers *subscribers, struct watcher_connection *connection) {
    const struct subscribe_protocol *protocol = subscribers->plan.protocol;
    struct aging aging = {subscribers, now_ns()};
    struct reception reception = {.on_change = connection->is_looked_at ? keep_age : NULL, .arg = &aging};
    size_t at = 0, asks_len = 0;
    for (size_t used = 1; used > 0 && at < connection->in_len; at += used) {
        reception.is_answer = false;
        reception.changes = reception.resyncs = 0;
        used = protocol->receive(connection->watchers, connection->in + at, connection->in_len - at, &reception);
        if (reception.problem[0] != 0) die(reception.problem);
        if (used == 0) break;
        struct watcher *watcher = &connection->watchers[reception.slot];
        subscribers->received.answers++;
        subscribers->received.changes += reception.changes;
        subscribers->received.resyncs += reception.resyncs;
        note_goal(subscribers, watcher);
        if (reception.is_answer)
            asks_len +=
                protocol->ask(&subscribers->plan.watching, watcher, reception.slot, subscribers->asks + asks_len);
    }
    connection_send(connection->fd, subscribers->asks, asks_len);
    memmove(connection->in, connection->in + at, connection->in_len - at);
    connection->in_len -= at;
}

static void make_room(struct watcher_connection *connection) {
    if (connection->in_len < connection->in_capacity) return;
    if (connection->in_capacity >= ANSWER_BYTES_MAX) die("an answer that is too long");
    connection->in_capacity *= 2;
    connection->in = realloc(connection->in, connection->in_capacity + 1);
    if (connection->in == NULL) die("memory is short");
}

static void watcher_connection_receive(struct subscribers *subscribers, struct watcher_connection *connection) {
    make_room(connection);
    ssize_t got = recv(connection->fd, connection->in + connection->in_len,
                       connection->in_capacity - connection->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server closed a connection");
    connection->in_len += (size_t)got;
    connection->in[connection->in_len] = 0;
    subscribers->received.bytes += (uint64_t)got;
    receive_all(subscribers, connection);
}

/* ---- the loop ---- */

/* Returns whether standard input is readable. */
static bool run_step(struct subscribers *subscribers) {
    struct epoll_event events[EVENTS_MAX];
    bool has_input = false;
    int count = epoll_wait(subscribers->epoll, events, EVENTS_MAX, STEP_MS);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
        void *what = events[i].data.ptr;
        if (what == subscribers) has_input = true;
        else watcher_connection_receive(subscribers, what);
    }
    return has_input;
}

void subscribers_listen(struct subscribers *subscribers, uint32_t patience_s) {
    uint64_t end_ns = now_ns() + (uint64_t)patience_s * 1000000000;
    while (subscribers->satisfied < subscribers->watcher_count || !publisher_is_done(&subscribers->publisher)) {
        (void)run_step(subscribers);
        if (now_ns() < end_ns) continue;
        char problem[100];
        snprintf(problem, sizeof problem, "%u of %u watchers came to know what they should", subscribers->satisfied,
                 subscribers->watcher_count);
        die(problem);
    }
}

void subscribers_rest(struct subscribers *subscribers, uint64_t ns) {
    uint64_t end_ns = ns == UINT64_MAX ? ns : now_ns() + ns;
    subscribers_aim(subscribers, GOAL_NONE, 0);
    while (now_ns() < end_ns)
        if (run_step(subscribers) && ns == UINT64_MAX) return;
}
