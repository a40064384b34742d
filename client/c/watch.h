/* A watch: it sends one node after another Watch requests for a scope. Inside the library. */
#ifndef MUSTER_CLIENT_WATCH_H
#define MUSTER_CLIENT_WATCH_H

#include "client.h"
#include "dispatcher.h"
#include "known_users.h"

/* What a mirror adds to a watch; called on the dispatcher's thread, before the program's callbacks. */
struct watch_hooks {
    /* A user joined, or changed. false: memory is short, and nothing was done. */
    bool (*put)(void *arg, struct fingerprint fingerprint, enum muster_status status, int64_t last_seen_ms);
    /* A user who was put left. */
    void (*drop)(void *arg, struct fingerprint fingerprint, int64_t last_seen_ms);
    /* A snapshot is complete: all who are present have been put. */
    void (*whole)(void *arg);
    /* The watch ends and no longer uses the hooks. Not called where opening it failed. */
    void (*ended)(void *arg);
};

struct muster_watch {
    struct task task; /* first: a task is a watch */
    struct muster_client *client;
    struct dispatcher *dispatcher;
    const struct watch_hooks *hooks; /* NULL: none */
    void *hooks_arg;
    struct muster_watch_options options; /* its strings are copies */
    struct fingerprint_key key;
    atomic_bool is_closed;          /* no callback begins */
    _Atomic(uint64_t) synced_ms;    /* when the last answer came that left nothing untold; 0: none yet */
    pthread_mutex_t mutex;          /* guards known_users */
    struct known_users known_users; /* changed on the dispatcher's thread alone */

    /* The attempt's while is_asking, else the dispatcher's thread's. */
    struct attempt *attempt;
    struct result *result;
    enum attempt_status status; /* how the attempt ended */
    uint64_t ended_ms;          /* and when */

    /* Of the dispatcher's thread alone. */
    bool is_asking;
    bool is_ending;
    uint64_t resume_ms; /* no request is sent before */
    uint64_t due_ms;    /* when the task was to run last */
    uint64_t heard_ms;  /* ended_ms of the last attempt that has been heard; another one may be under way */
    bool is_resuming;   /* the request has a cursor */
    unsigned node;      /* that is asked */
    unsigned home;      /* whose cursor this is */
    char cursor[MUSTER_CURSOR_BYTES_MAX];
    size_t cursor_len; /* 0: none */
    uint64_t asked_ms;
    uint64_t snapshot_ms; /* when the last snapshot began */
    uint32_t round;       /* of the snapshot */
    bool is_in_snapshot;
    bool is_early;       /* this answer begins a snapshot soon after the one before */
    bool has_progressed; /* this answer told of somebody, or confirmed somebody in a new snapshot */
    bool has_counts;
    struct muster_scope_counts counts; /* of the last callback */
    uint64_t hold_until_ms;            /* what a new snapshot lacks is held back; 0: nothing is */
    bool has_held_counts;
    struct muster_scope_counts held_counts;

    struct rounds rounds; /* of this spell */
    struct muster_error round_error;
    uint32_t troubles;  /* codes that `trouble` was called with in this spell, as bits */
    uint64_t failed_ms; /* when a round failed last */
};

/* As muster_watch_open, with a mirror's hooks. */
enum muster_code watch_open(struct muster_client *client, const struct muster_watch_options *options,
                            const struct watch_hooks *hooks, void *hooks_arg, struct muster_watch **watch,
                            struct muster_error *error);

/* How long a watch that had to begin anew holds back the leaves of those whom the new snapshot lacks. A node that
 * restarted without a snapshot of its own knows nobody until keepalives have told it, this client's and others', each
 * of which dials again within a second or so. */
enum { WATCH_HOLD_MS = 2000 };

/* Applies an answer, and calls back for what it changes. On the dispatcher's thread. false: memory is short; then
 * something may be untold, and the watch has to begin anew. */
bool watch_take(struct muster_watch *watch, const struct watch_answer *answer);
/* hold_until_ms has passed: calls back for what was held back and is still so. On the dispatcher's thread. */
void watch_end_hold(struct muster_watch *watch);

#endif
