#include "action.h"

void action_list_clear(struct action_list *actions) {
    const struct allocator *a = &actions->allocator;
    for (size_t i = 0; i < actions->count; i++) {
        /* The address, if any, stands behind the bytes. */
        union {
            const uint8_t *shown;
            void *owned;
        } memory = {.shown = actions->items[i].bytes};
        a->release(a->context, memory.owned, actions->sizes[i]);
    }
    actions->count = 0;
}

struct actions action_list_actions(struct action_list *actions) {
    return (struct actions){actions->items, actions->count};
}

uint8_t *action_list_add(struct action_list *actions, enum action_kind kind, uint64_t ticket, struct text address,
                         size_t len) {
    if (actions->count == ACTION_LIST_MAX) return NULL;
    size_t size = len + address.len + 1;
    uint8_t *memory = actions->allocator.allocate(actions->allocator.context, size);
    if (memory == NULL) return NULL;
    if (address.len > 0) memcpy(memory + len, address.data, address.len);
    actions->sizes[actions->count] = size;
    actions->items[actions->count++] = (struct action){.kind = kind,
                                                       .ticket = ticket,
                                                       .address = {(const char *)memory + len, address.len},
                                                       .bytes = memory,
                                                       .len = len};
    return memory;
}
