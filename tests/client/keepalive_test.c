/* The keepalive against a node that keeps a journal. TTLs are the shortest there are, so that a turn is 333 ms. */
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

enum { PATIENCE_MS = 20000, TTL_MS = MUSTER_TTL_MIN_MS };

struct fixture {
    char url[48];
    const char *address;
    struct fake_node *node;
    struct muster_client *client;
    struct muster_keepalive *keepalive;
    pthread_mutex_t mutex; /* guards what the callback writes */
    size_t troubles, leaves_failed;
    struct muster_keepalive_trouble last;
    char last_user[32];
};

static void on_trouble(void *arg, const struct muster_keepalive_trouble *trouble) {
    struct fixture *fixture = arg;
    pthread_mutex_lock(&fixture->mutex);
    fixture->troubles++;
    fixture->leaves_failed += trouble->is_leave;
    fixture->last = *trouble;
    snprintf(fixture->last_user, sizeof fixture->last_user, "%s", trouble->user == NULL ? "" : trouble->user);
    pthread_mutex_unlock(&fixture->mutex);
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    pthread_mutex_init(&fixture->mutex, NULL);
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", port_free());
    fixture->address = fixture->url;
    fixture->node = fake_node_start(fixture->url);
    fake_node_set_ttl(fixture->node, TTL_MS);
    struct muster_options options = {.addresses = &fixture->address, .address_count = 1, .timeout_ms = 3000};
    struct muster_error error;
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    struct muster_keepalive_options beating = {.ttl_ms = TTL_MS, .trouble = on_trouble, .arg = fixture};
    if (muster_keepalive_open(fixture->client, &beating, &fixture->keepalive, &error) != MUSTER_OK)
        fail_msg("keepalive: %s", error.message);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_keepalive_close(fixture->keepalive, false, NULL);
    muster_close(fixture->client);
    fake_node_stop(fixture->node);
    pthread_mutex_destroy(&fixture->mutex);
    free(fixture);
    return 0;
}

static void add(struct fixture *fixture, const char *scope, const char *user) {
    struct muster_error error;
    if (muster_keepalive_add(fixture->keepalive, scope, user, "tab", MUSTER_STATUS_ONLINE, NULL, 0, &error) !=
        MUSTER_OK)
        fail_msg("add %s: %s", user, error.message);
}

/* ---- what the journal says --------------------------------------------------------------------------------------- */

/* What is waited for: that `count` beats, or leaves, of a user (NULL: anyone) came in. */
struct wanted {
    struct fixture *fixture;
    const char *user;
    bool is_leave;
    size_t count;
};

static bool has_arrived(void *context) {
    struct wanted *wanted = context;
    size_t count, found = 0;
    struct fake_entry *journal = fake_node_journal(wanted->fixture->node, &count);
    for (size_t i = 0; i < count; i++) {
        bool is_user = wanted->user == NULL || strcmp(journal[i].user, wanted->user) == 0;
        found += is_user && journal[i].is_leave == wanted->is_leave;
    }
    free(journal);
    return found >= wanted->count;
}

static void await(struct fixture *fixture, const char *user, bool is_leave, size_t count) {
    struct wanted wanted = {fixture, user, is_leave, count};
    if (!wait_until(has_arrived, &wanted, PATIENCE_MS))
        fail_msg("%zu %s of %s did not come", count, is_leave ? "leaves" : "beats", user == NULL ? "anyone" : user);
}

/* The last entry of a user. */
static struct fake_entry last_of(struct fixture *fixture, const char *user) {
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count), found = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(journal[i].user, user) == 0) found = journal[i];
    }
    free(journal);
    return found;
}

/* The last beat of a user that said all. */
static struct fake_entry last_whole_of(struct fixture *fixture, const char *user) {
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count), found = {0};
    for (size_t i = 0; i < count; i++) {
        if (strcmp(journal[i].user, user) == 0 && !journal[i].is_leave && !journal[i].is_refresh) found = journal[i];
    }
    free(journal);
    return found;
}

/* How many of the beats so far were refreshes, and how many said all. */
struct told {
    size_t refreshes, whole;
};

