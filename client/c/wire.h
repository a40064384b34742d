/* The protobuf wire format, as much of it as presence.proto uses: written and read without a message tree between,
 * since a thousand beats cost more to lay out as structs than to write. protobuf.dev/programming-guides/encoding. */
#ifndef MUSTER_CLIENT_WIRE_H
#define MUSTER_CLIENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The readers are inlined by force: left to itself gcc calls them, and a page of users takes a third longer. */
#define WIRE_INLINE __attribute__((always_inline)) static inline

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
enum { WIRE_VARINT_BYTES_MAX = 10 };

/* A field's number and type as they stand before it. */
#define WIRE_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* ---- writing: the caller has made room --------------------------------------------------------------------------- */

static inline size_t wire_varint_size(uint64_t value) {
    size_t size = 1;
    for (; value >= 0x80; value >>= 7) size++;
    return size;
}

static inline uint8_t *wire_put_varint(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* The size of a bytes field whose number is below 16; nothing where it is empty, as proto3 has it. */
static inline size_t wire_bytes_size(size_t len) {
    return len == 0 ? 0 : 1 + wire_varint_size(len) + len;
}

static inline uint8_t *wire_put_bytes(uint8_t *at, unsigned number, const void *data, size_t len) {
    if (len == 0) return at;
    *at++ = (uint8_t)WIRE_TAG(number, WIRE_BYTES);
    at = wire_put_varint(at, len);
    memcpy(at, data, len);
    return at + len;
}

static inline size_t wire_number_size(uint64_t value) {
    return value == 0 ? 0 : 1 + wire_varint_size(value);
}

static inline uint8_t *wire_put_number(uint8_t *at, unsigned number, uint64_t value) {
    if (value == 0) return at;
    *at++ = (uint8_t)WIRE_TAG(number, WIRE_VARINT);
    return wire_put_varint(at, value);
}

/* ---- reading: of anything, from anyone --------------------------------------------------------------------------- */

struct wire_span {
    const uint8_t *data;
    size_t len;
};

struct wire_reader {
    const uint8_t *at, *end;
    bool is_broken; /* what was read is no protobuf message */
};

struct wire_field {
    uint32_t tag;
    uint64_t value;         /* of a number */
    struct wire_span bytes; /* of a bytes field, within what is read */
};

static inline struct wire_reader wire_read(struct wire_span message) {
    const uint8_t *at = message.len == 0 ? (const uint8_t *)"" : message.data;
    return (struct wire_reader){at, at + message.len, false};
}

/* At most ten bytes; bits past the 64th are dropped, as other implementations do. */
WIRE_INLINE bool wire_take_varint(struct wire_reader *reader, uint64_t *value) {
    if (reader->at != reader->end && *reader->at < 0x80) {
        *value = *reader->at++;
        return true;
    }
    uint64_t sum = 0;
    for (unsigned shift = 0; shift < 7 * WIRE_VARINT_BYTES_MAX; shift += 7) {
        if (reader->at == reader->end) return false;
        uint8_t byte = *reader->at++;
        sum |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

static inline bool wire_take_fixed(struct wire_reader *reader, size_t size) {
    if ((size_t)(reader->end - reader->at) < size) return false;
    reader->at += size;
    return true;
}

/* The next field, of which unknown ones are to be ignored; false at the end, or where the message is broken. */
WIRE_INLINE bool wire_next(struct wire_reader *reader, struct wire_field *field) {
    field->value = 0;
    field->bytes = (struct wire_span){0};
    if (reader->at == reader->end) return false;
    uint64_t tag, len;
    if (!wire_take_varint(reader, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) goto broken;
    field->tag = (uint32_t)tag;
    switch (tag & 7) {
    case WIRE_VARINT:
        if (!wire_take_varint(reader, &field->value)) goto broken;
        return true;
    case WIRE_BYTES:
        if (!wire_take_varint(reader, &len) || len > (size_t)(reader->end - reader->at)) goto broken;
        field->bytes = (struct wire_span){reader->at, (size_t)len};
        reader->at += len;
        return true;
    case WIRE_FIXED64:
        if (!wire_take_fixed(reader, 8)) goto broken;
        return true;
    case WIRE_FIXED32:
        if (!wire_take_fixed(reader, 4)) goto broken;
        return true;
    }
broken:
    reader->is_broken = true;
    return false;
}

#endif
