/* Every call and every refusal, asked of a real musterd over gRPC: the same answers as over nng's wire
 * (tests/net/e2e_calls_test.c). */
#include "attack.h"
#include "muster/codes.h"
#include "muster/limits.h"
#include "support/call_suite.h"
#include "support/grpc_answerer.h"
#include "support/grpc_client.h"
#include "support/server.h"
#include "support/sp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

static struct server server;

/* All but suite_message_refusals: there is no Call around a request, which could be malformed. What takes its place is
 * below. */
#define SUITES(X)                                                                                                      \
    X(touch)                                                                                                           \
    X(displaced)                                                                                                       \
    X(refresh)                                                                                                         \
    X(leave)                                                                                                           \
    X(leave_unknown)                                                                                                   \
    X(set_status)                                                                                                      \
    X(linger)                                                                                                          \
    X(live)                                                                                                            \
    X(list_pages)                                                                                                      \
    X(list_filters)                                                                                                    \
    X(list_recent) X(counts) X(scopes) X(where) X(reset) X(refusals) X(token_refusals) X(reply_cap)
#define SUITE(name)                                                                                                    \
    static void grpc_##name(void **state) {                                                                            \
        (void)state;                                                                                                   \
        const struct answerer answerer = grpc_answerer(server.grpc);                                                   \
        suite_##name(&answerer);                                                                                       \
    }
SUITES(SUITE)

/* ---- bodies that are no request ---- */

static void expect_refused_body(const char *path, const void *body, size_t len, int code, const char *message) {
    struct h2 *h2 = h2_open(server.grpc);
    const struct grpc_result result =
        grpc_ask(h2, &(struct grpc_request){.path = path}, (struct text){body, (uint32_t)len}, NULL);
    if (result.code != code || strstr(result.message, message) == NULL)
        fail_msg("%s, %zu bytes: status %d '%s'; expected %d '%s'", path, len, result.code, result.message, code,
                 message);
    h2_close(h2);
}

static const char *const paths[] = {
    "/muster.v1.Presence/Touch", "/muster.v1.Presence/Leave",     "/muster.v1.Presence/Live",
    "/muster.v1.Presence/List",  "/muster.v1.Presence/Counts",    "/muster.v1.Presence/Scopes",
    "/muster.v1.Presence/Reset", "/muster.v1.Presence/Watch",     "/muster.v1.Presence/Nodes",
    "/muster.v1.Presence/Where", "/muster.v1.Presence/SetStatus",
};
enum { PATHS = sizeof paths / sizeof *paths };

static void bodies_that_are_no_request_are_refused(void **state) {
    (void)state;
    static const unsigned char cut[] = {0x0a, 0x20, 0x0a}, junk[] = {0xff, 0xff, 0xff, 0xff};
    for (size_t i = 0; i < PATHS; i++) {
        expect_refused_body(paths[i], cut, sizeof cut, MUSTER_INVALID_ARGUMENT, "message: ");
        expect_refused_body(paths[i], junk, sizeof junk, MUSTER_INVALID_ARGUMENT, "message: ");
    }
}

static void bodies_that_unpack_to_too_much_are_refused(void **state) {
    (void)state;
    size_t len = MUSTER_MESSAGE_BYTES_MAX / 3 * 3;
    unsigned char *bytes = malloc(len);
    if (bytes == NULL) abort();
    for (size_t i = 0; i < len; i += 3) memcpy(bytes + i, "\xa0\x06\x01", 3); /* 350,000 unknown fields */
    expect_refused_body("/muster.v1.Presence/Counts", bytes, len, MUSTER_INVALID_ARGUMENT,
                        "message: unpacks to more than");
    free(bytes);
}

static void a_message_above_the_limit_is_refused(void **state) {
    (void)state;
    size_t len = MUSTER_MESSAGE_BYTES_MAX + 1;
    unsigned char *bytes = calloc(1, len);
    for (size_t i = 0; i < PATHS; i++)
        expect_refused_body(paths[i], bytes, len, MUSTER_RESOURCE_EXHAUSTED, "message: 1048577 bytes, at most 1048576");
    free(bytes);
}

