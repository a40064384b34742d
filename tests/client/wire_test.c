/* The library's own encoder and decoder against protobuf-c's. */
#include "client/c/reply.h"
#include "client/c/request.h"
#include "muster/v1/presence.pb-c.h"
#include "support/random.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* After the above, which it wants. */
#include <cmocka.h>

static void must(enum muster_code code, const struct muster_error *error) {
    if (code != MUSTER_OK) fail_msg("%s: %s", muster_strerror(code), error->message);
}

static Muster__V1__Call *unpack(const struct request *request) {
    struct text bytes = request_bytes(request);
    Muster__V1__Call *call = muster__v1__call__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
    if (call == NULL) fail_msg("what was encoded does not decode");
    return call;
}

static void expect_bytes(ProtobufCBinaryData got, const void *wanted, size_t len, const char *what) {
    if (got.len != len || (len != 0 && memcmp(got.data, wanted, len) != 0))
        fail_msg("%s: %.*s, not %.*s", what, (int)got.len, (const char *)got.data, (int)len, (const char *)wanted);
}

static void expect_text(ProtobufCBinaryData got, const char *wanted, const char *what) {
    expect_bytes(got, wanted, wanted == NULL ? 0 : strlen(wanted), what);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static const char *random_id(struct random *random, char *out, size_t least, size_t most) {
    size_t len = random_between(random, least, most);
    if (len == 0 && random_chance(random, 1, 2)) return NULL;
    random_letters(random, out, len);
    out[len] = '\0';
    return out;
}

enum { BEATS = 200 };

struct drawn {
    struct muster_beat beats[BEATS];
    struct muster_departure departures[BEATS];
    char ids[BEATS][3][MUSTER_ID_BYTES_MAX + 1];
    char states[BEATS][MUSTER_STATE_BYTES_MAX];
    size_t count;
};

static void draw(struct random *random, struct drawn *drawn) {
    drawn->count = random_between(random, 1, BEATS);
    for (size_t i = 0; i < drawn->count; i++) {
        struct muster_beat *beat = &drawn->beats[i];
        beat->scope = random_id(random, drawn->ids[i][0], 0, MUSTER_ID_BYTES_MAX);
        beat->user = random_id(random, drawn->ids[i][1], 1, MUSTER_ID_BYTES_MAX);
        beat->session = random_id(random, drawn->ids[i][2], 0, MUSTER_ID_BYTES_MAX);
        beat->ttl_ms =
            random_chance(random, 1, 2) ? 0 : (uint32_t)random_between(random, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS);
        beat->status = (enum muster_status)random_below(random, 4);
        beat->state_len = random_chance(random, 1, 2) ? 0 : random_below(random, MUSTER_STATE_BYTES_MAX + 1);
        for (size_t j = 0; j < beat->state_len; j++) drawn->states[i][j] = (char)random_next(random);
        beat->state = drawn->states[i];
        bool is_all = random_chance(random, 1, 4);
        drawn->departures[i] =
            (struct muster_departure){beat->scope, beat->user, is_all ? NULL : beat->session, is_all};
    }
}

static void expect_touch(const Muster__V1__TouchRequest *touch, const struct drawn *drawn) {
    expect_text(touch->scope, "room:7", "scope");
    assert_int_equal(touch->ttl_ms, 60000);
    assert_int_equal(touch->n_beats, drawn->count);
    for (size_t i = 0; i < drawn->count; i++) {
        const Muster__V1__Beat *got = touch->beats[i];
        const struct muster_beat *wanted = &drawn->beats[i];
        expect_text(got->scope, wanted->scope, "beat.scope");
        expect_text(got->user, wanted->user, "beat.user");
        expect_text(got->session, wanted->session, "beat.session");
        expect_bytes(got->state, wanted->state, wanted->state_len, "beat.state");
        assert_int_equal(got->ttl_ms, wanted->ttl_ms);
        assert_int_equal(got->status, wanted->status);
    }
}

static void expect_leave(const Muster__V1__LeaveRequest *leave, const struct drawn *drawn) {
    assert_int_equal(leave->linger_ms, 1500);
    assert_true(leave->stamp == UINT64_MAX);
    assert_int_equal(leave->n_departures, drawn->count);
    for (size_t i = 0; i < drawn->count; i++) {
        expect_text(leave->departures[i]->user, drawn->departures[i].user, "departure.user");
        expect_text(leave->departures[i]->scope, drawn->departures[i].scope, "departure.scope");
        expect_text(leave->departures[i]->session, drawn->departures[i].session, "departure.session");
        assert_int_equal(leave->departures[i]->all_sessions, drawn->departures[i].all_sessions);
    }
}

static void touches_and_leaves_are_what_protobuf_c_reads(void **state) {
    (void)state;
    uint64_t seed = random_number_from_environment("MUSTER_SEED", random_fresh_seed());
    print_message("MUSTER_SEED=%" PRIu64 "\n", seed);
    struct random random = random_of(seed);
    struct drawn *drawn = calloc(1, sizeof *drawn);
    struct request request = {0};
    struct muster_error error;
    for (int round = 0; round < 100; round++) {
        draw(&random, drawn);
        must(request_touch(&request, "tok", "room:7", 60000, drawn->beats, drawn->count, &error), &error);
        Muster__V1__Call *call = unpack(&request);
        assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_TOUCH);
        expect_text(call->token, "tok", "token");
        expect_touch(call->touch, drawn);
        muster__v1__call__free_unpacked(call, NULL);

        must(request_leave(&request, NULL, NULL, drawn->departures, drawn->count, 1500, UINT64_MAX, &error), &error);
        call = unpack(&request);
        assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_LEAVE);
        expect_leave(call->leave, drawn);
        muster__v1__call__free_unpacked(call, NULL);
    }
    request_free(&request);
    free(drawn);
}

