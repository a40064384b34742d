/* Where a node's replica sends what is to be done: publish, ask, subscribe. */
#ifndef MUSTER_NODE_ACTION_SINK_H
#define MUSTER_NODE_ACTION_SINK_H

#include "cluster/replica.h"

/* Who performs actions. */
struct action_sink {
    /* Takes the actions over, to perform them in their order. Under the node's lock: it does no I/O and returns. */
    void (*take)(void *context, struct actions actions);
    /* Called, not under the lock, when node_gossip is to be called within the flush interval from now on. */
    void (*wake)(void *context);
    /* Called, not under the lock, when there is news that may go out at once: node_flush_news, or node_gossip. */
    void (*news)(void *context);
    void *context;
};

#endif
