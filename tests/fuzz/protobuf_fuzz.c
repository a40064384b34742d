/* Any bytes are read as fields without leaving them; what is read and written again is read as the same. */
#include "common/protobuf.h"
#include "fuzz.h"

static void write_again(struct pb_writer *out, const struct pb_field *field) {
    switch (field->type) {
    case PB_VARINT:
        pb_append_varint(out, field->tag);
        pb_append_varint(out, field->value);
        break;
    case PB_FIXED64:
        pb_append_varint(out, field->tag);
        pb_append_fixed64(out, field->value);
        break;
    case PB_FIXED32:
        pb_append_varint(out, field->tag);
        pb_append_fixed32(out, (uint32_t)field->value);
        break;
    case PB_BYTES:
        pb_write_element(out, field->number, field->bytes);
        break;
    }
}

static bool field_equal(const struct pb_field *a, const struct pb_field *b) {
    return a->tag == b->tag && a->number == b->number && a->type == b->type && a->value == b->value &&
           text_equal(a->bytes, b->bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static uint8_t memory[64 * 1024];
    if (size > sizeof memory) return 0;
    const struct text bytes = {(const char *)data, (uint32_t)size};
    struct pb_reader in = pb_read(bytes);
    struct pb_writer out = pb_write_to(memory, size); /* shortest varints: never longer than what was read */
    struct pb_field field, again;
    size_t fields = 0;
    for (; pb_next(&in, &field); fields++) {
        hold(field.number > 0 && field.tag == PB_TAG(field.number, field.type));
        hold(field.bytes.len == 0 || (const uint8_t *)field.bytes.data + field.bytes.len <= data + size);
        write_again(&out, &field);
    }
    hold(!out.is_full && (in.is_broken || in.at == in.end) && !pb_next(&in, &again));

    struct pb_reader first = pb_read(bytes), second = pb_read(pb_written_text(&out));
    for (size_t i = 0; i < fields; i++) {
        hold(pb_next(&first, &field) && pb_next(&second, &again));
        hold(field_equal(&field, &again));
    }
    hold(!pb_next(&second, &again) && !second.is_broken);
    hold(pb_count_varints(bytes) <= size);
    return 0;
}
