/* Flow control (RFC 9113, 5.2 and 6.9): windows that are shut, opened byte by byte, passed and overflown; and that
 * every byte of a window comes back. */
#include "net/stream.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static struct rig rig;

static void set_initial_window(struct h2 *h2, uint32_t bytes) {
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, bytes}}, 1);
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
}

static uint32_t ask_many(struct h2 *h2, unsigned count, unsigned size) {
    char request[64];
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_MANY}, 0);
    snprintf(request, sizeof request, "%u %u", count, size);
    grpc_send(h2, id, text_of(request), H2_END_STREAM);
    return id;
}

static void expect_many(struct h2 *h2, uint32_t id, size_t count, const char *what) {
    if (!h2_await_stream_end(h2, id, 0)) fail_msg("%s: the call does not end", what);
    struct grpc_result result = grpc_result(h2, id);
    if (result.code != 0 || result.messages != count)
        fail_msg("%s: status %d '%s', %zu messages; expected %zu", what, result.code, result.message, result.messages,
                 count);
}

static void expect_body(struct h2 *h2, uint32_t id, size_t len, const char *what) {
    h2_read_all(h2);
    if (h2_stream(h2, id)->body_len != len)
        fail_msg("%s: %zu bytes came, expected %zu", what, h2_stream(h2, id)->body_len, len);
}

/* Headers need no window, nor do trailers. */
static void a_shut_stream_is_opened_byte_by_byte(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    set_initial_window(h2, 0);
    uint32_t id = ask_many(h2, 2, 20);
    if (!h2_await_headers(h2, id, 0)) fail_msg("headers wait for a window");
    expect_body(h2, id, 0, "a shut window");
    for (size_t i = 1; i <= 50; i++) {
        h2_write_window(h2, id, 1);
        expect_body(h2, id, i, "byte by byte");
    }
    expect_many(h2, id, 2, "byte by byte");
    uint32_t failed = grpc_begin(h2, &(struct grpc_request){.path = ECHO_FAIL}, 0);
    grpc_send(h2, failed, text_of("5 not here"), H2_END_STREAM);
    if (!h2_await_stream_end(h2, failed, 0) || grpc_result(h2, failed).code != 5)
        fail_msg("a refusal waits for a window");
    h2_close(h2);
}

static void a_shut_connection_is_opened_byte_by_byte(void **state) {
    (void)state;
    enum { SIZE = 100000, TOTAL = GRPC_PREFIX + SIZE };
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    set_initial_window(h2, 1 << 20);
    uint32_t id = ask_many(h2, 1, SIZE), other;
    expect_body(h2, id, H2_WINDOW, "the window of the connection");
    for (size_t i = 1; i <= 100; i++) {
        h2_write_window(h2, 0, 1);
        expect_body(h2, id, H2_WINDOW + i, "byte by byte");
    }
    /* What needs no window goes on beside it. */
    other = grpc_begin(h2, &(struct grpc_request){.path = ECHO_FAIL}, 0);
    grpc_send(h2, other, text_of("5 not here"), H2_END_STREAM);
    if (!h2_await_stream_end(h2, other, 0) || grpc_result(h2, other).code != 5)
        fail_msg("a refusal waits for the window of the connection");
    h2_write_window(h2, 0, TOTAL);
    expect_many(h2, id, 1, "opened");
    h2_close(h2);
}

/* RFC 9113, 6.9.2: a window may become negative by SETTINGS; nothing is sent until it is positive again. */
static void a_window_may_become_negative(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    set_initial_window(h2, 1000);
    uint32_t id = ask_many(h2, 1, 3000);
    expect_body(h2, id, 1000, "a window of 1000");
    h2->initial_window = 10; /* its own account of the window cannot follow below zero */
    h2_write_frame(h2, H2_SETTINGS, 0, 0, "\0\4\0\0\0\012", 6);
    h2_stream(h2, id)->receive_window = 1 << 20;
    h2_write_window(h2, id, 990);
    expect_body(h2, id, 1000, "a window of 0, after -990");
    h2_write_window(h2, id, 1);
    expect_body(h2, id, 1001, "a window of 1");
    h2_write_frame(h2, H2_SETTINGS, 0, 0, "\0\4\0\0\x17\x70", 6); /* 6000 */
    expect_many(h2, id, 1, "an open window");
    h2_close(h2);
}

