/* An attempt: one request at one node, and the answer. Whether and where it is tried again is not its business.
 *
 * One thread at a time uses an attempt: the one that starts it; then, where it is asynchronous and under way, nng's
 * thread that ends it. */
#ifndef MUSTER_CLIENT_ATTEMPT_H
#define MUSTER_CLIENT_ATTEMPT_H

#include "muster/muster.h"
#include "reply.h"
#include "request.h"

#include <nng/nng.h>
#include <stdatomic.h>

enum attempt_phase { ATTEMPT_IDLE, ATTEMPT_SENDING, ATTEMPT_RECEIVING };

/* How an attempt stands. But for UNDER_WAY and ANSWERED, attempt->error says why. */
enum attempt_status {
    ATTEMPT_UNDER_WAY,
    ATTEMPT_ANSWERED,   /* the node answered; attempt->error is what it said */
    ATTEMPT_FAILED,     /* no connection, no answer, or MUSTER_UNAVAILABLE: another node may do better */
    ATTEMPT_IMPOSSIBLE, /* memory is short: no node would do better */
    ATTEMPT_CANCELLED,
};

struct attempt;
/* Runs on nng's thread; the attempt is the receiver's again. */
typedef void attempt_ended(struct attempt *attempt, enum attempt_status status);

struct attempt {
    struct muster_client *client;
    struct attempt *next_free, *next; /* next: of all attempts of the client */
    nng_aio *aio;
    nng_aio *poll_aio;    /* for sends that are done at once or not at all; NULL: the attempt is blocking */
    attempt_ended *ended; /* of an asynchronous one */
    void *arg;            /* its owner's */
    nng_ctx contexts[MUSTER_ADDRESSES_MAX]; /* one a node, opened when first needed; id 0: not opened */

    /* Filled by the owner; the answer is decoded into `answer`. */
    struct request request;
    struct answer answer;
    struct muster_error error;

    _Atomic(enum attempt_phase) phase;
    unsigned node;
    uint64_t started_ms;
    uint64_t send_until_ms;   /* how long a connection is waited for */
    uint64_t answer_until_ms; /* 0: answer_ms after the request was sent */
    uint32_t answer_ms;
};

/* An attempt that lives as long as the client. ended: NULL for a blocking one. NULL: memory is short. */
struct attempt *attempt_new(struct muster_client *client, attempt_ended *ended, void *arg);
/* The same for an owner that does not live as long: an attempt that another gave back, or a new one. */
struct attempt *attempt_take(struct muster_client *client, attempt_ended *ended, void *arg);
/* Gives back a taken attempt that is not under way. */
void attempt_give(struct attempt *attempt);
/* For the client as it closes; nothing is under way. */
void attempt_free(struct attempt *attempt);

/* Sends the request to nodes[node]. The caller has set the times. UNDER_WAY: a blocking attempt is to be waited for
 * with attempt_wait; of an asynchronous one `ended` is called once, perhaps before this returns. Otherwise how it
 * ended at once, and `ended` is not called. */
enum attempt_status attempt_start(struct attempt *attempt, unsigned node);
/* Waits for a blocking attempt that is under way; how it ended. */
enum attempt_status attempt_wait(struct attempt *attempt);

/* Ends the operation that is under way, with ATTEMPT_CANCELLED. Between two operations nothing happens: call it again.
 * Any thread. */
void attempt_cancel(struct attempt *attempt);
/* Ends it only while the request waits to be sent; the node has then seen nothing of it. Any thread. */
void attempt_cancel_send(struct attempt *attempt);

/* How long the answer of `node` is waited for by a call that ends at deadline_ms, timeout_ms after it was made: to the
 * end where there is no other node, else for a share of the time, and for a moment where there is no connection. */
uint64_t attempt_share_ms(struct muster_client *client, unsigned node, uint32_t timeout_ms, uint64_t deadline_ms,
                          uint64_t now_ms);

#endif
