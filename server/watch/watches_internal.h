/* What the files of the watches share. Internal to watches.c, watched_scope.c, queue.c and pump.c. */
#ifndef MUSTER_WATCH_WATCHES_INTERNAL_H
#define MUSTER_WATCH_WATCHES_INTERNAL_H

#include "node/turn.h"
#include "watches.h"

enum { SCOPE_BUCKETS = 1 << 14, CONNECTION_BUCKETS = 1 << 12 };

struct watches {
    struct node *node;
    struct node_observer observer; /* what the node calls; `effects` is NULL while no scope is watched */
    struct allocator allocator;
    struct cursor_key cursor_key;
    size_t watches_max, parked, interests;
    bool is_stopping;

    struct effects effects; /* of this turn */

    struct watched_scope *scopes[SCOPE_BUCKETS];
    struct watched_scope *newest, *oldest; /* by polled_ms */
    size_t scope_count;
    size_t journaled_events;
    uint64_t highest; /* no journal that was dropped had a greater version */
    struct watched_scope *dirty;

    struct watch **queue; /* parked watches by when they are due: a binary heap */
    size_t queue_count, queue_capacity;
    uint64_t pump_ms; /* when the pump said that it comes */
    bool is_pumping;  /* it is running, or was woken */
    struct watch *connections[CONNECTION_BUCKETS];
};

/* watched_scope.c */
/* The observer's functions (node/observer.h): write effects to the journals and mark what is watched; drop a few scopes
 * that no request was about lately; make watches begin anew where something changed that was not written. */
void watches_take_effects(void *watches, const struct roll *roll);
void watches_tidy(void *watches, uint64_t now_ms);
void watches_see_again(void *watches);
/* Drops a scope that no watch refers to. */
void watched_scope_drop(struct watches *watches, struct watched_scope *scope);
/* Takes the first user out of the list of those who changed. */
void watched_scope_unmark_user(struct watched_scope *scope);

/* queue.c: the parked watches that are not taken, the next one due first. */
uint64_t queue_wakes_ms(const struct watch *watch);
/* Makes room for one more watch than are parked. */
bool queue_reserve(struct watches *watches);
void queue_add(struct watches *watches, struct watch *watch);
/* It is due earlier than before. */
void queue_advance(struct watches *watches, struct watch *watch);
void queue_remove(struct watches *watches, struct watch *watch);

#endif
