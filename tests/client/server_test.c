/* The library against a real node: every call, a restart, a second node. */
#include "muster/muster.h"
#include "support/port.h"
#include "support/process.h"
#include "support/wait.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

enum { NODES = 2, PATIENCE_MS = 30000 };

static const char *musterd, *example;

struct fixture {
    char urls[NODES][48];
    const char *addresses[NODES];
    struct process *nodes[NODES];
    struct muster_client *client;
};

static void start(struct fixture *fixture, int i) {
    const char *argv[] = {musterd, "--grpc", "none", "--rpc", fixture->urls[i], NULL};
    fixture->nodes[i] = process_start(argv, NULL);
    if (!process_await_line(fixture->nodes[i], PROCESS_OUTPUT, "ready", PATIENCE_MS, NULL)) {
        char *errors = process_text(fixture->nodes[i], PROCESS_ERRORS, NULL);
        fail_msg("musterd is not ready: %s", errors);
    }
}

static void end(struct fixture *fixture, int i) {
    process_signal(fixture->nodes[i], SIGKILL);
    if (!process_wait(fixture->nodes[i], PATIENCE_MS, NULL)) fail_msg("musterd did not end");
    process_free(fixture->nodes[i]);
    fixture->nodes[i] = NULL;
}

static int set_up(void **state) {
    struct fixture *fixture = calloc(1, sizeof *fixture);
    for (int i = 0; i < NODES; i++) {
        snprintf(fixture->urls[i], sizeof fixture->urls[i], "tcp://127.0.0.1:%u", port_free());
        fixture->addresses[i] = fixture->urls[i];
    }
    start(fixture, 0);
    struct muster_options options = {
        .addresses = fixture->addresses, .address_count = NODES, .timeout_ms = 10000, .attempt_ms = 2000};
    struct muster_error error;
    if (muster_open(&options, &fixture->client, &error) != MUSTER_OK) fail_msg("open: %s", error.message);
    *state = fixture;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *fixture = *state;
    muster_close(fixture->client);
    for (int i = 0; i < NODES; i++) process_free(fixture->nodes[i]);
    free(fixture);
    return 0;
}

static void must(enum muster_code code, const struct muster_error *error) {
    if (code != MUSTER_OK) fail_msg("%s: %s", muster_strerror(code), error->message);
}

static void users_come_and_go(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_beat beats[] = {
        {.user = "ada",
         .session = "tab",
         .status = MUSTER_STATUS_BUSY,
         .state = "typing",
         .state_len = 6,
         .ttl_ms = 50000},
        {.user = "bob"},
        {.user = "cyd", .scope = "elsewhere", .status = MUSTER_STATUS_AWAY},
    };
    struct muster_touched touched;
    must(muster_touch(fixture->client, "room", 60000, beats, 3, &touched, &error), &error);
    assert_int_equal(touched.joined, 3);
    assert_int_equal(touched.ttl_ms, 50000);
    assert_true(touched.stamp != 0);

    const char *names[] = {"ada", "bob", "nobody"};
    struct muster_users *live = NULL;
    must(muster_live(fixture->client, "room", names, 3, true, &live, &error), &error);
    assert_int_equal(live->count, 3);
    assert_true(live->items[0].is_live && live->items[1].is_live && !live->items[2].is_live);
    assert_int_equal(live->items[0].status, MUSTER_STATUS_BUSY);
    assert_int_equal(live->items[1].status, MUSTER_STATUS_ONLINE);
    assert_int_equal(live->items[0].session_count, 1);
    assert_string_equal(live->items[0].sessions[0].session, "tab");
    assert_memory_equal(live->items[0].sessions[0].state, "typing", 6);
    assert_int_equal(live->items[0].sessions[0].ttl_ms, 50000);
    assert_true(live->items[0].last_seen_ms > INT64_C(1700000000000));
    assert_true(live->items[2].last_seen_ms == 0);

    struct muster_departure departure = {.user = "ada", .session = "tab"};
    struct muster_left left;
    must(muster_leave(fixture->client, "room", &departure, 1, 0, touched.stamp, &left, &error), &error);
    assert_int_equal(left.left, 1);
    assert_int_equal(left.unknown, 0);
    assert_true(left.stamp > touched.stamp);
    must(muster_leave(fixture->client, "room", &departure, 1, 0, 0, &left, &error), &error);
    assert_int_equal(left.left, 0);
    assert_int_equal(left.unknown, 1);
    must(muster_live(fixture->client, "room", names, 3, false, &live, &error), &error);
    assert_false(live->items[0].is_live);
    assert_true(live->items[0].last_seen_ms != 0);
    muster_users_free(live);
}

