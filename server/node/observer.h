/* The observer of a node: it gets what changes in the roll. A node has at most one. Its functions are called under the
 * node's lock, but for `wake`. */
#ifndef MUSTER_NODE_OBSERVER_H
#define MUSTER_NODE_OBSERVER_H

#include "core/roll.h"

#include <stdbool.h>

struct node_observer {
    void *context;
    /* Where the roll's calls write what changed. NULL: the observer wants no effects now, and none of its functions is
     * called. It changes this field under the lock. */
    struct effects *effects;
    /* Reads `effects` and empties them. Called at the end of every turn, and before if need be. */
    void (*take_effects)(void *context, const struct roll *roll);
    /* Called at the end of every turn: whether `wake` is to be called after it. */
    bool (*wants_wake)(void *context);
    /* While the node is not ready (node_is_ready) what changes is not to be told: the process stood still, and the node
     * makes up for it. Called when it is ready again. */
    void (*see_again)(void *context);
    /* Called at every tick: frees what is too old. */
    void (*tidy)(void *context, uint64_t now_ms);
    /* Called by any thread, without the lock; it must not block. NULL: wants_wake is not called either. */
    void (*wake)(void *wake_context);
    void *wake_context;
};

#endif
