/* Origins that are gone give up their place. Each run of a node is an origin, and what it did is kept for the
 * retention: after a thousand restarts the tables would be full. So where there are too many origins, a node adopts the
 * registers of those that are gone, the ones with the fewest registers first: they become its own (roll_adopt), and its
 * peers, which have the same, take over the label. Each node draws at how many it begins, so that mostly one does it
 * for all. */
#ifndef MUSTER_CLUSTER_RETIRE_H
#define MUSTER_CLUSTER_RETIRE_H

#include "replica_state.h"

/* Draws when there are too many. */
void retire_begin(struct replica *replica, uint64_t now_ms);
/* Looks about each second whether there are, and chooses those to retire: replica->retired. Whether there are any. */
bool retire_choose(struct replica *replica, uint64_t now_ms);
/* Whether an origin is being retired. */
bool retire_includes(const struct replica *replica, uint64_t origin);

#endif
