/* Faults 11 and 28: a node full of live users said nothing. */
#include "support/cluster_rig.h"
#include "support/server.h"
#include "support/sp.h"
#include "support/wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { CAP = 128, LONG_MS = 600000, RESOURCE_EXHAUSTED = 8 };
#define CAP_TEXT "128"

static uint64_t refused_by(const struct answerer *answerer) {
    struct request_builder builder;
    builder_nodes(&builder);
    Muster__V1__Reply *reply = ask(answerer, &builder);
    if (reply->nodes->n_nodes == 0 || !reply->nodes->nodes[0]->self) fail_msg("the first row is not the node itself");
    uint64_t refused = reply->nodes->nodes[0]->refused;
    reply_free(reply);
    return refused;
}

static size_t count_lines(struct process *process, const char *needle) {
    char *text = process_text(process, PROCESS_ERRORS, NULL);
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, needle)) != NULL; at++) count++;
    free(text);
    return count;
}

static void name_user(char user[32], unsigned i) {
    snprintf(user, 32, "user-%u", i);
}

static void expect_full(const struct answerer *answerer) {
    struct request_builder builder;
    builder_touch(&builder, "room");
    builder_beat(&builder, "one-too-many", "");
    ask_refused(answerer, &builder, RESOURCE_EXHAUSTED, "full");
}

/* One that can be taken ends it. */
static bool is_taken(void *context) {
    struct request_builder builder;
    builder_touch(&builder, "room");
    builder_beat(&builder, "again", "");
    Muster__V1__Reply *reply = ask_any(context, &builder);
    bool is_ok = reply->code == 0;
    reply_free(reply);
    return is_ok;
}

static void a_full_node_says_so_once_and_when_it_is_over(void **state) {
    (void)state;
    const char *const flags[] = {"--max-members", CAP_TEXT, "--ttl", "10m", NULL};
    struct server server = server_start(flags);
    struct answerer answerer = sp_answerer(server.ipc);
    char user[32];
    for (unsigned i = 0; i < CAP; i++) {
        name_user(user, i);
        touch(&answerer, "room", user, "");
    }
    if (refused_by(&answerer) != 0) fail_msg("something is refused before the cap");
    for (int i = 0; i < 10; i++) expect_full(&answerer);
    if (refused_by(&answerer) != 10) fail_msg("%llu of 10 are counted", (unsigned long long)refused_by(&answerer));
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=roll_full", SOON_MS, NULL)) fail_msg("no roll_full");
    name_user(user, 0);
    leave(&answerer, "room", user, ""); /* one place, taken at once: it is full still */
    if (!wait_until(is_taken, &answerer, SOON_MS)) fail_msg("who left keeps his place");
    expect_full(&answerer);
    for (unsigned i = 1; i < CAP / 2; i++) {
        name_user(user, i);
        leave(&answerer, "room", user, "");
    }
    if (!process_await_line(server.process, PROCESS_ERRORS, "event=roll_has_room", SOON_MS, NULL))
        fail_msg("it does not say that there is room");
    if (count_lines(server.process, "event=roll_full") != 1) fail_msg("it says more than once that it is full");
    server_end(&server);
}

/* What a peer of a full node accepted is refused there, and both are said. */
static void a_full_node_of_a_cluster_says_so(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 2, NULL);
    rig_start(&rig, 0);
    rig.flags[0] = "--max-members";
    rig.flags[1] = CAP_TEXT;
    rig_start(&rig, 1);
    rig_await_joined(&rig, 0);
    rig_await_joined(&rig, 1);
    rig_touch_many(&rig, 0, "user-", 2 * CAP, LONG_MS);
    rig_await_log(&rig, 1, "event=roll_full", SOON_MS);
    if (refused_by(&rig.nodes[1].answerer) < CAP) fail_msg("what was refused from a peer is not counted");
    if (refused_by(&rig.nodes[0].answerer) != 0) fail_msg("the other node is not full");
    if (strstr(rig_log(&rig, 0), "event=roll_full") != NULL) fail_msg("the other node says that it is full");
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_node_says_so_once_and_when_it_is_over),
        cmocka_unit_test(a_full_node_of_a_cluster_says_so),
    };
    return cmocka_run_group_tests_name("service: room", tests, NULL, NULL);
}
