#include "action.h"

#include <assert.h>

struct action *actions_add(struct actions *actions, struct allocator allocator, enum action_kind kind,
                           struct text address) {
    assert(address.len <= REPLICA_ADDRESS_BYTES_MAX);
    if (actions->count >= ACTIONS_MAX) return NULL;
    struct action *action = allocator.allocate(allocator.context, sizeof *action);
    if (action == NULL) return NULL;
    *action = (struct action){.allocator = allocator, .kind = kind};
    if (address.len > 0) memcpy(action->address, address.data, address.len);
    if (actions->first == NULL) actions->first = action;
    else actions->last->next = action;
    actions->last = action;
    actions->count++;
    return action;
}

void actions_move(struct actions *to, struct actions *from) {
    if (from->first == NULL) return;
    if (to->first == NULL) to->first = from->first;
    else to->last->next = from->first;
    to->last = from->last;
    to->count += from->count;
    *from = (struct actions){0};
}

struct action *actions_take(struct actions *actions) {
    struct action *action = actions->first;
    if (action == NULL) return NULL;
    actions->first = action->next;
    if (actions->first == NULL) actions->last = NULL;
    actions->count--;
    action->next = NULL;
    return action;
}

void action_free(struct action *action) {
    if (action == NULL) return;
    const struct allocator a = action->allocator;
    frame_draft_free(action->frame);
    sync_request_free(action->request, &a);
    a.release(a.context, action, sizeof *action);
}

void actions_free(struct actions *actions) {
    for (struct action *action; (action = actions_take(actions)) != NULL;) action_free(action);
}
