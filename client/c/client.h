/* A client: its nodes, and the flights that carry calls to them. Inside the library. */
#ifndef MUSTER_CLIENT_CLIENT_H
#define MUSTER_CLIENT_CLIENT_H

#include "muster/muster.h"
#include "reply.h"
#include "request.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

enum node_state { NODE_DIALLING, NODE_REFUSED, NODE_REACHED };

struct node {
    struct muster_client *client;
    char *address;
    nng_socket socket; /* REQ, with one dialer; id 0: not opened */
    nng_dialer dialer;
    pthread_t dial_thread; /* of a first dial that muster_open waits for */
    bool has_dial_thread;
    enum node_state first_dial; /* guarded by the client's mutex */
    int dial_error;             /* of nng, where first_dial is NODE_REFUSED */

    _Atomic(uint32_t) pipe;           /* the connection, as nng numbers it; 0: none */
    _Atomic(uint64_t) connections;    /* made so far */
    _Atomic(uint64_t) heard_ms;       /* when it last answered anything */
    _Atomic(uint64_t) avoid_until_ms; /* after a failure: others are asked first until then */
};

static inline bool node_is_connected(struct node *node) {
    return atomic_load_explicit(&node->pipe, memory_order_acquire) != 0;
}

/* ---- flights ----------------------------------------------------------------------------------------------------- */

union flight_callback {
    muster_touch_callback *touch;
    muster_leave_callback *leave;
    muster_users_callback *users;
    muster_counts_callback *counts;
    void (*landed)(void *arg, const struct muster_error *error);
};

enum flight_state { FLIGHT_SENDING, FLIGHT_RECEIVING, FLIGHT_BACKING_OFF };

/* One call on its way, over as many attempts as it takes. Used again for later calls. Only one thread at a time touches
 * it: its caller's where is_async is false, else the one that runs the aio's callback. Of a kept one the caller's again
 * once callback.landed was called. */
struct flight {
    struct muster_client *client;
    struct flight *next_free;
    bool is_async;
    nng_aio *aio;      /* has a callback where is_async */
    nng_aio *nap_aio;  /* as aio, and for backing off alone: in nng 1.5.2 an aio that slept once reports every later
                          time-out as a success */
    nng_aio *poll_aio; /* has none; for sends that either are done at once or not at all. Where is_async */
    nng_ctx contexts[MUSTER_ADDRESSES_MAX]; /* one a node, opened when first needed; id 0: not opened */

    struct request request;
    struct answer answer;
    struct result *own_result; /* where the caller has none of his own */
    union flight_callback callback;
    void *callback_arg;
    bool is_bare;        /* callback.landed: the caller knows where the answer is */
    uint32_t timeout_ms; /* the client's, or less */
    bool is_kept;        /* see flight_keep */
    uint32_t answer_ms;  /* of a kept one: how long the answer is waited for */

    enum flight_state state;
    bool is_asleep;      /* backs off; guarded by the client's mutex */
    unsigned node;       /* that is asked now */
    uint32_t tried;      /* nodes of this round, as bits */
    unsigned rounds;     /* that failed */
    uint64_t started_ms; /* this attempt */
    uint64_t attempt_until_ms;
    uint64_t deadline_ms;
    struct muster_error error;
};

_Static_assert(MUSTER_ADDRESSES_MAX <= 32, "flight.tried has a bit for every node");

/* A flight for one call, whose request the caller fills. NULL: memory is short, or, for is_async, as many as allowed
 * are in flight, or the client is closing; *error says which. */
struct flight *flight_take(struct muster_client *client, bool is_async, struct muster_error *error);
/* Gives back a flight that was not started, or has ended. */
void flight_give(struct flight *flight);
/* Carries the request there and the answer back, and waits for it. flight->answer is set, but for `small`. The answer
 * is left in it. */
enum muster_code flight_run(struct flight *flight, struct muster_error *error);
/* The same without waiting; calls the callback, and gives back the flight. */
void flight_launch(struct flight *flight);
/* An asynchronous flight that its taker keeps for many calls, each of which is one attempt at one node: for calls that
 * take long. It does not count in in_flight_max, and the client cannot be closed before it is given back. NULL: as
 * flight_take. */
struct flight *flight_keep(struct muster_client *client, struct muster_error *error);
/* One attempt of a kept flight at nodes[node]; a connection is waited for connect_ms, then the answer answer_ms. Calls
 * callback.landed once, perhaps before this returns, and does not touch the flight after that. */
void flight_launch_at(struct flight *flight, unsigned node, uint32_t connect_ms, uint32_t answer_ms);
/* Ends the operation of a kept flight that is under way, with MUSTER_CANCELLED. Where it was between two operations it
 * goes on: to be called again. Any thread. */
void flight_cancel(struct flight *flight);
/* Of the nodes that are not in `tried`, from the preferred one on: the first that is connected and did not just fail,
 * else the first that is connected, else the first. */
unsigned client_pick(struct muster_client *client, uint32_t tried, uint64_t now_ms);
/* Frees it; no operation is under way. */
void flight_free(struct flight *flight);

/* ---- the client -------------------------------------------------------------------------------------------------- */

struct muster_client {
    size_t node_count;
    struct node nodes[MUSTER_ADDRESSES_MAX];
    char *token; /* NULL: none */
    uint32_t timeout_ms, attempt_ms, in_flight_max;
    atomic_uint preferred;    /* the node that answered last */
    _Atomic(uint64_t) random; /* see common/random.h */

    pthread_mutex_t mutex; /* guards all below, and nodes[].first_dial */
    pthread_cond_t changed;
    bool is_closing;
    struct flight *free_blocking, *free_async;
    size_t in_flight;    /* asynchronous flights on their way */
    size_t landing;      /* asynchronous flights whose callback runs */
    struct flight **all; /* every asynchronous flight there is */
    size_t all_count, all_capacity;
    struct muster_keepalive *keepalives; /* told of connections; linked through client_next */
    struct dispatcher *dispatcher;       /* of the watches; NULL: there was none yet */
    uint64_t late_ms;                    /* of the dispatcher's thread: when a watch that ends was last answered */
};

/* A number from 0 to range - 1, for spreading load; not for secrets. */
uint32_t client_random(struct muster_client *client, uint32_t range);

/* Which connection calls go over: changes with each new connection to the node that is asked, and where another node
 * takes over. 0: there is none now. */
uint64_t client_connection(struct muster_client *client);

/* pthread_create for a thread that takes none of the program's signals. */
int thread_start(pthread_t *thread, void *(*body)(void *), void *arg);

/* Ends every watch that was not, or is being, closed, and their thread. The client's first step of closing. */
void watches_end(struct muster_client *client);

/* Called by the client, under its mutex, when a connection came or went. Never blocks. */
void keepalive_wake(struct muster_keepalive *keepalive);
struct muster_keepalive *keepalive_next(const struct muster_keepalive *keepalive);

#endif
