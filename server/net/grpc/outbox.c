/* Bytes that wait to be sent. */
#include "grpc_door_internal.h"

#include <stdlib.h>

enum {
    OUTBOX_GROWN_MIN = 256,
    OUTBOX_KEPT_PART = 4, /* less of the memory than a quarter is in use: the rest is given back */
};

static bool outbox_grow(struct outbox *box, size_t needed) {
    /* One message is the usual: it gets what it needs. */
    size_t capacity = box->capacity == 0 ? needed : box->capacity < OUTBOX_GROWN_MIN ? OUTBOX_GROWN_MIN : box->capacity;
    while (capacity < needed) capacity *= 2;
    if (capacity > UINT32_MAX) return false;
    uint8_t *bytes = realloc(box->bytes, capacity);
    if (bytes == NULL) return false;
    box->bytes = bytes;
    box->capacity = (uint32_t)capacity;
    return true;
}

static void move_to_front(struct outbox *box) {
    if (box->at == 0) return;
    box->len -= box->at;
    memmove(box->bytes, box->bytes + box->at, box->len);
    box->at = 0;
}

/* What is counted of a box is what is left in it: a peer that takes all but a little must not keep the memory of all.
 */
static void outbox_shrink(struct outbox *box) {
    size_t left = outbox_len(box);
    if (box->capacity <= OUTBOX_GROWN_MIN || left > box->capacity / OUTBOX_KEPT_PART) return;
    move_to_front(box);
    size_t capacity = left > OUTBOX_GROWN_MIN ? left : OUTBOX_GROWN_MIN;
    uint8_t *bytes = realloc(box->bytes, capacity);
    if (bytes == NULL) return;
    box->bytes = bytes;
    box->capacity = (uint32_t)capacity;
}

uint8_t *outbox_add(struct outbox *box, size_t len) {
    move_to_front(box); /* reuses the space of what is sent */
    if (box->capacity - box->len < len && !outbox_grow(box, box->len + len)) return NULL;
    box->len += (uint32_t)len;
    return box->bytes + box->len - len;
}

size_t outbox_take(struct outbox *box, uint8_t *out, size_t size) {
    size_t some = outbox_len(box) < size ? outbox_len(box) : size;
    if (some == 0) return 0;
    memcpy(out, box->bytes + box->at, some);
    box->at += (uint32_t)some;
    if (box->at == box->len) outbox_free(box);
    else outbox_shrink(box);
    return some;
}

void outbox_free(struct outbox *box) {
    free(box->bytes);
    *box = (struct outbox){0};
}
