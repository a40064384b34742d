/* Whether a node takes writes, and whether it answers reads.
 *
 * It takes writes once it knows its peers' clocks and a peer takes its frames: from then on what it acknowledges is
 * elsewhere a flush later. It answers reads once it has what its peers have. It waits for nobody who is not there. */
#ifndef MUSTER_CLUSTER_READINESS_H
#define MUSTER_CLUSTER_READINESS_H

#include "replica_state.h"

/* As replica_takes_writes and replica_is_ready. */
bool readiness_takes_writes(const struct replica *replica, uint64_t now_ms);
bool readiness_is_given(const struct replica *replica, uint64_t now_ms);
/* Notes that the node takes writes, and that it is ready, once it is; it stays so. */
void readiness_look(struct replica *replica, uint64_t now_ms);
/* As replica_begin_anew. */
void readiness_begin_anew(struct replica *replica, uint64_t now_ms);
/* Whether a peer is to be asked now whether it takes this node's frames. */
bool readiness_asks(const struct replica *replica, const struct peer *peer, uint64_t now_ms);
/* Publishes an empty frame now and then, as long as there are peers that are to take the first one. */
void readiness_call(struct replica *replica, uint64_t now_ms);

#endif
