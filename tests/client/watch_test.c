/* Watches, against nodes that answer by script: the callbacks, and the requests that the nodes get. */
#include "fake_watch.h"
#include "journal.h"
#include "muster/muster.h"
#include "support/port.h"
#include "support/wait.h"

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

enum { NODES = 2, PATIENCE_MS = 20000 };

struct fixture {
    char urls[NODES][48];
    const char *addresses[NODES];
    struct fake_watch *nodes[NODES];
    struct muster_client *client;
    struct journal *journal;
    struct muster_watch *watch, *other;
    struct muster_error error;
};

static void start(struct fixture *fixture, int i) {
    fixture->nodes[i] = fake_watch_start(fixture->urls[i]);
}

static void stop(struct fixture *fixture, int i) {
    fake_watch_stop(fixture->nodes[i]);
    fixture->nodes[i] = NULL;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    for (int i = 0; i < NODES; i++) {
        snprintf(fixture->urls[i], sizeof fixture->urls[i], "tcp://127.0.0.1:%u", port_free());
        fixture->addresses[i] = fixture->urls[i];
    }
    fixture->journal = journal_new();
    start(fixture, 0);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_watch_close(fixture->watch);
    muster_watch_close(fixture->other);
    muster_close(fixture->client);
    for (int i = 0; i < NODES; i++) fake_watch_stop(fixture->nodes[i]);
    journal_free(fixture->journal);
    free(fixture);
    return 0;
}

static void open_client(struct fixture *fixture, size_t nodes) {
    struct muster_options options = {.addresses = fixture->addresses,
                                     .address_count = nodes,
                                     .timeout_ms = 2000,
                                     .connect_ms = 5000,
                                     .in_flight_max = 1};
    if (muster_open(&options, &fixture->client, &fixture->error) != MUSTER_OK)
        fail_msg("open: %s", fixture->error.message);
}

/* Its callbacks write the fixture's journal unless the options have others. */
static struct muster_watch *watch(struct fixture *fixture, struct muster_watch_options options) {
    struct muster_watch_callbacks none = {0};
    struct muster_watch *made;
    if (memcmp(&options.callbacks, &none, sizeof none) == 0) options.callbacks = journal_callbacks();
    if (options.arg == NULL) options.arg = fixture->journal;
    if (muster_watch_open(fixture->client, &options, &made, &fixture->error) != MUSTER_OK)
        fail_msg("watch: %s", fixture->error.message);
    return made;
}

static void open_watch(struct fixture *fixture, size_t nodes, struct muster_watch_options options) {
    open_client(fixture, nodes);
    fixture->watch = watch(fixture, options);
}

static void say(struct fixture *fixture, int i, const char *script) {
    fake_watch_say(fixture->nodes[i], script);
}

static void tells(struct fixture *fixture, const char *wanted) {
    journal_expect(fixture->journal, wanted);
}

struct asked {
    struct fake_watch *node;
    size_t count;
};

static bool is_asked(void *context) {
    struct asked *asked = context;
    return fake_watch_asked(asked->node) >= asked->count;
}

static void await_asked(struct fixture *fixture, int i, size_t count) {
    struct asked asked = {fixture->nodes[i], count};
    if (!wait_until(is_asked, &asked, PATIENCE_MS))
        fail_msg("node %d was asked %zu times, not %zu", i, fake_watch_asked(fixture->nodes[i]), count);
}

static bool is_connected(void *context) {
    return fake_watch_is_connected(context);
}

/* Begins to watch at node 0, while there is no other; then node 1 is there too. */
static void open_watch_at_first(struct fixture *fixture, uint32_t max_wait_ms, const char *wanted) {
    open_watch(fixture, NODES, (struct muster_watch_options){.max_wait_ms = max_wait_ms});
    tells(fixture, wanted);
    start(fixture, 1);
    if (!wait_until(is_connected, fixture->nodes[1], PATIENCE_MS)) fail_msg("node 1 is not connected to");
}