static struct told told_of(struct fixture *fixture, const char *user) {
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count);
    struct told told = {0};
    for (size_t i = 0; i < count; i++) {
        const struct fake_entry *entry = &journal[i];
        if (strcmp(entry->user, user) != 0 || entry->is_leave) continue;
        told.refreshes += entry->is_refresh;
        told.whole += !entry->is_refresh;
        if (entry->is_refresh && (entry->status != 0 || entry->state_len != 0)) fail_msg("a refresh with a status");
    }
    free(journal);
    return told;
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void beats_come_at_a_third_of_the_ttl_in_batches(void **state) {
    struct fixture *fixture = *state;
    enum { SESSIONS = 50, ROUNDS = 10 };
    uint64_t began_ms = wait_now_ms();
    for (int i = 0; i < SESSIONS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        add(fixture, i % 2 == 0 ? "even" : NULL, user);
    }
    assert_int_equal(muster_keepalive_count(fixture->keepalive), SESSIONS);
    await(fixture, NULL, false, SESSIONS * ROUNDS);
    uint64_t took_ms = wait_now_ms() - began_ms;
    size_t requests = fake_node_requests(fixture->node);
    /* The first round is at once; the rest are at most 333 ms apart, 320 ms as the wheel divides it. */
    if (took_ms < (ROUNDS - 2) * 300) fail_msg("%d rounds in %u ms: too often", ROUNDS, (unsigned)took_ms);
    if (took_ms > ROUNDS * TTL_MS * 2 / 3) fail_msg("%d rounds in %u ms: too seldom", ROUNDS, (unsigned)took_ms);
    /* Each added session may have been sent alone; later turns share requests. */
    if (requests > SESSIONS + ROUNDS * 4) fail_msg("%zu requests for %d rounds", requests, ROUNDS);
    struct fake_entry even = last_of(fixture, "u0"), odd = last_of(fixture, "u1");
    assert_string_equal(even.scope, "even");
    assert_string_equal(odd.scope, "default");
    assert_string_equal(odd.session, "tab");
    assert_int_equal(odd.ttl_ms, TTL_MS);
    assert_int_equal(fixture->troubles, 0);
}

/* The longest time between two beats of any user, and the most that came at one time. */
static void measure(struct fixture *fixture, size_t users, uint64_t *longest_ms, size_t *most) {
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count);
    uint64_t *last_ms = calloc(users, sizeof *last_ms);
    size_t together = 0;
    *longest_ms = *most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t user = strtoul(journal[i].user + 1, NULL, 10);
        uint64_t gap_ms = last_ms[user] == 0 ? 0 : journal[i].at_ms - last_ms[user];
        if (gap_ms > *longest_ms) *longest_ms = gap_ms;
        last_ms[user] = journal[i].at_ms;
        together = i != 0 && journal[i].request == journal[i - 1].request ? together + 1 : 1;
        if (i > 2 * users && together > *most) *most = together;
    }
    free(last_ms);
    free(journal);
}

static void beats_of_many_are_spread(void **state) {
    struct fixture *fixture = *state;
    enum { SESSIONS = 4000 };
    for (int i = 0; i < SESSIONS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        add(fixture, NULL, user);
    }
    await(fixture, NULL, false, (size_t)SESSIONS * 6);
    uint64_t longest_ms;
    size_t most;
    measure(fixture, SESSIONS, &longest_ms, &most);
    /* Never past the TTL, even on a machine that is busy with other tests; in a 32nd of a turn a 32nd of the sessions.
     */
    if (longest_ms >= TTL_MS) fail_msg("%u ms between two beats", (unsigned)longest_ms);
    if (most > SESSIONS / 4) fail_msg("%zu of %d beats in one request", most, SESSIONS);
}

static void the_ttl_of_the_server_counts(void **state) {
    struct fixture *fixture = *state;
    struct muster_keepalive *unset;
    assert_int_equal(muster_keepalive_open(fixture->client, NULL, &unset, NULL), MUSTER_OK);
    assert_int_equal(muster_keepalive_add(unset, NULL, "ada", NULL, MUSTER_STATUS_ONLINE, NULL, 0, NULL), MUSTER_OK);
    /* The default, of 90 s, would take half a minute. */
    await(fixture, "ada", false, 4);
    assert_int_equal(last_of(fixture, "ada").ttl_ms, 0);
    assert_int_equal(muster_keepalive_close(unset, true, NULL), MUSTER_OK);
    await(fixture, "ada", true, 1);
}

