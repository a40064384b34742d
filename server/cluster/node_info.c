#include "node_info.h"

#include "common/utf8.h"
#include "record.h"
#include "replica_limits.h"

enum { NODE_INFO_NAME = 1, NODE_INFO_REGION, NODE_INFO_GOSSIP, NODE_INFO_SYNC, NODE_INFO_VERSION };

void node_info_put(struct pb_writer *out, unsigned number, const struct node_info *node_info) {
    uint8_t *begun = pb_begin(out, number);
    pb_write_text(out, NODE_INFO_NAME, node_info->name);
    pb_write_text(out, NODE_INFO_REGION, node_info->region);
    pb_write_text(out, NODE_INFO_GOSSIP, node_info->gossip_address);
    pb_write_text(out, NODE_INFO_SYNC, node_info->sync_address);
    pb_write_text(out, NODE_INFO_VERSION, node_info->version);
    pb_end(out, begun);
}

static bool is_label(struct text text, uint32_t most) {
    uint32_t at;
    if (text.len > most || utf8_check(text, &at) != UTF8_GOOD) return false;
    for (uint32_t i = 0; i < text.len; i++)
        if ((uint8_t)text.data[i] < 0x20 || text.data[i] == 0x7f) return false;
    return true;
}

bool is_address(struct text text) {
    return text.len > 0 && is_label(text, REPLICA_ADDRESS_BYTES_MAX);
}

bool node_info_get(struct text bytes, struct node_info *out) {
    *out = (struct node_info){0};
    struct pb_reader in = pb_read(bytes);
    struct pb_field field;
    while (pb_next(&in, &field)) {
        struct text *const texts[] = {&out->name, &out->region, &out->gossip_address, &out->sync_address,
                                      &out->version};
        if (field.number <= sizeof texts / sizeof texts[0]) *texts[field.number - 1] = field.bytes;
    }
    if (!in.is_broken && is_label(out->name, REPLICA_NAME_BYTES_MAX) && is_label(out->region, REPLICA_NAME_BYTES_MAX) &&
        is_label(out->version, REPLICA_NAME_BYTES_MAX) && is_label(out->gossip_address, REPLICA_ADDRESS_BYTES_MAX) &&
        is_label(out->sync_address, REPLICA_ADDRESS_BYTES_MAX))
        return true;
    *out = (struct node_info){0};
    return false;
}

void vector_put(struct pb_writer *out, unsigned number, const struct known *vector, size_t count) {
    if (count == 0) return;
    uint8_t *begun = pb_begin(out, number);
    for (size_t i = 0; i < count; i++) pb_append_fixed64(out, vector[i].origin);
    pb_end(out, begun);
    begun = pb_begin(out, number + 1);
    for (size_t i = 0; i < count; i++) pb_append_varint(out, vector[i].sequence);
    pb_end(out, begun);
}

bool vector_get(struct text origins, struct text sequences, struct known *vector, size_t *count) {
    size_t n = origins.len / 8;
    *count = 0;
    if (origins.len % 8 != 0 || n > ROLL_ORIGINS_MAX || pb_count_varints(sequences) != n) return false;
    struct pb_reader origin = pb_read(origins), sequence = pb_read(sequences);
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        vector[i] = (struct known){pb_read_fixed64(&origin), pb_read_varint(&sequence)};
        if (vector[i].origin <= before || vector[i].sequence > SEQUENCE_MAX) return false;
        before = vector[i].origin;
    }
    if (origin.is_broken || sequence.is_broken || pb_has_more(&sequence)) return false;
    *count = n;
    return true;
}
