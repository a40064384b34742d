/* Group commit: many single Touches as one call to the roll, each with the answer that it would have got alone. */
#include "muster/limits.h"
#include "muster/v1/presence.pb-c.h"
#include "node/figures.h"
#include "node/tick.h"
#include "rpc/touch_group.h"
#include "support/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { ANSWERS_MAX = TOUCH_GROUP_MAX, BODY_BYTES = 256 };

/* What came back for a ticket. */
struct answer {
    void *ticket;
    int code;
    uint32_t joined, ttl_ms, displaced;
    size_t unknown; /* how many indexes are listed: only 0 can be */
    uint64_t stamp;
    char message[RESPONSE_MESSAGE_BYTES_MAX + 1];
};

struct fixture {
    struct node *node;
    struct rpc *rpc;
    struct worker *worker;
    struct touch_group *group;
    struct instant now;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
};

static void fixture_open(struct fixture *fixture, uint64_t members_max) {
    const struct node_config config = {.hash_key = "sixteen bytes..",
                                       .ttl_ms = MUSTER_TTL_DEFAULT_MS,
                                       .retention_ms = MUSTER_RETENTION_DEFAULT_MS,
                                       .members_max = members_max,
                                       .bytes_max = 1 << 30};
    memset(fixture, 0, sizeof *fixture);
    fixture->now = (struct instant){UINT64_C(1) << 40, UINT64_C(1700000000000)};
    if ((fixture->node = node_new(&config, fixture->now)) == NULL) fail_msg("no node");
    if ((fixture->rpc = rpc_new(fixture->node, 0)) == NULL) fail_msg("no calls");
    if ((fixture->worker = worker_new()) == NULL) fail_msg("no worker");
    if ((fixture->group = touch_group_new(fixture->rpc)) == NULL) fail_msg("no group");
}

static void fixture_close(struct fixture *fixture) {
    touch_group_free(fixture->group);
    worker_free(fixture->worker);
    rpc_free(fixture->rpc);
    node_free(fixture->node);
}

/* ---- requests ---- */

struct touch {
    const char *user, *session;
    uint32_t ttl_ms;
    Muster__V1__Status status;
    bool is_refresh;
};

static ProtobufCBinaryData bytes_of(const char *string) {
    return (ProtobufCBinaryData){strlen(string), (uint8_t *)(uintptr_t)string};
}

static struct request request_of(const struct touch *touches, size_t count, uint8_t body[BODY_BYTES]) {
    Muster__V1__TouchRequest request = MUSTER__V1__TOUCH_REQUEST__INIT;
    Muster__V1__Beat beats[4], *list[4];
    for (size_t i = 0; i < count; i++) {
        muster__v1__beat__init(&beats[i]);
        beats[i].user = bytes_of(touches[i].user);
        beats[i].session = bytes_of(touches[i].session != NULL ? touches[i].session : "");
        beats[i].ttl_ms = touches[i].ttl_ms;
        beats[i].status = touches[i].status;
        beats[i].refresh = touches[i].is_refresh;
        list[i] = &beats[i];
    }
    request.n_beats = count;
    request.beats = list;
    size_t len = muster__v1__touch_request__pack(&request, body);
    if (len > BODY_BYTES) abort();
    return (struct request){.method = METHOD_TOUCH, .body = {(const char *)body, (uint32_t)len}};
}

/* ---- answers ---- */

static struct answer answer_of(void *ticket, const struct response *response) {
    struct answer answer = {.ticket = ticket, .code = (int)response->code};
    snprintf(answer.message, sizeof answer.message, "%.*s", (int)response->message.len, response->message.data);
    if (response->code != MUSTER_OK) {
        if (response->body.len > 0) fail_msg("a refusal with a body");
        return answer;
    }
    Muster__V1__TouchResponse *touch =
        muster__v1__touch_response__unpack(NULL, response->body.len, (const uint8_t *)response->body.data);
    if (touch == NULL) fail_msg("an answer that does not decode");
    answer.joined = touch->joined;
    answer.ttl_ms = touch->ttl_ms;
    answer.stamp = touch->stamp;
    answer.displaced = touch->displaced;
    answer.unknown = touch->n_unknown;
    for (size_t i = 0; i < touch->n_unknown; i++)
        if (touch->unknown[i] != i) fail_msg("unknown[%zu] is %u", i, touch->unknown[i]);
    muster__v1__touch_response__free_unpacked(touch, NULL);
    return answer;
}

