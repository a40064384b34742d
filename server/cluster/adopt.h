/* Adopting registers of origins that are gone: this node labels them as its own (roll_adopt), as if each were its own
 * beat. That is done for two kinds:
 * - Registers beyond a gap that nobody can close any more. No vector covers them, so no node would request them; once
 *   adopted, every node gets them. Registers of an origin that is heard are not adopted, however long the gap stays (a
 *   full roll, say): the origin can send them itself.
 * - Registers of origins that are to give up their place: see retire.h. */
#ifndef MUSTER_CLUSTER_ADOPT_H
#define MUSTER_CLUSTER_ADOPT_H

#include "replica_state.h"

/* Adopts what there is to adopt, a bounded part of the roll at a time. */
void adopt_step(struct replica *replica, uint64_t now_ms);

#endif