static void live_and_list_are_what_protobuf_c_reads(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    const char *users[] = {"ada", "bob", "ünïcödé"};
    must(request_live(&request, NULL, "s", users, 3, true, &error), &error);
    Muster__V1__Call *call = unpack(&request);
    assert_int_equal(call->live->n_users, 3);
    for (int i = 0; i < 3; i++) expect_text(call->live->users[i], users[i], "users");
    expect_text(call->live->scope, "s", "scope");
    assert_true(call->live->sessions);
    muster__v1__call__free_unpacked(call, NULL);

    struct muster_query query = {.scope = "s",
                                 .statuses = MUSTER_FILTER_AWAY | MUSTER_FILTER_BUSY,
                                 .page_size = 10000,
                                 .page_token = "next",
                                 .with_sessions = true};
    must(request_list(&request, NULL, &query, &error), &error);
    call = unpack(&request);
    expect_text(call->list->page_token, "next", "page_token");
    assert_int_equal(call->list->page_size, 10000);
    assert_int_equal(call->list->n_statuses, 2);
    assert_int_equal(call->list->statuses[0], MUSTER__V1__STATUS__STATUS_AWAY);
    assert_int_equal(call->list->statuses[1], MUSTER__V1__STATUS__STATUS_BUSY);
    assert_int_equal(call->list->recent, 0);
    assert_true(call->list->sessions);
    muster__v1__call__free_unpacked(call, NULL);

    must(request_list(&request, NULL, &(struct muster_query){.recent = 5}, &error), &error);
    call = unpack(&request);
    assert_int_equal(call->list->recent, 5);
    muster__v1__call__free_unpacked(call, NULL);
    request_free(&request);
}

static void counts_scopes_and_reset_are_what_protobuf_c_reads(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    const char *scopes[] = {"a", "b"};
    uint64_t windows_ms[] = {1, 300000, MUSTER_RETENTION_MAX_MS};
    must(request_counts(&request, NULL, scopes, 2, windows_ms, 3, &error), &error);
    Muster__V1__Call *call = unpack(&request);
    assert_int_equal(call->counts->n_scopes, 2);
    expect_text(call->counts->scopes[1], "b", "scopes");
    assert_int_equal(call->counts->n_windows_ms, 3);
    for (int i = 0; i < 3; i++) assert_true(call->counts->windows_ms[i] == windows_ms[i]);
    muster__v1__call__free_unpacked(call, NULL);

    must(request_counts(&request, NULL, NULL, 0, NULL, 0, &error), &error);
    call = unpack(&request);
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_COUNTS);
    muster__v1__call__free_unpacked(call, NULL);

    must(request_scopes(&request, NULL, 77, "tok", &error), &error);
    call = unpack(&request);
    assert_int_equal(call->scopes->page_size, 77);
    expect_text(call->scopes->page_token, "tok", "page_token");
    muster__v1__call__free_unpacked(call, NULL);

    must(request_reset(&request, NULL, "s", &error), &error);
    call = unpack(&request);
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_RESET);
    expect_text(call->reset->scope, "s", "scope");
    muster__v1__call__free_unpacked(call, NULL);

    must(request_nodes(&request, "who", &error), &error);
    call = unpack(&request);
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_NODES);
    expect_text(call->token, "who", "token");
    muster__v1__call__free_unpacked(call, NULL);
    request_free(&request);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static char longest[MUSTER_ID_BYTES_MAX + 1], too_long[MUSTER_ID_BYTES_MAX + 2];
