/* Transcripts of two or three replicas. */
#include "wired.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct wires *three(void) {
    struct wires *wires = wires_new(3);
    for (unsigned i = 0; i < 3; i++) wired_start(wires, i);
    wired_run(wires, 1500);
    return wires;
}

static void require_live(const struct wires *wires, const char *user, bool is_live) {
    for (unsigned i = 0; i < wires->count; i++)
        if (wires->nodes[i].is_up && wired_is_live(wires, i, "room", user) != is_live)
            fail_msg("at node %u %s is %slive", i, user, is_live ? "not " : "");
}

static void nodes_find_each_other(void **state) {
    (void)state;
    struct wires *wires = three();
    for (unsigned a = 0; a < 3; a++) {
        if (!replica_is_ready(wires->nodes[a].replica, wired_now_ms(wires, a))) fail_msg("node %u is not ready", a);
        for (unsigned b = 0; b < 3; b++)
            if (a != b && wired_state(wires, a, b) != PEER_ALIVE) fail_msg("node %u: node %u is not alive", a, b);
    }
    wires_free(wires);
}

static void a_join_is_everywhere_at_once(void **state) {
    (void)state;
    struct wires *wires = three();
    wired_touch(wires, 1, "room", "ada", 60000);
    require_live(wires, "ada", true);
    unsigned asks = wires->asks;
    wired_run(wires, 3000);
    wired_agree(wires);
    if (wires->asks != asks) fail_msg("%u questions for a frame that came", wires->asks - asks);
    wires_free(wires);
}

static void a_refresh_comes_within_a_second(void **state) {
    (void)state;
    struct wires *wires = three();
    wired_touch(wires, 1, "room", "ada", 3000);
    for (int i = 0; i < 8; i++) {
        wired_run(wires, 1000);
        wired_touch(wires, 1, "room", "ada", 3000);
    }
    wired_run(wires, 1000);
    /* The first ones still tell what was news lately. */
    if (wired_stats(wires, 1).refreshes_out < 4) fail_msg("refreshes do not travel as handles");
    if (wired_stats(wires, 0).gaps > 0) fail_msg("a refresh was not understood");
    wired_agree(wires);
    wired_run(wires, 1500);
    require_live(wires, "ada", true);
    wired_run(wires, 600);
    require_live(wires, "ada", false);
    wires_free(wires);
}

static void a_lost_frame_is_noticed_and_asked_for(void **state) {
    (void)state;
    struct wires *wires = three();
    wires->is_deaf[2][1] = true;
    wired_touch(wires, 1, "room", "ada", 60000);
    wires->is_deaf[2][1] = false;
    if (wired_is_live(wires, 2, "room", "ada")) fail_msg("node 2 heard what was lost");
    wired_run(wires, 20);
    wired_touch(wires, 1, "room", "bob", 60000);
    require_live(wires, "bob", true);
    require_live(wires, "ada", true);
    if (wired_stats(wires, 2).gaps != 1) fail_msg("no gap was noticed");
    wires_free(wires);
}

static void a_quiet_gap_is_noticed_by_the_digest(void **state) {
    (void)state;
    struct wires *wires = three();
    wires->is_deaf[2][1] = true;
    wired_touch(wires, 1, "room", "ada", 60000);
    wires->is_deaf[2][1] = false;
    wired_run(wires, 1100);
    require_live(wires, "ada", true);
    wires_free(wires);
}

static void the_beats_of_a_dead_node_come_from_a_third(void **state) {
    (void)state;
    struct wires *wires = three();
    wires->is_deaf[2][1] = true;
    wired_touch(wires, 1, "room", "ada", 60000);
    wired_stop(wires, 1);
    wired_run(wires, 2000);
    require_live(wires, "ada", true);
    wired_agree(wires);
    wires_free(wires);
}

/* What came after a lost frame, and nobody can tell what was lost. */
static void what_lies_beyond_a_gap_is_relayed(void **state) {
    (void)state;
    struct wires *wires = three();
    wires->is_deaf[0][1] = wires->is_deaf[2][1] = true;
    wired_touch(wires, 1, "room", "ada", 60000);
    wired_run(wires, 20);
    wires->is_deaf[0][1] = false;
    wires->is_cut[0][1] = wires->is_cut[2][1] = true;
    wired_touch(wires, 1, "room", "bob", 60000);
    if (!wired_is_live(wires, 0, "room", "bob")) fail_msg("news beyond a gap wait");
    wired_stop(wires, 1);
    wired_run(wires, 2000);
    require_live(wires, "ada", false);
    require_live(wires, "bob", true);
    wired_agree(wires);
    wires_free(wires);
}

