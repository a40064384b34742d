/* Writing protobuf's wire format by hand, where a reply has so many rows that building it from protobuf-c's structures
 * would cost more than the answer. https://protobuf.dev/programming-guides/encoding/
 *
 * Writers take a place with enough room and return the place after what they wrote; the caller has summed the sizes. A
 * field that has its default value takes 0 bytes, as proto3 wants it. Field numbers are below 16: tags are one byte. */
#ifndef MUSTER_REPLY_WIRE_H
#define MUSTER_REPLY_WIRE_H

#include "common/text.h"

#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_LEN = 2 };

static inline size_t wire_varint_size(uint64_t value) {
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

static inline char *wire_put_varint(char *at, uint64_t value) {
    while (value >= 0x80) {
        *at++ = (char)(value | 0x80);
        value >>= 7;
    }
    *at++ = (char)value;
    return at;
}

static inline char *wire_put_tag(char *at, unsigned field, enum wire_type type) {
    *at++ = (char)(field << 3 | (unsigned)type);
    return at;
}

static inline size_t wire_uint_size(uint64_t value) {
    return value == 0 ? 0 : 1 + wire_varint_size(value);
}

static inline char *wire_put_uint(char *at, unsigned field, uint64_t value) {
    return value == 0 ? at : wire_put_varint(wire_put_tag(at, field, WIRE_VARINT), value);
}

/* A message or a text of `len` bytes, tag and length included, also where it is empty. */
static inline size_t wire_len_size(size_t len) {
    return 1 + wire_varint_size(len) + len;
}

static inline char *wire_put_len(char *at, unsigned field, size_t len) {
    return wire_put_varint(wire_put_tag(at, field, WIRE_LEN), len);
}

static inline size_t wire_text_size(struct text text) {
    return text.len == 0 ? 0 : wire_len_size(text.len);
}

static inline char *wire_put_text(char *at, unsigned field, struct text text) {
    if (text.len == 0) return at;
    at = wire_put_len(at, field, text.len);
    memcpy(at, text.data, text.len);
    return at + text.len;
}

#endif