static const char blob[MUSTER_STATE_BYTES_MAX + 1];

static void expect_refusal(enum muster_code code, const struct muster_error *error, const char *message) {
    if (code != MUSTER_INVALID_ARGUMENT || error->code != code || error->is_answer)
        fail_msg("%s where \"%s\" should have been said", muster_strerror(code), message);
    assert_string_equal(error->message, message);
}

static void bad_beats_are_refused_by_name(void **state) {
    (void)state;
    const struct {
        struct muster_beat beat;
        const char *message;
    } cases[] = {
        {{.user = NULL}, "beats[1].user: empty, 1 to 128 bytes"},
        {{.user = ""}, "beats[1].user: empty, 1 to 128 bytes"},
        {{.user = too_long}, "beats[1].user: 129 bytes, at most 128"},
        {{.user = "u", .scope = too_long}, "beats[1].scope: 129 bytes, at most 128"},
        {{.user = "u", .session = too_long}, "beats[1].session: 129 bytes, at most 128"},
        {{.user = "u", .ttl_ms = 999}, "beats[1].ttl_ms: 999, at least 1000"},
        {{.user = "u", .ttl_ms = 86400001}, "beats[1].ttl_ms: 86400001, at most 86400000"},
        {{.user = "u", .status = (enum muster_status)4}, "beats[1].status: 4, at most 3"},
        {{.user = "u", .state = blob, .state_len = 1025}, "beats[1].state: 1025 bytes, at most 1024"},
        {{.user = "u", .state_len = 3}, "beats[1].state: NULL, but of 3 bytes"},
    };
    struct request request = {0};
    struct muster_error error;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct muster_beat beats[] = {{.user = longest, .scope = longest, .session = longest, .ttl_ms = 1000},
                                      cases[i].beat};
        must(request_touch(&request, NULL, longest, 0, beats, 1, &error), &error);
        expect_refusal(request_touch(&request, NULL, NULL, 0, beats, 2, &error), &error, cases[i].message);
        assert_int_equal(request_touch(&request, NULL, NULL, 0, beats, 2, NULL), MUSTER_INVALID_ARGUMENT);
    }
    request_free(&request);
}

static void bad_calls_are_refused_by_name(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    struct muster_beat beat = {.user = "u"};
    struct muster_departure both = {.user = "u", .session = "s", .all_sessions = true};
    const char *nobody[] = {"u", ""};
    uint64_t windows_ms[] = {5, 0, MUSTER_RETENTION_MAX_MS + 1};
#define REFUSED(call, message) expect_refusal(call, &error, message)
    REFUSED(request_touch(&request, NULL, NULL, 0, &beat, 0, &error), "beats: none, at least 1");
    REFUSED(request_touch(&request, NULL, NULL, 0, NULL, 1, &error), "beats: NULL");
    REFUSED(request_touch(&request, NULL, NULL, 0, &beat, 10001, &error), "beats: 10001, at most 10000");
    REFUSED(request_touch(&request, NULL, NULL, 5, &beat, 1, &error), "ttl_ms: 5, at least 1000");
    REFUSED(request_touch(&request, NULL, too_long, 0, &beat, 1, &error), "scope: 129 bytes, at most 128");
    REFUSED(request_leave(&request, NULL, NULL, &both, 1, 0, 0, &error),
            "departures[0].session: must be unset with all_sessions");
    REFUSED(request_leave(&request, NULL, NULL, &both, 1, UINT32_MAX, 0, &error),
            "linger_ms: 4294967295, at most 86400000");
    REFUSED(request_live(&request, NULL, NULL, nobody, 2, false, &error), "users[1]: empty, 1 to 128 bytes");
    REFUSED(request_list(&request, NULL, &(struct muster_query){.page_size = 10001}, &error),
            "page_size: 10001, at most 10000");
    REFUSED(request_list(&request, NULL, &(struct muster_query){.recent = 1, .page_size = 1}, &error),
            "recent: page_size and page_token must be unset with it");
    REFUSED(request_list(&request, NULL, &(struct muster_query){.statuses = 1}, &error),
            "statuses: 0x1 has bits that are no MUSTER_FILTER_");
    REFUSED(request_counts(&request, NULL, NULL, 0, windows_ms, 2, &error), "windows_ms[1]: 0, at least 1");
    REFUSED(request_counts(&request, NULL, NULL, 0, windows_ms + 2, 1, &error),
            "windows_ms[0]: 2592000001, at most 2592000000");
    REFUSED(request_counts(&request, NULL, NULL, 0, windows_ms, 17, &error), "windows_ms: 17, at most 16");
    REFUSED(request_scopes(&request, NULL, 10001, NULL, &error), "page_size: 10001, at most 10000");
#undef REFUSED
    request_free(&request);
}

