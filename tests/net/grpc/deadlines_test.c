/* How long a connection may take to say something whole, and to say something at all; on a clock that the test sets. */
#include "rig.h"
#include "support/hpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* As agreed: 5 s for the preface, 10 s for headers, 10 s for a message. Each is found within STEP_MS and a heartbeat.
 */
enum { PREFACE_MS = 5000, HEADERS_MS = 10000, BODY_MS = 10000, IDLE_MS = 30000, STEP_MS = 250, LATE_MS = 1500 };
enum { KEEPALIVE_MS = 60000, KEEPALIVE_ANSWER_MS = 20000 };

static struct rig rig;

static void expect_open(struct h2 *h2, const char *what) {
    h2_read_all(h2);
    if (h2->is_ended) fail_msg("%s: the connection is closed", what);
}

static void expect_closed(struct h2 *h2, const char *what) {
    if (!h2_await_end(h2, 0)) fail_msg("%s: the connection is kept", what);
    rig_turn(&rig, 2);
    if (rig_connections(&rig) != 0) fail_msg("%s: %zu connections are counted", what, rig_connections(&rig));
}

static void pass(struct h2 *h2, uint64_t ms) {
    for (; ms > 0; ms -= ms < STEP_MS ? ms : STEP_MS) {
        rig_pass(&rig, ms < STEP_MS ? ms : STEP_MS, STEP_MS);
        h2_read_all(h2);
    }
}

/* ---- the preface ---- */

static void a_connection_that_says_nothing_is_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    pass(h2, PREFACE_MS - 500);
    expect_open(h2, "before the deadline");
    pass(h2, 500 + LATE_MS);
    expect_closed(h2, "no preface");
    h2_close(h2);
}

/* Bytes that trickle restart no deadline. */
static void a_preface_that_trickles_is_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    for (int i = 0; i < (PREFACE_MS + LATE_MS) / 500 && !h2->is_ended; i++) {
        h2_write(h2, &H2_PREFACE[i], 1);
        pass(h2, 500);
    }
    expect_closed(h2, "a preface that trickles");
    h2_close(h2);
}

/* The preface has two halves: without SETTINGS it is not whole. */
static void a_preface_without_settings_is_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    h2_write(h2, H2_PREFACE, H2_PREFACE_BYTES);
    pass(h2, PREFACE_MS + LATE_MS);
    expect_closed(h2, "no SETTINGS");
    h2_close(h2);
}

static void what_is_no_preface_is_closed_at_once(void **state) {
    (void)state;
    static const char *const greetings[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r ",
                                            "\x16\x03\x01\x02", "XRI"};
    for (size_t i = 0; i < sizeof greetings / sizeof *greetings; i++) {
        struct h2 *h2 = rig_connect(&rig);
        h2_write(h2, greetings[i], strlen(greetings[i]));
        expect_closed(h2, greetings[i]);
        h2_close(h2);
    }
}

/* ---- idle ---- */

static void a_connection_that_asks_nothing_is_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    pass(h2, IDLE_MS - 1000);
    expect_open(h2, "before the deadline");
    pass(h2, 1000 + LATE_MS);
    expect_closed(h2, "no request");
    h2_close(h2);
}

/* ---- headers ---- */

static void headers_that_never_end_are_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    struct hpack block = {.len = 0};
    hpack_request(&block, ECHO_UNARY);
    h2_write_frame(h2, H2_HEADERS, 0, h2_new_stream(h2), block.bytes, block.len);
    pass(h2, HEADERS_MS + LATE_MS);
    expect_closed(h2, "HEADERS without an end");
    h2_close(h2);
    hpack_free(&block);
}

/* Each byte of a frame restarts no deadline. */
static void headers_that_trickle_are_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    struct hpack block = {.len = 0};
    hpack_request(&block, ECHO_UNARY);
    h2_write_header(h2, block.len, H2_HEADERS, H2_END_HEADERS, h2_new_stream(h2));
    for (size_t i = 0; i < 2 * (HEADERS_MS + LATE_MS) / 1000 && !h2->is_ended; i++) {
        h2_write(h2, block.bytes + i, 1);
        pass(h2, 500);
    }
    expect_closed(h2, "a HEADERS that trickles");
    h2_close(h2);
    hpack_free(&block);
}

/* A frame header that is not whole; and a frame of another kind that trickles. */
static void frames_that_trickle_are_closed(void **state) {
    (void)state;
    static const uint8_t kinds[] = {H2_PING, H2_SETTINGS, H2_WINDOW_UPDATE, H2_HEADERS};
    for (size_t i = 0; i < sizeof kinds; i++) {
        struct h2 *h2 = rig_greet(&rig);
        grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY}, text_of("x"), NULL);
        if (i == 0) h2_write(h2, "\0\0", 2);
        else h2_write_header(h2, kinds[i] == H2_WINDOW_UPDATE ? 4 : 600, kinds[i], 0, kinds[i] == H2_HEADERS ? 3 : 0);
        for (int n = 0; n < (HEADERS_MS + 2 * LATE_MS) / 1000 && !h2->is_ended; n++) {
            if (n > 0 && i > 1 && kinds[i] != H2_WINDOW_UPDATE) h2_write(h2, "\0", 1);
            pass(h2, 1000);
        }
        expect_closed(h2, "a frame that trickles");
        h2_close(h2);
    }
}

/* ---- messages ---- */

