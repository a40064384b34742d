/* How long the door waits: for the preface, for frames and requests that have begun, for answers to be read, and for
 * peers that are silent. */
#include "rig.h"

#include "muster/limits.h"
#include "net/net_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 10000, STEP_MS = 100 };

static struct rig rig;

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

static uint64_t ended(enum stream_end why) {
    return door_figures(rig.door).ended[why];
}

static void expect_ended(enum stream_end why, uint64_t count, const char *when) {
    if (ended(why) != count)
        fail_msg("%s: %llu ended so, expected %llu", when, (unsigned long long)ended(why), (unsigned long long)count);
}

static void expect_code(struct h2 *h2, uint32_t stream, int code, const char *what) {
    if (!h2_await_stream_end(h2, stream, WAIT_MS)) fail_msg("%s: the call does not end", what);
    const struct grpc_result result = grpc_result(h2, stream);
    if (result.code != code) fail_msg("%s: code %d (%s), expected %d", what, result.code, result.message, code);
}

/* Passes the time of a deadline but for a step; then the step. */
static void expect_end_after(uint64_t ms, enum stream_end why, const char *what) {
    rig_pass(&rig, ms - STEP_MS, STEP_MS);
    expect_ended(why, 0, what);
    rig_pass(&rig, STEP_MS, STEP_MS);
    expect_ended(why, 1, what);
}

/* The client reads, and answers, meanwhile. */
static void pass_and_read(struct h2 *h2, uint64_t ms) {
    for (uint64_t passed_ms = 0; passed_ms < ms; passed_ms += 1000) {
        rig_pass(&rig, 1000, 500);
        h2_read_all(h2);
    }
}

/* ---- connections ---- */

static void a_preface_has_five_seconds(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    h2_write(h2, H2_PREFACE, 10);
    expect_end_after(MUSTER_GRPC_PREFACE_MS, STREAM_STRANGER, "half a preface");
    h2_close(h2);
}

static void a_frame_has_ten_seconds(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2_write_header(h2, 8, H2_PING, 0, 0);
    rig_pass(&rig, MUSTER_GRPC_REQUEST_MS / 2, STEP_MS);
    h2_write(h2, "x", 1); /* a byte now and then is no excuse */
    expect_end_after(MUSTER_GRPC_REQUEST_MS / 2, STREAM_UNFINISHED, "a frame that is not finished");
    h2_close(h2);
}

static void headers_have_ten_seconds_with_their_continuations(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream = h2_new_stream(h2);
    h2_write_frame(h2, H2_HEADERS, 0, stream, NULL, 0);
    rig_pass(&rig, MUSTER_GRPC_REQUEST_MS / 2, STEP_MS);
    h2_write_frame(h2, H2_CONTINUATION, 0, stream, NULL, 0);
    expect_end_after(MUSTER_GRPC_REQUEST_MS / 2, STREAM_UNFINISHED, "headers that are not finished");
    h2_close(h2);
}

static void frames_in_time_may_go_on_for_ever(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    uint8_t rest[8] = {0};
    h2_write_header(h2, sizeof rest, H2_PING, 0, 0);
    for (int i = 0; i < 20; i++) {
        rig_pass(&rig, MUSTER_GRPC_REQUEST_MS / 2, 500);
        h2_write(h2, rest, sizeof rest);
        h2_write_header(h2, sizeof rest, H2_PING, 0, 0);
    }
    expect_ended(STREAM_UNFINISHED, 0, "each in time");
    h2_close(h2);
}

static void who_never_asks_is_told_to_go(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    rig_pass(&rig, DOOR_IDLE_MS - STEP_MS, 500);
    h2_read_all(h2);
    if (h2->goaways != 0) fail_msg("told before its time");
    rig_pass(&rig, 2 * STEP_MS + DOOR_LINGER_MS, STEP_MS);
    if (!h2_await_end(h2, WAIT_MS)) fail_msg("the connection is open");
    if (h2->goaways != 1 || h2->goaway_error != 0) fail_msg("%u GOAWAYs, error %u", h2->goaways, h2->goaway_error);
    expect_ended(STREAM_IDLE, 1, "who never asks");
    h2_close(h2);
}

