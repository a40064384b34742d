/* The protobuf codec: golden bytes, every size at its bounds, and what is broken. */
#include "common/protobuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct text bytes_of(const uint8_t *bytes, size_t len) {
    return (struct text){(const char *)bytes, (uint32_t)len};
}

/* Values at both sides of every length of a varint. */
static size_t boundary_values(uint64_t values[32]) {
    size_t n = 0;
    values[n++] = 0;
    for (unsigned bits = 7; bits < 64; bits += 7) {
        values[n++] = (UINT64_C(1) << bits) - 1;
        values[n++] = UINT64_C(1) << bits;
    }
    values[n++] = UINT64_MAX;
    return n;
}

static void a_varint_comes_back_and_is_as_long_as_its_size_says(void **state) {
    (void)state;
    uint64_t values[32];
    for (size_t i = boundary_values(values); i-- > 0;) {
        uint8_t memory[PB_VARINT_BYTES_MAX] = {0};
        size_t size = pb_varint_size(values[i]);
        if ((size_t)(pb_put_varint(memory, values[i]) - memory) != size)
            fail_msg("%llu is not %zu bytes long", (unsigned long long)values[i], size);
        struct pb_reader in = pb_read(bytes_of(memory, size));
        if (pb_read_varint(&in) != values[i] || in.is_broken || pb_has_more(&in))
            fail_msg("%llu does not come back", (unsigned long long)values[i]);
        for (size_t cut = 0; cut < size; cut++) {
            in = pb_read(bytes_of(memory, cut));
            if (pb_read_varint(&in) != 0 || !in.is_broken) fail_msg("%zu of %zu bytes are a varint", cut, size);
        }
    }
}

