#include "decode_hot.h"
#include "muster/limits.h"
#include "reply/wire.h"

#define TAG(field, type) ((field) << 3 | (type))

/* Field numbers of the contract (presence.proto). */
enum { CALL_TOKEN = 1, CALL_TOUCH = 2, CALL_LIVE = 4 };
enum { TOUCH_SCOPE = 1, TOUCH_TTL = 2, TOUCH_BEATS = 3 };
enum { BEAT_SCOPE = 1, BEAT_USER, BEAT_SESSION, BEAT_TTL, BEAT_STATUS, BEAT_STATE };
enum { LIVE_SCOPE = 1, LIVE_USERS = 2, LIVE_SESSIONS = 3 };

/* What is left to read. */
struct reader {
    const char *at, *end;
};

static bool read_varint(struct reader *in, uint32_t *value) {
    uint64_t read = 0;
    for (unsigned shift = 0; shift < 35; shift += 7) {
        if (in->at == in->end) return false;
        unsigned char byte = (unsigned char)*in->at++;
        read |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *value = (uint32_t)read;
            return read <= UINT32_MAX;
        }
    }
    return false;
}

static bool read_text(struct reader *in, struct text *out) {
    uint32_t len;
    if (!read_varint(in, &len) || len > (size_t)(in->end - in->at)) return false;
    *out = (struct text){in->at, len};
    in->at += len;
    return true;
}

static struct reader reader_of(struct text text) {
    return (struct reader){text.data, text.data + text.len};
}

static bool read_beat(struct text bytes, struct beat *beat) {
    struct reader in = reader_of(bytes);
    uint32_t status = STATUS_NONE;
    *beat = (struct beat){0};
    while (in.at < in.end) {
        bool is_read = false;
        switch ((unsigned char)*in.at++) {
        case TAG(BEAT_SCOPE, WIRE_LEN):
            is_read = read_text(&in, &beat->scope);
            break;
        case TAG(BEAT_USER, WIRE_LEN):
            is_read = read_text(&in, &beat->user);
            break;
        case TAG(BEAT_SESSION, WIRE_LEN):
            is_read = read_text(&in, &beat->session);
            break;
        case TAG(BEAT_TTL, WIRE_VARINT):
            is_read = read_varint(&in, &beat->ttl_ms);
            break;
        case TAG(BEAT_STATUS, WIRE_VARINT):
            is_read = read_varint(&in, &status) && status <= STATUS_BUSY;
            break;
        case TAG(BEAT_STATE, WIRE_LEN):
            is_read = read_text(&in, &beat->state);
            break;
        default:
            break;
        }
        if (!is_read) return false;
    }
    beat->status = (uint8_t)status;
    return true;
}

static bool read_touch(struct text bytes, struct arena *arena, struct touch_fields *out) {
    struct reader in = reader_of(bytes);
    struct text beat;
    *out = (struct touch_fields){.beats = arena_take(arena, MUSTER_BEATS_MAX, sizeof *out->beats)};
    if (out->beats == NULL) return false;
    while (in.at < in.end) {
        bool is_read = false;
        switch ((unsigned char)*in.at++) {
        case TAG(TOUCH_SCOPE, WIRE_LEN):
            is_read = read_text(&in, &out->scope);
            break;
        case TAG(TOUCH_TTL, WIRE_VARINT):
            is_read = read_varint(&in, &out->ttl_ms);
            break;
        case TAG(TOUCH_BEATS, WIRE_LEN):
            is_read =
                out->count < MUSTER_BEATS_MAX && read_text(&in, &beat) && read_beat(beat, &out->beats[out->count]);
            out->count++;
            break;
        default:
            break;
        }
        if (!is_read) return false;
    }
    return true;
}

static bool read_live(struct text bytes, struct arena *arena, struct live_fields *out) {
    struct reader in = reader_of(bytes);
    uint32_t sessions = 0;
    *out = (struct live_fields){.users = arena_take(arena, MUSTER_USERS_MAX, sizeof *out->users)};
    if (out->users == NULL) return false;
    while (in.at < in.end) {
        bool is_read = false;
        switch ((unsigned char)*in.at++) {
        case TAG(LIVE_SCOPE, WIRE_LEN):
            is_read = read_text(&in, &out->scope);
            break;
        case TAG(LIVE_USERS, WIRE_LEN):
            is_read = out->count < MUSTER_USERS_MAX && read_text(&in, &out->users[out->count]);
            out->count++;
            break;
        case TAG(LIVE_SESSIONS, WIRE_VARINT):
            is_read = read_varint(&in, &sessions) && sessions <= 1;
            break;
        default:
            break;
        }
        if (!is_read) return false;
    }
    out->sessions = sessions == 1;
    return true;
}

enum plain_kind plain_read(struct text request, struct arena *arena, struct touch_fields *touch,
                           struct live_fields *live) {
    struct reader in = reader_of(request);
    struct text token = {0}, body = {0};
    enum plain_kind kind = PLAIN_NOT;
    while (in.at < in.end) {
        unsigned char tag = (unsigned char)*in.at++;
        if (tag == TAG(CALL_TOKEN, WIRE_LEN)) {
            if (!read_text(&in, &token) || token.len > MUSTER_TOKEN_BYTES_MAX) return PLAIN_NOT;
            continue;
        }
        if (kind != PLAIN_NOT || !read_text(&in, &body)) return PLAIN_NOT;
        if (tag == TAG(CALL_TOUCH, WIRE_LEN)) kind = PLAIN_TOUCH;
        else if (tag == TAG(CALL_LIVE, WIRE_LEN)) kind = PLAIN_LIVE;
        else return PLAIN_NOT;
    }
    if (kind == PLAIN_TOUCH && read_touch(body, arena, touch)) return PLAIN_TOUCH;
    if (kind == PLAIN_LIVE && read_live(body, arena, live)) return PLAIN_LIVE;
    return PLAIN_NOT;
}
