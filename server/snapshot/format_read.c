/* Reading a snapshot. Every length is checked against what is left of its block, and against its cap. */
#include "common/byteorder.h"
#include "format_layout.h"

#include <assert.h>

const char *snapshot_fault_text(enum snapshot_fault fault) {
    static const char *const texts[] = {
#define X(name, text) [name] = text,
        SNAPSHOT_FAULTS(X)
#undef X
    };
    return texts[fault];
}

uint64_t snapshot_elapsed_ms(const struct snapshot_moment *then, const struct snapshot_moment *now) {
    static const uint8_t unknown[SNAPSHOT_BOOT_BYTES];
    bool is_same_run = memcmp(then->boot, now->boot, SNAPSHOT_BOOT_BYTES) == 0 &&
                       memcmp(then->boot, unknown, SNAPSHOT_BOOT_BYTES) != 0;
    if (is_same_run && now->now_ms >= then->now_ms) return now->now_ms - then->now_ms;
    return now->wall_ms > then->wall_ms ? now->wall_ms - then->wall_ms : 0;
}

/* ---- the bytes of a block -----------------------------------------------------------------------------------------
 */

/* What is left to be taken. Once something is missing or wrong, all that is taken after it is zero or empty. */
struct source {
    const uint8_t *at;
    size_t left;
    bool is_bad;
};

static const uint8_t *take(struct source *from, size_t len) {
    if (from->is_bad || len > from->left) {
        from->is_bad = true;
        return NULL;
    }
    const uint8_t *taken = from->at;
    from->at += len;
    from->left -= len;
    return taken;
}

static uint8_t take_byte(struct source *from) {
    const uint8_t *byte = take(from, 1);
    return byte == NULL ? 0 : *byte;
}

static uint64_t take_u64(struct source *from) {
    const uint8_t *bytes = take(from, 8);
    return bytes == NULL ? 0 : get_le64(bytes);
}

static uint64_t take_varint(struct source *from) {
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(from);
        if (shift == 63 && byte > 1) break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return number;
    }
    from->is_bad = true;
    return 0;
}

/* At most `most`. */
static uint64_t take_number(struct source *from, uint64_t most) {
    uint64_t number = take_varint(from);
    if (number <= most) return number;
    from->is_bad = true;
    return 0;
}

static struct text take_text(struct source *from, size_t len, size_t most) {
    const uint8_t *bytes = len == 0 || len > most ? NULL : take(from, len);
    if (bytes == NULL) {
        from->is_bad = true;
        return (struct text){0};
    }
    return (struct text){(const char *)bytes, (uint32_t)len};
}

static struct text take_id(struct source *from) {
    return take_text(from, take_byte(from), MUSTER_ID_BYTES_MAX);
}

/* ---- blocks --------------------------------------------------------------------------------------------------------
 */

enum snapshot_fault snapshot_open(struct snapshot_reader *reader, const uint8_t head[SNAPSHOT_HEAD_BYTES]) {
    reader->has_header = false;
    reader->is_ended = true; /* until the head is known to be good */
    reader->change_count = 0;
    reader->changes_before = 0;
    reader->header = (struct snapshot_header){.vector = reader->vector, .peers = reader->peers};
    snapshot_sum_begin(reader->sum);
    if (memcmp(head, snapshot_magic, sizeof snapshot_magic) != 0) return SNAPSHOT_FOREIGN;
    if (get_le32(head + sizeof snapshot_magic) > SNAPSHOT_VERSION) return SNAPSHOT_NEWER;
    if (get_le32(head + sizeof snapshot_magic) != SNAPSHOT_VERSION) return SNAPSHOT_FOREIGN;
    reader->is_ended = false;
    return SNAPSHOT_GOOD;
}

size_t snapshot_block_bytes(const uint8_t prefix[SNAPSHOT_PREFIX_BYTES]) {
    const size_t around = SNAPSHOT_PREFIX_BYTES + SNAPSHOT_SUM_BYTES;
    uint64_t payload = get_le32(prefix + 1);
    return payload > SNAPSHOT_BLOCK_BYTES_MAX - around ? 0 : around + (size_t)payload;
}

static void take_header(struct snapshot_reader *reader, struct source *from) {
    struct snapshot_header *header = &reader->header;
    header->begun.now_ms = take_u64(from);
    header->begun.wall_ms = take_u64(from);
    const uint8_t *boot = take(from, SNAPSHOT_BOOT_BYTES);
    if (boot != NULL) memcpy(header->begun.boot, boot, SNAPSHOT_BOOT_BYTES);
    header->cluster = take_u64(from);
    header->origin = take_u64(from);
    header->stamp = take_u64(from);
    header->vector_count = (size_t)take_number(from, SNAPSHOT_ORIGINS_MAX);
    for (size_t i = 0; i < header->vector_count && !from->is_bad; i++) {
        reader->vector[i].origin = take_u64(from);
        reader->vector[i].sequence = take_varint(from);
    }
    header->peer_count = (size_t)take_number(from, SNAPSHOT_PEERS_MAX);
    for (size_t i = 0; i < header->peer_count && !from->is_bad; i++) {
        struct text peer = take_text(from, take_byte(from), REPLICA_ADDRESS_BYTES_MAX);
        char *kept = reader->addresses + i * REPLICA_ADDRESS_BYTES_MAX;
        if (peer.len > 0) memcpy(kept, peer.data, peer.len);
        reader->peers[i] = (struct text){kept, peer.len};
    }
    if (header->stamp > SNAPSHOT_STAMP_MAX) from->is_bad = true;
}

