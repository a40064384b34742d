/* Watches at one node of a real cluster, and what happens at another. */
#include "polls.h"
#include "support/cluster_rig.h"
#include "support/wait.h"

#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { WAIT_MS = 30000, TTL_MS = 1500 };

/* A watcher of the rig's scope at a node, that knows all of it. */
static struct poll watcher_at(struct rig *rig, size_t i, struct sp *sp) {
    *sp = poll_connect(rig->nodes[i].rpc);
    struct poll poll = {.sp = sp, .watcher.scope = "room"};
    poll_catch_up(&poll);
    return poll;
}

static void watcher_ends(struct poll *poll) {
    watcher_close(&poll->watcher);
    sp_close(poll->sp);
}

/* Waits for changes until so many users are known to be live. */
static void wait_for(struct poll *poll, size_t live) {
    uint64_t until_ms = wait_now_ms() + POLL_SOON_MS;
    while (poll->watcher.live != live) {
        if (wait_now_ms() > until_ms) fail_msg("%zu are live, expected %zu", poll->watcher.live, live);
        poll_ask(poll, WAIT_MS);
        poll_answered(poll, POLL_SOON_MS);
    }
}

static void what_happens_at_one_node_is_told_at_another(void **state) {
    (void)state;
    struct rig rig;
    struct sp sp;
    struct request_builder builder;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    struct poll poll = watcher_at(&rig, 1, &sp);
    uint64_t start_ms = wait_now_ms();
    rig_touch(&rig, 0, "ada", 60000);
    wait_for(&poll, 1);
    print_message("a join is told at the other node after %" PRIu64 " ms\n", wait_now_ms() - start_ms);
    leave(&rig.nodes[2].answerer, "room", "ada", "");
    wait_for(&poll, 0);
    rig_touch_many(&rig, 0, "u", 20000, 60000);
    wait_for(&poll, 20000);
    builder_reset(&builder, "room");
    reply_free(ask(&rig.nodes[2].answerer, &builder));
    wait_for(&poll, 0);
    rig_touch(&rig, 0, "bob", TTL_MS);
    wait_for(&poll, 1);
    wait_for(&poll, 0); /* by expiry */
    poll_expect_same(&poll, &rig.nodes[1].answerer);
    if (poll.watcher.resyncs > 0 || poll.watcher.joined != 20002 || poll.watcher.left != 20002)
        fail_msg("%zu joined, %zu left, %u resyncs", poll.watcher.joined, poll.watcher.left, poll.watcher.resyncs);
    watcher_ends(&poll);
    rig_close(&rig);
}

/* The node at which they were touched dies: who is told of it elsewhere is told that they expire, and once. */
static void users_of_a_killed_node_expire(void **state) {
    (void)state;
    struct rig rig;
    struct sp sp;
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    struct poll poll = watcher_at(&rig, 1, &sp);
    rig_touch_many(&rig, 0, "u", 500, 2 * TTL_MS);
    wait_for(&poll, 500);
    rig_kill(&rig, 0);
    wait_for(&poll, 0);
    if (poll.watcher.left != 500 || poll.watcher.resyncs > 0) fail_msg("%zu left", poll.watcher.left);
    watcher_ends(&poll);
    rig_close(&rig);
}

/* The node that was watched dies: the next one cannot go on with its cursor, says so, and tells all. */
static void another_node_begins_a_snapshot(void **state) {
    (void)state;
    struct rig rig;
    struct sp sp;
    rig_open(&rig, 2, NULL);
    rig_start_all(&rig);
    rig_touch_many(&rig, 1, "u", 5000, 60000);
    rig_expect_count(&rig, 0, 5000, POLL_SOON_MS);
    struct poll poll = watcher_at(&rig, 0, &sp);
    poll_ask(&poll, WAIT_MS);
    rig_kill(&rig, 0);
    if (polls_next(&sp, &poll, 1, POLL_SOON_MS) != NULL) fail_msg("an answer of a killed node");
    sp_close(&sp);
    sp = poll_connect(rig.nodes[1].rpc);
    poll_catch_up(&poll);
    if (poll.watcher.resyncs != 1 || poll.watcher.live != 5000) fail_msg("%zu are live", poll.watcher.live);
    poll_expect_same(&poll, &rig.nodes[1].answerer);
    watcher_ends(&poll);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happens_at_one_node_is_told_at_another),
        cmocka_unit_test(users_of_a_killed_node_expire),
        cmocka_unit_test(another_node_begins_a_snapshot),
    };
    return cmocka_run_group_tests_name("rpc end to end: watch in a cluster", tests, NULL, NULL);
}
