/* A call of the program: attempts at one node after another, with back-off between rounds, until one is answered or the
 * call's time is over. Calls that change nothing, and the keepalive's, run by themselves; writes.h orders the rest. */
#ifndef MUSTER_CLIENT_CALL_H
#define MUSTER_CLIENT_CALL_H

#include "attempt.h"
#include "io.h"
#include "rounds.h"

#include <pthread.h>

union call_callback {
    muster_touch_callback *touch;
    muster_refresh_callback *refresh;
    muster_leave_callback *leave;
    muster_status_callback *status;
    muster_users_callback *users;
    muster_counts_callback *counts;
    muster_places_callback *places;
    void (*page)(void *arg, const struct muster_error *error); /* of a walk, which knows where the answer is */
};

/* How a write stands in the client's order of writes; guarded by the mutex of the writes. */
enum write_state {
    WRITE_NONE,      /* not in the order */
    WRITE_WAITING,   /* to be sent, or to be sent again */
    WRITE_UNDER_WAY, /* its attempt is */
    WRITE_ANSWERED,  /* by a node, while a write before it has not ended */
    WRITE_ENDED,     /* out of the order; its caller is told */
};

/* Used again for later calls. As an attempt, it belongs to one thread at a time. */
struct call {
    struct muster_client *client;
    struct call *next_free, *next_made; /* next_made: of all calls of the client */
    struct attempt *attempt;            /* with the request, the answer and the error */
    bool is_async;
    struct nap nap;            /* of an asynchronous call: its back-off */
    struct result *own_result; /* where the caller has none of his own */
    struct block indexes;      /* of a touch: of the refreshes that changed nothing */
    union call_callback callback;
    void *callback_arg;
    bool is_page;    /* callback.page */
    bool is_refresh; /* callback.refresh */

    uint32_t timeout_ms; /* the client's, or less */
    uint32_t fresh_ms;   /* not sent when this long has passed since it was made; at most timeout_ms */
    uint64_t deadline_ms, fresh_until_ms;
    struct rounds rounds;
    bool is_asleep; /* backs off; guarded by the client's mutex */

    enum write_state write;
    struct call *write_before, *write_after;
    pthread_cond_t changed; /* of a blocking call: `write` */
};

/* A call whose request the caller fills. NULL: memory is short; or, for is_async, as many as allowed are in flight, or
 * the client is closing; or the client is inherited; or a callback would wait for itself. *error says which. */
struct call *call_take(struct muster_client *client, bool is_async, struct muster_error *error);
/* Gives back a call that was not started, or a blocking one that has ended. */
void call_give(struct call *call);
/* For the client as it closes; nothing is under way. */
void call_free(struct call *call);

/* The request is complete: its time begins. */
void call_begin(struct call *call);
/* Runs a blocking call, and waits for its end. */
enum muster_code call_run(struct call *call, struct muster_error *error);
/* Starts an asynchronous call; its callback is called and the call given back at its end. */
void call_launch(struct call *call);
/* Calls the callback of an asynchronous call that has ended, and gives the call back. On the I/O thread. */
void call_deliver(struct call *call);

/* One attempt of a blocking call at the next node of `rounds`. Where it failed, *wait_ms is how long to wait before the
 * next one, with backoff. */
enum attempt_status call_try(struct call *call, struct rounds *rounds, struct backoff backoff, uint32_t *wait_ms);

/* How long the nodes are left alone after a round in which all failed. */
static const struct backoff call_backoff = {20, 1000};

#endif