static void a_cancelled_call_that_waits_for_a_window_is_freed(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    set_initial_window(h2, 0);
    size_t before = rig_bytes(&rig);
    for (int i = 0; i < 50; i++) {
        uint32_t id = ask_many(h2, 1, 20000);
        if (!h2_await_headers(h2, id, 0)) fail_msg("no headers");
        h2_write_reset(h2, id, NGHTTP2_CANCEL);
    }
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    if (rig.echo.opened != rig.echo.closed) fail_msg("%u calls are open", rig.echo.opened - rig.echo.closed);
    if (rig_bytes(&rig) > before) fail_msg("%zu bytes are owned of cancelled calls", rig_bytes(&rig) - before);
    h2_close(h2);
}

/* ---- what the server takes ---- */

static void the_window_of_a_stream_is_returned(void **state) {
    (void)state;
    enum { MESSAGES = 300, SIZE = 10000 };
    char text[64], *bytes = calloc(1, SIZE);
    struct text message;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_COLLECT}, 0);
    for (int i = 0; i < MESSAGES; i++)
        if (!grpc_send(h2, id, (struct text){bytes, SIZE}, 0))
            fail_msg("message %d is not taken: the window of the stream is %lld, of the connection %lld", i,
                     (long long)h2_stream(h2, id)->window, (long long)h2->window);
    grpc_half_close(h2, id);
    free(bytes);
    expect_many(h2, id, 1, "3 MB");
    snprintf(text, sizeof text, "%d %d", MESSAGES, MESSAGES * SIZE);
    if (!grpc_message_at(h2, id, 0, &message) || !text_equal(message, text_of(text))) fail_msg("not '%s'", text);
    h2_close(h2);
}

/* What comes for a call that is over, was refused or cancelled, is not read by anybody, but its window comes back. */
static void the_window_of_ignored_data_is_returned(void **state) {
    (void)state;
    enum { CALLS = 60, SIZE = 8000 };
    static const char *const paths[] = {"/test.Echo/None", ECHO_UNARY, ECHO_COLLECT, ECHO_UNARY};
    struct h2 *h2 = rig_greet(&rig);
    uint8_t *bytes = calloc(1, SIZE);
    for (int i = 0; i < CALLS; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = paths[i % 4]}, 0);
        bytes[1] = i % 4 == 3 ? 0xff : 0; /* a message above every limit */
        bytes[3] = SIZE >> 8;
        for (int n = 0; n < 3; n++) h2_write_frame(h2, H2_DATA, n == 2 ? H2_END_STREAM : 0, id, bytes, SIZE);
        if (i % 4 == 2) h2_write_reset(h2, id, NGHTTP2_CANCEL);
        if (!h2_round_trip(h2, 0))
            fail_msg("call %d: GOAWAY %u, error %u '%s'", i, h2->goaways, h2->goaway_error, h2->goaway_debug);
        if (h2->window < 3 * SIZE)
            fail_msg("the window of the connection is %lld after call %d", (long long)h2->window, i);
    }
    free(bytes);
    h2_close(h2);
}

/* Padding counts as DATA does. */
static void the_window_of_padding_is_returned(void **state) {
    (void)state;
    enum { FRAMES = 1000 };
    uint8_t padding[256] = {255};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_COLLECT}, 0);
    for (int i = 0; i < FRAMES; i++) {
        /* With a message in it, so that it is no empty frame. */
        uint8_t frame[GRPC_PREFIX + 256] = {255};
        memcpy(frame + 1 + GRPC_PREFIX, padding + 1, 250);
        if (h2->window < 261 || h2_stream(h2, id)->window < 261) h2_read_all(h2);
        if (h2->window < 261 || h2_stream(h2, id)->window < 261)
            fail_msg("frame %d: the window is %lld, of the connection %lld", i, (long long)h2_stream(h2, id)->window,
                     (long long)h2->window);
        h2_write_frame(h2, H2_DATA, H2_PADDED, id, frame, sizeof frame);
    }
    grpc_half_close(h2, id);
    expect_many(h2, id, 1, "padded messages");
    h2_close(h2);
}

/* ---- what breaks the rules ---- */

static void expect_goaway(struct h2 *h2, uint32_t error, const char *what) {
    h2_await_end(h2, 0);
    if (h2->goaways == 0 || h2->goaway_error != error)
        fail_msg("%s: %u GOAWAYs, error %u '%s'; expected error %u", what, h2->goaways, h2->goaway_error,
                 h2->goaway_debug, error);
    if (!h2->is_ended) fail_msg("%s: the connection is kept", what);
}

static void an_overflown_window_of_a_stream_resets_it(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    h2_write_window(h2, id, INT32_MAX);
    if (!h2_await_stream_end(h2, id, 0) || h2_stream(h2, id)->reset_error != NGHTTP2_FLOW_CONTROL_ERROR)
        fail_msg("an overflown window: error %u", h2_stream(h2, id)->reset_error);
    uint32_t other = ask_many(h2, 1, 10);
    expect_many(h2, other, 1, "after an overflown window");
    h2_close(h2);
}

