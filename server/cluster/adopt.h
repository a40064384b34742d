/* Registers beyond a gap that nobody can close any more, since their origin is gone. No vector covers them, so no node
 * would request them. The node that has them gives each a sequence of its own, as if it were its own beat: then every
 * node gets them. Registers of an origin that is heard are not adopted, however long the gap stays (a full roll, say):
 * the origin can send them itself. */
#ifndef MUSTER_CLUSTER_ADOPT_H
#define MUSTER_CLUSTER_ADOPT_H

#include "replica_state.h"

/* Adopts what there is to adopt, a bounded part of the roll at a time. */
void adopt_step(struct replica *replica, uint64_t now_ms);

#endif
