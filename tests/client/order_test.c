/* The writes of one client take effect in the order in which they were made, and a touch only while it is fresh. What
 * counts is the order in which nodes that fail in every way did them. */
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

enum { NODES = 3, PATIENCE_MS = 30000, USERS = 5, WRITES = 1500, IN_FLIGHT = 40, TTL_MS = 1000000 };

struct fixture {
    char urls[NODES][48];
    const char *addresses[NODES];
    struct fake_node *nodes[NODES];
    struct muster_client *client;
    atomic_int good, bad;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    for (int i = 0; i < NODES; i++) {
        snprintf(fixture->urls[i], sizeof fixture->urls[i], "tcp://127.0.0.1:%u", port_free());
        fixture->addresses[i] = fixture->urls[i];
        fixture->nodes[i] = fake_node_start(fixture->urls[i]);
    }
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    for (int i = 0; i < NODES; i++) fake_node_stop(fixture->nodes[i]);
    free(fixture);
    return 0;
}

static void open_client(struct fixture *fixture, size_t nodes, uint32_t timeout_ms) {
    struct muster_options options = {
        .addresses = fixture->addresses, .address_count = nodes, .timeout_ms = timeout_ms, .connect_ms = PATIENCE_MS};
    struct muster_error error;
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
}

/* ---- writes, and what the nodes did of them ---------------------------------------------------------------------- */

static void count_one(struct fixture *fixture, const struct muster_error *error) {
    if (error->code != MUSTER_OK) fprintf(stderr, "%s\n", error->message);
    atomic_fetch_add(error->code == MUSTER_OK ? &fixture->good : &fixture->bad, 1);
}

static void on_touched(void *arg, const struct muster_touched *touched, const struct muster_error *error) {
    (void)touched;
    count_one(arg, error);
}

static void on_left(void *arg, const struct muster_left *left, const struct muster_error *error) {
    (void)left;
    count_one(arg, error);
}

/* The number of a write is in the TTL of a touch and in the linger of a leave. */
static enum muster_code touch_async(struct fixture *fixture, const char *user, uint32_t number) {
    struct muster_beat beat = {.user = user};
    return muster_touch_async(fixture->client, NULL, TTL_MS + number, &beat, 1, on_touched, fixture, NULL);
}

static enum muster_code leave_async(struct fixture *fixture, const char *user, uint32_t number) {
    struct muster_departure departure = {.user = user};
    return muster_leave_async(fixture->client, NULL, &departure, 1, number, 0, on_left, fixture, NULL);
}

static uint32_t number_of(const struct fake_entry *entry) {
    return entry->is_leave ? entry->linger_ms : entry->ttl_ms - TTL_MS;
}

/* The entry of this user that all nodes together did last; 0 entries: fails the test. */
static struct fake_entry last_of(struct fixture *fixture, const char *user) {
    struct fake_entry last = {0};
    bool has_one = false;
    for (int i = 0; i < NODES; i++) {
        size_t count;
        struct fake_entry *entries = fake_node_journal(fixture->nodes[i], &count);
        for (size_t j = 0; j < count; j++) {
            if (strcmp(entries[j].user, user) != 0 || (has_one && entries[j].order < last.order)) continue;
            last = entries[j];
            has_one = true;
        }
        free(entries);
    }
    if (!has_one) fail_msg("nothing was done for %s", user);
    return last;
}

static size_t touches_of(struct fixture *fixture, int node) {
    size_t count, touches = 0;
    struct fake_entry *entries = fake_node_journal(fixture->nodes[node], &count);
    for (size_t i = 0; i < count; i++) touches += !entries[i].is_leave;
    free(entries);
    return touches;
}

