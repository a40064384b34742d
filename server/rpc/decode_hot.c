#include "decode_hot.h"
#include "common/protobuf.h"

/* Field numbers of the contract (presence.proto): all below 16, so that a tag is one byte. */
enum { TOUCH_SCOPE = 1, TOUCH_TTL = 2, TOUCH_BEATS = 3 };
enum { BEAT_SCOPE = 1, BEAT_USER, BEAT_SESSION, BEAT_TTL, BEAT_STATUS, BEAT_STATE, BEAT_REFRESH };
enum { LIVE_SCOPE = 1, LIVE_USERS = 2, LIVE_SESSIONS = 3 };

/* A number that is too large for its field is left to protobuf-c, which cuts it off. */
static uint32_t read_field_number(struct pb_reader *in, uint32_t most) {
    uint64_t value = pb_read_varint(in);
    return value <= most ? (uint32_t)value : (uint32_t)pb_break(in);
}

/* protobuf-c refuses lengths of more than five bytes. */
PB_INLINE struct text read_text(struct pb_reader *in) {
    const uint8_t *begin = in->at;
    struct text text = pb_read_bytes(in);
    if (!in->is_broken && (const uint8_t *)text.data - begin > PB_LENGTH_BYTES_MAX) pb_break(in);
    return text;
}

static bool decode_beat(struct text bytes, struct beat *beat) {
    struct pb_reader in = pb_read(bytes);
    *beat = (struct beat){0};
    while (in.at < in.end) {
        switch (*in.at++) {
        case PB_TAG(BEAT_SCOPE, PB_BYTES):
            beat->scope = read_text(&in);
            break;
        case PB_TAG(BEAT_USER, PB_BYTES):
            beat->user = read_text(&in);
            break;
        case PB_TAG(BEAT_SESSION, PB_BYTES):
            beat->session = read_text(&in);
            break;
        case PB_TAG(BEAT_TTL, PB_VARINT):
            beat->ttl_ms = read_field_number(&in, UINT32_MAX);
            break;
        case PB_TAG(BEAT_STATUS, PB_VARINT):
            beat->status = (uint8_t)read_field_number(&in, STATUS_BUSY);
            break;
        case PB_TAG(BEAT_STATE, PB_BYTES):
            beat->state = read_text(&in);
            break;
        case PB_TAG(BEAT_REFRESH, PB_VARINT):
            beat->is_refresh = read_field_number(&in, 1) == 1;
            break;
        default:
            return false;
        }
    }
    return !in.is_broken;
}

bool decode_hot_touch(struct text body, struct beat *beats, size_t beats_max, struct touch_fields *out) {
    struct pb_reader in = pb_read(body);
    *out = (struct touch_fields){.beats = beats};
    while (in.at < in.end) {
        switch (*in.at++) {
        case PB_TAG(TOUCH_SCOPE, PB_BYTES):
            out->scope = read_text(&in);
            break;
        case PB_TAG(TOUCH_TTL, PB_VARINT):
            out->ttl_ms = read_field_number(&in, UINT32_MAX);
            break;
        case PB_TAG(TOUCH_BEATS, PB_BYTES):
            if (out->count == beats_max || !decode_beat(read_text(&in), &beats[out->count++])) return false;
            break;
        default:
            return false;
        }
    }
    return !in.is_broken;
}

bool decode_hot_live(struct text body, struct text *users, size_t users_max, struct live_fields *out) {
    struct pb_reader in = pb_read(body);
    *out = (struct live_fields){.users = users};
    while (in.at < in.end) {
        switch (*in.at++) {
        case PB_TAG(LIVE_SCOPE, PB_BYTES):
            out->scope = read_text(&in);
            break;
        case PB_TAG(LIVE_USERS, PB_BYTES):
            if (out->count == users_max) return false;
            users[out->count++] = read_text(&in);
            break;
        case PB_TAG(LIVE_SESSIONS, PB_VARINT):
            out->sessions = read_field_number(&in, 1) == 1;
            break;
        default:
            return false;
        }
    }
    return !in.is_broken;
}
