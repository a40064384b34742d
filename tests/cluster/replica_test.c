/* Transcripts of two or three replicas. */
#include "cluster_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct cluster_fixture *three(void) {
    struct cluster_fixture *fixture = fixture_new(3);
    for (unsigned i = 0; i < 3; i++) fixture_start(fixture, i);
    fixture_run(fixture, 1500);
    return fixture;
}

static void require_live(const struct cluster_fixture *fixture, const char *user, bool is_live) {
    for (unsigned i = 0; i < fixture->count; i++)
        if (fixture->nodes[i].is_up && fixture_is_live(fixture, i, "room", user) != is_live)
            fail_msg("at node %u %s is %slive", i, user, is_live ? "not " : "");
}

static void nodes_find_each_other(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    for (unsigned a = 0; a < 3; a++) {
        if (!replica_is_ready(fixture->nodes[a].replica, fixture_now_ms(fixture, a)))
            fail_msg("node %u is not ready", a);
        for (unsigned b = 0; b < 3; b++)
            if (a != b && fixture_state(fixture, a, b) != PEER_ALIVE) fail_msg("node %u: node %u is not alive", a, b);
    }
    fixture_free(fixture);
}

static bool takes_writes(const struct cluster_fixture *fixture, unsigned node) {
    return replica_takes_writes(fixture->nodes[node].replica, fixture_now_ms(fixture, node));
}

/* A response alone is not enough: what it would acknowledge has to reach somebody. */
static void a_node_takes_writes_once_a_peer_takes_its_frames(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture->is_deaf[0][1] = true;
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1000);
    if (!takes_writes(fixture, 0)) fail_msg("node 0, whose frames are taken, takes no writes");
    if (takes_writes(fixture, 1)) fail_msg("nobody takes the frames of node 1, and it takes writes");
    if (replica_is_ready(fixture->nodes[1].replica, fixture_now_ms(fixture, 1))) fail_msg("it says that it is ready");
    fixture->is_deaf[0][1] = false;
    fixture_run(fixture, 30);
    if (!takes_writes(fixture, 1)) fail_msg("its frames are taken, and it takes no writes");
    fixture_free(fixture);
}

/* The fixture's requests to a node that is not there fail at once, as where nobody listens. */
static void a_node_waits_for_nobody_who_is_not_there(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture_start(fixture, 1);
    fixture_run(fixture, 20);
    if (!takes_writes(fixture, 1)) fail_msg("nobody listens at its peer's address, and it takes no writes");
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture_start(fixture, 0);
    fixture_run(fixture, 30);
    if (!takes_writes(fixture, 0)) fail_msg("node 0 takes no writes");
    fixture_run(fixture, 1500);
    fixture_agree(fixture);
    fixture_free(fixture);
}

/* An incarnation at a known address is subscribed to anew: what was dialled is its predecessor. */
static void a_node_that_starts_again_is_subscribed_to_anew(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_stop(fixture, 1);
    for (unsigned i = 0; i < 3; i++) fixture->nodes[i].hears[1] = false; /* its connections are broken */
    fixture_start(fixture, 1);
    fixture_run(fixture, 60);
    if (!takes_writes(fixture, 1)) fail_msg("it takes no writes");
    fixture_touch(fixture, 1, "room", "ada", 60000);
    require_live(fixture, "ada", true);
    fixture_free(fixture);
}

static void a_join_is_everywhere_at_once(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_touch(fixture, 1, "room", "ada", 60000);
    require_live(fixture, "ada", true);
    unsigned sync_requests = fixture->sync_requests;
    fixture_run(fixture, 3000);
    fixture_agree(fixture);
    if (fixture->sync_requests != sync_requests)
        fail_msg("%u sync requests for a frame that came", fixture->sync_requests - sync_requests);
    fixture_free(fixture);
}

static void a_refresh_comes_within_a_second(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_touch(fixture, 1, "room", "ada", 3000);
    for (int i = 0; i < 8; i++) {
        fixture_run(fixture, 1000);
        fixture_touch(fixture, 1, "room", "ada", 3000);
    }
    fixture_run(fixture, 1000);
    /* The first ones still tell what was news lately. */
    if (fixture_stats(fixture, 1).refreshes_out < 4) fail_msg("refreshes do not travel as handles");
    if (fixture_stats(fixture, 0).gaps > 0) fail_msg("a refresh was not understood");
    fixture_agree(fixture);
    fixture_run(fixture, 1500);
    require_live(fixture, "ada", true);
    fixture_run(fixture, 600);
    require_live(fixture, "ada", false);
    fixture_free(fixture);
}

