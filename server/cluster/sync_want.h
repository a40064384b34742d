/* What there is to request of a peer: who it is, what it did, what it knows of others. */
#ifndef MUSTER_CLUSTER_SYNC_WANT_H
#define MUSTER_CLUSTER_SYNC_WANT_H

#include "replica_state.h"

/* A sequence of the peer's own is known to exist. */
void sync_note_announced(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms);
/* What a peer says that it knows, in a digest or in a response: all that has changed in its vector after `since` up to
 * `version`; 0 and 0: all. */
struct peer_vector {
    const struct known *items;
    size_t count;
    uint64_t since, version;
};
void sync_note_vector(struct replica *replica, struct peer *peer, const struct peer_vector *theirs, uint64_t now_ms);
/* All that the peer had when its vector was `theirs` has come: it is ahead no more but by what it has got since. */
void sync_note_walked(struct peer *peer, const struct peer_vector *theirs);
/* Whether there is something to request of a peer, and what. */
bool sync_is_wanted(const struct replica *replica, struct peer *peer, uint64_t now_ms, enum sync_want *want);

#endif
