/* Three real nodes: what is told at one is known at all, whatever ends, stops or starts. */
#include "muster/muster.h"
#include "support/cluster_rig.h"
#include "support/wait.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum {
    LONG_MS = 600000,
    ALIVE = MUSTER__V1__NODE_STATE__NODE_STATE_ALIVE,
    LEFT = MUSTER__V1__NODE_STATE__NODE_STATE_LEFT
};

static void a_touch_is_live_everywhere(void **state) {
    (void)state;
    struct rig rig;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    rig_touch(&rig, 0, "ada", LONG_MS);
    uint64_t start_ms = wait_now_ms();
    rig_expect_live(&rig, 2, "ada", 2000);
    rig_expect_live(&rig, 1, "ada", 2000);
    print_message("live at both others %llu ms after the answer\n", (unsigned long long)(wait_now_ms() - start_ms));
    leave(&rig.nodes[2].answerer, "room", "ada", "");
    rig_expect_gone(&rig, 0, "ada", 2000);
    rig_expect_gone(&rig, 1, "ada", 2000);
    rig_close(&rig);
}

static void a_reset_forgets_everywhere(void **state) {
    (void)state;
    struct rig rig;
    struct request_builder builder;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    rig_touch_many(&rig, 0, "u", 1000, LONG_MS);
    for (size_t i = 0; i < 3; i++) rig_expect_count(&rig, i, 1000, SOON_MS);
    builder_reset(&builder, "room");
    reply_free(ask(&rig.nodes[1].answerer, &builder));
    for (size_t i = 0; i < 3; i++) rig_expect_count(&rig, i, 0, 2000);
    rig_close(&rig);
}

/* Nothing changes for readers; restarted, it answers everything; who was touched there last drops out at the TTL. */
static void a_node_that_is_killed_is_not_missed(void **state) {
    enum { TTL_MS = 3000 };
    (void)state;
    struct rig rig;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    rig_touch_many(&rig, 0, "u", 5000, LONG_MS);
    rig_touch(&rig, 1, "brief", TTL_MS);
    uint64_t touched_ms = wait_now_ms();
    for (size_t i = 0; i < 3; i++) rig_expect_count(&rig, i, 5001, 2000);
    rig_kill(&rig, 1);
    for (size_t i = 0; i < 3; i += 2) {
        rig_expect_count(&rig, i, 5001, 0);
        if (!is_live(&rig.nodes[i].answerer, "room", "brief") && wait_now_ms() - touched_ms < TTL_MS)
            fail_msg("gone at %s before the TTL", rig.nodes[i].name);
    }
    rig_expect_gone(&rig, 0, "brief", TTL_MS + 2000);
    rig_expect_gone(&rig, 2, "brief", TTL_MS + 2000);
    uint64_t gone_ms = wait_now_ms() - touched_ms;
    if (gone_ms < TTL_MS - 100) fail_msg("gone after %llu ms, before the TTL", (unsigned long long)gone_ms);
    if (gone_ms > TTL_MS + 1500) fail_msg("gone after %llu ms only", (unsigned long long)gone_ms);
    rig_touch_many(&rig, 2, "v", 100, LONG_MS);
    rig_start(&rig, 1);
    rig_await_joined(&rig, 1);
    rig_expect_count(&rig, 1, 5100, 2000);
    rig_touch(&rig, 1, "again", LONG_MS);
    rig_expect_live(&rig, 0, "again", 2000);
    rig_expect_live(&rig, 2, "again", 2000);
    rig_close(&rig);
}

/* Longer than the TTL: what it wakes up with must not be shown as live, there or anywhere. */
static void a_node_that_is_stopped_for_long_makes_no_ghosts(void **state) {
    enum { TTL_MS = 2000, STOPPED_MS = 3000 };
    (void)state;
    struct rig rig;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    rig_touch_many(&rig, 1, "g", 1000, TTL_MS);
    uint64_t touched_ms = wait_now_ms();
    process_stand_still(rig.nodes[1].process, 10000);
    rig_touch_many(&rig, 0, "u", 1000, LONG_MS);
    rig_expect_count(&rig, 2, 1000, TTL_MS + 2000); /* those of "g" are gone again, if they came at all */
    while (wait_now_ms() - touched_ms < STOPPED_MS) rig_expect_count(&rig, 0, 1000, STOPPED_MS);
    process_signal(rig.nodes[1].process, SIGCONT);
    rig_expect_count(&rig, 1, 1000, 5000);
    for (size_t round = 0; round < 20; round++)
        for (size_t i = 0; i < 3; i++)
            for (size_t user = 0; user < 3; user++) {
                static const char *const ghosts[] = {"g0", "g500", "g999"};
                if (is_live(&rig.nodes[i].answerer, "room", ghosts[user]))
                    fail_msg("%s is live at %s %llu ms after its last touch", ghosts[user], rig.nodes[i].name,
                             (unsigned long long)(wait_now_ms() - touched_ms));
            }
    rig_touch(&rig, 1, "ada", LONG_MS);
    rig_expect_live(&rig, 0, "ada", 5000);
    rig_close(&rig);
}