static void updates_are_told_at_once_and_kept(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    add(fixture, NULL, "ada");
    await(fixture, "ada", false, 1);
    assert_int_equal(
        muster_keepalive_update(fixture->keepalive, NULL, "ada", "tab", MUSTER_STATUS_BUSY, "typing", 6, &error),
        MUSTER_OK);
    await(fixture, "ada", false, 3);
    struct fake_entry last = last_whole_of(fixture, "ada");
    assert_int_equal(last.status, MUSTER_STATUS_BUSY);
    assert_int_equal(last.state_len, 6);
    assert_true(last_of(fixture, "ada").is_refresh);
    assert_int_equal(muster_keepalive_count(fixture->keepalive), 1);
    add(fixture, NULL, "ada"); /* again: an update */
    assert_int_equal(muster_keepalive_count(fixture->keepalive), 1);
    assert_int_equal(muster_keepalive_update(fixture->keepalive, NULL, "ada", "no tab", 0, NULL, 0, &error),
                     MUSTER_NOT_FOUND);
    assert_int_equal(muster_keepalive_remove(fixture->keepalive, NULL, "bob", NULL, 0, &error), MUSTER_NOT_FOUND);
    assert_int_equal(muster_keepalive_add(fixture->keepalive, NULL, "", NULL, 0, NULL, 0, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "user: empty, 1 to 128 bytes");
}

static void a_session_is_told_in_full_once_and_then_refreshed(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(
        muster_keepalive_add(fixture->keepalive, NULL, "ada", "tab", MUSTER_STATUS_BUSY, "typing", 6, NULL), MUSTER_OK);
    await(fixture, "ada", false, 4);
    struct told told = told_of(fixture, "ada");
    if (told.whole != 1 || told.refreshes < 3) fail_msg("%zu whole, %zu refreshes", told.whole, told.refreshes);
    struct fake_entry whole = last_whole_of(fixture, "ada");
    assert_int_equal(whole.status, MUSTER_STATUS_BUSY);
    assert_int_equal(whole.state_len, 6);
}

static void what_a_node_does_not_know_is_told_in_full(void **state) {
    struct fixture *fixture = *state;
    assert_int_equal(
        muster_keepalive_add(fixture->keepalive, NULL, "ada", "tab", MUSTER_STATUS_BUSY, "typing", 6, NULL), MUSTER_OK);
    await(fixture, "ada", false, 2);
    size_t before = told_of(fixture, "ada").refreshes + told_of(fixture, "ada").whole;
    fake_node_forget(fixture->node);
    await(fixture, "ada", false, before + 4);
    struct told told = told_of(fixture, "ada");
    if (told.whole != 2) fail_msg("told in full %zu times", told.whole);
    struct fake_entry whole = last_whole_of(fixture, "ada");
    assert_int_equal(whole.status, MUSTER_STATUS_BUSY);
    assert_int_equal(whole.state_len, 6);
}

/* Another node has heard of what was told a TTL ago; where it has not, it does not know the session. */
static void after_a_restart_only_what_is_unknown_is_told_in_full(void **state) {
    struct fixture *fixture = *state;
    add(fixture, NULL, "ada");
    await(fixture, "ada", false, 6); /* so that the first is more than a TTL ago */
    fake_node_stop(fixture->node);
    fixture->node = fake_node_start(fixture->url);
    fake_node_set_ttl(fixture->node, TTL_MS);
    fake_node_forget(fixture->node);
    await(fixture, "ada", false, 4);
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count);
    assert_true(count >= 4 && journal[0].is_refresh && !journal[1].is_refresh && journal[2].is_refresh);
    free(journal);
}

static void removing_leaves_after_the_last_touch(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "room", "ada");
    add(fixture, "room", "bob");
    await(fixture, "ada", false, 1);
    await(fixture, "bob", false, 1);
    assert_int_equal(muster_keepalive_remove(fixture->keepalive, "room", "ada", "tab", 2500, NULL), MUSTER_OK);
    await(fixture, "ada", true, 1);
    struct fake_entry leave = last_of(fixture, "ada");
    assert_true(leave.is_leave);
    assert_int_equal(leave.linger_ms, 2500);
    assert_string_equal(leave.scope, "room");
    assert_string_equal(leave.session, "tab");
    if (leave.stamp < FAKE_STAMP(1) || leave.stamp >= FAKE_STAMP(leave.request)) fail_msg("the stamp is no touch's");
    size_t before = fake_node_requests(fixture->node);
    await(fixture, "bob", false, 4);
    if (!last_of(fixture, "ada").is_leave) fail_msg("ada is still told");
    if (fake_node_requests(fixture->node) == before) fail_msg("bob is no longer told");
    add(fixture, "room", "ada");
    muster_keepalive_remove(fixture->keepalive, "room", "ada", "tab", 0, NULL);
    add(fixture, "room", "ada");
    await(fixture, "bob", false, 8);
    if (last_of(fixture, "ada").is_leave) fail_msg("ada was removed and added again, and is gone");
}

