/* Watches and mirrors against real nodes, one that restarts and two of which one ends. */
#include "journal.h"
#include "muster/muster.h"
#include "support/cluster_rig.h"
#include "support/random.h"
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

enum { PATIENCE_MS = 20000, LONG_MS = 600000 };

struct fixture {
    struct rig rig;
    const char *addresses[2];
    struct muster_client *client, *teller; /* teller: of node 1 alone where there are two */
    struct muster_watch *watch;
    struct muster_mirror *mirror;
    struct journal *journal;
};

static void must(enum muster_code code, const struct muster_error *error) {
    if (code != MUSTER_OK) fail_msg("%s: %s", muster_strerror(code), error->message);
}

static struct muster_client *client_of(struct fixture *fixture, size_t first, size_t count) {
    struct muster_options options = {
        .addresses = &fixture->addresses[first], .address_count = count, .connect_ms = PATIENCE_MS};
    struct muster_client *client;
    struct muster_error error;
    must(muster_open(&options, &client, &error), &error);
    return client;
}

/* The watching client is connected to the first node before there is a second one: it is watched there. */
static struct fixture *bench_new(size_t nodes) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    rig_open(&fixture->rig, nodes, NULL);
    fixture->journal = journal_new();
    for (size_t i = 0; i < nodes; i++) fixture->addresses[i] = fixture->rig.nodes[i].rpc;
    rig_start(&fixture->rig, 0);
    fixture->client = client_of(fixture, 0, nodes);
    for (size_t i = 1; i < nodes; i++) rig_start(&fixture->rig, i);
    for (size_t i = 0; i < nodes; i++) rig_await_joined(&fixture->rig, i);
    for (size_t i = 0; i < nodes; i++)
        for (size_t j = 0; j < nodes; j++) rig_expect_state(&fixture->rig, i, j, MUSTER_NODE_ALIVE, PATIENCE_MS);
    fixture->teller = client_of(fixture, nodes - 1, 1);
    return fixture;
}

static void bench_free(struct fixture *fixture) {
    muster_watch_close(fixture->watch);
    muster_mirror_close(fixture->mirror);
    muster_close(fixture->client);
    muster_close(fixture->teller);
    rig_close(&fixture->rig);
    journal_free(fixture->journal);
    free(fixture);
}

static int one_node(void **state) {
    *state = bench_new(1);
    return 0;
}

static int two_nodes(void **state) {
    *state = bench_new(2);
    return 0;
}

static int tear_down(void **state) {
    bench_free(*state);
    return 0;
}

static void watch(struct fixture *fixture, struct muster_watch_options options) {
    struct muster_error error;
    options.scope = "room";
    options.callbacks = journal_callbacks();
    options.arg = fixture->journal;
    must(muster_watch_open(fixture->client, &options, &fixture->watch, &error), &error);
}

static void come(struct fixture *fixture, const char *user, enum muster_status status, const char *state_text,
                 uint32_t ttl_ms) {
    struct muster_error error;
    struct muster_beat beat = {
        .user = user, .session = "tab", .status = status, .state = state_text, .state_len = strlen(state_text)};
    must(muster_touch(fixture->teller, "room", ttl_ms, &beat, 1, NULL, &error), &error);
}

static void go(struct fixture *fixture, const char *user) {
    struct muster_error error;
    struct muster_departure departure = {.user = user, .all_sessions = true};
    must(muster_leave(fixture->teller, "room", &departure, 1, 0, 0, NULL, &error), &error);
}

static void tells(struct fixture *fixture, const char *wanted) {
    journal_expect(fixture->journal, wanted);
}

/* ---- one node ---------------------------------------------------------------------------------------------------- */

static void every_change_is_told_once(void **state) {
    struct fixture *fixture = *state;
    come(fixture, "old", MUSTER_STATUS_AWAY, "", LONG_MS);
    watch(fixture, (struct muster_watch_options){.with_sessions = true});
    tells(fixture, "+old:1 synced");
    come(fixture, "ada", MUSTER_STATUS_ONLINE, "", LONG_MS);
    tells(fixture, "+ada:2");
    come(fixture, "ada", MUSTER_STATUS_ONLINE, "", LONG_MS); /* a mere refresh */
    come(fixture, "ada", MUSTER_STATUS_BUSY, "", LONG_MS);
    tells(fixture, "~ada:3");
    come(fixture, "ada", MUSTER_STATUS_BUSY, "typing", LONG_MS);
    tells(fixture, "~ada:3/typing");
    go(fixture, "ada");
    tells(fixture, "-ada:1");
    come(fixture, "bob", MUSTER_STATUS_ONLINE, "", 1000);
    tells(fixture, "+bob:2");
    tells(fixture, "-bob:2"); /* a second later */
    come(fixture, "cyd", MUSTER_STATUS_ONLINE, "", LONG_MS);
    tells(fixture, "+cyd:2");
    go(fixture, "old");
    tells(fixture, "-old:1");
    struct muster_error error;
    must(muster_reset(fixture->teller, "room", NULL, &error), &error);
    tells(fixture, "-cyd:3");
}

