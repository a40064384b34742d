/* What is asked for, how much of it, and by whom a node that joins is waited for. */
#include "wired.h"

#include <inttypes.h>
#include <stdio.h>

enum { USERS = 1000, BEATS_A_STEP = 5, TTL_MS = 60000 };

static struct wires *start(unsigned count) {
    struct wires *wires = wires_new(count);
    for (unsigned i = 0; i < count; i++) wired_start(wires, i);
    wired_run(wires, 3000);
    return wires;
}

static void touch_some(struct wires *wires, unsigned node, unsigned first, unsigned count, uint32_t ttl_ms) {
    char user[16];
    for (unsigned i = first; i < first + count; i++) {
        snprintf(user, sizeof user, "u%u", i % USERS);
        wired_touch(wires, node, "room", user, ttl_ms);
    }
}

/* Lets time pass while users of node 1 beat in turn, 500 a second, and another is always news: a frame each step. */
static void beat_for(struct wires *wires, uint64_t ms, unsigned *next) {
    for (uint64_t end_ms = wires->now_ms + ms; wires->now_ms < end_ms; *next += BEATS_A_STEP) {
        touch_some(wires, 1, *next, BEATS_A_STEP, TTL_MS);
        wired_touch(wires, 1, "room", "restless", TTL_MS + *next / BEATS_A_STEP % 2);
        wired_run(wires, WIRED_FLUSH_MS);
    }
}

/* A node that says early what another's slow frames are about to tell. */
static void what_comes_slowly_is_not_asked_for(void **state) {
    (void)state;
    struct wires *wires = start(3);
    unsigned next = 0;
    wires->delay_ms[0][1] = 700;
    beat_for(wires, 2000, &next);
    unsigned asks = wires->asks;
    beat_for(wires, 5000, &next);
    if (wires->asks != asks) fail_msg("%u questions for frames that come", wires->asks - asks);
    wired_run(wires, 2500);
    wired_agree(wires);
    wires_free(wires);
}

/* An answer tells how far the peer is: further than its frames have come. */
static void what_an_answer_is_ahead_of_is_not_asked_for(void **state) {
    (void)state;
    struct wires *wires = start(2);
    unsigned next = 0;
    wires->is_kept = true;
    wired_run(wires, 1000);
    wires->is_kept = false;
    wired_stop(wires, 1);
    wired_start(wires, 1);
    wired_run(wires, 3000);
    wires->delay_ms[0][1] = 200;
    beat_for(wires, 2000, &next);
    unsigned asks = wires->asks;
    uint64_t answered = wires->answered_bytes;
    /* A frame of its earlier life makes node 0 ask who is there. */
    for (size_t i = 0; i < wires->frame_count; i++)
        if (wires->frames[i].from == 1) wired_deliver(wires, 0, &wires->frames[i]);
    beat_for(wires, 1000, &next);
    if (wires->asks == asks) fail_msg("it did not ask who is there");
    if (wires->answered_bytes - answered > 500 * (wires->asks - asks))
        fail_msg("%" PRIu64 " bytes were told again", wires->answered_bytes - answered);
    wires_free(wires);
}

/* Frames were missed, and questions fail for a while: what came after them need not be told again. */
static void a_gap_costs_what_was_missed(void **state) {
    (void)state;
    enum { BYTES_A_RECORD = 60, BYTES_BESIDE = 4000 };
    struct wires *wires = start(2);
    unsigned next = 0;
    beat_for(wires, 6000, &next);
    wires->is_deaf[0][1] = wires->is_cut[0][1] = true;
    beat_for(wires, 200, &next);
    unsigned missed = 200 / WIRED_FLUSH_MS * (BEATS_A_STEP + 1);
    wires->is_deaf[0][1] = false;
    beat_for(wires, 600, &next);
    if (wired_known(wires, 0, 1) + missed > wired_known(wires, 1, 1)) fail_msg("nothing was missed");
    wires->is_cut[0][1] = false;
    uint64_t answered = wires->answered_bytes, sequence = wired_known(wires, 1, 1);
    beat_for(wires, 1500, &next);
    answered = wires->answered_bytes - answered;
    if (wired_known(wires, 0, 1) < sequence)
        fail_msg("%" PRIu64 " beats are still missing", sequence - wired_known(wires, 0, 1));
    if (answered > missed * BYTES_A_RECORD + BYTES_BESIDE)
        fail_msg("%" PRIu64 " bytes for %u beats that were missed", answered, missed);
    wired_run(wires, 1500);
    wired_agree(wires);
    wires_free(wires);
}

/* A change of state in what was missed, and refreshes after it. */
static void what_changed_in_a_gap_is_not_overlooked(void **state) {
    (void)state;
    struct wires *wires = start(2);
    struct beat beat = {.scope = text_of("room"), .user = text_of("ada"), .ttl_ms = TTL_MS, .status = STATUS_ONLINE};
    wired_beat(wires, 1, &beat);
    wired_run(wires, 6000);
    wires->is_deaf[0][1] = wires->is_cut[0][1] = true;
    beat.status = STATUS_BUSY;
    wired_beat(wires, 1, &beat);
    for (int i = 0; i < 10; i++) {
        wired_run(wires, 900); /* longer than news stays news */
        wires->is_deaf[0][1] = i < 5;
        wired_beat(wires, 1, &beat);
    }
    wired_run(wires, REPLICA_REFRESH_WAIT_MS + WIRED_FLUSH_MS); /* the last one has been told, too */
    wires->is_cut[0][1] = false;
    wired_run(wires, 2000);
    wired_agree(wires);
    struct user_view view;
    roll_live(wires->nodes[0].roll, beat.scope, &beat.user, 1, wired_now_ms(wires, 0), &view);
    if (view.status != STATUS_BUSY) fail_msg("the status is %d", view.status);
    wires_free(wires);
}

