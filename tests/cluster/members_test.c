/* The version vector and the table of peers. */
#include "cluster/peers.h"
#include "cluster/vector.h"
#include "support/heap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>

#include <cmocka.h>

enum { CROWDED = 50, FORGET_MS = 20000 };

static bool is_seven(const void *context, uint64_t origin) {
    (void)context;
    return origin == 7;
}

static bool is_anyone(const void *context, uint64_t origin) {
    (void)context;
    (void)origin;
    return true;
}

static struct roll *roll_of_test(void) {
    struct roll_config config = {.origin = 1,
                                 .retention_ms = 3600000,
                                 .members_max = 1000,
                                 .bytes_max = 1 << 20,
                                 .log_slots = 16,
                                 .allocator = heap_plain()};
    struct roll *roll = roll_new(&config);
    if (roll == NULL) fail_msg("no memory");
    return roll;
}

static struct vector *vector_of_test(void) {
    struct vector *vector = calloc(1, sizeof *vector);
    if (vector == NULL) fail_msg("no memory");
    return vector;
}

static void a_vector_only_rises(void **state) {
    (void)state;
    struct vector *vector = vector_of_test();
    vector_raise(vector, 9, 5);
    vector_raise(vector, 7, 3);
    vector_raise(vector, 9, 4);
    if (vector_sequence(vector, 9) != 5 || vector_sequence(vector, 7) != 3 || vector_sequence(vector, 8) != 0)
        fail_msg("it says 9: %d, 7: %d, 8: %d", (int)vector_sequence(vector, 9), (int)vector_sequence(vector, 7),
                 (int)vector_sequence(vector, 8));
    struct known known[4];
    size_t n = vector_list(vector, false, 0, known, 4);
    if (n != 2 || known[0].origin != 7 || known[1].origin != 9) fail_msg("it lists %zu, or not in order", n);
    free(vector);
}

static void what_is_held_is_held_until_it_is_known(void **state) {
    (void)state;
    struct vector *vector = vector_of_test();
    vector_raise(vector, 9, 5);
    vector_note_unconfirmed(vector, 9, 5);
    if (vector_has_unconfirmed(vector)) fail_msg("what is known is held");
    vector_note_unconfirmed(vector, 9, 8);
    if (!vector_has_unconfirmed(vector)) fail_msg("what is beyond is not held");
    struct known known[4];
    vector_note_unconfirmed(vector, 8, 1);
    if (vector_list(vector, false, 0, known, 4) != 1) fail_msg("what is only held is told as known");
    vector_raise(vector, 9, 7);
    if (!vector_has_unconfirmed(vector)) fail_msg("part of it is still beyond");
    vector_raise(vector, 9, 8);
    vector_raise(vector, 8, 1);
    if (vector_has_unconfirmed(vector)) fail_msg("it is known by now");
    free(vector);
}

static void an_idle_origin_is_not_offered_and_then_forgotten(void **state) {
    (void)state;
    struct vector *vector = vector_of_test();
    struct roll *roll = roll_of_test();
    struct known known[4];
    vector_raise(vector, 7, 3);
    vector_raise(vector, 9, 5);
    if (vector_list(vector, true, 0, known, 4) != 2) fail_msg("a new one is not offered");
    vector_age(vector, roll, 100, FORGET_MS, CROWDED, is_seven, NULL);
    if (vector_list(vector, true, 0, known, 4) != 1 || known[0].origin != 7) fail_msg("an idle one is offered");
    if (vector_list(vector, false, 0, known, 4) != 2) fail_msg("an idle one is not known any more");
    vector_raise(vector, 9, 6);
    if (vector_list(vector, true, 0, known, 4) != 2) fail_msg("one that goes on is not offered");
    vector_age(vector, roll, 100, FORGET_MS, CROWDED, is_seven, NULL);
    vector_age(vector, roll, 100 + FORGET_MS, FORGET_MS, CROWDED, is_seven, NULL);
    if (vector_sequence(vector, 9) != 6) fail_msg("it is forgotten too early");
    vector_age(vector, roll, 101 + FORGET_MS, FORGET_MS, CROWDED, is_seven, NULL);
    if (vector_sequence(vector, 9) != 0 || vector_sequence(vector, 7) != 3) fail_msg("the wrong one is forgotten");
    roll_free(roll);
    free(vector);
}

static void a_crowded_vector_forgets_the_idle_soon(void **state) {
    (void)state;
    struct vector *vector = vector_of_test();
    struct roll *roll = roll_of_test();
    for (uint64_t i = 1; i <= CROWDED + 1; i++) vector_raise(vector, i, 1);
    vector_age(vector, roll, 100, FORGET_MS, CROWDED, is_seven, NULL);
    vector_age(vector, roll, 100 + VECTOR_CROWDED_IDLE_MS, FORGET_MS, CROWDED, is_seven, NULL);
    if (vector->count != CROWDED + 1) fail_msg("they are forgotten too early");
    vector_age(vector, roll, 101 + VECTOR_CROWDED_IDLE_MS, FORGET_MS, CROWDED, is_seven, NULL);
    if (vector->count != 1 || vector_sequence(vector, 7) != 1) fail_msg("%zu are left", vector->count);
    roll_free(roll);
    free(vector);
}

