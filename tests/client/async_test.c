/* Many calls at once: from callbacks, from threads, over pages. */
#include "fake_node.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/wait.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000, CALLS = 2000, IN_FLIGHT = 20, THREADS = 8 };

struct fixture {
    char url[48];
    const char *address;
    struct fake_node *node;
    struct muster_client *client;
    atomic_int started, good, bad, cancelled;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", port_free());
    fixture->address = fixture->url;
    fixture->node = fake_node_start(fixture->url);
    struct muster_options options = {
        .addresses = &fixture->address, .address_count = 1, .in_flight_max = IN_FLIGHT, .timeout_ms = PATIENCE_MS};
    struct muster_error error;
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    fake_node_stop(fixture->node);
    free(fixture);
    return 0;
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static void start_one(struct fixture *fixture);

static void touched_one(void *arg, const struct muster_touched *touched, const struct muster_error *error) {
    struct fixture *fixture = arg;
    if (error->code == MUSTER_OK && touched->joined == 1 && touched->stamp != 0) atomic_fetch_add(&fixture->good, 1);
    else if (error->code == MUSTER_CANCELLED) atomic_fetch_add(&fixture->cancelled, 1);
    else atomic_fetch_add(&fixture->bad, 1);
    if (error->code == MUSTER_OK) start_one(fixture);
}

static void start_one(struct fixture *fixture) {
    if (atomic_fetch_add(&fixture->started, 1) >= CALLS) return;
    struct muster_beat beat = {.user = "ada"};
    if (muster_touch_async(fixture->client, NULL, 0, &beat, 1, touched_one, fixture, NULL) != MUSTER_OK)
        atomic_fetch_add(&fixture->bad, 1);
}

static bool is_done(void *context) {
    struct fixture *fixture = context;
    return atomic_load(&fixture->good) + atomic_load(&fixture->bad) >= CALLS;
}

static void each_answer_may_start_the_next_call(void **state) {
    struct fixture *fixture = *state;
    for (int i = 0; i < IN_FLIGHT; i++) start_one(fixture);
    if (!wait_until(is_done, fixture, PATIENCE_MS)) fail_msg("%d of %d came back", atomic_load(&fixture->good), CALLS);
    assert_int_equal(atomic_load(&fixture->bad), 0);
    assert_int_equal(fake_node_requests(fixture->node), CALLS);
}

static void no_more_than_allowed_are_in_flight(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_behaviour(fixture->node, FAKE_SILENT);
    struct muster_beat beat = {.user = "ada"};
    struct muster_error error;
    for (int i = 0; i < IN_FLIGHT; i++) {
        if (muster_touch_async(fixture->client, NULL, 0, &beat, 1, touched_one, fixture, &error) != MUSTER_OK)
            fail_msg("%d: %s", i, error.message);
    }
    assert_int_equal(muster_touch_async(fixture->client, NULL, 0, &beat, 1, touched_one, fixture, &error),
                     MUSTER_RESOURCE_EXHAUSTED);
    assert_string_equal(error.message, "in_flight_max: 20 calls are in flight");
    muster_close(fixture->client);
    fixture->client = NULL;
    assert_int_equal(atomic_load(&fixture->cancelled), IN_FLIGHT);
    assert_int_equal(atomic_load(&fixture->good) + atomic_load(&fixture->bad), 0);
}

static void bad_arguments_free_their_place(void **state) {
    struct fixture *fixture = *state;
    struct muster_beat nobody = {.user = ""};
    for (int i = 0; i < 2 * IN_FLIGHT; i++)
        assert_int_equal(muster_touch_async(fixture->client, NULL, 0, &nobody, 1, touched_one, fixture, NULL),
                         MUSTER_INVALID_ARGUMENT);
    assert_int_equal(atomic_load(&fixture->good) + atomic_load(&fixture->bad), 0);
    each_answer_may_start_the_next_call(state);
}

static void closing_ends_calls_that_back_off(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_code(fixture->node, MUSTER_UNAVAILABLE);
    for (int i = 0; i < IN_FLIGHT; i++) start_one(fixture);
    uint64_t began_ms = wait_now_ms();
    muster_close(fixture->client);
    fixture->client = NULL;
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("closing waited for the time-outs");
    assert_int_equal(atomic_load(&fixture->cancelled), IN_FLIGHT);
}

static void got_users(void *arg, const struct muster_users *users, const struct muster_error *error) {
    struct fixture *fixture = arg;
    atomic_fetch_add(
        error->code == MUSTER_OK && users->count == 2 && users->items[1].is_live ? &fixture->good : &fixture->bad, 1);
}

static void got_left(void *arg, const struct muster_left *left, const struct muster_error *error) {
    struct fixture *fixture = arg;
    atomic_fetch_add(error->code == MUSTER_OK && left->left == 1 ? &fixture->good : &fixture->bad, 1);
}

static void got_counts(void *arg, const struct muster_counts *counts, const struct muster_error *error) {
    struct fixture *fixture = arg;
    atomic_fetch_add(error->code == MUSTER_UNIMPLEMENTED && counts->count == 0 ? &fixture->good : &fixture->bad, 1);
}

static bool are_four(void *context) {
    struct fixture *fixture = context;
    return atomic_load(&fixture->good) + atomic_load(&fixture->bad) >= 4;
}

static void every_kind_has_its_answer(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_pages(fixture->node, 1, 2);
    const char *users[] = {"ada", "bob"};
    struct muster_departure departure = {.user = "ada"};
    assert_int_equal(muster_live_async(fixture->client, NULL, users, 2, false, got_users, fixture, NULL), MUSTER_OK);
    assert_int_equal(muster_list_async(fixture->client, NULL, got_users, fixture, NULL), MUSTER_OK);
    assert_int_equal(muster_leave_async(fixture->client, NULL, &departure, 1, 0, 0, got_left, fixture, NULL),
                     MUSTER_OK);
    assert_int_equal(muster_counts_async(fixture->client, NULL, 0, NULL, 0, got_counts, fixture, NULL), MUSTER_OK);
    if (!wait_until(are_four, fixture, PATIENCE_MS)) fail_msg("not all came back");
    assert_int_equal(atomic_load(&fixture->bad), 0);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *call_in_turn(void *arg) {
    struct fixture *fixture = arg;
    struct muster_users *live = NULL;
    const char *users[] = {"ada", "bob"};
    struct muster_beat beat = {.user = "ada"};
    for (int i = 0; i < 100; i++) {
        bool is_good = muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, NULL) == MUSTER_OK;
        is_good &= muster_live(fixture->client, NULL, users, 2, false, &live, NULL) == MUSTER_OK && live->count == 2;
        atomic_fetch_add(is_good ? &fixture->good : &fixture->bad, 1);
    }
    muster_users_free(live);
    return NULL;
}

static void many_threads_share_a_client(void **state) {
    struct fixture *fixture = *state;
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, call_in_turn, fixture), 0);
    for (int i = 0; i < IN_FLIGHT; i++) start_one(fixture);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&fixture->bad), 0);
    assert_true(atomic_load(&fixture->good) >= THREADS * 100);
}

