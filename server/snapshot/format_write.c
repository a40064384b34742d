/* Writing a snapshot. */
#include "common/byteorder.h"
#include "common/protobuf.h"
#include "format_layout.h"

#include <assert.h>

static uint8_t *put_u64(uint8_t *out, uint64_t value) {
    put_le64(out, value);
    return out + 8;
}

static uint8_t *put_bytes(uint8_t *out, const void *data, size_t len) {
    if (len > 0) memcpy(out, data, len);
    return out + len;
}

/* An id, of at most 255 bytes. */
static uint8_t *put_id(uint8_t *out, struct text id) {
    *out++ = (uint8_t)id.len;
    return put_bytes(out, id.data, id.len);
}

/* Where a block's payload begins, and its whole length once it ends. */
static uint8_t *block_begin(uint8_t *block, enum snapshot_kind kind) {
    block[0] = (uint8_t)kind;
    return block + SNAPSHOT_PREFIX_BYTES;
}

static size_t block_end(uint8_t *block, const uint8_t *end) {
    size_t payload = (size_t)(end - block) - SNAPSHOT_PREFIX_BYTES;
    put_le32(block + 1, (uint32_t)payload);
    return SNAPSHOT_PREFIX_BYTES + payload + SNAPSHOT_SUM_BYTES;
}

void snapshot_seal(struct snapshot_writer *writer, uint8_t *block, size_t len) {
    snapshot_sum(writer->sum, block, len - SNAPSHOT_SUM_BYTES);
    memcpy(block + len - SNAPSHOT_SUM_BYTES, writer->sum, SNAPSHOT_SUM_BYTES);
}

uint64_t snapshot_cluster(const uint8_t hash_key[16]) {
    static const char what[] = "the cluster of a muster snapshot";
    uint8_t digest[16]; /* the least that libsodium makes */
    uint64_t cluster;
    crypto_generichash(digest, sizeof digest, (const uint8_t *)what, sizeof what - 1, hash_key, 16);
    memcpy(&cluster, digest, sizeof cluster);
    return cluster == 0 ? 1 : cluster;
}

size_t snapshot_begin(struct snapshot_writer *writer, const struct snapshot_header *header, uint8_t *out) {
    assert(header->vector_count <= SNAPSHOT_ORIGINS_MAX);
    assert(header->peer_count <= SNAPSHOT_PEERS_MAX);
    *writer = (struct snapshot_writer){.begun_ms = header->begun.now_ms};
    memcpy(out, snapshot_magic, sizeof snapshot_magic);
    put_le32(out + sizeof snapshot_magic, SNAPSHOT_VERSION);
    snapshot_sum_begin(writer->sum, SNAPSHOT_VERSION);

    uint8_t *block = out + SNAPSHOT_HEAD_BYTES;
    uint8_t *at = block_begin(block, SNAPSHOT_HEADER);
    at = put_u64(at, header->begun.now_ms);
    at = put_u64(at, header->begun.wall_ms);
    at = put_bytes(at, header->begun.boot, SNAPSHOT_BOOT_BYTES);
    at = put_u64(at, header->cluster);
    at = put_u64(at, header->origin);
    at = put_u64(at, header->stamp);
    at = pb_put_varint(at, header->vector_count);
    for (size_t i = 0; i < header->vector_count; i++) {
        at = put_u64(at, header->vector[i].origin);
        at = pb_put_varint(at, header->vector[i].sequence);
    }
    at = pb_put_varint(at, header->peer_count);
    for (size_t i = 0; i < header->peer_count; i++) {
        assert(header->peers[i].len >= 1 && header->peers[i].len <= REPLICA_ADDRESS_BYTES_MAX);
        at = put_id(at, header->peers[i]);
    }
    size_t len = block_end(block, at);
    snapshot_seal(writer, block, len);
    return SNAPSHOT_HEAD_BYTES + len;
}

/* before: the change before it in its block, NULL for the first. */
static uint8_t *put_change(uint8_t *at, const struct change *change, const struct change *before, uint64_t now_ms) {
    uint8_t *flags = at++;
    *flags = (uint8_t)((change->status & 3) << FLAG_STATUS_SHIFT);
    if (before != NULL && before->origin == change->origin) *flags |= FLAG_SAME_ORIGIN;
    else at = put_u64(at, change->origin);
    at = put_u64(at, change->stamp);
    at = pb_put_varint(at, change->sequence);
    at = pb_put_varint(at, now_ms > change->seen_ms ? now_ms - change->seen_ms : 0);
    if (before != NULL && text_equal(before->scope, change->scope)) *flags |= FLAG_SAME_SCOPE;
    else at = put_id(at, change->scope);
    if (change->is_reset) {
        *flags = (uint8_t)((*flags & (FLAG_SAME_ORIGIN | FLAG_SAME_SCOPE)) | FLAG_RESET);
        return at;
    }
    at = pb_put_varint(at, change->ttl_ms);
    at = put_id(at, change->user);
    if (change->kind != REGISTER_SESSION) {
        *flags |= FLAG_REGISTER;
        *at++ = change->kind;
        return at;
    }
    if (change->session.len > 0) {
        *flags |= FLAG_SESSION;
        at = put_id(at, change->session);
    }
    if (change->state.len > 0) {
        *flags |= FLAG_STATE;
        *at++ = (uint8_t)change->state.len;
        *at++ = (uint8_t)(change->state.len >> 8);
        at = put_bytes(at, change->state.data, change->state.len);
    }
    return at;
}

bool snapshot_next(struct snapshot_writer *writer, const struct roll *roll, uint64_t now_ms, uint8_t *out,
                   size_t *len) {
    *len = 0;
    if (writer->is_ended) return false;
    if (writer->is_walked) {
        writer->is_ended = true;
        *len = block_end(out, pb_put_varint(block_begin(out, SNAPSHOT_END), writer->changes));
        return true;
    }
    size_t count = roll_walk(roll, &writer->cursor, NULL, 0, SNAPSHOT_BLOCK_CHANGES_MAX, SNAPSHOT_LOOKS,
                             &writer->is_walked, writer->slice);
    if (count == 0) return true;
    uint8_t *at = block_begin(out, SNAPSHOT_CHANGES);
    at = pb_put_varint(at, now_ms > writer->begun_ms ? now_ms - writer->begun_ms : 0);
    at = pb_put_varint(at, count);
    for (size_t i = 0; i < count; i++)
        at = put_change(at, &writer->slice[i], i == 0 ? NULL : &writer->slice[i - 1], now_ms);
    writer->changes += count;
    *len = block_end(out, at);
    return true;
}
