#include "sp_side.h"

#include <assert.h>
#include <string.h>

enum sp_phase { SP_PHASE_GREETING, SP_PHASE_MESSAGES };

void sp_opened(const struct sp_side *side, struct stream *stream) {
    uint8_t greeting[SP_GREETING_BYTES];
    sp_greeting_write(side->own, greeting);
    stream_send(stream, (struct text){(char *)greeting, sizeof greeting}, (struct text){0});
}

bool sp_is_greeted(struct stream *stream) {
    return *stream_phase(stream) == SP_PHASE_MESSAGES;
}

/* Whether messages may follow now. */
static bool take_greeting(const struct sp_side *side, struct stream *stream, const uint8_t *bytes, size_t len,
                          struct taken *taken) {
    switch (sp_greeting_read(bytes, len, side->other)) {
    case SP_BAD:
        stream_flush(stream); /* so that it hears whom it reached */
        stream_end(stream, STREAM_STRANGER);
        return false;
    case SP_MORE:
        taken->wanted = len + 1; /* the first wrong byte ends it */
        return false;
    case SP_WHOLE:
        break;
    }
    *stream_phase(stream) = SP_PHASE_MESSAGES;
    taken->consumed = SP_GREETING_BYTES;
    stream_consumed(stream, SP_GREETING_BYTES);
    stream_greeted(stream);
    return true;
}

void sp_end_broken(struct stream *stream) {
    stream_commit(stream);
    stream_flush(stream);
    stream_end(stream, STREAM_BROKEN);
}

struct taken sp_take(const struct sp_side *side, struct stream *stream, const uint8_t *bytes, size_t len) {
    struct taken taken = {0};
    if (*stream_phase(stream) == SP_PHASE_GREETING && !take_greeting(side, stream, bytes, len, &taken)) return taken;
    while (taken.consumed < len && stream_may_go_on(stream)) {
        struct sp_frame frame;
        size_t rest = len - taken.consumed;
        enum sp_verdict verdict =
            sp_frame_read(bytes + taken.consumed, rest, stream_is_ipc(stream), side->payload_bytes_max, &frame);
        if (verdict == SP_MORE) {
            taken.wanted = frame.total;
            break;
        }
        if (verdict == SP_BAD) {
            sp_end_broken(stream);
            break;
        }
        side->message(stream, &frame, rest);
        taken.consumed += frame.total;
        stream_consumed(stream, frame.total);
    }
    return taken;
}

struct text sp_reply_head(bool is_ipc, const uint8_t *header, size_t header_len, size_t body_len,
                          struct sp_reply_head *out) {
    assert(header_len <= SP_HEADER_BYTES_MAX);
    size_t prefix = sp_prefix_write(is_ipc, header_len + body_len, out->bytes);
    memcpy(out->bytes + prefix, header, header_len);
    return (struct text){(char *)out->bytes, (uint32_t)(prefix + header_len)};
}