/* ---- walks ------------------------------------------------------------------------------------------------------- */

static void a_walk_comes_by_every_user(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_pages(fixture->node, 7, 300);
    struct muster_walk *walk;
    struct muster_error error;
    assert_int_equal(muster_walk_open(fixture->client, NULL, &walk, &error), MUSTER_OK);
    size_t seen = 0;
    for (const struct muster_user *user; (user = muster_walk_next(walk)) != NULL; seen++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "p%03zu-u%04zu", seen / 300, seen % 300);
        if (strcmp(user->user, wanted) != 0) fail_msg("%s, not %s", user->user, wanted);
    }
    assert_int_equal(seen, 2100);
    assert_null(muster_walk_next(walk));
    assert_int_equal(muster_walk_close(walk, &error), MUSTER_OK);
}

static void a_walk_over_empty_pages_ends(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_pages(fixture->node, 5, 0);
    struct muster_walk *walk;
    assert_int_equal(muster_walk_open(fixture->client, &(struct muster_query){.scope = "s"}, &walk, NULL), MUSTER_OK);
    assert_null(muster_walk_next(walk));
    assert_int_equal(muster_walk_close(walk, NULL), MUSTER_OK);
    assert_int_equal(fake_node_requests(fixture->node), 5);
}

static void a_walk_that_fails_says_so_at_its_end(void **state) {
    struct fixture *fixture = *state;
    struct muster_walk *walk;
    struct muster_error error;
    fake_node_set_pages(fixture->node, 2, 10);
    assert_int_equal(muster_walk_open(fixture->client, NULL, &walk, &error), MUSTER_OK);
    assert_non_null(muster_walk_next(walk));
    assert_int_equal(muster_walk_close(walk, &error), MUSTER_OK); /* given up early */
    fake_node_set_code(fixture->node, MUSTER_PERMISSION_DENIED);
    assert_int_equal(muster_walk_open(fixture->client, NULL, &walk, &error), MUSTER_OK);
    assert_null(muster_walk_next(walk));
    assert_int_equal(muster_walk_close(walk, &error), MUSTER_PERMISSION_DENIED);
    assert_int_equal(muster_walk_open(fixture->client, &(struct muster_query){.page_size = 10001}, &walk, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_null(walk);
}

static void a_result_is_used_again(void **state) {
    struct fixture *fixture = *state;
    struct muster_users *users = NULL;
    struct muster_error error;
    fake_node_set_pages(fixture->node, 3, 1000);
    assert_int_equal(muster_list(fixture->client, NULL, &users, &error), MUSTER_OK);
    assert_int_equal(users->count, 1000);
    struct muster_users *first = users;
    /* Its own strings may be asked for again. */
    struct muster_query query = {.page_token = users->next_page_token};
    assert_int_equal(muster_list(fixture->client, &query, &users, &error), MUSTER_OK);
    assert_ptr_equal(users, first);
    assert_string_equal(users->items[0].user, "p001-u0000");
    const char *names[] = {users->items[0].user, users->items[1].user};
    assert_int_equal(muster_live(fixture->client, NULL, names, 2, false, &users, &error), MUSTER_OK);
    assert_int_equal(users->count, 2);
    assert_string_equal(users->items[0].user, "");
    assert_int_equal(muster_live(fixture->client, NULL, NULL, 2, false, &users, &error), MUSTER_INVALID_ARGUMENT);
    assert_int_equal(users->count, 0);
    muster_users_free(users);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(each_answer_may_start_the_next_call),
        TEST(no_more_than_allowed_are_in_flight),
        TEST(bad_arguments_free_their_place),
        TEST(closing_ends_calls_that_back_off),
        TEST(every_kind_has_its_answer),
        TEST(many_threads_share_a_client),
        TEST(a_walk_comes_by_every_user),
        TEST(a_walk_over_empty_pages_ends),
        TEST(a_walk_that_fails_says_so_at_its_end),
        TEST(a_result_is_used_again),
    };
    return cmocka_run_group_tests_name("client async", tests, NULL, NULL);
}
