/* The library's own encoder of WatchRequest and decoder of WatchResponse, against protobuf-c's. */
#include "client/c/reply.h"
#include "client/c/request.h"
#include "muster/v1/presence.pb-c.h"
#include "support/random.h"

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
    if (call->request_case != MUSTER__V1__CALL__REQUEST_WATCH) fail_msg("it is no Watch");
    return call;
}

static void expect_text(ProtobufCBinaryData got, const char *wanted) {
    if (got.len != strlen(wanted) || (got.len != 0 && memcmp(got.data, wanted, got.len) != 0))
        fail_msg("\"%.*s\", not \"%s\"", (int)got.len, (const char *)got.data, wanted);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static void a_request_is_what_protobuf_c_reads(void **state) {
    (void)state;
    struct request request = {0};
    struct muster_error error;
    const char *users[] = {"ada", "bob"};
    static const uint8_t cursor[] = {0, 1, 255};
    struct muster_watch_options options = {.scope = "room",
                                           .users = users,
                                           .user_count = 2,
                                           .with_sessions = true,
                                           .max_wait_ms = MUSTER_WATCH_WAIT_MAX_MS,
                                           .min_interval_ms = 100};
    must(request_watch(&request, "who", &options, (struct text){(const char *)cursor, (uint32_t)(sizeof cursor)},
                       &error),
         &error);
    Muster__V1__Call *call = unpack(&request);
    const Muster__V1__WatchRequest *watch = call->watch;
    expect_text(call->token, "who");
    expect_text(watch->scope, "room");
    assert_int_equal(watch->n_users, 2);
    expect_text(watch->users[1], "bob");
    assert_true(watch->sessions && !watch->counts);
    assert_int_equal(watch->cursor.len, 3);
    assert_memory_equal(watch->cursor.data, cursor, 3);
    assert_int_equal(watch->max_wait_ms, 60000);
    assert_int_equal(watch->min_interval_ms, 100);
    muster__v1__call__free_unpacked(call, NULL);

    must(request_watch(&request, NULL, &(struct muster_watch_options){.counts_only = true}, (struct text){0}, &error),
         &error);
    call = unpack(&request);
    assert_true(call->watch->counts && !call->watch->sessions && call->watch->n_users == 0);
    assert_int_equal(call->watch->cursor.len, 0);
    muster__v1__call__free_unpacked(call, NULL);
    request_free(&request);
}

/* As many users as are allowed, each as long as it may be. */
static void the_largest_request_fits(void **state) {
    (void)state;
    static char longest[MUSTER_ID_BYTES_MAX + 1];
    memset(longest, 'x', MUSTER_ID_BYTES_MAX);
    const char *users[MUSTER_WATCH_USERS_MAX];
    static const uint8_t cursor[MUSTER_CURSOR_BYTES_MAX] = {1};
    for (size_t i = 0; i < MUSTER_WATCH_USERS_MAX; i++) users[i] = longest;
    struct muster_watch_options options = {.scope = longest, .users = users, .user_count = MUSTER_WATCH_USERS_MAX};
    struct request request = {0};
    struct muster_error error;
    must(
        request_watch(&request, NULL, &options, (struct text){(const char *)cursor, (uint32_t)(sizeof cursor)}, &error),
        &error);
    Muster__V1__Call *call = unpack(&request);
    assert_int_equal(call->watch->n_users, MUSTER_WATCH_USERS_MAX);
    assert_int_equal(call->watch->cursor.len, MUSTER_CURSOR_BYTES_MAX);
    muster__v1__call__free_unpacked(call, NULL);
    request_free(&request);
}

/* ---- replies ----------------------------------------------------------------------------------------------------- */

static ProtobufCBinaryData text_field(char *text) {
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
}

struct drawn {
    Muster__V1__Session sessions[3], *session_rows[3];
    Muster__V1__User users[3], *present[1];
    Muster__V1__Change changes[2], *changed[2];
    Muster__V1__ScopeCounts counts;
    Muster__V1__WatchResponse watch;
};

/* Ada with two sessions, bob, and nobody with one. */
static void draw_users(struct drawn *drawn) {
    static char ada[] = "ada", bob[] = "bob", tab[] = "tab", typing[] = "typing";
    for (size_t i = 0; i < 3; i++) {
        muster__v1__session__init(&drawn->sessions[i]);
        muster__v1__user__init(&drawn->users[i]);
        drawn->session_rows[i] = &drawn->sessions[i];
    }
    drawn->sessions[0].session = text_field(tab);
    drawn->sessions[2].state = text_field(typing);
    drawn->users[0].user = text_field(ada);
    drawn->users[0].live = true;
    drawn->users[0].status = MUSTER__V1__STATUS__STATUS_BUSY;
    drawn->users[0].n_sessions = 2;
    drawn->users[0].sessions = drawn->session_rows;
    drawn->users[1].user = text_field(bob);
    drawn->users[1].last_seen_ms = 77;
    drawn->users[2].n_sessions = 1;
    drawn->users[2].sessions = drawn->session_rows + 2;
}

static void draw_counts(struct drawn *drawn) {
    static Muster__V1__WindowCount window = MUSTER__V1__WINDOW_COUNT__INIT;
    static Muster__V1__WindowCount *windows[] = {&window};
    muster__v1__scope_counts__init(&drawn->counts);
    drawn->counts.live = 5;
    drawn->counts.joined_total = UINT64_C(1) << 40;
    drawn->counts.left_total = 9;
    drawn->counts.n_windows = 1;
    drawn->counts.windows = windows;
}

/* Ada is present, bob left, nobody did what is of an unknown kind; and counts with a window. */
static struct text draw(struct drawn *drawn) {
    static char cursor[] = "next";
    draw_users(drawn);
    draw_counts(drawn);
    for (size_t i = 0; i < 2; i++) {
        muster__v1__change__init(&drawn->changes[i]);
        drawn->changes[i].user = &drawn->users[i + 1];
        drawn->changed[i] = &drawn->changes[i];
    }
    drawn->changes[0].kind = MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT;
    drawn->changes[0].reason = MUSTER__V1__LEAVE_REASON__LEAVE_REASON_EXPIRED;
    drawn->changes[1].kind = (Muster__V1__ChangeKind)77;
    drawn->changes[1].reason = (Muster__V1__LeaveReason)77;
    drawn->present[0] = &drawn->users[0];
    muster__v1__watch_response__init(&drawn->watch);
    drawn->watch.cursor = text_field(cursor);
    drawn->watch.resync = true;
    drawn->watch.more = true;
    drawn->watch.n_present = 1;
    drawn->watch.present = drawn->present;
    drawn->watch.n_changes = 2;
    drawn->watch.changes = drawn->changed;
    drawn->watch.counts = &drawn->counts;
    Muster__V1__Reply reply = MUSTER__V1__REPLY__INIT;
    reply.response_case = MUSTER__V1__REPLY__RESPONSE_WATCH;
    reply.watch = &drawn->watch;
    size_t len = muster__v1__reply__get_packed_size(&reply);
    uint8_t *data = malloc(len);
    muster__v1__reply__pack(&reply, data);
    return (struct text){(const char *)data, (uint32_t)len};
}

static void expect_users(const struct watch_answer *watch) {
    assert_int_equal(watch->count, 3);
    const struct watch_item *present = &watch->items[0], *left = &watch->items[1], *strange = &watch->items[2];
    assert_int_equal(present->kind, WATCH_PRESENT);
    assert_string_equal(present->user.user, "ada");
    assert_int_equal(present->user.status, MUSTER_STATUS_BUSY);
    assert_int_equal(present->user.session_count, 2);
    assert_string_equal(present->user.sessions[0].session, "tab");
    assert_int_equal(left->kind, WATCH_LEFT);
    assert_int_equal(left->reason, MUSTER_REASON_EXPIRED);
    assert_string_equal(left->user.user, "bob");
    assert_true(left->user.last_seen_ms == 77);
    assert_int_equal(strange->kind, WATCH_UNKNOWN);
    assert_int_equal(strange->reason, MUSTER_REASON_UNKNOWN);
    assert_memory_equal(strange->user.sessions[0].state, "typing", 6);
}

static void a_reply_is_read(void **state) {
    (void)state;
    struct drawn drawn;
    struct text bytes = draw(&drawn);
    struct answer answer = {.kind = REPLY_WATCH, .has_sessions = true, .result = result_new()};
    struct muster_error error;
    must(reply_decode(bytes, &answer, &error), &error);
    const struct watch_answer *watch = &answer.result->view.watch;
    expect_users(watch);
    assert_true(watch->is_resync && watch->has_more && watch->has_counts);
    assert_int_equal(watch->cursor_len, 4);
    assert_memory_equal(watch->cursor, "next", 4);
    if (watch->counts.live != 5 || watch->counts.joined_total != UINT64_C(1) << 40 || watch->counts.left_total != 9)
        fail_msg("the counts are mixed up");
    assert_int_equal(watch->counts.window_count, 0);
    answer.has_sessions = false; /* what was not asked for is ignored */
    must(reply_decode(bytes, &answer, &error), &error);
    assert_null(watch->items[0].user.sessions);
    assert_null(watch->items[2].user.sessions);
    static const uint8_t empty[] = {0x52, 0}; /* field 10, of no bytes */
    must(reply_decode((struct text){(const char *)empty, (uint32_t)(sizeof empty)}, &answer, &error), &error);
    if (watch->count != 0 || watch->has_counts || watch->is_resync || watch->has_more || watch->cursor_len != 0)
        fail_msg("something of the last answer is left");
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

/* Cut anywhere, or with any byte changed: it decodes or is refused, and what decodes can be read. */
static void broken_replies_are_survived(void **state) {
    (void)state;
    struct drawn drawn;
    struct text bytes = draw(&drawn);
    struct answer answer = {.kind = REPLY_WATCH, .has_sessions = true, .result = result_new()};
    struct random random = random_of(random_number_from_environment("MUSTER_SEED", random_fresh_seed()));
    struct muster_error error;
    uint8_t *copy = malloc(bytes.len);
    size_t refused = 0, read = 0;
    for (size_t i = 0; i < 20000; i++) {
        size_t len = random_chance(&random, 1, 2) ? bytes.len : random_below(&random, bytes.len);
        memcpy(copy, bytes.data, bytes.len);
        for (size_t changes = random_below(&random, 4); changes > 0; changes--)
            copy[random_below(&random, bytes.len)] = (uint8_t)random_next(&random);
        uint8_t *exact = malloc(len == 0 ? 1 : len); /* so that a sanitizer sees what is read past the end */
        memcpy(exact, copy, len);
        enum muster_code code = reply_decode((struct text){(const char *)exact, (uint32_t)len}, &answer, &error);
        free(exact);
        const struct watch_answer *watch = &answer.result->view.watch;
        if (code != MUSTER_OK && watch->count != 0) fail_msg("a refused answer has items");
        refused += code != MUSTER_OK;
        for (size_t j = 0; j < watch->count; j++) read += strlen(watch->items[j].user.user);
    }
    if (refused == 0 || read == 0) fail_msg("%zu were refused, %zu bytes read", refused, read);
    free(copy);
    result_free(answer.result);
    free((void *)(uintptr_t)bytes.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_what_protobuf_c_reads),
        cmocka_unit_test(the_largest_request_fits),
        cmocka_unit_test(a_reply_is_read),
        cmocka_unit_test(broken_replies_are_survived),
    };
    return cmocka_run_group_tests_name("client watch wire", tests, NULL, NULL);
}
