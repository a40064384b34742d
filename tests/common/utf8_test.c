/* UTF-8, against a decoder that is written from RFC 3629's ranges of code points. */
#include "common/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants some of the above first. */
#include <cmocka.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(every_short_sequence),
        cmocka_unit_test(faults_are_found_at_every_place),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