/* ---- a rolling restart under load ---- */

enum { LOAD_USERS_MAX = 400000, LOAD_BATCH = 20 };

struct load {
    const char *addresses[3];
    atomic_bool is_over;
    size_t users; /* u0 .. were sent */
    bool is_acknowledged[LOAD_USERS_MAX];
    size_t failures;
    const char *problem;
};

static void *tell(void *context) {
    struct load *load = context;
    struct muster_client *client;
    struct muster_options options = {.addresses = load->addresses, .address_count = 3, .attempt_ms = 1000};
    struct muster_beat beats[LOAD_BATCH] = {0};
    char names[LOAD_BATCH][24];
    if (muster_open(&options, &client, NULL) != MUSTER_OK) {
        load->problem = "no client";
        return NULL;
    }
    while (!atomic_load(&load->is_over) && load->users + LOAD_BATCH <= LOAD_USERS_MAX) {
        for (size_t i = 0; i < LOAD_BATCH; i++) {
            snprintf(names[i], sizeof names[i], "u%zu", load->users + i);
            beats[i].user = names[i];
        }
        bool is_taken = muster_touch(client, "room", LONG_MS, beats, LOAD_BATCH, NULL, NULL) == MUSTER_OK;
        for (size_t i = 0; i < LOAD_BATCH; i++) load->is_acknowledged[load->users + i] = is_taken;
        load->failures += !is_taken;
        load->users += LOAD_BATCH;
        usleep(1000); /* the pace of the load: nothing is right because of it */
    }
    muster_close(client);
    return NULL;
}

/* How many of those that were acknowledged are not live at a node. */
static size_t count_lost(struct rig *rig, size_t node, const struct load *load) {
    enum { ASKED = 5000 };
    size_t lost = 0;
    for (size_t first = 0; first < load->users; first += ASKED) {
        size_t n = load->users - first < ASKED ? load->users - first : ASKED;
        struct request_builder builder;
        builder_live(&builder, "room");
        for (size_t i = 0; i < n; i++) builder_user(&builder, builder_number(&builder, "u", first + i));
        Muster__V1__Reply *reply = ask(&rig->nodes[node].answerer, &builder);
        for (size_t i = 0; i < n; i++) lost += load->is_acknowledged[first + i] && !reply->live->users[i]->live;
        reply_free(reply);
    }
    return lost;
}

struct loss {
    struct rig *rig;
    size_t node;
    const struct load *load;
};

static bool nothing_is_lost(void *context) {
    const struct loss *loss = context;
    return count_lost(loss->rig, loss->node, loss->load) == 0;
}

static void a_rolling_restart_loses_nothing(void **state) {
    (void)state;
    static struct load load;
    struct rig rig;
    pthread_t thread;
    rig_open(&rig, 3, NULL);
    rig_start_all(&rig);
    for (size_t i = 0; i < 3; i++) load.addresses[i] = rig.nodes[i].rpc;
    if (pthread_create(&thread, NULL, tell, &load) != 0) fail_msg("no thread");
    for (size_t i = 0; i < 3; i++) {
        rig_stop(&rig, i);
        rig_start(&rig, i);
        rig_await_joined(&rig, i);
    }
    atomic_store(&load.is_over, true);
    pthread_join(thread, NULL);
    if (load.problem != NULL || load.users == 0) fail_msg("no load: %s", load.problem ? load.problem : "nobody");
    for (size_t i = 0; i < 3; i++) {
        struct loss loss = {&rig, i, &load};
        if (!wait_until(nothing_is_lost, &loss, 3000))
            fail_msg("%zu of %zu users that were acknowledged are lost at %s:\n%s", count_lost(&rig, i, &load),
                     load.users, rig.nodes[i].name, rig_log(&rig, i));
    }
    print_message("%zu users told, %zu calls failed, none lost\n", load.users, load.failures);
    rig_close(&rig);
}

/* ---- joining ---- */