static void a_lost_frame_is_noticed_and_asked_for(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture->is_deaf[2][1] = true;
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture->is_deaf[2][1] = false;
    if (fixture_is_live(fixture, 2, "room", "ada")) fail_msg("node 2 heard what was lost");
    fixture_run(fixture, 20);
    fixture_touch(fixture, 1, "room", "bob", 60000);
    require_live(fixture, "bob", true);
    require_live(fixture, "ada", true);
    if (fixture_stats(fixture, 2).gaps != 1) fail_msg("no gap was noticed");
    fixture_free(fixture);
}

static void a_quiet_gap_is_noticed_by_the_digest(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture->is_deaf[2][1] = true;
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture->is_deaf[2][1] = false;
    fixture_run(fixture, 1100);
    require_live(fixture, "ada", true);
    fixture_free(fixture);
}

static void the_beats_of_a_dead_node_come_from_a_third(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture->is_deaf[2][1] = true;
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture_stop(fixture, 1);
    fixture_run(fixture, 2000);
    require_live(fixture, "ada", true);
    fixture_agree(fixture);
    fixture_free(fixture);
}

/* What came after a lost frame, and nobody can tell what was lost. */
static bool is_digest(struct cluster_fixture *fixture, const struct fixture_frame *frame) {
    struct codec *codec = fixture->nodes[0].codec;
    struct received *received =
        codec_open_frame(codec, (struct text){(const char *)frame->bytes, (uint32_t)frame->len});
    if (received == NULL) fail_msg("a frame that cannot be read");
    bool has_digest = received->frame.has_digest;
    codec_release(codec, received);
    return has_digest;
}

/* Node 0 goes on writing, and node 2 gets all its frames but the digests. */
static void run_without_digests(struct cluster_fixture *fixture, uint64_t ms) {
    fixture->is_kept = true;
    for (uint64_t t = 0; t < ms; t += FIXTURE_FLUSH_MS) {
        if (t % 300 == 0) fixture_touch(fixture, 0, "room", "eve", 60000 + (uint32_t)t);
        fixture_run(fixture, FIXTURE_FLUSH_MS);
        for (size_t i = 0; i < fixture->frame_count; i++) {
            const struct fixture_frame *frame = &fixture->frames[i];
            if (frame->from != 2 && !is_digest(fixture, frame)) fixture_deliver(fixture, 2, frame);
            if (frame->from != 0) fixture_deliver(fixture, 0, frame);
        }
        fixture_forget_frames(fixture);
    }
    fixture->is_kept = false;
}

static void a_node_that_missed_digests_requests_the_whole_vector(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_run(fixture, 12000);
    fixture->is_deaf[2][1] = true;
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture_stop(fixture, 1);
    run_without_digests(fixture, 9000);
    if (!fixture_is_live(fixture, 0, "room", "ada") || !fixture_is_live(fixture, 2, "room", "eve"))
        fail_msg("frames are lost");
    if (fixture_is_live(fixture, 2, "room", "ada")) fail_msg("node 2 knows what nobody told it");
    fixture_run(fixture, 2000);
    require_live(fixture, "ada", true);
    fixture_agree(fixture);
    fixture_free(fixture);
}

static void what_lies_beyond_a_gap_is_adopted(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture->is_deaf[0][1] = fixture->is_deaf[2][1] = true;
    fixture_touch(fixture, 1, "room", "ada", 60000);
    fixture_run(fixture, 20);
    fixture->is_deaf[0][1] = false;
    fixture->is_cut[0][1] = fixture->is_cut[2][1] = true;
    fixture_touch(fixture, 1, "room", "bob", 60000);
    if (!fixture_is_live(fixture, 0, "room", "bob")) fail_msg("news beyond a gap wait");
    fixture_stop(fixture, 1);
    fixture_run(fixture, 2000);
    require_live(fixture, "ada", false);
    require_live(fixture, "bob", true);
    fixture_agree(fixture);
    fixture_free(fixture);
}

