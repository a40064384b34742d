/* The texts of gRPC's headers: time-outs, status messages, binary values (PROTOCOL-HTTP2.md). Pure. */
#ifndef MUSTER_NET_GRPC_HEADER_TEXT_H
#define MUSTER_NET_GRPC_HEADER_TEXT_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a grpc-timeout: 1-8 digits and a unit, H M S m u n. Rounded up to microseconds; 0 is a time-out that is over.
 * False: it is none, and *timeout_us is 0. */
bool timeout_read(struct text value, uint64_t *timeout_us);

/* Percent-encodes a message as grpc-message: what is not in 0x20-0x7E, '%', and a space at either end, where a field of
 * HTTP/2 must have none (RFC 9113, 8.2.1). Writes at most `size` bytes, cut before a character of UTF-8 that does not
 * fit with all its codes; returns how many. Bytes that are no UTF-8 are encoded one by one. */
size_t percent_encode(struct text message, char *out, size_t size);

/* One value of a header whose name ends in -bin: base64, with or without padding (RFC 4648, 4). Returns the length, at
 * most `size`; SIZE_MAX: it is malformed, or too long, and what `out` holds is of no use. A list with commas is several
 * values. */
size_t base64_decode(struct text value, uint8_t *out, size_t size);
/* Without padding, and with a NUL behind it, which the length that is returned leaves out and `size` does not.
 * SIZE_MAX: it does not fit. */
size_t base64_encode(struct text bytes, char *out, size_t size);

/* Whether a content-type is gRPC's: application/grpc, followed by nothing, '+' or ';'. Letters of either case. */
bool content_type_is_grpc(struct text value);

#endif
