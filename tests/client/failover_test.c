/* One call over several nodes that fail in every way. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/wait.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { NODES = 3, PATIENCE_MS = 20000 };

struct fixture {
    char urls[NODES][48];
    const char *addresses[NODES];
    struct fake_node *nodes[NODES];
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    for (int i = 0; i < NODES; i++) {
        snprintf(fixture->urls[i], sizeof fixture->urls[i], "tcp://127.0.0.1:%u", port_free());
        fixture->addresses[i] = fixture->urls[i];
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < NODES; i++) fake_node_stop(fixture->nodes[i]);
    free(fixture);
    return 0;
}

static void start(struct fixture *fixture, int i) {
    fixture->nodes[i] = fake_node_start(fixture->urls[i]);
}

static void stop(struct fixture *fixture, int i) {
    fake_node_stop(fixture->nodes[i]);
    fixture->nodes[i] = NULL;
}

static struct muster_client *open_client(struct fixture *fixture, size_t count, uint32_t timeout_ms,
                                         uint32_t attempt_ms) {
    struct muster_options options = {
        .addresses = fixture->addresses, .address_count = count, .timeout_ms = timeout_ms, .attempt_ms = attempt_ms};
    struct muster_client *client;
    struct muster_error error;
    if (muster_open(&options, &client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    return client;
}

static enum muster_code touch(struct muster_client *client, struct muster_error *error) {
    struct muster_beat beat = {.user = "ada"};
    return muster_touch(client, NULL, 0, &beat, 1, NULL, error);
}

static void must_touch(struct muster_client *client) {
    struct muster_error error;
    if (touch(client, &error) != MUSTER_OK) fail_msg("touch: %s", error.message);
}

static void expect(enum muster_code got, enum muster_code wanted, const struct muster_error *error) {
    if (got != wanted) fail_msg("%s, not %s: %s", muster_strerror(got), muster_strerror(wanted), error->message);
    if (error->code != got) fail_msg("the error says %d, the call %d", (int)error->code, (int)got);
}

static void a_node_that_is_not_there_is_passed_over(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 1);
    struct muster_client *client = open_client(fixture, 2, 10000, 0);
    uint64_t began_ms = wait_now_ms();
    must_touch(client);
    if (wait_now_ms() - began_ms > 4000) fail_msg("took %u ms", (unsigned)(wait_now_ms() - began_ms));
    assert_int_equal(fake_node_requests(fixture->nodes[1]), 1);
    muster_close(client);
}

static void a_silent_node_is_passed_over_and_avoided(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    start(fixture, 1);
    struct muster_client *client = open_client(fixture, 2, 10000, 300);
    must_touch(client); /* both are connected, or will be before the attempts are over */
    fake_node_set_behaviour(fixture->nodes[0], FAKE_SILENT);
    size_t before = fake_node_requests(fixture->nodes[1]);
    for (int i = 0; i < 5; i++) must_touch(client);
    if (fake_node_requests(fixture->nodes[1]) < before + 5) fail_msg("the second node was not asked each time");
    if (fake_node_requests(fixture->nodes[0]) > 2) fail_msg("the silent node was asked again and again");
    muster_close(client);
}

static void a_node_that_is_unavailable_is_passed_over(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    start(fixture, 1);
    fake_node_set_code(fixture->nodes[0], MUSTER_UNAVAILABLE);
    fake_node_set_code(fixture->nodes[1], MUSTER_UNAVAILABLE);
    struct muster_client *client = open_client(fixture, 2, 500, 0);
    struct muster_error error;
    expect(touch(client, &error), MUSTER_UNAVAILABLE, &error);
    if (!error.is_answer) fail_msg("a node said so: %s", error.message);
    fake_node_set_code(fixture->nodes[1], MUSTER_OK);
    must_touch(client);
    muster_close(client);
}

static void retries_back_off(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    fake_node_set_code(fixture->nodes[0], MUSTER_UNAVAILABLE);
    struct muster_client *client = open_client(fixture, 1, 1000, 0);
    struct muster_error error;
    uint64_t began_ms = wait_now_ms();
    expect(touch(client, &error), MUSTER_UNAVAILABLE, &error);
    uint64_t took_ms = wait_now_ms() - began_ms;
    size_t asked = fake_node_requests(fixture->nodes[0]);
    /* 10-20, 20-40, 40-80 … ms apart: four to eight within a second. */
    if (asked < 3 || asked > 8) fail_msg("asked %zu times in %u ms", asked, (unsigned)took_ms);
    if (took_ms > 3000) fail_msg("took %u ms", (unsigned)took_ms);
    muster_close(client);
}

