/* gRPC's framing: prefixes and messages, cut anywhere. */
#include "common/byteorder.h"
#include "net/grpc/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { BYTES_MAX = 1000, STREAM_MAX = 4096, MESSAGES_MAX = 16 };

static uint8_t stream[STREAM_MAX];
static size_t stream_len;
static uint32_t lens[MESSAGES_MAX];
static size_t count;

/* Appends a message whose bytes tell its place in the stream. */
static void append_message(uint32_t len) {
    message_prefix_write(stream + stream_len, count % 2 == 1, len);
    stream_len += GRPC_PREFIX_BYTES;
    for (uint32_t i = 0; i < len; i++, stream_len++) stream[stream_len] = (uint8_t)(stream_len * 7);
    lens[count++] = len;
}

static void make_stream(const uint32_t *lengths, size_t n) {
    stream_len = count = 0;
    for (size_t i = 0; i < n; i++) append_message(lengths[i]);
}

static void expect_message(const struct grpc_message *message, size_t i, size_t begin) {
    if (message->is_compressed != (i % 2 == 1)) fail_msg("message %zu: another flag", i);
    if (message->bytes.len != lens[i]) fail_msg("message %zu has %u bytes, not %u", i, message->bytes.len, lens[i]);
    if (lens[i] > 0 && memcmp(message->bytes.data, stream + begin, lens[i]) != 0)
        fail_msg("message %zu: other bytes", i);
}

/* Takes all messages of one piece of the stream. Each piece is a copy, so that a read past its end is seen. */
static void take_piece(struct message_reader *reader, size_t at, size_t len, size_t *i, size_t *begin) {
    uint8_t *piece = malloc(len > 0 ? len : 1);
    assert_non_null(piece);
    memcpy(piece, stream + at, len);
    for (size_t taken = 0;;) {
        size_t used;
        struct grpc_message message;
        enum message_read read = message_take(reader, piece + taken, len - taken, BYTES_MAX, &used, &message);
        taken += used;
        if (read == MESSAGE_MORE) {
            if (taken != len) fail_msg("%zu of %zu bytes were taken", taken, len);
            if (message.bytes.len != 0) fail_msg("a message where there is none");
            break;
        }
        if (read != MESSAGE_WHOLE) fail_msg("message %zu: %d", *i, read);
        expect_message(&message, *i, *begin + GRPC_PREFIX_BYTES);
        *begin += GRPC_PREFIX_BYTES + lens[*i];
        *i += 1;
        if (message_is_partial(reader)) fail_msg("partial behind message %zu", *i);
    }
    free(piece);
}

static void expect_stream(const size_t *cuts, size_t cut_count) {
    struct message_reader reader = {0};
    size_t i = 0, begin = 0, at = 0;
    for (size_t k = 0; k <= cut_count; k++) {
        size_t end = k < cut_count ? cuts[k] : stream_len;
        take_piece(&reader, at, end - at, &i, &begin);
        at = end;
        if (message_is_partial(&reader) != (begin < end)) fail_msg("at byte %zu: partial?", end);
    }
    if (i != count) fail_msg("%zu of %zu messages came", i, count);
    message_reader_free(&reader);
    assert_int_equal(message_reader_bytes(&reader), 0);
}

static const uint32_t few[] = {3, 0, 7, 0, 0, 1, 20};

static void every_two_cuts(void **state) {
    (void)state;
    make_stream(few, sizeof few / sizeof few[0]);
    expect_stream(NULL, 0);
    for (size_t a = 0; a <= stream_len; a++)
        for (size_t b = a; b <= stream_len; b++) expect_stream((const size_t[]){a, b}, 2);
}

static void pieces_of_any_size(void **state) {
    (void)state;
    static const uint32_t lengths[] = {BYTES_MAX, 0, 300, 255, 256, 257, BYTES_MAX};
    make_stream(lengths, sizeof lengths / sizeof lengths[0]);
    for (size_t piece = 1; piece <= stream_len; piece += piece < 20 ? 1 : 13) {
        size_t cuts[STREAM_MAX], n = 0;
        for (size_t at = piece; at < stream_len; at += piece) cuts[n++] = at;
        expect_stream(cuts, n);
    }
}

static void a_whole_message_is_not_copied(void **state) {
    (void)state;
    make_stream(few, 3);
    struct message_reader reader = {0};
    size_t used, at = 0;
    struct grpc_message message;
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(message_take(&reader, stream + at, stream_len - at, BYTES_MAX, &used, &message),
                         MESSAGE_WHOLE);
        assert_ptr_equal(message.bytes.data, stream + at + GRPC_PREFIX_BYTES);
        assert_int_equal(message_reader_bytes(&reader), 0);
        at += used;
    }
}

