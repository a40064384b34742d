/* The table of peers. */
#ifndef MUSTER_CLUSTER_PEERS_H
#define MUSTER_CLUSTER_PEERS_H

#include "peer.h"

/* The table. Begin with {0} and an allocator. */
struct peers {
    struct allocator allocator;
    struct peer *items[REPLICA_PEERS_MAX];
    size_t count;
};

void peers_free(struct peers *peers);
/* NULL if it is not there. */
struct peer *peers_by_address(const struct peers *peers, struct text sync_address);
struct peer *peers_by_gossip(const struct peers *peers, struct text gossip_address);
struct peer *peers_by_origin(const struct peers *peers, uint64_t origin);
struct peer *peers_by_ticket(const struct peers *peers, uint64_t ticket);
/* Finds or makes the peer at an address. A full table lets go of the one that has been down for the longest. NULL: it
 * is full, memory is short, or it is no address. */
struct peer *peers_obtain(struct peers *peers, struct text sync_address, uint64_t now_ms);
void peers_remove(struct peers *peers, struct peer *peer);
/* Whether it is a node of its own: neither this one nor another address of a peer. */
bool peer_counts(const struct peers *peers, const struct peer *peer);
size_t peers_that_count(const struct peers *peers);

#endif
