/* Floods: frames that cost the sender next to nothing. Each ends with GOAWAY ENHANCE_YOUR_CALM, and nobody else
 * notices.
 */
#include "attack.h"
#include "support/hpack.h"

#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

/* A flood is ended before ROUNDS bursts of BURST frames. STREAMS of them open a stream each and leave it to the server
 * to end it: no more than may be open at once. */
enum { BURST = 500, STREAMS = 200, ROUNDS = 40, GROWTH_MAX = 16 << 20 };

static struct server server;

static uint32_t open_watch(struct h2 *h2, uint8_t flags) {
    uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ATTACK_WATCH}, 0);
    if (flags != 0) grpc_send_frame(h2, id, (struct text){"", 0}, flags);
    return id;
}

static void flood(const char *name, attack_burst_fn *burst) {
    static struct attack attack;
    attack_begin(&attack, &server, name);
    attack_until_calmed(&attack, burst, ROUNDS);
    attack_end(&attack, GROWTH_MAX);
}

/* ---- streams that the client resets (CVE-2023-44487) ---- */

static void reset_calls(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) h2_write_reset(h2, open_watch(h2, 0), NGHTTP2_CANCEL);
}

static void reset_answered_calls(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) {
        uint32_t id = grpc_begin(h2, &(struct grpc_request){.path = ATTACK_CALL}, 0);
        grpc_send_frame(h2, id, (struct text){"", 0}, H2_END_STREAM);
        h2_write_reset(h2, id, NGHTTP2_CANCEL);
    }
}

/* ---- streams that the server is made to reset (CVE-2025-8671, MadeYouReset) ---- */

static void overflow_windows(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < STREAMS; i++) h2_write_window(h2, open_watch(h2, 0), INT32_MAX);
}

static void update_windows_by_nothing(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < STREAMS; i++) h2_write_window(h2, open_watch(h2, 0), 0);
}

static void send_after_the_end(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < STREAMS; i++) {
        uint32_t id = open_watch(h2, H2_END_STREAM);
        h2_write_frame(h2, H2_DATA, 0, id, "x", 1);
    }
}

/* Headers that are malformed: a name in upper case. */
static void send_malformed_headers(struct h2 *h2, unsigned round) {
    struct hpack block = {.len = 0};
    (void)round;
    hpack_request(&block, ATTACK_CALL);
    hpack_field(&block, HPACK_PLAIN, "X-Upper", "case");
    for (int i = 0; i < STREAMS; i++)
        h2_write_frame(h2, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, h2_new_stream(h2), block.bytes, block.len);
    hpack_free(&block);
}

/* A content-length that END_STREAM contradicts. */
static void send_wrong_lengths(struct h2 *h2, unsigned round) {
    static const struct h2_field length = {"content-length", "1000"};
    (void)round;
    for (int i = 0; i < STREAMS; i++)
        grpc_begin(h2, &(struct grpc_request){.path = ATTACK_CALL, .metadata = &length, .metadata_count = 1},
                   H2_END_STREAM);
}

/* ---- calls that are refused for free ---- */

static void open_too_many_streams(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) open_watch(h2, 0);
}

/* ---- frames that say nothing ---- */

static uint32_t first_stream(struct h2 *h2, unsigned round) {
    if (round == 0) open_watch(h2, 0);
    return 1;
}

static void send_empty_data(struct h2 *h2, unsigned round) {
    uint32_t id = first_stream(h2, round);
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, H2_DATA, 0, id, NULL, 0);
}

static void send_only_padding(struct h2 *h2, unsigned round) {
    uint32_t id = first_stream(h2, round);
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, H2_DATA, H2_PADDED, id, "\1\0", 2);
}

static void send_pings(struct h2 *h2, unsigned round) {
    (void)round;
    for (unsigned i = 0; i < BURST; i++) h2_write_ping(h2, i);
}

static void send_settings(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) h2_write_settings(h2, NULL, 0);
}

/* Acknowledgements of nothing. */
static void send_pongs(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, H2_PING, H2_ACK, 0, "nothing!", 8);
}

static void send_window_updates(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) h2_write_window(h2, 0, 1);
}

static void send_window_updates_of_a_stream(struct h2 *h2, unsigned round) {
    uint32_t id = first_stream(h2, round);
    for (int i = 0; i < BURST; i++) h2_write_window(h2, id, 1);
}

static void send_priorities(struct h2 *h2, unsigned round) {
    (void)round;
    for (unsigned i = 0; i < BURST; i++) h2_write_frame(h2, H2_PRIORITY, 0, 2 * i + 1001, "\0\0\0\0\020", 5);
}

static void send_resets_of_closed_streams(struct h2 *h2, unsigned round) {
    if (round == 0) h2_write_reset(h2, first_stream(h2, round), NGHTTP2_CANCEL);
    for (int i = 0; i < BURST; i++) h2_write_reset(h2, 1, NGHTTP2_CANCEL);
}

static void send_unknown_frames(struct h2 *h2, unsigned round) {
    (void)round;
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, 0xee, 0xff, 0, NULL, 0);
}

static void send_data_for_calls_that_are_over(struct h2 *h2, unsigned round) {
    if (round == 0) grpc_begin(h2, &(struct grpc_request){.path = "/none.Such/Call"}, 0);
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, H2_DATA, 0, 1, "x", 1);
}

