/* The protobuf wire format, read and written by hand: no message tree, no copy of a text, no allocation.
 * https://protobuf.dev/programming-guides/encoding/
 *
 * Two writers. Where sizes are summed first, pb_put_* write at a pointer without looking at an end: the fastest way for
 * rows and beats. Where they are not, pb_write_* and pb_append_* write into a struct pb_writer, which never passes its
 * end. One reader, struct pb_reader, for any bytes from anyone.
 *
 * One rule for varints: at most ten bytes and at most 64 bits. A longer or a larger one is broken, whoever reads it.
 *
 * No function here blocks, allocates or keeps a pointer that it was not given. */
#ifndef MUSTER_COMMON_PROTOBUF_H
#define MUSTER_COMMON_PROTOBUF_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

enum {
    PB_VARINT_BYTES_MAX = 10,
    PB_LENGTH_BYTES_MAX = 5, /* a length is below 2^32 */
};

/* A field's number and type, as they stand before its value. A constant where both are. */
#define PB_TAG(number, type) ((uint32_t)(number) << 3 | (uint32_t)(type))

/* What a page of users or a thousand beats go through is inlined by force: left to itself gcc calls it, and a page
 * takes a third longer. */
#define PB_INLINE __attribute__((always_inline)) static inline

static inline uint64_t pb_zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static inline int64_t pb_unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ -(value & 1));
}

/* ---- sizes, of fields whose number is below 16 (their tags take one byte) ---------------------------------------- */

/* Bytes of a varint: 1 to 10. */
static inline size_t pb_varint_size(uint64_t value) {
    unsigned bits = 64u - (unsigned)__builtin_clzll(value | 1);
    return (bits + 6) / 7;
}

/* Bytes of a number's field; 0 for the number 0, which proto3 leaves out. */
static inline size_t pb_number_size(uint64_t value) {
    return value == 0 ? 0 : 1 + pb_varint_size(value);
}

/* Bytes of an element or a message of `len` bytes, tag and length included, also where it is empty. */
static inline size_t pb_element_size(size_t len) {
    return 1 + pb_varint_size(len) + len;
}

/* Bytes of a text's field; 0 for an empty one, which proto3 leaves out. */
static inline size_t pb_text_size(size_t len) {
    return len == 0 ? 0 : pb_element_size(len);
}

/* ---- writing at a pointer -------------------------------------------------------------------------------------------
 * The caller has summed the sizes above and made room. Each returns where the next byte goes. */

PB_INLINE uint8_t *pb_put_varint(uint8_t *at, uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at++ = (uint8_t)(value | 0x80);
    *at++ = (uint8_t)value;
    return at;
}

/* number: 1 to 15. */
static inline uint8_t *pb_put_tag(uint8_t *at, unsigned number, enum pb_type type) {
    *at++ = (uint8_t)PB_TAG(number, type);
    return at;
}

/* As pb_number_size. */
static inline uint8_t *pb_put_number(uint8_t *at, unsigned number, uint64_t value) {
    return value == 0 ? at : pb_put_varint(pb_put_tag(at, number, PB_VARINT), value);
}

/* Tag and length of an element or a message; `len` bytes are to follow. */
static inline uint8_t *pb_put_length(uint8_t *at, unsigned number, size_t len) {
    return pb_put_varint(pb_put_tag(at, number, PB_BYTES), len);
}

/* As pb_element_size. data may be NULL if len is 0. */
static inline uint8_t *pb_put_element(uint8_t *at, unsigned number, const void *data, size_t len) {
    at = pb_put_length(at, number, len);
    if (len > 0) memcpy(at, data, len);
    return at + len;
}

/* As pb_text_size. data may be NULL if len is 0. */
static inline uint8_t *pb_put_text(uint8_t *at, unsigned number, const void *data, size_t len) {
    return len == 0 ? at : pb_put_element(at, number, data, len);
}

/* ---- writing into a buffer ------------------------------------------------------------------------------------------
 */

/* Memory of the caller. A value that does not fit is left out as a whole, and so is all that follows it: is_full stays
 * set. Look at it at last. */
struct pb_writer {
    uint8_t *begin, *at, *end;
    bool is_full;
};

static inline struct pb_writer pb_write_to(uint8_t *memory, size_t capacity) {
    return (struct pb_writer){memory, memory, memory + capacity, false};
}

/* Bytes written so far. */
static inline size_t pb_written(const struct pb_writer *out) {
    return (size_t)(out->at - out->begin);
}

/* What was written so far; it lives in the writer's memory. Less than 4 GiB. */
static inline struct text pb_written_text(const struct pb_writer *out) {
    return (struct text){(const char *)out->begin, (uint32_t)pb_written(out)};
}

