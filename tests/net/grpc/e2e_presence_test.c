/* The calls of a real musterd over gRPC, beside those over nng: their order, what came before a standstill, how many
 * connections there are, and how it stops. */
#include "muster/codes.h"
#include "muster/limits.h"
#include "presence_calls.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { SOON_MS = 20000, STALL_MS = 1500 };

static uint32_t begin_touch(struct h2 *h2, const char *scope, size_t user, int status) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    Muster__V1__Beat *beat = builder_beat(&builder, "", "tab");
    beat->user = builder_number(&builder, "user-", user);
    beat->status = (Muster__V1__Status)status;
    return presence_begin(h2, &builder, NULL);
}

static uint32_t begin_leave(struct h2 *h2, const char *scope, size_t user) {
    struct request_builder builder;
    builder_leave(&builder, scope);
    builder_departure(&builder, "", "tab")->user = builder_number(&builder, "user-", user);
    return presence_begin(h2, &builder, NULL);
}

static uint32_t begin_live(struct h2 *h2, const char *scope, size_t user) {
    struct request_builder builder;
    builder_live(&builder, scope);
    builder_user(&builder, builder_number(&builder, "user-", user));
    return presence_begin(h2, &builder, NULL);
}

static void expect_live(struct h2 *h2, uint32_t stream, bool is_live) {
    struct text message;
    presence_expect(h2, stream, MUSTER_OK, "");
    if (!grpc_message_at(h2, stream, 0, &message)) fail_msg("no answer");
    Muster__V1__LiveResponse *answer =
        muster__v1__live_response__unpack(NULL, message.len, (const uint8_t *)message.data);
    if (answer == NULL || answer->n_users != 1 || (answer->users[0]->live != 0) != is_live)
        fail_msg("call %u: is%s live", stream, is_live ? " not" : "");
    muster__v1__live_response__free_unpacked(answer, NULL);
}

/* ---- order ---- */

/* Calls of one connection, in one write and in several, take effect in the order in which they were sent. */
static void calls_take_effect_in_their_order(void **state) {
    (void)state;
    enum { ROUNDS = 40, USERS = 40, CALLS = 4 };
    struct server server = server_start(NULL);
    struct h2 *h2s[3];
    uint32_t streams[3][USERS][CALLS];
    for (int i = 0; i < 3; i++) h2s[i] = h2_open(server.grpc);
    for (size_t round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < 3; i++) {
            char scope[16];
            snprintf(scope, sizeof scope, "room:%zu", i);
            if (round % 2 == 0) h2_hold(h2s[i]);
            for (size_t j = 0; j < USERS; j++) {
                size_t user = round * USERS + j;
                streams[i][j][0] = begin_touch(h2s[i], scope, user, 1);
                streams[i][j][1] = begin_live(h2s[i], scope, user);
                streams[i][j][2] = begin_leave(h2s[i], scope, user);
                streams[i][j][3] = begin_live(h2s[i], scope, user);
            }
            if (round % 2 == 0 && !h2_release(h2s[i])) fail_msg("cut off");
        }
        for (size_t i = 0; i < 3; i++)
            for (size_t j = 0; j < USERS; j++) {
                presence_expect(h2s[i], streams[i][j][0], MUSTER_OK, "");
                expect_live(h2s[i], streams[i][j][1], true);
                presence_expect(h2s[i], streams[i][j][2], MUSTER_OK, "");
                expect_live(h2s[i], streams[i][j][3], false);
                for (size_t k = 0; k < CALLS; k++) h2_forget(h2s[i], streams[i][j][k]);
            }
    }
    for (int i = 0; i < 3; i++) h2_close(h2s[i]);
    server_end(&server);
}