static enum muster_status status_of(struct fixture *fixture, const char *user) {
    struct muster_error error;
    struct muster_users *live = NULL;
    must(muster_live(fixture->client, "room", &user, 1, false, &live, &error), &error);
    enum muster_status status = live->items[0].status;
    muster_users_free(live);
    return status;
}

struct status_told {
    atomic_int code;
    uint64_t stamp;
};

static void got_status(void *arg, const struct muster_status_set *set, const struct muster_error *error) {
    struct status_told *told = arg;
    told->stamp = set->stamp;
    atomic_store(&told->code, (int)error->code);
}

static bool is_told(void *context) {
    return atomic_load(&((struct status_told *)context)->code) >= 0;
}

static void a_status_is_set_and_cleared(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_status_set set;
    struct muster_touched touched;
    const struct muster_beat beat = {.user = "ada"};
    must(muster_touch(fixture->client, "room", 60000, &beat, 1, &touched, &error), &error);
    must(muster_set_status(fixture->client, "room", "ada", MUSTER_STATUS_BUSY, 0, &set, &error), &error);
    assert_true(set.stamp > touched.stamp);
    must(muster_touch(fixture->client, "room", 60000, &beat, 1, NULL, &error), &error);
    assert_int_equal(status_of(fixture, "ada"), MUSTER_STATUS_BUSY);

    struct status_told told = {.code = -1};
    must(muster_set_status_async(fixture->client, "room", "ada", MUSTER_STATUS_AWAY, 60000, got_status, &told, &error),
         &error);
    if (!wait_until(is_told, &told, PATIENCE_MS)) fail_msg("no answer");
    assert_int_equal(atomic_load(&told.code), MUSTER_OK);
    assert_true(told.stamp > set.stamp);
    assert_int_equal(status_of(fixture, "ada"), MUSTER_STATUS_AWAY);

    must(muster_set_status(fixture->client, "room", "ada", MUSTER_STATUS_UNSPECIFIED, 0, NULL, &error), &error);
    assert_int_equal(status_of(fixture, "ada"), MUSTER_STATUS_ONLINE);
    assert_int_equal(muster_set_status(fixture->client, "room", "", MUSTER_STATUS_BUSY, 0, NULL, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "user: empty, 1 to 128 bytes");
    assert_int_equal(muster_set_status(fixture->client, "room", "ada", (enum muster_status)4, 0, NULL, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "status: 4, at most 3");
    assert_int_equal(muster_set_status(fixture->client, "room", "ada", MUSTER_STATUS_BUSY, 999, NULL, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "ttl_ms: 999, at least 1000");
    must(muster_reset(fixture->client, "room", NULL, &error), &error);
}

struct refresh_told {
    atomic_int code;
    uint32_t unknown_count, unknown;
};

static void got_refreshed(void *arg, const struct muster_refreshed *refreshed, const struct muster_error *error) {
    struct refresh_told *told = arg;
    told->unknown_count = refreshed->unknown_count;
    if (refreshed->unknown_count > 0) told->unknown = refreshed->unknown[0];
    atomic_store(&told->code, (int)error->code);
}

static bool is_refreshed(void *context) {
    return atomic_load(&((struct refresh_told *)context)->code) >= 0;
}

static void sessions_are_refreshed(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    const struct muster_beat whole = {
        .user = "ada", .session = "tab", .status = MUSTER_STATUS_BUSY, .state = "typing", .state_len = 6};
    must(muster_touch(fixture->client, "room", 60000, &whole, 1, NULL, &error), &error);
    struct muster_beat beats[] = {{.user = "nobody"}, {.user = "ada", .session = "tab"}, {.user = "ada"}};
    uint32_t unknown[3] = {0};
    struct muster_refreshed refreshed;
    must(muster_refresh(fixture->client, "room", 50000, beats, 3, unknown, &refreshed, &error), &error);
    assert_int_equal(refreshed.ttl_ms, 50000);
    assert_int_equal(refreshed.unknown_count, 2);
    assert_ptr_equal(refreshed.unknown, unknown);
    assert_int_equal(unknown[0], 0);
    assert_int_equal(unknown[1], 2);
    assert_true(refreshed.stamp > 0);
    assert_int_equal(status_of(fixture, "ada"), MUSTER_STATUS_BUSY);
    assert_int_equal(status_of(fixture, "nobody"), MUSTER_STATUS_UNSPECIFIED);

    struct refresh_told told = {.code = -1};
    must(muster_refresh_async(fixture->client, "room", 50000, &beats[1], 2, got_refreshed, &told, &error), &error);
    if (!wait_until(is_refreshed, &told, PATIENCE_MS)) fail_msg("no answer");
    assert_int_equal(atomic_load(&told.code), MUSTER_OK);
    assert_int_equal(told.unknown_count, 1);
    assert_int_equal(told.unknown, 1);

    beats[1].status = MUSTER_STATUS_AWAY;
    assert_int_equal(muster_refresh(fixture->client, "room", 50000, beats, 3, unknown, &refreshed, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "beats[1].status: must be unset in a refresh");
    assert_int_equal(refreshed.unknown_count, 0);
    must(muster_reset(fixture->client, "room", NULL, &error), &error);
}

/* Whether the keepalive has beaten since. */
struct seen_since {
    struct fixture *fixture;
    int64_t last_seen_ms;
};

static int64_t last_seen_of(struct fixture *fixture, const char *user) {
    struct muster_error error;
    struct muster_users *live = NULL;
    must(muster_live(fixture->client, "room", &user, 1, false, &live, &error), &error);
    int64_t last_seen_ms = live->items[0].last_seen_ms;
    muster_users_free(live);
    return last_seen_ms;
}

static bool is_seen_since(void *context) {
    struct seen_since *since = context;
    return last_seen_of(since->fixture, "ada") > since->last_seen_ms;
}

static void a_keepalive_keeps_a_status_that_was_set_elsewhere(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_keepalive *keepalive;
    const struct muster_keepalive_options options = {.ttl_ms = MUSTER_TTL_MIN_MS};
    must(muster_keepalive_open(fixture->client, &options, &keepalive, &error), &error);
    must(muster_keepalive_add(keepalive, "room", "ada", "tab", MUSTER_STATUS_ONLINE, NULL, 0, &error), &error);
    struct seen_since since = {fixture, 0};
    if (!wait_until(is_seen_since, &since, PATIENCE_MS)) fail_msg("ada was not told");
    const struct muster_beat busy = {.user = "ada", .session = "tab", .status = MUSTER_STATUS_BUSY};
    must(muster_touch(fixture->client, "room", MUSTER_TTL_MIN_MS, &busy, 1, NULL, &error), &error);
    for (int turn = 0; turn < 3; turn++) {
        since.last_seen_ms = last_seen_of(fixture, "ada");
        if (!wait_until(is_seen_since, &since, PATIENCE_MS)) fail_msg("ada is no longer told");
        assert_int_equal(status_of(fixture, "ada"), MUSTER_STATUS_BUSY);
    }
    must(muster_keepalive_close(keepalive, true, &error), &error);
}

struct places_told {
    atomic_int code;
    size_t count;
};

static void got_places(void *arg, const struct muster_places *places, const struct muster_error *error) {
    struct places_told *told = arg;
    told->count = places->count;
    atomic_store(&told->code, (int)error->code);
}

static bool are_placed(void *context) {
    return atomic_load(&((struct places_told *)context)->code) >= 0;
}

static void users_are_found_where_they_are(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    enum { ROOMS = 20 };
    const struct muster_beat beats[] = {
        {.user = "ada", .session = "tab", .status = MUSTER_STATUS_BUSY, .state = "typing", .state_len = 6},
        {.user = "bob"}};
    for (int i = 0; i < ROOMS; i++) {
        char scope[16];
        snprintf(scope, sizeof scope, "room:%d", i);
        must(muster_touch(fixture->client, scope, 60000, beats, 1 + (size_t)i % 2, NULL, &error), &error);
    }
    must(muster_touch(fixture->client, "hall", 60000, beats, 1, NULL, &error), &error);
    const char *users[] = {"nobody", "ada", "bob"};
    struct muster_where_query query = {
        .users = users, .user_count = 3, .scope_prefix = "room:", .page_size = 7, .with_sessions = true};
    struct muster_places *places = NULL;
    size_t found[2] = {0};
    do {
        must(muster_where(fixture->client, &query, &places, &error), &error);
        assert_true(places->count <= 7);
        for (size_t i = 0; i < places->count; i++) {
            const struct muster_place *place = &places->items[i];
            bool is_ada = strcmp(place->user, "ada") == 0;
            found[!is_ada]++;
            assert_int_equal(strncmp(place->scope, "room:", 5), 0);
            assert_int_equal(place->status, is_ada ? MUSTER_STATUS_BUSY : MUSTER_STATUS_ONLINE);
            assert_int_equal(place->session_count, 1);
            assert_int_equal(place->sessions[0].state_len, is_ada ? 6 : 0);
            assert_true(place->last_seen_ms > INT64_C(1700000000000));
        }
        query.page_token = places->next_page_token;
    } while (query.page_token[0] != '\0');
    assert_int_equal(found[0], ROOMS);
    assert_int_equal(found[1], ROOMS / 2);

    struct places_told told = {.code = -1};
    const struct muster_where_query all = {.users = users, .user_count = 3};
    must(muster_where_async(fixture->client, &all, got_places, &told, &error), &error);
    if (!wait_until(are_placed, &told, PATIENCE_MS)) fail_msg("no answer");
    assert_int_equal(told.count, ROOMS + ROOMS / 2 + 1);
    const struct muster_where_query none = {.users = users};
    assert_int_equal(muster_where(fixture->client, &none, &places, &error), MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, "users: none, at least 1");
    assert_int_equal(places->count, 0);
    muster_places_free(places);
}

enum { MANY = 25000 };

static void touch_many(struct fixture *fixture, const char *scope) {
    static char names[1000][16];
    struct muster_beat beats[1000];
    struct muster_error error;
    for (size_t base = 0; base < MANY; base += 1000) {
        for (size_t i = 0; i < 1000; i++) {
            snprintf(names[i], sizeof names[i], "user-%06zu", base + i);
            beats[i] = (struct muster_beat){.user = names[i]};
        }
        must(muster_touch(fixture->client, scope, 0, beats, 1000, NULL, &error), &error);
    }
}

static void a_walk_comes_by_everyone_once(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    touch_many(fixture, "stadium");
    struct muster_walk *walk;
    must(
        muster_walk_open(fixture->client, &(struct muster_query){.scope = "stadium", .page_size = 7000}, &walk, &error),
        &error);
    bool *seen = calloc(MANY, sizeof *seen);
    size_t count = 0;
    for (const struct muster_user *user; (user = muster_walk_next(walk)) != NULL; count++) {
        size_t number = strtoul(user->user + 5, NULL, 10);
        if (number >= MANY || seen[number]) fail_msg("%s comes twice, or never was", user->user);
        seen[number] = true;
    }
    must(muster_walk_close(walk, &error), &error);
    for (size_t i = 0; i < MANY; i++) {
        if (!seen[i]) fail_msg("user-%06zu did not come; %zu of %d did", i, count, MANY);
    }
    free(seen);

    struct muster_users *recent = NULL;
    must(muster_list(fixture->client, &(struct muster_query){.scope = "stadium", .recent = 10}, &recent, &error),
         &error);
    assert_int_equal(recent->count, 10);
    muster_users_free(recent);
}

static void scopes_are_counted_and_reset(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    touch_many(fixture, "stadium");
    struct muster_beat beat = {.user = "ada", .status = MUSTER_STATUS_AWAY};
    must(muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error), &error);
    const char *scopes[] = {"stadium", "default", "empty"};
    uint64_t windows_ms[] = {300000, 3600000};
    struct muster_counts *counts = NULL;
    must(muster_counts(fixture->client, scopes, 3, windows_ms, 2, &counts, &error), &error);
    assert_int_equal(counts->count, 3);
    assert_int_equal(counts->items[0].live, MANY);
    assert_int_equal(counts->items[0].windows[1].users, MANY);
    assert_true(counts->items[0].windows[0].window_ms == 300000);
    assert_string_equal(counts->items[1].scope, "default");
    assert_int_equal(counts->items[1].away, 1);
    assert_int_equal(counts->items[2].live, 0);
    must(muster_counts(fixture->client, NULL, 0, NULL, 0, &counts, &error), &error);
    assert_int_equal(counts->items[0].live, 1);
    muster_counts_free(counts);

    struct muster_scopes *all = NULL;
    must(muster_scopes(fixture->client, 0, NULL, &all, &error), &error);
    assert_int_equal(all->count, 2);
    assert_string_equal(all->next_page_token, "");
    muster_scopes_free(all);

    struct muster_forgotten forgotten;
    must(muster_reset(fixture->client, "stadium", &forgotten, &error), &error);
    assert_int_equal(forgotten.forgotten, MANY);
}

static void what_the_node_refuses_is_told(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_beat beat = {.user = "\xff\xfe"};
    assert_int_equal(muster_touch(fixture->client, NULL, 0, &beat, 1, NULL, &error), MUSTER_INVALID_ARGUMENT);
    assert_true(error.is_answer);
    if (strstr(error.message, "beats[0].user") == NULL) fail_msg("the field is not named: %s", error.message);
    struct muster_users *users = NULL;
    assert_int_equal(muster_list(fixture->client, &(struct muster_query){.page_token = "nonsense"}, &users, &error),
                     MUSTER_INVALID_ARGUMENT);
    assert_int_equal(users->count, 0);
    muster_users_free(users);
}

static bool is_ada_live(void *client) {
    const char *names[] = {"ada"};
    struct muster_users *users = NULL;
    bool is_live = muster_live(client, NULL, names, 1, false, &users, NULL) == MUSTER_OK && users->items[0].is_live;
    muster_users_free(users);
    return is_live;
}

static bool is_ada_gone(void *client) {
    return !is_ada_live(client);
}

static void a_keepalive_outlives_the_node(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_keepalive *keepalive;
    must(muster_keepalive_open(fixture->client, NULL, &keepalive, &error), &error);
    must(muster_keepalive_add(keepalive, NULL, "ada", NULL, MUSTER_STATUS_ONLINE, NULL, 0, &error), &error);
    if (!wait_until(is_ada_live, fixture->client, PATIENCE_MS)) fail_msg("ada is not live");
    end(fixture, 0);
    start(fixture, 0);
    /* The TTL is 90 s: only a beat that was sent because of the restart comes so early. */
    if (!wait_until(is_ada_live, fixture->client, 10000)) fail_msg("ada was not told to the new node");
    end(fixture, 0);
    start(fixture, 1);
    if (!wait_until(is_ada_live, fixture->client, 10000)) fail_msg("ada was not told to the other node");
    must(muster_keepalive_close(keepalive, true, &error), &error);
    if (!wait_until(is_ada_gone, fixture->client, PATIENCE_MS)) fail_msg("ada did not leave");
}

/* ---- kill -9 under load ------------------------------------------------------------------------------------------ */

enum { KILLS = 12, LISTS_IN_FLIGHT = 200, LISTED = 4000 };

struct load {
    struct muster_client *client;
    atomic_bool is_over;
    atomic_int under_way;
    atomic_uint answered;
};

static void on_listed(void *arg, const struct muster_users *users, const struct muster_error *error);

static void list_again(struct load *load) {
    atomic_fetch_add(&load->under_way, 1);
    if (muster_list_async(load->client, &(struct muster_query){.scope = "stadium", .page_size = LISTED}, on_listed,
                          load, NULL) != MUSTER_OK)
        atomic_fetch_sub(&load->under_way, 1);
}

static void on_listed(void *arg, const struct muster_users *users, const struct muster_error *error) {
    struct load *load = arg;
    (void)users;
    if (error->code == MUSTER_OK) atomic_fetch_add(&load->answered, 1);
    if (!atomic_load(&load->is_over)) list_again(load);
    atomic_fetch_sub(&load->under_way, 1);
}

struct progress {
    struct load *load;
    unsigned wanted;
};

static bool is_answered(void *context) {
    struct progress *progress = context;
    return atomic_load(&progress->load->answered) >= progress->wanted;
}

static bool is_idle(void *load) {
    return atomic_load(&((struct load *)load)->under_way) == 0;
}

/* Each time many long answers are on their way. libnng 1.5.2 could not cope: a connection that was reset in the middle
 * of a message was never closed, and no other one was made. */
static void a_node_that_is_killed_under_load_wedges_nothing(void **state) {
    struct fixture *fixture = *state;
    struct muster_options options = {.addresses = fixture->addresses, .address_count = 1, .timeout_ms = PATIENCE_MS};
    struct load load = {0};
    struct muster_error error;
    must(muster_open(&options, &load.client, &error), &error);
    for (int i = 0; i < KILLS; i++) {
        touch_many(fixture, "stadium");
        while (atomic_load(&load.under_way) < LISTS_IN_FLIGHT) list_again(&load);
        struct progress progress = {&load, atomic_load(&load.answered) + 20};
        if (!wait_until(is_answered, &progress, PATIENCE_MS)) fail_msg("no answers any more after %d kills", i);
        end(fixture, 0);
        start(fixture, 0);
    }
    atomic_store(&load.is_over, true);
    if (!wait_until(is_idle, &load, PATIENCE_MS)) fail_msg("some calls did not end");
    uint64_t began_ms = wait_now_ms();
    muster_close(load.client);
    if (wait_now_ms() - began_ms > PATIENCE_MS / 2) fail_msg("the client did not close in time");
}

static void the_example_tells_who_is_on_a_page(void **state) {
    struct fixture *fixture = *state;
    struct muster_error error;
    struct muster_beat beats[] = {{.user = "ada", .scope = "/news", .status = MUSTER_STATUS_AWAY}};
    must(muster_touch(fixture->client, NULL, 0, beats, 1, NULL, &error), &error);
    const char *argv[] = {example, fixture->urls[0], "/news", "bob", NULL};
    struct process *process = process_start(argv, &(struct process_options){.keep_input = true});
    char *line;
    if (!process_await_line(process, PROCESS_OUTPUT, "/news:", PATIENCE_MS, &line))
        fail_msg("the example said: %s", process_text(process, PROCESS_ERRORS, NULL));
    if (strcmp(line, "/news: ada (away) bob") != 0 && strcmp(line, "/news: bob ada (away)") != 0)
        fail_msg("the example said: %s", line);
    free(line);
    process_close_input(process);
    struct process_exit how;
    if (!process_wait(process, PATIENCE_MS, &how)) fail_msg("the example did not end");
    if (how.is_signal || how.status != 0) fail_msg("the example ended with %d", how.status);
    process_free(process);
    const char *names[] = {"bob"};
    struct muster_users *users = NULL;
    must(muster_live(fixture->client, "/news", names, 1, false, &users, &error), &error);
    assert_false(users->items[0].is_live);
    muster_users_free(users);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: %s MUSTERD EXAMPLE\n", argv[0]);
        return 2;
    }
    musterd = argv[1];
    example = argv[2];
    const struct CMUnitTest tests[] = {
        TEST(users_come_and_go),
        TEST(sessions_are_refreshed),
        TEST(a_keepalive_keeps_a_status_that_was_set_elsewhere),
        TEST(users_are_found_where_they_are),
        TEST(a_status_is_set_and_cleared),
        TEST(a_walk_comes_by_everyone_once),
        TEST(scopes_are_counted_and_reset),
        TEST(what_the_node_refuses_is_told),
        TEST(a_keepalive_outlives_the_node),
        TEST(a_node_that_is_killed_under_load_wedges_nothing),
        TEST(the_example_tells_who_is_on_a_page),
    };
    return cmocka_run_group_tests_name("client and server", tests, NULL, NULL);
}
