/* The compression of messages: what it refuses, and that it never holds more than it may. */
#define ZLIB_CONST
#include "common/random.h"
#include "net/grpc/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

enum { MIB = 1024 * 1024, KEPT_MAX = 256 * 1024, PACKED_MAX = 2 * MIB };

static struct coder *coder;
static char packed[PACKED_MAX];
static uint32_t packed_len;

static int setup(void **state) {
    (void)state;
    packed_len = 0;
    coder = coder_new();
    return coder == NULL ? -1 : 0;
}

static int teardown(void **state) {
    (void)state;
    coder_free(coder);
    return 0;
}

/* Appends a gzip member of `size` equal bytes to `packed`. */
static void append_member(size_t size, char byte) {
    static char block[64 * 1024];
    z_stream z = {0};
    memset(block, byte, sizeof block);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_out = (Bytef *)packed + packed_len;
    z.avail_out = PACKED_MAX - packed_len;
    int result = Z_OK;
    while (result == Z_OK) {
        size_t part = size < sizeof block ? size : sizeof block;
        z.next_in = (const Bytef *)block;
        z.avail_in = (uInt)part;
        size -= part;
        result = deflate(&z, size == 0 ? Z_FINISH : Z_NO_FLUSH);
        assert_true(result == Z_STREAM_END || z.avail_out > 0);
    }
    assert_int_equal(result, Z_STREAM_END);
    packed_len = PACKED_MAX - z.avail_out;
    assert_int_equal(deflateEnd(&z), Z_OK);
}

static void expect_result(struct text bytes, size_t bytes_max, enum coder_result expected, size_t len) {
    struct text out = {"x", 1};
    enum coder_result result = coder_decompress(coder, bytes, bytes_max, &out);
    if (result != expected) fail_msg("%u bytes within %zu: %d, not %d", bytes.len, bytes_max, result, expected);
    if (out.len != len) fail_msg("%u bytes within %zu: %u come out", bytes.len, bytes_max, out.len);
}

static void expect_packed(size_t bytes_max, enum coder_result expected, size_t len) {
    expect_result((struct text){packed, packed_len}, bytes_max, expected, len);
}

static void names(void **state) {
    (void)state;
    static const struct {
        const char *name;
        enum coding coding;
    } cases[] = {{"", CODING_IDENTITY},      {"identity", CODING_IDENTITY}, {"gzip", CODING_GZIP},
                 {"GZip", CODING_GZIP},      {"deflate", CODING_UNKNOWN},   {"gzip ", CODING_UNKNOWN},
                 {"x-gzip", CODING_UNKNOWN}, {"gzi", CODING_UNKNOWN},       {"gzip,identity", CODING_UNKNOWN}};
    for (size_t i = 0; i < ROWS(cases); i++)
        if (coding_of(text_of(cases[i].name)) != cases[i].coding) fail_msg("\"%s\"", cases[i].name);
    static const char *const with[] = {"gzip",         GRPC_CODINGS,   "gzip,identity", "identity, gzip",
                                       "a,\tgzip\t,b", "deflate,GZIP", ",,gzip",        "identity,deflate,gzip"};
    static const char *const without[] = {
        "", ",", "identity", "gzip2", "xgzip", "gzip;q=0", "identity,gzip deflate", "g,zip"};
    for (size_t i = 0; i < ROWS(with); i++)
        if (!coding_accepts_gzip(text_of(with[i]))) fail_msg("\"%s\" has gzip", with[i]);
    for (size_t i = 0; i < ROWS(without); i++)
        if (coding_accepts_gzip(text_of(without[i]))) fail_msg("\"%s\" has no gzip", without[i]);
}

static void both_ways(void **state) {
    (void)state;
    static char bytes[MIB];
    uint64_t random = 1;
    for (size_t len = 0; len <= sizeof bytes; len = len * 3 + 1) {
        for (int noise = 0; noise < 2; noise++) {
            for (size_t i = 0; i < len; i++) bytes[i] = noise ? (char)splitmix64_next(&random) : (char)(i % 50);
            struct text compressed;
            assert_int_equal(coder_compress(coder, (struct text){bytes, (uint32_t)len}, &compressed), CODER_DONE);
            if (compressed.len > len + 32 + len / 1000) fail_msg("%zu bytes are %u", len, compressed.len);
            if (len > 1000 && !noise && compressed.len > len / 10) fail_msg("%zu bytes are %u", len, compressed.len);
            memcpy(packed, compressed.data, compressed.len);
            packed_len = compressed.len;
            struct text out;
            assert_int_equal(coder_decompress(coder, (struct text){packed, packed_len}, len, &out), CODER_DONE);
            if (out.len != len || (len > 0 && memcmp(out.data, bytes, len) != 0)) fail_msg("%zu bytes change", len);
            if (len > 0) expect_packed(len - 1, CODER_TOO_LARGE, 0);
        }
    }
}