/* The n-th request of a node has `part` in it; {} there stands for the node's port. */
static void expect_request(struct fixture *fixture, int i, size_t n, const char *part) {
    char request[FAKE_REQUEST_BYTES], wanted[FAKE_REQUEST_BYTES];
    const char *port = strrchr(fixture->urls[i], ':') + 1, *braces = strstr(part, "{}");
    int before = braces == NULL ? (int)strlen(part) : (int)(braces - part);
    snprintf(wanted, sizeof wanted, "%.*s%s%s", before, part, braces == NULL ? "" : port,
             braces == NULL ? "" : braces + 2);
    await_asked(fixture, i, n + 1);
    fake_watch_request(fixture->nodes[i], n, request);
    if (strstr(request, wanted) == NULL) fail_msg("request %zu was \"%s\", without \"%s\"", n, request, wanted);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void a_snapshot_comes_in_pages_and_changes_follow(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =bob:1 more");
    say(fixture, 0, "=cyd more");
    say(fixture, 0, "+dee ~ada:3");
    open_watch(fixture, 1, (struct muster_watch_options){.scope = "room", .max_wait_ms = 700, .min_interval_ms = 30});
    tells(fixture, "+ada:2 +bob:1 +cyd:2 +dee:2 ~ada:3 synced");
    say(fixture, 0, "-bob:2 -cyd:3 +eve");
    tells(fixture, "-bob:2 -cyd:3 +eve:2");
    say(fixture, 0, "+bob ~eve:1 -dee:1");
    tells(fixture, "+bob:2 ~eve:1 -dee:1");
    expect_request(fixture, 0, 0, "scope=room cursor= wait=700 interval=30");
    expect_request(fixture, 0, 1, "cursor={}-1 ");
    expect_request(fixture, 0, 5, "cursor={}-5 ");
}

static void a_resync_tells_only_what_differs(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada#100 =bob#100 =cyd#100");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 +bob:2 +cyd:2 synced");
    say(fixture, 0, "resync =ada#200 =bob:3#200 =eve more");
    say(fixture, 0, "=fay ~eve:1");
    tells(fixture, "~bob:3 +eve:2 +fay:2 ~eve:1 -cyd:0 synced");
    say(fixture, 0, "resync =ada =bob:3 =eve:1 =fay");
    tells(fixture, "synced");
}

/* A node that knows nobody any more: those who come back in time never left for the program. */
static void those_who_come_back_soon_after_a_resync_are_not_told(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =bob =cyd");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 +bob:2 +cyd:2 synced");
    say(fixture, 0, "resync");
    say(fixture, 0, "+ada");
    say(fixture, 0, "+cyd:3 +dee");
    tells(fixture, "~cyd:3 +dee:2");
    tells(fixture, "-bob:0 synced"); /* when their time is over */
    say(fixture, 0, "resync =ada =dee");
    say(fixture, 0, "+cyd:3 -ada:1");
    tells(fixture, "-ada:1 synced"); /* all are back, or told: at once */
}

static void counts_that_drop_at_a_resync_have_time_to_rise(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "counts:3,5");
    open_watch(fixture, 1, (struct muster_watch_options){.counts_only = true});
    tells(fixture, "counts:3,5 synced");
    say(fixture, 0, "resync counts:0,0");
    say(fixture, 0, "counts:2,2");
    say(fixture, 0, "counts:3,3");
    tells(fixture, "counts:3,3 synced");
    say(fixture, 0, "resync counts:2,2");
    tells(fixture, "counts:2,2 synced"); /* when their time is over */
}

/* A snapshot that is broken off by another one. */
static void a_resync_within_a_snapshot_begins_anew(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada more");
    say(fixture, 0, "=bob more");
    say(fixture, 0, "resync =bob more");
    say(fixture, 0, "=cyd");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 +bob:2 +cyd:2 -ada:0 synced");
}

static void joins_and_leaves_alternate_whatever_a_node_says(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =ada +ada");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 synced");
    say(fixture, 0, "+ada -zoe:1 ~ada:2 ?bob =:2 +");
    say(fixture, 0, "~ada:3 +ada:1 -ada:1 -ada:2 ~ada");
    tells(fixture, "~ada:3 ~ada:1 -ada:1 +ada:2");
    say(fixture, 0, "~ada*2 ~ada*2 =gil");
    tells(fixture, "+gil:2 ~ada:2");
}