static void who_is_silent_is_pinged(void **state) {
    (void)state;
    const struct grpc_request request = {.path = ECHO_UNARY};
    struct h2 *h2 = rig_greet(&rig);
    (void)grpc_ask(h2, &request, text_of("x"), NULL);
    rig_pass(&rig, MUSTER_GRPC_KEEPALIVE_MS - STEP_MS, 500);
    h2_read_all(h2);
    if (h2->pings != 0) fail_msg("pinged before its time");
    for (unsigned i = 1; i <= 3; i++) { /* which it answers */
        pass_and_read(h2, 2 * MUSTER_GRPC_KEEPALIVE_MS);
        if (h2->pings < i) fail_msg("pinged %u times", h2->pings);
    }
    expect_ended(STREAM_GONE, 0, "who answers");
    h2->keeps_pings = true;
    pass_and_read(h2, 2 * MUSTER_GRPC_KEEPALIVE_MS + MUSTER_GRPC_PONG_MS);
    expect_ended(STREAM_GONE, 1, "who does not");
    h2_close(h2);
}

static void who_asks_is_not_pinged(void **state) {
    (void)state;
    const struct grpc_request request = {.path = ECHO_UNARY};
    struct h2 *h2 = rig_greet(&rig);
    for (int i = 0; i < 10; i++) {
        if (grpc_ask(h2, &request, text_of("x"), NULL).code != 0) fail_msg("not answered");
        rig_pass(&rig, MUSTER_GRPC_KEEPALIVE_MS / 2, 500);
    }
    if (h2->pings != 0) fail_msg("pinged %u times", h2->pings);
    h2_close(h2);
}

/* ---- requests ---- */

static void a_request_has_ten_seconds(void **state) {
    (void)state;
    const struct grpc_request unary = {.path = ECHO_UNARY}, streamed = {.path = ECHO_STREAM};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t silent = grpc_begin(h2, &unary, 0), partial = grpc_begin(h2, &unary, 0);
    uint32_t within = grpc_begin(h2, &streamed, 0), between = grpc_begin(h2, &streamed, 0);
    h2_write_frame(h2, H2_DATA, 0, partial, "\0\0\0\0\5x", 6);
    h2_write_frame(h2, H2_DATA, 0, within, "\0\0\0\0\5x", 6);
    h2_write_frame(h2, H2_DATA, 0, between, "\0\0\0\0\1x", 6);
    rig_turn(&rig, 2);
    rig_pass(&rig, MUSTER_GRPC_REQUEST_MS - STEP_MS, STEP_MS);
    h2_write_frame(h2, H2_DATA, 0, within, "x", 1);
    h2_read_all(h2);
    if (h2_stream(h2, silent)->has_ended || h2_stream(h2, within)->has_ended) fail_msg("ended before its time");
    rig_pass(&rig, STEP_MS, STEP_MS);
    expect_code(h2, silent, MUSTER_DEADLINE_EXCEEDED, "no message");
    expect_code(h2, partial, MUSTER_DEADLINE_EXCEEDED, "part of a message");
    expect_code(h2, within, MUSTER_DEADLINE_EXCEEDED, "part of one of many");
    rig_pass(&rig, 10 * MUSTER_GRPC_REQUEST_MS, 500);
    h2_read_all(h2);
    if (h2_stream(h2, between)->has_ended) fail_msg("who is between two messages is ended");
    h2_close(h2);
}

