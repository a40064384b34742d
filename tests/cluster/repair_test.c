/* What is asked for, how much of it, and by whom a node that joins is waited for. */
#include "cluster_fixture.h"

#include <inttypes.h>
#include <stdio.h>

enum { USERS = 1000, BEATS_A_STEP = 5, TTL_MS = 60000 };

static struct cluster_fixture *start(unsigned count) {
    struct cluster_fixture *fixture = fixture_new(count);
    for (unsigned i = 0; i < count; i++) fixture_start(fixture, i);
    fixture_run(fixture, 3000);
    return fixture;
}

static void touch_some(struct cluster_fixture *fixture, unsigned node, unsigned first, unsigned count,
                       uint32_t ttl_ms) {
    char user[16];
    for (unsigned i = first; i < first + count; i++) {
        snprintf(user, sizeof user, "u%u", i % USERS);
        fixture_touch(fixture, node, "room", user, ttl_ms);
    }
}

/* Lets time pass while users of node 1 beat in turn, 500 a second, and another is always news: a frame each step. */
static void beat_for(struct cluster_fixture *fixture, uint64_t ms, unsigned *next) {
    for (uint64_t end_ms = fixture->now_ms + ms; fixture->now_ms < end_ms; *next += BEATS_A_STEP) {
        touch_some(fixture, 1, *next, BEATS_A_STEP, TTL_MS);
        fixture_touch(fixture, 1, "room", "restless", TTL_MS + *next / BEATS_A_STEP % 2);
        fixture_run(fixture, FIXTURE_FLUSH_MS);
    }
}

/* A node that says early what another's slow frames are about to tell. */
static void what_comes_slowly_is_not_asked_for(void **state) {
    (void)state;
    struct cluster_fixture *fixture = start(3);
    unsigned next = 0;
    fixture->delay_ms[0][1] = 700;
    beat_for(fixture, 2000, &next);
    unsigned sync_requests = fixture->sync_requests;
    beat_for(fixture, 5000, &next);
    if (fixture->sync_requests != sync_requests)
        fail_msg("%u sync requests for frames that come", fixture->sync_requests - sync_requests);
    fixture_run(fixture, 2500);
    fixture_agree(fixture);
    fixture_free(fixture);
}

/* An answer tells how far the peer is: further than its frames have come. */
static void what_an_answer_is_ahead_of_is_not_asked_for(void **state) {
    (void)state;
    struct cluster_fixture *fixture = start(2);
    unsigned next = 0;
    fixture->is_kept = true;
    fixture_run(fixture, 1000);
    fixture->is_kept = false;
    fixture_stop(fixture, 1);
    fixture_start(fixture, 1);
    fixture_run(fixture, 3000);
    fixture->delay_ms[0][1] = 200;
    beat_for(fixture, 2000, &next);
    unsigned sync_requests = fixture->sync_requests;
    uint64_t answered = fixture->response_bytes;
    /* A frame of its earlier life makes node 0 ask who is there. */
    for (size_t i = 0; i < fixture->frame_count; i++)
        if (fixture->frames[i].from == 1) fixture_deliver(fixture, 0, &fixture->frames[i]);
    beat_for(fixture, 1000, &next);
    if (fixture->sync_requests == sync_requests) fail_msg("it did not ask who is there");
    if (fixture->response_bytes - answered > 500 * (fixture->sync_requests - sync_requests))
        fail_msg("%" PRIu64 " bytes were told again", fixture->response_bytes - answered);
    fixture_free(fixture);
}