static void states_are_told_where_asked(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada/typing");
    open_watch(fixture, 1, (struct muster_watch_options){.with_sessions = true});
    tells(fixture, "+ada:2/typing synced");
    expect_request(fixture, 0, 0, " sessions");
    say(fixture, 0, "~ada/typing");
    say(fixture, 0, "~ada/thinking");
    tells(fixture, "~ada:2/thinking");
}

static void states_are_ignored_where_not_asked(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada/typing");
    say(fixture, 0, "~ada/thinking");
    say(fixture, 0, "~ada:3/done");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 synced ~ada:3");
}

static void named_users_are_asked_for(void **state) {
    struct fixture *fixture = *state;
    char first[] = "ada";
    const char *users[] = {first, "bob"};
    say(fixture, 0, "=bob");
    open_watch(fixture, 1, (struct muster_watch_options){.users = users, .user_count = 2});
    strcpy(first, "xxx"); /* they were copied */
    users[1] = NULL;
    tells(fixture, "+bob:2 synced");
    expect_request(fixture, 0, 1, " users=ada,bob");
}

static void counts_are_told_when_they_change(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "counts:3,5 =ada");
    open_watch(fixture, 1, (struct muster_watch_options){.counts_only = true});
    tells(fixture, "counts:3,5 synced");
    expect_request(fixture, 0, 0, " counts");
    say(fixture, 0, "counts:3,5");
    say(fixture, 0, "counts:3,6");
    say(fixture, 0, "resync counts:3,6");
    say(fixture, 0, "counts:2,6");
    tells(fixture, "counts:3,6 synced counts:2,6");
}

static void staleness_begins_again_with_each_answer(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada more");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2");
    if (muster_watch_staleness_ms(fixture->watch) != UINT64_MAX) fail_msg("not all is told yet");
    say(fixture, 0, "");
    tells(fixture, "synced");
    uint64_t began_ms = wait_now_ms();
    wait_until(is_asked, &(struct asked){fixture->nodes[0], SIZE_MAX}, 60); /* 60 ms pass */
    uint64_t stale_ms = muster_watch_staleness_ms(fixture->watch), passed_ms = wait_now_ms() - began_ms;
    if (stale_ms < 55) fail_msg("%u ms, after %u", (unsigned)stale_ms, (unsigned)passed_ms);
    say(fixture, 0, "+bob");
    tells(fixture, "+bob:2");
    if (muster_watch_staleness_ms(fixture->watch) > wait_now_ms() - began_ms - 50) fail_msg("it did not begin again");
}

/* ---- nodes that fail --------------------------------------------------------------------------------------------- */

static void a_node_that_stops_sends_the_watch_elsewhere(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =bob");
    open_watch_at_first(fixture, 0, "+ada:2 +bob:2 synced");
    await_asked(fixture, 0, 2); /* parked */
    say(fixture, 1, "=bob =cyd");
    uint64_t began_ms = wait_now_ms();
    fake_watch_refuse(fixture->nodes[0], MUSTER_UNAVAILABLE);
    tells(fixture, "+cyd:2");
    if (wait_now_ms() - began_ms > 1000) fail_msg("it took %u ms", (unsigned)(wait_now_ms() - began_ms));
    tells(fixture, "-ada:0 synced"); /* it had two seconds to come back */
    expect_request(fixture, 1, 0, "cursor= ");
    /* It stays there, although the first one answers again. */
    fake_watch_refuse(fixture->nodes[0], MUSTER_OK);
    say(fixture, 1, "+dee");
    tells(fixture, "+dee:2");
    expect_request(fixture, 1, 2, "cursor={}-2 ");
    assert_int_equal(fake_watch_asked(fixture->nodes[0]), 2);
}

/* The cursor is not lost where no other node could answer either. */
static void a_watch_resumes_where_it_was(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    open_watch_at_first(fixture, 0, "+ada:2 synced");
    await_asked(fixture, 0, 2);
    fake_watch_refuse(fixture->nodes[1], MUSTER_UNAVAILABLE);
    fake_watch_refuse(fixture->nodes[0], MUSTER_UNAVAILABLE);
    tells(fixture, "trouble:14");
    say(fixture, 0, "+bob");
    fake_watch_refuse(fixture->nodes[0], MUSTER_OK);
    tells(fixture, "+bob:2");
    char request[FAKE_REQUEST_BYTES];
    fake_watch_request(fixture->nodes[0], SIZE_MAX, request);
    expect_request(fixture, 0, 2, "cursor={}-1 ");
}