#define FLOODS(X)                                                                                                      \
    X(reset_calls)                                                                                                     \
    X(reset_answered_calls)                                                                                            \
    X(overflow_windows)                                                                                                \
    X(send_malformed_headers)                                                                                          \
    X(send_wrong_lengths)                                                                                              \
    X(send_empty_data)                                                                                                 \
    X(send_only_padding)                                                                                               \
    X(send_pings)                                                                                                      \
    X(send_settings)                                                                                                   \
    X(send_pongs)                                                                                                      \
    X(send_window_updates)                                                                                             \
    X(send_window_updates_of_a_stream)                                                                                 \
    X(send_priorities)                                                                                                 \
    X(send_resets_of_closed_streams)                                                                                   \
    X(send_unknown_frames)

#define TEST(name)                                                                                                     \
    static void test_##name(void **state) {                                                                            \
        (void)state;                                                                                                   \
        flood(#name, name);                                                                                            \
    }
FLOODS(TEST)

/* What the RFC lets a server answer with an error of the connection, at once. */
static void flood_or_error(const char *name, attack_burst_fn *burst, uint32_t error) {
    static struct attack attack;
    attack_begin(&attack, &server, name);
    attack_until_ended(&attack, burst, ROUNDS, (const uint32_t[]){NGHTTP2_ENHANCE_YOUR_CALM, error, 0});
    attack_end(&attack, GROWTH_MAX);
}

static void test_send_after_the_end(void **state) {
    (void)state;
    flood_or_error("send_after_the_end", send_after_the_end, NGHTTP2_STREAM_CLOSED);
}

static void test_send_data_for_calls_that_are_over(void **state) {
    (void)state;
    flood_or_error("send_data_for_calls_that_are_over", send_data_for_calls_that_are_over, NGHTTP2_STREAM_CLOSED);
}

static void test_update_windows_by_nothing(void **state) {
    (void)state;
    flood_or_error("update_windows_by_nothing", update_windows_by_nothing, NGHTTP2_PROTOCOL_ERROR);
}

static void test_open_too_many_streams(void **state) {
    (void)state;
    flood_or_error("open_too_many_streams", open_too_many_streams, NGHTTP2_PROTOCOL_ERROR);
}

/* ---- CONTINUATION ---- */

static void send_empty_continuations(struct h2 *h2, unsigned round) {
    struct hpack block = {.len = 0};
    hpack_request(&block, ATTACK_CALL);
    if (round == 0) h2_write_frame(h2, H2_HEADERS, 0, h2_new_stream(h2), block.bytes, block.len);
    for (int i = 0; i < BURST; i++) h2_write_frame(h2, H2_CONTINUATION, 0, 1, NULL, 0);
    hpack_free(&block);
}

/* Headers that never end: a mebibyte a burst. */
static void send_endless_headers(struct h2 *h2, unsigned round) {
    struct hpack block = {.len = 0};
    static char value[4000];
    memset(value, 'v', sizeof value - 1);
    for (int i = 0; i < 4; i++) hpack_field(&block, HPACK_PLAIN, "x-endless", value);
    for (int i = 0; i < 64; i++)
        h2_write_frame(h2, round == 0 && i == 0 ? H2_HEADERS : H2_CONTINUATION, 0, 1, block.bytes, block.len);
    hpack_free(&block);
}

static void test_continuations(void **state) {
    static const uint32_t errors[] = {NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR, 0};
    static struct attack attack;
    (void)state;
    attack_begin(&attack, &server, "empty CONTINUATIONs");
    attack_until_ended(&attack, send_empty_continuations, ROUNDS, errors);
    attack_end(&attack, GROWTH_MAX);
    attack_begin(&attack, &server, "endless headers");
    attack_until_ended(&attack, send_endless_headers, ROUNDS, errors);
    attack_end(&attack, GROWTH_MAX);
}

/* ---- who is no attacker ---- */

/* What a busy client does is no flood: many calls, some of them cancelled, PINGs now and then, small windows. */
static void a_busy_client_is_not_calmed(void **state) {
    (void)state;
    enum { CALLS = 20000, STEP = 50 };
    struct h2 *h2 = h2_open(server.grpc);
    for (int at = 0; at < CALLS; at += STEP) {
        uint32_t last = 0;
        h2_hold(h2);
        for (int i = 0; i < STEP; i++) {
            last = grpc_begin(h2, &(struct grpc_request){.path = ATTACK_CALL}, 0);
            grpc_send_frame(h2, last, (struct text){"", 0}, 0);
            grpc_half_close(h2, last);
        }
        h2_write_reset(h2, open_watch(h2, H2_END_STREAM), NGHTTP2_CANCEL);
        h2_write_ping(h2, 1);
        h2_release(h2);
        if (!h2_await_stream_end(h2, last, ATTACK_SERVED_MS) || h2->goaways > 0)
            fail_msg("after %d calls: GOAWAY %u, error %u '%s'", at, h2->goaways, h2->goaway_error, h2->goaway_debug);
    }
    h2_close(h2);
}

static int start(void **state) {
    (void)state;
    server = attack_server_start(NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

int main(int argc, char *argv[]) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
#define NAMED(name) cmocka_unit_test(test_##name),
    const struct CMUnitTest tests[] = {FLOODS(NAMED) cmocka_unit_test(test_send_after_the_end),
                                       cmocka_unit_test(test_send_data_for_calls_that_are_over),
                                       cmocka_unit_test(test_update_windows_by_nothing),
                                       cmocka_unit_test(test_open_too_many_streams),
                                       cmocka_unit_test(test_continuations),
                                       cmocka_unit_test(a_busy_client_is_not_calmed)};
    return cmocka_run_group_tests_name("gRPC: floods", tests, start, stop);
}
