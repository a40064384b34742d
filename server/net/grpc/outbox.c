/* Bytes that wait to be sent. */
#include "grpc_door_internal.h"

#include <stdlib.h>

enum { OUTBOX_GROWN_MIN = 256 };

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

uint8_t *outbox_add(struct outbox *box, size_t len) {
    if (box->at > 0) { /* reuse the space of what is sent */
        box->len -= box->at;
        memmove(box->bytes, box->bytes + box->at, box->len);
        box->at = 0;
    }
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
    return some;
}

void outbox_free(struct outbox *box) {
    free(box->bytes);
    *box = (struct outbox){0};
}
