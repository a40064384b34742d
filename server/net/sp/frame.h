/* The wire of SP (Scalability Protocols) over tcp and ipc: bytes in, bytes out. Pure.
 *
 * Each side first sends a greeting of eight bytes: 00 'S' 'P' 00, its protocol, 00 00. Then every message is a u64
 * length and its payload; over ipc a byte 01 precedes the length. Numbers are big-endian. The payload of a request
 * begins with a header of u32 words: the ids of the hops it came through, whose highest bit is not set, then the
 * request's id, whose highest bit is set. A reply repeats the whole header. */
#ifndef MUSTER_NET_SP_FRAME_H
#define MUSTER_NET_SP_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sp_protocol { SP_PUB = 0x20, SP_SUB = 0x21, SP_REQ = 0x30, SP_REP = 0x31 };

enum {
    SP_GREETING_BYTES = 8,
    SP_PREFIX_BYTES_MAX = 9, /* before a payload: ipc's byte and the length */
    SP_HOPS_MAX = 8,
    SP_HEADER_BYTES_MAX = 4 * (SP_HOPS_MAX + 1),
};

enum sp_verdict { SP_WHOLE, SP_MORE, SP_BAD };

void sp_greeting_write(enum sp_protocol protocol, uint8_t out[SP_GREETING_BYTES]);
/* Whether the first `len` bytes are the greeting of a side with this protocol; more bytes than that are not looked at.
 * SP_BAD with the first byte that is wrong. */
enum sp_verdict sp_greeting_read(const uint8_t *bytes, size_t len, enum sp_protocol protocol);

/* Which protocol the side that sent these bytes first speaks. False: they are not a whole greeting of SP. */
bool sp_greeting_protocol(const uint8_t *bytes, size_t len, uint16_t *protocol);

struct sp_frame {
    const uint8_t *payload; /* in the bytes that were read */
    size_t payload_len;
    size_t total; /* SP_WHOLE: the bytes of the message with its prefix; SP_MORE: as many are needed to go on */
};
/* The message at the beginning of the bytes. SP_BAD: its length is above payload_max, or ipc's byte is not 01. *out is
 * zero then. */
enum sp_verdict sp_frame_read(const uint8_t *bytes, size_t len, bool is_ipc, size_t payload_max, struct sp_frame *out);
/* What precedes a payload of this length; returns how many bytes that is. */
size_t sp_prefix_write(bool is_ipc, size_t payload_len, uint8_t out[SP_PREFIX_BYTES_MAX]);

/* The length of the header of a request; 0: it has none that ends within SP_HOPS_MAX hops. */
size_t sp_header_len(const uint8_t *payload, size_t len);

#endif
