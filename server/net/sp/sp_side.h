/* One side of the SP wire on a stream: the handshake, and messages one by one. */
#ifndef MUSTER_NET_SP_SIDE_H
#define MUSTER_NET_SP_SIDE_H

#include "frame.h"
#include "net/stream.h"

struct sp_side {
    enum sp_protocol own, other;
    size_t payload_bytes_max; /* a longer message closes the connection */
    /* Called for each message. `rest`: the bytes from its first byte on, for stream_look. */
    void (*message)(struct stream *stream, const struct sp_frame *frame, size_t rest);
};

/* For the table of a protocol: `opened` and `take`. */
void sp_opened(const struct sp_side *side, struct stream *stream);
/* Whether the peer has completed the handshake. */
bool sp_is_greeted(struct stream *stream);
struct taken sp_take(const struct sp_side *side, struct stream *stream, const uint8_t *bytes, size_t len);

/* Closes a connection whose peer sent bytes that are not a message, after answering the requests before them. */
void sp_end_broken(struct stream *stream);

/* What precedes a reply: the prefix, and the header of its request. */
struct sp_reply_head {
    uint8_t bytes[SP_PREFIX_BYTES_MAX + SP_HEADER_BYTES_MAX];
};
struct text sp_reply_head(bool is_ipc, const uint8_t *header, size_t header_len, size_t body_len,
                          struct sp_reply_head *out);

#endif
