/* The small parts of the server: UTF-8, page tokens, durations, URLs, the arena. */
#include "common/duration.h"
#include "common/url.h"
#include "common/utf8.h"
#include "node/page_allocator.h"
#include "reply/arena.h"
#include "rpc/page_token.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* ---- UTF-8, against a decoder that is written from RFC 3629's ranges of code points ---- */

static size_t encode(uint32_t point, unsigned char out[4]) {
    if (point < 0x80) return out[0] = (unsigned char)point, 1;
    if (point < 0x800)
        return out[0] = (unsigned char)(0xc0 | point >> 6), out[1] = (unsigned char)(0x80 | (point & 63)), 2;
    if (point < 0x10000) {
        out[0] = (unsigned char)(0xe0 | point >> 12);
        out[1] = (unsigned char)(0x80 | (point >> 6 & 63));
        out[2] = (unsigned char)(0x80 | (point & 63));
        return 3;
    }
    out[0] = (unsigned char)(0xf0 | point >> 18);
    out[1] = (unsigned char)(0x80 | (point >> 12 & 63));
    out[2] = (unsigned char)(0x80 | (point >> 6 & 63));
    out[3] = (unsigned char)(0x80 | (point & 63));
    return 4;
}

static void every_code_point(void **state) {
    (void)state;
    for (uint32_t point = 1; point < 0x120000; point++) {
        unsigned char bytes[4];
        uint32_t at;
        size_t len = encode(point, bytes);
        bool is_good = point < 0x110000 && (point < 0xd800 || point > 0xdfff);
        enum utf8_verdict verdict = utf8_check((struct text){(char *)bytes, (uint32_t)len}, &at);
        if ((verdict == UTF8_GOOD) != is_good) fail_msg("U+%06X is found %d", point, verdict);
    }
}

/* A sequence is good only if some code point is encoded so: tried for all of two and three bytes. */
static void every_short_sequence(void **state) {
    (void)state;
    static unsigned char known[1 << 24 >> 3];
    for (uint32_t point = 1; point < 0x10000; point++) {
        unsigned char b[4] = {0};
        if (point >= 0xd800 && point <= 0xdfff) continue;
        if (encode(point, b) != 3) continue;
        uint32_t key = (uint32_t)b[0] << 16 | (uint32_t)b[1] << 8 | b[2];
        known[key >> 3] |= (unsigned char)(1 << (key & 7));
    }
    for (uint32_t key = 0xe00000; key < 0xf00000; key++) {
        unsigned char b[3] = {(unsigned char)(key >> 16), (unsigned char)(key >> 8), (unsigned char)key};
        uint32_t at;
        bool is_good = utf8_check((struct text){(char *)b, 3}, &at) == UTF8_GOOD;
        if (is_good != ((known[key >> 3] >> (key & 7) & 1) != 0)) fail_msg("%06x is found %d", key, is_good);
    }
}

static void faults_are_found_at_every_place(void **state) {
    (void)state;
    for (uint32_t len = 1; len < 40; len++) {
        for (uint32_t bad = 0; bad < len; bad++) {
            char text[40];
            uint32_t at = 99;
            memset(text, 'a', sizeof text);
            text[bad] = '\0';
            if (utf8_check((struct text){text, len}, &at) != UTF8_HAS_NUL || at != bad)
                fail_msg("NUL at %u of %u is found at %u", bad, len, at);
            text[bad] = (char)0xff;
            if (utf8_check((struct text){text, len}, &at) != UTF8_BROKEN || at != bad)
                fail_msg("ff at %u of %u is found at %u", bad, len, at);
            text[bad] = (char)0xc3; /* wants another byte that is not there or is 'a' */
            if (utf8_check((struct text){text, len}, &at) != UTF8_BROKEN || at != bad)
                fail_msg("c3 at %u of %u is found at %u", bad, len, at);
        }
    }
}

/* ---- page tokens ---- */

static void tokens_come_back(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {WALK_LIST, text_of("scope"), 14};
    const uint64_t places[] = {0, 1, UINT64_MAX, UINT64_C(0x0123456789abcdef)};
    for (size_t i = 0; i < 4; i++) {
        char token[PAGE_TOKEN_CHARS + 1];
        uint64_t place;
        page_token_write(&key, &walk, places[i], token);
        if (strlen(token) != PAGE_TOKEN_CHARS) fail_msg("%zu characters", strlen(token));
        if (page_token_read(&key, &walk, text_of(token), &place) != PAGE_TOKEN_GOOD || place != places[i])
            fail_msg("%s is read as %llx", token, (unsigned long long)place);
    }
}

/* What was given out once must be understood by later versions: a golden token. */
static void a_token_that_was_given_out(void **state) {
    (void)state;
    const uint8_t hash_key[16] = "a key of 16 byte";
    const struct page_token_key key = page_token_key(hash_key);
    const struct walk walk = {WALK_LIST, text_of("scope"), 14};
    char token[PAGE_TOKEN_CHARS + 1];
    page_token_write(&key, &walk, UINT64_C(0x0123456789abcdef), token);
    assert_string_equal(token, "AQEeQgRSg9us7QEjRWeJq83vbyRacBbKxuE");
}

/* ---- durations ---- */