static void a_cut_heals(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_cut(fixture, 0, 2, true);
    fixture_cut(fixture, 1, 2, true);
    char user[16];
    for (int i = 0; i < 500; i++) {
        snprintf(user, sizeof user, "u%d", i);
        fixture_touch(fixture, (unsigned)i % 3, "room", user, 60000);
        fixture_run(fixture, 20);
    }
    fixture_run(fixture, 5000);
    if (fixture_state(fixture, 0, 2) != PEER_DOWN) fail_msg("a node that is silent for 15 s is not down");
    if (fixture_is_same(fixture, 0, 2)) fail_msg("the cut lets through");
    fixture_cut(fixture, 0, 2, false);
    fixture_cut(fixture, 1, 2, false);
    fixture_run(fixture, 2000);
    fixture_agree(fixture);
    if (fixture_state(fixture, 0, 2) != PEER_ALIVE) fail_msg("a node that is back is not alive");
    fixture_free(fixture);
}

static void a_log_that_is_too_short_is_walked_around(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture->log_slots = 16;
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    fixture_cut(fixture, 0, 1, true);
    char user[16];
    for (int i = 0; i < 300; i++) {
        snprintf(user, sizeof user, "u%d", i);
        fixture_touch(fixture, (unsigned)i % 2, "room", user, 60000);
        fixture_run(fixture, 10);
    }
    fixture_cut(fixture, 0, 1, false);
    fixture_run(fixture, 2000);
    fixture_agree(fixture);
    fixture_free(fixture);
}

static void a_node_that_starts_again_has_everything(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    char user[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(user, sizeof user, "u%d", i);
        fixture_touch(fixture, (unsigned)i % 3, "room", user, 60000);
    }
    fixture_run(fixture, 20);
    fixture_stop(fixture, 2);
    fixture_run(fixture, 100);
    fixture_start(fixture, 2);
    fixture_run(fixture, 300);
    if (!replica_is_ready(fixture->nodes[2].replica, fixture_now_ms(fixture, 2))) fail_msg("it is not ready");
    fixture_agree(fixture);
    fixture_run(fixture, 1500); /* until the others have subscribed anew: the shell does so by itself */
    for (unsigned i = 0; i < 2; i++)
        if (!fixture->nodes[i].hears[2]) fail_msg("node %u does not hear it", i);
    fixture_touch(fixture, 2, "room", "zoe", 60000);
    require_live(fixture, "zoe", true);
    fixture_free(fixture);
}

static void a_reset_is_everywhere(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_touch(fixture, 0, "room", "ada", 60000);
    fixture_touch(fixture, 1, "room", "bob", 60000);
    fixture_run(fixture, 100);
    /* A beat that is not flushed when the reset of another node comes. */
    fixture_cut(fixture, 0, 2, true);
    fixture_touch(fixture, 0, "room", "cleo", 60000);
    fixture_reset(fixture, 1, "room");
    require_live(fixture, "ada", false);
    require_live(fixture, "cleo", false);
    fixture_touch(fixture, 2, "room", "dan", 60000);
    fixture_cut(fixture, 0, 2, false);
    fixture_run(fixture, 2000);
    require_live(fixture, "dan", true);
    require_live(fixture, "cleo", false);
    fixture_agree(fixture);
    fixture_free(fixture);
}

static void a_late_frame_makes_nobody_look_fresh(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    fixture->is_kept = true;
    fixture_touch(fixture, 1, "room", "ada", 5000);
    fixture_run(fixture, 4000);
    for (size_t i = 0; i < fixture->frame_count; i++)
        if (fixture->frames[i].from == 1) fixture_deliver(fixture, 0, &fixture->frames[i]);
    fixture->is_kept = false;
    if (!fixture_is_live(fixture, 0, "room", "ada")) fail_msg("ada is live for another second");
    fixture_run(fixture, 1500);
    if (fixture_is_live(fixture, 0, "room", "ada")) fail_msg("a late frame made ada live for longer");
    fixture_free(fixture);
}

