/* The reader of snapshots: any bytes are read or refused, and what is read can be merged.
 *
 * Checksums would keep the fuzzer out, so it writes payloads, and they are put in: an input is a sequence of (kind,
 * length in two bytes, payload). Every input is read once more as it is, head and all. */
#include "fuzz.h"
#include "snapshot/format_layout.h"

#include <string.h>

#define BASE_MS (UINT64_C(1) << 40)

static struct snapshot_reader reader;

static void *take(void *context, size_t bytes) {
    (void)context;
    void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (memory != NULL) memset(memory, 0, bytes);
    return memory;
}

static void give(void *context, void *memory, size_t bytes) {
    (void)context;
    (void)bytes;
    free(memory);
}

static struct roll *make_roll(void) {
    const struct roll_config config = {.origin = 9,
                                       .retention_ms = 3600000,
                                       .members_max = 1000,
                                       .bytes_max = 1 << 20,
                                       .log_slots = 16,
                                       .allocator = {take, give, NULL}};
    return roll_new(&config);
}

/* What was read keeps to its caps. */
static void look(void) {
    const struct snapshot_header *header = &reader.header;
    hold(header->vector_count <= SNAPSHOT_ORIGINS_MAX && header->peer_count <= SNAPSHOT_PEERS_MAX);
    for (size_t i = 0; i < header->peer_count; i++)
        hold(header->peers[i].len >= 1 && header->peers[i].len <= REPLICA_ADDRESS_BYTES_MAX);
    hold(reader.change_count <= SNAPSHOT_BLOCK_CHANGES_MAX);
    for (size_t i = 0; i < reader.change_count; i++) {
        const struct change *change = &reader.changes[i];
        hold(change->scope.len >= 1 && change->scope.len <= MUSTER_ID_BYTES_MAX);
        hold(change->is_reset || (change->user.len >= 1 && change->user.len <= MUSTER_ID_BYTES_MAX));
        hold(change->session.len <= MUSTER_ID_BYTES_MAX && change->state.len <= MUSTER_STATE_BYTES_MAX);
        hold(change->stamp >= 1 && change->stamp <= SNAPSHOT_STAMP_MAX);
        hold(change->ttl_ms <= (change->kind == REGISTER_STATUS ? MUSTER_STATUS_TTL_MAX_MS : MUSTER_TTL_MAX_MS));
        hold(change->kind == REGISTER_SESSION || text_equal(change->session, register_session(change->kind)));
        hold(change->kind < REGISTER_KINDS && (change->kind != REGISTER_LEAVE || change->ttl_ms == 0));
    }
}

static bool read_block(const uint8_t *block, size_t len, struct roll *roll, struct hlc *clock) {
    const struct snapshot_moment now = {.now_ms = BASE_MS, .wall_ms = 1700000000000};
    struct snapshot_merged merged = {0};
    bool is_good = snapshot_read(&reader, block, len) == SNAPSHOT_GOOD;
    if (!is_good) hold(reader.change_count == 0);
    if (is_good) look();
    if (is_good) snapshot_merge(&reader, roll, clock, &now, &merged);
    return is_good;
}

static void read_payloads(const uint8_t *data, size_t size, struct roll *roll, struct hlc *clock) {
    static uint8_t block[SNAPSHOT_PREFIX_BYTES + UINT16_MAX + SNAPSHOT_SUM_BYTES];
    uint8_t head[SNAPSHOT_HEAD_BYTES] = {0}, sum[SNAPSHOT_SUM_BYTES];
    memcpy(head, snapshot_magic, sizeof snapshot_magic);
    head[sizeof snapshot_magic] = SNAPSHOT_VERSION;
    hold(snapshot_open(&reader, head) == SNAPSHOT_GOOD);
    snapshot_sum_begin(sum, SNAPSHOT_VERSION);
    while (size >= 3) {
        size_t len = data[1] | (size_t)data[2] << 8;
        if (len > size - 3) len = size - 3;
        memset(block, 0, SNAPSHOT_PREFIX_BYTES);
        block[0] = data[0];
        block[1] = (uint8_t)len;
        block[2] = (uint8_t)(len >> 8);
        memcpy(block + SNAPSHOT_PREFIX_BYTES, data + 3, len);
        snapshot_sum(sum, block, SNAPSHOT_PREFIX_BYTES + len);
        memcpy(block + SNAPSHOT_PREFIX_BYTES + len, sum, SNAPSHOT_SUM_BYTES);
        if (!read_block(block, SNAPSHOT_PREFIX_BYTES + len + SNAPSHOT_SUM_BYTES, roll, clock)) return;
        data += 3 + len;
        size -= 3 + len;
    }
}

static void read_as_it_is(const uint8_t *data, size_t size, struct roll *roll, struct hlc *clock) {
    if (size < SNAPSHOT_HEAD_BYTES || snapshot_open(&reader, data) != SNAPSHOT_GOOD) return;
    data += SNAPSHOT_HEAD_BYTES;
    size -= SNAPSHOT_HEAD_BYTES;
    while (size >= SNAPSHOT_PREFIX_BYTES) {
        size_t len = snapshot_block_bytes(data);
        hold(len <= SNAPSHOT_BLOCK_BYTES_MAX);
        if (len == 0 || len > size) len = size;
        if (!read_block(data, len, roll, clock)) return;
        data += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct roll *roll = make_roll();
    struct hlc clock = hlc_start(1700000000000, BASE_MS);
    if (roll == NULL) return 0;
    read_payloads(data, size, roll, &clock);
    read_as_it_is(data, size, roll, &clock);
    uint64_t last = clock.last;
    hold(hlc_next(&clock, BASE_MS) > last);
    roll_tick(roll, BASE_MS + 1000, 10000, NULL);
    roll_free(roll);
    return 0;
}