static void a_message_that_trickles_ends_its_call(void **state) {
    (void)state;
    static const char *const paths[] = {ECHO_UNARY, ECHO_STREAM, ECHO_COLLECT};
    for (size_t p = 0; p < 3; p++) {
        struct h2 *h2 = rig_greet(&rig);
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[p]}, 0);
        h2_write_frame(h2, H2_DATA, 0, id, "\0\0\0\1\0", 5);
        for (int i = 0; i < (BODY_MS + 2 * LATE_MS) / 1000 && !h2->is_ended && !h2_stream(h2, id)->has_ended; i++) {
            h2_write_frame(h2, H2_DATA, 0, id, "x", 1);
            pass(h2, 1000);
        }
        h2_read_all(h2);
        if (!h2->is_ended && !h2_stream(h2, id)->has_ended)
            fail_msg("%s: a message that trickles is waited for", paths[p]);
        if (rig.echo.opened != rig.echo.closed) fail_msg("%s: the call is not closed", paths[p]);
        h2_close(h2);
        rig_turn(&rig, 2);
    }
}

/* Headers came, and not a byte of the message that a unary call has. */
static void a_message_that_never_begins_ends_its_call(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_UNARY}, 0);
    pass(h2, BODY_MS + 2 * LATE_MS);
    if (!h2->is_ended && !h2_stream(h2, id)->has_ended) fail_msg("a message that never begins is waited for");
    if (rig.echo.opened != rig.echo.closed) fail_msg("the call is not closed");
    h2_close(h2);
}

/* No deadline is for a stream between two messages. */
static void a_stream_may_rest_between_messages(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    for (size_t i = 1; i <= 5; i++) {
        grpc_send(h2, id, text_of("x"), 0);
        if (!grpc_await_messages(h2, id, i, 0)) fail_msg("message %zu does not come back", i);
        pass(h2, 3 * BODY_MS);
    }
    grpc_half_close(h2, id);
    if (!h2_await_stream_end(h2, id, 0) || grpc_result(h2, id).code != 0) fail_msg("the stream does not end well");
    h2_close(h2);
}

/* ---- keepalive ---- */

/* Who was heard while its time ran gets the same time again: a PING comes after at most twice the time. */
static void a_silent_connection_is_pinged(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, 0);
    grpc_send(h2, id, text_of("x"), H2_END_STREAM);
    pass(h2, KEEPALIVE_MS - 2000);
    if (h2->pings != 0) fail_msg("%u PINGs came within a minute", h2->pings);
    pass(h2, KEEPALIVE_MS + 2000 + LATE_MS);
    if (h2->pings == 0) fail_msg("no PING came in two minutes of silence");
    pass(h2, 10 * KEEPALIVE_MS);
    expect_open(h2, "PINGs were answered");
    if (h2_stream(h2, id)->has_ended) fail_msg("the call is ended");
    if (h2->pings < 5) fail_msg("%u PINGs came in twelve minutes", h2->pings);
    h2_close(h2);
}

static void a_dead_connection_is_closed(void **state) {
    (void)state;
    for (int with_call = 0; with_call < 2; with_call++) {
        struct h2 *h2 = rig_greet(&rig);
        h2->keeps_pings = true;
        if (with_call != 0) {
            uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_SLEEP}, 0);
            grpc_send(h2, id, text_of("x"), H2_END_STREAM);
        } else {
            grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY}, text_of("x"), NULL);
        }
        pass(h2, KEEPALIVE_MS + KEEPALIVE_ANSWER_MS - 2000);
        expect_open(h2, "before the deadline");
        pass(h2, KEEPALIVE_MS + 2000 + 2 * LATE_MS);
        expect_closed(h2, "no PONG");
        if (rig.echo.opened != rig.echo.closed) fail_msg("its call is not closed");
        h2_close(h2);
    }
}

/* SETTINGS are not acknowledged: the calls are served all the same. */
static void a_client_that_acknowledges_no_settings_is_served(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    h2->keeps_settings = true;
    h2_greet(h2);
    for (int i = 0; i < 5; i++) {
        struct grpc_result result = grpc_ask(h2, &(struct grpc_request){.path = ECHO_UNARY}, text_of("x"), NULL);
        if (result.code != 0) fail_msg("status %d '%s'", result.code, result.message);
        pass(h2, 100);
    }
    h2_close(h2);
}

static int start(void **state) {
    (void)state;
    rig_open(&rig, NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    rig_close(&rig);
    return 0;
}

int main(int argc, char *argv[]) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        TEST(a_connection_that_says_nothing_is_closed),
        TEST(a_preface_that_trickles_is_closed),
        TEST(a_preface_without_settings_is_closed),
        TEST(what_is_no_preface_is_closed_at_once),
        TEST(a_connection_that_asks_nothing_is_closed),
        TEST(headers_that_never_end_are_closed),
        TEST(headers_that_trickle_are_closed),
        TEST(frames_that_trickle_are_closed),
        TEST(a_message_that_trickles_ends_its_call),
        TEST(a_message_that_never_begins_ends_its_call),
        TEST(a_stream_may_rest_between_messages),
        TEST(a_silent_connection_is_pinged),
        TEST(a_dead_connection_is_closed),
        TEST(a_client_that_acknowledges_no_settings_is_served),
    };
    return cmocka_run_group_tests_name("gRPC: deadlines", tests, NULL, NULL);
}