static void unknown_methods_are_told_apart_from_unknown_services(void **state) {
    (void)state;
    expect_refused_body("/muster.v1.Presence/Nothing", "", 0, MUSTER_UNIMPLEMENTED, "method");
    expect_refused_body("/muster.v1.Absence/Touch", "", 0, MUSTER_UNIMPLEMENTED, "service");
}

/* ---- both doors are doors of one node ---- */

static void what_one_door_is_told_the_other_tells(void **state) {
    (void)state;
    const struct answerer grpc = grpc_answerer(server.grpc), sp = sp_answerer(server.tcp);
    touch(&grpc, "doors", "ada", "");
    if (!is_live(&sp, "doors", "ada")) fail_msg("a touch over gRPC is not seen over nng's wire");
    touch(&sp, "doors", "bob", "");
    if (!is_live(&grpc, "doors", "bob")) fail_msg("a touch over nng's wire is not seen over gRPC");
    if (leave(&grpc, "doors", "bob", "") != 1) fail_msg("a leave over gRPC leaves nobody");
    if (is_live(&sp, "doors", "bob")) fail_msg("a leave over gRPC is not seen over nng's wire");
}

/* ---- many calls on one connection ---- */

/* Touches of one turn are one call of the roll; each has its own answer, in its own stream. */
static void many_touches_at_once_have_their_own_answers(void **state) {
    (void)state;
    enum { CALLS = 200 };
    struct h2 *h2 = h2_open(server.grpc);
    uint32_t ids[CALLS];
    h2_hold(h2);
    for (size_t i = 0; i < CALLS; i++) {
        struct request_builder builder;
        uint8_t body[128];
        builder_touch(&builder, i % 7 == 3 ? "" : "crowd");
        Muster__V1__Beat *beat = builder_beat(&builder, "", "");
        beat->user = i % 5 == 4 ? builder_bytes("") : builder_number(&builder, "user-", i);
        size_t len = muster__v1__touch_request__pack(&builder.touch, body);
        builder_free(&builder);
        ids[i] = grpc_begin(h2, &(struct grpc_request){.path = "/muster.v1.Presence/Touch"}, 0);
        grpc_send_frame(h2, ids[i], (struct text){(char *)body, (uint32_t)len}, H2_END_STREAM);
    }
    h2_release(h2);
    for (size_t i = 0; i < CALLS; i++) {
        if (!h2_await_stream_end(h2, ids[i], 10000)) fail_msg("call %zu is not answered", i);
        const struct grpc_result result = grpc_result(h2, ids[i]);
        int expected = i % 5 == 4 ? MUSTER_INVALID_ARGUMENT : MUSTER_OK;
        if (result.code != expected) fail_msg("call %zu: status %d '%s'", i, result.code, result.message);
        if (expected == MUSTER_OK && result.messages != 1) fail_msg("call %zu: %zu messages", i, result.messages);
    }
    h2_close(h2);
}

static int start(void **state) {
    (void)state;
    server = attack_server_start(NULL);
    return 0;
}

static int stop(void **state) {
    (void)state;
    server_end(&server);
    return 0;
}

int main(void) {
#define TEST(name) cmocka_unit_test(grpc_##name),
    const struct CMUnitTest tests[] = {
        SUITES(TEST) cmocka_unit_test(bodies_that_are_no_request_are_refused),
        cmocka_unit_test(bodies_that_unpack_to_too_much_are_refused),
        cmocka_unit_test(a_message_above_the_limit_is_refused),
        cmocka_unit_test(unknown_methods_are_told_apart_from_unknown_services),
        cmocka_unit_test(what_one_door_is_told_the_other_tells),
        cmocka_unit_test(many_touches_at_once_have_their_own_answers),
    };
    return cmocka_run_group_tests_name("gRPC end to end: calls", tests, start, stop);
}