static void other_refusals_are_final(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    start(fixture, 1);
    fake_node_set_code(fixture->nodes[0], MUSTER_RESOURCE_EXHAUSTED);
    fake_node_set_code(fixture->nodes[1], MUSTER_RESOURCE_EXHAUSTED);
    struct muster_client *client = open_client(fixture, 2, 10000, 0);
    struct muster_error error;
    expect(touch(client, &error), MUSTER_RESOURCE_EXHAUSTED, &error);
    assert_true(error.is_answer);
    assert_string_equal(error.message, "the fake node was told to refuse");
    assert_int_equal(fake_node_requests(fixture->nodes[0]) + fake_node_requests(fixture->nodes[1]), 1);
    fake_node_set_code(fixture->nodes[0], (enum muster_code)77);
    fake_node_set_code(fixture->nodes[1], (enum muster_code)77);
    expect(touch(client, &error), MUSTER_UNKNOWN, &error);
    if (strstr(error.message, "77") == NULL) fail_msg("the code is not named: %s", error.message);
    muster_close(client);
}

static void answers_that_are_none_are_internal_errors(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    struct muster_client *client = open_client(fixture, 1, 10000, 0);
    struct muster_error error;
    fake_node_set_behaviour(fixture->nodes[0], FAKE_GARBAGE);
    expect(touch(client, &error), MUSTER_INTERNAL, &error);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_ELSEWHERE);
    expect(touch(client, &error), MUSTER_INTERNAL, &error);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_MISCOUNTING);
    const char *users[] = {"ada", "bob"};
    struct muster_users *live = NULL;
    expect(muster_live(client, NULL, users, 2, false, &live, &error), MUSTER_INTERNAL, &error);
    assert_int_equal(live->count, 0);
    muster_users_free(live);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_WELL);
    must_touch(client);
    muster_close(client);
}

static void an_oversized_answer_costs_the_connection_and_goes_elsewhere(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    start(fixture, 1);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_OVERSIZED);
    struct muster_client *client = open_client(fixture, 2, 10000, 0);
    must_touch(client);
    assert_true(fake_node_requests(fixture->nodes[1]) >= 1);
    muster_close(client);
}

static void time_outs_hold(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_SILENT);
    struct muster_client *client = open_client(fixture, 1, 400, 0);
    struct muster_error error;
    uint64_t began_ms = wait_now_ms();
    expect(touch(client, &error), MUSTER_DEADLINE_EXCEEDED, &error);
    uint64_t took_ms = wait_now_ms() - began_ms;
    if (took_ms < 390 || took_ms > 3000) fail_msg("took %u ms", (unsigned)took_ms);
    if (strstr(error.message, fixture->urls[0]) == NULL) fail_msg("the node is not named: %s", error.message);
    muster_close(client);

    client = open_client(fixture, 3, 600, 0);
    stop(fixture, 0);
    began_ms = wait_now_ms();
    expect(touch(client, &error), MUSTER_UNAVAILABLE, &error);
    took_ms = wait_now_ms() - began_ms;
    if (took_ms > 3000) fail_msg("took %u ms without any node", (unsigned)took_ms);
    assert_false(error.is_answer);
    muster_close(client);
}

static void a_call_waits_for_a_node_that_restarts(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    struct muster_client *client = open_client(fixture, 1, PATIENCE_MS, 0);
    must_touch(client);
    stop(fixture, 0);
    start(fixture, 0);
    must_touch(client);
    assert_int_equal(fake_node_requests(fixture->nodes[0]), 1);
    muster_close(client);
}

struct touching {
    struct muster_client *client;
    struct muster_error error;
};

static void *touch_in_thread(void *arg) {
    struct touching *touching = arg;
    touch(touching->client, &touching->error);
    return NULL;
}

static bool was_asked(void *node) {
    return fake_node_requests(node) != 0;
}

static void a_call_whose_node_dies_is_made_elsewhere(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    fake_node_set_behaviour(fixture->nodes[0], FAKE_SILENT);
    struct touching touching = {.client = open_client(fixture, 2, PATIENCE_MS, PATIENCE_MS)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, touch_in_thread, &touching), 0);
    if (!wait_until(was_asked, fixture->nodes[0], PATIENCE_MS)) fail_msg("the first node was not asked");
    start(fixture, 1);
    uint64_t began_ms = wait_now_ms();
    stop(fixture, 0);
    pthread_join(thread, NULL);
    expect(touching.error.code, MUSTER_OK, &touching.error);
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("it was waited for a connection that was lost");
    assert_int_equal(fake_node_requests(fixture->nodes[1]), 1);
    muster_close(touching.client);
}