/* ---- full rolls ------------------------------------------------------------------------------------------------ */

enum { FULL = 100, MANY = 150, GONE = 80 };

/* Node 1 has room for all its users, the others have not. */
static struct wires *start_full(void) {
    struct wires *wires = wires_new(3);
    for (unsigned i = 0; i < 3; i++) {
        wires->members_max = i == 1 ? USERS : FULL;
        wired_start(wires, i);
    }
    wired_run(wires, 3000);
    for (unsigned i = 0; i < MANY; i++) {
        touch_some(wires, 1, i, 1, 10 * TTL_MS);
        wired_run(wires, WIRED_FLUSH_MS);
    }
    return wires;
}

static uint64_t live_at(const struct wires *wires, unsigned node) {
    struct roll_stats stats;
    roll_stats(wires->nodes[node].roll, &stats);
    return stats.members_live;
}

static void a_full_roll_relays_nothing_of_nodes_that_live(void **state) {
    (void)state;
    struct wires *wires = start_full();
    for (int i = 0; i < 60; i++) {
        touch_some(wires, 1, 0, MANY, 10 * TTL_MS);
        wired_run(wires, 500);
    }
    if (live_at(wires, 0) != FULL || live_at(wires, 2) != FULL) fail_msg("the others are not full");
    for (unsigned i = 0; i < 3; i++)
        if (wired_stats(wires, i).relayed > 0) fail_msg("node %u relayed %" PRIu64, i, wired_stats(wires, i).relayed);
    wires_free(wires);
}

static void room_is_used_soon(void **state) {
    (void)state;
    struct wires *wires = start_full();
    wired_run(wires, 70000); /* by now it asks each half minute */
    unsigned asks = wires->asks;
    for (int i = 0; i < 350 && wires->asks == asks; i++) wired_run(wires, 100);
    asks = wires->asks;
    wired_run(wires, 5000);
    if (wires->asks - asks > 2) fail_msg("%u questions in 5 s though nothing changed", wires->asks - asks);
    touch_some(wires, 1, 0, GONE, 0);
    wired_run(wires, 3000);
    if (live_at(wires, 1) != MANY - GONE) fail_msg("%" PRIu64 " are live", live_at(wires, 1));
    for (unsigned i = 0; i < 3; i += 2)
        if (live_at(wires, i) != MANY - GONE) fail_msg("node %u has %" PRIu64, i, live_at(wires, i));
    wires_free(wires);
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

enum { NOBODY = 9 };

static bool is_ready(const struct wires *wires, unsigned node) {
    return replica_is_ready(wires->nodes[node].replica, wired_now_ms(wires, node));
}

/* One that never answers, and one that answered once. */
static void the_dead_are_not_waited_for(void **state) {
    (void)state;
    struct wires *wires = wires_new(3);
    wired_start(wires, 1);
    wired_start(wires, 2);
    wired_start(wires, 0);
    wired_meet(wires, 0, NOBODY);
    wired_meet(wires, 0, 2);
    if (wired_stats(wires, 0).pages != 2) fail_msg("%d answers, not 2", (int)wired_stats(wires, 0).pages);
    wired_stop(wires, 2);
    wired_run(wires, 1000);
    if (is_ready(wires, 0)) fail_msg("it did not try for long");
    wired_run(wires, 2000);
    if (!is_ready(wires, 0)) fail_msg("it waits for nodes that are dead");
    wires_free(wires);
}

/* Two nodes join; the one that has everything lives, but pages of it take too long. */
static void a_slow_peer_that_lives_is_waited_for(void **state) {
    (void)state;
    struct wires *wires = wires_new(3);
    wired_start(wires, 1);
    wired_run(wires, 11000); /* it goes on alone */
    if (!is_ready(wires, 1)) fail_msg("node 1 is not ready");
    touch_some(wires, 1, 0, USERS, TTL_MS);
    wires->answer_bytes_max[0][1] = wires->answer_bytes_max[2][1] = 2000;
    wired_start(wires, 0);
    wired_start(wires, 2);
    wired_meet(wires, 2, 1);
    for (int i = 0; i < 8; i++) {
        wired_run(wires, 1000);
        for (unsigned node = 0; node < 3; node += 2)
            if (is_ready(wires, node)) fail_msg("after %d s node %u answers reads, of which it knows nothing", i, node);
    }
    wires->answer_bytes_max[0][1] = wires->answer_bytes_max[2][1] = 0;
    wired_run(wires, 1500);
    if (!is_ready(wires, 0) || !wired_is_live(wires, 0, "room", "u7")) fail_msg("it is not in sync");
    wires_free(wires);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_slowly_is_not_asked_for),
        cmocka_unit_test(what_an_answer_is_ahead_of_is_not_asked_for),
        cmocka_unit_test(a_gap_costs_what_was_missed),
        cmocka_unit_test(what_changed_in_a_gap_is_not_overlooked),
        cmocka_unit_test(a_full_roll_relays_nothing_of_nodes_that_live),
        cmocka_unit_test(room_is_used_soon),
        cmocka_unit_test(the_dead_are_not_waited_for),
        cmocka_unit_test(a_slow_peer_that_lives_is_waited_for),
    };
    return cmocka_run_group_tests_name("cluster.repair", tests, NULL, NULL);
}