static void keep_answer(void *context, void *ticket, const struct response *response) {
    struct fixture *fixture = context;
    if (fixture->answer_count == ANSWERS_MAX) fail_msg("more answers than requests");
    fixture->answers[fixture->answer_count++] = answer_of(ticket, response);
}

static void commit(struct fixture *fixture, size_t expected) {
    fixture->answer_count = 0;
    touch_group_commit(fixture->group, fixture->now, keep_answer, fixture);
    if (fixture->answer_count != expected) fail_msg("%zu answers to %zu requests", fixture->answer_count, expected);
    assert_int_equal(touch_group_count(fixture->group), 0);
}

static struct answer ask_alone(struct fixture *fixture, const struct request *request) {
    struct response response;
    if (!rpc_answer(fixture->rpc, fixture->worker, request, fixture->now, NULL, &response)) fail_msg("parked");
    return answer_of(NULL, &response);
}

/* ---- tests ---- */

static void each_keeps_its_own_answer_in_order(void **state) {
    (void)state;
    static const struct touch touches[] = {{"ada", "", 5000, 0, false},
                                           {"bob", "", 0, 0, false},
                                           {"ada", "tab", 7000, 0, false},
                                           {"ada", "", 1000, 2, false},
                                           {"cem", "", 86400000, 0, false}};
    static const uint32_t joined[] = {1, 1, 0, 0, 1}, ttl_ms[] = {5000, MUSTER_TTL_DEFAULT_MS, 7000, 1000, 86400000};
    struct fixture fixture;
    uint8_t bodies[5][BODY_BYTES];
    fixture_open(&fixture, 1000);
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < 5; i++) {
            struct request request = request_of(&touches[i], 1, bodies[i]);
            if (!touch_group_add(fixture.group, &request, &bodies[i])) fail_msg("request %zu is not added", i);
        }
        commit(&fixture, 5);
        for (size_t i = 0; i < 5; i++) {
            const struct answer *answer = &fixture.answers[i];
            assert_ptr_equal(answer->ticket, &bodies[i]);
            assert_int_equal(answer->code, MUSTER_OK);
            assert_int_equal(answer->joined, round == 0 ? joined[i] : 0);
            assert_int_equal(answer->ttl_ms, ttl_ms[i]);
            if (answer->stamp == 0) fail_msg("request %zu has no stamp", i);
        }
    }
    commit(&fixture, 0); /* nothing is left over */
    fixture_close(&fixture);
}

static void the_last_of_one_session_counts(void **state) {
    (void)state;
    static const struct touch touches[] = {{"ada", "t", 0, MUSTER__V1__STATUS__STATUS_BUSY, false},
                                           {"ada", "t", 0, MUSTER__V1__STATUS__STATUS_ONLINE, false},
                                           {"ada", "t", 0, MUSTER__V1__STATUS__STATUS_AWAY, false}};
    struct fixture fixture;
    uint8_t bodies[3][BODY_BYTES];
    fixture_open(&fixture, 1000);
    for (size_t i = 0; i < 3; i++) {
        struct request request = request_of(&touches[i], 1, bodies[i]);
        assert_true(touch_group_add(fixture.group, &request, NULL));
    }
    commit(&fixture, 3);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(fixture.answers[i].joined, i == 0);
    struct response response;
    const struct request live = {.method = METHOD_LIVE,
                                 .body = {"\x12\x03"
                                          "ada",
                                          5}};
    assert_true(rpc_answer(fixture.rpc, fixture.worker, &live, fixture.now, NULL, &response));
    Muster__V1__LiveResponse *users =
        muster__v1__live_response__unpack(NULL, response.body.len, (const uint8_t *)response.body.data);
    assert_int_equal(users->users[0]->status, MUSTER__V1__STATUS__STATUS_AWAY);
    assert_int_equal(users->users[0]->session_count, 1);
    muster__v1__live_response__free_unpacked(users, NULL);
    fixture_close(&fixture);
}

/* The 65th session of a user makes the first one leave, in the middle of others who join; each request hears of what it
 * did. */
