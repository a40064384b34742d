/* What a call of the replica wants done: actions with the bytes and addresses they speak of, until the next call. */
#ifndef MUSTER_CLUSTER_ACTION_H
#define MUSTER_CLUSTER_ACTION_H

#include "common/text.h"
#include "core/allocator.h"
#include "replica_limits.h"

enum action_kind {
    ACTION_PUBLISH,      /* publish `bytes` on the gossip socket */
    ACTION_SYNC_REQUEST, /* send `bytes` to the sync address `address`; give the answer, or its failure, to
                          * replica_sync_response with the same `ticket` */
    ACTION_SUBSCRIBE,    /* subscribe to the gossip address `address` */
    ACTION_UNSUBSCRIBE,
};
struct action {
    enum action_kind kind;
    uint64_t ticket;
    struct text address;
    const uint8_t *bytes;
    size_t len;
};
struct actions {
    struct action *items;
    size_t count;
}; /* owned by the replica, until the next call */

enum { ACTION_LIST_MAX = 3 * REPLICA_PEERS_MAX + 64 };

struct action_list {
    struct allocator allocator;
    struct action items[ACTION_LIST_MAX];
    size_t sizes[ACTION_LIST_MAX]; /* of what was allocated */
    size_t count;
};

void action_list_clear(struct action_list *actions);
struct actions action_list_actions(struct action_list *actions);
/* Adds an action with a copy of the address, and room for `len` bytes, which the caller fills: they are returned. NULL:
 * memory is short, or there are too many; nothing was added. len may be 0: then the return says only whether it was. */
uint8_t *action_list_add(struct action_list *actions, enum action_kind kind, uint64_t ticket, struct text address,
                         size_t len);

#endif