/* 1 MiB that means 1 GiB. */
static void a_bomb(void **state) {
    (void)state;
    append_member((size_t)1024 * MIB, 0);
    assert_in_range(packed_len, MIB / 2, 2 * MIB);
    for (size_t bytes_max = MIB - 1; bytes_max <= MIB + 1; bytes_max++) {
        expect_packed(bytes_max, CODER_TOO_LARGE, 0);
        if (coder_bytes(coder) > bytes_max) fail_msg("%zu bytes were held", coder_bytes(coder));
    }
    expect_packed(1, CODER_TOO_LARGE, 0);
    if (coder_bytes(coder) > KEPT_MAX) fail_msg("%zu bytes are kept", coder_bytes(coder));
}

static void as_much_as_may_be(void **state) {
    (void)state;
    static const size_t sizes[] = {0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100000, MIB};
    for (size_t i = 0; i < ROWS(sizes); i++) {
        packed_len = 0;
        append_member(sizes[i], 'a');
        expect_packed(sizes[i], CODER_DONE, sizes[i]);
        expect_packed(sizes[i] + 1, CODER_DONE, sizes[i]);
        if (sizes[i] > 0) expect_packed(sizes[i] - 1, CODER_TOO_LARGE, 0);
    }
}

static void members_are_joined(void **state) {
    (void)state;
    append_member(3, 'a');
    append_member(0, 'x');
    append_member(2, 'b');
    struct text out;
    assert_int_equal(coder_decompress(coder, (struct text){packed, packed_len}, 5, &out), CODER_DONE);
    assert_int_equal(out.len, 5);
    assert_memory_equal(out.data, "aaabb", 5);
    expect_packed(4, CODER_TOO_LARGE, 0);
    append_member(MIB, 'c');
    expect_packed(MIB, CODER_TOO_LARGE, 0);
    expect_packed(MIB + 5, CODER_DONE, MIB + 5);
}

static void bytes_behind_the_end(void **state) {
    (void)state;
    append_member(100, 'a');
    const uint32_t whole = packed_len;
    static const char *const behind[] = {"\0", "\x1f", "\x1f\x8b", "\x1f\x8b\x08", "a"};
    for (size_t i = 0; i < ROWS(behind); i++) {
        size_t len = behind[i][0] == '\0' ? 1 : strlen(behind[i]);
        memcpy(packed + whole, behind[i], len);
        packed_len = whole + (uint32_t)len;
        expect_packed(1000, CODER_MALFORMED, 0);
    }
}

static void cut_anywhere(void **state) {
    (void)state;
    append_member(30, 'a');
    append_member(30, 'b');
    const uint32_t whole = packed_len;
    uint32_t good = 0;
    for (packed_len = 0; packed_len < whole; packed_len++) {
        struct text out;
        enum coder_result result = coder_decompress(coder, (struct text){packed, packed_len}, 100, &out);
        if (result == CODER_DONE) good++; /* the first member alone */
        else if (result != CODER_MALFORMED || out.len != 0) fail_msg("%u of %u bytes: %d", packed_len, whole, result);
    }
    assert_int_equal(good, 1);
}

/* Every byte of a member is covered by a check, but those of the header that mean nothing here. */
static void damaged_anywhere(void **state) {
    (void)state;
    enum { HEADER_FLAGS = 3, HEADER_END = 10 };
    char bytes[300];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * i % 101); /* no two matches say the same */
    struct text compressed;
    assert_int_equal(coder_compress(coder, (struct text){bytes, sizeof bytes}, &compressed), CODER_DONE);
    memcpy(packed, compressed.data, packed_len = compressed.len);
    for (uint32_t i = 0; i < packed_len; i++) {
        packed[i] ^= 1;
        struct text out;
        enum coder_result result = coder_decompress(coder, (struct text){packed, packed_len}, 1000, &out);
        bool is_ignored = i >= HEADER_FLAGS && i < HEADER_END; /* is it text, the time, the system */
        if (result != (is_ignored ? CODER_DONE : CODER_MALFORMED)) fail_msg("byte %u of %u: %d", i, packed_len, result);
        packed[i] ^= 1;
    }
    expect_packed(1000, CODER_DONE, 300);
}

static void what_is_no_gzip(void **state) {
    (void)state;
    static const char zlib[] = "\x78\x9c\x4b\x04\x00\x00\x62\x00\x62"; /* "a" in zlib's own format */
    expect_result((struct text){NULL, 0}, 100, CODER_MALFORMED, 0);
    expect_result((struct text){zlib, sizeof zlib - 1}, 100, CODER_MALFORMED, 0);
    expect_result(text_of("plain"), 100, CODER_MALFORMED, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names, setup, teardown),
        cmocka_unit_test_setup_teardown(both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(a_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(as_much_as_may_be, setup, teardown),
        cmocka_unit_test_setup_teardown(members_are_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(bytes_behind_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(cut_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(damaged_anywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_gzip, setup, teardown),
    };
    return cmocka_run_group_tests_name("net: gRPC's compression", tests, NULL, NULL);
}
