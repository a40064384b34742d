/* What a refresh costs on the wire: 10,000 users of one scope with ids of 17 bytes, a beat each 30 s, at one node. */
#include "cluster/record.h"
#include "cluster_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum { USERS = 10000, BEAT_EVERY_MS = 30000, MEASURE_MS = 60000, NNG_HEADER_BYTES = 8 };

static struct text user_of(char name[24], unsigned i) {
    snprintf(name, 24, "user-%012u", i);
    return text_of(name);
}

/* All users beat once in BEAT_EVERY_MS, evenly spread, in an order that is not that of their names. */
static void beat_for(struct cluster_fixture *fixture, uint64_t ms, uint64_t *beats) {
    char name[24];
    for (uint64_t end_ms = fixture->now_ms + ms; fixture->now_ms < end_ms; fixture_run(fixture, FIXTURE_FLUSH_MS)) {
        uint64_t until =
            fixture->now_ms % BEAT_EVERY_MS * USERS / BEAT_EVERY_MS + USERS * FIXTURE_FLUSH_MS / BEAT_EVERY_MS;
        for (uint64_t i = fixture->now_ms % BEAT_EVERY_MS * USERS / BEAT_EVERY_MS; i <= until && i < USERS; i++) {
            if (i * BEAT_EVERY_MS / USERS < fixture->now_ms % BEAT_EVERY_MS ||
                i * BEAT_EVERY_MS / USERS >= fixture->now_ms % BEAT_EVERY_MS + FIXTURE_FLUSH_MS)
                continue;
            const struct beat beat = {.scope = text_of("dashboard"),
                                      .user = user_of(name, (unsigned)(i * 7919 % USERS)),
                                      .ttl_ms = 90000,
                                      .status = STATUS_ONLINE};
            fixture_beat(fixture, 1, &beat);
            ++*beats;
        }
    }
}

/* The same refresh as a record of its own: the names, and nothing told in relation to the one before. */
static size_t record_bytes(const struct cluster_fixture *fixture) {
    char name[24];
    uint8_t memory[RECORD_BYTES_MAX];
    struct pb_writer out = pb_write_to(memory, sizeof memory);
    const uint64_t now_ms = fixture_now_ms(fixture, 1);
    const struct change change = {.scope = text_of("dashboard"),
                                  .user = user_of(name, 1),
                                  .ttl_ms = 90000,
                                  .status = STATUS_ONLINE,
                                  .seen_ms = now_ms - 500,
                                  .origin = 1,
                                  .sequence = USERS * 3,
                                  .stamp = UINT64_C(1700000000000) << HLC_COUNTER_BITS};
    record_put(&out, 7, &change, 1, now_ms);
    return pb_written(&out);
}

static void a_refresh_takes_at_most_twelve_bytes(void **state) {
    (void)state;
    struct cluster_fixture *fixture = fixture_new(2);
    fixture->log_slots = 1 << 16;
    fixture_start(fixture, 0);
    fixture_start(fixture, 1);
    fixture_run(fixture, 1500);
    uint64_t beats = 0;
    beat_for(fixture, BEAT_EVERY_MS, &beats);
    fixture_run(fixture, 1000);
    struct replica_stats before = fixture_stats(fixture, 1);
    unsigned sync_requests = fixture->sync_requests;
    beats = 0;
    beat_for(fixture, MEASURE_MS, &beats);
    struct replica_stats after = fixture_stats(fixture, 1);
    fixture_run(fixture, 2000);
    fixture_agree(fixture);
    uint64_t frames = after.frames_out - before.frames_out, refreshes = after.refreshes_out - before.refreshes_out;
    uint64_t bytes = after.bytes_out - before.bytes_out + frames * NNG_HEADER_BYTES;
    double each = (double)bytes / (double)refreshes, naive = (double)record_bytes(fixture);
    double columns = (double)(after.refresh_bytes_out - before.refresh_bytes_out) / (double)refreshes;
    printf("{\"benchmark\":\"refresh_bytes\",\"users\":%d,\"id_bytes\":17,\"beat_every_ms\":%d,\"beats\":%llu,"
           "\"frames\":%llu,\"bytes_each\":%.2f,\"columns_only\":%.2f,\"record_each\":%.2f}\n",
           USERS, BEAT_EVERY_MS, (unsigned long long)beats, (unsigned long long)frames, each, columns, naive);
    if (refreshes < beats * 98 / 100) fail_msg("%d of %d beats went out as refreshes", (int)refreshes, (int)beats);
    if (fixture->sync_requests != sync_requests)
        fail_msg("%u sync requests at steady state", fixture->sync_requests - sync_requests);
    if (each > 12) fail_msg("%.2f bytes a refresh, sealed and framed", each);
    fixture_free(fixture);
}

