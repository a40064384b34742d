/* A client: its nodes, and all calls and attempts that it ever made. Inside the library. */
#ifndef MUSTER_CLIENT_CLIENT_H
#define MUSTER_CLIENT_CLIENT_H

#include "attempt.h"
#include "call.h"
#include "common/thread.h"
#include "io.h"
#include "muster/muster.h"
#include "node.h"
#include "tls.h"
#include "writes.h"

#include <pthread.h>
#include <stdatomic.h>

struct muster_client {
    size_t node_count;
    struct node nodes[MUSTER_ADDRESSES_MAX];
    struct tls *tls; /* NULL: no address asks for it */
    char *token;     /* NULL: none */
    uint32_t timeout_ms, attempt_ms, in_flight_max;
    atomic_uint preferred;    /* the node that answered last */
    _Atomic(uint64_t) random; /* see common/random.h */
    unsigned forks;           /* of this process, as it was opened: see forks.h */
    struct muster_client *next_abandoned;
    struct writes writes; /* with a mutex of its own; neither is taken under the other */
    struct io io;

    pthread_mutex_t mutex; /* guards all below, and nodes[].first_dial */
    pthread_cond_t changed;
    bool is_closing;
    struct call *free_blocking, *free_async;
    struct attempt *free_attempts;       /* of watches */
    struct call *calls;                  /* all that were made, through next_made */
    struct attempt *attempts;            /* all that were made, through next */
    size_t in_flight;                    /* asynchronous calls whose callback is still to run */
    size_t landing;                      /* asynchronous calls whose callback runs */
    struct muster_keepalive *keepalives; /* told of connections; linked through client_next */
    struct dispatcher *dispatcher;       /* of the watches; NULL: there was none yet */
};
/* A number from 0 to range - 1, for spreading load; not for secrets. */
uint32_t client_random(struct muster_client *client, uint32_t range);

/* Which connection calls go over: changes with each new connection to the node that is asked, and where another node
 * takes over. 0: there is none now. */
uint64_t client_connection(struct muster_client *client);

/* Whether the client was opened before a fork(2) and this process is the child: of its threads and locks nothing is to
 * be expected, and no call may touch them. */
bool client_is_inherited(const struct muster_client *client);
/* What a call on such a client returns. */
enum muster_code client_error_inherited(struct muster_error *error);

/* Ends every watch that was not, or is being, closed, and their thread. The client's first step of closing. */
void watches_end(struct muster_client *client);

/* Called by the client, under its mutex, when a connection came or went. Never blocks. */
void keepalive_wake(struct muster_keepalive *keepalive);
struct muster_keepalive *keepalive_next(const struct muster_keepalive *keepalive);

#endif
