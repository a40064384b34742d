/* Reading a snapshot. Every length is checked against what is left of its block, and against its cap. */
#include "common/byteorder.h"
#include "common/protobuf.h"
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

/* ---- the bytes of a block ------------------------------------------------------------------------------------------
 * Once something is missing or wrong the reader is broken, and all that is read after it is zero or empty. */

static uint8_t read_byte(struct pb_reader *in) {
    return in->at < in->end ? *in->at++ : (uint8_t)pb_break(in);
}

/* At most `most`. */
static uint64_t read_number(struct pb_reader *in, uint64_t most) {
    uint64_t number = pb_read_varint(in);
    return number <= most ? number : pb_break(in);
}

/* `len` bytes, 1 to `most` of them. */
static struct text read_text(struct pb_reader *in, size_t len, size_t most) {
    if (len == 0 || len > most || len > (size_t)(in->end - in->at)) {
        pb_break(in);
        return (struct text){0};
    }
    struct text text = {(const char *)in->at, (uint32_t)len};
    in->at += len;
    return text;
}

static struct text read_id(struct pb_reader *in) {
    return read_text(in, read_byte(in), MUSTER_ID_BYTES_MAX);
}

static struct text read_state(struct pb_reader *in) {
    size_t low = read_byte(in), high = read_byte(in);
    return read_text(in, low | high << 8, MUSTER_STATE_BYTES_MAX);
}

/* ---- blocks --------------------------------------------------------------------------------------------------------
 */

enum snapshot_fault snapshot_open(struct snapshot_reader *reader, const uint8_t head[SNAPSHOT_HEAD_BYTES]) {
    reader->has_header = false;
    reader->is_ended = true; /* until the head is known to be good */
    reader->change_count = 0;
    reader->changes_before = 0;
    reader->header = (struct snapshot_header){.vector = reader->vector, .peers = reader->peers};
    if (memcmp(head, snapshot_magic, sizeof snapshot_magic) != 0) return SNAPSHOT_FOREIGN;
    uint32_t version = get_le32(head + sizeof snapshot_magic);
    snapshot_sum_begin(reader->sum, version);
    if (version > SNAPSHOT_VERSION) return SNAPSHOT_NEWER;
    if (version < SNAPSHOT_VERSION_OLDEST) return SNAPSHOT_FOREIGN;
    reader->version = version;
    reader->is_ended = false;
    return SNAPSHOT_GOOD;
}

size_t snapshot_block_bytes(const uint8_t prefix[SNAPSHOT_PREFIX_BYTES]) {
    const size_t around = SNAPSHOT_PREFIX_BYTES + SNAPSHOT_SUM_BYTES;
    uint64_t payload = get_le32(prefix + 1);
    return payload > SNAPSHOT_BLOCK_BYTES_MAX - around ? 0 : around + (size_t)payload;
}

static void read_header(struct snapshot_reader *reader, struct pb_reader *in) {
    struct snapshot_header *header = &reader->header;
    header->begun.now_ms = pb_read_fixed64(in);
    header->begun.wall_ms = pb_read_fixed64(in);
    struct text boot = read_text(in, SNAPSHOT_BOOT_BYTES, SNAPSHOT_BOOT_BYTES);
    if (boot.len > 0) memcpy(header->begun.boot, boot.data, boot.len);
    header->cluster = pb_read_fixed64(in);
    header->origin = pb_read_fixed64(in);
    header->stamp = pb_read_fixed64(in);
    header->vector_count = (size_t)read_number(in, SNAPSHOT_ORIGINS_MAX);
    for (size_t i = 0; i < header->vector_count && !in->is_broken; i++) {
        reader->vector[i].origin = pb_read_fixed64(in);
        reader->vector[i].sequence = pb_read_varint(in);
    }
    header->peer_count = (size_t)read_number(in, SNAPSHOT_PEERS_MAX);
    for (size_t i = 0; i < header->peer_count && !in->is_broken; i++) {
        struct text peer = read_text(in, read_byte(in), REPLICA_ADDRESS_BYTES_MAX);
        char *kept = reader->addresses + i * REPLICA_ADDRESS_BYTES_MAX;
        if (peer.len > 0) memcpy(kept, peer.data, peer.len);
        reader->peers[i] = (struct text){kept, peer.len};
    }
    if (header->stamp > SNAPSHOT_STAMP_MAX) pb_break(in);
}

/* What a change says of a register of the user, in place of a session. */
static void read_register(struct pb_reader *in, struct change *change) {
    change->kind = read_byte(in);
    if (change->kind == REGISTER_SESSION || change->kind >= REGISTER_KINDS) {
        pb_break(in);
        change->kind = REGISTER_SESSION;
    }
    change->session = register_session(change->kind);
    if (change->kind == REGISTER_LEAVE && change->ttl_ms != 0) pb_break(in);
}