/* A call whose connection is gone takes effect all the same, once; its answer is nobody's. */
static void a_connection_that_goes_right_after_its_touches(void **state) {
    (void)state;
    enum { TOUCHES = 100 };
    struct server server = server_start(NULL);
    struct answerer answerer = sp_answerer(server.tcp);
    for (int round = 0; round < 20; round++) {
        struct h2 *h2 = h2_open(server.grpc);
        h2_hold(h2);
        for (size_t i = 0; i < TOUCHES; i++) {
            uint32_t stream = begin_touch(h2, "room", i, 1);
            if (round % 2 == 0) h2_write_reset(h2, stream, NGHTTP2_CANCEL);
        }
        h2_release(h2);
        if (round % 4 < 2) h2_reset(h2);
        else h2_close(h2);
    }
    struct h2 *h2 = h2_open(server.grpc);
    presence_expect(h2, begin_touch(h2, "room", 0, 1), MUSTER_OK, "");
    if (!is_live(&answerer, "room", "user-0")) fail_msg("a touch is lost");
    server_expect_running(&server, "connections that went");
    h2_close(h2);
    server_end(&server);
}

/* ---- a process that stood still ---- */

static bool has_passed(void *context) {
    return wait_now_ms() >= *(uint64_t *)context;
}

static void writes_from_before_a_standstill_are_refused(void **state) {
    (void)state;
    struct server server = server_start((const char *const[]){"--max-stall", "1s", NULL});
    struct h2 *h2 = h2_open(server.grpc);
    presence_expect(h2, begin_touch(h2, "room", 1, 1), MUSTER_OK, "");
    process_stand_still(server.process, SOON_MS);
    uint64_t until_ms = wait_now_ms() + STALL_MS; /* the standstill is the scenario */
    uint32_t touched = begin_touch(h2, "room", 2, 1), left = begin_leave(h2, "room", 1);
    struct h2 *waiting = h2_connect(server.grpc); /* the system has taken it for the node */
    if (waiting->fd < 0) fail_msg("no connection");
    h2_write(waiting, H2_PREFACE, H2_PREFACE_BYTES);
    h2_write_settings(waiting, NULL, 0);
    uint32_t other = begin_touch(waiting, "room", 3, 1);
    wait_until(has_passed, &until_ms, 2 * STALL_MS);
    process_signal(server.process, SIGCONT);
    presence_expect(h2, touched, MUSTER_UNAVAILABLE, "stood still");
    presence_expect(h2, left, MUSTER_UNAVAILABLE, "stood still");
    presence_expect(waiting, other, MUSTER_UNAVAILABLE, "stood still");
    presence_expect(h2, begin_touch(h2, "room", 4, 1), MUSTER_OK, "");
    expect_live(h2, begin_live(h2, "room", 1), true);
    expect_live(h2, begin_live(h2, "room", 2), false);
    expect_live(h2, begin_live(h2, "room", 3), false);
    h2_close(waiting);
    h2_close(h2);
    server_end(&server);
}

/* ---- connections ---- */

struct probe {
    const struct server *server;
    struct h2 *h2; /* the connection, where it was taken */
};

/* Whether one more is taken at the door for gRPC. */
static bool takes_one(void *context) {
    struct probe *probe = context;
    probe->h2 = h2_connect(probe->server->grpc);
    h2_write(probe->h2, H2_PREFACE, H2_PREFACE_BYTES);
    h2_write_settings(probe->h2, NULL, 0);
    if (h2_read(probe->h2, NULL, SOON_MS) == H2_READ) return true;
    h2_close(probe->h2);
    probe->h2 = NULL;
    return false;
}

/* Who has asked is not closed for being idle while others are refused. */
static struct h2 *open_and_ask(const struct server *server) {
    struct h2 *h2 = h2_open(server->grpc);
    presence_expect(h2, begin_touch(h2, "room", 1, 1), MUSTER_OK, "");
    return h2;
}

static struct sp open_and_ask_nng(const struct server *server) {
    struct request_builder builder;
    uint32_t id;
    size_t len;
    struct sp sp = sp_open(server->tcp, SOON_MS);
    if (sp.fd < 0) fail_msg("no connection of nng");
    builder_scopes(&builder);
    if (!sp_send_built(&sp, &builder, &id)) fail_msg("cut off");
    uint8_t *reply = sp_receive(&sp, SOON_MS, &id, &len);
    if (reply == NULL) fail_msg("no answer over nng");
    free(reply);
    return sp;
}

