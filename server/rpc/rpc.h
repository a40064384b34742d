/* The calls of a node, for every door: a request comes in as method, token and body, and a response goes out. Knows no
 * transport and no envelope, and reads no clock: the time is an argument. */
#ifndef MUSTER_RPC_RPC_H
#define MUSTER_RPC_RPC_H

#include "method.h"
#include "node/node.h"
#include "reply/response.h"
#include "reply/worker.h"
#include "watch/pump.h"
#include "watch/waiter.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rpc;

/* watches_max: parked at a time; 0: MUSTER_WATCHES_DEFAULT. The node outlives it. NULL: memory is short. */
struct rpc *rpc_new(struct node *node, size_t watches_max);
/* After the last request and the last run of the pump. `rpc` may be NULL. */
void rpc_free(struct rpc *rpc);
struct watches *rpc_watches(const struct rpc *rpc); /* for the pump (watch/pump.h) */

/* A request. Its texts are borrowed until rpc_answer returns, also where the request is parked. */
struct request {
    enum method method;
    struct text token;   /* of the client; empty: it has none */
    struct text body;    /* the serialized XRequest; any bytes */
    uint32_t stalled_ms; /* not 0: it came in before the process stood still for so long. Then a write is refused with
                          * MUSTER_UNAVAILABLE: it would count as made now, and may be obsolete. */
};

/* Answers a request; whatever its bytes are, there is a response, in *out. False: the request is a Watch, and was
 * parked until something changes; then *out is empty, and the waiter may have been answered already.
 *
 * waiter: how to deliver the answer to a parked request; copied. NULL: a Watch is answered at once.
 *
 * Thread-safe, with one worker for each thread. Decoding and encoding happen without the node's lock, which is held for
 * bounded work. */
bool rpc_answer(struct rpc *rpc, struct worker *worker, const struct request *request, struct instant now,
                const struct waiter *waiter, struct response *out);

#endif
