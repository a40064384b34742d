/* The calls of a node in this process, without a transport: time is the test's. */
#include "common/duration.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "node/figures.h"
#include "node/tick.h"
#include "rpc/rpc.h"
#include "support/call_bytes.h"
#include "support/call_suite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

static const uint64_t wall_at_start_ms = UINT64_C(1700000000000);
static const uint64_t start_ms = UINT64_C(1) << 40;

struct bench {
    struct node *node;
    struct rpc *rpc;
    struct worker *worker;
    struct instant now;
    struct answerer answerer;
};

static size_t ask_node(void *context, const uint8_t *request, size_t len, uint8_t **reply) {
    struct bench *bench = context;
    size_t reply_len;
    /* A copy of exactly its size, so that the address sanitizer sees a read past the end. */
    uint8_t *exact = malloc(len);
    if (len > 0) memcpy(exact, request, len);
    *reply = call_bytes(bench->rpc, bench->worker, exact, len, bench->now, NULL, &reply_len);
    free(exact);
    if (reply_len > MUSTER_MESSAGE_BYTES_MAX) fail_msg("a reply of %zu bytes", reply_len);
    return reply_len;
}

static struct bench *bench_of(const struct node_config *config) {
    struct bench *bench = calloc(1, sizeof *bench);
    if (bench == NULL) abort();
    bench->now = (struct instant){start_ms, wall_at_start_ms};
    bench->node = node_new(config, bench->now);
    bench->worker = worker_new();
    if (bench->node == NULL || bench->worker == NULL) fail_msg("no node");
    if ((bench->rpc = rpc_new(bench->node, 0)) == NULL) fail_msg("no calls");
    bench->answerer = (struct answerer){bench, "in process", ask_node};
    return bench;
}

static const struct node_config usual = {.hash_key = "sixteen bytes..",
                                         .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                         .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                         .members_max = 100000,
                                         .bytes_max = 1 << 30};

static int open_bench(void **state) {
    *state = bench_of(&usual);
    return 0;
}

static int close_bench(void **state) {
    struct bench *bench = *state;
    if (bench == NULL) return 0;
    rpc_free(bench->rpc);
    node_free(bench->node);
    worker_free(bench->worker);
    free(bench);
    return 0;
}

static void pass_ms(struct bench *bench, uint64_t ms) {
    bench->now.now_ms += ms;
    bench->now.wall_ms += ms;
}

#define SUITE(name)                                                                                                    \
    static void test_##name(void **state) {                                                                            \
        suite_##name(&((struct bench *)*state)->answerer);                                                             \
    }
SUITE(touch)
SUITE(displaced)
SUITE(refresh)
SUITE(leave)
SUITE(leave_unknown)
SUITE(set_status)
SUITE(linger)
SUITE(live)
SUITE(list_pages)
SUITE(list_filters)
SUITE(list_recent)
SUITE(counts)
SUITE(scopes)
SUITE(where)
SUITE(reset)
SUITE(refusals)
SUITE(token_refusals)
SUITE(message_refusals)
SUITE(reply_cap)

static Muster__V1__Reply *live_of(struct bench *bench, const char *user, bool sessions) {
    struct request_builder builder;
    builder_live(&builder, "s");
    builder_user(&builder, builder_bytes(user));
    builder.live.sessions = sessions;
    return ask(&bench->answerer, &builder);
}

static void test_last_seen_is_on_the_wall_clock(void **state) {
    struct bench *bench = *state;
    touch(&bench->answerer, "s", "ada", "");
    pass_ms(bench, 5000);
    bench->now.wall_ms += 3600000; /* a wall clock that jumps moves what was, and nobody's lease */
    Muster__V1__Reply *reply = live_of(bench, "ada", true);
    int64_t expected = (int64_t)(bench->now.wall_ms - 5000);
    if (reply->live->users[0]->last_seen_ms != expected || reply->live->users[0]->sessions[0]->last_seen_ms != expected)
        fail_msg("last_seen_ms is %lld, expected %lld", (long long)reply->live->users[0]->last_seen_ms,
                 (long long)expected);
    reply_free(reply);
}

static void test_a_lease_is_inclusive(void **state) {
    struct bench *bench = *state;
    touch(&bench->answerer, "s", "ada", "");
    pass_ms(bench, MUSTER_TTL_DEFAULT_MS);
    if (!is_live(&bench->answerer, "s", "ada")) fail_msg("gone at the age of the TTL");
    pass_ms(bench, 1);
    if (is_live(&bench->answerer, "s", "ada")) fail_msg("live past the TTL");
}

/* A request that read the clock before another one, and came to the roll after it. */
static void test_time_does_not_run_backward(void **state) {
    struct bench *bench = *state;
    pass_ms(bench, 10000);
    uint64_t first = touch(&bench->answerer, "s", "ada", "");
    bench->now.now_ms -= 7000;
    uint64_t second = touch(&bench->answerer, "s", "bob", "");
    if (second <= first) fail_msg("stamps ran backward");
    if (!is_live(&bench->answerer, "s", "ada")) fail_msg("not live");
}

