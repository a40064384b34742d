/* A node that stood still: what came in meanwhile is no longer true, and is refused. */
#include "support/cluster_rig.h"
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

enum { TTL_MS = 10000, ANSWERED_MS = 20000, CONVERGED_MS = 20000, UNAVAILABLE = 14 };
/* How long a node stands still: longer than --max-stall, and far shorter than the TTL. */
enum { STALL_MS = 1500 };
static const char scope[] = "room"; /* the rig's */

static void add_touch(struct sp_batch *batch, struct sp *sp, const char *user) {
    struct request_builder builder;
    uint32_t id;
    builder_touch(&builder, scope);
    builder_beat(&builder, user, "tab");
    builder.touch.ttl_ms = TTL_MS;
    sp_batch_add(batch, sp, &builder, &id);
}

static void add_leave(struct sp_batch *batch, struct sp *sp, const char *user) {
    struct request_builder builder;
    uint32_t id;
    builder_leave(&builder, scope);
    builder_departure(&builder, user, "tab");
    sp_batch_add(batch, sp, &builder, &id);
}

static void send_touch(struct sp *sp, const char *user) {
    struct sp_batch batch = {0};
    add_touch(&batch, sp, user);
    if (!sp_batch_send(&batch, sp)) fail_msg("cut off");
    sp_batch_free(&batch);
}

static void expect_code(struct sp *sp, int code, const char *says, const char *what) {
    uint32_t id;
    size_t len;
    uint8_t *bytes = sp_receive(sp, ANSWERED_MS, &id, &len);
    if (bytes == NULL) fail_msg("%s: no reply", what);
    Muster__V1__Reply *reply = muster__v1__reply__unpack(NULL, len, bytes);
    if (reply == NULL || reply->code != code ||
        (says[0] != '\0' && memmem(reply->message.data, reply->message.len, says, strlen(says)) == NULL))
        fail_msg("%s: code %d, not %d with '%s': %.*s", what, reply != NULL ? reply->code : -1, code, says,
                 reply != NULL ? (int)reply->message.len : 0, reply != NULL ? (char *)reply->message.data : "");
    reply_free(reply);
    free(bytes);
}

/* Touches a user at a node and takes it back with the stamp of that touch. */
static void come_and_leave(const struct answerer *answerer, const char *user) {
    struct request_builder builder;
    builder_touch(&builder, scope);
    builder_beat(&builder, user, "tab");
    builder.touch.ttl_ms = TTL_MS;
    Muster__V1__Reply *reply = ask(answerer, &builder);
    uint64_t stamp = reply->touch->stamp;
    reply_free(reply);
    builder_leave(&builder, scope);
    builder_departure(&builder, user, "tab");
    builder.leave.stamp = stamp;
    reply_free(ask(answerer, &builder));
}

static bool has_passed(void *context) {
    return wait_now_ms() >= *(uint64_t *)context;
}

/* The time that a node stands still is the scenario: nothing would tell that it is long enough. */
static void stand_still(uint64_t since_ms) {
    uint64_t until_ms = since_ms + STALL_MS;
    wait_until(has_passed, &until_ms, 2 * STALL_MS);
}

/* What was told after these at each node has reached the other: so has what was told before. */
static void expect_gone_everywhere(struct rig *rig, const char *const users[]) {
    rig_touch(rig, 0, "after-1", TTL_MS);
    rig_touch(rig, 1, "after-2", TTL_MS);
    rig_expect_live(rig, 1, "after-1", CONVERGED_MS);
    rig_expect_live(rig, 0, "after-2", CONVERGED_MS);
    for (size_t i = 0; users[i] != NULL; i++)
        for (size_t node = 0; node < 2; node++)
            if (is_live(&rig->nodes[node].answerer, scope, users[i]))
                fail_msg("%s, who left, is live at %s:\n%s", users[i], rig->nodes[node].name, rig_log(rig, node));
}