static bool two_are_told(void *journal) {
    return journal_count(journal, "+ada:2") == 1 && journal_count(journal, "+bob:2") == 1;
}

static bool three_are_told(void *journal) {
    return journal_count(journal, "+eve:2") == 1;
}

static bool zoe_is_told(void *journal) {
    return journal_count(journal, "+zoe:2") == 1;
}

static bool is_synced_again(void *journal) {
    return journal_count(journal, "synced") == 2;
}

static void keep(struct muster_client *client, const char *user, struct muster_keepalive **keepalive) {
    struct muster_error error;
    must(muster_keepalive_open(client, NULL, keepalive, &error), &error);
    must(muster_keepalive_add(*keepalive, "room", user, NULL, MUSTER_STATUS_ONLINE, NULL, 0, &error), &error);
}

/* The node keeps nothing over its restart: it knows the users again once the keepalives of this client and of another
 * one have told it. A user whom nobody keeps is told as left, but only then. */
static void a_lone_node_that_restarts_makes_nobody_flap(void **state) {
    struct fixture *fixture = *state;
    struct muster_keepalive *own, *others;
    keep(fixture->client, "ada", &own);
    keep(fixture->teller, "bob", &others);
    watch(fixture, (struct muster_watch_options){.scope = "room"});
    if (!wait_until(two_are_told, fixture->journal, PATIENCE_MS)) fail_msg("ada and bob are not told");
    come(fixture, "eve", MUSTER_STATUS_ONLINE, "", LONG_MS);
    if (!wait_until(three_are_told, fixture->journal, PATIENCE_MS)) fail_msg("eve is not told");
    rig_kill(&fixture->rig, 0);
    rig_start(&fixture->rig, 0);
    if (!wait_until(is_synced_again, fixture->journal, PATIENCE_MS)) fail_msg("the watch did not begin anew");
    come(fixture, "zoe", MUSTER_STATUS_ONLINE, "", LONG_MS);
    if (!wait_until(zoe_is_told, fixture->journal, PATIENCE_MS)) fail_msg("zoe is not told");
    size_t left = journal_count(fixture->journal, "-ada:0") + journal_count(fixture->journal, "-bob:0");
    size_t joined = journal_count(fixture->journal, "+ada:2") + journal_count(fixture->journal, "+bob:2");
    if (left != 0 || joined != 2) fail_msg("%zu were told as left, %zu as joined", left, joined);
    if (journal_count(fixture->journal, "-eve:0") != 1) fail_msg("eve, whom nobody keeps, is not told as left");
    assert_int_equal(muster_keepalive_close(own, false, NULL), MUSTER_OK);
    assert_int_equal(muster_keepalive_close(others, false, NULL), MUSTER_OK);
}

static void named_users_are_watched_alone(void **state) {
    struct fixture *fixture = *state;
    const char *users[] = {"ada", "cyd"};
    come(fixture, "bob", MUSTER_STATUS_ONLINE, "", LONG_MS);
    come(fixture, "cyd", MUSTER_STATUS_ONLINE, "", LONG_MS);
    watch(fixture, (struct muster_watch_options){.users = users, .user_count = 2});
    tells(fixture, "+cyd:2 synced");
    come(fixture, "dee", MUSTER_STATUS_ONLINE, "", LONG_MS);
    go(fixture, "bob");
    come(fixture, "ada", MUSTER_STATUS_ONLINE, "", LONG_MS);
    tells(fixture, "+ada:2");
}

static void counts_are_watched_alone(void **state) {
    struct fixture *fixture = *state;
    watch(fixture, (struct muster_watch_options){.counts_only = true});
    tells(fixture, "counts:0,0 synced");
    come(fixture, "ada", MUSTER_STATUS_ONLINE, "", LONG_MS);
    tells(fixture, "counts:1,1");
    go(fixture, "ada");
    tells(fixture, "counts:0,1");
}

enum { CROWD = 30000 };

