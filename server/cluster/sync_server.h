/* Responses to the sync requests of peers: a page a request, and nothing is kept from one to the next. */
#ifndef MUSTER_CLUSTER_SYNC_SERVER_H
#define MUSTER_CLUSTER_SYNC_SERVER_H

#include "replica_state.h"

/* As replica_sync_request. */
void sync_respond(struct replica *replica, const struct sync_request *request, uint64_t now_ms, struct pb_writer *out);

#endif
