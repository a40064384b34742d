#include "audience.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS_MAX = 64, LOOKED_AT_EACH = 16, INPUT_BYTES_LEAST = 16384, STEP_MS = 10 };

struct listener {
    int fd;
    bool is_looked_at; /* the ages of what it hears are kept */
    struct watcher *watchers;
    uint8_t *in;
    size_t in_len, in_capacity;
};

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static void attend(struct audience *audience, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    if (epoll_ctl(audience->epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

static void listener_open(struct audience *audience, uint32_t number) {
    struct listener *listener = &audience->listeners[number];
    *listener = (struct listener){.fd = line_dial(audience->plan.tongue->dialect, &audience->plan.address),
                                  .is_looked_at = number % LOOKED_AT_EACH == 0,
                                  .watchers = audience->watchers + number * WATCHERS_EACH_MAX,
                                  .in_capacity = INPUT_BYTES_LEAST};
    listener->in = malloc(listener->in_capacity + 1);
    if (listener->in == NULL) die("memory is short");
    attend(audience, listener->fd, listener);
    for (uint32_t slot = 0; slot < audience->plan.watchers_each; slot++)
        listener->watchers[slot].number = number * audience->plan.watchers_each + slot;
}

void audience_open(struct audience *audience, const struct audience_plan *plan) {
    memset(audience, 0, sizeof *audience);
    audience->plan = *plan;
    audience->epoll = epoll_create1(EPOLL_CLOEXEC);
    audience->listeners = calloc(plan->connections, sizeof *audience->listeners);
    audience->watchers = calloc((size_t)plan->connections * WATCHERS_EACH_MAX, sizeof *audience->watchers);
    audience->asks = malloc((size_t)plan->watchers_each * ASK_BYTES_MAX);
    if (audience->epoll < 0 || audience->listeners == NULL || audience->watchers == NULL || audience->asks == NULL)
        die("memory or descriptors are short");
    audience->watcher_count = plan->connections * plan->watchers_each;
    for (uint32_t i = 0; i < plan->connections; i++) listener_open(audience, i);
    source_open(&audience->source, plan->tongue, &plan->address, plan->users);
    attend(audience, STDIN_FILENO, audience);
}

void audience_ask(struct audience *audience) {
    for (uint32_t i = 0; i < audience->plan.connections; i++) {
        struct listener *listener = &audience->listeners[i];
        size_t len = 0;
        for (uint32_t slot = 0; slot < audience->plan.watchers_each; slot++)
            len += audience->plan.tongue->ask(&audience->plan.watching, &listener->watchers[slot], slot,
                                              audience->asks + len);
        line_send(listener->fd, audience->asks, len);
    }
}

/* ---- the goal --------------------------------------------------------------------------------------------------- */

static bool is_satisfied(const struct audience *audience, const struct watcher *watcher) {
    switch (audience->goal) {
    case GOAL_NONE:
        return false;
    case GOAL_SYNCED:
        return watcher->is_synced;
    case GOAL_MARKED:
        return watcher->markers >= audience->wanted;
    case GOAL_LIVE:
        return watcher->is_synced && watcher->live == audience->wanted;
    }
    abort();
}

static struct watcher *watcher_at(const struct audience *audience, uint32_t number) {
    uint32_t each = audience->plan.watchers_each;
    return &audience->watchers[(size_t)(number / each) * WATCHERS_EACH_MAX + number % each];
}

void audience_aim(struct audience *audience, enum goal goal, uint64_t wanted) {
    audience->goal = goal;
    audience->wanted = wanted;
    audience->satisfied = 0;
    for (uint32_t i = 0; i < audience->watcher_count; i++) {
        struct watcher *watcher = watcher_at(audience, i);
        watcher->is_satisfied = is_satisfied(audience, watcher);
        audience->satisfied += watcher->is_satisfied;
    }
}

/* ---- hearing ---------------------------------------------------------------------------------------------------- */

/* When the change that is heard now was due. */
struct aging {
    struct audience *audience;
    uint64_t now_ns;
};

static void keep_age(void *arg, const uint8_t *user) {
    struct aging *aging = arg;
    uint64_t number = 0;
    for (int i = 5; i < USER_BYTES; i++) number = number * 10 + (uint64_t)(user[i] - '0');
    uint64_t due = source_due_ns(&aging->audience->source, number);
    if (due != 0 && due < aging->now_ns) histogram_add(&aging->audience->heard.ages, aging->now_ns - due);
}

static void note_goal(struct audience *audience, struct watcher *watcher) {
    bool was_satisfied = watcher->is_satisfied;
    watcher->is_satisfied = is_satisfied(audience, watcher);
    audience->satisfied += (uint32_t)watcher->is_satisfied - (uint32_t)was_satisfied;
}

/* What has come, answer by answer; what is asked again goes out in one piece. */
static void hear_all(struct audience *audience, struct listener *listener) {
    const struct tongue *tongue = audience->plan.tongue;
    struct aging aging = {audience, now_ns()};
    struct hearing hearing = {.on_change = listener->is_looked_at ? keep_age : NULL, .arg = &aging};
    size_t at = 0, asks_len = 0;
    for (size_t used = 1; used > 0 && at < listener->in_len; at += used) {
        hearing.is_answer = false;
        hearing.changes = hearing.resyncs = 0;
        used = tongue->hear(listener->watchers, listener->in + at, listener->in_len - at, &hearing);
        if (hearing.problem[0] != 0) die(hearing.problem);
        if (used == 0) break;
        struct watcher *watcher = &listener->watchers[hearing.slot];
        audience->heard.answers++;
        audience->heard.changes += hearing.changes;
        audience->heard.resyncs += hearing.resyncs;
        note_goal(audience, watcher);
        if (hearing.is_answer)
            asks_len += tongue->ask(&audience->plan.watching, watcher, hearing.slot, audience->asks + asks_len);
    }
    line_send(listener->fd, audience->asks, asks_len);
    memmove(listener->in, listener->in + at, listener->in_len - at);
    listener->in_len -= at;
}

static void make_room(struct listener *listener) {
    if (listener->in_len < listener->in_capacity) return;
    if (listener->in_capacity >= ANSWER_BYTES_MAX) die("an answer that is too long");
    listener->in_capacity *= 2;
    listener->in = realloc(listener->in, listener->in_capacity + 1);
    if (listener->in == NULL) die("memory is short");
}

static void listener_receive(struct audience *audience, struct listener *listener) {
    make_room(listener);
    ssize_t got =
        recv(listener->fd, listener->in + listener->in_len, listener->in_capacity - listener->in_len, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) die("the server closed a connection");
    listener->in_len += (size_t)got;
    listener->in[listener->in_len] = 0;
    audience->heard.bytes += (uint64_t)got;
    hear_all(audience, listener);
}

/* ---- the loop --------------------------------------------------------------------------------------------------- */

/* Returns whether there is something to read in standard input. */
static bool step(struct audience *audience) {
    struct epoll_event events[EVENTS_MAX];
    bool has_input = false;
    int count = epoll_wait(audience->epoll, events, EVENTS_MAX, STEP_MS);
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count; i++) {
        void *what = events[i].data.ptr;
        if (what == audience) has_input = true;
        else listener_receive(audience, what);
    }
    return has_input;
}

void audience_listen(struct audience *audience, uint32_t patience_s) {
    uint64_t end_ns = now_ns() + (uint64_t)patience_s * 1000000000;
    while (audience->satisfied < audience->watcher_count || !source_is_done(&audience->source)) {
        (void)step(audience);
        if (now_ns() < end_ns) continue;
        char problem[100];
        snprintf(problem, sizeof problem, "%u of %u watchers came to know what they should", audience->satisfied,
                 audience->watcher_count);
        die(problem);
    }
}

void audience_rest(struct audience *audience, uint64_t ns) {
    uint64_t end_ns = ns == UINT64_MAX ? ns : now_ns() + ns;
    audience_aim(audience, GOAL_NONE, 0);
    while (now_ns() < end_ns)
        if (step(audience) && ns == UINT64_MAX) return;
}