static struct change take_change(struct source *from, const struct change *before) {
    static const struct change none;
    uint8_t flags = take_byte(from);
    const uint8_t not_of_reset = (uint8_t) ~(FLAG_RESET | FLAG_SAME_ORIGIN | FLAG_SAME_SCOPE);
    bool is_reset = (flags & FLAG_RESET) != 0;
    if ((flags & FLAGS_UNKNOWN) != 0 || (is_reset && (flags & not_of_reset) != 0)) from->is_bad = true;
    if (before == NULL && (flags & (FLAG_SAME_ORIGIN | FLAG_SAME_SCOPE)) != 0) from->is_bad = true;
    if (before == NULL) before = &none;

    struct change change = {.is_reset = is_reset};
    change.origin = (flags & FLAG_SAME_ORIGIN) != 0 ? before->origin : take_u64(from);
    change.stamp = take_u64(from);
    change.sequence = take_varint(from);
    change.seen_ms = take_varint(from);
    change.scope = (flags & FLAG_SAME_SCOPE) != 0 ? before->scope : take_id(from);
    if (change.origin == 0 || change.stamp == 0 || change.stamp > SNAPSHOT_STAMP_MAX) from->is_bad = true;
    if (is_reset) return change;
    change.status = (flags >> FLAG_STATUS_SHIFT) & 3;
    change.ttl_ms = (uint32_t)take_number(from, MUSTER_TTL_MAX_MS);
    change.user = take_id(from);
    if ((flags & FLAG_SESSION) != 0) change.session = take_id(from);
    if ((flags & FLAG_STATE) != 0) {
        const uint8_t *len = take(from, 2);
        change.state = take_text(from, len == NULL ? 0 : get_le16(len), MUSTER_STATE_BYTES_MAX);
    }
    return change;
}

static void take_changes(struct snapshot_reader *reader, struct source *from) {
    reader->written_ms = take_varint(from);
    size_t count = (size_t)take_number(from, SNAPSHOT_BLOCK_CHANGES_MAX);
    for (size_t i = 0; i < count && !from->is_bad; i++)
        reader->changes[i] = take_change(from, i == 0 ? NULL : &reader->changes[i - 1]);
    reader->change_count = from->is_bad ? 0 : count;
}

static void take_payload(struct snapshot_reader *reader, struct source *from) {
    reader->changes_before += reader->change_count;
    reader->change_count = 0;
    if (reader->has_header == (reader->kind == SNAPSHOT_HEADER)) from->is_bad = true;
    if (from->is_bad) return;
    switch (reader->kind) {
    case SNAPSHOT_HEADER:
        take_header(reader, from);
        reader->has_header = true;
        break;
    case SNAPSHOT_CHANGES:
        take_changes(reader, from);
        break;
    case SNAPSHOT_END:
        if (take_varint(from) != reader->changes_before) from->is_bad = true;
        reader->is_ended = true;
        break;
    default:
        from->is_bad = true;
    }
    if (from->left != 0) from->is_bad = true;
}

enum snapshot_fault snapshot_read(struct snapshot_reader *reader, const uint8_t *block, size_t len) {
    const size_t around = SNAPSHOT_PREFIX_BYTES + SNAPSHOT_SUM_BYTES;
    struct source payload = {.is_bad = true};
    bool is_whole = !reader->is_ended && len >= around && len == snapshot_block_bytes(block);
    if (is_whole) {
        snapshot_sum(reader->sum, block, len - SNAPSHOT_SUM_BYTES);
        is_whole = memcmp(reader->sum, block + len - SNAPSHOT_SUM_BYTES, SNAPSHOT_SUM_BYTES) == 0;
    }
    if (is_whole) {
        reader->kind = (enum snapshot_kind)block[0];
        payload = (struct source){block + SNAPSHOT_PREFIX_BYTES, len - around, false};
        take_payload(reader, &payload);
    }
    if (!payload.is_bad) return SNAPSHOT_GOOD;
    reader->change_count = 0;
    reader->is_ended = true;
    return SNAPSHOT_DAMAGED;
}

/* ---- merging -------------------------------------------------------------------------------------------------------
 */

/* Ages become moments on the roll's clock of now. */
static void changes_come_to(struct snapshot_reader *reader, const struct snapshot_moment *now) {
    uint64_t elapsed_ms = snapshot_elapsed_ms(&reader->header.begun, now);
    uint64_t since_ms = elapsed_ms > reader->written_ms ? elapsed_ms - reader->written_ms : 0;
    uint64_t end_ms = now->now_ms > since_ms ? now->now_ms - since_ms : 0;
    for (size_t i = 0; i < reader->change_count; i++) {
        struct change *change = &reader->changes[i];
        change->seen_ms = end_ms > change->seen_ms ? end_ms - change->seen_ms : 0;
    }
}

void snapshot_merge(struct snapshot_reader *reader, struct roll *roll, struct hlc *clock,
                    const struct snapshot_moment *now, struct snapshot_merged *merged) {
    struct refusal why;
    size_t applied, count = reader->change_count;
    changes_come_to(reader, now);
    for (size_t i = 0; i < count; i++) hlc_observe(clock, reader->changes[i].stamp, now->now_ms);
    hlc_observe(clock, reader->header.stamp, now->now_ms);
    if (roll_merge(roll, reader->changes, count, now->now_ms, NULL, &applied, &why) == MUSTER_OK) {
        merged->changes += applied;
        return;
    }
    for (size_t i = 0; i < count; i++) {
        bool is_merged = roll_merge(roll, &reader->changes[i], 1, now->now_ms, NULL, &applied, &why) == MUSTER_OK;
        merged->changes += applied;
        merged->refused += !is_merged;
    }
}
