/* HTTP/2 as clients of gRPC seldom speak it (RFC 9113): what h2spec leaves out. */
#include "muster/limits.h"
#include "rig.h"
#include "support/hpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static struct rig rig;

static const struct grpc_request unary = {.path = ECHO_UNARY}, many = {.path = ECHO_MANY};

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

static void expect_code(struct h2 *h2, uint32_t stream, int code, const char *what) {
    if (!h2_await_stream_end(h2, stream, 0)) fail_msg("%s: the call does not end", what);
    const struct grpc_result result = grpc_result(h2, stream);
    if (result.code != code) fail_msg("%s: code %d (%s), expected %d", what, result.code, result.message, code);
}

static void expect_served(struct h2 *h2, const char *after) {
    const struct grpc_result result = grpc_ask(h2, &unary, text_of("x"), NULL);
    if (result.code != 0) fail_msg("after %s: code %d (%s)", after, result.code, result.message);
}

/* ---- requests that are malformed, or none of gRPC ---- */

/* The fields of a request, in this order; NULL: one less. */
static uint32_t send_request(struct h2 *h2, const struct h2_field fields[], uint8_t flags) {
    uint32_t stream = h2_new_stream(h2);
    size_t count = 0;
    while (fields[count].name != NULL) count++;
    h2_write_headers(h2, flags, stream, fields, count);
    return stream;
}

#define USUAL                                                                                                          \
    {":method", "POST"}, {":scheme", "http"}, {":path", ECHO_UNARY}, {                                                 \
        ":authority", "a"                                                                                              \
    }
#define GRPC                                                                                                           \
    {"content-type", "application/grpc"}, {                                                                            \
        "te", "trailers"                                                                                               \
    }

/* Each is an error of its stream alone (RFC 9113, 8.1.1), and reaches no service. */
static void malformed_requests_are_reset(void **state) {
    (void)state;
    static const struct h2_field cases[][10] = {
        {USUAL, {":path", ECHO_UNARY}, GRPC},
        {{":method", "POST"}, {":scheme", "http"}, {":authority", "a"}, GRPC},
        {{":method", "POST"}, {":path", ECHO_UNARY}, {":authority", "a"}, GRPC},
        {{":method", "POST"}, {":scheme", "http"}, {":path", ""}, GRPC},
        {USUAL, {":unknown", "x"}, GRPC},
        {USUAL, GRPC, {":status", "200"}},
        {USUAL, {"connection", "keep-alive"}, GRPC},
        {USUAL, {"transfer-encoding", "chunked"}, GRPC},
        {USUAL, {"content-type", "application/grpc"}, {"te", "gzip"}},
        {USUAL, GRPC, {"Upper-Case", "x"}},
        {USUAL, GRPC, {"content-length", "1"}, {"content-length", "2"}},
    };
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t stream = send_request(h2, cases[i], 0);
        grpc_send_frame(h2, stream, text_of("x"), H2_END_STREAM);
        if (!h2_await_stream_end(h2, stream, 0)) fail_msg("case %zu does not end", i);
        if (!h2_stream(h2, stream)->is_reset || h2_stream(h2, stream)->reset_error != NGHTTP2_PROTOCOL_ERROR)
            fail_msg("case %zu: HTTP %d, error %u", i, grpc_result(h2, stream).http_status,
                     h2_stream(h2, stream)->reset_error);
    }
    if (rig.echo.messages != 0) fail_msg("%u messages reach the service", rig.echo.messages);
    expect_served(h2, "malformed requests");
    h2_close(h2);
}

