/* Responding to the sync requests of peers: a page for each, and no state is kept between them. */
#ifndef MUSTER_CLUSTER_SYNC_SERVER_H
#define MUSTER_CLUSTER_SYNC_SERVER_H

#include "replica_state.h"

/* As replica_sync_request. */
bool sync_respond(struct replica *replica, const struct sync_request *request, uint64_t now_ms, struct pb_writer *out);

#endif