/* Values without a tag: elements of a packed column. */
static inline void pb_append_varint(struct pb_writer *out, uint64_t value) {
    if ((size_t)(out->end - out->at) < PB_VARINT_BYTES_MAX && (size_t)(out->end - out->at) < pb_varint_size(value))
        out->is_full = true;
    if (!out->is_full) out->at = pb_put_varint(out->at, value);
}
void pb_append_fixed32(struct pb_writer *out, uint32_t value);
void pb_append_fixed64(struct pb_writer *out, uint64_t value);
void pb_append_bytes(struct pb_writer *out, const void *bytes, size_t len);

/* Fields of any number. The number 0 and an empty text are left out, as proto3 has it. */
void pb_write_number(struct pb_writer *out, unsigned number, uint64_t value);
void pb_write_fixed64(struct pb_writer *out, unsigned number, uint64_t value);
void pb_write_text(struct pb_writer *out, unsigned number, struct text text);
/* An element of a repeated field, which is written also where it is empty. */
void pb_write_element(struct pb_writer *out, unsigned number, struct text text);
/* A packed column that was written into a buffer of its own. */
void pb_write_column(struct pb_writer *out, unsigned number, const struct pb_writer *column);

/* A message inside: what is written between begin and end is its content. `begun` is what begin returned. They nest. */
uint8_t *pb_begin(struct pb_writer *out, unsigned number);
void pb_end(struct pb_writer *out, uint8_t *begun);

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* Bytes of a stranger. Once something is wrong, is_broken stays set and nothing more is read. */
struct pb_reader {
    const uint8_t *at, *end;
    bool is_broken;
};

struct pb_field {
    uint32_t tag, number; /* tag: PB_TAG(number, type) */
    enum pb_type type;
    uint64_t value;    /* of PB_VARINT, PB_FIXED64 and PB_FIXED32; else 0 */
    struct text bytes; /* of PB_BYTES: points into what is read; else empty */
};

static inline struct pb_reader pb_read(struct text bytes) {
    const uint8_t *at = bytes.len == 0 ? (const uint8_t *)"" : (const uint8_t *)bytes.data;
    return (struct pb_reader){at, at + bytes.len, false};
}

static inline bool pb_has_more(const struct pb_reader *in) {
    return !in->is_broken && in->at < in->end;
}

/* Marks the bytes as broken; returns 0. */
static inline uint64_t pb_break(struct pb_reader *in) {
    in->is_broken = true;
    in->at = in->end;
    return 0;
}

/* Values without a tag. 0 where the bytes are broken. */
PB_INLINE uint64_t pb_read_varint(struct pb_reader *in) {
    if (in->at < in->end && *in->at < 0x80) return *in->at++;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 7 * PB_VARINT_BYTES_MAX && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    return pb_break(in);
}

static inline uint32_t pb_read_fixed32(struct pb_reader *in) {
    if (in->end - in->at < 4) return (uint32_t)pb_break(in);
    const uint8_t *at = in->at;
    in->at += 4;
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t pb_read_fixed64(struct pb_reader *in) {
    if (in->end - in->at < 8) return pb_break(in);
    uint64_t low = pb_read_fixed32(in);
    return low | (uint64_t)pb_read_fixed32(in) << 32;
}

/* A length and as many bytes. Never past the end of what is read: nothing has to be believed. */
PB_INLINE struct text pb_read_bytes(struct pb_reader *in) {
    uint64_t len = pb_read_varint(in);
    if (len > (size_t)(in->end - in->at) || len > UINT32_MAX) len = pb_break(in);
    struct text bytes = {(const char *)in->at, (uint32_t)len};
    in->at += len;
    return bytes;
}

/* The next field, of any number; unknown ones are for the caller to ignore. false at the end, and where the bytes are
 * broken: then *field is of no use. */
PB_INLINE bool pb_next(struct pb_reader *in, struct pb_field *field) {
    *field = (struct pb_field){0};
    if (!pb_has_more(in)) return false;
    uint64_t tag = pb_read_varint(in);
    if (tag >> 3 == 0 || tag > UINT32_MAX) pb_break(in);
    field->tag = (uint32_t)tag;
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum pb_type)(tag & 7);
    switch (field->type) {
    case PB_VARINT:
        field->value = pb_read_varint(in);
        break;
    case PB_FIXED64:
        field->value = pb_read_fixed64(in);
        break;
    case PB_BYTES:
        field->bytes = pb_read_bytes(in);
        break;
    case PB_FIXED32:
        field->value = pb_read_fixed32(in);
        break;
    default: /* groups, which proto3 does not have, and types that do not exist */
        pb_break(in);
    }
    return !in->is_broken;
}

/* How many varints a packed column holds: the bytes that end one. */
size_t pb_count_varints(struct text column);

#endif