/* More or less than content-length says (RFC 9113, 8.1.1). */
static void a_wrong_content_length_is_malformed(void **state) {
    (void)state;
    static const struct h2_field more[] = {USUAL, GRPC, {"content-length", "5"}, {NULL, NULL}};
    static const struct h2_field less[] = {USUAL, GRPC, {"content-length", "7"}, {NULL, NULL}};
    static const struct h2_field right[] = {USUAL, GRPC, {"content-length", "6"}, {NULL, NULL}};
    struct h2 *h2 = rig_greet(&rig);
    const struct h2_field *cases[] = {more, less};
    for (size_t i = 0; i < 2; i++) {
        uint32_t stream = send_request(h2, cases[i], 0);
        grpc_send_frame(h2, stream, text_of("x"), H2_END_STREAM);
        if (!h2_await_stream_end(h2, stream, 0) || h2_stream(h2, stream)->reset_error != NGHTTP2_PROTOCOL_ERROR)
            fail_msg("case %zu: error %u", i, h2_stream(h2, stream)->reset_error);
    }
    if (rig.echo.messages != 0) fail_msg("%u messages reach the service", rig.echo.messages);
    uint32_t stream = send_request(h2, right, 0);
    grpc_send_frame(h2, stream, text_of("x"), H2_END_STREAM);
    expect_code(h2, stream, 0, "the right length");
    h2_close(h2);
}

static void a_tunnel_is_no_call(void **state) {
    (void)state;
    static const struct h2_field connect[] = {{":method", "CONNECT"}, {":authority", "a:1"}, {NULL, NULL}};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream = send_request(h2, connect, 0);
    h2_write_frame(h2, H2_DATA, H2_END_STREAM, stream, "bytes", 5);
    if (!h2_await_stream_end(h2, stream, 0) || grpc_result(h2, stream).http_status != 405)
        fail_msg("CONNECT: HTTP %d, error %u", grpc_result(h2, stream).http_status, h2_stream(h2, stream)->reset_error);
    expect_served(h2, "CONNECT");
    h2_close(h2);
}

static void a_path_is_a_method_and_nothing_else(void **state) {
    (void)state;
    static const char *const paths[] = {"/test.Echo/Unary?a=b",
                                        "/test.Echo/Unary/",
                                        "//test.Echo/Unary",
                                        "/test.Echo",
                                        "/test.Echo/",
                                        "xtest.Echo/Unary",
                                        "/",
                                        "*"};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        const struct h2_field fields[] = {
            {":method", "POST"}, {":scheme", "http"}, {":path", paths[i]}, GRPC, {NULL, NULL}};
        uint32_t stream = send_request(h2, fields, 0);
        grpc_send_frame(h2, stream, text_of("x"), H2_END_STREAM);
        if (!h2_await_stream_end(h2, stream, 0)) fail_msg("'%s' does not end", paths[i]);
        const struct grpc_result result = grpc_result(h2, stream);
        bool is_refused =
            result.code == MUSTER_UNIMPLEMENTED || h2_stream(h2, stream)->reset_error == NGHTTP2_PROTOCOL_ERROR;
        if (!is_refused) fail_msg("'%s': code %d", paths[i], result.code);
    }
    if (rig.echo.messages != 0) fail_msg("%u messages reach the service", rig.echo.messages);
    h2_close(h2);
}

static void who_expects_to_be_told_to_go_on_is_answered(void **state) {
    (void)state;
    static const struct h2_field fields[] = {USUAL, GRPC, {"expect", "100-continue"}, {NULL, NULL}};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream = send_request(h2, fields, 0);
    grpc_send(h2, stream, text_of("x"), H2_END_STREAM);
    expect_code(h2, stream, 0, "100-continue");
    h2_close(h2);
}

/* ---- cancelled in the turn in which they came ---- */

static void a_call_and_its_cancellation_in_one_packet(void **state) {
    (void)state;
    static const char *const paths[] = {ECHO_UNARY, ECHO_STREAM, ECHO_COLLECT, ECHO_SLEEP, ECHO_LATER};
    struct h2 *h2 = rig_greet(&rig);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        h2_hold(h2);
        for (int j = 0; j < 10; j++) {
            uint32_t stream = grpc_begin(h2, &(struct grpc_request){.path = paths[i]}, 0);
            grpc_send_frame(h2, stream, text_of("x"), j % 2 == 0 ? H2_END_STREAM : 0);
            h2_write_reset(h2, stream, NGHTTP2_CANCEL);
        }
        h2_release(h2);
        if (!h2_round_trip(h2, 0)) fail_msg("%s: no PONG", paths[i]);
        if (rig.echo.opened != rig.echo.closed) fail_msg("%s: %u calls are open", paths[i], rig.echo.opened);
    }
    expect_served(h2, "cancellations");
    if (rig_bytes(&rig) != 0) fail_msg("%zu bytes are kept", rig_bytes(&rig));
    h2_close(h2);
}