static bool is_whole_crowd(void *context) {
    struct fixture *fixture = context;
    return muster_mirror_count(fixture->mirror) == CROWD;
}

static bool count_one(void *arg, const char *user, enum muster_status status, int64_t last_seen_ms) {
    size_t *odd = arg;
    *odd += strncmp(user, "u", 1) != 0 || status != MUSTER_STATUS_ONLINE || last_seen_ms == 0;
    return true;
}

static void a_crowd_comes_in_pages(void **state) {
    struct fixture *fixture = *state;
    rig_touch_many(&fixture->rig, 0, "u", CROWD / 2, LONG_MS);
    struct muster_error error;
    must(
        muster_mirror_open(fixture->client, &(struct muster_mirror_options){.scope = "room"}, &fixture->mirror, &error),
        &error);
    if (!muster_mirror_wait(fixture->mirror, PATIENCE_MS)) fail_msg("it is not whole");
    assert_int_equal(muster_mirror_count(fixture->mirror), CROWD / 2);
    rig_touch_many(&fixture->rig, 0, "u", CROWD, LONG_MS); /* half of them are there */
    if (!wait_until(is_whole_crowd, fixture, PATIENCE_MS))
        fail_msg("%zu are live, not %d", muster_mirror_count(fixture->mirror), CROWD);
    size_t odd = 0;
    assert_int_equal(muster_mirror_for_each(fixture->mirror, count_one, &odd), CROWD);
    assert_int_equal(odd, 0);
    if (!muster_mirror_is_live(fixture->mirror, "u0") || muster_mirror_is_live(fixture->mirror, "u30000"))
        fail_msg("u0 is live, u30000 is not");
}

/* ---- two nodes --------------------------------------------------------------------------------------------------- */

enum { USERS = 200 };

static size_t count_sign(struct journal *journal, char sign) {
    size_t count = 0;
    pthread_mutex_lock(&journal->mutex);
    for (const char *at = journal->text; *at != '\0'; at++)
        count += *at == sign && (at == journal->text || at[-1] == ' ');
    pthread_mutex_unlock(&journal->mutex);
    return count;
}

static bool is_synced_twice(void *context) {
    return journal_count(context, "synced") >= 2;
}

static bool has_new_and_lost(void *context) {
    return journal_count(context, "+new:2") == 1 && count_sign(context, '-') == 1;
}

static void begin_with_a_crowd(struct fixture *fixture) {
    rig_touch_many(&fixture->rig, 1, "u", USERS, LONG_MS);
    for (size_t i = 0; i < 2; i++) rig_expect_count(&fixture->rig, i, USERS, PATIENCE_MS);
    watch(fixture, (struct muster_watch_options){.max_wait_ms = 1000});
    struct journal *journal = fixture->journal;
    uint64_t until_ms = wait_now_ms() + PATIENCE_MS;
    while (journal_count(journal, "synced") == 0 && wait_now_ms() < until_ms) wait_until(is_synced_twice, journal, 5);
    assert_int_equal(count_sign(journal, '+'), USERS);
}

static void expect_only_real_changes(struct fixture *fixture) {
    struct journal *journal = fixture->journal;
    come(fixture, "new", MUSTER_STATUS_ONLINE, "", LONG_MS);
    go(fixture, "u7");
    if (!wait_until(has_new_and_lost, journal, PATIENCE_MS)) fail_msg("told: %s", journal->text);
    if (!wait_until(is_synced_twice, journal, PATIENCE_MS)) fail_msg("it did not begin anew");
    size_t joined = count_sign(journal, '+'), left = count_sign(journal, '-'), updated = count_sign(journal, '~');
    if (joined != USERS + 1 || left != 1 || updated != 0)
        fail_msg("%zu joined, %zu left, %zu updated: not %d, 1, 0", joined, left, updated, USERS + 1);
    if (journal_count(journal, "-u7:0") + journal_count(journal, "-u7:1") != 1) fail_msg("u7 was not told once");
}

static void a_node_that_dies_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    begin_with_a_crowd(fixture);
    rig_kill(&fixture->rig, 0);
    expect_only_real_changes(fixture);
}

static void a_node_that_drains_changes_nothing(void **state) {
    struct fixture *fixture = *state;
    begin_with_a_crowd(fixture);
    uint64_t began_ms = wait_now_ms();
    rig_stop(&fixture->rig, 0);
    if (!wait_until(is_synced_twice, fixture->journal, PATIENCE_MS)) fail_msg("it did not begin anew");
    print_message("synced at the other %llu ms after SIGTERM\n", (unsigned long long)(wait_now_ms() - began_ms));
    expect_only_real_changes(fixture);
}

