/* A node that the client knows, and the one connection to it, which is made again whenever it breaks off.
 *
 * The client's I/O thread dials, reads and closes. The mutex of the I/O guards what is marked so; requests are written
 * by whoever has set is_flushing, without it. */
#ifndef MUSTER_CLIENT_NODE_H
#define MUSTER_CLIENT_NODE_H

#include "common/byte_stream.h"
#include "common/endpoint.h"
#include "common/lookup.h"
#include "pending.h"
#include "reply_reader.h"

#include <poll.h>
#include <stdatomic.h>

struct muster_client;

/* Of the first dial. */
enum node_state { NODE_DIALLING, NODE_REFUSED, NODE_REACHED };

enum node_phase {
    NODE_RESTING,    /* before the next dial */
    NODE_LOOKING_UP, /* the host's addresses */
    NODE_CONNECTING, /* to one of them */
    NODE_SHAKING,    /* hands in TLS, where the address begins with tls+tcp:// */
    NODE_GREETING,   /* the node's greeting is still to come */
    NODE_UP,
};

enum node_news { NODE_NO_NEWS, NODE_WAS_REFUSED, NODE_CAME_UP, NODE_WENT_DOWN };

/* Bytes of requests that are being written. */
struct output {
    uint8_t *data;
    size_t capacity, len, sent;
};

struct node {
    struct muster_client *client;
    struct endpoint endpoint;

    /* Guarded by the I/O mutex. */
    enum node_phase phase;
    struct attempt *first, *last; /* whose requests are still to be written; through `after` and `before` */
    struct pending pending;       /* whose replies are still to come */
    struct output output;         /* while is_flushing, of the thread that has set it */
    bool is_flushing;
    bool is_blocked;      /* the stream takes no more for now */
    bool is_broken;       /* the connection is to be closed; `trouble` says why */
    struct error trouble; /* why there is no connection, or was none last; its code is MUSTER_OK: there was none yet */
    uint64_t due_ms;      /* when the phase is over; UINT64_MAX: it lasts */

    /* Of the I/O thread alone. */
    enum node_news news;
    unsigned failures; /* dials in a row, and connections that did not last */
    uint64_t up_ms;    /* when the connection came up */
    struct lookup *lookup;
    struct target targets[TARGETS_MAX];
    size_t target_count, target_at;
    struct byte_stream stream;
    uint8_t greeting[SP_GREETING_BYTES];
    size_t greeting_sent, greeting_got;
    struct reply_reader reader;

    enum node_state first_dial; /* guarded by the client's mutex, as is first_trouble */
    struct error first_trouble; /* where first_dial is NODE_REFUSED */

    atomic_bool is_up;
    _Atomic(uint64_t) connections;    /* made so far */
    _Atomic(uint64_t) heard_ms;       /* when it last answered anything */
    _Atomic(uint64_t) avoid_until_ms; /* after a failure: other nodes come first until then */
};

static inline bool node_is_connected(struct node *node) {
    return atomic_load_explicit(&node->is_up, memory_order_acquire);
}

/* Makes a zeroed node, which does not dial yet. MUSTER_INVALID_ARGUMENT: the address makes no sense; *error says why.
 */
bool node_open(struct node *node, struct muster_client *client, struct text address, struct error *error);
/* Closes and frees what it has. The I/O thread has ended, or was never started. */
void node_close(struct node *node);
/* As io_abandon. */
void node_abandon(struct node *node);

/* It failed just now: it comes last for a second or two. */
void node_avoid(struct node *node, uint64_t now_ms);

/* Of the nodes that are not in `tried` (as bits; not all of them), from the preferred one on: the first that is
 * connected and is not avoided, else the first that is connected, else the first. */
unsigned client_pick_node(struct muster_client *client, uint32_t tried, uint64_t now_ms);
/* This node answered: it comes first from now on. */
void client_prefer_node(struct muster_client *client, unsigned node);

/* ---- under the I/O mutex ----------------------------------------------------------------------------------------- */

void node_queue(struct node *node, struct attempt *attempt);
void node_unqueue(struct node *node, struct attempt *attempt);
/* Writes what is queued, as far as the connection takes it now. Lets go of the mutex meanwhile. */
void node_flush(struct node *node);
/* A sentence: why no request can be written to it now. */
void node_say_trouble(const struct node *node, char *text, size_t size);
/* The connection is closed soon, and `why` is the trouble. */
void node_break(struct node *node, const struct error *why);
/* The node has been silent since since_ms. Its host may be gone without a word, and the connection with it: unless
 * anything was heard from it since, the connection is closed, and a new one made. */
void node_reconnect_if_silent(struct node *node, uint64_t since_ms, uint64_t now_ms);

/* ---- on the I/O thread, under the mutex -------------------------------------------------------------------------- */

/* Does what is due. */
void node_step(struct node *node, uint64_t now_ms);
/* What the thread waits for. */
struct pollfd node_polled(const struct node *node);
/* poll(2) has seen these events. Lets go of the mutex while it reads and calls back. */
void node_is_ready(struct node *node, short events);
/* Reads replies and ends their attempts: a part of the above. */
void node_read(struct node *node);
/* Gives back what the connection had: a part of node_step. */
void node_drop_traffic(struct node *node);

/* ---- on the I/O thread, without the mutex ------------------------------------------------------------------------ */

/* Tells the client's calls, keepalives and watches the news. */
void node_tell(struct node *node);

#endif
