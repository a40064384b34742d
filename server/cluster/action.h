/* What the replica wants done. An action owns what it speaks of, and is passed on as a whole: nothing is copied under
 * the node's lock, and frames are completed and sealed after it. */
#ifndef MUSTER_CLUSTER_ACTION_H
#define MUSTER_CLUSTER_ACTION_H

#include "frame.h"
#include "sync_message.h"

enum action_kind {
    ACTION_PUBLISH,      /* publish `frame` on the gossip socket; frames keep their order */
    ACTION_SYNC_REQUEST, /* send `request` to the sync address `address`; give the response, or its failure, to
                          * replica_sync_response with the same `ticket` */
    ACTION_SUBSCRIBE,    /* subscribe to the gossip address `address` */
    ACTION_UNSUBSCRIBE,
};

struct action {
    struct action *next;
    struct allocator allocator;
    enum action_kind kind;
    struct frame_draft *frame;    /* of ACTION_PUBLISH */
    struct sync_request *request; /* of ACTION_SYNC_REQUEST; its texts are the replica's, for as long as it lives */
    uint64_t ticket;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* NUL-terminated; of all but ACTION_PUBLISH */
};

/* A list of actions, in order. Begin with {0}. */
struct actions {
    struct action *first, *last;
    size_t count;
};

/* So many a call of the replica at most. */
enum { ACTIONS_MAX = 3 * REPLICA_PEERS_MAX + 64 };

/* Appends an action with a copy of the address, which is at most REPLICA_ADDRESS_BYTES_MAX long. NULL: memory is short,
 * or there are too many; nothing was appended. */
struct action *actions_add(struct actions *actions, struct allocator allocator, enum action_kind kind,
                           struct text address);
/* Moves all of `from` behind what is in `to`. */
void actions_move(struct actions *to, struct actions *from);
/* Takes the first; NULL: there is none. */
struct action *actions_take(struct actions *actions);
/* With all that it owns. `action` may be NULL. Any thread, if the allocator allows it; before the replica is freed. */
void action_free(struct action *action);
void actions_free(struct actions *actions);

#endif
