/* Requesting from peers what is missing, and taking their responses. */
#ifndef MUSTER_CLUSTER_SYNC_CLIENT_H
#define MUSTER_CLUSTER_SYNC_CLIENT_H

#include "replica_state.h"

/* Sends what there is to request, and gives up on what was not responded to. */
void sync_send_due(struct replica *replica, uint64_t now_ms);
/* Looks whether a roll that was full has room again: then what it refused is requested at once. */
void sync_look_for_room(struct replica *replica, uint64_t now_ms);
/* As replica_begin_anew: what is on its way is given up, and all that peers know is to be requested. */
void sync_begin_anew(struct replica *replica, uint64_t now_ms);
/* There may be an incarnation at the peer's address that is not known yet: it is to be requested who is there. */
void sync_note_unknown_origin(struct peer *peer);
/* The response to the request of that ticket, or NULL: it failed. */
void sync_take_response(struct replica *replica, uint64_t ticket, const struct sync_response *response, uint64_t now_ms,
                        struct effects *effects);

#endif
