/* gRPC's framing of messages: a flag, a length of 4 bytes (big-endian), and the message, cut into DATA frames anywhere
 * (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"). Pure. */
#ifndef MUSTER_NET_GRPC_MESSAGE_H
#define MUSTER_NET_GRPC_MESSAGE_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRPC_PREFIX_BYTES = 5 };

/* Collects the messages of one call. Zeroed at first. Owns memory only while a message is partial; it grows with the
 * bytes that come, never by the length that a prefix announces. */
struct message_reader {
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_len;
    uint8_t *bytes; /* of the partial message */
    uint32_t len, capacity;
};

enum message_read {
    MESSAGE_MORE,      /* all was taken, and the message is not whole */
    MESSAGE_WHOLE,     /* *out is a message */
    MESSAGE_TOO_LARGE, /* its prefix announces more than bytes_max */
    MESSAGE_MALFORMED, /* the flag is neither 0 nor 1 */
    MESSAGE_NO_MEMORY,
};

struct grpc_message {
    bool is_compressed;
    struct text bytes; /* valid until the reader takes more, and as long as the bytes that were passed */
};

/* Takes bytes until a message is whole: *used says how many. A message that lies whole in `bytes` is not copied. */
enum message_read message_take(struct message_reader *reader, const uint8_t *bytes, size_t len, size_t bytes_max,
                               size_t *used, struct grpc_message *out);
/* Whether a message has begun that is not whole. */
bool message_is_partial(const struct message_reader *reader);
/* Memory that the reader owns. */
size_t message_reader_bytes(const struct message_reader *reader);
void message_reader_free(struct message_reader *reader);

void message_prefix_write(uint8_t out[GRPC_PREFIX_BYTES], bool is_compressed, uint32_t len);

#endif
