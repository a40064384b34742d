/* The frames of a connection, as they come (RFC 9113, 4.1): where each begins, and what it is. nghttp2 tells of most
 * frames once they are handled, and of those that it ignores not at all; the abuse budget counts every one. Pure. */
#ifndef MUSTER_NET_GRPC_FRAME_WALK_H
#define MUSTER_NET_GRPC_FRAME_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_HEAD_BYTES = 9, FRAME_PREFACE_BYTES = 24 };

struct frame_head {
    uint32_t len;
    uint8_t type, flags;
    int32_t stream_id;
};

/* Zeroed at first. */
struct frame_walk {
    uint32_t payload_left;
    uint8_t preface_len; /* bytes of the client's preface that have come */
    uint8_t head_len;
    uint8_t head[FRAME_HEAD_BYTES];
    bool is_block_open; /* the headers of a stream are not complete: CONTINUATION follows */
    uint32_t count;     /* frames that have begun, those of a block of headers as one */
};

/* Takes bytes until the head of a frame is whole: true, *out is the frame, and *used counts its head. False: all bytes
 * are used. */
bool frame_walk(struct frame_walk *walk, const uint8_t *bytes, size_t len, size_t *used, struct frame_head *out);
/* Whether a frame, or a block of headers, has begun that is not complete. */
bool frame_walk_is_partial(const struct frame_walk *walk);

#endif