static void a_cut_heals(void **state) {
    (void)state;
    struct wires *wires = three();
    wired_part(wires, 0, 2, true);
    wired_part(wires, 1, 2, true);
    char user[16];
    for (int i = 0; i < 500; i++) {
        snprintf(user, sizeof user, "u%d", i);
        wired_touch(wires, (unsigned)i % 3, "room", user, 60000);
        wired_run(wires, 20);
    }
    wired_run(wires, 5000);
    if (wired_state(wires, 0, 2) != PEER_DOWN) fail_msg("a node that is silent for 15 s is not down");
    if (wired_is_same(wires, 0, 2)) fail_msg("the cut lets through");
    wired_part(wires, 0, 2, false);
    wired_part(wires, 1, 2, false);
    wired_run(wires, 2000);
    wired_agree(wires);
    if (wired_state(wires, 0, 2) != PEER_ALIVE) fail_msg("a node that is back is not alive");
    wires_free(wires);
}

static void a_log_that_is_too_short_is_walked_around(void **state) {
    (void)state;
    struct wires *wires = wires_new(2);
    wires->log_slots = 16;
    wired_start(wires, 0);
    wired_start(wires, 1);
    wired_run(wires, 1500);
    wired_part(wires, 0, 1, true);
    char user[16];
    for (int i = 0; i < 300; i++) {
        snprintf(user, sizeof user, "u%d", i);
        wired_touch(wires, (unsigned)i % 2, "room", user, 60000);
        wired_run(wires, 10);
    }
    wired_part(wires, 0, 1, false);
    wired_run(wires, 2000);
    wired_agree(wires);
    wires_free(wires);
}

static void a_node_that_starts_again_has_everything(void **state) {
    (void)state;
    struct wires *wires = three();
    char user[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(user, sizeof user, "u%d", i);
        wired_touch(wires, (unsigned)i % 3, "room", user, 60000);
    }
    wired_run(wires, 20);
    wired_stop(wires, 2);
    wired_run(wires, 100);
    wired_start(wires, 2);
    wired_run(wires, 300);
    if (!replica_is_ready(wires->nodes[2].replica, wired_now_ms(wires, 2))) fail_msg("it is not ready");
    wired_agree(wires);
    wired_run(wires, 1500); /* until the others have subscribed anew: the shell does so by itself */
    for (unsigned i = 0; i < 2; i++)
        if (!wires->nodes[i].hears[2]) fail_msg("node %u does not hear it", i);
    wired_touch(wires, 2, "room", "zoe", 60000);
    require_live(wires, "zoe", true);
    wires_free(wires);
}

static void a_reset_is_everywhere(void **state) {
    (void)state;
    struct wires *wires = three();
    wired_touch(wires, 0, "room", "ada", 60000);
    wired_touch(wires, 1, "room", "bob", 60000);
    wired_run(wires, 100);
    /* A beat that is not flushed when the reset of another node comes. */
    wired_part(wires, 0, 2, true);
    wired_touch(wires, 0, "room", "cleo", 60000);
    wired_reset(wires, 1, "room");
    require_live(wires, "ada", false);
    require_live(wires, "cleo", false);
    wired_touch(wires, 2, "room", "dan", 60000);
    wired_part(wires, 0, 2, false);
    wired_run(wires, 2000);
    require_live(wires, "dan", true);
    require_live(wires, "cleo", false);
    wired_agree(wires);
    wires_free(wires);
}

static void a_late_frame_makes_nobody_look_fresh(void **state) {
    (void)state;
    struct wires *wires = wires_new(2);
    wired_start(wires, 0);
    wired_start(wires, 1);
    wired_run(wires, 1500);
    wires->is_kept = true;
    wired_touch(wires, 1, "room", "ada", 5000);
    wired_run(wires, 4000);
    for (size_t i = 0; i < wires->frame_count; i++)
        if (wires->frames[i].from == 1) wired_deliver(wires, 0, &wires->frames[i]);
    wires->is_kept = false;
    if (!wired_is_live(wires, 0, "room", "ada")) fail_msg("ada is live for another second");
    wired_run(wires, 1500);
    if (wired_is_live(wires, 0, "room", "ada")) fail_msg("a late frame made ada live for longer");
    wires_free(wires);
}

static void recorded_frames_are_inert(void **state) {
    (void)state;
    struct wires *wires = wires_new(2);
    wired_start(wires, 0);
    wired_start(wires, 1);
    wired_run(wires, 1500);
    wires->is_kept = true;
    wired_touch(wires, 1, "room", "ada", 5000);
    wired_run(wires, 20);
    for (size_t i = 0; i < wires->frame_count; i++) wired_deliver(wires, 0, &wires->frames[i]);
    struct replica_stats before = wired_stats(wires, 0);
    for (size_t i = 0; i < wires->frame_count; i++) wired_deliver(wires, 0, &wires->frames[i]);
    struct replica_stats after = wired_stats(wires, 0);
    if (after.dropped_replayed - before.dropped_replayed != wires->frame_count)
        fail_msg("%zu of %zu frames were replayed", (size_t)(after.dropped_replayed - before.dropped_replayed),
                 wires->frame_count);
    /* Of an earlier incarnation of either. */
    wires->is_kept = false;
    wired_run(wires, 6000);
    wired_stop(wires, 1);
    wired_start(wires, 1);
    wired_run(wires, 1500);
    before = wired_stats(wires, 0);
    for (size_t i = 0; i < wires->frame_count; i++) wired_deliver(wires, 0, &wires->frames[i]);
    for (size_t i = 0; i < wires->frame_count; i++) wired_deliver(wires, 1, &wires->frames[i]);
    after = wired_stats(wires, 0);
    if (after.dropped_strange == before.dropped_strange) fail_msg("a dead incarnation was heard");
    if (wired_is_live(wires, 0, "room", "ada") || wired_is_live(wires, 1, "room", "ada"))
        fail_msg("a recording made ada live");
    wires_free(wires);
}