static void a_session_too_many_refuses_nobody(void **state) {
    (void)state;
    enum { MANY = MUSTER_SESSIONS_MAX + 4 };
    struct fixture fixture;
    static uint8_t bodies[2 * MANY][BODY_BYTES];
    char names[2 * MANY][16];
    fixture_open(&fixture, 1000);
    for (size_t i = 0; i < 2 * (size_t)MANY; i++) {
        bool is_kim = i % 2 == 0;
        snprintf(names[i], sizeof names[i], "%zu", i);
        const struct touch touch = {is_kim ? "kim" : names[i], is_kim ? names[i] : "", 0, 0, false};
        struct request request = request_of(&touch, 1, bodies[i]);
        assert_true(touch_group_add(fixture.group, &request, NULL));
    }
    commit(&fixture, 2 * MANY);
    for (size_t i = 0; i < 2 * (size_t)MANY; i++) {
        const struct answer *answer = &fixture.answers[i];
        bool is_past = i % 2 == 0 && i / 2 >= MUSTER_SESSIONS_MAX;
        if (answer->code != MUSTER_OK) fail_msg("request %zu: code %d", i, answer->code);
        assert_int_equal(answer->displaced, is_past);
        assert_int_equal(answer->joined, i % 2 == 1 || i == 0);
    }
    struct node_figures figures;
    node_figures(fixture.node, &figures);
    assert_int_equal(figures.members_live, MANY + MUSTER_SESSIONS_MAX);
    assert_int_equal(figures.displaced, MANY - MUSTER_SESSIONS_MAX);
    fixture_close(&fixture);
}

/* Each request hears whether its own beat was unknown, by an index in its own list. */
static void each_hears_of_its_own_refresh(void **state) {
    (void)state;
    static const struct touch touches[] = {{"ada", "", 0, 0, true},
                                           {"ada", "", 0, 0, false},
                                           {"ada", "", 0, 0, true},
                                           {"bob", "", 0, 0, true},
                                           {"ada", "tab", 0, 0, true}};
    static const bool unknown[] = {true, false, false, true, true};
    struct fixture fixture;
    uint8_t bodies[5][BODY_BYTES];
    fixture_open(&fixture, 1000);
    for (size_t i = 0; i < 5; i++) {
        struct request request = request_of(&touches[i], 1, bodies[i]);
        assert_true(touch_group_add(fixture.group, &request, NULL));
    }
    commit(&fixture, 5);
    for (size_t i = 0; i < 5; i++) {
        if (fixture.answers[i].unknown != unknown[i]) fail_msg("request %zu: unknown %d", i, !unknown[i]);
        assert_int_equal(fixture.answers[i].joined, i == 1);
        assert_int_equal(fixture.answers[i].ttl_ms, MUSTER_TTL_DEFAULT_MS);
    }
    fixture_close(&fixture);
}

static void what_is_no_plain_touch_is_not_added(void **state) {
    (void)state;
    static const struct touch two[] = {{"ada", "", 0, 0, false}, {"bob", "", 0, 0, false}};
    static const struct touch nameless = {"", "", 0, 0, false}, hasty = {"ada", "", 999, 0, false},
                              broken = {"\xff", "", 0, 0, false}, contrary = {"ada", "", 0, 1, true};
    struct fixture fixture;
    uint8_t body[BODY_BYTES];
    fixture_open(&fixture, 1000);
    struct request request = request_of(two, 2, body);
    assert_false(touch_group_add(fixture.group, &request, NULL));
    request = request_of(two, 0, body);
    assert_false(touch_group_add(fixture.group, &request, NULL));
    const struct touch *const bad[] = {&nameless, &hasty, &broken, &contrary};
    for (size_t i = 0; i < 4; i++) {
        request = request_of(bad[i], 1, body);
        assert_false(touch_group_add(fixture.group, &request, NULL));
    }
    request = request_of(two, 1, body);
    request.stalled_ms = 3000;
    assert_false(touch_group_add(fixture.group, &request, NULL));
    assert_int_equal(ask_alone(&fixture, &request).code, MUSTER_UNAVAILABLE);
    request.stalled_ms = 0;
    request.method = METHOD_LIVE;
    assert_false(touch_group_add(fixture.group, &request, NULL));
    request.method = METHOD_TOUCH;
    char *token = calloc(1, MUSTER_TOKEN_BYTES_MAX + 1);
    request.token = (struct text){token, MUSTER_TOKEN_BYTES_MAX + 1};
    assert_false(touch_group_add(fixture.group, &request, NULL));
    request.token.len--;
    assert_true(touch_group_add(fixture.group, &request, NULL));
    free(token);
    for (size_t i = 1; i < TOUCH_GROUP_MAX; i++) assert_true(touch_group_add(fixture.group, &request, NULL));
    assert_false(touch_group_add(fixture.group, &request, NULL)); /* it is full */
    commit(&fixture, TOUCH_GROUP_MAX);
    assert_true(touch_group_add(fixture.group, &request, NULL));
    commit(&fixture, 1);
    fixture_close(&fixture);
}