static void a_node_joins_a_large_roll(void **state) {
    (void)state;
    size_t members = 100000;
    const char *asked = getenv("MUSTER_JOIN_MEMBERS"); /* a million by hand; too long for every run */
    if (asked != NULL) members = strtoull(asked, NULL, 10);
    struct rig rig;
    rig_open(&rig, 3, NULL);
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    rig_await_joined(&rig, 0);
    rig_touch_many(&rig, 0, "user-", members, LONG_MS);
    rig_expect_count(&rig, 1, members, SOON_MS);
    rig_start(&rig, 2);
    uint64_t took_ms = rig_await_joined(&rig, 2);
    rig_expect_count(&rig, 2, members, 0);
    print_message("joined %zu members in %llu ms\n", members, (unsigned long long)took_ms);
    if (took_ms > 3000) fail_msg("joining %zu members took %llu ms", members, (unsigned long long)took_ms);
    rig_close(&rig);
}

static void a_node_without_peers_to_be_found_takes_touches_and_answers_no_reads(void **state) {
    (void)state;
    const char *const flags[] = {"--join-timeout", "3s", NULL};
    struct rig rig;
    struct request_builder builder;
    rig_open(&rig, 2, flags);
    rig_start(&rig, 0);                 /* its peer does not run */
    rig_touch(&rig, 0, "ada", LONG_MS); /* once it knows that nobody is there, long before it answers reads */
    builder_live(&builder, "room");
    builder_user(&builder, builder_bytes("ada"));
    ask_refused(&rig.nodes[0].answerer, &builder, 14, "joining: not in sync with its peers yet");
    builder_counts(&builder);
    ask_refused(&rig.nodes[0].answerer, &builder, 14, "joining");
    builder_list(&builder, "room");
    ask_refused(&rig.nodes[0].answerer, &builder, 14, "joining");
    builder_scopes(&builder);
    ask_refused(&rig.nodes[0].answerer, &builder, 14, "joining");
    if (rig_state(&rig, 0, 0) != MUSTER__V1__NODE_STATE__NODE_STATE_JOINING) fail_msg("it does not say that it joins");
    uint64_t took_ms = rig_await_joined(&rig, 0);
    if (took_ms < 2900) fail_msg("alone, and in sync after %llu ms", (unsigned long long)took_ms);
    rig_expect_live(&rig, 0, "ada", 0);
    rig_start(&rig, 1);
    rig_await_joined(&rig, 1);
    rig_expect_live(&rig, 1, "ada", 0);
    rig_close(&rig);
}

static void nodes_are_listed(void **state) {
    (void)state;
    const char *const flags[] = {"--region", "north", NULL};
    struct rig rig;
    struct request_builder builder;
    rig_open(&rig, 3, flags);
    rig_start_all(&rig);
    builder_nodes(&builder);
    Muster__V1__Reply *reply = ask(&rig.nodes[1].answerer, &builder);
    if (reply->nodes->n_nodes != 3) fail_msg("%zu nodes, expected 3", reply->nodes->n_nodes);
    for (size_t i = 0; i < 3; i++) {
        const Muster__V1__Node *node = reply->nodes->nodes[i];
        if (node->self != (i == 0) || !bytes_are(node->region, "north") || node->version.len == 0 ||
            node->address.len < 16 || memcmp(node->address.data, "tcp://127.0.0.1:", 16) != 0)
            fail_msg("node %zu: self %d, region '%.*s', version of %zu bytes, address '%.*s'", i, node->self,
                     (int)node->region.len, (const char *)node->region.data, node->version.len, (int)node->address.len,
                     (const char *)node->address.data);
        if (node->clock_ms > 200 || node->clock_ms < -200) fail_msg("a clock of %lld ms", (long long)node->clock_ms);
    }
    reply_free(reply);
    rig_stop(&rig, 2);
    rig_expect_state(&rig, 0, 2, LEFT, 3000);
    rig_kill(&rig, 1);
    rig_expect_state(&rig, 0, 1, MUSTER__V1__NODE_STATE__NODE_STATE_SUSPECT, 6000);
    rig_expect_state(&rig, 0, 1, MUSTER__V1__NODE_STATE__NODE_STATE_DOWN, 15000);
    rig_close(&rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_touch_is_live_everywhere),
        cmocka_unit_test(a_reset_forgets_everywhere),
        cmocka_unit_test(a_node_that_is_killed_is_not_missed),
        cmocka_unit_test(a_node_that_is_stopped_for_long_makes_no_ghosts),
        cmocka_unit_test(a_rolling_restart_loses_nothing),
        cmocka_unit_test(a_node_joins_a_large_roll),
        cmocka_unit_test(a_node_without_peers_to_be_found_takes_touches_and_answers_no_reads),
        cmocka_unit_test(nodes_are_listed),
    };
    return cmocka_run_group_tests_name("cluster end to end: replication", tests, NULL, NULL);
}