static void garbage_and_forgeries_are_counted(void **state) {
    (void)state;
    struct wires *wires = three();
    uint8_t bytes[200];
    memset(bytes, 0xa5, sizeof bytes);
    wired_deliver(wires, 0, &(struct wired_frame){1, bytes, 10});
    wired_deliver(wires, 0, &(struct wired_frame){1, bytes, sizeof bytes});
    bytes[0] = 1;
    wired_deliver(wires, 0, &(struct wired_frame){1, bytes, sizeof bytes});
    wires->is_kept = true;
    wired_touch(wires, 1, "room", "ada", 5000);
    wires->frames[0].bytes[40] ^= 1;
    wired_deliver(wires, 0, &wires->frames[0]);
    struct replica_stats stats = wired_stats(wires, 0);
    if (stats.dropped_broken != 1 || stats.dropped_foreign != 2 || stats.dropped_forged != 1)
        fail_msg("broken %d, foreign %d, forged %d", (int)stats.dropped_broken, (int)stats.dropped_foreign,
                 (int)stats.dropped_forged);
    wires_free(wires);
}

static void a_full_roll_does_not_claim_to_know(void **state) {
    (void)state;
    struct wires *wires = wires_new(2);
    wires->members_max = 100;
    wired_start(wires, 0);
    wires->members_max = 1000;
    wired_start(wires, 1);
    wired_run(wires, 1500);
    char user[16];
    for (int i = 0; i < 150; i++) {
        snprintf(user, sizeof user, "u%d", i);
        wired_touch(wires, 1, "room", user, 20000);
    }
    wired_run(wires, 3000);
    struct known known[4];
    size_t n = replica_vector(wires->nodes[0].replica, known, 4);
    for (size_t i = 0; i < n; i++)
        if (known[i].origin == wires->nodes[1].origin && known[i].sequence >= 150) fail_msg("it claims to know all");
    struct roll_stats stats;
    roll_stats(wires->nodes[0].roll, &stats);
    if (stats.members != 100) fail_msg("it took %d of 100", (int)stats.members);
    unsigned asks = wires->asks;
    wired_run(wires, 10000);
    if (wires->asks - asks > 10) fail_msg("%u questions in 10 s though it is full", wires->asks - asks);
    wires_free(wires);
}

static void a_node_that_leaves_has_left(void **state) {
    (void)state;
    struct wires *wires = three();
    struct actions actions = replica_leave(wires->nodes[2].replica, wired_now_ms(wires, 2));
    for (size_t i = 0; i < actions.count; i++) {
        struct wired_frame frame = {2, NULL, actions.items[i].len};
        memcpy(&frame.bytes, &actions.items[i].bytes, sizeof frame.bytes);
        wired_deliver(wires, 0, &frame);
        wired_deliver(wires, 1, &frame);
    }
    wired_stop(wires, 2);
    wired_run(wires, 100);
    if (wired_state(wires, 0, 2) != PEER_LEFT || wired_state(wires, 1, 2) != PEER_LEFT) fail_msg("it has not left");
    wires_free(wires);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other),
        cmocka_unit_test(a_join_is_everywhere_at_once),
        cmocka_unit_test(a_refresh_comes_within_a_second),
        cmocka_unit_test(a_lost_frame_is_noticed_and_asked_for),
        cmocka_unit_test(a_quiet_gap_is_noticed_by_the_digest),
        cmocka_unit_test(the_beats_of_a_dead_node_come_from_a_third),
        cmocka_unit_test(what_lies_beyond_a_gap_is_relayed),
        cmocka_unit_test(a_cut_heals),
        cmocka_unit_test(a_log_that_is_too_short_is_walked_around),
        cmocka_unit_test(a_node_that_starts_again_has_everything),
        cmocka_unit_test(a_reset_is_everywhere),
        cmocka_unit_test(a_late_frame_makes_nobody_look_fresh),
        cmocka_unit_test(recorded_frames_are_inert),
        cmocka_unit_test(garbage_and_forgeries_are_counted),
        cmocka_unit_test(a_full_roll_does_not_claim_to_know),
        cmocka_unit_test(a_node_that_leaves_has_left),
    };
    return cmocka_run_group_tests_name("cluster.replica", tests, NULL, NULL);
}