/* Calls of the program go to the node that answered last; a watch stays where its cursor is of use. */
static void a_watch_does_not_follow_calls(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    open_watch_at_first(fixture, 0, "+ada:2 synced");
    await_asked(fixture, 0, 2);
    fake_watch_answer_calls(fixture->nodes[0], MUSTER_UNAVAILABLE);
    struct muster_beat beat = {.user = "ada"};
    enum muster_code code = muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &fixture->error);
    if (code != MUSTER_UNIMPLEMENTED) fail_msg("the other node answers so: %s", fixture->error.message);
    say(fixture, 0, "+bob");
    say(fixture, 0, "+cyd");
    tells(fixture, "+bob:2 +cyd:2");
    assert_int_equal(fake_watch_asked(fixture->nodes[1]), 0);
}

static void a_silent_node_is_given_up(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    open_watch_at_first(fixture, 100, "+ada:2 synced");
    say(fixture, 1, "=ada =bob");
    tells(fixture, "+bob:2 synced"); /* the first never answers the second question */
}

static void a_node_that_comes_back_is_found(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =bob");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 +bob:2 synced");
    await_asked(fixture, 0, 2);
    stop(fixture, 0);
    tells(fixture, "trouble:14");
    start(fixture, 0);
    say(fixture, 0, "resync =bob");
    tells(fixture, "-ada:0 synced");
}

static void nonsense_is_trouble_and_tried_again(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "garbage");
    say(fixture, 0, "=zoe nocursor");
    say(fixture, 0, "=zoe bigcursor");
    say(fixture, 0, "=ada");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "trouble:13 +ada:2 synced");
    expect_request(fixture, 0, 4, "cursor={}-4 ");
}

static void trouble_is_told_once_a_spell(void **state) {
    struct fixture *fixture = *state;
    fake_watch_refuse(fixture->nodes[0], MUSTER_PERMISSION_DENIED);
    open_watch(fixture, 1, (struct muster_watch_options){0});
    await_asked(fixture, 0, 5);
    tells(fixture, "trouble:7");
    fake_watch_refuse(fixture->nodes[0], MUSTER_RESOURCE_EXHAUSTED);
    tells(fixture, "trouble:8");
    say(fixture, 0, "=ada");
    fake_watch_refuse(fixture->nodes[0], MUSTER_OK);
    tells(fixture, "+ada:2 synced");
}

/* A node that cannot park a request answers at once: it is asked again and again, but not in a busy loop. */
static void a_node_with_nothing_to_say_is_not_hammered(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    for (int i = 0; i < 20; i++) say(fixture, 0, i % 2 == 0 ? "" : "more");
    uint64_t began_ms = wait_now_ms();
    open_watch(fixture, 1, (struct muster_watch_options){0});
    await_asked(fixture, 0, 22);
    if (wait_now_ms() - began_ms < 20 * 15) fail_msg("22 questions in %u ms", (unsigned)(wait_now_ms() - began_ms));
    began_ms = wait_now_ms();
    for (int i = 0; i < 5; i++) say(fixture, 0, "resync =ada");
    await_asked(fixture, 0, 27);
    if (wait_now_ms() - began_ms < 4 * 150) fail_msg("5 snapshots in %u ms", (unsigned)(wait_now_ms() - began_ms));
}

/* ---- closing ----------------------------------------------------------------------------------------------------- */

static void close_myself(void *arg, const struct muster_user *user) {
    struct fixture *fixture = arg;
    journal_note(fixture->journal, "%s", user->user);
    muster_watch_close(fixture->watch);
    fixture->watch = NULL;
}

static void not_again(void *arg) {
    struct fixture *fixture = arg;
    journal_note(fixture->journal, "again");
}

