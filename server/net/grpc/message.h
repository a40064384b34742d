/* gRPC's framing of messages: a flag, a length of 4 bytes (big-endian), and the message, cut into DATA frames anywhere
 * (PROTOCOL-HTTP2.md, "Length-Prefixed-Message"). Pure. */
#ifndef MUSTER_NET_GRPC_MESSAGE_H
#define MUSTER_NET_GRPC_MESSAGE_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GRPC_PREFIX_BYTES = 5 };

/* Collects the messages of one call. Zeroed at first. A message that comes in pieces is collected in memory of the
 * reader: it grows with the bytes that come, to at most twice as many (and 256), never by the length that a prefix
 * announces. The memory is given back by the next message_take or message_reader_free. */
struct message_reader {
    uint8_t prefix[GRPC_PREFIX_BYTES];
    uint8_t prefix_len;
    uint8_t *bytes;         /* of the message that comes in pieces */
    uint32_t len, capacity; /* of `bytes` */
};

enum message_read {
    MESSAGE_MORE,      /* all was taken, and the message is not whole */
    MESSAGE_WHOLE,     /* *out is a message */
    MESSAGE_TOO_LARGE, /* its prefix announces more than bytes_max; it is said again at each later call */
    MESSAGE_MALFORMED, /* the flag is neither 0 nor 1; it is said again at each later call */
    MESSAGE_NO_MEMORY, /* *used bytes were taken; the next call tries again */
};

struct grpc_message {
    bool is_compressed;
    struct text bytes; /* valid until the next use of the reader, and as long as the bytes that were passed */
};

/* Takes bytes until a message is whole: *used says how many. A message that lies whole in `bytes` is not copied.
 * *out is empty unless the result is MESSAGE_WHOLE. `bytes` may be NULL if `len` is 0. */
enum message_read message_take(struct message_reader *reader, const uint8_t *bytes, size_t len, size_t bytes_max,
                               size_t *used, struct grpc_message *out);
/* Whether a message has begun that is not whole. */
bool message_is_partial(const struct message_reader *reader);
/* What the prefix of the message says that came last; of one that is whole. */
uint32_t message_announced_len(const struct message_reader *reader);
/* Memory that the reader owns. */
size_t message_reader_bytes(const struct message_reader *reader);
/* Frees what the reader owns and forgets a partial message; the reader is as at first. After a message was handled, it
 * gives the memory of that message back at once. */
void message_reader_free(struct message_reader *reader);

void message_prefix_write(uint8_t out[GRPC_PREFIX_BYTES], bool is_compressed, uint32_t len);

#endif
