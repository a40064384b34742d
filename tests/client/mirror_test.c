/* Mirrors, against a node that says what the test wants. */
#include "fake_watch.h"
#include "journal.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

struct fixture {
    char url[48];
    const char *address;
    struct fake_watch *node;
    struct muster_client *client;
    struct muster_mirror *mirror;
    struct journal *journal;
};

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct muster_error error;
    snprintf(fixture->url, sizeof fixture->url, "tcp://127.0.0.1:%u", port_free());
    fixture->address = fixture->url;
    fixture->node = fake_watch_start(fixture->url);
    fixture->journal = journal_new();
    struct muster_options options = {.addresses = &fixture->address, .address_count = 1, .timeout_ms = 2000};
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_mirror_close(fixture->mirror);
    muster_close(fixture->client);
    fake_watch_stop(fixture->node);
    journal_free(fixture->journal);
    free(fixture);
    return 0;
}

static void open_mirror(struct fixture *fixture, struct muster_mirror_options options) {
    struct muster_error error;
    if (options.arg == NULL) {
        options.callbacks = journal_callbacks();
        options.arg = fixture->journal;
    }
    if (muster_mirror_open(fixture->client, &options, &fixture->mirror, &error) != MUSTER_OK)
        fail_msg("mirror: %s", error.message);
}

static void say(struct fixture *fixture, const char *script, const char *told) {
    fake_watch_say(fixture->node, script);
    journal_expect(fixture->journal, told);
}

static void expect_user(struct fixture *fixture, const char *user, enum muster_status status, int64_t last_seen_ms) {
    enum muster_status got = muster_mirror_status(fixture->mirror, user);
    int64_t seen_ms = muster_mirror_last_seen(fixture->mirror, user);
    if (got != status) fail_msg("%s has status %d, not %d", user, (int)got, (int)status);
    if (seen_ms != last_seen_ms)
        fail_msg("%s was last seen %lld, not %lld", user, (long long)seen_ms, (long long)last_seen_ms);
    bool is_live = muster_mirror_is_live(fixture->mirror, user);
    if (is_live != (status != MUSTER_STATUS_UNSPECIFIED)) fail_msg("%s: live %d", user, is_live);
}

static void it_follows_the_scope(void **state) {
    struct fixture *fixture = *state;
    open_mirror(fixture, (struct muster_mirror_options){.scope = "room", .max_wait_ms = 900, .min_interval_ms = 7});
    if (muster_mirror_wait(fixture->mirror, 1)) fail_msg("nothing was said yet");
    if (muster_mirror_staleness_ms(fixture->mirror) != UINT64_MAX) fail_msg("it is not synced yet");
    expect_user(fixture, "ada", MUSTER_STATUS_UNSPECIFIED, 0);
    say(fixture, "=ada#100 =bob:1#200 more", "+ada:2 +bob:1");
    if (muster_mirror_wait(fixture->mirror, 1)) fail_msg("a part is not the whole");
    say(fixture, "=cyd:3#300", "+cyd:3 synced");
    if (!muster_mirror_wait(fixture->mirror, PATIENCE_MS)) fail_msg("it is whole");
    assert_int_equal(muster_mirror_count(fixture->mirror), 3);
    expect_user(fixture, "ada", MUSTER_STATUS_ONLINE, 100);
    expect_user(fixture, "bob", MUSTER_STATUS_AWAY, 200);
    expect_user(fixture, "cyd", MUSTER_STATUS_BUSY, 300);
    say(fixture, "~ada:1#400 -bob:1#500 +dee#600", "~ada:1 -bob:1 +dee:2");
    expect_user(fixture, "ada", MUSTER_STATUS_AWAY, 400);
    expect_user(fixture, "bob", MUSTER_STATUS_UNSPECIFIED, 500);
    expect_user(fixture, "dee", MUSTER_STATUS_ONLINE, 600);
    expect_user(fixture, "nobody", MUSTER_STATUS_UNSPECIFIED, 0);
    assert_int_equal(muster_mirror_count(fixture->mirror), 3);
    char request[FAKE_REQUEST_BYTES];
    fake_watch_request(fixture->node, 0, request);
    assert_string_equal(request, "scope=room cursor= wait=900 interval=7");
}

/* What a snapshot says is known also where it is no change to call back for. */
static void a_snapshot_refreshes_it(void **state) {
    struct fixture *fixture = *state;
    open_mirror(fixture, (struct muster_mirror_options){0});
    say(fixture, "=ada#100 =bob#100", "+ada:2 +bob:2 synced");
    say(fixture, "resync =ada#900", "-bob:0 synced");
    expect_user(fixture, "ada", MUSTER_STATUS_ONLINE, 900);
    expect_user(fixture, "bob", MUSTER_STATUS_UNSPECIFIED, 100);
}