/* ---- against a node that answers one at a time ---- */

static void draw_touch(struct random *random, char *user, char *session, struct touch *out) {
    /* Few users with many sessions meet that cap, many users that of members. */
    bool is_crowded = random_chance(random, 1, 2);
    snprintf(user, 16, is_crowded ? "kim-%u" : "user-%u", (unsigned)random_below(random, is_crowded ? 1 : 400));
    snprintf(session, 16, "%u", is_crowded ? (unsigned)random_below(random, 200) : 0);
    bool is_refresh = random_chance(random, 1, 3);
    *out = (struct touch){user, session, random_chance(random, 1, 2) ? 1000 + (uint32_t)random_below(random, 9000) : 0,
                          is_refresh ? 0 : (Muster__V1__Status)random_below(random, 4), is_refresh};
}

static void expect_alike(const struct answer *grouped, const struct answer *alone, unsigned round, size_t i) {
    if (grouped->code == alone->code && grouped->joined == alone->joined && grouped->ttl_ms == alone->ttl_ms &&
        grouped->displaced == alone->displaced && grouped->unknown == alone->unknown &&
        strcmp(grouped->message, alone->message) == 0)
        return;
    fail_msg("round %u, request %zu: code %d, joined %u, ttl %u, displaced %u, unknown %zu, '%s' in a group; "
             "%d, %u, %u, %u, %zu, '%s' alone",
             round, i, grouped->code, grouped->joined, grouped->ttl_ms, grouped->displaced, grouped->unknown,
             grouped->message, alone->code, alone->joined, alone->ttl_ms, alone->displaced, alone->unknown,
             alone->message);
}

static void a_group_answers_as_one_after_the_other(void **state) {
    (void)state;
    enum { ROUNDS = 2000, MEMBERS_MAX = 300, GROUP_MAX = 40 };
    static struct fixture grouped, alone;
    static uint8_t bodies[GROUP_MAX][BODY_BYTES];
    struct random random = random_of(8);
    unsigned refused = 0, joined = 0, displaced = 0, unknown = 0;
    fixture_open(&grouped, MEMBERS_MAX);
    fixture_open(&alone, MEMBERS_MAX);
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t n = 1 + random_below(&random, GROUP_MAX);
        struct answer answers[GROUP_MAX];
        for (size_t i = 0; i < n; i++) {
            char user[16], session[16];
            struct touch touch;
            draw_touch(&random, user, session, &touch);
            struct request request = request_of(&touch, 1, bodies[i]);
            assert_true(touch_group_add(grouped.group, &request, &bodies[i]));
            answers[i] = ask_alone(&alone, &request);
        }
        commit(&grouped, n);
        for (size_t i = 0; i < n; i++) {
            assert_ptr_equal(grouped.answers[i].ticket, &bodies[i]);
            expect_alike(&grouped.answers[i], &answers[i], round, i);
            joined += answers[i].joined;
            displaced += answers[i].displaced;
            unknown += answers[i].unknown != 0;
            refused += answers[i].code != MUSTER_OK;
        }
        struct node_figures figures[2];
        node_figures(grouped.node, &figures[0]);
        node_figures(alone.node, &figures[1]);
        assert_int_equal(figures[0].members_live, figures[1].members_live);
        /* Who is remembered as gone may differ: a group makes room for all of its beats at once. */
        uint64_t pass_ms = random_below(&random, 800);
        grouped.now.now_ms = alone.now.now_ms += pass_ms;
        grouped.now.wall_ms = alone.now.wall_ms += pass_ms;
        node_tick(grouped.node, grouped.now);
        node_tick(alone.node, alone.now);
    }
    if (refused < 100 || displaced < 100 || unknown < 1000 || joined < 1000)
        fail_msg("%u refused, %u displaced, %u unknown, %u joined: too little of something", refused, displaced,
                 unknown, joined);
    fixture_close(&grouped);
    fixture_close(&alone);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_keeps_its_own_answer_in_order),  cmocka_unit_test(the_last_of_one_session_counts),
        cmocka_unit_test(a_session_too_many_refuses_nobody),   cmocka_unit_test(each_hears_of_its_own_refresh),
        cmocka_unit_test(what_is_no_plain_touch_is_not_added), cmocka_unit_test(a_group_answers_as_one_after_the_other),
    };
    return cmocka_run_group_tests_name("rpc touch group", tests, NULL, NULL);
}