static void refreshes_are_what_protobuf_c_reads(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    struct muster_beat beats[3] = {
        {.user = "ada", .session = "tab"}, {.user = "bob", .status = MUSTER_STATUS_BUSY}, {.user = "eve"}};
    const bool some[] = {true, false, true};
    must(request_beats(&request, NULL, "s", 0, beats, 3, (struct refreshes){.some = some}, &error), &error);
    Muster__V1__Call *call = unpack(&request);
    for (size_t i = 0; i < 3; i++) assert_int_equal(call->touch->beats[i]->refresh != 0, some[i]);
    assert_int_equal(call->touch->beats[1]->status, MUSTER__V1__STATUS__STATUS_BUSY);
    muster__v1__call__free_unpacked(call, NULL);
    expect_refusal(request_beats(&request, NULL, "s", 0, beats, 3, (struct refreshes){.all = true}, &error), &error,
                   "beats[1].status: must be unset in a refresh");
    beats[1] = (struct muster_beat){.user = "bob", .state = "x", .state_len = 1};
    expect_refusal(request_beats(&request, NULL, "s", 0, beats, 3, (struct refreshes){.all = true}, &error), &error,
                   "beats[1].state: must be unset in a refresh");
    request_free(&request);
}

static void where_is_what_protobuf_c_reads(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    const char *users[] = {"ada", "ünïcödé"};
    struct muster_where_query query = {.users = users,
                                       .user_count = 2,
                                       .scope_prefix = "room:",
                                       .page_size = 7,
                                       .page_token = "next",
                                       .with_sessions = true};
    must(request_where(&request, "tok", &query, &error), &error);
    Muster__V1__Call *call = unpack(&request);
    assert_int_equal(call->request_case, MUSTER__V1__CALL__REQUEST_WHERE);
    expect_text(call->token, "tok", "token");
    assert_int_equal(call->where->n_users, 2);
    for (int i = 0; i < 2; i++) expect_text(call->where->users[i], users[i], "users");
    expect_text(call->where->scope_prefix, "room:", "scope_prefix");
    expect_text(call->where->page_token, "next", "page_token");
    assert_int_equal(call->where->page_size, 7);
    assert_true(call->where->sessions);
    muster__v1__call__free_unpacked(call, NULL);
    query.user_count = MUSTER_WHERE_USERS_MAX + 1;
    expect_refusal(request_where(&request, NULL, &query, &error), &error, "users: 1001, at most 1000");
    query.user_count = 2;
    users[1] = "";
    expect_refusal(request_where(&request, NULL, &query, &error), &error, "users[1]: empty, 1 to 128 bytes");
    users[1] = "bob";
    query.scope_prefix = too_long;
    expect_refusal(request_where(&request, NULL, &query, &error), &error, "scope_prefix: 129 bytes, at most 128");
    query.scope_prefix = NULL;
    query.page_size = MUSTER_PAGE_MAX + 1;
    expect_refusal(request_where(&request, NULL, &query, &error), &error, "page_size: 10001, at most 10000");
    request_free(&request);
}

static void a_request_past_the_message_limit_is_refused(void **state) {
    (void)state;
    struct muster_beat *beats = calloc(MUSTER_BEATS_MAX, sizeof *beats);
    for (size_t i = 0; i < MUSTER_BEATS_MAX; i++) beats[i] = (struct muster_beat){.user = longest};
    struct request request = {0};
    struct muster_error error;
    expect_refusal(request_touch(&request, NULL, NULL, 0, beats, MUSTER_BEATS_MAX, &error), &error,
                   "request: 1340004 bytes, at most 1048576");
    must(request_touch(&request, NULL, NULL, 0, beats, 7000, &error), &error);
    request_free(&request);
    free(beats);
}

/* ---- replies ----------------------------------------------------------------------------------------------------- */

