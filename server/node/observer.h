/* Who wants to know what changes in a node: at most one observer, called under the node's lock. */
#ifndef MUSTER_NODE_OBSERVER_H
#define MUSTER_NODE_OBSERVER_H

#include "core/roll.h"

#include <stdbool.h>

struct node_observer {
    void *context;
    /* Where the calls to the roll put what changed; NULL: nothing is asked for now, and then `take_effects` and
     * `wants_wake` are not called. The observer changes it under the lock. */
    struct effects *effects;
    /* Takes over what is in `effects`, and empties them. At the end of every turn, at the latest. */
    void (*take_effects)(void *context, const struct roll *roll);
    /* At the end of every turn: whether `wake` is to be called once the lock is released. */
    bool (*wants_wake)(void *context);
    /* At every tick: lets go of what is too old. */
    void (*tidy)(void *context, uint64_t now_ms);
    /* By any thread, without the lock; must not block. NULL: nobody is to be woken, and wants_wake is not called. */
    void (*wake)(void *wake_context);
    void *wake_context;
};

#endif