static bool was_asked_twice(void *node) {
    return fake_node_requests(node) >= 2;
}

/* Whatever the library waited for before. */
static void a_time_out_after_a_back_off_is_one(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    fake_node_set_code(fixture->nodes[0], MUSTER_UNAVAILABLE);
    struct touching touching = {.client = open_client(fixture, 1, 2000, 0)};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, touch_in_thread, &touching), 0);
    if (!wait_until(was_asked_twice, fixture->nodes[0], PATIENCE_MS)) fail_msg("the node was not asked again");
    fake_node_set_behaviour(fixture->nodes[0], FAKE_SILENT);
    pthread_join(thread, NULL);
    expect(touching.error.code, MUSTER_DEADLINE_EXCEEDED, &touching.error);
    muster_close(touching.client);
}

static void opening_may_wait_for_a_connection(void **state) {
    struct fixture *fixture = *state;
    struct muster_options options = {.addresses = fixture->addresses, .address_count = 2, .connect_ms = PATIENCE_MS};
    struct muster_client *client;
    struct muster_error error;
    uint64_t began_ms = wait_now_ms();
    expect(muster_open(&options, &client, &error), MUSTER_UNAVAILABLE, &error);
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("a refused connection was waited for");
    assert_null(client);
    if (strstr(error.message, "refused") == NULL) fail_msg("it does not say why: %s", error.message);
    start(fixture, 1);
    expect(muster_open(&options, &client, &error), MUSTER_OK, &error);
    must_touch(client);
    start(fixture, 0); /* the one that refused goes on being dialled */
    stop(fixture, 1);
    must_touch(client);
    muster_close(client);
}

static void bad_options_are_refused(void **state) {
    (void)state;
    const char *bad = "carrier-pigeon://coop", *missing = NULL;
    char token[MUSTER_TOKEN_BYTES_MAX + 2];
    memset(token, 't', sizeof token - 1);
    token[sizeof token - 1] = '\0';
    struct muster_options cases[] = {
        {.addresses = &bad, .address_count = 1},
        {.addresses = &missing, .address_count = 1},
        {.address_count = MUSTER_ADDRESSES_MAX + 1},
        {.timeout_ms = MUSTER_TIMEOUT_MAX_MS + 1},
        {.connect_ms = MUSTER_TIMEOUT_MAX_MS + 1},
        {.in_flight_max = MUSTER_IN_FLIGHT_MAX + 1},
        {.token = token},
    };
    const char *names[] = {"addresses[0]", "addresses[0]",  "addresses", "timeout_ms",
                           "connect_ms",   "in_flight_max", "token"};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct muster_client *client;
        struct muster_error error;
        expect(muster_open(&cases[i], &client, &error), MUSTER_INVALID_ARGUMENT, &error);
        assert_null(client);
        if (strncmp(error.message, names[i], strlen(names[i])) != 0) fail_msg("case %zu: %s", i, error.message);
        assert_int_equal(muster_open(&cases[i], &client, NULL), MUSTER_INVALID_ARGUMENT);
    }
}

static void the_token_goes_with_every_call(void **state) {
    struct fixture *fixture = *state;
    start(fixture, 0);
    struct muster_options options = {.addresses = fixture->addresses, .address_count = 1, .token = "sesame"};
    struct muster_client *client;
    assert_int_equal(muster_open(&options, &client, NULL), MUSTER_OK);
    must_touch(client);
    char *token = fake_node_token(fixture->nodes[0]);
    assert_string_equal(token, "sesame");
    free(token);
    muster_close(client);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_node_that_is_not_there_is_passed_over),
        TEST(a_silent_node_is_passed_over_and_avoided),
        TEST(a_node_that_is_unavailable_is_passed_over),
        TEST(retries_back_off),
        TEST(other_refusals_are_final),
        TEST(answers_that_are_none_are_internal_errors),
        TEST(an_oversized_answer_costs_the_connection_and_goes_elsewhere),
        TEST(time_outs_hold),
        TEST(a_call_waits_for_a_node_that_restarts),
        TEST(a_call_whose_node_dies_is_made_elsewhere),
        TEST(a_time_out_after_a_back_off_is_one),
        TEST(opening_may_wait_for_a_connection),
        TEST(bad_options_are_refused),
        TEST(the_token_goes_with_every_call),
    };
    return cmocka_run_group_tests_name("client failover", tests, NULL, NULL);
}