/* --max-connections is of both doors together; one of 20 is kept for ipc. */
/* Both doors together take nineteen connections of this address over TCP. */
static void expect_nineteen(const char *const flags[]) {
    enum { OF_EACH = 9 };
    struct server server = server_start(flags);
    struct probe probe = {.server = &server};
    struct sp sps[OF_EACH];
    struct h2 *h2s[OF_EACH];
    for (int i = 0; i < OF_EACH; i++) {
        sps[i] = open_and_ask_nng(&server);
        h2s[i] = open_and_ask(&server);
    }
    struct h2 *last = open_and_ask(&server);
    if (takes_one(&probe)) fail_msg("more than may be");
    struct sp more = sp_open(server.tcp, SOON_MS);
    if (more.fd >= 0) fail_msg("more than may be, of nng");
    struct sp ipc = sp_open(server.ipc, SOON_MS);
    if (ipc.fd < 0) fail_msg("the operator is shut out");
    sp_close(&ipc);
    sp_close(&sps[0]);            /* its place is free for the other door */
    for (int i = 0; i < 3; i++) { /* and those that are refused do not count */
        if (!wait_until(takes_one, &probe, SOON_MS)) fail_msg("round %d: a place is not free again", i);
        struct probe other = {.server = &server};
        if (takes_one(&other)) fail_msg("more than may be, later");
        h2_close(probe.h2);
    }
    h2_close(last);
    for (int i = 1; i < OF_EACH; i++) sp_close(&sps[i]);
    for (int i = 0; i < OF_EACH; i++) h2_close(h2s[i]);
    server_end(&server);
}

static void both_doors_share_the_connections(void **state) {
    (void)state; /* one of the twenty is kept for ipc:// */
    expect_nineteen((const char *const[]){"--max-connections", "20", "--connections-per-address", "20", NULL});
}

static void both_doors_share_what_an_address_may_have(void **state) {
    (void)state;
    expect_nineteen((const char *const[]){"--max-connections", "100", "--connections-per-address", "19", NULL});
}

/* ---- the end ---- */

/* Whoever calls while it stops gets an answer or learns by GOAWAY that the call was not taken; none is taken and lost.
 */
static void a_node_that_stops_answers_what_it_took(void **state) {
    (void)state;
    enum { CALLS_MAX = 20000 };
    struct server server = server_start(NULL);
    struct h2 *h2 = h2_open(server.grpc);
    struct process_exit how;
    size_t taken = 0, refused = 0;
    for (int i = 0; i < 50; i++) presence_expect(h2, begin_touch(h2, "room", 1, 1), MUSTER_OK, "");
    process_signal(server.process, SIGTERM);
    for (int i = 0; i < CALLS_MAX && h2->goaways < 2 && !h2->is_ended; i++) {
        uint32_t stream = begin_touch(h2, "room", 1, 1);
        if (!h2_await_stream_end(h2, stream, SOON_MS)) {
            if (h2->goaways == 0 || stream <= h2->goaway_last) fail_msg("call %u is lost", stream);
            break;
        }
        int code = grpc_result(h2, stream).code;
        if (code == MUSTER_OK) taken++;
        else if (code == MUSTER_UNAVAILABLE) refused++;
        else fail_msg("code %d", code);
        if (code == MUSTER_OK && refused > 0) fail_msg("taken, after one was refused");
        h2_forget(h2, stream);
    }
    print_message("%zu were taken, %zu refused\n", taken, refused);
    if (!h2_await_end(h2, SOON_MS) || h2->goaways == 0) fail_msg("it ends without GOAWAY");
    if (!process_wait(server.process, SOON_MS, &how) || how.is_signal || how.status != 0) fail_msg("a bad end");
    h2_close(h2);
    server_end(&server);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calls_take_effect_in_their_order),
        cmocka_unit_test(a_connection_that_goes_right_after_its_touches),
        cmocka_unit_test(writes_from_before_a_standstill_are_refused),
        cmocka_unit_test(both_doors_share_the_connections),
        cmocka_unit_test(both_doors_share_what_an_address_may_have),
        cmocka_unit_test(a_node_that_stops_answers_what_it_took),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("grpc end to end: calls", tests, NULL, NULL);
}