/* Frames were missed, and questions fail for a while: what came after them need not be told again. */
static void a_gap_costs_what_was_missed(void **state) {
    (void)state;
    enum { BYTES_A_RECORD = 60, BYTES_BESIDE = 4000 };
    struct cluster_fixture *fixture = start(2);
    unsigned next = 0;
    beat_for(fixture, 6000, &next);
    fixture->is_deaf[0][1] = fixture->is_cut[0][1] = true;
    beat_for(fixture, 200, &next);
    unsigned missed = 200 / FIXTURE_FLUSH_MS * (BEATS_A_STEP + 1);
    fixture->is_deaf[0][1] = false;
    beat_for(fixture, 600, &next);
    if (fixture_known(fixture, 0, 1) + missed > fixture_known(fixture, 1, 1)) fail_msg("nothing was missed");
    fixture->is_cut[0][1] = false;
    uint64_t answered = fixture->response_bytes, sequence = fixture_known(fixture, 1, 1);
    beat_for(fixture, 1500, &next);
    answered = fixture->response_bytes - answered;
    if (fixture_known(fixture, 0, 1) < sequence)
        fail_msg("%" PRIu64 " beats are still missing", sequence - fixture_known(fixture, 0, 1));
    if (answered > missed * BYTES_A_RECORD + BYTES_BESIDE)
        fail_msg("%" PRIu64 " bytes for %u beats that were missed", answered, missed);
    fixture_run(fixture, 1500);
    fixture_agree(fixture);
    fixture_free(fixture);
}

/* A change of state in what was missed, and refreshes after it. */
static void what_changed_in_a_gap_is_not_overlooked(void **state) {
    (void)state;
    struct cluster_fixture *fixture = start(2);
    struct beat beat = {.scope = text_of("room"), .user = text_of("ada"), .ttl_ms = TTL_MS, .status = STATUS_ONLINE};
    fixture_beat(fixture, 1, &beat);
    fixture_run(fixture, 6000);
    fixture->is_deaf[0][1] = fixture->is_cut[0][1] = true;
    beat.status = STATUS_BUSY;
    fixture_beat(fixture, 1, &beat);
    for (int i = 0; i < 10; i++) {
        fixture_run(fixture, 900); /* longer than news stays news */
        fixture->is_deaf[0][1] = i < 5;
        fixture_beat(fixture, 1, &beat);
    }
    fixture_run(fixture, REPLICA_REFRESH_WAIT_MS + FIXTURE_FLUSH_MS); /* the last one has been told, too */
    fixture->is_cut[0][1] = false;
    fixture_run(fixture, 2000);
    fixture_agree(fixture);
    struct user_view view;
    roll_live(fixture->nodes[0].roll, beat.scope, &beat.user, 1, fixture_now_ms(fixture, 0), &view);
    if (view.status != STATUS_BUSY) fail_msg("the status is %d", view.status);
    fixture_free(fixture);
}

/* ---- full rolls ------------------------------------------------------------------------------------------------ */

enum { FULL = 100, MANY = 150, GONE = 80 };

/* Node 1 has room for all its users, the others have not. */
static struct cluster_fixture *start_full(void) {
    struct cluster_fixture *fixture = fixture_new(3);
    for (unsigned i = 0; i < 3; i++) {
        fixture->members_max = i == 1 ? USERS : FULL;
        fixture_start(fixture, i);
    }
    fixture_run(fixture, 3000);
    for (unsigned i = 0; i < MANY; i++) {
        touch_some(fixture, 1, i, 1, 10 * TTL_MS);
        fixture_run(fixture, FIXTURE_FLUSH_MS);
    }
    return fixture;
}

static uint64_t live_at(const struct cluster_fixture *fixture, unsigned node) {
    struct roll_stats stats;
    roll_stats(fixture->nodes[node].roll, &stats);
    return stats.members_live;
}

static void a_full_roll_adopts_nothing_of_nodes_that_live(void **state) {
    (void)state;
    struct cluster_fixture *fixture = start_full();
    for (int i = 0; i < 60; i++) {
        touch_some(fixture, 1, 0, MANY, 10 * TTL_MS);
        fixture_run(fixture, 500);
    }
    if (live_at(fixture, 0) != FULL || live_at(fixture, 2) != FULL) fail_msg("the others are not full");
    for (unsigned i = 0; i < 3; i++)
        if (fixture_stats(fixture, i).adopted > 0)
            fail_msg("node %u adopted %" PRIu64, i, fixture_stats(fixture, i).adopted);
    fixture_free(fixture);
}

