/* The calls of a node: a request is bytes that came from anywhere, a reply bytes that may go anywhere. Knows no
 * transport, and reads no clock: the time is an argument. */
#ifndef MUSTER_RPC_RPC_H
#define MUSTER_RPC_RPC_H

#include "muster/codes.h"
#include "node/node.h"
#include "reply/worker.h"
#include "watch/pump.h"

#include <stdbool.h>
#include <stddef.h>

struct rpc;

/* watches_max: parked at a time; 0: MUSTER_WATCHES_DEFAULT. The node outlives it. NULL: memory is short. */
struct rpc *rpc_new(struct node *node, size_t watches_max);
/* After the last request and the last run of the pump. `rpc` may be NULL. */
void rpc_free(struct rpc *rpc);
struct node *rpc_node(const struct rpc *rpc);
struct watches *rpc_watches(const struct rpc *rpc); /* for the pump (watch/pump.h) */

/* Answers one `Call` with one `Reply`; whatever the bytes are, there is a reply.
 * *reply lives in the worker until it answers the next request; its length is at most MUSTER_MESSAGE_BYTES_MAX.
 * Returns the reply's code. Thread-safe, one worker a thread at a time. Decoding and encoding happen outside the lock,
 * and the lock is held for bounded work. */
enum muster_code rpc_answer(struct rpc *rpc, struct worker *worker, struct text request, struct instant now,
                            struct text *reply);

/* rpc_answer, for a door that can wait: a Watch that has nothing to tell is parked, and answered by pump_run. false:
 * the request was parked; then nothing is in *reply, *code is MUSTER_OK, and the waiter may have been answered already.
 * *waiter is copied; NULL: the door cannot wait, and watches are answered at once. */
bool rpc_answer_or_park(struct rpc *rpc, struct worker *worker, struct text request, struct instant now,
                        const struct waiter *waiter, enum muster_code *code, struct text *reply);

#endif