static bool are_two(void *context) {
    struct fixture *fixture = context;
    return atomic_load(&fixture->good) + atomic_load(&fixture->bad) == 2;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

static void a_write_that_is_retried_takes_those_behind_it_along(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, 1, PATIENCE_MS);
    fake_node_refuse_next(fixture->nodes[0], 1, MUSTER_UNAVAILABLE);
    assert_int_equal(touch_async(fixture, "ada", 1), MUSTER_OK);
    assert_int_equal(leave_async(fixture, "ada", 2), MUSTER_OK);
    if (!wait_until(are_two, fixture, PATIENCE_MS)) fail_msg("not both came back");
    assert_int_equal(atomic_load(&fixture->bad), 0);
    if (!last_of(fixture, "ada").is_leave) fail_msg("the touch was done after the leave that was made after it");
}

static void so_does_one_that_goes_to_another_node(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, NODES, PATIENCE_MS);
    for (int i = 0; i < NODES; i++) fake_node_refuse_next(fixture->nodes[i], 1, MUSTER_UNAVAILABLE);
    assert_int_equal(touch_async(fixture, "ada", 1), MUSTER_OK);
    assert_int_equal(leave_async(fixture, "ada", 2), MUSTER_OK);
    if (!wait_until(are_two, fixture, PATIENCE_MS)) fail_msg("not both came back");
    assert_int_equal(atomic_load(&fixture->bad), 0);
    if (!last_of(fixture, "ada").is_leave) fail_msg("the touch was done after the leave that was made after it");
}

static void a_blocking_write_comes_after_the_asynchronous_ones_before_it(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, NODES, PATIENCE_MS);
    fake_node_refuse_next(fixture->nodes[0], 1, MUSTER_UNAVAILABLE);
    struct muster_departure departure = {.user = "ada"};
    struct muster_error error;
    assert_int_equal(touch_async(fixture, "ada", 1), MUSTER_OK);
    if (muster_leave(fixture->client, NULL, &departure, 1, 2, 0, NULL, &error) != MUSTER_OK)
        fail_msg("%s", error.message);
    if (!last_of(fixture, "ada").is_leave) fail_msg("the touch was done after the leave that was made after it");
}

static void a_leave_carries_the_stamp_of_what_was_answered_before(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, 2, PATIENCE_MS);
    struct muster_beat beat = {.user = "ada"};
    struct muster_departure departure = {.user = "ada"};
    struct muster_touched touched;
    assert_int_equal(muster_touch(fixture->client, NULL, 0, &beat, 1, &touched, NULL), MUSTER_OK);
    fake_node_set_code(fixture->nodes[0], MUSTER_UNAVAILABLE);
    assert_int_equal(muster_leave(fixture->client, NULL, &departure, 1, 0, 0, NULL, NULL), MUSTER_OK);
    if (last_of(fixture, "ada").stamp != touched.stamp)
        fail_msg("stamp %llu, not %llu", (unsigned long long)last_of(fixture, "ada").stamp,
                 (unsigned long long)touched.stamp);
    fake_node_set_code(fixture->nodes[0], MUSTER_OK);
    assert_int_equal(muster_leave(fixture->client, NULL, &departure, 1, 0, UINT64_C(1) << 60, NULL, NULL), MUSTER_OK);
    if (last_of(fixture, "ada").stamp != UINT64_C(1) << 60) fail_msg("the program's own stamp was not sent");
}

struct limit {
    struct fixture *fixture;
    int made, open_max;
};

static bool are_few_open(void *context) {
    struct limit *limit = context;
    int ended = atomic_load(&limit->fixture->good) + atomic_load(&limit->fixture->bad);
    return limit->made - ended <= limit->open_max;
}

static void await_open(struct fixture *fixture, int made, int open_max) {
    struct limit limit = {fixture, made, open_max};
    if (!wait_until(are_few_open, &limit, PATIENCE_MS)) fail_msg("no answer to some of %d writes", made);
}

/* Many writes over nodes that refuse and break off by chance, also after they did what they were told. Whatever is
 * done twice or late, the last of each user is the last that was made. */