static void writes_from_before_it_stood_still_are_refused(void **state) {
    (void)state;
    const char *const flags[] = {"--max-stall", "1s", NULL};
    struct rig rig;
    rig_open(&rig, 2, flags);
    rig_start_all(&rig);
    struct sp open = sp_open(rig.nodes[0].rpc, ANSWERED_MS);
    if (open.fd < 0) fail_msg("no connection");
    send_touch(&open, "before");
    expect_code(&open, 0, "", "a touch before it stood still");

    process_stand_still(rig.nodes[0].process, SOON_MS);
    uint64_t since_ms = wait_now_ms();
    send_touch(&open, "ada");                         /* on a connection that it knows */
    struct sp waiting = sp_connect(rig.nodes[0].rpc); /* and on one that the system has taken for it */
    if (waiting.fd < 0 || !sp_write(&waiting, sp_greeting, sizeof sp_greeting)) fail_msg("no connection");
    send_touch(&waiting, "bob");
    come_and_leave(&rig.nodes[1].answerer, "ada");
    come_and_leave(&rig.nodes[1].answerer, "bob");
    stand_still(since_ms);
    process_signal(rig.nodes[0].process, SIGCONT);

    expect_code(&open, UNAVAILABLE, "stood still", "a touch on an open connection");
    unsigned char greeting[SP_HEADER_BYTES];
    if (!sp_read(&waiting, greeting, sizeof greeting, ANSWERED_MS)) fail_msg("no greeting");
    expect_code(&waiting, UNAVAILABLE, "stood still", "a touch on a new connection");
    expect_gone_everywhere(&rig, (const char *const[]){"ada", "bob", NULL});
    send_touch(&open, "after");
    expect_code(&open, 0, "", "a touch after it stood still");
    rig_expect_live(&rig, 1, "after", CONVERGED_MS);
    sp_close(&open);
    sp_close(&waiting);
    rig_close(&rig);
}

/* Order holds for what is refused, too: neither of the two is done. And nothing of it is lost: each has its reply. */
static void a_socket_full_of_requests(void **state) {
    (void)state;
    enum { REQUESTS = 200 };
    const char *const flags[] = {"--max-stall", "1s", NULL};
    struct rig rig;
    struct sp_batch batch = {0};
    rig_open(&rig, 2, flags);
    rig_start_all(&rig);
    rig_touch(&rig, 0, "stays", 60000);
    struct sp sp = sp_open(rig.nodes[0].rpc, ANSWERED_MS);
    if (sp.fd < 0) fail_msg("no connection");
    process_stand_still(rig.nodes[0].process, SOON_MS);
    uint64_t since_ms = wait_now_ms();
    for (size_t i = 0; i < REQUESTS; i++) {
        if (i % 2 == 0) add_touch(&batch, &sp, "eve");
        else add_leave(&batch, &sp, "stays");
    }
    if (!sp_batch_send(&batch, &sp)) fail_msg("cut off");
    stand_still(since_ms);
    process_signal(rig.nodes[0].process, SIGCONT);
    for (size_t i = 0; i < REQUESTS; i++) expect_code(&sp, UNAVAILABLE, "send it again", "one of many");
    expect_gone_everywhere(&rig, (const char *const[]){"eve", NULL});
    rig_expect_live(&rig, 0, "stays", 0);
    sp_batch_free(&batch);
    sp_close(&sp);
    rig_close(&rig);
}

/* Fault 30: such a connection was closed without a line in the log. */
static void a_client_that_gave_up_meanwhile_is_logged(void **state) {
    (void)state;
    const char *const flags[] = {"--max-stall", "1s", NULL};
    struct rig rig;
    rig_open(&rig, 1, flags);
    rig_start(&rig, 0);
    struct sp patient = sp_open(rig.nodes[0].rpc, ANSWERED_MS), impatient = sp_open(rig.nodes[0].rpc, ANSWERED_MS);
    if (patient.fd < 0 || impatient.fd < 0) fail_msg("no connection");
    process_stand_still(rig.nodes[0].process, SOON_MS);
    uint64_t since_ms = wait_now_ms();
    send_touch(&patient, "ada");
    send_touch(&impatient, "eve");
    sp_close(&impatient);
    stand_still(since_ms);
    process_signal(rig.nodes[0].process, SIGCONT);
    expect_code(&patient, UNAVAILABLE, "stood still", "who waits");
    rig_await_log(&rig, 0, "event=connection_cut", SOON_MS);
    sp_close(&patient);
    rig_close(&rig);
}

/* main [TEST]: this one alone. */
int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_from_before_it_stood_still_are_refused),
        cmocka_unit_test(a_socket_full_of_requests),
        cmocka_unit_test(a_client_that_gave_up_meanwhile_is_logged),
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("net end to end: standing still", tests, NULL, NULL);
}
