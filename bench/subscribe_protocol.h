/* How those who watch speak with a kind of server: Muster's long polls, or Redis' subscriptions, and the changes that
 * they hear of. As with a protocol, all is formatted in place, and what comes is read in full and not kept. */
#ifndef MUSTER_BENCH_SUBSCRIBE_PROTOCOL_H
#define MUSTER_BENCH_SUBSCRIBE_PROTOCOL_H

#include "load/protocol.h"

#include <string.h>

enum {
    WATCHERS_EACH_MAX = 128, /* of one connection */
    CURSOR_MAX = 256,
    ASK_BYTES_MAX = 512,    /* a question of a watcher */
    CHANGE_BYTES_MAX = 128, /* a change */
};

/* What is watched, and how. */
struct watching {
    bool has_own_scopes; /* each watcher watches a scope of its own; else all the default one */
    uint32_t min_interval_ms, max_wait_ms;
};

/* One who watches: of Muster a request in a slot of its connection, of Redis the connection. */
struct watcher {
    uint32_t number; /* among all */
    uint32_t cursor_len;
    uint8_t cursor[CURSOR_MAX];
    bool is_synced;    /* knows all that was there, or is subscribed */
    bool is_satisfied; /* the subscribers's */
    uint64_t live;     /* users that it knows to be live. Not of Redis */
    uint64_t markers;  /* changes of the user USER_MARKER that it received of */
};

/* The last change of a run is of a user that has no other: whoever received of it has received all. */
#define USER_MARKER "user:999999999999"

/* Told of each user that changed, USER_BYTES of its name. */
typedef void change_fn(void *arg, const uint8_t *user);

struct reception {
    change_fn *on_change; /* may be NULL */
    void *arg;
    uint64_t changes;  /* that it told of */
    uint64_t resyncs;  /* that it said */
    uint32_t slot;     /* whose answer it was */
    bool is_answer;    /* that watcher has to ask again */
    char problem[200]; /* why what came is no good; empty if it is */
};

struct subscribe_protocol {
    const struct protocol *base; /* its name and greeting */
    /* Writes what a watcher asks, first or again: at most ASK_BYTES_MAX. */
    size_t (*ask)(const struct watching *watching, const struct watcher *watcher, uint32_t slot, uint8_t *out);
    /* Reads on, at most to the end of one answer or message, for the watchers of a connection, by slot. Returns how
     * many bytes were used; 0 if more must come first. */
    size_t (*receive)(struct watcher *watchers, const uint8_t *data, size_t len, struct reception *reception);
    /* Writes a change of a user of the default scope, at most CHANGE_BYTES_MAX: it becomes busy, or online again. */
    size_t (*change)(const uint8_t *user, bool is_busy, uint8_t *out);
    /* Reads on, at most to the end of one answer to a change; otherwise as `receive`. */
    size_t (*confirm)(const uint8_t *data, size_t len, struct reception *reception);
};

extern const struct subscribe_protocol subscribe_protocol_muster, subscribe_protocol_redis;

/* A watcher has received of a change. */
static inline void receive_change(struct watcher *watcher, struct reception *reception, const uint8_t *user) {
    reception->changes++;
    if (memcmp(user, USER_MARKER, USER_BYTES) == 0) watcher->markers++;
    else if (reception->on_change != NULL) reception->on_change(reception->arg, user);
}

#endif