/* ---- idle -------------------------------------------------------------------------------------------------------- */

enum { GONE = 300, IDLE_MS = 20000 };

/* What is left of runs that are gone: a user each, whose origin every node gets to know. */
static void leave_gone_origins(struct cluster_fixture *fixture) {
    char name[24];
    for (unsigned i = 0; i < GONE; i++) {
        const uint64_t now_ms = fixture_now_ms(fixture, 0);
        const struct change change = {.scope = text_of("dashboard"),
                                      .user = user_of(name, i),
                                      .ttl_ms = 0,
                                      .seen_ms = now_ms,
                                      .origin = UINT64_C(0x9000000000000000) + i * UINT64_C(0x10000000001),
                                      .sequence = 1,
                                      .stamp = UINT64_C(1700000000000) << HLC_COUNTER_BITS};
        const struct known known = {change.origin, 1};
        struct refusal why;
        size_t applied;
        if (roll_merge(fixture->nodes[0].roll, &change, 1, now_ms, NULL, &applied, &why) != MUSTER_OK || applied != 1)
            fail_msg("it is not merged");
        replica_restore(fixture->nodes[0].replica, &known, 1);
    }
}

/* Bytes that a node of an idle cluster sends each of its peers a second. */
static double idle_bytes(unsigned nodes, bool has_gone) {
    struct cluster_fixture *fixture = fixture_new(nodes);
    for (unsigned i = 0; i < nodes; i++) fixture_start(fixture, i);
    if (has_gone) leave_gone_origins(fixture);
    fixture_run(fixture, 15000);
    for (unsigned i = 0; i < nodes; i++)
        fixture_touch(fixture, i, "room", (char[]){'a' + (char)(i % 26), 'a' + (char)(i / 26), 0}, 3600000);
    fixture_run(fixture, 10000);
    fixture_agree(fixture);
    struct replica_stats before = fixture_stats(fixture, 1);
    uint64_t responses = fixture->response_bytes;
    fixture_run(fixture, IDLE_MS);
    struct replica_stats after = fixture_stats(fixture, 1);
    uint64_t frames = after.frames_out - before.frames_out;
    double bytes = (double)(after.bytes_out - before.bytes_out + frames * NNG_HEADER_BYTES);
    bytes += (double)(fixture->response_bytes - responses) / nodes / (nodes - 1);
    fixture_free(fixture);
    return bytes * 1000 / IDLE_MS;
}

static void an_idle_pair_costs_the_same_however_many_nodes_and_old_origins_there_are(void **state) {
    (void)state;
    static const unsigned nodes[] = {3, 7, FIXTURE_NODES};
    double each[3], gone = idle_bytes(7, true);
    for (int i = 0; i < 3; i++) each[i] = idle_bytes(nodes[i], false);
    printf("{\"benchmark\":\"idle_bytes\",\"nodes_3\":%.0f,\"nodes_7\":%.0f,\"nodes_40\":%.0f,\"gone_%d\":%.0f}\n",
           each[0], each[1], each[2], GONE, gone);
    for (int i = 0; i < 3; i++)
        if (each[i] > 200) fail_msg("%.0f bytes a second a pair of %u nodes", each[i], nodes[i]);
    if (gone > 200) fail_msg("%.0f bytes a second with %d origins that are gone", gone, GONE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refresh_takes_at_most_twelve_bytes),
        cmocka_unit_test(an_idle_pair_costs_the_same_however_many_nodes_and_old_origins_there_are)};
    return cmocka_run_group_tests_name("cluster.bytes", tests, NULL, NULL);
}
