/* Whether a node answers reads: it was in sync once, or has nobody to sync with, or has waited for long enough. */
#ifndef MUSTER_CLUSTER_READINESS_H
#define MUSTER_CLUSTER_READINESS_H

#include "replica_state.h"

/* As replica_is_ready. */
bool readiness_is_given(const struct replica *replica, uint64_t now_ms);
/* Notes that the node is ready, once it is; it stays so. */
void readiness_look(struct replica *replica, uint64_t now_ms);

#endif