/* ---- settings ---- */

/* The encoder may not use a table any more, and says so. */
static void a_client_without_a_table_of_headers(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    expect_served(h2, "the preface");
    const nghttp2_settings_entry entries[] = {{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 0}};
    h2_write_settings(h2, entries, 1);
    for (int i = 0; i < 5; i++) expect_served(h2, "a table of nothing");
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 1 << 20}}, 1);
    for (int i = 0; i < 5; i++) expect_served(h2, "a table of a mebibyte");
    h2_close(h2);
}

static void large_frames_may_be_taken(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2_write_settings(h2,
                      (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_MAX_FRAME_SIZE, (1 << 24) - 1},
                                                 {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 0},
                                                 {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                 {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX}},
                      4);
    uint32_t stream = grpc_begin(h2, &many, 0);
    grpc_send(h2, stream, text_of("3 1000000"), H2_END_STREAM);
    expect_code(h2, stream, 0, "large frames");
    if (grpc_result(h2, stream).messages != 3) fail_msg("%zu messages", grpc_result(h2, stream).messages);
    h2_close(h2);
}

/* ---- what only servers send, and GOAWAY ---- */

static void a_promise_of_a_client_ends_the_connection(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2_write_frame(h2, H2_PUSH_PROMISE, H2_END_HEADERS, 1, "\0\0\0\2\x82", 5);
    if (!h2_await_end(h2, 0) || h2->goaways == 0 || h2->goaway_error != NGHTTP2_PROTOCOL_ERROR)
        fail_msg("PUSH_PROMISE: %u GOAWAYs, error %u", h2->goaways, h2->goaway_error);
    h2_close(h2);
}

/* A client that leaves gets what it asked for, and the connection is closed behind that. */
static void who_says_goaway_is_answered_first(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 10}}, 1);
    uint32_t stream = grpc_begin(h2, &many, 0), half = grpc_begin(h2, &unary, 0);
    grpc_send(h2, stream, text_of("1 1000"), H2_END_STREAM);
    h2_write_frame(h2, H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0bye", 11);
    rig_turn(&rig, 3);
    h2_read_all(h2);
    if (h2->is_ended) fail_msg("closed with a call that is not answered");
    grpc_send_frame(h2, half, text_of("x"), H2_END_STREAM);
    expect_code(h2, half, 0, "the half that came after GOAWAY");
    h2_write_window(h2, stream, 1000);
    expect_code(h2, stream, 0, "what waited for a window");
    if (!h2_await_end(h2, 0)) fail_msg("the connection is kept");
    h2_close(h2);
    h2 = rig_greet(&rig);
    h2_write_frame(h2, H2_GOAWAY, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    if (!h2_await_end(h2, 0)) fail_msg("the connection is kept, though nothing was asked");
    h2_close(h2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(malformed_requests_are_reset),
        TEST(a_wrong_content_length_is_malformed),
        TEST(a_tunnel_is_no_call),
        TEST(a_path_is_a_method_and_nothing_else),
        TEST(who_expects_to_be_told_to_go_on_is_answered),
        TEST(a_call_and_its_cancellation_in_one_packet),
        TEST(a_client_without_a_table_of_headers),
        TEST(large_frames_may_be_taken),
        TEST(a_promise_of_a_client_ends_the_connection),
        TEST(who_says_goaway_is_answered_first),
    };
    return cmocka_run_group_tests_name("gRPC: HTTP/2", tests, NULL, NULL);
}