/* A prefix that came alone is no copy either. */
static void a_message_behind_its_prefix_is_not_copied(void **state) {
    (void)state;
    make_stream(few, 1);
    struct message_reader reader = {0};
    size_t used;
    struct grpc_message message;
    assert_int_equal(message_take(&reader, stream, GRPC_PREFIX_BYTES, BYTES_MAX, &used, &message), MESSAGE_MORE);
    const uint8_t *content = stream + GRPC_PREFIX_BYTES;
    assert_int_equal(message_take(&reader, content, few[0], BYTES_MAX, &used, &message), MESSAGE_WHOLE);
    assert_ptr_equal(message.bytes.data, content);
    assert_int_equal(message_reader_bytes(&reader), 0);
}

static void memory_grows_with_what_comes(void **state) {
    (void)state;
    enum { ANNOUNCED = 1 << 20 };
    struct message_reader reader = {0};
    uint8_t prefix[GRPC_PREFIX_BYTES], byte = 9;
    size_t used;
    struct grpc_message message;
    message_prefix_write(prefix, false, ANNOUNCED);
    assert_int_equal(message_take(&reader, prefix, sizeof prefix, ANNOUNCED, &used, &message), MESSAGE_MORE);
    assert_int_equal(message_reader_bytes(&reader), 0);
    for (size_t came = 1; came < ANNOUNCED; came++) {
        assert_int_equal(message_take(&reader, &byte, 1, ANNOUNCED, &used, &message), MESSAGE_MORE);
        size_t most = 2 * came > 256 ? 2 * came : 256;
        if (message_reader_bytes(&reader) > most || message_reader_bytes(&reader) > ANNOUNCED)
            fail_msg("%zu bytes came, %zu are kept", came, message_reader_bytes(&reader));
    }
    assert_int_equal(message_take(&reader, &byte, 1, ANNOUNCED, &used, &message), MESSAGE_WHOLE);
    assert_int_equal(message.bytes.len, ANNOUNCED);
    assert_int_equal(message_take(&reader, NULL, 0, ANNOUNCED, &used, &message), MESSAGE_MORE);
    assert_int_equal(message_reader_bytes(&reader), 0);
}

static void a_length_above_the_limit(void **state) {
    (void)state;
    static const uint32_t lengths[] = {BYTES_MAX + 1, 1u << 24, INT32_MAX, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (size_t cut = 0; cut <= GRPC_PREFIX_BYTES; cut++) {
            struct message_reader reader = {0};
            uint8_t bytes[GRPC_PREFIX_BYTES + 1] = {0};
            size_t used;
            struct grpc_message message;
            message_prefix_write(bytes, false, lengths[i]);
            enum message_read read = message_take(&reader, bytes, cut, BYTES_MAX, &used, &message);
            if (read != (cut < GRPC_PREFIX_BYTES ? MESSAGE_MORE : MESSAGE_TOO_LARGE)) fail_msg("%zu: %d", cut, read);
            for (int again = 0; again < 2; again++) {
                read = message_take(&reader, bytes + cut, sizeof bytes - cut, BYTES_MAX, &used, &message);
                if (read != MESSAGE_TOO_LARGE) fail_msg("%u bytes are waited for", lengths[i]);
            }
            assert_int_equal(message_reader_bytes(&reader), 0);
        }
}

static void flags_that_do_not_exist(void **state) {
    (void)state;
    for (unsigned flag = 2; flag < 256; flag++) {
        struct message_reader reader = {0};
        const uint8_t bytes[GRPC_PREFIX_BYTES + 1] = {(uint8_t)flag, 0, 0, 0, 1};
        size_t used;
        struct grpc_message message;
        for (size_t len = 1; len <= sizeof bytes; len++)
            if (message_take(&reader, bytes, len, BYTES_MAX, &used, &message) != MESSAGE_MALFORMED)
                fail_msg("a flag of %u is let in", flag);
        message_reader_free(&reader);
        if (message_is_partial(&reader)) fail_msg("partial after it was freed");
    }
}

static void prefixes(void **state) {
    (void)state;
    uint8_t prefix[GRPC_PREFIX_BYTES];
    message_prefix_write(prefix, true, 0x01020304);
    assert_memory_equal(prefix, "\1\1\2\3\4", sizeof prefix);
    message_prefix_write(prefix, false, UINT32_MAX);
    assert_memory_equal(prefix, "\0\377\377\377\377", sizeof prefix);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_two_cuts),
        cmocka_unit_test(pieces_of_any_size),
        cmocka_unit_test(a_whole_message_is_not_copied),
        cmocka_unit_test(a_message_behind_its_prefix_is_not_copied),
        cmocka_unit_test(memory_grows_with_what_comes),
        cmocka_unit_test(a_length_above_the_limit),
        cmocka_unit_test(flags_that_do_not_exist),
        cmocka_unit_test(prefixes),
    };
    return cmocka_run_group_tests_name("net: gRPC's framing", tests, NULL, NULL);
}