/* So that others are served between them. */
static void many_that_are_late_are_ended_in_several_turns(void **state) {
    (void)state;
    enum { CONNECTIONS = 4, CALLS = 250 };
    const struct grpc_request unary = {.path = ECHO_UNARY};
    struct h2 *h2[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        h2[i] = rig_greet(&rig);
        for (int j = 0; j < CALLS; j++) (void)grpc_begin(h2[i], &unary, 0);
        if (!h2_round_trip(h2[i], WAIT_MS)) fail_msg("no PONG");
    }
    rig_pass(&rig, MUSTER_GRPC_REQUEST_MS - STEP_MS, STEP_MS);
    if (rig.echo.closed != 0) fail_msg("%u calls are ended before their time", rig.echo.closed);
    rig_pass(&rig, STEP_MS, STEP_MS);
    if (rig.echo.closed == 0 || rig.echo.closed == CONNECTIONS * CALLS)
        fail_msg("%u calls are ended at once", rig.echo.closed);
    rig_turn(&rig, CONNECTIONS);
    for (int i = 0; i < CONNECTIONS; i++) {
        h2_read_all(h2[i]);
        h2_close(h2[i]);
    }
    if (rig.echo.closed != CONNECTIONS * CALLS) fail_msg("%u calls are ended", rig.echo.closed);
}

static void what_is_no_grpc_has_ten_seconds(void **state) {
    (void)state;
    const struct grpc_request request = {.path = "/", .method = "PUT"};
    struct h2 *h2 = rig_greet(&rig);
    uint32_t stream = grpc_begin(h2, &request, 0);
    rig_pass(&rig, MUSTER_GRPC_REQUEST_MS - STEP_MS, STEP_MS);
    h2_read_all(h2);
    if (h2_stream(h2, stream)->has_ended) fail_msg("ended before its time");
    rig_pass(&rig, STEP_MS, STEP_MS);
    if (!h2_await_stream_end(h2, stream, WAIT_MS) || !h2_stream(h2, stream)->is_reset) fail_msg("not reset");
    h2_close(h2);
}

/* ---- answers that are not read ---- */

enum { PART = 65536, ASKED = 40 };

/* Asks for 40 x 64 KiB, with windows shut; all that came is in *streams. */
static struct h2 *ask_for_much(uint32_t streams[ASKED]) {
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    const struct grpc_request request = {.path = ECHO_MANY};
    char amount[32];
    struct h2 *h2 = rig_greet(&rig);
    h2_write_settings(h2, &shut, 1);
    (void)snprintf(amount, sizeof amount, "1 %d", PART);
    for (int i = 0; i < ASKED; i++) {
        streams[i] = grpc_begin(h2, &request, 0);
        grpc_send(h2, streams[i], text_of(amount), H2_END_STREAM);
        rig_turn(&rig, 2);
    }
    return h2;
}

static void calls_wait_while_answers_are_not_read(void **state) {
    (void)state;
    uint32_t streams[ASKED];
    struct h2 *h2 = ask_for_much(streams);
    if (rig.echo.messages >= ASKED) fail_msg("%u calls are handled while nothing is read", rig.echo.messages);
    if (rig_bytes(&rig) > 3 << 20) fail_msg("%zu bytes are owned", rig_bytes(&rig));
    for (int i = 0; i < ASKED; i++) { /* in the order in which they came */
        h2_write_window(h2, 0, PART + 100);
        h2_write_window(h2, streams[i], PART + 100);
        expect_code(h2, streams[i], 0, "once there is room");
    }
    if (rig.echo.messages != ASKED) fail_msg("%u calls were handled", rig.echo.messages);
    expect_ended(STREAM_UNREAD, 0, "who reads in the end");
    h2_close(h2);
}

