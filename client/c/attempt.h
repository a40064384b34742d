/* An attempt: one request at one node, and the answer. Whether and where it is tried again is not its business.
 *
 * One thread at a time uses an attempt: the one that starts it; then, where it is asynchronous and under way, the I/O
 * thread, which ends it. What is marked so is guarded by the I/O mutex. */
#ifndef MUSTER_CLIENT_ATTEMPT_H
#define MUSTER_CLIENT_ATTEMPT_H

#include "common/error.h"
#include "muster/muster.h"
#include "reply.h"
#include "request.h"
#include "timers.h"

#include <pthread.h>

enum attempt_phase {
    ATTEMPT_IDLE,
    ATTEMPT_SENDING,   /* it is in the queue of its node */
    ATTEMPT_RECEIVING, /* its request was handed to the connection; it is among the pending ones of its node */
    ATTEMPT_ENDING,    /* the I/O thread has taken it out, and will say how it ended */
    ATTEMPT_ENDED,     /* of a blocking one, whose thread has still to notice */
};

/* How an attempt stands. But for UNDER_WAY and ANSWERED, attempt->error says why. */
enum attempt_status {
    ATTEMPT_UNDER_WAY,
    ATTEMPT_ANSWERED,   /* the node answered; attempt->error is what it said */
    ATTEMPT_FAILED,     /* no connection, no answer, or MUSTER_UNAVAILABLE: another node may do better */
    ATTEMPT_IMPOSSIBLE, /* memory is short: no node would do better */
    ATTEMPT_CANCELLED,
};

struct attempt;
/* Runs on the I/O thread; the attempt is the receiver's again. */
typedef void attempt_ended(struct attempt *attempt, enum attempt_status status);

struct attempt {
    struct timer timer; /* first: a timer is an attempt. Of an asynchronous one, guarded */
    struct muster_client *client;
    struct attempt *next_free, *next; /* next: of all attempts of the client */
    attempt_ended *ended;             /* of an asynchronous one; NULL: it is blocking */
    void *arg;                        /* its owner's */

    /* Filled by the owner; the answer is decoded into `answer`. */
    struct request request;
    struct answer answer;
    struct muster_error error;
    unsigned node;
    uint64_t started_ms;
    uint64_t send_until_ms;   /* how long a connection is waited for */
    uint64_t answer_until_ms; /* 0: answer_ms after the request was sent; then guarded */
    uint32_t answer_ms;

    /* Guarded. */
    enum attempt_phase phase;
    enum attempt_status status;     /* how it ended; ANSWERED: `reply` is still to be decoded */
    struct attempt *before, *after; /* in the queue of its node; after: among those that have ended */
    uint32_t id;                    /* while RECEIVING */
    struct text reply;              /* in the memory of the connection, or, of a blocking one, in `copy` */
    uint8_t *copy;
    size_t copy_capacity;
    pthread_cond_t changed; /* of a blocking one */
};

/* An attempt that lives as long as the client. ended: NULL for a blocking one. NULL: memory is short. */
struct attempt *attempt_new(struct muster_client *client, attempt_ended *ended, void *arg);
/* The same for an owner that does not live as long: an attempt that another gave back, or a new one. Asynchronous. */
struct attempt *attempt_take(struct muster_client *client, attempt_ended *ended, void *arg);
/* Gives back a taken attempt that is not under way. */
void attempt_give(struct attempt *attempt);
/* For the client as it closes; nothing is under way. */
void attempt_free(struct attempt *attempt);

/* Sends the request to nodes[node]. The caller has set the times. A blocking attempt is to be waited for with
 * attempt_wait; of an asynchronous one `ended` is called once, perhaps before this returns. */
void attempt_start(struct attempt *attempt, unsigned node);
/* Waits for a blocking attempt that is under way; how it ended. */
enum attempt_status attempt_wait(struct attempt *attempt);

/* Ends an attempt that is under way, with ATTEMPT_CANCELLED; nothing happens to another one. Any thread. */
void attempt_cancel(struct attempt *attempt);
/* Ends it only while the request waits to be sent; the node has then seen nothing of it. Any thread. */
void attempt_cancel_send(struct attempt *attempt);

/* How long the answer of `node` is waited for by a call that ends at deadline_ms, timeout_ms after it was made: to the
 * end where there is no other node, else for a share of the time, and for a moment where there is no connection. */
uint64_t attempt_share_ms(struct muster_client *client, unsigned node, uint32_t timeout_ms, uint64_t deadline_ms,
                          uint64_t now_ms);

/* ---- for the node's traffic, under the I/O mutex ----------------------------------------------------------------- */

/* It was taken out of the queue and is pending under this id. */
void attempt_is_sent(struct attempt *attempt, uint32_t id, uint64_t now_ms);
/* It was taken out of the pending ones; attempts_deliver comes next, while `reply` is where it is. */
void attempt_is_answered(struct attempt *attempt, struct text reply);
/* Each takes it out of the queue, or of the pending ones, and ends it: its time is over, or memory is short. */
void attempt_time_out(struct attempt *attempt, uint64_t now_ms);
void attempt_end_no_memory(struct attempt *attempt);
/* It was taken out of the pending ones, since its connection broke off. */
void attempt_end_broken(struct attempt *attempt, const struct error *why);

/* Tells the owners of these, through `after`, how they ended. On the I/O thread, without the mutex. */
void attempts_deliver(struct attempt *first);

#endif
