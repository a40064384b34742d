/* What connections of the door keep: counted, capped, and given up by who keeps it for longest. */
#include "rig.h"

#include "muster/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 10000, MIB = 1 << 20, MOST = MIB - 1000 };

static struct rig rig;
static char bytes[MIB];

static int start(void **state) {
    (void)state;
    memset(bytes, 'b', sizeof bytes);
    rig_open(&rig, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    rig_close(&rig);
    return 0;
}

static const struct grpc_request unary = {.path = ECHO_UNARY};

/* Sends most of a message of a mebibyte; false: the call was refused meanwhile. */
static bool send_most(struct h2 *h2, uint32_t stream) {
    enum { PART = 16000 };
    static const uint8_t prefix[] = {0, 0, 0x10, 0, 0};
    h2_write_frame(h2, H2_DATA, 0, stream, prefix, sizeof prefix);
    for (size_t at = 0; at < MOST; at += PART) {
        if (h2_stream(h2, stream)->has_ended) return false;
        size_t some = MOST - at < PART ? MOST - at : PART;
        while (h2->window < PART || h2_stream(h2, stream)->window < PART) { /* the door gives them back */
            rig_turn(&rig, 1);
            h2_read_all(h2);
            if (h2_stream(h2, stream)->has_ended) return false;
        }
        h2_write_frame(h2, H2_DATA, 0, stream, bytes, some);
        rig_turn(&rig, 1);
        h2_read_all(h2);
    }
    return true;
}

static void a_connection_keeps_eight_mebibytes_at_most(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    unsigned refused = 0;
    for (int i = 0; i < 12; i++) {
        uint32_t stream = grpc_begin(h2, &unary, 0);
        if (send_most(h2, stream)) continue;
        refused++;
        if (grpc_result(h2, stream).code != MUSTER_RESOURCE_EXHAUSTED)
            fail_msg("code %d", grpc_result(h2, stream).code);
        if (rig_bytes(&rig) > MUSTER_GRPC_CONNECTION_BYTES_MAX) fail_msg("%zu bytes are kept", rig_bytes(&rig));
    }
    if (refused < 3 || refused > 6) fail_msg("%u of 12 are refused", refused);
    if (grpc_ask(h2, &unary, text_of("small"), NULL).code != 0) fail_msg("nothing else is answered");
    h2_close(h2);
}

static void who_keeps_parts_for_longest_makes_room(void **state) {
    (void)state;
    enum { CONNECTIONS = 14, EACH = 6 };
    struct h2 *others[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        others[i] = rig_greet(&rig);
        for (int j = 0; j < EACH; j++)
            if (!send_most(others[i], grpc_begin(others[i], &unary, 0))) fail_msg("%d %d: a newcomer is refused", i, j);
        if (rig_bytes(&rig) > LOOPS_BYTES_MAX) fail_msg("%zu bytes are kept", rig_bytes(&rig));
    }
    h2_read_all(others[0]);
    if (grpc_result(others[0], 1).code != MUSTER_RESOURCE_EXHAUSTED) fail_msg("the first still keeps its part");
    for (int i = 0; i < CONNECTIONS; i++) h2_close(others[i]);
}

static void who_leaves_answers_unread_makes_room(void **state) {
    (void)state;
    enum { CONNECTIONS = 50 };
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    const struct grpc_request many = {.path = ECHO_MANY};
    struct h2 *others[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        others[i] = rig_greet(&rig);
        h2_write_settings(others[i], &shut, 1);
        grpc_send(others[i], grpc_begin(others[i], &many, 0), text_of("3 600000"), H2_END_STREAM);
        rig_turn(&rig, 2);
        if (rig_bytes(&rig) > LOOPS_BYTES_MAX) fail_msg("%zu bytes are kept", rig_bytes(&rig));
    }
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream;
    if (grpc_ask(h2, &many, text_of("1 1000000"), &stream).code != 0) fail_msg("a newcomer is refused");
    if (door_figures(rig.door).ended[STREAM_UNREAD] == 0) fail_msg("nobody was ended");
    h2_close(h2);
    for (int i = 0; i < CONNECTIONS; i++) h2_close(others[i]);
}

static void headers_that_are_kept_are_counted(void **state) {
    (void)state;
    enum { CALLS = 200, BYTES = 15000 };
    static char value[BYTES + 1];
    const struct h2_field metadata = {"x-large", value};
    const struct grpc_request large = {.path = ECHO_UNARY, .metadata = &metadata, .metadata_count = 1};
    memset(value, 'v', BYTES);
    struct h2 *h2 = rig_greet(&rig);
    uint32_t streams[CALLS];
    for (int i = 0; i < CALLS; i++) {
        streams[i] = grpc_begin(h2, &large, 0);
        rig_turn(&rig, 1);
        h2_read_all(h2);
    }
    if (rig_bytes(&rig) < CALLS * BYTES) fail_msg("%zu bytes are counted", rig_bytes(&rig));
    grpc_send(h2, streams[7], text_of("x"), H2_END_STREAM);
    if (!h2_await_stream_end(h2, streams[7], WAIT_MS) || grpc_result(h2, streams[7]).code != 0) fail_msg("no answer");
    h2_close(h2);
}

static void who_keeps_headers_for_longest_makes_room(void **state) {
    (void)state;
    enum { CONNECTIONS = 20, CALLS = 250, BYTES = 15000 };
    static char value[BYTES + 1];
    const struct h2_field metadata = {"x-large", value};
    const struct grpc_request large = {.path = ECHO_UNARY, .metadata = &metadata, .metadata_count = 1};
    struct h2 *others[CONNECTIONS];
    memset(value, 'v', BYTES);
    for (int i = 0; i < CONNECTIONS; i++) {
        others[i] = rig_greet(&rig);
        for (int j = 0; j < CALLS; j++) {
            (void)grpc_begin(others[i], &large, 0);
            rig_turn(&rig, 1);
        }
        h2_read_all(others[i]);
    }
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream = grpc_begin(h2, &unary, 0);
    if (!send_most(h2, stream)) fail_msg("a newcomer is refused: %s", grpc_result(h2, stream).message);
    h2_close(h2);
    for (int i = 0; i < CONNECTIONS; i++) h2_close(others[i]);
}

static void calls_are_limited_on_all_connections_together(void **state) {
    (void)state;
    enum { CALLS = 2 * MUSTER_GRPC_CALLS_SPARED };
    const struct grpc_door_config config = {.calls_max = CALLS};
    const struct grpc_request sleep = {.path = ECHO_SLEEP};
    rig_close(&rig);
    rig_open(&rig, &config);
    struct h2 *h2 = rig_greet(&rig), *other = rig_greet(&rig);
    uint32_t first = 0;
    for (int i = 0; i < CALLS; i++) {
        uint32_t stream = grpc_begin(h2, &sleep, 0);
        grpc_send(h2, stream, text_of("x"), H2_END_STREAM);
        if (i == 0) first = stream;
    }
    rig_turn(&rig, 2);
    int code = grpc_ask(h2, &unary, text_of("x"), NULL).code;
    if (code != MUSTER_RESOURCE_EXHAUSTED) fail_msg("one too many: code %d", code);
    code = grpc_ask(other, &unary, text_of("x"), NULL).code;
    if (code != 0) fail_msg("who has none yet: code %d", code);
    h2_write_reset(h2, first, 8);
    rig_turn(&rig, 2);
    if (grpc_ask(h2, &unary, text_of("x"), NULL).code != 0) fail_msg("not answered once there is a place");
    h2_close(h2);
    h2_close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_connection_keeps_eight_mebibytes_at_most), TEST(who_keeps_parts_for_longest_makes_room),
        TEST(who_leaves_answers_unread_makes_room),       TEST(headers_that_are_kept_are_counted),
        TEST(who_keeps_headers_for_longest_makes_room),   TEST(calls_are_limited_on_all_connections_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