static void recorded_frames_are_inert(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    fixture->is_kept = true;
    fixture_touch(fixture, 1, "room", "ada", 5000);
    fixture_run(fixture, 20);
    for (size_t i = 0; i < fixture->frame_count; i++) fixture_deliver(fixture, 0, &fixture->frames[i]);
    struct replica_stats before = fixture_stats(fixture, 0);
    for (size_t i = 0; i < fixture->frame_count; i++) fixture_deliver(fixture, 0, &fixture->frames[i]);
    struct replica_stats after = fixture_stats(fixture, 0);
    if (after.dropped_replayed - before.dropped_replayed != fixture->frame_count)
        fail_msg("%zu of %zu frames were replayed", (size_t)(after.dropped_replayed - before.dropped_replayed),
                 fixture->frame_count);
    /* Of an earlier incarnation of either. */
    fixture->is_kept = false;
    fixture_run(fixture, 6000);
    fixture_stop(fixture, 1);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    before = fixture_stats(fixture, 0);
    for (size_t i = 0; i < fixture->frame_count; i++) fixture_deliver(fixture, 0, &fixture->frames[i]);
    for (size_t i = 0; i < fixture->frame_count; i++) fixture_deliver(fixture, 1, &fixture->frames[i]);
    after = fixture_stats(fixture, 0);
    if (after.dropped_unknown_origin == before.dropped_unknown_origin) fail_msg("a dead incarnation was heard");
    if (fixture_is_live(fixture, 0, "room", "ada") || fixture_is_live(fixture, 1, "room", "ada"))
        fail_msg("a recording made ada live");
    fixture_free(fixture);
}

static void garbage_and_forgeries_are_counted(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    uint8_t bytes[200];
    memset(bytes, 0xa5, sizeof bytes);
    fixture_deliver(fixture, 0, &(struct fixture_frame){1, bytes, 10});
    fixture_deliver(fixture, 0, &(struct fixture_frame){1, bytes, sizeof bytes});
    bytes[0] = 1;
    fixture_deliver(fixture, 0, &(struct fixture_frame){1, bytes, sizeof bytes});
    fixture->is_kept = true;
    fixture_touch(fixture, 1, "room", "ada", 5000);
    fixture->frames[0].bytes[40] ^= 1;
    fixture_deliver(fixture, 0, &fixture->frames[0]);
    struct replica_stats stats = fixture_stats(fixture, 0);
    if (stats.dropped_broken != 1 || stats.dropped_foreign != 2 || stats.dropped_forged != 1)
        fail_msg("broken %d, foreign %d, forged %d", (int)stats.dropped_broken, (int)stats.dropped_foreign,
                 (int)stats.dropped_forged);
    fixture_free(fixture);
}

static void a_full_roll_does_not_claim_to_know(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture->members_max = 100;
    fixture_start(fixture, 0);
    fixture->members_max = 1000;
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    char user[16];
    for (int i = 0; i < 150; i++) {
        snprintf(user, sizeof user, "u%d", i);
        fixture_touch(fixture, 1, "room", user, 20000);
    }
    fixture_run(fixture, 3000);
    struct known known[4];
    size_t n = replica_vector(fixture->nodes[0].replica, known, 4);
    for (size_t i = 0; i < n; i++)
        if (known[i].origin == fixture->nodes[1].origin && known[i].sequence >= 150) fail_msg("it claims to know all");
    struct roll_stats stats;
    roll_stats(fixture->nodes[0].roll, &stats);
    if (stats.members != 100) fail_msg("it took %d of 100", (int)stats.members);
    unsigned sync_requests = fixture->sync_requests;
    fixture_run(fixture, 10000);
    if (fixture->sync_requests - sync_requests > 10)
        fail_msg("%u sync requests in 10 s though it is full", fixture->sync_requests - sync_requests);
    fixture_free(fixture);
}

/* A digest each second is no flush that news has to keep its distance from. */
/* A record with a value that this version does not know, say: it must not be taken for known. */
static void a_record_that_is_not_taken_never_raises_the_vector(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_touch(fixture, 1, "room", "ada", 60000);
    uint64_t known = fixture_known(fixture, 0, 1);
    const struct beat wrong = {.scope = text_of("room"), .user = text_of("bob"), .ttl_ms = 60000};
    fixture_beat(fixture, 1, &wrong);
    fixture_touch(fixture, 1, "room", "eve", 600000);
    fixture_run(fixture, 1000);
    unsigned sync_requests = fixture->sync_requests;
    fixture_run(fixture, 60000);
    if (fixture_known(fixture, 0, 1) != known || fixture_known(fixture, 2, 1) != known)
        fail_msg("known up to %d and %d, not %d", (int)fixture_known(fixture, 0, 1), (int)fixture_known(fixture, 2, 1),
                 (int)known);
    if (fixture_stats(fixture, 0).dropped_records == 0) fail_msg("nobody counts it");
    if (fixture->sync_requests - sync_requests > 40)
        fail_msg("%u sync requests in a minute", fixture->sync_requests - sync_requests);
    require_live(fixture, "eve", true);
    fixture_free(fixture);
}