static void a_callback_may_close_its_watch(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada =bob =cyd");
    open_client(fixture, 1);
    struct muster_watch_callbacks callbacks = {.joined = close_myself, .synced = not_again};
    struct muster_watch_options options = {.callbacks = callbacks, .arg = fixture};
    if (muster_watch_open(fixture->client, &options, &fixture->watch, NULL) != MUSTER_OK) fail_msg("not opened");
    tells(fixture, "ada");
    muster_close(fixture->client); /* nothing of it is left */
    fixture->client = NULL;
    tells(fixture, "");
    assert_int_equal(fake_watch_asked(fixture->nodes[0]), 1);
}

static void open_another(void *arg) {
    struct fixture *fixture = arg;
    struct muster_watch_options options = {.scope = "other", .callbacks = journal_callbacks(), .arg = fixture->journal};
    if (muster_watch_open(fixture->client, &options, &fixture->other, NULL) != MUSTER_OK)
        journal_note(fixture->journal, "refused");
    muster_watch_close(fixture->watch);
    fixture->watch = NULL;
}

static void a_callback_may_open_a_watch_and_close_another(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    say(fixture, 0, "=bob");
    open_client(fixture, 1);
    struct muster_watch_options options = {.callbacks = {.synced = open_another}, .arg = fixture};
    if (muster_watch_open(fixture->client, &options, &fixture->watch, NULL) != MUSTER_OK) fail_msg("not opened");
    tells(fixture, "+bob:2 synced");
    expect_request(fixture, 0, 1, "scope=other ");
}

static void a_parked_watch_closes_at_once(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    open_watch(fixture, 1, (struct muster_watch_options){.max_wait_ms = 60000});
    tells(fixture, "+ada:2 synced");
    await_asked(fixture, 0, 2);
    uint64_t began_ms = wait_now_ms();
    muster_watch_close(fixture->watch);
    fixture->watch = NULL;
    say(fixture, 0, "+bob");
    muster_close(fixture->client);
    fixture->client = NULL;
    if (wait_now_ms() - began_ms > 2000) fail_msg("it took %u ms", (unsigned)(wait_now_ms() - began_ms));
    tells(fixture, "");
}

struct slow {
    atomic_bool is_inside, was_inside;
    struct fixture *fixture;
};

static bool never(void *context) {
    (void)context;
    return false;
}

static void be_slow(void *arg, const struct muster_user *user) {
    struct slow *slow = arg;
    (void)user;
    atomic_store(&slow->is_inside, true);
    atomic_store(&slow->was_inside, true);
    wait_until(never, NULL, 50);
    atomic_store(&slow->is_inside, false);
}

static bool was_inside(void *context) {
    struct slow *slow = context;
    return atomic_load(&slow->was_inside);
}

static void closing_waits_for_a_callback_that_runs(void **state) {
    struct fixture *fixture = *state;
    struct slow slow = {.fixture = fixture};
    say(fixture, 0, "=ada =bob =cyd");
    open_watch(fixture, 1, (struct muster_watch_options){.callbacks = {.joined = be_slow}, .arg = &slow});
    if (!wait_until(was_inside, &slow, PATIENCE_MS)) fail_msg("nobody joined");
    muster_watch_close(fixture->watch);
    fixture->watch = NULL;
    bool is_inside = atomic_load(&slow.is_inside);
    atomic_store(&slow.was_inside, false);
    muster_close(fixture->client);
    fixture->client = NULL;
    if (is_inside) fail_msg("a callback ran still when it was closed");
    if (atomic_load(&slow.was_inside)) fail_msg("a callback began after it was closed");
}

/* ---- many -------------------------------------------------------------------------------------------------------- */

static void got_touched(void *arg, const struct muster_touched *touched, const struct muster_error *error) {
    (void)touched;
    journal_note(arg, "touched:%d", (int)error->code);
}

static void touch_async(struct fixture *fixture) {
    struct muster_beat beat = {.user = "ada"};
    if (muster_touch_async(fixture->client, NULL, 0, &beat, 1, got_touched, fixture->journal, &fixture->error) !=
        MUSTER_OK)
        fail_msg("%s", fixture->error.message);
    tells(fixture, "touched:12");
}

