/* What came beyond a gap that nobody can close any more: its origin is gone, and what it told before is lost. No vector
 * covers it, so nobody would ever ask for it. The node that holds it tells it as its own, and every node has it again.
 * An origin that is heard tells of its beats itself, for as long as it may take: that a full roll has no room for them
 * is no reason to tell of them in its stead. */
#ifndef MUSTER_CLUSTER_ADOPT_H
#define MUSTER_CLUSTER_ADOPT_H

#include "replica_state.h"

void adopt_step(struct replica *replica, uint64_t now_ms);

#endif