static void closing_may_let_all_leave(void **state) {
    struct fixture *fixture = *state;
    add(fixture, "a", "ada");
    add(fixture, "b", "bob");
    await(fixture, "ada", false, 1);
    await(fixture, "bob", false, 1);
    assert_int_equal(muster_keepalive_close(fixture->keepalive, true, NULL), MUSTER_OK);
    fixture->keepalive = NULL;
    struct fake_entry ada = last_of(fixture, "ada"), bob = last_of(fixture, "bob");
    if (!ada.is_leave || !bob.is_leave) fail_msg("not all left");
    if (ada.request != bob.request) fail_msg("the leaves did not share a request");
}

static void a_restart_is_survived_and_all_are_told_again(void **state) {
    struct fixture *fixture = *state;
    enum { SESSIONS = 20 };
    fake_node_set_ttl(fixture->node, MUSTER_TTL_MAX_MS); /* so that no beat falls due meanwhile */
    for (int i = 0; i < SESSIONS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        add(fixture, NULL, user);
    }
    await(fixture, NULL, false, SESSIONS);
    fake_node_stop(fixture->node);
    fixture->node = fake_node_start(fixture->url);
    uint64_t began_ms = wait_now_ms();
    await(fixture, NULL, false, SESSIONS);
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("not at once");
    for (int i = 0; i < SESSIONS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        if (last_of(fixture, user).at_ms == 0) fail_msg("%s was not told again", user);
    }
    size_t requests = fake_node_requests(fixture->node);
    if (requests > 3) fail_msg("%zu requests for one batch", requests);
}

static bool has_trouble(void *context) {
    struct fixture *fixture = context;
    pthread_mutex_lock(&fixture->mutex);
    bool has = fixture->troubles != 0;
    pthread_mutex_unlock(&fixture->mutex);
    return has;
}

static void trouble_is_reported_and_gone_through(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_code(fixture->node, MUSTER_UNAVAILABLE);
    add(fixture, NULL, "ada");
    if (!wait_until(has_trouble, fixture, PATIENCE_MS)) fail_msg("no callback");
    pthread_mutex_lock(&fixture->mutex);
    assert_int_equal(fixture->last.error.code, MUSTER_UNAVAILABLE);
    assert_int_equal(fixture->last.sessions, 1);
    assert_null(fixture->last.user);
    pthread_mutex_unlock(&fixture->mutex);
    fake_node_set_code(fixture->node, MUSTER_OK);
    await(fixture, "ada", false, 3);
}

/* Whether u36 was sent twice in requests without u37. */
static bool is_told_without_u37(void *context) {
    struct fixture *fixture = context;
    size_t count, good = 0;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(journal[i].user, "u36") != 0) continue;
        bool has_bad = false;
        for (size_t j = 0; j < count; j++)
            has_bad |= journal[j].request == journal[i].request && strcmp(journal[j].user, "u37") == 0;
        good += !has_bad;
    }
    free(journal);
    return good >= 2;
}

static void one_refused_session_does_not_stop_the_others(void **state) {
    struct fixture *fixture = *state;
    enum { SESSIONS = 100 };
    fake_node_refuse_user(fixture->node, "u37");
    for (int i = 0; i < SESSIONS; i++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", i);
        add(fixture, NULL, user);
    }
    if (!wait_until(has_trouble, fixture, PATIENCE_MS)) fail_msg("no callback");
    pthread_mutex_lock(&fixture->mutex);
    assert_int_equal(fixture->last.error.code, MUSTER_INVALID_ARGUMENT);
    assert_int_equal(fixture->last.sessions, 1);
    assert_string_equal(fixture->last_user, "u37");
    pthread_mutex_unlock(&fixture->mutex);
    if (!wait_until(is_told_without_u37, fixture, PATIENCE_MS))
        fail_msg("u36 was told only together with the refused one");
}