static void room_is_used_soon(void **state) {
    (void)state;
    struct cluster_fixture *fixture = start_full();
    fixture_run(fixture, 70000); /* by now it sync_requests each half minute */
    unsigned sync_requests = fixture->sync_requests;
    for (int i = 0; i < 350 && fixture->sync_requests == sync_requests; i++) fixture_run(fixture, 100);
    sync_requests = fixture->sync_requests;
    fixture_run(fixture, 5000);
    if (fixture->sync_requests - sync_requests > 2)
        fail_msg("%u sync requests in 5 s though nothing changed", fixture->sync_requests - sync_requests);
    touch_some(fixture, 1, 0, GONE, 0);
    fixture_run(fixture, 3000);
    if (live_at(fixture, 1) != MANY - GONE) fail_msg("%" PRIu64 " are live", live_at(fixture, 1));
    for (unsigned i = 0; i < 3; i += 2)
        if (live_at(fixture, i) != MANY - GONE) fail_msg("node %u has %" PRIu64, i, live_at(fixture, i));
    fixture_free(fixture);
}

/* ---- joining --------------------------------------------------------------------------------------------------- */

enum { NOBODY = 9 };

static bool is_ready(const struct cluster_fixture *fixture, unsigned node) {
    return replica_is_ready(fixture->nodes[node].replica, fixture_now_ms(fixture, node));
}

/* One that never answers, and one that answered once. */
static void the_dead_are_not_waited_for(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(3);
    fixture_start(fixture, 1);
    fixture_start(fixture, 2);
    fixture_start(fixture, 0);
    fixture_add_peer(fixture, 0, NOBODY);
    fixture_add_peer(fixture, 0, 2);
    if (fixture_stats(fixture, 0).pages != 2) fail_msg("%d answers, not 2", (int)fixture_stats(fixture, 0).pages);
    fixture_stop(fixture, 2);
    fixture_run(fixture, 1000);
    if (is_ready(fixture, 0)) fail_msg("it did not try for long");
    fixture_run(fixture, 2000);
    if (!is_ready(fixture, 0)) fail_msg("it waits for nodes that are dead");
    fixture_free(fixture);
}

/* Two nodes join; the one that has everything lives, but pages of it take too long. */
static void a_slow_peer_that_lives_is_waited_for(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(3);
    fixture_start(fixture, 1);
    fixture_run(fixture, 11000); /* it goes on alone */
    if (!is_ready(fixture, 1)) fail_msg("node 1 is not ready");
    touch_some(fixture, 1, 0, USERS, TTL_MS);
    fixture->response_bytes_max[0][1] = fixture->response_bytes_max[2][1] = 2000;
    fixture_start(fixture, 0);
    fixture_start(fixture, 2);
    fixture_add_peer(fixture, 2, 1);
    for (int i = 0; i < 8; i++) {
        fixture_run(fixture, 1000);
        for (unsigned node = 0; node < 3; node += 2)
            if (is_ready(fixture, node))
                fail_msg("after %d s node %u answers reads, of which it knows nothing", i, node);
    }
    fixture->response_bytes_max[0][1] = fixture->response_bytes_max[2][1] = 0;
    fixture_run(fixture, 1500);
    if (!is_ready(fixture, 0) || !fixture_is_live(fixture, 0, "room", "u7")) fail_msg("it is not in sync");
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_slowly_is_not_asked_for),
        cmocka_unit_test(what_an_answer_is_ahead_of_is_not_asked_for),
        cmocka_unit_test(a_gap_costs_what_was_missed),
        cmocka_unit_test(what_changed_in_a_gap_is_not_overlooked),
        cmocka_unit_test(a_full_roll_adopts_nothing_of_nodes_that_live),
        cmocka_unit_test(room_is_used_soon),
        cmocka_unit_test(the_dead_are_not_waited_for),
        cmocka_unit_test(a_slow_peer_that_lives_is_waited_for),
    };
    return cmocka_run_group_tests_name("cluster.repair", tests, NULL, NULL);
}
