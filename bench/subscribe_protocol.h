/* How a watcher subscribes at a server and reads changes: Muster's long polls, or Redis' subscriptions. As with struct
 * protocol, requests are formatted in place, and input is read in full and not kept. */
#ifndef MUSTER_BENCH_SUBSCRIBE_PROTOCOL_H
#define MUSTER_BENCH_SUBSCRIBE_PROTOCOL_H

#include "load/protocol.h"

#include <string.h>

enum {
    WATCHERS_EACH_MAX = 128, /* watchers of one connection */
    CURSOR_MAX = 256,
    ASK_BYTES_MAX = 512,    /* a watch request */
    CHANGE_BYTES_MAX = 128, /* a change */
};

/* How to watch. */
struct watching {
    bool has_own_scopes; /* each watcher has a scope of its own; else all watch the default one */
    uint32_t min_interval_ms, max_wait_ms;
};

/* A watcher: for Muster a slot of a connection, for Redis a connection. */
struct watcher {
    uint32_t number; /* among all watchers */
    uint32_t cursor_len;
    uint8_t cursor[CURSOR_MAX];
    bool is_synced;    /* has the whole snapshot, or is subscribed */
    bool is_satisfied; /* kept by struct subscribers */
    uint64_t live;     /* users that it knows to be live; Muster only */
    uint64_t markers;  /* changes of USER_MARKER received */
};

/* The user of the last change of a run: a watcher that received it has received all. */
#define USER_MARKER "user:999999999999"

/* Called for each user that changed; user: USER_BYTES. */
typedef void change_fn(void *arg, const uint8_t *user);

struct reception {
    change_fn *on_change; /* may be NULL */
    void *arg;
    uint64_t changes;  /* changes received */
    uint64_t resyncs;  /* resyncs received */
    uint32_t slot;     /* of the watcher whose answer it was */
    bool is_answer;    /* that watcher must send its next request */
    char problem[200]; /* why the input is invalid; empty if it is valid */
};

struct subscribe_protocol {
    const struct protocol *base; /* its name and handshake */
    /* Writes the first or next request of a watcher, at most ASK_BYTES_MAX. */
    size_t (*ask)(const struct watching *watching, const struct watcher *watcher, uint32_t slot, uint8_t *out);
    /* Reads at most one answer or message, for the watchers of a connection, by slot. Returns how many bytes were used;
     * 0: more input is needed. */
    size_t (*receive)(struct watcher *watchers, const uint8_t *data, size_t len, struct reception *reception);
    /* Writes a change of a user of the default scope, who becomes busy or online, at most CHANGE_BYTES_MAX. */
    size_t (*change)(const uint8_t *user, bool is_busy, uint8_t *out);
    /* Reads at most one answer to a change; otherwise as `receive`. */
    size_t (*confirm)(const uint8_t *data, size_t len, struct reception *reception);
};

extern const struct subscribe_protocol subscribe_protocol_muster, subscribe_protocol_redis;

/* Notes a change that a watcher received. */
static inline void receive_change(struct watcher *watcher, struct reception *reception, const uint8_t *user) {
    reception->changes++;
    if (memcmp(user, USER_MARKER, USER_BYTES) == 0) watcher->markers++;
    else if (reception->on_change != NULL) reception->on_change(reception->arg, user);
}

#endif
