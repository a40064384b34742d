/* The texts of gRPC's headers: time-outs, status messages, binary values (PROTOCOL-HTTP2.md). Pure. */
#ifndef MUSTER_NET_GRPC_HEADER_TEXT_H
#define MUSTER_NET_GRPC_HEADER_TEXT_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads a grpc-timeout: 1-8 digits and a unit, H M S m u n. Rounded up to microseconds. False: it is none. */
bool timeout_read(struct text value, uint64_t *timeout_us);

/* Percent-encodes a message as grpc-message: what is not in 0x20-0x7E, and '%'. Writes at most `size` bytes, cut before
 * a code or a character of UTF-8 that does not fit; returns how many. */
size_t percent_encode(struct text message, char *out, size_t size);

/* The value of a header whose name ends in -bin: base64, with or without padding (RFC 4648). Returns the length, at
 * most `size`; SIZE_MAX: it is malformed, or too long. */
size_t base64_decode(struct text value, uint8_t *out, size_t size);
/* Without padding. SIZE_MAX: it does not fit. */
size_t base64_encode(struct text bytes, char *out, size_t size);

/* Whether a content-type is gRPC's: application/grpc, followed by nothing, '+' or ';'. */
bool content_type_is_grpc(struct text value);

#endif