static void only_the_latest_who_left_are_remembered(void **state) {
    struct fixture *fixture = *state;
    open_mirror(fixture, (struct muster_mirror_options){.remember_max = 2});
    say(fixture, "=ada =bob =cyd", "+ada:2 +bob:2 +cyd:2 synced");
    say(fixture, "-ada:1#10 -bob:1#20", "-ada:1 -bob:1");
    say(fixture, "+ada#30", "+ada:2");
    say(fixture, "-ada:1#40 -cyd:1#50", "-ada:1 -cyd:1");
    expect_user(fixture, "bob", MUSTER_STATUS_UNSPECIFIED, 0);
    expect_user(fixture, "ada", MUSTER_STATUS_UNSPECIFIED, 40);
    expect_user(fixture, "cyd", MUSTER_STATUS_UNSPECIFIED, 50);
}

struct visit {
    size_t count, limit;
    char names[64];
};

static bool visit_one(void *arg, const char *user, enum muster_status status, int64_t last_seen_ms) {
    struct visit *visit = arg;
    size_t len = strlen(visit->names);
    snprintf(visit->names + len, sizeof visit->names - len, "%s:%d#%lld ", user, (int)status, (long long)last_seen_ms);
    return ++visit->count < visit->limit;
}

static void it_tells_everyone_who_is_live(void **state) {
    struct fixture *fixture = *state;
    open_mirror(fixture, (struct muster_mirror_options){0});
    say(fixture, "=ada#1 =bob:3#2 =cyd", "+ada:2 +bob:3 +cyd:2 synced");
    say(fixture, "-cyd:1", "-cyd:1");
    struct visit visit = {.limit = 10};
    assert_int_equal(muster_mirror_for_each(fixture->mirror, visit_one, &visit), 2);
    if (strcmp(visit.names, "ada:2#1 bob:3#2 ") != 0 && strcmp(visit.names, "bob:3#2 ada:2#1 ") != 0)
        fail_msg("visited: %s", visit.names);
    visit = (struct visit){.limit = 1};
    assert_int_equal(muster_mirror_for_each(fixture->mirror, visit_one, &visit), 1);
}

/* ---- callbacks --------------------------------------------------------------------------------------------------- */

static void note_live(void *arg, const struct muster_user *user) {
    struct fixture *fixture = arg;
    journal_note(fixture->journal, "%s:%d", user->user, muster_mirror_is_live(fixture->mirror, user->user));
}

static void note_left(void *arg, const struct muster_user *user, enum muster_left_reason reason) {
    (void)reason;
    note_live(arg, user);
}

static void note_whole(void *arg) {
    struct fixture *fixture = arg;
    journal_note(fixture->journal, "whole:%d", muster_mirror_wait(fixture->mirror, 0));
}

static void callbacks_come_after_it_has_changed(void **state) {
    struct fixture *fixture = *state;
    fake_watch_say(fixture->node, "=ada");
    open_mirror(fixture,
                (struct muster_mirror_options){
                    .callbacks = {.joined = note_live, .left = note_left, .synced = note_whole}, .arg = fixture});
    journal_expect(fixture->journal, "ada:1 whole:1");
    say(fixture, "-ada:1", "ada:0");
}

static void close_mirror(void *arg, const struct muster_user *user) {
    struct fixture *fixture = arg;
    muster_mirror_close(fixture->mirror);
    fixture->mirror = NULL;
    journal_note(fixture->journal, "%s", user->user);
}

static void a_callback_may_close_it(void **state) {
    struct fixture *fixture = *state;
    fake_watch_say(fixture->node, "=ada =bob");
    open_mirror(fixture, (struct muster_mirror_options){.callbacks = {.joined = close_mirror}, .arg = fixture});
    journal_expect(fixture->journal, "ada");
    muster_close(fixture->client);
    fixture->client = NULL;
    journal_expect(fixture->journal, "");
}

static void bad_options_are_refused(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_mirror_options options = {.max_wait_ms = MUSTER_WATCH_WAIT_MAX_MS + 1};
    struct muster_mirror *mirror = (struct muster_mirror *)fixture;
    assert_int_equal(muster_mirror_open(fixture->client, &options, &mirror, &error), MUSTER_INVALID_ARGUMENT);
    assert_null(mirror);
    if (strncmp(error.message, "max_wait_ms: ", 13) != 0) fail_msg("%s", error.message);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(it_follows_the_scope),
        TEST(a_snapshot_refreshes_it),
        TEST(only_the_latest_who_left_are_remembered),
        TEST(it_tells_everyone_who_is_live),
        TEST(callbacks_come_after_it_has_changed),
        TEST(a_callback_may_close_it),
        TEST(bad_options_are_refused),
    };
    return cmocka_run_group_tests_name("client mirror", tests, NULL, NULL);
}
