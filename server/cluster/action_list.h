/* What a call of the replica wants done: actions with the bytes and addresses they speak of, until the next call. */
#ifndef MUSTER_CLUSTER_ACTION_LIST_H
#define MUSTER_CLUSTER_ACTION_LIST_H

#include "replica.h"

enum { OUTBOX_ACTIONS_MAX = 3 * REPLICA_PEERS_MAX + 64 };

struct outbox {
    struct allocator allocator;
    struct action items[OUTBOX_ACTIONS_MAX];
    size_t sizes[OUTBOX_ACTIONS_MAX]; /* of what was allocated */
    size_t count;
};

void outbox_clear(struct outbox *outbox);
struct actions outbox_actions(struct outbox *outbox);
/* Adds an action with a copy of the address, and room for `len` bytes, which the caller fills: they are returned. NULL:
 * memory is short, or there are too many; nothing was added. len may be 0: then the return says only whether it was. */
uint8_t *outbox_add(struct outbox *outbox, enum action_kind kind, uint64_t ticket, struct text address, size_t len);

#endif
