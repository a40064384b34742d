/* The protobuf wire format, read and written by hand: no copy of a text, no allocation, nothing that a sender could
 * make grow. https://protobuf.dev/programming-guides/encoding/ */
#ifndef MUSTER_COMMON_PROTOBUF_H
#define MUSTER_COMMON_PROTOBUF_H

#include "text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_VARINT_BYTES_MAX = 10, WIRE_LENGTH_BYTES_MAX = 5 };

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

/* Where bytes go. What no longer fits is left out, and told by is_full. */
struct wire_out {
    uint8_t *begin, *at, *end;
    bool is_full;
};

struct wire_out wire_out(uint8_t *memory, size_t capacity);
static inline size_t wire_len(const struct wire_out *out) {
    return (size_t)(out->at - out->begin);
}

void wire_put_varint(struct wire_out *out, uint64_t value);
void wire_put_fixed32(struct wire_out *out, uint32_t value);
void wire_put_fixed64(struct wire_out *out, uint64_t value);
void wire_put_raw(struct wire_out *out, const void *bytes, size_t len);

/* Fields. A value of 0 and an empty text are left out, as proto3 has it. */
void wire_field_varint(struct wire_out *out, unsigned number, uint64_t value);
void wire_field_fixed64(struct wire_out *out, unsigned number, uint64_t value);
void wire_field_text(struct wire_out *out, unsigned number, struct text text);
/* A column that was written elsewhere. */
void wire_field_column(struct wire_out *out, unsigned number, const struct wire_out *column);
/* An element of a repeated text, which may be empty. */
void wire_element_text(struct wire_out *out, unsigned number, struct text text);

/* A message within: what is put between begin and end is its content. */
uint8_t *wire_begin(struct wire_out *out, unsigned number);
void wire_end(struct wire_out *out, uint8_t *begun);

static inline uint64_t wire_zigzag(int64_t value) {
    return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}
static inline int64_t wire_unzigzag(uint64_t value) {
    return (int64_t)(value >> 1 ^ -(value & 1));
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

/* Bytes of a stranger. Once something is wrong, is_broken stays set and there is nothing more to read. */
struct wire_in {
    const uint8_t *at, *end;
    bool is_broken;
};

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;    /* of a number */
    struct text bytes; /* of WIRE_BYTES */
};

struct wire_in wire_in(struct text bytes);
/* The next field; false at the end, and where the bytes are broken. */
bool wire_next(struct wire_in *in, struct wire_field *field);
uint64_t wire_get_varint(struct wire_in *in);
uint32_t wire_get_fixed32(struct wire_in *in);
uint64_t wire_get_fixed64(struct wire_in *in);
static inline bool wire_has_more(const struct wire_in *in) {
    return !in->is_broken && in->at < in->end;
}
/* How many varints a column holds: the bytes that end one. */
size_t wire_count_varints(struct text column);

#endif