static void test_counts_expire_without_a_tick(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    for (int i = 0; i < 3; i++) {
        builder_touch(&builder, "s");
        for (size_t j = 0; j < 9000; j++)
            builder_beat(&builder, "", "")->user = builder_number(&builder, "u", j + 9000u * i);
        reply_free(ask(&bench->answerer, &builder));
    }
    pass_ms(bench, MUSTER_TTL_DEFAULT_MS + 1);
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes("s"));
    builder_window(&builder, MUSTER_TTL_DEFAULT_MS + 1);
    builder_window(&builder, MUSTER_TTL_DEFAULT_MS);
    Muster__V1__Reply *reply = ask(&bench->answerer, &builder);
    const Muster__V1__ScopeCounts *row = reply->counts->scopes[0];
    if (row->live != 0 || row->windows[0]->users != 27000 || row->windows[1]->users != 0)
        fail_msg("live %llu, windows %llu %llu", (unsigned long long)row->live,
                 (unsigned long long)row->windows[0]->users, (unsigned long long)row->windows[1]->users);
    reply_free(reply);
}

static void test_linger_ends(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    touch(&bench->answerer, "s", "ada", "");
    builder_leave(&builder, "s");
    builder_departure(&builder, "ada", "");
    builder.leave.linger_ms = 5000;
    reply_free(ask(&bench->answerer, &builder));
    pass_ms(bench, 5000);
    if (!is_live(&bench->answerer, "s", "ada")) fail_msg("gone before the linger is over");
    pass_ms(bench, 1);
    if (is_live(&bench->answerer, "s", "ada")) fail_msg("live after the linger");
    builder_leave(&builder, "s"); /* a late one resurrects nobody */
    builder_departure(&builder, "ada", "");
    builder.leave.linger_ms = 5000;
    reply_free(ask(&bench->answerer, &builder));
    if (is_live(&bench->answerer, "s", "ada")) fail_msg("a linger made somebody live");
}

/* The stamp that a leave carries back pulls the node's clock along, but not into a future that is nobody's. */
static void test_leave_observes_a_stamp(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    uint64_t stamp = touch(&bench->answerer, "s", "ada", "");
    uint64_t hour_ahead = stamp + (UINT64_C(3600000) << 16), days_ahead = stamp + (UINT64_C(90000000) << 16);
    builder_leave(&builder, "s");
    builder_departure(&builder, "ada", "");
    builder.leave.stamp = days_ahead;
    ask_refused(&bench->answerer, &builder, MUSTER_INVALID_ARGUMENT, "stamp: ");
    builder_leave(&builder, "s");
    builder_departure(&builder, "ada", "");
    builder.leave.stamp = hour_ahead;
    Muster__V1__Reply *reply = ask(&bench->answerer, &builder);
    if (reply->leave->stamp <= hour_ahead || reply->leave->left != 1) fail_msg("a leave before the touch it ends");
    reply_free(reply);
    if (touch(&bench->answerer, "s", "ada", "") <= hour_ahead) fail_msg("a stamp that was seen is forgotten");
}

static void test_a_full_node_refuses_whole(void **state) {
    struct node_config small = usual;
    small.members_max = 3;
    close_bench(state);
    *state = bench_of(&small);
    struct bench *bench = *state;
    struct request_builder builder;
    touch(&bench->answerer, "s", "ada", "");
    builder_touch(&builder, "s");
    builder_beat(&builder, "bob", "");
    builder_beat(&builder, "eve", "");
    builder_beat(&builder, "joe", "");
    ask_refused(&bench->answerer, &builder, MUSTER_RESOURCE_EXHAUSTED, "at most 3 members");
    if (is_live(&bench->answerer, "s", "bob")) fail_msg("half a request was done");
}

/* All sessions of many users are more than one request may let linger. */
static void test_lingering_too_much_is_refused_whole(void **state) {
    enum { USERS = 160 };
    struct bench *bench = *state;
    struct request_builder builder;
    for (size_t user = 0; user < USERS; user++) {
        builder_touch(&builder, "s");
        for (size_t i = 0; i < MUSTER_SESSIONS_MAX; i++) {
            Muster__V1__Beat *beat = builder_beat(&builder, "", "");
            beat->user = builder_number(&builder, "u", user);
            beat->session = builder_number(&builder, "tab", i);
        }
        reply_free(ask(&bench->answerer, &builder));
    }
    for (uint32_t linger_ms = 2; linger_ms-- > 0;) {
        builder_leave(&builder, "s");
        for (size_t i = 0; i < USERS; i++) {
            Muster__V1__Departure *departure = builder_departure(&builder, "", "");
            departure->user = builder_number(&builder, "u", i);
            departure->all_sessions = true;
        }
        builder.leave.linger_ms = linger_ms;
        if (linger_ms > 0) {
            ask_refused(&bench->answerer, &builder, MUSTER_RESOURCE_EXHAUSTED, "at most 10000");
            if (!is_live(&bench->answerer, "s", "u0")) fail_msg("half a request was done");
            continue;
        }
        Muster__V1__Reply *reply = ask(&bench->answerer, &builder);
        if (reply->leave->left != USERS) fail_msg("%u left", reply->leave->left);
        reply_free(reply);
    }
}

