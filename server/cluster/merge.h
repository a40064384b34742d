/* What peers tell becomes this node's. */
#ifndef MUSTER_CLUSTER_MERGE_H
#define MUSTER_CLUSTER_MERGE_H

#include "replica_state.h"

/* Where a batch of records comes from, and what became of it. */
struct batch {
    uint64_t sender, now_ms, late_ms;
    bool is_beyond; /* of the vector: what is merged may be known to nobody else */
    struct effects *effects;
    bool is_refused; /* the roll had no room for some */
};
/* What was merged of an origin, up to a sequence, is beyond the vector: adopt.c looks after it. */
void merge_unconfirmed(struct replica *replica, uint64_t origin, uint64_t sequence, uint64_t now_ms);
/* Merges the records of a message, which are used up. */
void merge_records(struct replica *replica, struct batch *batch, const struct record_list *records);
/* Applies the refreshes of a frame, which are used up; returns whether every one could be. */
bool merge_refreshes(struct replica *replica, struct batch *batch, const struct frame *frame, uint64_t floor);
/* What came by frames of a peer goes on where the vector ends, or where the peer's answers did: it is known. */
void merge_range(struct replica *replica, struct peer *peer, uint64_t now_ms);
/* The vector says now that `sequence` of `origin` is known; with it what came by frames beyond it before. */
void merge_known(struct replica *replica, uint64_t origin, uint64_t sequence);

#endif
