/* The wire of SP: greetings, frames, and the headers of requests. */
#include "net/sp/frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { PAYLOAD_MAX = 1000 };

static void greetings(void **state) {
    (void)state;
    uint8_t greeting[SP_GREETING_BYTES];
    sp_greeting_write(SP_REQ, greeting);
    if (memcmp(greeting, "\0SP\0\0\x30\0\0", SP_GREETING_BYTES) != 0) fail_msg("another greeting is written");
    for (size_t len = 0; len <= SP_GREETING_BYTES; len++) {
        enum sp_verdict expected = len < SP_GREETING_BYTES ? SP_MORE : SP_WHOLE;
        if (sp_greeting_read(greeting, len, SP_REQ) != expected) fail_msg("%zu bytes of a greeting", len);
        if (len > 5 && sp_greeting_read(greeting, len, SP_REP) != SP_BAD) fail_msg("another protocol is let in");
    }
    for (size_t i = 0; i < SP_GREETING_BYTES; i++) {
        greeting[i] ^= 1;
        for (size_t len = 0; len <= SP_GREETING_BYTES; len++) {
            enum sp_verdict expected = len > i ? SP_BAD : SP_MORE;
            if (sp_greeting_read(greeting, len, SP_REQ) != expected)
                fail_msg("byte %zu is wrong, %zu are read", i, len);
        }
        greeting[i] ^= 1;
    }
}

static void expect_frame(bool is_ipc, size_t payload_len) {
    uint8_t bytes[SP_PREFIX_BYTES_MAX + PAYLOAD_MAX + 1] = {0};
    struct sp_frame frame;
    size_t prefix = sp_prefix_write(is_ipc, payload_len, bytes), total = prefix + payload_len;
    if (prefix != (is_ipc ? 9u : 8u)) fail_msg("a prefix of %zu bytes", prefix);
    for (size_t len = 0; len <= total + 1; len++) {
        enum sp_verdict verdict = sp_frame_read(bytes, len, is_ipc, PAYLOAD_MAX, &frame);
        if (verdict != (len < total ? SP_MORE : SP_WHOLE)) fail_msg("%zu of %zu bytes: %d", len, total, verdict);
        if (frame.total != (len < prefix ? prefix : total)) fail_msg("%zu of %zu: wants %zu", len, total, frame.total);
        if (verdict == SP_WHOLE && (frame.payload != bytes + prefix || frame.payload_len != payload_len))
            fail_msg("%zu of %zu bytes: another payload", len, total);
    }
}

static void frames(void **state) {
    (void)state;
    for (size_t len = 0; len <= PAYLOAD_MAX; len += len < 20 ? 1 : 49) {
        expect_frame(false, len);
        expect_frame(true, len);
    }
}

static void lengths_above_the_limit(void **state) {
    (void)state;
    static const uint64_t lengths[] = {PAYLOAD_MAX + 1, UINT32_MAX,      UINT64_C(1) << 32,
                                       INT64_MAX,       UINT64_MAX - 32, UINT64_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        for (int is_ipc = 0; is_ipc < 2; is_ipc++) {
            uint8_t bytes[SP_PREFIX_BYTES_MAX];
            struct sp_frame frame;
            size_t len = sp_prefix_write(is_ipc != 0, lengths[i], bytes);
            if (sp_frame_read(bytes, len, is_ipc != 0, PAYLOAD_MAX, &frame) != SP_BAD || frame.total != 0)
                fail_msg("a length of %llx is waited for", (unsigned long long)lengths[i]);
        }
    struct sp_frame frame;
    if (sp_frame_read((const uint8_t *)"\2", 1, true, PAYLOAD_MAX, &frame) != SP_BAD) fail_msg("ipc: 02 is let in");
}

/* As docs/protocol.md has it: up to eight words, then the id. */
static void headers(void **state) {
    (void)state;
    uint8_t payload[4 * 12] = {0};
    for (size_t hops = 0; hops < 12; hops++) {
        payload[4 * hops] = 0x80;
        for (size_t len = 0; len <= sizeof payload; len++) {
            size_t whole = 4 * (hops + 1), expected = len >= whole && hops <= SP_HOPS_MAX ? whole : 0;
            if (sp_header_len(payload, len) != expected)
                fail_msg("%zu hops, %zu bytes: a header of %zu bytes", hops, len, sp_header_len(payload, len));
        }
        payload[4 * hops] = 0x7f;
    }
    if (sp_header_len(payload, sizeof payload) != 0) fail_msg("a header without an id");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greetings),
        cmocka_unit_test(frames),
        cmocka_unit_test(lengths_above_the_limit),
        cmocka_unit_test(headers),
    };
    return cmocka_run_group_tests_name("net: frames", tests, NULL, NULL);
}