static bool flags_are_known(uint8_t flags, uint32_t version) {
    const uint8_t not_of_reset = (uint8_t) ~(FLAG_RESET | FLAG_SAME_ORIGIN | FLAG_SAME_SCOPE);
    if ((flags & FLAG_RESET) != 0 && (flags & not_of_reset) != 0) return false;
    return (flags & FLAG_REGISTER) == 0 || (version >= 2 && (flags & (FLAG_SESSION | FLAG_STATE)) == 0);
}

static struct change read_change(struct pb_reader *in, const struct change *before, uint32_t version) {
    static const struct change none;
    uint8_t flags = read_byte(in);
    bool is_reset = (flags & FLAG_RESET) != 0, is_register = (flags & FLAG_REGISTER) != 0;
    if (!flags_are_known(flags, version)) pb_break(in);
    if (before == NULL && (flags & (FLAG_SAME_ORIGIN | FLAG_SAME_SCOPE)) != 0) pb_break(in);
    if (before == NULL) before = &none;

    struct change change = {.is_reset = is_reset};
    change.origin = (flags & FLAG_SAME_ORIGIN) != 0 ? before->origin : pb_read_fixed64(in);
    change.stamp = pb_read_fixed64(in);
    change.sequence = pb_read_varint(in);
    change.seen_ms = pb_read_varint(in);
    change.scope = (flags & FLAG_SAME_SCOPE) != 0 ? before->scope : read_id(in);
    if (change.origin == 0 || change.stamp == 0 || change.stamp > SNAPSHOT_STAMP_MAX) pb_break(in);
    if (is_reset) return change;
    change.status = (flags >> FLAG_STATUS_SHIFT) & 3;
    change.ttl_ms = (uint32_t)read_number(in, is_register ? MUSTER_STATUS_TTL_MAX_MS : MUSTER_TTL_MAX_MS);
    change.user = read_id(in);
    if (is_register) read_register(in, &change);
    if ((flags & FLAG_SESSION) != 0) change.session = read_id(in);
    if ((flags & FLAG_STATE) != 0) change.state = read_state(in);
    return change;
}

static void read_changes(struct snapshot_reader *reader, struct pb_reader *in) {
    reader->written_ms = pb_read_varint(in);
    size_t count = (size_t)read_number(in, SNAPSHOT_BLOCK_CHANGES_MAX);
    for (size_t i = 0; i < count && !in->is_broken; i++)
        reader->changes[i] = read_change(in, i == 0 ? NULL : &reader->changes[i - 1], reader->version);
    reader->change_count = in->is_broken ? 0 : count;
}

static void read_payload(struct snapshot_reader *reader, struct pb_reader *in) {
    reader->changes_before += reader->change_count;
    reader->change_count = 0;
    if (reader->has_header == (reader->kind == SNAPSHOT_HEADER)) pb_break(in);
    if (in->is_broken) return;
    switch (reader->kind) {
    case SNAPSHOT_HEADER:
        read_header(reader, in);
        reader->has_header = true;
        break;
    case SNAPSHOT_CHANGES:
        read_changes(reader, in);
        break;
    case SNAPSHOT_END:
        if (pb_read_varint(in) != reader->changes_before) pb_break(in);
        reader->is_ended = true;
        break;
    default:
        pb_break(in);
    }
    if (pb_has_more(in)) pb_break(in);
}

enum snapshot_fault snapshot_read(struct snapshot_reader *reader, const uint8_t *block, size_t len) {
    const size_t around = SNAPSHOT_PREFIX_BYTES + SNAPSHOT_SUM_BYTES;
    struct pb_reader payload = {.is_broken = true};
    bool is_whole = !reader->is_ended && len >= around && len == snapshot_block_bytes(block);
    if (is_whole) {
        snapshot_sum(reader->sum, block, len - SNAPSHOT_SUM_BYTES);
        is_whole = memcmp(reader->sum, block + len - SNAPSHOT_SUM_BYTES, SNAPSHOT_SUM_BYTES) == 0;
    }
    if (is_whole) {
        reader->kind = (enum snapshot_kind)block[0];
        payload = pb_read((struct text){(const char *)block + SNAPSHOT_PREFIX_BYTES, (uint32_t)(len - around)});
        read_payload(reader, &payload);
    }
    if (!payload.is_broken) return SNAPSHOT_GOOD;
    reader->change_count = 0;
    reader->is_ended = true;
    return SNAPSHOT_DAMAGED;
}

/* ---- merging -------------------------------------------------------------------------------------------------------
 */

/* Turns ages into times on the roll's clock. */
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
