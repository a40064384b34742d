#include "hpack.h"

#include <stdlib.h>
#include <string.h>

static void append(struct hpack *block, const void *bytes, size_t len) {
    if (len > block->capacity - block->len) {
        block->capacity = 2 * (block->len + len) + 64;
        block->bytes = realloc(block->bytes, block->capacity);
        if (block->bytes == NULL) abort();
    }
    if (len > 0) memcpy(block->bytes + block->len, bytes, len);
    block->len += len;
}

static void append_byte(struct hpack *block, uint8_t byte) {
    append(block, &byte, 1);
}

/* RFC 7541, 5.1: an integer whose first `bits` bits share a byte with `pattern`. */
static void append_integer(struct hpack *block, uint8_t pattern, unsigned bits, size_t value) {
    size_t most = (1u << bits) - 1;
    if (value < most) {
        append_byte(block, (uint8_t)(pattern | value));
        return;
    }
    append_byte(block, (uint8_t)(pattern | most));
    for (value -= most; value >= 128; value /= 128) append_byte(block, (uint8_t)(value % 128 + 128));
    append_byte(block, (uint8_t)value);
}

static void append_string(struct hpack *block, const void *bytes, size_t len) {
    append_integer(block, 0, 7, len);
    append(block, bytes, len);
}

void hpack_sized(struct hpack *block, enum hpack_kind kind, const void *name, size_t name_len, const void *value,
                 size_t value_len) {
    append_byte(block, (uint8_t)kind);
    append_string(block, name, name_len);
    append_string(block, value, value_len);
}

void hpack_field(struct hpack *block, enum hpack_kind kind, const char *name, const char *value) {
    hpack_sized(block, kind, name, strlen(name), value, strlen(value));
}

void hpack_reference(struct hpack *block, size_t index) {
    append_integer(block, 0x80, 7, index);
}

void hpack_free(struct hpack *block) {
    free(block->bytes);
    *block = (struct hpack){0};
}

void hpack_request(struct hpack *block, const char *path) {
    hpack_field(block, HPACK_PLAIN, ":method", "POST");
    hpack_field(block, HPACK_PLAIN, ":scheme", "http");
    hpack_field(block, HPACK_PLAIN, ":path", path);
    hpack_field(block, HPACK_PLAIN, ":authority", "test");
    hpack_field(block, HPACK_PLAIN, "te", "trailers");
    hpack_field(block, HPACK_PLAIN, "content-type", "application/grpc");
}
