/* The texts of gRPC's headers. */
#include "net/grpc/header_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

#define ROWS(array) (sizeof(array) / sizeof(array)[0])

static void timeouts(void **state) {
    (void)state;
    static const struct {
        const char *value;
        uint64_t timeout_us;
    } cases[] = {
        {"1H", UINT64_C(3600000000)},
        {"1M", 60000000},
        {"1S", 1000000},
        {"1m", 1000},
        {"1u", 1},
        {"1n", 1},
        {"0n", 0},
        {"0H", 0},
        {"999n", 1},
        {"1000n", 1},
        {"1001n", 2},
        {"00000001S", 1000000},
        {"99999999H", UINT64_C(99999999) * 3600 * 1000000},
        {"99999999M", UINT64_C(99999999) * 60 * 1000000},
        {"99999999S", UINT64_C(99999999) * 1000000},
        {"99999999m", UINT64_C(99999999) * 1000},
        {"99999999u", 99999999},
        {"99999999n", 100000},
    };
    for (size_t i = 0; i < ROWS(cases); i++) {
        uint64_t timeout_us = 77;
        if (!timeout_read(text_of(cases[i].value), &timeout_us)) fail_msg("%s is none", cases[i].value);
        if (timeout_us != cases[i].timeout_us)
            fail_msg("%s is %llu us", cases[i].value, (unsigned long long)timeout_us);
    }
}

static void no_timeouts(void **state) {
    (void)state;
    static const char *const cases[] = {"",     "S",    "1",   "11",   "100000000n", "000000001S", "1s",
                                        "1h",   "1U",   "1 S", " 1S",  "1S ",        "-1S",        "+1S",
                                        "1.5S", "0x1S", "1SS", "1e3m", "\xb9S",      "1:"};
    for (size_t i = 0; i < ROWS(cases); i++) {
        uint64_t timeout_us = 77;
        if (timeout_read(text_of(cases[i]), &timeout_us)) fail_msg("\"%s\" is read", cases[i]);
        if (timeout_us != 0) fail_msg("\"%s\" leaves a time-out", cases[i]);
    }
    static const char units[] = "HMSmun";
    for (unsigned unit = 0; unit < 256; unit++) {
        const char value[] = {'5', (char)unit};
        uint64_t timeout_us;
        bool expected = unit != 0 && strchr(units, (int)unit) != NULL;
        if (timeout_read((struct text){value, 2}, &timeout_us) != expected) fail_msg("the unit %u", unit);
    }
}

struct encoded {
    const char *message, *encoded;
};

static const struct encoded messages[] = {
    {"", ""},
    {"plain: it's \"all\" of ASCII ~!", "plain: it's \"all\" of ASCII ~!"},
    {"100% sure", "100%25 sure"},
    {"%41", "%2541"},
    {"\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n",
     "%09%0Atest with whitespace%0D%0Aand Unicode BMP %E2%98%BA and non-BMP %F0%9F%98%88%09%0A"},
    {"\x1f\x20\x7e\x7f", "%1F ~%7F"},
    {" at either end ", "%20at either end%20"},
    {" ", "%20"},
    {"  ", "%20%20"},
    {"   ", "%20 %20"},
    {"\xc3\xbc", "%C3%BC"},
    {"broken \xff\xc3 \xe2\x98", "broken %FF%C3 %E2%98"},
};

static void status_messages(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(messages); i++) {
        char out[256];
        size_t len = percent_encode(text_of(messages[i].message), out, sizeof out);
        if (len != strlen(messages[i].encoded) || memcmp(out, messages[i].encoded, len) != 0)
            fail_msg("\"%s\" is encoded as \"%.*s\"", messages[i].message, (int)len, out);
    }
    for (unsigned byte = 0; byte < 256; byte++) {
        const char message[] = {'a', (char)byte, 'b'};
        char out[8], expected[8];
        bool is_plain = byte >= 0x20 && byte <= 0x7e && byte != '%';
        int len = snprintf(expected, sizeof expected, is_plain ? "a%cb" : "a%%%02Xb", (int)byte);
        if (percent_encode((struct text){message, 3}, out, sizeof out) != (size_t)len ||
            memcmp(out, expected, (size_t)len) != 0)
            fail_msg("the byte %02x", byte);
    }
}

/* Whether `len` bytes of an encoded message end before a code of a character, or behind its last one. */
static bool ends_between_characters(const char *encoded, size_t len) {
    if (len >= 1 && encoded[len - 1] == '%') return false;
    if (len >= 2 && encoded[len - 2] == '%') return false;
    return encoded[len] != '%' || encoded[len + 1] < '8' || encoded[len + 1] > 'B'; /* 80-BF: it goes on */
}

