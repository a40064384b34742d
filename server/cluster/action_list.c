#include "action_list.h"

void outbox_clear(struct outbox *outbox) {
    const struct allocator *a = &outbox->allocator;
    for (size_t i = 0; i < outbox->count; i++) {
        /* The address, if any, stands behind the bytes. */
        union {
            const uint8_t *shown;
            void *owned;
        } memory = {.shown = outbox->items[i].bytes};
        a->release(a->context, memory.owned, outbox->sizes[i]);
    }
    outbox->count = 0;
}

struct actions outbox_actions(struct outbox *outbox) {
    return (struct actions){outbox->items, outbox->count};
}

uint8_t *outbox_add(struct outbox *outbox, enum action_kind kind, uint64_t ticket, struct text address, size_t len) {
    if (outbox->count == OUTBOX_ACTIONS_MAX) return NULL;
    size_t size = len + address.len + 1;
    uint8_t *memory = outbox->allocator.allocate(outbox->allocator.context, size);
    if (memory == NULL) return NULL;
    if (address.len > 0) memcpy(memory + len, address.data, address.len);
    outbox->sizes[outbox->count] = size;
    outbox->items[outbox->count++] = (struct action){.kind = kind,
                                                     .ticket = ticket,
                                                     .address = {(const char *)memory + len, address.len},
                                                     .bytes = memory,
                                                     .len = len};
    return memory;
}
