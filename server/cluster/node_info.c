#include "node_info.h"

#include "common/utf8.h"
#include "record.h"
#include "replica.h"

enum { INTRODUCTION_NAME = 1, INTRODUCTION_REGION, INTRODUCTION_GOSSIP, INTRODUCTION_SYNC, INTRODUCTION_VERSION };

void introduction_put(struct wire_out *out, unsigned number, const struct introduction *introduction) {
    uint8_t *begun = wire_begin(out, number);
    wire_field_text(out, INTRODUCTION_NAME, introduction->name);
    wire_field_text(out, INTRODUCTION_REGION, introduction->region);
    wire_field_text(out, INTRODUCTION_GOSSIP, introduction->gossip_address);
    wire_field_text(out, INTRODUCTION_SYNC, introduction->sync_address);
    wire_field_text(out, INTRODUCTION_VERSION, introduction->version);
    wire_end(out, begun);
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

bool introduction_get(struct text bytes, struct introduction *out) {
    *out = (struct introduction){0};
    struct wire_in in = wire_in(bytes);
    struct wire_field field;
    while (wire_next(&in, &field)) {
        struct text *const texts[] = {&out->name, &out->region, &out->gossip_address, &out->sync_address,
                                      &out->version};
        if (field.number <= sizeof texts / sizeof texts[0]) *texts[field.number - 1] = field.bytes;
    }
    if (!in.is_broken && is_label(out->name, REPLICA_NAME_BYTES_MAX) && is_label(out->region, REPLICA_NAME_BYTES_MAX) &&
        is_label(out->version, REPLICA_NAME_BYTES_MAX) && is_label(out->gossip_address, REPLICA_ADDRESS_BYTES_MAX) &&
        is_label(out->sync_address, REPLICA_ADDRESS_BYTES_MAX))
        return true;
    *out = (struct introduction){0};
    return false;
}

void vector_put(struct wire_out *out, unsigned number, const struct known *vector, size_t count) {
    if (count == 0) return;
    uint8_t *begun = wire_begin(out, number);
    for (size_t i = 0; i < count; i++) wire_put_fixed64(out, vector[i].origin);
    wire_end(out, begun);
    begun = wire_begin(out, number + 1);
    for (size_t i = 0; i < count; i++) wire_put_varint(out, vector[i].sequence);
    wire_end(out, begun);
}

bool vector_get(struct text origins, struct text sequences, struct known *vector, size_t *count) {
    size_t n = origins.len / 8;
    *count = 0;
    if (origins.len % 8 != 0 || n > ROLL_ORIGINS_MAX || wire_count_varints(sequences) != n) return false;
    struct wire_in origin = wire_in(origins), sequence = wire_in(sequences);
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        vector[i] = (struct known){wire_get_fixed64(&origin), wire_get_varint(&sequence)};
        if (vector[i].origin <= before || vector[i].sequence > SEQUENCE_MAX) return false;
        before = vector[i].origin;
    }
    if (origin.is_broken || sequence.is_broken || wire_has_more(&sequence)) return false;
    *count = n;
    return true;
}
