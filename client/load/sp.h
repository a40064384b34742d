/* The bytes of SP over TCP and of protobuf, written and read by hand. */
#ifndef MUSTER_LOAD_SP_H
#define MUSTER_LOAD_SP_H

#include "protocol.h"

#include <stdio.h>
#include <string.h>

enum {
    SP_HEADER_BYTES = 12, /* u64 length, u32 request id */
    VARINT_BYTES = 5,     /* a length, padded to be written after what it measures */
    CALL_HEADER_BYTES = SP_HEADER_BYTES + 1 + VARINT_BYTES,
    TAG_LEN = 2,
};

static inline size_t put_varint(uint8_t *out, uint64_t value) {
    size_t at = 0;
    for (; value >= 0x80; value >>= 7) out[at++] = (uint8_t)(value | 0x80);
    out[at++] = (uint8_t)value;
    return at;
}

static inline void put_big_endian(uint8_t *out, uint64_t value, int bytes) {
    for (int i = bytes - 1; i >= 0; i--, value >>= 8) out[i] = (uint8_t)value;
}

static inline size_t put_field(uint8_t *out, uint32_t field, const void *data, size_t len) {
    size_t at = put_varint(out, (uint64_t)field << 3 | TAG_LEN);
    at += put_varint(out + at, len);
    memcpy(out + at, data, len);
    return at + len;
}

static inline size_t put_number(uint8_t *out, uint32_t field, uint64_t value) {
    size_t at = put_varint(out, (uint64_t)field << 3);
    return at + put_varint(out + at, value);
}

/* Puts a header before the `len` bytes of a request, which follow CALL_HEADER_BYTES after `out`. Returns the length of
 * all. */
static inline size_t put_call(uint8_t *out, uint32_t slot, uint32_t field, size_t len) {
    put_big_endian(out, 4 + 1 + VARINT_BYTES + len, 8);
    put_big_endian(out + 8, 0x80000000u | slot, 4);
    out[SP_HEADER_BYTES] = (uint8_t)(field << 3 | TAG_LEN);
    uint8_t *length = out + SP_HEADER_BYTES + 1;
    for (int i = 0; i < VARINT_BYTES; i++)
        length[i] = (uint8_t)((len >> (7 * i) & 0x7f) | (i + 1 < VARINT_BYTES ? 0x80 : 0));
    return CALL_HEADER_BYTES + len;
}

/* A cursor over encoded fields. `is_bad` sticks. */
struct reader {
    const uint8_t *at, *end;
    bool is_bad;
};

struct field {
    uint32_t number;
    uint64_t value; /* of a varint */
    const uint8_t *data;
    size_t len; /* of a length-delimited field */
};

static inline uint64_t read_varint(struct reader *reader) {
    uint64_t value = 0;
    for (int shift = 0; shift < 64 && reader->at < reader->end; shift += 7) {
        uint8_t byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    reader->is_bad = true;
    return 0;
}

static inline bool read_field(struct reader *reader, struct field *out) {
    *out = (struct field){0};
    if (reader->at == reader->end || reader->is_bad) return false;
    uint64_t tag = read_varint(reader);
    out->number = (uint32_t)(tag >> 3);
    out->value = read_varint(reader);
    if ((tag & 7) == TAG_LEN) {
        if (out->value > (uint64_t)(reader->end - reader->at)) reader->is_bad = true;
        if (reader->is_bad) return false;
        out->data = reader->at;
        out->len = (size_t)out->value;
        reader->at += out->len;
    } else if ((tag & 7) != 0) {
        reader->is_bad = true;
    }
    return !reader->is_bad;
}

/* One SP message: its bytes, 0 if it is not complete, or of a length that no answer has: then *problem says so. */
static inline size_t read_message(const uint8_t *data, size_t len, uint32_t *slot, char problem[200]) {
    if (len < SP_HEADER_BYTES) return 0;
    uint64_t size = 0;
    for (int i = 0; i < 8; i++) size = size << 8 | data[i];
    if (size < 4 || size > ANSWER_BYTES_MAX - 8) {
        snprintf(problem, 200, "an answer of odd length");
        return 0;
    }
    if (len - 8 < size) return 0;
    *slot = (uint32_t)data[10] << 8 | data[11];
    return 8 + (size_t)size;
}

#endif
