/* The watches of a node: the scopes that are watched with their journals, and the requests that wait for a change.
 *
 * A parked watch is idle until something that it watches changes; then it is pending, and due when its pace allows; the
 * pump takes who is due, tells them, or parks them again where it came to nothing. Who is asked about at every change
 * is only a mark on the scope, or on the named user: what that means for the watches is worked out by the pump, in
 * slices, so that a change costs the same whoever watches.
 *
 * Reads no clock and knows no transport. Not thread-safe: all below is for who holds the node's lock. pump.h has what
 * does not want it. */
#ifndef MUSTER_WATCH_WATCHES_H
#define MUSTER_WATCH_WATCHES_H

#include "cursor.h"
#include "journal.h"
#include "waiter.h"

enum {
    WATCH_KEEP_MS = 5 * 60 * 1000, /* a scope's journal is kept for so long after somebody asked for it */
    WATCH_INTERESTS_MAX = 4000000, /* users that parked watches name, all together */
#ifdef WATCH_TEST_SMALL
    WATCH_EVENTS_MAX = 120,
    WATCH_EFFECTS_MAX = 12,
#else
    WATCH_EVENTS_MAX = 2000000, /* of all journals; then the one that grows forgets its oldest */
    WATCH_EFFECTS_MAX = 65536,  /* of what is done in one hold of the lock */
#endif
    WATCH_EFFECT_NAMES_BYTES = 4 * 1024 * 1024,
};

/* A scope that is watched, or was a moment ago. */
struct watched_scope {
    struct watched_scope *next_in_bucket;
    struct watched_scope *newer, *older; /* by polled_ms */
    struct watched_scope *next_dirty;
    uint64_t hash, polled_ms;
    struct journal journal;
    bool is_journaled;  /* counts alone need no journal */
    bool is_dirty;      /* something changed that the watches have not been told of */
    struct watch *idle; /* those of all users, and of counts */
    size_t idle_named;
    uint64_t clean; /* nothing up to this version concerns an idle watch of named users */
    uint32_t dirty_users;
    uint32_t parked; /* watches that refer to it */
    uint8_t name_len;
    char name[];
};

/* What a watch asks for, and what its watcher has. */
struct watch_query {
    struct watched_scope *scope;
    const struct text *users; /* named ones, each once, in the order of their hashes */
    size_t user_count;        /* 0: all users of the scope */
    uint32_t min_interval_ms;
    bool is_counts, with_sessions;
    bool resync; /* the watcher's cursor was of no use: it is to hear of that, even where there is nothing else */
    struct cursor cursor;
};

/* A named user that a parked watch waits for. */
struct interest {
    struct watch *watch;
    struct interest *previous, *next; /* of the same user */
    uint32_t user;                    /* in the scope's journal */
    bool is_linked;
};

enum watch_state { WATCH_IDLE, WATCH_PENDING, WATCH_TAKEN };

/* One that is parked. */
struct watch {
    struct waiter waiter;
    struct watch_query query; /* its users are the interests below */
    uint64_t due_ms;          /* not before that, for its pace */
    uint64_t deadline_ms;     /* when it is answered in any case */
    size_t queue_at;
    struct watch *previous, *next;       /* in the scope's idle list */
    struct watch *previous_of, *next_of; /* in its connection's bucket */
    enum watch_state state;
    bool is_hung_up;
    struct interest interests[]; /* query.user_count of them */
};

struct turn;
struct watches;

/* Makes the watches of a node, and has the node tell them what changes. NULL: memory is short. */
struct watches *watches_new(struct node *node, size_t watches_max);
/* Before the node is freed. Frees it and all watches, whose places are lost. `watches` may be NULL. */
void watches_free(struct watches *watches);
struct node *watches_node(const struct watches *watches);
const struct cursor_key *watches_cursor_key(const struct watches *watches);
size_t watches_parked(const struct watches *watches);

/* ---- scopes ---- */

/* Finds or makes the record of a scope that somebody asks for. NULL: as many scopes are watched as watches may be, or
 * memory is short. Holds until the next tick. */
struct watched_scope *watched_scope_obtain(struct watches *watches, const struct turn *turn, struct text name,
                                           bool is_journaled);
static inline struct text watched_scope_name(const struct watched_scope *scope) {
    return (struct text){scope->name, scope->name_len};
}

/* A cursor for somebody at `version` is on its way: later changes must be told apart from earlier ones. */
void watched_scope_hand_out(struct watched_scope *scope, uint64_t version);

/* ---- parking ---- */

struct parking {
    const struct waiter *waiter;
    const struct watch_query *query; /* the names of its users are copied */
    uint64_t due_ms, deadline_ms;
    bool is_pending; /* there is something to send already */
};
/* Parks a watch. MUSTER_RESOURCE_EXHAUSTED: "watches", "named users of all watches" or "memory" is short; *why says
 * which. */
enum muster_code watches_park(struct watches *watches, const struct turn *turn, const struct parking *parking,
                              struct refusal *why);

/* Works out what the marks mean, for at most about `budget` watches; whether there is more. */
bool watches_wake(struct watches *watches, uint64_t now_ms, size_t budget);
/* Takes at most `max` watches that are due or whose time is over. They are the caller's until it gives each back by
 * watches_repark or watches_end. */
size_t watches_take_due(struct watches *watches, uint64_t now_ms, struct watch **out, size_t max);
/* When the next is due; UINT64_MAX: none is parked. The pump goes, and comes again then unless it is woken
 * before. */
uint64_t watches_next_ms(struct watches *watches);
/* Parks a taken one again: idle, as of its cursor, or pending until due_ms. */
void watches_repark(struct watches *watches, struct watch *watch, bool is_pending);
/* Ends a taken one. */
void watches_end(struct watches *watches, struct watch *watch);

/* Ends parked watches of a connection: at most `max` waiters are written, to be told; the taken ones are marked
 * instead. Returns how many; fewer than `max`: that was all. */
size_t watches_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection, struct waiter *out,
                       size_t max);
/* From now on everybody is due, and nobody can be parked. */
void watches_stop(struct watches *watches);
bool watches_are_stopping(const struct watches *watches);

#endif