/* ---- a mirror under readers -------------------------------------------------------------------------------------- */

enum { READERS = 2, COMERS = 300, ROUNDS = 60 };

struct reading {
    struct fixture *fixture;
    atomic_bool is_over;
    atomic_size_t reads, wrong;
};

static void *read_on(void *arg) {
    struct reading *reading = arg;
    struct muster_mirror *mirror = reading->fixture->mirror;
    struct random random = random_of((uint64_t)(uintptr_t)&random);
    char user[16];
    while (!atomic_load(&reading->is_over)) {
        snprintf(user, sizeof user, "u%u", (unsigned)random_below(&random, USERS));
        bool is_wrong = !muster_mirror_is_live(mirror, user) || muster_mirror_last_seen(mirror, user) == 0;
        snprintf(user, sizeof user, "x%u", (unsigned)random_below(&random, USERS));
        is_wrong |= muster_mirror_is_live(mirror, user);
        is_wrong |= muster_mirror_count(mirror) < USERS;
        atomic_fetch_add(&reading->wrong, is_wrong);
        atomic_fetch_add_explicit(&reading->reads, 1, memory_order_relaxed);
    }
    return NULL;
}

/* These users are present in odd rounds. */
static void come_or_go(struct fixture *fixture, bool comes) {
    static char names[COMERS][16];
    struct muster_beat beats[COMERS];
    struct muster_departure departures[COMERS];
    struct muster_error error;
    for (size_t i = 0; i < COMERS; i++) {
        snprintf(names[i], sizeof names[i], "comer-%zu", i);
        beats[i] = (struct muster_beat){.user = names[i]};
        departures[i] = (struct muster_departure){.user = names[i]};
    }
    if (comes) must(muster_touch(fixture->teller, "room", LONG_MS, beats, COMERS, NULL, &error), &error);
    else must(muster_leave(fixture->teller, "room", departures, COMERS, 0, 0, NULL, &error), &error);
}

static bool is_full(void *context) {
    struct fixture *fixture = context;
    return muster_mirror_count(fixture->mirror) == USERS + COMERS;
}

static bool is_quiet(void *context) {
    struct fixture *fixture = context;
    return muster_mirror_count(fixture->mirror) == USERS;
}

static void readers_of_a_mirror_see_who_is_there(void **state) {
    struct fixture *fixture = *state;
    struct reading reading = {.fixture = fixture};
    struct muster_error error;
    pthread_t readers[READERS];
    rig_touch_many(&fixture->rig, 0, "u", USERS, LONG_MS);
    must(
        muster_mirror_open(fixture->client, &(struct muster_mirror_options){.scope = "room"}, &fixture->mirror, &error),
        &error);
    if (!muster_mirror_wait(fixture->mirror, PATIENCE_MS)) fail_msg("it is not whole");
    for (size_t i = 0; i < READERS; i++) assert_int_equal(pthread_create(&readers[i], NULL, read_on, &reading), 0);
    for (size_t round = 0; round < ROUNDS; round++) {
        come_or_go(fixture, round % 2 == 0);
        if (!wait_until(round % 2 == 0 ? is_full : is_quiet, fixture, PATIENCE_MS))
            fail_msg("round %zu: %zu are live", round, muster_mirror_count(fixture->mirror));
    }
    atomic_store(&reading.is_over, true);
    for (size_t i = 0; i < READERS; i++) pthread_join(readers[i], NULL);
    if (atomic_load(&reading.wrong) != 0)
        fail_msg("%zu of %zu reads were wrong", atomic_load(&reading.wrong), atomic_load(&reading.reads));
    if (muster_mirror_last_seen(fixture->mirror, "comer-7") == 0) fail_msg("who left is remembered");
}

#define TEST(name, nodes) cmocka_unit_test_setup_teardown(name, nodes, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_change_is_told_once, one_node),
        TEST(a_lone_node_that_restarts_makes_nobody_flap, one_node),
        TEST(named_users_are_watched_alone, one_node),
        TEST(counts_are_watched_alone, one_node),
        TEST(a_crowd_comes_in_pages, one_node),
        TEST(a_node_that_dies_changes_nothing, two_nodes),
        TEST(a_node_that_drains_changes_nothing, two_nodes),
        TEST(readers_of_a_mirror_see_who_is_there, one_node),
    };
    return cmocka_run_group_tests_name("client watch and server", tests, NULL, NULL);
}