static void leaves_that_fail_are_reported_at_closing(void **state) {
    struct fixture *fixture = *state;
    add(fixture, NULL, "ada");
    await(fixture, "ada", false, 1);
    fake_node_set_code(fixture->node, MUSTER_PERMISSION_DENIED);
    struct muster_error error;
    assert_int_equal(muster_keepalive_close(fixture->keepalive, true, &error), MUSTER_PERMISSION_DENIED);
    fixture->keepalive = NULL;
    assert_string_equal(error.message, "the fake node was told to refuse");
    assert_int_equal(fixture->leaves_failed, 1);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

enum { THREADS = 4, TURNS = 300 };

struct worker {
    struct fixture *fixture;
    int number;
    pthread_t thread;
    int failures; /* asserted by the main thread */
};

static void *add_and_remove(void *arg) {
    struct worker *worker = arg;
    struct muster_keepalive *keepalive = worker->fixture->keepalive;
    for (int i = 0; i < TURNS; i++) {
        char user[32];
        snprintf(user, sizeof user, "u%d-%d", worker->number, i % 50);
        worker->failures +=
            muster_keepalive_add(keepalive, NULL, user, NULL, MUSTER_STATUS_ONLINE, "x", 1, NULL) != MUSTER_OK;
        worker->failures +=
            muster_keepalive_update(keepalive, NULL, user, NULL, MUSTER_STATUS_AWAY, NULL, 0, NULL) != MUSTER_OK;
        if (i % 3 == 0) worker->failures += muster_keepalive_remove(keepalive, NULL, user, NULL, 0, NULL) != MUSTER_OK;
        muster_keepalive_count(keepalive);
    }
    return NULL;
}

static void many_threads_share_a_keepalive(void **state) {
    struct fixture *fixture = *state;
    struct worker workers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.fixture = fixture, .number = i};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, add_and_remove, &workers[i]), 0);
    }
    int failures = 0;
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        failures += workers[i].failures;
    }
    assert_int_equal(failures, 0);
    await(fixture, "u0-49", false, 2);
}

static bool was_asked_twice(void *context) {
    struct fixture *fixture = context;
    return fake_node_requests(fixture->node) >= 2;
}

/* What is tried again is encoded anew: no node is told of what is no longer so. */
static void a_beat_that_is_tried_again_says_what_is_so_then(void **state) {
    struct fixture *fixture = *state;
    fake_node_set_code(fixture->node, MUSTER_UNAVAILABLE);
    add(fixture, NULL, "ada");
    add(fixture, NULL, "bob");
    if (!wait_until(was_asked_twice, fixture, PATIENCE_MS)) fail_msg("it was not tried again");
    assert_int_equal(
        muster_keepalive_update(fixture->keepalive, NULL, "ada", "tab", MUSTER_STATUS_BUSY, "typing", 6, NULL),
        MUSTER_OK);
    assert_int_equal(muster_keepalive_remove(fixture->keepalive, NULL, "bob", "tab", 0, NULL), MUSTER_OK);
    fake_node_set_code(fixture->node, MUSTER_OK);
    await(fixture, "ada", false, 1);
    size_t count;
    struct fake_entry *journal = fake_node_journal(fixture->node, &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(journal[i].user, "bob") == 0 && !journal[i].is_leave) fail_msg("a beat of bob, who was removed");
        if (strcmp(journal[i].user, "ada") == 0 && journal[i].status != MUSTER_STATUS_BUSY)
            fail_msg("ada's status is that of before the update");
    }
    free(journal);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(beats_come_at_a_third_of_the_ttl_in_batches),
        TEST(beats_of_many_are_spread),
        TEST(the_ttl_of_the_server_counts),
        TEST(updates_are_told_at_once_and_kept),
        TEST(a_session_is_told_in_full_once_and_then_refreshed),
        TEST(what_a_node_does_not_know_is_told_in_full),
        TEST(after_a_restart_only_what_is_unknown_is_told_in_full),
        TEST(removing_leaves_after_the_last_touch),
        TEST(closing_may_let_all_leave),
        TEST(a_restart_is_survived_and_all_are_told_again),
        TEST(trouble_is_reported_and_gone_through),
        TEST(one_refused_session_does_not_stop_the_others),
        TEST(leaves_that_fail_are_reported_at_closing),
        TEST(many_threads_share_a_keepalive),
        TEST(a_beat_that_is_tried_again_says_what_is_so_then),
    };
    return cmocka_run_group_tests_name("client keepalive", tests, NULL, NULL);
}
