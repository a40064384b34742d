/* What time does to a node's roll. */
#ifndef MUSTER_NODE_TICK_H
#define MUSTER_NODE_TICK_H

#include "common/instant.h"

#include <stddef.h>

struct node;

/* Expires, forgets and grows what is due, in slices between which other threads have the lock. Call it each tick.
 * Returns the units of work done, to within a slice. Thread-safe. */
size_t node_tick(struct node *node, struct instant now);

#endif