/* in_flight_max is 1 here. */
static void a_parked_watch_takes_no_place_of_calls(void **state) {
    struct fixture *fixture = *state;
    say(fixture, 0, "=ada");
    open_watch(fixture, 1, (struct muster_watch_options){0});
    tells(fixture, "+ada:2 synced");
    await_asked(fixture, 0, 2);
    touch_async(fixture);
    muster_watch_close(fixture->watch);
    fixture->watch = NULL;
    say(fixture, 0, ""); /* ends it at some time in the following */
    for (int i = 0; i < 10; i++) {
        touch_async(fixture);
        wait_until(never, NULL, 10);
    }
}

static void watches_share_one_thread(void **state) {
    struct fixture *fixture = *state;
    open_watch(fixture, 1, (struct muster_watch_options){.scope = "a"});
    fixture->other = watch(fixture, (struct muster_watch_options){.scope = "b"});
    fake_watch_refuse(fixture->nodes[0], MUSTER_PERMISSION_DENIED);
    tells(fixture, "trouble:7 trouble:7");
    if (fixture->journal->has_threads) fail_msg("callbacks came from several threads");
}

static void bad_options_are_refused(void **state) {
    struct fixture *fixture = *state;
    open_client(fixture, 1);
    const char *users[] = {"ada", ""};
    static const struct muster_watch_options good = {0};
    struct muster_watch_options bad[6] = {good, good, good, good, good, good};
    bad[0].max_wait_ms = MUSTER_WATCH_WAIT_MAX_MS + 1;
    bad[1].min_interval_ms = MUSTER_WATCH_INTERVAL_MAX_MS + 1;
    bad[2].users = users, bad[2].user_count = 2;
    bad[3].users = users, bad[3].user_count = 1, bad[3].counts_only = true;
    bad[4].with_sessions = true, bad[4].counts_only = true;
    bad[5].users = users, bad[5].user_count = MUSTER_WATCH_USERS_MAX + 1;
    const char *fields[] = {"max_wait_ms: 60001",  "min_interval_ms: 60001",       "users[1]: empty",
                            "users: must be none", "with_sessions: must be unset", "users: 1001"};
    for (size_t i = 0; i < 6; i++) {
        struct muster_watch *made = (struct muster_watch *)fixture;
        enum muster_code code = muster_watch_open(fixture->client, &bad[i], &made, &fixture->error);
        if (code != MUSTER_INVALID_ARGUMENT || made != NULL) fail_msg("%s: not refused", fields[i]);
        if (strncmp(fixture->error.message, fields[i], strlen(fields[i])) != 0)
            fail_msg("\"%s\", not \"%s\"", fixture->error.message, fields[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_snapshot_comes_in_pages_and_changes_follow),
        TEST(those_who_come_back_soon_after_a_resync_are_not_told),
        TEST(counts_that_drop_at_a_resync_have_time_to_rise),
        TEST(a_resync_tells_only_what_differs),
        TEST(a_resync_within_a_snapshot_begins_anew),
        TEST(joins_and_leaves_alternate_whatever_a_node_says),
        TEST(states_are_told_where_asked),
        TEST(states_are_ignored_where_not_asked),
        TEST(named_users_are_asked_for),
        TEST(counts_are_told_when_they_change),
        TEST(staleness_begins_again_with_each_answer),
        TEST(a_node_that_stops_sends_the_watch_elsewhere),
        TEST(a_watch_resumes_where_it_was),
        TEST(a_watch_does_not_follow_calls),
        TEST(a_silent_node_is_given_up),
        TEST(a_node_that_comes_back_is_found),
        TEST(nonsense_is_trouble_and_tried_again),
        TEST(trouble_is_told_once_a_spell),
        TEST(a_node_with_nothing_to_say_is_not_hammered),
        TEST(a_callback_may_close_its_watch),
        TEST(a_callback_may_open_a_watch_and_close_another),
        TEST(a_parked_watch_closes_at_once),
        TEST(closing_waits_for_a_callback_that_runs),
        TEST(a_parked_watch_takes_no_place_of_calls),
        TEST(watches_share_one_thread),
        TEST(bad_options_are_refused),
    };
    return cmocka_run_group_tests_name("client watch", tests, NULL, NULL);
}
