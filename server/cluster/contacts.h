/* The addresses of other nodes: peers are found by them, and subscribed to. */
#ifndef MUSTER_CLUSTER_CONTACTS_H
#define MUSTER_CLUSTER_CONTACTS_H

#include "replica_state.h"

/* The peer at an address, which becomes one if it is new. NULL: it is this node's own address, or there is no room. */
struct peer *replica_note_address(struct replica *replica, struct text sync_address, uint64_t now_ms);
/* Subscribes to the gossip address of the peer, if that is new. */
void replica_subscribe(struct replica *replica, struct peer *peer);
void replica_unsubscribe(struct replica *replica, struct peer *peer);

#endif