static void news_after_silence_goes_out_at_once(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    char user[16];
    for (int i = 0; i < 150; i++) {
        fixture_run(fixture, FIXTURE_FLUSH_MS);
        snprintf(user, sizeof user, "user-%d", i);
        fixture_touch(fixture, 0, "room", user, 60000);
        if (!fixture_is_live(fixture, 1, "room", user))
            fail_msg("%s waits for a flush, %d ms after the one before", user, FIXTURE_FLUSH_MS);
    }
    fixture_free(fixture);
}

/* What is flushed by the thread that took it is little; the rest is left to the tick. */
static void a_flush_of_news_is_small(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    struct fixture_node *node = &fixture->nodes[0];
    struct actions actions;
    fixture->is_kept = true;
    for (int i = 0; i < 3; i++) fixture_touch(fixture, 0, "room", i == 0 ? "ada" : "bob", 60000);
    uint64_t now_ms = fixture_now_ms(fixture, 0);
    if (!replica_flush_news(node->replica, now_ms, &actions) || actions.count != 0)
        fail_msg("news of %zu frames, right after a flush", actions.count);
    if (!replica_flush_news(node->replica, now_ms + FIXTURE_FLUSH_MS, &actions) || actions.count != 1)
        fail_msg("%zu frames of what had to wait", actions.count);
    actions_free(&actions);
    char user[16];
    for (int i = 0; i < 200; i++) {
        snprintf(user, sizeof user, "user-%d", i);
        fixture_touch(fixture, 0, "room", user, 60000);
    }
    if (replica_flush_news(node->replica, now_ms + 3 * FIXTURE_FLUSH_MS, &actions) || actions.count != 0)
        fail_msg("200 users were flushed by who took them");
    fixture_free(fixture);
}

static void a_node_that_leaves_has_left(void **state) {
    (void)state;
    struct cluster_fixture *fixture = three();
    fixture_leave(fixture, 2);
    fixture_stop(fixture, 2);
    fixture_run(fixture, 100);
    if (fixture_state(fixture, 0, 2) != PEER_LEFT || fixture_state(fixture, 1, 2) != PEER_LEFT)
        fail_msg("it has not left");
    fixture_free(fixture);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_find_each_other),
        cmocka_unit_test(a_node_takes_writes_once_a_peer_takes_its_frames),
        cmocka_unit_test(a_node_waits_for_nobody_who_is_not_there),
        cmocka_unit_test(a_node_that_starts_again_is_subscribed_to_anew),
        cmocka_unit_test(a_join_is_everywhere_at_once),
        cmocka_unit_test(a_refresh_comes_within_a_second),
        cmocka_unit_test(a_lost_frame_is_noticed_and_asked_for),
        cmocka_unit_test(a_quiet_gap_is_noticed_by_the_digest),
        cmocka_unit_test(the_beats_of_a_dead_node_come_from_a_third),
        cmocka_unit_test(a_node_that_missed_digests_requests_the_whole_vector),
        cmocka_unit_test(what_lies_beyond_a_gap_is_adopted),
        cmocka_unit_test(a_cut_heals),
        cmocka_unit_test(a_log_that_is_too_short_is_walked_around),
        cmocka_unit_test(a_node_that_starts_again_has_everything),
        cmocka_unit_test(a_reset_is_everywhere),
        cmocka_unit_test(a_late_frame_makes_nobody_look_fresh),
        cmocka_unit_test(recorded_frames_are_inert),
        cmocka_unit_test(garbage_and_forgeries_are_counted),
        cmocka_unit_test(a_full_roll_does_not_claim_to_know),
        cmocka_unit_test(a_record_that_is_not_taken_never_raises_the_vector),
        cmocka_unit_test(news_after_silence_goes_out_at_once),
        cmocka_unit_test(a_flush_of_news_is_small),
        cmocka_unit_test(a_node_that_leaves_has_left),
    };
    return cmocka_run_group_tests_name("cluster.replica", tests, NULL, NULL);
}
