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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_refresh_takes_at_most_twelve_bytes)};
    return cmocka_run_group_tests_name("cluster.bytes", tests, NULL, NULL);
}
