/* The envelope of calls on the SP wire: the contract's messages Call and Reply around a request and its response. Pure:
 * bytes in, bytes out. */
#ifndef MUSTER_NET_SP_ENVELOPE_H
#define MUSTER_NET_SP_ENVELOPE_H

#include "rpc/rpc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ENVELOPE_REFUSAL_BYTES = 64 };

struct envelope_refusal {
    struct response response;             /* its message is the text below */
    char message[ENVELOPE_REFUSAL_BYTES]; /* so that it may not be moved */
};

/* Opens a Call: *request has its method, token and body, which point into `call`. As protobuf has it, of several
 * requests or tokens the last counts, and unknown fields are ignored; a Call that has nothing else is METHOD_UNKNOWN,
 * one that has nothing METHOD_NONE. False: it is too large, or no Call; *refusal is the answer. Any bytes may be
 * passed.
 */
bool envelope_open(struct text call, struct request *request, struct envelope_refusal *refusal);

/* Code, message, and the tag and length of a body. */
enum { ENVELOPE_HEAD_BYTES_MAX = (1 + 5) + (1 + 2 + RESPONSE_MESSAGE_BYTES_MAX) + (1 + 5) };
_Static_assert(RESPONSE_BODY_BYTES_MAX + 1 + 5 <= MUSTER_MESSAGE_BYTES_MAX, "a Reply fits a message");
/* The Reply to a request of this method is what is written here, followed by response->body: the body need not be
 * copied to be sent. Returns the number of bytes. */
size_t envelope_head(enum method method, const struct response *response, uint8_t out[ENVELOPE_HEAD_BYTES_MAX]);

#endif
