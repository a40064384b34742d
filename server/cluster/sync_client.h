/* Requesting from peers what is missing: who they are, what they did, what they know of others. */
#ifndef MUSTER_CLUSTER_SYNC_CLIENT_H
#define MUSTER_CLUSTER_SYNC_CLIENT_H

#include "replica_state.h"

enum {
    AHEAD_WAIT_MS = 300,          /* what nothing came of for so long is not on its way by frames */
    UNKNOWN_ORIGIN_SYNC_MS = 200, /* a frame of an unknown origin may cause a request so often */
};

/* Asks whom there is to ask, and gives up on what was not answered. */
void sync_send_due(struct replica *replica, uint64_t now_ms);
/* Looks whether a roll that was full has room again: then peers are asked at once. */
void sync_look_for_room(struct replica *replica, uint64_t now_ms);
/* What a peer's digest says of others. */
void sync_note_ahead(struct replica *replica, struct peer *peer, const struct known *theirs, size_t count,
                     uint64_t now_ms);

/* A sequence of the peer's own is known to exist. */
void sync_note_announced(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms);

/* The response to the request of that ticket, or NULL: it failed. */
void sync_take_response(struct replica *replica, uint64_t ticket, const struct sync_response *response, uint64_t now_ms,
                        struct effects *effects);

#endif
