#include "frame_walk.h"

#include "common/byteorder.h"

#include <string.h>

/* How many of `len` bytes are of something of which `left` are missing. */
static size_t part_of(size_t left, size_t len) {
    return left < len ? left : len;
}

static struct frame_head read_head(const uint8_t head[FRAME_HEAD_BYTES]) {
    return (struct frame_head){.len = (uint32_t)head[0] << 16 | (uint32_t)head[1] << 8 | head[2],
                               .type = head[3],
                               .flags = head[4],
                               .stream_id = (int32_t)(get_be32(head + 5) & INT32_MAX)};
}

/* RFC 9113, 6.2 and 6.10. */
enum { TYPE_HEADERS = 1, TYPE_CONTINUATION = 9, FLAG_END_HEADERS = 4 };

static void begin_frame(struct frame_walk *walk, const struct frame_head *head) {
    walk->payload_left = head->len;
    if (head->type != TYPE_CONTINUATION) walk->count++;
    if (head->type == TYPE_HEADERS || head->type == TYPE_CONTINUATION)
        walk->is_block_open = (head->flags & FLAG_END_HEADERS) == 0;
}

bool frame_walk_is_partial(const struct frame_walk *walk) {
    return walk->head_len > 0 || walk->payload_left > 0 || walk->is_block_open;
}

bool frame_walk(struct frame_walk *walk, const uint8_t *bytes, size_t len, size_t *used, struct frame_head *out) {
    size_t at = part_of(FRAME_PREFACE_BYTES - (size_t)walk->preface_len, len);
    walk->preface_len = (uint8_t)(walk->preface_len + at);
    size_t payload = part_of(walk->payload_left, len - at);
    walk->payload_left -= (uint32_t)payload;
    at += payload;
    if (walk->head_len == 0 && len - at >= FRAME_HEAD_BYTES) {
        *out = read_head(bytes + at);
        *used = at + FRAME_HEAD_BYTES;
        begin_frame(walk, out);
        return true;
    }
    size_t of_head = part_of(FRAME_HEAD_BYTES - (size_t)walk->head_len, len - at);
    if (of_head > 0) memcpy(walk->head + walk->head_len, bytes + at, of_head);
    walk->head_len = (uint8_t)(walk->head_len + of_head);
    *used = at + of_head;
    if (walk->head_len < FRAME_HEAD_BYTES) return false;
    *out = read_head(walk->head);
    walk->head_len = 0;
    begin_frame(walk, out);
    return true;
}