/* Its client may have asked elsewhere meanwhile. is_read: what it sent was read before the process stood still. */
static void stand_still_before_a_call(bool is_read) {
    uint32_t streams[ASKED];
    const struct grpc_request unary = {.path = ECHO_UNARY};
    struct h2 *h2 = ask_for_much(streams);
    rig.loops->stall_ms = 1000;
    if (is_read && !h2_round_trip(h2, WAIT_MS)) fail_msg("no PONG");
    uint32_t before = grpc_begin(h2, &unary, 0);
    grpc_send(h2, before, text_of("x"), H2_END_STREAM);
    rig_turn(&rig, 2);
    rig_pass(&rig, 3000, 3000);
    if (!h2_round_trip(h2, WAIT_MS)) fail_msg("no PONG");
    uint32_t after = grpc_begin(h2, &unary, 0);
    grpc_send(h2, after, text_of("x"), H2_END_STREAM);
    if (!h2_round_trip(h2, WAIT_MS)) fail_msg("no PONG");
    if (rig.echo.messages >= ASKED) fail_msg("the calls do not wait");
    h2_write_settings(h2, (nghttp2_settings_entry[]){{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20}}, 1);
    h2_write_window(h2, 0, 1 << 30);
    expect_code(h2, before, 0, "before");
    expect_code(h2, after, 0, "after");
    if (rig.echo.stale != 1) fail_msg("%u requests are stale, expected 1", rig.echo.stale);
    h2_close(h2);
}

static void a_call_that_waited_while_the_process_stood_still_is_stale(void **state) {
    (void)state;
    stand_still_before_a_call(true);
}

static void a_call_that_came_while_the_process_stood_still_and_then_waits_is_stale(void **state) {
    (void)state;
    stand_still_before_a_call(false);
}

static void a_call_that_waits_may_be_cancelled(void **state) {
    (void)state;
    uint32_t streams[ASKED];
    struct h2 *h2 = ask_for_much(streams);
    for (int i = ASKED - 1; i >= 0; i -= 2) h2_write_reset(h2, streams[i], 8);
    rig_turn(&rig, 2);
    for (int i = 0; i < ASKED; i += 2) {
        h2_write_window(h2, 0, PART + 100);
        h2_write_window(h2, streams[i], PART + 100);
        expect_code(h2, streams[i], 0, "the others");
    }
    h2_close(h2);
}

static void who_never_reads_has_five_seconds(void **state) {
    (void)state;
    uint32_t streams[ASKED];
    struct h2 *h2 = ask_for_much(streams);
    rig_pass(&rig, DOOR_UNREAD_MS - 1000, STEP_MS);
    expect_ended(STREAM_UNREAD, 0, "before its time");
    rig_pass(&rig, 2000, STEP_MS);
    expect_ended(STREAM_UNREAD, 1, "after its time");
    h2_close(h2);
}

/* Each time it reads what makes room for one small answer more. */
static void who_reads_a_little_now_and_then_has_five_seconds(void **state) {
    (void)state;
    enum { LARGE = 32, SMALL = 60, SMALL_BYTES = 205 };
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    const struct grpc_request request = {.path = ECHO_MANY};
    uint32_t first = 0;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_windows = true;
    h2_write_settings(h2, &shut, 1);
    for (int i = 0; i < LARGE + SMALL; i++) {
        uint32_t stream = grpc_begin(h2, &request, 0);
        if (i == 0) first = stream;
        grpc_send(h2, stream, text_of(i < LARGE ? "1 65536" : "1 200"), H2_END_STREAM);
        rig_turn(&rig, 2);
        h2_read_all(h2);
    }
    if (rig.echo.messages != LARGE) fail_msg("%u calls are handled, expected %d", rig.echo.messages, LARGE);
    for (int i = 0; i < 2 * DOOR_UNREAD_MS / 1000; i++) {
        h2_write_window(h2, first, SMALL_BYTES);
        rig_pass(&rig, 1000, STEP_MS);
        h2_read_all(h2);
    }
    expect_ended(STREAM_UNREAD, 1, "a few bytes a second");
    h2_close(h2);
}

/* Takes so many bytes of the socket as they are. Returns how many there were. */
static size_t swallow(struct h2 *h2, size_t bytes) {
    static uint8_t ignored[PART];
    size_t taken = 0;
    for (int idle = 0; taken < bytes && idle < 10;) {
        ssize_t some = read(h2->fd, ignored, bytes - taken < sizeof ignored ? bytes - taken : sizeof ignored);
        idle = some > 0 ? 0 : idle + 1;
        if (some > 0) taken += (size_t)some;
        rig_turn(&rig, 1);
    }
    return taken;
}

