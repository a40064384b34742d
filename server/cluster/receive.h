/* Taking the frames of peers. */
#ifndef MUSTER_CLUSTER_RECEIVE_H
#define MUSTER_CLUSTER_RECEIVE_H

#include "replica_state.h"

/* As replica_frame. */
void receive_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                   struct effects *effects);

#endif
