#include "protobuf.h"

static bool has_room(struct pb_writer *out, size_t bytes) {
    if ((size_t)(out->end - out->at) < bytes) out->is_full = true;
    return !out->is_full;
}

static void put_fixed32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (uint8_t)(value >> 8 * i);
}

void pb_append_fixed32(struct pb_writer *out, uint32_t value) {
    if (!has_room(out, 4)) return;
    put_fixed32(out->at, value);
    out->at += 4;
}

void pb_append_fixed64(struct pb_writer *out, uint64_t value) {
    if (!has_room(out, 8)) return;
    put_fixed32(out->at, (uint32_t)value);
    put_fixed32(out->at + 4, (uint32_t)(value >> 32));
    out->at += 8;
}

void pb_append_bytes(struct pb_writer *out, const void *bytes, size_t len) {
    if (len == 0 || !has_room(out, len)) return;
    memcpy(out->at, bytes, len);
    out->at += len;
}

static size_t tag_size(unsigned number) {
    return pb_varint_size((uint64_t)number << 3);
}

static void put_tag(struct pb_writer *out, unsigned number, enum pb_type type) {
    out->at = pb_put_varint(out->at, (uint64_t)number << 3 | type);
}

void pb_write_number(struct pb_writer *out, unsigned number, uint64_t value) {
    if (value == 0 || !has_room(out, tag_size(number) + pb_varint_size(value))) return;
    put_tag(out, number, PB_VARINT);
    out->at = pb_put_varint(out->at, value);
}

void pb_write_fixed64(struct pb_writer *out, unsigned number, uint64_t value) {
    if (value == 0 || !has_room(out, tag_size(number) + 8)) return;
    put_tag(out, number, PB_FIXED64);
    pb_append_fixed64(out, value);
}

void pb_write_element(struct pb_writer *out, unsigned number, struct text text) {
    if (!has_room(out, tag_size(number) + pb_varint_size(text.len) + text.len)) return;
    put_tag(out, number, PB_BYTES);
    out->at = pb_put_varint(out->at, text.len);
    pb_append_bytes(out, text.data, text.len);
}

void pb_write_text(struct pb_writer *out, unsigned number, struct text text) {
    if (text.len > 0) pb_write_element(out, number, text);
}

void pb_write_column(struct pb_writer *out, unsigned number, const struct pb_writer *column) {
    pb_write_text(out, number, pb_written_text(column));
}

/* Most messages inside are shorter than 128 bytes: room for a length of one byte is left, and pb_end makes more if it
 * is needed. */
uint8_t *pb_begin(struct pb_writer *out, unsigned number) {
    if (!has_room(out, tag_size(number) + 1)) return out->at;
    put_tag(out, number, PB_BYTES);
    return ++out->at;
}

void pb_end(struct pb_writer *out, uint8_t *begun) {
    size_t len = (size_t)(out->at - begun), extra = pb_varint_size(len) - 1;
    if (!has_room(out, extra)) return; /* also where there was no room to begin */
    if (extra > 0) memmove(begun + extra, begun, len);
    out->at += extra;
    pb_put_varint(begun - 1, len);
}

size_t pb_count_varints(struct text column) {
    size_t count = 0;
    for (uint32_t i = 0; i < column.len; i++) count += (uint8_t)column.data[i] < 0x80;
    return count;
}
