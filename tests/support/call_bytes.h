/* A node's calls in this process, from the bytes of a Call to the bytes of a Reply, as the nng door has it. */
#ifndef MUSTER_TESTS_SUPPORT_CALL_BYTES_H
#define MUSTER_TESTS_SUPPORT_CALL_BYTES_H

#include "muster/v1/presence.pb-c.h"
#include "rpc/rpc.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reply bytes, to be freed by the caller. NULL: the request is parked, and its waiter is answered later. */
uint8_t *call_bytes(struct rpc *rpc, struct worker *worker, const uint8_t *call, size_t len, struct instant now,
                    const struct waiter *waiter, size_t *reply_len);
/* The Reply to a request of this method, to be freed by the caller. */
uint8_t *reply_bytes(enum method method, const struct response *response, size_t *len);
/* The same, decoded; NULL if it does not decode. */
Muster__V1__Reply *reply_decoded(enum method method, const struct response *response);

#endif