static void durations(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool is_good;
        uint64_t ms;
    } cases[] = {
        {"500ms", true, 500},
        {"60s", true, 60000},
        {"5m", true, 300000},
        {"24h", true, 86400000},
        {"7d", true, 604800000},
        {"0s", true, 0},
        {"007s", true, 7000},
        {"18446744073709551615ms", true, UINT64_MAX},
        {"18446744073709551616ms", false, 0},
        {"18446744073709552s", false, 0},
        {"99999999999999999999999d", false, 0},
        {"", false, 0},
        {"5", false, 0},
        {"s", false, 0},
        {"-5s", false, 0},
        {"+5s", false, 0},
        {"5 s", false, 0},
        {" 5s", false, 0},
        {"5s ", false, 0},
        {"1h30m", false, 0},
        {"1.5h", false, 0},
        {"5S", false, 0},
        {"5min", false, 0},
        {"0x5s", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint64_t ms = 77;
        bool is_good = duration_parse(cases[i].text, &ms);
        if (is_good != cases[i].is_good || ms != cases[i].ms)
            fail_msg("'%s' is %d, %llu ms", cases[i].text, is_good, (unsigned long long)ms);
    }
}

static void durations_are_written_back(void **state) {
    (void)state;
    static const char *const texts[] = {"500ms", "60001ms", "59s", "5m", "23h", "7d", "0s"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char out[DURATION_BYTES];
        uint64_t ms;
        assert_true(duration_parse(texts[i], &ms));
        assert_string_equal(duration_format(ms, out), texts[i]);
    }
}

/* ---- URLs ---- */

static void urls(void **state) {
    (void)state;
    static const struct {
        const char *url;
        enum url_reach reach;
    } cases[] = {
        {"tcp://127.0.0.1:7700", REACH_LOOPBACK},
        {"tcp://127.9.9.9:0", REACH_LOOPBACK},
        {"tcp://localhost:1", REACH_LOOPBACK},
        {"tcp://[::1]:65535", REACH_LOOPBACK},
        {"ipc:///x", REACH_LOOPBACK},
        {"tcp://0.0.0.0:1", REACH_BEYOND},
        {"tcp://*:1", REACH_BEYOND},
        {"tcp://:1", REACH_BEYOND},
        {"tcp://[::]:1", REACH_BEYOND},
        {"tcp://10.0.0.1:1", REACH_BEYOND},
        {"tcp://[2001:db8::1]:1", REACH_BEYOND},
        {"tcp://127.0.0.1.example.org:1", REACH_BEYOND},
        {"tcp://localhost.example.org:1", REACH_BEYOND},
        {"tcp://[::ffff:10.0.0.1]:1", REACH_BEYOND},
        {"", REACH_NONE},
        {"tcp://", REACH_NONE},
        {"tcp://127.0.0.1", REACH_NONE},
        {"tcp://127.0.0.1:", REACH_NONE},
        {"tcp://127.0.0.1:x", REACH_NONE},
        {"tcp://127.0.0.1:65536", REACH_NONE},
        {"tcp://127.0.0.1:000001", REACH_NONE},
        {"tcp://127.0.0.1:1/path", REACH_NONE},
        {"tcp://a;b:1", REACH_NONE},
        {"tcp://::1:1", REACH_NONE},
        {"http://127.0.0.1:1", REACH_NONE},
        {"ipc://", REACH_NONE},
        {"TCP://127.0.0.1:1", REACH_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *why;
        enum url_reach reach = url_reach(cases[i].url, &why);
        if (reach != cases[i].reach) fail_msg("%s is %d", cases[i].url, reach);
    }
}

/* ---- memory ---- */

static void the_arena_keeps_its_cap(void **state) {
    (void)state;
    struct arena arena;
    struct text copy;
    assert_true(arena_open(&arena, 65536));
    char *first = arena_take(&arena, 100, 10);
    memset(first, 1, 1000);
    assert_non_null(arena_take(&arena, 1, 60000));
    assert_null(arena_take(&arena, 1, 60000));
    assert_true(arena.is_exhausted);
    assert_null(arena_take(&arena, SIZE_MAX / 2, 3));
    assert_null(arena_take(&arena, 1, SIZE_MAX));
    assert_false(arena_copy(&arena, (struct text){first, 60000}, &copy));
    arena_reset(&arena, 4096);
    assert_false(arena.is_exhausted);
    assert_true(arena_copy(&arena, text_of("ada"), &copy));
    assert_true(text_equal(copy, text_of("ada")));
    for (int i = 0; i < 20; i++) assert_int_equal((uintptr_t)arena_take(&arena, 1, 3) % 16, 0);
    arena_close(&arena);
}

static void the_heap_gives_zeroed_memory(void **state) {
    (void)state;
    const struct allocator heap = heap_allocator();
    const size_t sizes[] = {1, 100, 4095, 4096, 1 << 20, (4 << 20) - 1, 4 << 20, 9 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int round = 0; round < 2; round++) {
            unsigned char *memory = heap.allocate(heap.context, sizes[i]);
            assert_non_null(memory);
            if (sizes[i] >= 4096) assert_int_equal((uintptr_t)memory % 64, 0);
            for (size_t j = 0; j < sizes[i]; j++)
                if (memory[j] != 0) fail_msg("byte %zu of %zu is not zero", j, sizes[i]);
            memset(memory, 0xaa, sizes[i]);
            heap.release(heap.context, memory, sizes[i]);
        }
    }
    heap.release(heap.context, NULL, 100);
    heap.release(heap.context, NULL, 9 << 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(every_short_sequence),
        cmocka_unit_test(faults_are_found_at_every_place),
        cmocka_unit_test(tokens_come_back),
        cmocka_unit_test(a_token_that_was_given_out),
        cmocka_unit_test(durations),
        cmocka_unit_test(durations_are_written_back),
        cmocka_unit_test(urls),
        cmocka_unit_test(the_arena_keeps_its_cap),
        cmocka_unit_test(the_heap_gives_zeroed_memory),
    };
    if (sodium_init() < 0) return 1;
    return cmocka_run_group_tests_name("rpc parts", tests, NULL, NULL);
}
