#include "protobuf.h"

/* ---- writing --------------------------------------------------------------------------------------------------- */

struct wire_out wire_out(uint8_t *memory, size_t capacity) {
    return (struct wire_out){memory, memory, memory + capacity, false};
}

static bool has_room(struct wire_out *out, size_t bytes) {
    if ((size_t)(out->end - out->at) < bytes) out->is_full = true;
    return !out->is_full;
}

void wire_put_varint(struct wire_out *out, uint64_t value) {
    if (!has_room(out, WIRE_VARINT_BYTES_MAX)) return;
    for (; value >= 0x80; value >>= 7) *out->at++ = (uint8_t)(value | 0x80);
    *out->at++ = (uint8_t)value;
}

void wire_put_fixed32(struct wire_out *out, uint32_t value) {
    if (!has_room(out, 4)) return;
    for (int i = 0; i < 4; i++) *out->at++ = (uint8_t)(value >> 8 * i);
}

void wire_put_fixed64(struct wire_out *out, uint64_t value) {
    wire_put_fixed32(out, (uint32_t)value);
    wire_put_fixed32(out, (uint32_t)(value >> 32));
}

void wire_put_raw(struct wire_out *out, const void *bytes, size_t len) {
    if (len == 0 || !has_room(out, len)) return;
    memcpy(out->at, bytes, len);
    out->at += len;
}

static void put_tag(struct wire_out *out, unsigned number, enum wire_type type) {
    wire_put_varint(out, (uint64_t)number << 3 | type);
}

void wire_field_varint(struct wire_out *out, unsigned number, uint64_t value) {
    if (value == 0) return;
    put_tag(out, number, WIRE_VARINT);
    wire_put_varint(out, value);
}

void wire_field_fixed64(struct wire_out *out, unsigned number, uint64_t value) {
    if (value == 0) return;
    put_tag(out, number, WIRE_FIXED64);
    wire_put_fixed64(out, value);
}

void wire_element_text(struct wire_out *out, unsigned number, struct text text) {
    put_tag(out, number, WIRE_BYTES);
    wire_put_varint(out, text.len);
    wire_put_raw(out, text.data, text.len);
}

void wire_field_text(struct wire_out *out, unsigned number, struct text text) {
    if (text.len > 0) wire_element_text(out, number, text);
}

void wire_field_column(struct wire_out *out, unsigned number, const struct wire_out *column) {
    wire_field_text(out, number, (struct text){(const char *)column->begin, (uint32_t)wire_len(column)});
}

/* Most messages within are shorter than 128 bytes: room for a length of one byte is left, and more is made if need be.
 */
uint8_t *wire_begin(struct wire_out *out, unsigned number) {
    put_tag(out, number, WIRE_BYTES);
    if (has_room(out, 1)) out->at++;
    return out->at;
}

void wire_end(struct wire_out *out, uint8_t *begun) {
    size_t len = (size_t)(out->at - begun), extra = 0;
    for (size_t rest = len >> 7; rest > 0; rest >>= 7) extra++;
    if (!has_room(out, extra)) return;
    if (extra > 0) memmove(begun + extra, begun, len);
    out->at += extra;
    uint8_t *at = begun - 1;
    for (; len >= 0x80; len >>= 7) *at++ = (uint8_t)(len | 0x80);
    *at = (uint8_t)len;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

struct wire_in wire_in(struct text bytes) {
    const uint8_t *begin = (const uint8_t *)bytes.data;
    return (struct wire_in){begin, bytes.len == 0 ? begin : begin + bytes.len, false};
}

static uint64_t broken(struct wire_in *in) {
    in->is_broken = true;
    in->at = in->end;
    return 0;
}

uint64_t wire_get_varint(struct wire_in *in) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && in->at < in->end; shift += 7) {
        uint8_t byte = *in->at++;
        if (shift == 63 && byte > 1) break;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return value;
    }
    return broken(in);
}

uint32_t wire_get_fixed32(struct wire_in *in) {
    if (in->end - in->at < 4) return (uint32_t)broken(in);
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value |= (uint32_t)*in->at++ << 8 * i;
    return value;
}

uint64_t wire_get_fixed64(struct wire_in *in) {
    if (in->end - in->at < 8) return broken(in);
    uint64_t low = wire_get_fixed32(in);
    return low | (uint64_t)wire_get_fixed32(in) << 32;
}

static struct text get_bytes(struct wire_in *in) {
    uint64_t len = wire_get_varint(in);
    if (in->is_broken || len > (size_t)(in->end - in->at)) {
        broken(in);
        return (struct text){NULL, 0};
    }
    struct text bytes = {(const char *)in->at, (uint32_t)len};
    in->at += len;
    return bytes;
}

bool wire_next(struct wire_in *in, struct wire_field *field) {
    *field = (struct wire_field){0};
    if (!wire_has_more(in)) return false;
    uint64_t tag = wire_get_varint(in);
    field->number = (uint32_t)(tag >> 3);
    field->type = (enum wire_type)(tag & 7);
    if (tag >> 3 == 0 || tag >> 32 != 0) broken(in);
    switch (field->type) {
    case WIRE_VARINT:
        field->value = wire_get_varint(in);
        break;
    case WIRE_FIXED64:
        field->value = wire_get_fixed64(in);
        break;
    case WIRE_BYTES:
        field->bytes = get_bytes(in);
        break;
    case WIRE_FIXED32:
        field->value = wire_get_fixed32(in);
        break;
    default: /* groups, which proto3 does not have, and types that do not exist */
        broken(in);
    }
    return !in->is_broken;
}

size_t wire_count_varints(struct text column) {
    size_t count = 0;
    for (uint32_t i = 0; i < column.len; i++) count += (uint8_t)column.data[i] < 0x80;
    return count;
}
