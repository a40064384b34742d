/* A door that drains: GOAWAY in two steps, calls that are open are answered, and the last GOAWAY arrives. */
#include "net/net_internal.h"
#include "rig.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 10000, DRAIN_TEST_MS = 20000 };

static struct rig rig;
static pthread_t drainer;
static atomic_int drained; /* 0: not yet; else 1 + what door_drain said */

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

static void *run_drain(void *context) {
    (void)context;
    bool is_done = door_drain(rig.door, DRAIN_TEST_MS);
    atomic_store(&drained, 1 + (int)is_done);
    return NULL;
}

static void begin_drain(void) {
    atomic_store(&drained, 0);
    if (pthread_create(&drainer, NULL, run_drain, NULL) != 0) fail_msg("no thread");
}

/* Turns the loops, and their clock with the time that passes, until the door has drained. */
static void expect_drained(void) {
    while (atomic_load(&drained) == 0) {
        usleep(1000);
        rig_pass(&rig, 1, 1);
    }
    pthread_join(drainer, NULL);
    if (atomic_load(&drained) != 2) fail_msg("not drained in time");
}

static void await_goaways(struct h2 *h2, unsigned count) {
    for (int i = 0; i < WAIT_MS && h2->goaways < count; i++) {
        usleep(1000);
        rig_pass(&rig, 1, 1);
        h2_read_all(h2);
    }
    if (h2->goaways < count) fail_msg("%u GOAWAYs came, expected %u", h2->goaways, count);
}

static void who_does_nothing_is_told_twice(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_pings = true;
    begin_drain();
    await_goaways(h2, 1);
    if (h2->goaway_last != INT32_MAX || h2->goaway_error != 0) fail_msg("the first names stream %u", h2->goaway_last);
    await_goaways(h2, 2); /* although the ping was not answered */
    if (h2->goaway_last != 0 || h2->goaway_error != 0) fail_msg("the last names stream %u", h2->goaway_last);
    expect_drained();
    if (!h2_await_end(h2, WAIT_MS)) fail_msg("the connection is open");
    h2_close(h2);
}

static void calls_between_the_two_are_answered(void **state) {
    (void)state;
    const struct grpc_request request = {.path = ECHO_UNARY};
    struct h2 *h2 = rig_greet(&rig);
    h2->keeps_pings = true;
    uint32_t before = grpc_begin(h2, &request, 0);
    rig_turn(&rig, 2);
    begin_drain();
    await_goaways(h2, 1);
    uint32_t between = grpc_begin(h2, &request, 0);
    grpc_send(h2, between, text_of("between"), H2_END_STREAM);
    await_goaways(h2, 2);
    if (h2->goaway_last != between) fail_msg("the last names stream %u, not %u", h2->goaway_last, between);
    uint32_t after = grpc_begin(h2, &request, 0);
    grpc_send(h2, after, text_of("after"), H2_END_STREAM);
    rig_turn(&rig, 4);
    if (atomic_load(&drained) != 0) fail_msg("drained while a call is open");
    grpc_send(h2, before, text_of("before"), H2_END_STREAM);
    if (!h2_await_stream_end(h2, before, WAIT_MS) || grpc_result(h2, before).code != 0) fail_msg("before: no answer");
    if (!h2_await_stream_end(h2, between, WAIT_MS) || grpc_result(h2, between).code != 0)
        fail_msg("between: no answer");
    expect_drained();
    if (!h2_await_end(h2, WAIT_MS)) fail_msg("the connection is open");
    if (h2_stream(h2, after)->has_headers) fail_msg("after: answered");
    h2_close(h2);
}

static void a_pong_brings_the_last_at_once(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    begin_drain();
    await_goaways(h2, 2);
    expect_drained();
    h2_close(h2);
}

static void services_are_told_once(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig), *other = rig_greet(&rig);
    begin_drain();
    await_goaways(h2, 1);
    await_goaways(other, 1);
    expect_drained();
    if (rig.echo.drainings != 1) fail_msg("told %u times", rig.echo.drainings);
    h2_close(h2);
    h2_close(other);
}

static void who_says_nothing_is_closed(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    begin_drain();
    expect_drained();
    if (!h2_await_end(h2, WAIT_MS)) fail_msg("the connection is open");
    h2_close(h2);
}

/* Its first call may be on its way, so that the end of the connection alone would be an error to it. */
static void who_says_nothing_is_told_twice(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    h2->keeps_pings = h2->keeps_settings = true; /* an acknowledgement before the preface would be an error */
    begin_drain();
    await_goaways(h2, 1);
    if (h2->goaway_last != INT32_MAX) fail_msg("the first names stream %u", h2->goaway_last);
    await_goaways(h2, 2);
    if (h2->goaway_last != 0 || h2->goaway_error != 0) fail_msg("the last names stream %u", h2->goaway_last);
    expect_drained();
    h2_close(h2);
}

/* It has connected before the drain, and its first bytes are on their way. */
static void who_has_just_connected_is_told_too(void **state) {
    (void)state;
    struct h2 *h2 = rig_connect(&rig);
    (void)streams_drain(loops_at(rig.loops, 0), rig.door, DRAIN_CLOSE);
    h2_greet(h2);
    begin_drain();
    await_goaways(h2, 2);
    expect_drained();
    h2_close(h2);
}

/* A peer that goes on sending gets the last GOAWAY all the same: a reset does not overtake it. */
static void the_last_goaway_is_not_lost(void **state) {
    (void)state;
    struct h2 *h2 = rig_greet(&rig);
    begin_drain();
    for (int i = 0; i < WAIT_MS && atomic_load(&drained) == 0; i++) {
        h2_write_ping(h2, 7);
        usleep(1000);
        rig_pass(&rig, 1, 1);
    }
    h2_read_all(h2);
    if (h2->goaways != 2) fail_msg("%u GOAWAYs came", h2->goaways);
    expect_drained();
    h2_close(h2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(int argc, char *argv[]) {
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    const struct CMUnitTest tests[] = {
        TEST(who_does_nothing_is_told_twice), TEST(calls_between_the_two_are_answered),
        TEST(a_pong_brings_the_last_at_once), TEST(services_are_told_once),
        TEST(who_says_nothing_is_closed),     TEST(who_has_just_connected_is_told_too),
        TEST(the_last_goaway_is_not_lost),    TEST(who_says_nothing_is_told_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