static ProtobufCBinaryData text_field(char *text) {
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

static struct text pack(const Muster__V1__Reply *reply) {
    size_t len = muster__v1__reply__get_packed_size(reply);
    uint8_t *data = malloc(len + 1);
    muster__v1__reply__pack(reply, data);
    return (struct text){(const char *)data, (uint32_t)len};
}

/* A ListResponse of two users, one with two sessions. */
static struct text pack_users(void) {
    static char ada[] = "ada", bob[] = "bob", tab[] = "tab", next[] = "token", cursor[] = {'x', '\0', 'y', '\0'};
    Muster__V1__Session sessions[2] = {MUSTER__V1__SESSION__INIT, MUSTER__V1__SESSION__INIT};
    Muster__V1__Session *session_rows[] = {&sessions[0], &sessions[1]};
    sessions[0].session = text_field(tab);
    sessions[0].status = MUSTER__V1__STATUS__STATUS_BUSY;
    sessions[0].state = (ProtobufCBinaryData){.len = 3, .data = (uint8_t *)cursor};
    sessions[0].last_seen_ms = INT64_C(1700000000000);
    sessions[0].ttl_ms = 60000;
    Muster__V1__User users[2] = {MUSTER__V1__USER__INIT, MUSTER__V1__USER__INIT}, *rows[] = {&users[0], &users[1]};
    users[0].user = text_field(ada);
    users[0].live = true;
    users[0].status = MUSTER__V1__STATUS__STATUS_BUSY;
    users[0].last_seen_ms = INT64_C(1700000000001);
    users[0].session_count = 2;
    users[0].n_sessions = 2;
    users[0].sessions = session_rows;
    users[1].user = text_field(bob);
    users[1].session_count = 9;
    Muster__V1__ListResponse list = MUSTER__V1__LIST_RESPONSE__INIT;
    list.n_users = 2;
    list.users = rows;
    list.next_page_token = text_field(next);
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_LIST;
    reply.list = &list;
    return pack(&reply);
}

static struct text pack_users_again(struct text old) {
    free((void *)(uintptr_t)old.data);
    return pack_users();
}

static void users_are_read(void **state) {
    (void)state;
    struct text bytes = pack_users();
    struct answer answer = {.kind = REPLY_LIST, .has_sessions = true, .result = result_new()};
    struct muster_error error;
    for (int again = 0; again < 2; again++) must(reply_decode(bytes, &answer, &error), &error);
    memset((void *)(uintptr_t)bytes.data, 0, bytes.len); /* nothing of it is kept */
    const struct muster_users *users = &answer.result->view.users;
    assert_int_equal(users->count, 2);
    assert_string_equal(users->next_page_token, "token");
    assert_string_equal(users->items[0].user, "ada");
    assert_true(users->items[0].is_live);
    assert_int_equal(users->items[0].status, MUSTER_STATUS_BUSY);
    assert_true(users->items[0].last_seen_ms == INT64_C(1700000000001));
    assert_int_equal(users->items[0].session_count, 2);
    const struct muster_session *session = users->items[0].sessions;
    assert_string_equal(session->session, "tab");
    assert_int_equal(session->status, MUSTER_STATUS_BUSY);
    assert_int_equal(session->ttl_ms, 60000);
    assert_true(session->last_seen_ms == INT64_C(1700000000000));
    assert_int_equal(session->state_len, 3);
    assert_memory_equal(session->state, "x\0y", 3);
    assert_string_equal(session[1].session, "");
    assert_null(session[1].state);
    assert_string_equal(users->items[1].user, "bob");
    assert_null(users->items[1].sessions);
    assert_int_equal(users->items[1].session_count, 9);
    answer.has_sessions = false; /* what was not asked for is ignored */
    bytes = pack_users_again(bytes);
    must(reply_decode(bytes, &answer, &error), &error);
    assert_null(users->items[0].sessions);
    assert_int_equal(users->items[0].session_count, 2);
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

static struct text pack_counts(void) {
    static char name[] = "a", other[] = "b";
    Muster__V1__WindowCount windows[2] = {MUSTER__V1__WINDOW_COUNT__INIT, MUSTER__V1__WINDOW_COUNT__INIT};
    Muster__V1__WindowCount *window_rows[] = {&windows[0], &windows[1]};
    windows[0].window_ms = 300000;
    windows[0].users = UINT64_C(1) << 40;
    windows[1].incomplete = true;
    Muster__V1__ScopeCounts scopes[2] = {MUSTER__V1__SCOPE_COUNTS__INIT, MUSTER__V1__SCOPE_COUNTS__INIT};
    Muster__V1__ScopeCounts *rows[] = {&scopes[0], &scopes[1]};
    scopes[0].scope = text_field(other);
    scopes[1].scope = text_field(name);
    scopes[1].live = 6;
    scopes[1].online = 1;
    scopes[1].away = 2;
    scopes[1].busy = 3;
    scopes[1].sessions = 7;
    scopes[1].n_windows = 2;
    scopes[1].windows = window_rows;
    Muster__V1__CountsResponse counts = MUSTER__V1__COUNTS_RESPONSE__INIT;
    counts.n_scopes = 2;
    counts.scopes = rows;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_COUNTS;
    reply.counts = &counts;
    return pack(&reply);
}

static void counts_are_read(void **state) {
    (void)state;
    struct text bytes = pack_counts();
    struct answer answer = {.kind = REPLY_COUNTS, .expected = 2, .result = result_new()};
    struct muster_error error;
    must(reply_decode(bytes, &answer, &error), &error);
    const struct muster_counts *counts = &answer.result->view.counts;
    assert_int_equal(counts->count, 2);
    assert_int_equal(counts->items[0].window_count, 0);
    const struct muster_scope_counts *a = &counts->items[1];
    assert_string_equal(a->scope, "a");
    if (a->live != 6 || a->online != 1 || a->away != 2 || a->busy != 3 || a->sessions != 7)
        fail_msg("counts are mixed up");
    assert_int_equal(a->window_count, 2);
    assert_true(a->windows[0].users == UINT64_C(1) << 40 && a->windows[0].window_ms == 300000);
    assert_false(a->windows[0].is_incomplete);
    assert_true(a->windows[1].is_incomplete);
    answer.expected = 1;
    assert_int_equal(reply_decode(bytes, &answer, &error), MUSTER_INTERNAL);
    assert_int_equal(counts->count, 0);
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

static struct text pack_nodes(void) {
    static char name[] = "n2", address[] = "tcp://10.0.0.2:7704", region[] = "eu", version[] = "0.2.0";
    static char trouble[] = "connection refused";
    Muster__V1__Node nodes[2] = {MUSTER__V1__NODE__INIT, MUSTER__V1__NODE__INIT}, *rows[] = {&nodes[0], &nodes[1]};
    nodes[0].self = true;
    nodes[0].state = MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE;
    nodes[1].name = text_field(name);
    nodes[1].address = text_field(address);
    nodes[1].region = text_field(region);
    nodes[1].version = text_field(version);
    nodes[1].state = MUSTER__V1__NODE_STATE__NODE_STATE_SUSPECT;
    nodes[1].members = UINT64_C(1) << 40;
    nodes[1].lag = 7;
    nodes[1].delay_ms = 8;
    nodes[1].clock_ms = -3600000;
    nodes[1].silent_ms = 3100;
    nodes[1].trouble = text_field(trouble);
    nodes[1].refused = 9;
    Muster__V1__NodesResponse response = MUSTER__V1__NODES_RESPONSE__INIT;
    response.n_nodes = 2;
    response.nodes = rows;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_NODES;
    reply.nodes = &response;
    return pack(&reply);
}

static void nodes_are_read(void **state) {
    (void)state;
    struct text bytes = pack_nodes();
    struct answer answer = {.kind = REPLY_NODES, .result = result_new()};
    struct muster_error error;
    must(reply_decode(bytes, &answer, &error), &error);
    const struct muster_nodes *nodes = &answer.result->view.nodes;
    assert_int_equal(nodes->count, 2);
    assert_true(nodes->items[0].is_self && nodes->items[0].state == MUSTER_NODE_ALIVE);
    assert_string_equal(nodes->items[0].name, "");
    const struct muster_node *node = &nodes->items[1];
    assert_string_equal(node->name, "n2");
    assert_string_equal(node->address, "tcp://10.0.0.2:7704");
    assert_string_equal(node->region, "eu");
    assert_string_equal(node->version, "0.2.0");
    assert_string_equal(node->trouble, "connection refused");
    assert_string_equal(nodes->items[0].trouble, "");
    if (node->is_self || node->state != MUSTER_NODE_SUSPECT || node->members != UINT64_C(1) << 40 || node->lag != 7 ||
        node->delay_ms != 8 || node->clock_ms != -3600000 || node->silent_ms != 3100 || node->refused != 9)
        fail_msg("the fields of a node are mixed up");
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

static void small_answers_and_refusals_are_read(void **state) {
    (void)state;
    Muster__V1__TouchResponse touched = MUSTER__V1__TOUCH_RESPONSE__INIT;
    touched.joined = 3;
    touched.ttl_ms = 60000;
    touched.stamp = UINT64_MAX;
    touched.displaced = 7;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_TOUCH;
    reply.touch = &touched;
    struct text bytes = pack(&reply);
    struct answer answer = {.kind = REPLY_TOUCH};
    struct muster_error error;
    must(reply_decode(bytes, &answer, &error), &error);
    assert_int_equal(answer.small.touched.joined, 3);
    assert_int_equal(answer.small.touched.ttl_ms, 60000);
    assert_true(answer.small.touched.stamp == UINT64_MAX);
    assert_int_equal(answer.small.touched.displaced, 7);
    answer.kind = REPLY_LEAVE;
    assert_int_equal(reply_decode(bytes, &answer, &error), MUSTER_INTERNAL);
    free((void *)(uintptr_t)bytes.data);

    static char message[] = "beats[0].user: broken UTF-8 at byte 3";
    Muster__V1__Reply refusal = MUSTER__V1__REPLY__INIT;
    refusal.code = MUSTER_INVALID_ARGUMENT;
    refusal.message = text_field(message);
    bytes = pack(&refusal);
    assert_int_equal(reply_decode(bytes, &answer, &error), MUSTER_INVALID_ARGUMENT);
    assert_string_equal(error.message, message);
    assert_true(error.is_answer);
    free((void *)(uintptr_t)bytes.data);
}

/* What a node says of a Touch of `beats` beats. */
static enum muster_code decode_unknown(uint32_t *unknown, size_t count, size_t beats, struct block *indexes,
                                       struct answer *answer) {
    Muster__V1__TouchResponse touched = MUSTER__V1__TOUCH_RESPONSE__INIT;
    touched.unknown = unknown;
    touched.n_unknown = count;
    touched.displaced = 2;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_TOUCH;
    reply.touch = &touched;
    struct text bytes = pack(&reply);
    struct muster_error error;
    *answer = (struct answer){.kind = REPLY_TOUCH, .expected = beats, .indexes = indexes};
    enum muster_code code = reply_decode(bytes, answer, &error);
    free((void *)(uintptr_t)bytes.data);
    return code;
}

static void unknown_refreshes_are_read(void **state) {
    (void)state;
    struct block indexes = {0};
    struct answer answer;
    uint32_t good[] = {0, 3, 300, 9999}, equal[] = {3, 3}, descending[] = {4, 3};
    assert_int_equal(decode_unknown(good, 4, 10000, &indexes, &answer), MUSTER_OK);
    assert_int_equal(answer.small.touched.unknown_count, 4);
    for (size_t i = 0; i < 4; i++) assert_int_equal(answer.small.touched.unknown[i], good[i]);
    assert_int_equal(decode_unknown(good, 4, 10000, NULL, &answer), MUSTER_OK);
    assert_null(answer.small.touched.unknown);
    assert_int_equal(decode_unknown(good, 4, 9999, &indexes, &answer), MUSTER_INTERNAL); /* no such beat */
    assert_int_equal(decode_unknown(equal, 2, 10, &indexes, &answer), MUSTER_INTERNAL);
    assert_int_equal(decode_unknown(descending, 2, 10, &indexes, &answer), MUSTER_INTERNAL);
    assert_int_equal(decode_unknown(good, 2, 1, &indexes, &answer), MUSTER_INTERNAL);
    assert_int_equal(answer.small.touched.unknown_count, 0);
    assert_int_equal(decode_unknown(good, 0, 1, &indexes, &answer), MUSTER_OK);
    free(indexes.data);
}

static void places_are_read(void **state) {
    (void)state;
    static char ada[] = "ada", room[] = "room:7", tab[] = "tab", typing[] = "typing", token[] = "next";
    Muster__V1__Session session = MUSTER__V1__SESSION__INIT, *sessions[] = {&session};
    session.session = text_field(tab);
    session.state = text_field(typing);
    session.ttl_ms = 5000;
    Muster__V1__Place place = MUSTER__V1__PLACE__INIT, bare = MUSTER__V1__PLACE__INIT, *places[] = {&place, &bare};
    place.user = text_field(ada);
    place.scope = text_field(room);
    place.status = MUSTER__V1__STATUS__STATUS_BUSY;
    place.last_seen_ms = INT64_C(1700000000000);
    place.session_count = 1;
    place.n_sessions = 1;
    place.sessions = sessions;
    Muster__V1__WhereResponse response = MUSTER__V1__WHERE_RESPONSE__INIT;
    response.n_places = 2;
    response.places = places;
    response.next_page_token = text_field(token);
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_WHERE;
    reply.where = &response;
    struct text bytes = pack(&reply);
    struct answer answer = {.kind = REPLY_WHERE, .has_sessions = true, .result = result_new()};
    struct muster_error error;
    must(reply_decode(bytes, &answer, &error), &error);
    const struct muster_places *view = &answer.result->view.places;
    assert_int_equal(view->count, 2);
    assert_string_equal(view->next_page_token, "next");
    assert_string_equal(view->items[0].user, "ada");
    assert_string_equal(view->items[0].scope, "room:7");
    assert_int_equal(view->items[0].status, MUSTER_STATUS_BUSY);
    assert_int_equal(view->items[0].session_count, 1);
    assert_true(view->items[0].last_seen_ms == INT64_C(1700000000000));
    assert_string_equal(view->items[0].sessions[0].session, "tab");
    assert_memory_equal(view->items[0].sessions[0].state, "typing", 6);
    assert_string_equal(view->items[1].scope, "");
    assert_null(view->items[1].sessions);
    muster_places_free(&answer.result->view.places);
    free((void *)(uintptr_t)bytes.data);
}

static void unknown_fields_are_ignored(void **state) {
    (void)state;
    /* Fields 15 (number), 14 (bytes), 13 (fixed32), 12 (fixed64), then code 0 left out, then a TouchResponse with
     * joined 5 and a field 9. */
    const uint8_t bytes[] = {0x78, 0x80, 0x01, 0x72, 2, 'h', 'i', 0x6d, 1, 2,    3, 4,    0x61, 1,
                             2,    3,    4,    5,    6, 7,   8,   0x1a, 4, 0x08, 5, 0x48, 1};
    struct answer answer = {.kind = REPLY_TOUCH};
    struct muster_error error;
    must(reply_decode((struct text){(const char *)bytes, (uint32_t)(sizeof bytes)}, &answer, &error), &error);
    assert_int_equal(answer.small.touched.joined, 5);
}

/* Every prefix of a reply, and replies with a byte changed, decode or are refused; the sanitizers watch. */
static void broken_replies_are_survived(void **state) {
    (void)state;
    struct text bytes = pack_users();
    struct answer answer = {.kind = REPLY_LIST, .has_sessions = true, .result = result_new()};
    struct muster_error error;
    for (size_t len = 0; len < bytes.len; len++) {
        uint8_t *copy = malloc(len + (len == 0)); /* exactly as long, so that a byte too far is seen */
        memcpy(copy, bytes.data, len);
        enum muster_code code = reply_decode((struct text){(const char *)copy, (uint32_t)len}, &answer, &error);
        if (code == MUSTER_OK) fail_msg("the first %zu of %u bytes passed for a reply", len, bytes.len);
        assert_int_equal(answer.result->view.users.count, 0);
        free(copy);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t *copy = malloc(bytes.len);
        for (unsigned value = 0; value < 256; value++) {
            memcpy(copy, bytes.data, bytes.len);
            copy[i] = (uint8_t)value;
            reply_decode((struct text){(const char *)copy, (uint32_t)(bytes.len)}, &answer, &error);
        }
        free(copy);
    }
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

int main(void) {
    memset(longest, 'x', sizeof longest - 1);
    memset(too_long, 'x', sizeof too_long - 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(touches_and_leaves_are_what_protobuf_c_reads),
        cmocka_unit_test(refreshes_are_what_protobuf_c_reads),
        cmocka_unit_test(where_is_what_protobuf_c_reads),
        cmocka_unit_test(unknown_refreshes_are_read),
        cmocka_unit_test(places_are_read),
        cmocka_unit_test(live_and_list_are_what_protobuf_c_reads),
        cmocka_unit_test(counts_scopes_and_reset_are_what_protobuf_c_reads),
        cmocka_unit_test(bad_beats_are_refused_by_name),
        cmocka_unit_test(bad_calls_are_refused_by_name),
        cmocka_unit_test(a_request_past_the_message_limit_is_refused),
        cmocka_unit_test(users_are_read),
        cmocka_unit_test(counts_are_read),
        cmocka_unit_test(nodes_are_read),
        cmocka_unit_test(small_answers_and_refusals_are_read),
        cmocka_unit_test(unknown_fields_are_ignored),
        cmocka_unit_test(broken_replies_are_survived),
    };
    return cmocka_run_group_tests_name("client wire", tests, NULL, NULL);
}
