/* What comes for streams that are over. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 10000 };

static struct rig rig;
static struct h2 *h2;

static int start(void **state) {
    (void)state;
    rig_open(&rig, NULL);
    h2 = rig_greet(&rig);
    return 0;
}

static int stop(void **state) {
    (void)state;
    h2_close(h2);
    rig_close(&rig);
    return 0;
}

static const struct grpc_request unary = {.path = ECHO_UNARY}, unknown = {.path = "/test.Echo/Unknown"};

/* A client whose calls are refused is no attacker, although each is cut short, and its messages come too late. */
static void refused_calls_cost_nothing(void **state) {
    (void)state;
    enum { ROUNDS = 30, CALLS = 200 };
    uint32_t streams[CALLS];
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CALLS; i++) streams[i] = grpc_begin(h2, &unknown, 0);
        for (int i = 0; i < CALLS; i++)
            if (!h2_await_stream_end(h2, streams[i], WAIT_MS) ||
                grpc_result(h2, streams[i]).code != MUSTER_UNIMPLEMENTED)
                fail_msg("round %d: a call is not refused", round);
        for (int i = 0; i < CALLS; i++) h2_write_frame(h2, H2_DATA, H2_END_STREAM, streams[i], "\0\0\0\0\1x", 6);
        rig_pass(&rig, 1000, 1000); /* some 200 calls a second */
        h2_read_all(h2);
        if (h2->goaways != 0) fail_msg("round %d: GOAWAY %u", round, h2->goaway_error);
    }
    if (grpc_ask(h2, &unary, text_of("x"), NULL).code != 0) fail_msg("not answered in the end");
}

static void data_of_a_stream_that_ended_is_refused(void **state) {
    (void)state;
    uint32_t stream;
    (void)grpc_ask(h2, &unary, text_of("x"), &stream);
    unsigned resets = h2->resets;
    h2_write_frame(h2, H2_DATA, 0, stream, "x", 1);
    bool is_open = h2_round_trip(h2, WAIT_MS); /* nghttp2 answers a ping first */
    h2_read_all(h2);
    if (!is_open || h2->resets != resets + 1) fail_msg("%u resets", h2->resets - resets);
    if (h2_stream(h2, stream)->reset_error != NGHTTP2_STREAM_CLOSED)
        fail_msg("error %u", h2_stream(h2, stream)->reset_error);
}

static void an_id_below_the_highest_ends_the_connection(void **state) {
    (void)state;
    uint32_t low = h2_new_stream(h2), high;
    (void)grpc_ask(h2, &unary, text_of("x"), &high);
    h2_write_frame(h2, H2_HEADERS, H2_END_HEADERS | H2_END_STREAM, low, "\x82", 1);
    if (!h2_await_goaways(h2, 1, WAIT_MS) || h2->goaway_error != NGHTTP2_PROTOCOL_ERROR)
        fail_msg("%u GOAWAYs, error %u", h2->goaways, h2->goaway_error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(refused_calls_cost_nothing),
        TEST(data_of_a_stream_that_ended_is_refused),
        TEST(an_id_below_the_highest_ends_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
