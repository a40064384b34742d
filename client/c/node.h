/* A node that the client knows, and the one connection to it, which nng keeps and makes again. */
#ifndef MUSTER_CLIENT_NODE_H
#define MUSTER_CLIENT_NODE_H

#include "muster/muster.h"

#include <nng/nng.h>
#include <pthread.h>
#include <stdatomic.h>

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
    _Atomic(uint64_t) avoid_until_ms; /* after a failure: other nodes come first until then */
};

static inline bool node_is_connected(struct node *node) {
    return atomic_load_explicit(&node->pipe, memory_order_acquire) != 0;
}

/* Makes the socket and the dialer of a zeroed node, which does not dial yet. Returns 0 or nng's error; node_close is
 * called in either case. address: copied. */
int node_open(struct node *node, struct muster_client *client, const char *address);
/* Closes and frees what node_open made. Nothing is under way on its contexts. */
void node_close(struct node *node);

/* Begins to dial in the background, for as long as the node is open. Returns 0 or nng's error. */
int node_dial(struct node *node);
/* The same, in a thread that notes in first_dial how the first dial ended. */
int node_dial_watched(struct node *node);

/* It failed just now: it comes last for a second or two. */
void node_avoid(struct node *node, uint64_t now_ms);
/* The node has been silent since since_ms. Its host may be gone without a word, and the connection with it: unless
 * anything was heard from it since, the connection is closed, and nng makes a new one. */
void node_reconnect_if_silent(struct node *node, uint64_t since_ms);

/* Of the nodes that are not in `tried` (as bits; not all of them), from the preferred one on: the first that is
 * connected and is not avoided, else the first that is connected, else the first. */
unsigned client_pick_node(struct muster_client *client, uint32_t tried, uint64_t now_ms);
/* This node answered: it comes first from now on. */
void client_prefer_node(struct muster_client *client, unsigned node);

#endif