static void a_full_vector_lets_the_gone_go(void **state) {
    (void)state;
    struct vector *vector = vector_of_test();
    struct roll *roll = roll_of_test();
    for (uint64_t i = 1; i <= ROLL_ORIGINS_MAX; i++)
        if (!vector_raise(vector, i, i)) fail_msg("origin %d is refused", (int)i);
    vector_age(vector, roll, 1, FORGET_MS, ROLL_ORIGINS_MAX, is_anyone, NULL);
    if (vector_raise(vector, 5000, 1)) fail_msg("there is room though none is gone");
    vector_age(vector, roll, 1, FORGET_MS, ROLL_ORIGINS_MAX, is_seven, NULL);
    if (!vector_raise(vector, 5000, 1) || vector_sequence(vector, 5000) != 1) fail_msg("there is no room");
    if (vector_sequence(vector, 7) != 7) fail_msg("a peer made room");
    if (vector->count != ROLL_ORIGINS_MAX) fail_msg("there are %zu", vector->count);
    for (size_t i = 1; i < vector->count; i++)
        if (vector->entries[i - 1].origin >= vector->entries[i].origin) fail_msg("the order is lost");
    roll_free(roll);
    free(vector);
}

static void silence_makes_a_peer_suspect_then_down(void **state) {
    (void)state;
    struct peers peers = {.allocator = heap_plain()};
    struct peer *peer = peers_obtain(&peers, text_of("tcp://a:7704"), 1000);
    if (peer == NULL || peer->life.state != PEER_JOINING) fail_msg("a new peer is not joining");
    peer_admit(peer, 7, 1, 1000, 1000);
    if (peer->life.state != PEER_ALIVE) fail_msg("one that answered is not alive");
    peer_age(peer, 1000 + REPLICA_SUSPECT_MS - 1);
    if (peer->life.state != PEER_ALIVE) fail_msg("it is suspect too early");
    peer_age(peer, 1000 + REPLICA_SUSPECT_MS);
    if (peer->life.state != PEER_SUSPECT) fail_msg("it is not suspect");
    peer_age(peer, 1000 + REPLICA_DOWN_MS);
    if (peer->life.state != PEER_DOWN) fail_msg("it is not down");
    peer_hear(peer, 20000);
    if (peer->life.state != PEER_ALIVE) fail_msg("it is not back");
    peer_become(peer, PEER_LEFT);
    peer_hear(peer, 20001);
    peer_age(peer, 90000);
    if (peer->life.state != PEER_LEFT) fail_msg("one that left is something else");
    peer_admit(peer, 8, 1, 90000, 90000);
    if (peer->life.state != PEER_ALIVE || peer->id.origin != 8) fail_msg("a new incarnation is not alive");
    peers_free(&peers);
}

static void lateness_is_what_a_message_took_beyond_the_fastest(void **state) {
    (void)state;
    struct peers peers = {.allocator = heap_plain()};
    struct peer *peer = peers_obtain(&peers, text_of("tcp://a:7704"), 0);
    /* Its clock is ahead, so that "arrival - sent" is negative. */
    peer_admit(peer, 7, 1, 5000000, 1000);
    struct {
        uint64_t sent_ms, now_ms, late_ms;
    } steps[] = {
        {5000100, 1100, 0}, {5000200, 1230, 30}, {5000300, 1295, 0}, {5000400, 1400, 5}, {5000500, 31495, 30000},
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        uint64_t late_ms = peer_late_ms(peer, steps[i].sent_ms, steps[i].now_ms);
        /* The least creeps up by a thousandth of what passes. */
        if (late_ms > steps[i].late_ms || late_ms + 31 < steps[i].late_ms)
            fail_msg("message %zu is late by %d instead of %d", i, (int)late_ms, (int)steps[i].late_ms);
    }
    /* Clocks that drift by 500 ppm for a day: nobody is late. */
    uint64_t now_ms = 40000, sent_ms = 5009000;
    peer_admit(peer, 7, 1, sent_ms, now_ms);
    for (int i = 0; i < 86400; i++) {
        now_ms += 1000 + i % 2;
        sent_ms += 1000;
        if (peer_late_ms(peer, sent_ms, now_ms) > 2) fail_msg("drift makes it late by %d", (int)peer->timing.delay_ms);
    }
    peers_free(&peers);
}

static void the_table_is_bounded(void **state) {
    (void)state;
    struct peers peers = {.allocator = heap_plain()};
    char address[40];
    for (int i = 0; i < REPLICA_PEERS_MAX; i++) {
        snprintf(address, sizeof address, "tcp://node%d:7704", i);
        if (peers_obtain(&peers, text_of(address), (uint64_t)i) == NULL) fail_msg("peer %d is refused", i);
    }
    if (peers_obtain(&peers, text_of("tcp://one-more:7704"), 0) != NULL) fail_msg("one too many is taken");
    for (size_t i = 0; i < peers.count; i++) peer_age(peers.items[i], REPLICA_DOWN_MS + 5);
    if (peers_obtain(&peers, text_of("tcp://one-more:7704"), 0) == NULL) fail_msg("nobody who is down makes room");
    if (peers_by_address(&peers, text_of("tcp://node0:7704")) != NULL) fail_msg("not the longest down made room");
    if (peers.count != REPLICA_PEERS_MAX) fail_msg("there are %zu", peers.count);
    if (peers_obtain(&peers, text_of("tcp://a\nb:7704"), 0) != NULL) fail_msg("that is no address");
    peers_free(&peers);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vector_only_rises),
        cmocka_unit_test(what_is_held_is_held_until_it_is_known),
        cmocka_unit_test(an_idle_origin_is_not_offered_and_then_forgotten),
        cmocka_unit_test(a_crowded_vector_forgets_the_idle_soon),
        cmocka_unit_test(a_full_vector_lets_the_gone_go),
        cmocka_unit_test(silence_makes_a_peer_suspect_then_down),
        cmocka_unit_test(lateness_is_what_a_message_took_beyond_the_fastest),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests_name("cluster.members", tests, NULL, NULL);
}