static void order_holds_through_every_fault(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, NODES, PATIENCE_MS);
    uint64_t seed = wait_now_ms();
    printf("seed %llu\n", (unsigned long long)seed);
    for (int i = 0; i < NODES; i++) fake_node_set_faults(fixture->nodes[i], seed + (uint64_t)i);
    uint32_t last[USERS] = {0};
    char names[USERS][8];
    for (unsigned user = 0; user < USERS; user++) snprintf(names[user], sizeof names[user], "u%u", user);
    for (int number = 1; number <= WRITES; number++) {
        unsigned user = (unsigned)(number * 7 + number / 13) % USERS;
        bool is_leave = number % 3 == 0;
        enum muster_code code = is_leave ? leave_async(fixture, names[user], (uint32_t)number)
                                         : touch_async(fixture, names[user], (uint32_t)number);
        if (code != MUSTER_OK) fail_msg("write %d: %s", number, muster_strerror(code));
        last[user] = (uint32_t)number;
        await_open(fixture, number, IN_FLIGHT);
    }
    await_open(fixture, WRITES, 0);
    assert_int_equal(atomic_load(&fixture->bad), 0);
    for (unsigned user = 0; user < USERS; user++) {
        struct fake_entry entry = last_of(fixture, names[user]);
        if (number_of(&entry) != last[user])
            fail_msg("%s: %u was done last, and %u made last", names[user], number_of(&entry), last[user]);
    }
}

/* ---- freshness --------------------------------------------------------------------------------------------------- */

/* The TTL is the shortest there is, and much less than the time-out. */
static void a_touch_is_not_sent_when_its_ttl_has_passed(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, 1, PATIENCE_MS);
    fake_node_set_code(fixture->nodes[0], MUSTER_UNAVAILABLE);
    struct muster_beat beats[] = {{.user = "ada"}, {.user = "bob", .ttl_ms = MUSTER_TTL_MIN_MS}};
    struct muster_error error;
    uint64_t began_ms = wait_now_ms();
    assert_int_equal(muster_touch(fixture->client, NULL, TTL_MS, beats, 2, NULL, &error), MUSTER_UNAVAILABLE);
    uint64_t took_ms = wait_now_ms() - began_ms;
    if (took_ms > PATIENCE_MS / 2) fail_msg("it was tried for %u ms", (unsigned)took_ms);
    fake_node_set_code(fixture->nodes[0], MUSTER_OK);
    assert_int_equal(
        muster_leave(fixture->client, NULL, &(struct muster_departure){.user = "bob"}, 1, 0, 0, NULL, NULL), MUSTER_OK);
    assert_int_equal(touches_of(fixture, 0), 0);
}

static void nor_when_it_waited_for_a_connection_as_long(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, 1, PATIENCE_MS);
    fake_node_stop(fixture->nodes[0]);
    fixture->nodes[0] = NULL;
    struct muster_beat beat = {.user = "ada", .ttl_ms = MUSTER_TTL_MIN_MS};
    struct muster_error error;
    uint64_t began_ms = wait_now_ms();
    assert_int_equal(muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error), MUSTER_UNAVAILABLE);
    uint64_t took_ms = wait_now_ms() - began_ms;
    if (took_ms > PATIENCE_MS / 2) fail_msg("it was tried for %u ms", (unsigned)took_ms);
    fixture->nodes[0] = fake_node_start(fixture->urls[0]);
    assert_int_equal(
        muster_leave(fixture->client, NULL, &(struct muster_departure){.user = "ada"}, 1, 0, 0, NULL, NULL), MUSTER_OK);
    assert_int_equal(touches_of(fixture, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_write_that_is_retried_takes_those_behind_it_along),
        TEST(so_does_one_that_goes_to_another_node),
        TEST(a_blocking_write_comes_after_the_asynchronous_ones_before_it),
        TEST(a_leave_carries_the_stamp_of_what_was_answered_before),
        TEST(order_holds_through_every_fault),
        TEST(a_touch_is_not_sent_when_its_ttl_has_passed),
        TEST(nor_when_it_waited_for_a_connection_as_long),
    };
    return cmocka_run_group_tests_name("client order", tests, NULL, NULL);
}