static void a_varint_past_ten_bytes_or_64_bits_is_broken(void **state) {
    (void)state;
    const uint8_t most[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
    const uint8_t too_large[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    const uint8_t too_long[] = {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    const uint8_t padded[] = {0x85, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00};
    struct pb_reader in = pb_read(bytes_of(most, sizeof most));
    if (pb_read_varint(&in) != UINT64_MAX || in.is_broken) fail_msg("2^64 - 1 is broken");
    in = pb_read(bytes_of(padded, sizeof padded));
    if (pb_read_varint(&in) != 5 || in.is_broken) fail_msg("a 5 that was padded to ten bytes is broken");
    in = pb_read(bytes_of(too_large, sizeof too_large));
    if (pb_read_varint(&in) != 0 || !in.is_broken) fail_msg("2^64 is read as something");
    in = pb_read(bytes_of(too_long, sizeof too_long));
    if (pb_read_varint(&in) != 0 || !in.is_broken || pb_has_more(&in)) fail_msg("eleven bytes are read as something");
}

/* Both writers give the bytes that the encoding guide has, and each other's. */
static void fields_have_golden_bytes(void **state) {
    (void)state;
    const uint8_t golden[] = {0x08, 0x96, 0x01, 0x12, 0x07, 't', 'e', 's', 't', 'i', 'n', 'g', 0x1a, 0x00};
    uint8_t put[sizeof golden], memory[64];
    uint8_t *at = pb_put_number(put, 1, 150);
    at = pb_put_text(at, 2, "testing", 7);
    at = pb_put_text(pb_put_number(at, 9, 0), 9, NULL, 0);
    at = pb_put_element(at, 3, NULL, 0);
    if ((size_t)(at - put) != sizeof golden) fail_msg("%zu bytes were put", (size_t)(at - put));
    assert_memory_equal(put, golden, sizeof golden);
    if (pb_number_size(150) + pb_text_size(7) + pb_number_size(0) + pb_text_size(0) + pb_element_size(0) !=
        sizeof golden)
        fail_msg("the sizes do not sum up to %zu", sizeof golden);
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    pb_write_number(&out, 1, 150);
    pb_write_text(&out, 2, text_of("testing"));
    pb_write_number(&out, 9, 0);
    pb_write_fixed64(&out, 9, 0);
    pb_write_text(&out, 9, (struct text){0});
    pb_write_element(&out, 3, (struct text){0});
    if (out.is_full || pb_written(&out) != sizeof golden) fail_msg("%zu bytes were written", pb_written(&out));
    assert_memory_equal(memory, golden, sizeof golden);
}

static void expect_field(struct pb_reader *in, unsigned number, enum pb_type type, uint64_t value, struct text bytes) {
    struct pb_field field;
    if (!pb_next(in, &field)) fail_msg("no field %u", number);
    if (field.number != number || field.type != type || field.tag != PB_TAG(number, type))
        fail_msg("field %u of type %d where %u of %d is", field.number, (int)field.type, number, (int)type);
    if (field.value != value) fail_msg("field %u is %llu", number, (unsigned long long)field.value);
    if (!text_equal(field.bytes, bytes)) fail_msg("field %u has %u bytes", number, field.bytes.len);
}

static void what_is_written_is_read(void **state) {
    (void)state;
    uint8_t memory[1024];
    char long_text[300];
    memset(long_text, 'x', sizeof long_text);
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    uint8_t *outer = pb_begin(&out, 200);
    uint8_t *inner = pb_begin(&out, 1);
    pb_write_text(&out, 15, (struct text){long_text, sizeof long_text});
    pb_end(&out, inner);
    pb_write_number(&out, 16, UINT64_MAX);
    pb_end(&out, outer);
    pb_write_fixed64(&out, 3, UINT64_C(0x0102030405060708));
    const uint8_t fixed32[] = {4 << 3 | PB_FIXED32, 0x0d, 0x0c, 0x0b, 0x0a};
    pb_append_bytes(&out, fixed32, sizeof fixed32);
    if (out.is_full) fail_msg("it does not fit");

    struct pb_reader in = pb_read(pb_written_text(&out));
    struct pb_field field, within;
    if (!pb_next(&in, &field) || field.tag != PB_TAG(200, PB_BYTES)) fail_msg("the message is not field 200");
    struct pb_reader message = pb_read(field.bytes);
    if (!pb_next(&message, &within) || within.number != 1) fail_msg("the message inside is not field 1");
    struct pb_reader innermost = pb_read(within.bytes);
    expect_field(&innermost, 15, PB_BYTES, 0, (struct text){long_text, sizeof long_text});
    expect_field(&message, 16, PB_VARINT, UINT64_MAX, (struct text){0});
    if (pb_next(&message, &field) || message.is_broken) fail_msg("the message does not end where it should");
    expect_field(&in, 3, PB_FIXED64, UINT64_C(0x0102030405060708), (struct text){0});
    expect_field(&in, 4, PB_FIXED32, 0x0a0b0c0d, (struct text){0});
    if (pb_next(&in, &field) || in.is_broken) fail_msg("there is no end");
}

/* Whatever the room, the writer stays within it; what it wrote is a beginning of the whole, or says that it is full. */
static void a_writer_stays_within_its_memory(void **state) {
    (void)state;
    uint8_t whole[256], memory[256];
    size_t len = 0;
    for (size_t room = sizeof memory; room-- > 0;) {
        struct pb_writer out = pb_write_to(memory, room);
        memset(memory, 0xee, sizeof memory);
        uint8_t *begun = pb_begin(&out, 7);
        for (int i = 0; i < 20; i++) pb_write_fixed64(&out, 1, UINT64_MAX);
        pb_end(&out, begun);
        pb_append_varint(&out, UINT64_MAX);
        pb_append_fixed32(&out, 1);
        if (len == 0) {
            memcpy(whole, memory, sizeof whole);
            len = pb_written(&out);
        }
        if (out.is_full != (room < len)) fail_msg("%zu bytes in a room of %zu: full is %d", len, room, out.is_full);
        if (pb_written(&out) > room) fail_msg("%zu bytes in a room of %zu", pb_written(&out), room);
        for (size_t i = room; i < sizeof memory; i++)
            if (memory[i] != 0xee) fail_msg("it wrote at %zu in a room of %zu", i, room);
        if (!out.is_full && memcmp(memory, whole, len) != 0) fail_msg("other bytes in a room of %zu", room);
    }
}

static void broken_fields_end_the_reading(void **state) {
    (void)state;
    static const struct {
        const char *what;
        uint8_t bytes[12];
        size_t len;
    } broken[] = {
        {"the number 0", {0x00, 0x00}, 2},
        {"a number past 2^29", {0x80, 0x80, 0x80, 0x80, 0x10, 0x00}, 6},
        {"a group", {0x0b, 0x0c}, 2},
        {"type 6", {0x0e, 0x00}, 2},
        {"a tag alone", {0x08}, 1},
        {"half of a fixed32", {0x0d, 1, 2}, 3},
        {"half of a fixed64", {0x09, 1, 2, 3, 4, 5, 6, 7}, 8},
        {"a text that ends early", {0x0a, 5, 'a', 'b'}, 4},
        {"a text of 2^64 - 1 bytes", {0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, 11},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        struct pb_reader in = pb_read(bytes_of(broken[i].bytes, broken[i].len));
        struct pb_field field;
        if (pb_next(&in, &field) || !in.is_broken) fail_msg("%s is read as a field", broken[i].what);
        if (pb_next(&in, &field) || pb_has_more(&in)) fail_msg("there is more after %s", broken[i].what);
    }
}

static void small_negative_numbers_are_short(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        uint64_t encoded;
    } pairs[] = {{0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        if (pb_zigzag(pairs[i].value) != pairs[i].encoded || pb_unzigzag(pairs[i].encoded) != pairs[i].value)
            fail_msg("zigzag of %lld", (long long)pairs[i].value);
}

static void varints_of_a_column_are_counted(void **state) {
    (void)state;
    uint8_t memory[64];
    uint64_t values[32];
    struct pb_writer column = pb_write_to(memory, sizeof memory);
    for (size_t i = 0; i < 5; i++) pb_append_varint(&column, (boundary_values(values), values[2 * i]));
    if (pb_count_varints(pb_written_text(&column)) != 5) fail_msg("not 5 of them");
    if (pb_count_varints((struct text){0}) != 0) fail_msg("an empty column has some");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_varint_comes_back_and_is_as_long_as_its_size_says),
        cmocka_unit_test(a_varint_past_ten_bytes_or_64_bits_is_broken),
        cmocka_unit_test(fields_have_golden_bytes),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_writer_stays_within_its_memory),
        cmocka_unit_test(broken_fields_end_the_reading),
        cmocka_unit_test(small_negative_numbers_are_short),
        cmocka_unit_test(varints_of_a_column_are_counted),
    };
    return cmocka_run_group_tests_name("common.protobuf", tests, NULL, NULL);
}
