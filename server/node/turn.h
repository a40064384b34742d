/* A turn: what one thread does with a node's roll while it has the lock.
 *
 *     struct turn turn = node_begin(node, now);
 *     … roll_touch(turn.roll, …, turn.now_ms, turn_effects(&turn), …) …
 *     node_commit(&turn, &touched);
 *
 * What the roll's calls put into the effects goes to the node's observer at the commit, and the threads that have to
 * act on the turn are woken once the lock is released. Turns do bounded work: the lock has many callers. */
#ifndef MUSTER_NODE_TURN_H
#define MUSTER_NODE_TURN_H

#include "node_internal.h"

struct turn {
    struct node *node; /* NULL once it is committed */
    struct roll *roll;
    struct hlc *hlc;
    uint64_t now_ms; /* to ask the roll at; never less than in an earlier turn */
};

/* Takes the lock. now: when the caller read the clock; the time of the turn may be a little later. */
struct turn node_begin(struct node *node, struct instant now);
/* The same, at a moment at which roll_tick has nothing left to do, and the observer knows of all that it did. May have
 * the lock in several slices before. *work: the units of work done, to within a slice; work may be NULL. */
struct turn node_begin_ticked(struct node *node, struct instant now, size_t *work);
/* Lets waiting threads have the lock, and takes it again. Views of the roll are void then, and turn->now_ms moves on.
 */
void node_yield(struct turn *turn);
/* Releases the lock. touched: the local beats that the roll took in this turn, for the peers; NULL: none. */
void node_commit(struct turn *turn, const struct touched *touched);

/* The roll refused so many beats of clients for lack of room. */
static inline void turn_note_refused(const struct turn *turn, size_t beats) {
    turn->node->refused += beats;
}

/* Registers the observer, which outlives the node's last call or is replaced before; NULL: the node has no
 * observer any more. Thread-safe. */
void node_observe(struct node *node, struct node_observer *observer);

/* Where the roll's next call puts its effects; NULL: the observer wants none. */
static inline struct effects *turn_effects(const struct turn *turn) {
    return node_effects(turn->node);
}

#endif