/* A status that was set ends by its TTL, and by nothing else. */
static void test_a_set_status_ends(void **state) {
    struct bench *bench = *state;
    struct request_builder builder;
    touch(&bench->answerer, "s", "ada", "");
    builder_set_status(&builder, "s", "ada", MUSTER__V1__STATUS__STATUS_BUSY);
    builder.set_status.ttl_ms = 5000;
    reply_free(ask(&bench->answerer, &builder));
    static const struct {
        uint64_t pass_ms;
        Muster__V1__Status status;
    } steps[] = {{5000, MUSTER__V1__STATUS__STATUS_BUSY}, {1, MUSTER__V1__STATUS__STATUS_ONLINE}};
    for (size_t i = 0; i < 2; i++) {
        pass_ms(bench, steps[i].pass_ms);
        Muster__V1__Reply *reply = live_of(bench, "ada", false);
        if (reply->live->users[0]->status != steps[i].status)
            fail_msg("step %zu: status %d", i, (int)reply->live->users[0]->status);
        reply_free(reply);
    }
}

/* A token means the same on every node with the same key, and nothing on one with another. */
static void test_page_tokens_across_nodes(void **state) {
    struct bench *bench = *state;
    struct node_config other_key = usual;
    other_key.hash_key[3] ^= 1;
    struct bench *twin = bench_of(&usual), *stranger = bench_of(&other_key);
    struct request_builder builder;
    const struct answerer *answerers[] = {&bench->answerer, &twin->answerer, &stranger->answerer};
    for (int i = 0; i < 3; i++) {
        builder_touch(&builder, "s");
        for (size_t j = 0; j < 100; j++) builder_beat(&builder, "", "")->user = builder_number(&builder, "u", j);
        reply_free(ask(answerers[i], &builder));
    }
    builder_list(&builder, "s");
    builder.list.page_size = 60;
    Muster__V1__Reply *first = ask(&bench->answerer, &builder);
    for (int i = 1; i < 3; i++) {
        builder_list(&builder, "s");
        builder.list.page_token = first->list->next_page_token;
        if (i == 2) {
            ask_refused(answerers[i], &builder, MUSTER_INVALID_ARGUMENT, "page_token: was not given out");
            continue;
        }
        Muster__V1__Reply *second = ask(answerers[i], &builder);
        if (first->list->n_users + second->list->n_users != 100)
            fail_msg("%zu + %zu users", first->list->n_users, second->list->n_users);
        reply_free(second);
    }
    reply_free(first);
    close_bench((void *[]){twin});
    close_bench((void *[]){stranger});
}

static void test_settings_out_of_range(void **state) {
    (void)state;
    struct node_config bad = usual;
    bad.ttl_ms = 10;
    if (node_new(&bad, (struct instant){start_ms, wall_at_start_ms}) != NULL) fail_msg("a TTL of 10 ms was taken");
    bad = usual;
    bad.retention_ms = MUSTER_RETENTION_MAX_MS + 1;
    if (node_new(&bad, (struct instant){start_ms, wall_at_start_ms}) != NULL) fail_msg("a retention past the cap");
}

static void test_ticks_expire_and_forget(void **state) {
    struct bench *bench = *state;
    struct node_figures figures;
    touch(&bench->answerer, "s", "ada", "");
    pass_ms(bench, MUSTER_RETENTION_DEFAULT_MS + MUSTER_TTL_DEFAULT_MS + 45000);
    for (int i = 0; i < 100; i++) node_tick(bench->node, bench->now), pass_ms(bench, 100);
    node_figures(bench->node, &figures);
    if (figures.members != 0) fail_msg("%llu members are remembered", (unsigned long long)figures.members);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_touch),
        TEST(test_displaced),
        TEST(test_refresh),
        TEST(test_leave),
        TEST(test_leave_unknown),
        TEST(test_set_status),
        TEST(test_linger),
        TEST(test_live),
        TEST(test_list_pages),
        TEST(test_list_filters),
        TEST(test_list_recent),
        TEST(test_counts),
        TEST(test_scopes),
        TEST(test_where),
        TEST(test_reset),
        TEST(test_refusals),
        TEST(test_token_refusals),
        TEST(test_message_refusals),
        TEST(test_reply_cap),
        TEST(test_last_seen_is_on_the_wall_clock),
        TEST(test_a_lease_is_inclusive),
        TEST(test_time_does_not_run_backward),
        TEST(test_counts_expire_without_a_tick),
        TEST(test_linger_ends),
        TEST(test_leave_observes_a_stamp),
        TEST(test_a_full_node_refuses_whole),
        TEST(test_lingering_too_much_is_refused_whole),
        TEST(test_a_set_status_ends),
        TEST(test_page_tokens_across_nodes),
        TEST(test_settings_out_of_range),
        TEST(test_ticks_expire_and_forget),
    };
    return cmocka_run_group_tests_name("rpc calls", tests, NULL, NULL);
}