static void an_overflown_window_of_the_connection_ends_it(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2_write_window(h2, 0, INT32_MAX);
    expect_goaway(h2, NGHTTP2_FLOW_CONTROL_ERROR, "an overflown window of the connection");
    h2_close(h2);
}

/* A stream error may be one of the connection (RFC 9113, 5.4.2). */
static void a_window_of_nothing_is_an_error(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    h2_write_window(h2, id, 0);
    h2_await_stream_end(h2, id, 0);
    uint32_t error = h2->goaways > 0 ? h2->goaway_error : h2_stream(h2, id)->reset_error;
    if (error != NGHTTP2_PROTOCOL_ERROR) fail_msg("WINDOW_UPDATE of 0: error %u", error);
    h2_close(h2);
    h2 = rig_greet(&rig);
    h2_write_window(h2, 0, 0);
    expect_goaway(h2, NGHTTP2_PROTOCOL_ERROR, "WINDOW_UPDATE of 0 for the connection");
    h2_close(h2);
}

/* A client that ignores the window that the server gave. */
static void data_beyond_the_window_ends_the_connection(void **state) {
    (void)state;
    static uint8_t bytes[H2_FRAME_BYTES];
    struct h2 *h2 = rig_greet(&rig);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_COLLECT}, 0);
    if (!h2_round_trip(h2, 0)) fail_msg("no PONG");
    /* All at once, before the server can return anything. */
    int64_t window = h2_stream(h2, id)->window;
    h2_hold(h2);
    for (int64_t sent = 0; sent <= 2 * window + 2 * H2_FRAME_BYTES; sent += (int64_t)sizeof bytes)
        h2_write_frame(h2, H2_DATA, 0, id, bytes, sizeof bytes);
    h2_release(h2);
    h2_await_end(h2, 0);
    bool is_refused = h2_stream(h2, id)->reset_error == NGHTTP2_FLOW_CONTROL_ERROR ||
                      (h2->goaways > 0 && h2->goaway_error == NGHTTP2_FLOW_CONTROL_ERROR);
    /* A server that reads in pieces may have returned some in time; then all was within the windows. */
    if (!is_refused && h2_stream(h2, id)->window < 0) fail_msg("DATA beyond the window is taken");
    h2_close(h2);
}

/* ---- a client that asks and does not read ---- */

static void what_is_unread_is_bounded(void **state) {
    (void)state;
    enum { MESSAGES = 2000, SIZE = 10000, BOUND = 2 * STREAM_OUT_BYTES_MAX };
    char *bytes = calloc(1, SIZE);
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    set_initial_window(h2, 0);
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ECHO_STREAM}, 0);
    size_t most = 0, sent = 0;
    while (sent < MESSAGES && grpc_send(h2, id, (struct text){bytes, SIZE}, 0)) {
        sent++;
        if (rig_bytes(&rig) > most) most = rig_bytes(&rig);
    }
    free(bytes);
    if (sent == MESSAGES) fail_msg("20 MB are taken of a client that reads nothing");
    if (most > BOUND) fail_msg("%zu bytes are owned for a client that reads nothing, at most %d", most, BOUND);
    /* Once it reads, all goes on. */
    h2->keeps_windows = false;
    if (h2_stream(h2, id)->is_reset || h2->is_ended) {
        h2_close(h2);
        return;
    }
    h2_write_window(h2, id, 64 << 20);
    h2_write_window(h2, 0, 64 << 20);
    if (!grpc_await_messages(h2, id, sent, 0)) fail_msg("what was kept does not come");
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
        TEST(a_shut_stream_is_opened_byte_by_byte),
        TEST(a_shut_connection_is_opened_byte_by_byte),
        TEST(a_window_may_become_negative),
        TEST(a_cancelled_call_that_waits_for_a_window_is_freed),
        TEST(the_window_of_a_stream_is_returned),
        TEST(the_window_of_ignored_data_is_returned),
        TEST(the_window_of_padding_is_returned),
        TEST(an_overflown_window_of_a_stream_resets_it),
        TEST(an_overflown_window_of_the_connection_ends_it),
        TEST(a_window_of_nothing_is_an_error),
        TEST(data_beyond_the_window_ends_the_connection),
        TEST(what_is_unread_is_bounded),
    };
    return cmocka_run_group_tests_name("gRPC: windows", tests, NULL, NULL);
}
