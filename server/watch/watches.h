/* The watches of a node: the watched scopes with their journals, and the parked requests that wait for a change.
 *
 * A parked watch is idle until something that it watches changes. Then it is pending, and due as soon as its pace
 * allows. The pump takes the watches that are due, and ends them with an answer or parks them again; a stream it parks
 * again after each answer.
 *
 * A change only marks its scope or its named user dirty, O(1), however many watch it. The pump turns the marks into
 * pending watches later, in slices.
 *
 * Reads no clock and knows no transport. Not thread-safe: every function below but watches_new and watches_free is for
 * a thread that has the node's lock. pump.h has what takes the lock itself. */
#ifndef MUSTER_WATCH_WATCHES_H
#define MUSTER_WATCH_WATCHES_H

#include "cursor.h"
#include "journal.h"
#include "waiter.h"

enum {
    WATCH_KEEP_MS = 5 * 60 * 1000, /* how long a scope's journal is kept after the last request for it */
    WATCH_INTERESTS_MAX = 4000000, /* users that parked watches name, all together */
#ifdef WATCH_TEST_SMALL
    WATCH_EVENTS_MAX = 120,
    WATCH_EFFECTS_MAX = 12,
#else
    WATCH_EVENTS_MAX = 2000000, /* of all journals; beyond, the journal that grows forgets its oldest event */
    WATCH_EFFECTS_MAX = 65536,  /* of one turn */
#endif
    WATCH_EFFECT_NAMES_BYTES = 4 * 1024 * 1024,
};

/* A scope that is watched, or was within WATCH_KEEP_MS. */
struct watched_scope {
    struct watched_scope *next_in_bucket;
    struct watched_scope *newer, *older; /* by polled_ms */
    struct watched_scope *next_dirty;
    uint64_t hash, polled_ms;
    struct journal journal;
    bool is_journaled;    /* watches of counts need no journal */
    bool is_lost;         /* something changed that was not written to the journal, and watches do not know yet */
    bool is_dirty;        /* it is in the list of scopes whose changes the pump has not worked through */
    struct watch *idle;   /* idle watches of all users, and of counts */
    size_t idle_named;    /* idle watches of named users: how many */
    uint64_t clean;       /* no change up to this version concerns an idle watch of named users */
    uint32_t dirty_users; /* named users that changed: the first of a list in the journal */
    uint32_t parked;      /* watches that refer to it, in any state */
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
    bool resync; /* the watcher's cursor was of no use: the answer says so, even where there is nothing else to send */
    struct cursor cursor;
};

/* A named user of a parked watch. */
struct interest {
    struct watch *watch;
    struct interest *previous, *next; /* of the same user */
    uint32_t user;                    /* in the scope's journal */
    bool is_linked;                   /* the watch is idle, and a change of the user is to wake it */
};

/* watches.c has the table of what may follow what. */
enum watch_state {
    WATCH_TAKEN,   /* it belongs to the caller that made or took it, and is in no list but its connection's */
    WATCH_IDLE,    /* it waits for a change */
    WATCH_PENDING, /* something changed, and it waits for its pace */
    WATCH_STATES
};

/* A parked watch. */
struct watch {
    struct waiter waiter;
    struct watch_query query; /* query.users is NULL: the interests have the names */
    uint64_t due_ms;          /* its pace allows no earlier answer */
    uint64_t deadline_ms;     /* when it is answered in any case; UINT64_MAX: a stream that may be silent for ever */
    uint32_t silence_ms;      /* of a stream: its deadline is so long after the answer before; 0: it has none */
    size_t queue_at;
    struct watch *previous, *next;       /* in the scope's idle list */
    struct watch *previous_of, *next_of; /* in its connection's bucket */
    enum watch_state state;
    bool is_hung_up;
    bool is_full;                /* it is due already, and waits for room */
    bool is_drained;             /* there may be room again: noted while it is taken */
    struct interest interests[]; /* query.user_count of them */
};

struct turn;
struct watches;

/* Makes the watches of a node, and registers them as its observer. watches_max: parked at a time; 0:
 * MUSTER_WATCHES_DEFAULT. NULL: memory is short. */
struct watches *watches_new(struct node *node, size_t watches_max);
/* Frees it before the node is freed. Parked watches are freed without an answer. `watches` may be NULL. */
void watches_free(struct watches *watches);
const struct cursor_key *watches_cursor_key(const struct watches *watches); /* never changes: without the lock */
size_t watches_parked(const struct watches *watches);

/* ---- scopes ---- */

/* Finds or makes the record of a scope that a request is about. It stays valid in this turn, and while a watch of it is
 * parked. NULL: as many scopes are watched as watches may be parked, or memory is short. */
struct watched_scope *watched_scope_obtain(struct watches *watches, const struct turn *turn, struct text name,
                                           bool is_journaled);

static inline struct text watched_scope_name(const struct watched_scope *scope) {
    return (struct text){scope->name, scope->name_len};
}

/* A cursor of this version is about to be sent: later changes must not become part of earlier events. */
void watched_scope_hand_out(struct watched_scope *scope, uint64_t version);

/* ---- parking ---- */

struct parking {
    const struct waiter *waiter;
    const struct watch_query *query; /* the names of its users are copied */
    uint64_t due_ms, deadline_ms;
    uint32_t silence_ms;
    bool is_pending; /* there is something to send already */
};
/* Parks a watch. MUSTER_RESOURCE_EXHAUSTED: "watches", "named users of all watches" or "memory" is short; *why says
 * which. */
enum muster_code watches_park(struct watches *watches, const struct turn *turn, const struct parking *parking,
                              struct refusal *why);

/* Turns marks into pending watches, about `budget` of them at most. Returns whether marks are left. */
bool watches_wake(struct watches *watches, uint64_t now_ms, size_t budget);
/* Takes at most `max` watches that are due or past their deadline. The caller gives each back by watches_repark or
 * watches_end. */
size_t watches_take_due(struct watches *watches, uint64_t now_ms, struct watch **out, size_t max);
/* When the next watch is due; UINT64_MAX: none is parked. The pump calls this last: it comes again then, and is woken
 * if it has to come earlier. */
uint64_t watches_next_ms(struct watches *watches);
/* Parks a taken watch again: idle, as of its cursor, or pending until due_ms. */
void watches_repark(struct watches *watches, struct watch *watch, bool is_pending);
/* Ends a taken watch. */
void watches_end(struct watches *watches, struct watch *watch);

/* Watches of a connection that wait for room are due now. */
void watches_have_room(struct watches *watches, const struct watch_door *door, uint64_t connection);
/* Ends at most `max` parked watches of a connection, and writes their waiters. Watches that the
 * pump has taken are marked instead. Returns how many were written; fewer than `max`: there are no more. */
size_t watches_hang_up(struct watches *watches, const struct watch_door *door, uint64_t connection, struct waiter *out,
                       size_t max);
/* From now on every watch is due, and none can be parked. */
void watches_stop(struct watches *watches);
bool watches_are_stopping(const struct watches *watches);

#endif
