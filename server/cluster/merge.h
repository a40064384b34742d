/* Merging what peers send into the roll, and raising the vector by it. */
#ifndef MUSTER_CLUSTER_MERGE_H
#define MUSTER_CLUSTER_MERGE_H

#include "replica_state.h"

/* Where a batch of records comes from, and what became of it. */
struct batch {
    uint64_t sender, now_ms, late_ms;
    bool is_beyond; /* beyond the vector: what is merged counts as unconfirmed */
    struct effects *effects;
    bool is_refused; /* some were not taken: wrong, or the roll had no room for them */
};
/* Registers of an origin up to `sequence` were merged beyond the vector: they are unconfirmed, see adopt.h. */
void merge_unconfirmed(struct replica *replica, uint64_t origin, uint64_t sequence, uint64_t now_ms);
/* Merges the records of a message; the list is overwritten. What is not taken must not raise the vector: see
 * is_refused. */
void merge_records(struct replica *replica, struct batch *batch, const struct record_list *records);
/* Applies the refreshes of a frame, whose list is overwritten; returns whether every one could be applied; else
 * the vector must not rise. */
bool merge_refreshes(struct replica *replica, struct batch *batch, const struct frame *frame, uint64_t floor);
/* Raises the vector by the frames of a peer that go on where the vector ends, or where its sync pages do. */
void merge_range(struct replica *replica, struct peer *peer, uint64_t now_ms);
/* Everything of `origin` up to `sequence` is known: raises the vector, by frames that go on from there too. */
void merge_known(struct replica *replica, uint64_t origin, uint64_t sequence);

#endif
