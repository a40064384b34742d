/* A process that stood still: SIGSTOP, a machine that slept, a hypervisor that did not run it.
 *
 * A node has a turn each tick. If the next one is seconds late, no thread of the process ran meanwhile: what the node
 * holds is as old, leases that ended may have been extended elsewhere, and the beats that came to this node were not
 * read. So before such a turn expires anybody or answers anything, the node is joining again: it answers reads once it
 * is in sync with its peers, or, where there is nobody to be in sync with, once clients have had the time to send their
 * beats again. Its watches are told nothing of that time, but to begin anew where something changed. */
#ifndef MUSTER_NODE_STANDSTILL_H
#define MUSTER_NODE_STANDSTILL_H

#include "cluster/replica_limits.h"
#include "common/instant.h"

struct node;

/* Clients whose beats fell into the time send them again within so long. Only a node without peers waits for it, and
 * only where leases have ended. */
enum { STANDSTILL_GRACE_MS = REPLICA_STANDSTILL_GRACE_MS };

/* From now on a turn that comes more than stall_ms after the one before finds that the process stood still. The node is
 * ticked more often than that. 0: never, as at first. */
void node_expect_ticks(struct node *node, uint64_t stall_ms, struct instant now);
/* How often the process stood still. Where that is another number after a read than before, the read may have seen what
 * a node that joins must not say. */
unsigned node_standstills(const struct node *node);

#endif
