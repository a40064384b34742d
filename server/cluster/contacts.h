/* The addresses of other nodes: which are peers, and which of them are subscribed to. */
#ifndef MUSTER_CLUSTER_CONTACTS_H
#define MUSTER_CLUSTER_CONTACTS_H

#include "replica_state.h"

/* Gets to know an address, unless it is this node's or a peer's already. */
struct peer *replica_note_address(struct replica *replica, struct text sync_address, uint64_t now_ms);
/* Subscribes to where the peer publishes, if that is new. */
void replica_subscribe(struct replica *replica, struct peer *peer);
void replica_unsubscribe(struct replica *replica, struct peer *peer);

#endif
