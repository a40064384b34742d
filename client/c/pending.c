#include "pending.h"

#include <stdbool.h>
#include <stdlib.h>

enum { PENDING_CAPACITY_MIN = 64 };
#define PENDING_ID_MAX UINT32_C(0x7fffffff)

void pending_free(struct pending *pending) {
    free(pending->slots);
    *pending = (struct pending){0};
}

/* The slot of this id, or the free one where it would be. There is a free one. */
static size_t pending_seek(const struct pending *pending, uint32_t id) {
    size_t mask = pending->capacity - 1, at = id & mask;
    while (pending->slots[at].attempt != NULL && pending->slots[at].id != id) at = (at + 1) & mask;
    return at;
}

/* Keeps a half of the slots free. */
static bool pending_reserve(struct pending *pending) {
    if (2 * (pending->count + 1) <= pending->capacity) return true;
    struct pending grown = *pending;
    grown.capacity = pending->capacity == 0 ? PENDING_CAPACITY_MIN : 2 * pending->capacity;
    if ((grown.slots = calloc(grown.capacity, sizeof *grown.slots)) == NULL) return false;
    for (size_t i = 0; i < pending->capacity; i++) {
        const struct pending_slot *slot = &pending->slots[i];
        if (slot->attempt != NULL) grown.slots[pending_seek(&grown, slot->id)] = *slot;
    }
    free(pending->slots);
    *pending = grown;
    return true;
}

uint32_t pending_add(struct pending *pending, struct attempt *attempt) {
    if (!pending_reserve(pending)) return 0;
    size_t at;
    do { /* after 2^31 requests an id comes again, and a watch may still wait with it */
        pending->last_id = pending->last_id == PENDING_ID_MAX ? 1 : pending->last_id + 1;
        at = pending_seek(pending, pending->last_id);
    } while (pending->slots[at].attempt != NULL);
    pending->slots[at] = (struct pending_slot){pending->last_id, attempt};
    pending->count++;
    return pending->last_id;
}

/* Entries behind the gap move back into it, so that no search ends too early and no marker is needed. */
static struct attempt *pending_take_at(struct pending *pending, size_t gap) {
    size_t mask = pending->capacity - 1;
    struct attempt *attempt = pending->slots[gap].attempt;
    for (size_t at = (gap + 1) & mask; pending->slots[at].attempt != NULL; at = (at + 1) & mask) {
        size_t from_home = (at - pending->slots[at].id) & mask;
        if (from_home < ((at - gap) & mask)) continue;
        pending->slots[gap] = pending->slots[at];
        gap = at;
    }
    pending->slots[gap] = (struct pending_slot){0};
    pending->count--;
    return attempt;
}

struct attempt *pending_take(struct pending *pending, uint32_t id) {
    if (pending->count == 0) return NULL;
    size_t at = pending_seek(pending, id);
    return pending->slots[at].attempt == NULL ? NULL : pending_take_at(pending, at);
}

void pending_drain(struct pending *pending, pending_each *each, const void *arg) {
    for (size_t at = 0; at < pending->capacity && pending->count != 0; at++) {
        struct attempt *attempt = pending->slots[at].attempt;
        if (attempt == NULL) continue;
        pending->slots[at] = (struct pending_slot){0};
        pending->count--;
        each(attempt, arg);
    }
}