/* While the socket takes no output, nothing is read: what the client says meanwhile is not late, nor is it silent. */
static void who_reads_slowly_is_heard_in_the_end(void **state) {
    (void)state;
    enum { PARTS = 31, PORTION = STREAM_PROGRESS_BYTES + 8192, STEP = 4500 };
    const nghttp2_settings_entry wide = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, INT32_MAX};
    const struct grpc_request many = {.path = ECHO_MANY}, unary = {.path = ECHO_UNARY};
    char amount[32];
    struct h2 *h2 = rig_greet(&rig);
    h2_write_settings(h2, &wide, 1);
    h2_write_window(h2, 0, 1 << 30);
    if (!h2_round_trip(h2, WAIT_MS)) fail_msg("no PONG");
    uint32_t other = grpc_begin(h2, &unary, 0), large = grpc_begin(h2, &many, 0);
    (void)snprintf(amount, sizeof amount, "%d %d", PARTS, PART);
    grpc_send(h2, large, text_of(amount), H2_END_STREAM);
    rig_turn(&rig, 2);
    h2_write_frame(h2, H2_DATA, H2_END_STREAM, other, "\0\0\0\0\1x", 6);
    h2_write_ping(h2, 1);
    for (unsigned passed = 0; passed < MUSTER_GRPC_KEEPALIVE_MS + 2 * MUSTER_GRPC_PONG_MS; passed += STEP) {
        if (swallow(h2, PORTION) != PORTION) fail_msg("no more comes after %u ms", passed);
        rig_pass(&rig, STEP, STEP_MS);
    }
    if (rig.echo.messages != 1) fail_msg("the socket was read: this tests nothing");
    while (swallow(h2, PORTION) > 0) continue;
    expect_ended(STREAM_GONE, 0, "who reads slowly");
    if (rig.echo.messages != 2) fail_msg("a request that was sent in time is not heard");
    h2_close(h2);
}

static void who_keeps_little_unread_may_wait(void **state) {
    (void)state;
    const nghttp2_settings_entry shut = {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0};
    const struct grpc_request request = {.path = ECHO_MANY};
    struct h2 *h2 = rig_greet(&rig);
    h2_write_settings(h2, &shut, 1);
    uint32_t stream = grpc_begin(h2, &request, 0);
    grpc_send(h2, stream, text_of("2 65536"), H2_END_STREAM);
    rig_pass(&rig, 10 * DOOR_UNREAD_MS, 500);
    h2_write_window(h2, 0, 3 * PART);
    h2_write_window(h2, stream, 3 * PART);
    expect_code(h2, stream, 0, "later");
    h2_close(h2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_preface_has_five_seconds),
        TEST(a_frame_has_ten_seconds),
        TEST(headers_have_ten_seconds_with_their_continuations),
        TEST(frames_in_time_may_go_on_for_ever),
        TEST(who_never_asks_is_told_to_go),
        TEST(who_is_silent_is_pinged),
        TEST(who_asks_is_not_pinged),
        TEST(a_request_has_ten_seconds),
        TEST(many_that_are_late_are_ended_in_several_turns),
        TEST(what_is_no_grpc_has_ten_seconds),
        TEST(calls_wait_while_answers_are_not_read),
        TEST(a_call_that_waited_while_the_process_stood_still_is_stale),
        TEST(a_call_that_came_while_the_process_stood_still_and_then_waits_is_stale),
        TEST(a_call_that_waits_may_be_cancelled),
        TEST(who_never_reads_has_five_seconds),
        TEST(who_reads_a_little_now_and_then_has_five_seconds),
        TEST(who_reads_slowly_is_heard_in_the_end),
        TEST(who_keeps_little_unread_may_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