static void messages_that_are_cut(void **state) {
    (void)state;
    for (size_t i = 0; i < ROWS(messages) - 1; i++) { /* all but the broken one */
        size_t whole = strlen(messages[i].encoded), before = 0;
        for (size_t size = 0; size <= whole; size++) {
            char *out = malloc(size > 0 ? size : 1);
            assert_non_null(out);
            size_t len = percent_encode(text_of(messages[i].message), out, size);
            if (len > size || len < before) fail_msg("\"%s\" in %zu bytes: %zu", messages[i].encoded, size, len);
            if (memcmp(out, messages[i].encoded, len) != 0) fail_msg("\"%s\" changes", messages[i].encoded);
            if (!ends_between_characters(messages[i].encoded, len))
                fail_msg("\"%s\" is cut at %zu", messages[i].encoded, len);
            if (len > 0 && out[len - 1] == ' ') fail_msg("\"%.*s\" ends with a space", (int)len, out);
            if (size - len > 12) fail_msg("\"%s\" in %zu bytes: only %zu", messages[i].encoded, size, len);
            before = len;
            free(out);
        }
        assert_int_equal(before, whole);
    }
}

static void binary_values(void **state) {
    (void)state;
    static const struct {
        const char *value, *bytes;
    } cases[] = {
        {"", ""},
        {"Zg", "f"},
        {"Zg==", "f"},
        {"Zm8", "fo"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg", "foob"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE", "fooba"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"q6ur", "\xab\xab\xab"},
        {"+/+/", "\xfb\xff\xbf"},
    };
    for (size_t i = 0; i < ROWS(cases); i++) {
        uint8_t out[16];
        size_t len = strlen(cases[i].bytes);
        if (base64_decode(text_of(cases[i].value), out, len) != len || memcmp(out, cases[i].bytes, len) != 0)
            fail_msg("\"%s\" is not decoded", cases[i].value);
        if (len > 0 && base64_decode(text_of(cases[i].value), out, len - 1) != SIZE_MAX)
            fail_msg("\"%s\" is decoded into too little", cases[i].value);
    }
    static const char *const broken[] = {
        "Z",      "Zg=",  "Zg===", "=",   "==",     "Zm9v=", "Zm9vY",      "Zm9 v",
        "Zm9v\n", "-_-_", "Zh",    "Zm9", "Zg==Zg", "Zm9v,", "\xda\xe7==", "\xc3\xbcZg"};
    for (size_t i = 0; i < ROWS(broken); i++) {
        uint8_t out[16];
        if (base64_decode(text_of(broken[i]), out, sizeof out) != SIZE_MAX) fail_msg("\"%s\" is decoded", broken[i]);
    }
}

static void binary_values_both_ways(void **state) {
    (void)state;
    uint8_t bytes[64], back[64];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i * 37 + 200);
    for (uint32_t len = 0; len <= sizeof bytes; len++) {
        size_t expected = (4 * (size_t)len + 2) / 3;
        for (size_t size = 0; size <= expected + 1; size++) {
            char *out = malloc(size > 0 ? size : 1);
            assert_non_null(out);
            size_t written = base64_encode((struct text){(const char *)bytes, len}, out, size);
            if (written != (size > expected ? expected : SIZE_MAX))
                fail_msg("%u bytes in %zu: %zu", len, size, written);
            if (written != SIZE_MAX) {
                assert_int_equal(base64_decode((struct text){out, (uint32_t)written}, back, sizeof back), len);
                if (memcmp(back, bytes, len) != 0) fail_msg("%u other bytes", len);
                if (out[written] != '\0') fail_msg("%u bytes: no NUL", len);
            }
            free(out);
        }
    }
}

static void content_types(void **state) {
    (void)state;
    static const char *const good[] = {"application/grpc", "application/grpc+proto", "application/grpc+",
                                       "application/grpc;charset=utf-8", "Application/GRPC"};
    static const char *const bad[] = {"",
                                      "application/grp",
                                      "application/grpc-web",
                                      "application/grpc-web+proto",
                                      "application/grpcx",
                                      "application/json",
                                      " application/grpc",
                                      "text/grpc"};
    for (size_t i = 0; i < ROWS(good); i++)
        if (!content_type_is_grpc(text_of(good[i]))) fail_msg("%s is refused", good[i]);
    for (size_t i = 0; i < ROWS(bad); i++)
        if (content_type_is_grpc(text_of(bad[i]))) fail_msg("%s is taken", bad[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timeouts),        cmocka_unit_test(no_timeouts),
        cmocka_unit_test(status_messages), cmocka_unit_test(messages_that_are_cut),
        cmocka_unit_test(binary_values),   cmocka_unit_test(binary_values_both_ways),
        cmocka_unit_test(content_types),
    };
    return cmocka_run_group_tests_name("net: gRPC's header texts", tests, NULL, NULL);
}
