/* What the files of the nng door share. Internal to server/net. */
#ifndef MUSTER_NET_REP_INTERNAL_H
#define MUSTER_NET_REP_INTERNAL_H

#include "muster/limits.h"
#include "peers/listeners.h"
#include "rep_door.h"
#include "worker_pool.h"

#include <nng/nng.h>
#include <stdatomic.h>
#include <sys/queue.h>

/* Messages a little above the limit are still taken, to be answered with what is wrong; larger ones end the
 * connection. The four bytes are the request id's. */
enum { DOOR_REQUEST_ID_BYTES = 4, DOOR_RECEIVE_BYTES_MAX = 2 * MUSTER_MESSAGE_BYTES_MAX + DOOR_REQUEST_ID_BYTES };

/* What an extra reply costs beside its bytes: its slot, its context, nng's message. */
enum { EXTRA_REPLY_OWN_BYTES = 1536 };

enum slot_state { SLOT_WAITING, SLOT_ANSWERING, SLOT_SENDING, SLOT_ENDED };

/* One context of nng's: it takes a request, answers it, sends the reply. DOOR_CONTEXTS of them are in service, and wait
 * for the next request then. One whose request is parked leaves the service, another takes its place, and it is a spare
 * once its reply is sent; so does one whose connection has more replies pending than the service can spare. Replies out
 * of service are extra ones, and bounded by what they take. A slot has one owner at a time: nng, until it calls back;
 * the node, while its request is parked; the pool of spares. */
struct slot {
    struct rep_door *door;
    nng_ctx ctx;
    nng_aio *aio;
    _Atomic(enum slot_state) state;
    bool is_out_of_service; /* its request was parked, its reply is an extra one, or it is a spare */
    uint32_t pipe;          /* whose request it answers */
    uint64_t since_us;      /* since when it sends */
    size_t extra_bytes;     /* what its reply takes, where that is an extra one; else 0 */
    TAILQ_ENTRY(slot) all;
    TAILQ_ENTRY(slot) line; /* in door->sending or door->spares */
};
TAILQ_HEAD(slots, slot);

/* A connection that may send requests, from its first moment until its places are handed back. */
struct connection {
    uint32_t pipe;
    bool has_parked;    /* has, or had, requests that are parked */
    bool is_ended;      /* for not reading */
    unsigned replies;   /* on their way, in service */
    size_t extra_bytes; /* on their way, out of service */
    unsigned promised;  /* extra ones to come, which the node was told since promised_us that there is room for */
    uint64_t promised_us;
    SLIST_ENTRY(connection) chain; /* of its bucket, or among the gone */
};
SLIST_HEAD(connections, connection);

struct rep_door {
    struct rpc *rpc;
    size_t connections_max;
    uint32_t reply_timeout_ms;
    rep_answer_fn *answer;
    void *answer_context;
    end_unread_fn *end_unread;
    struct watch_door watch_door;

    nng_socket socket;
    bool has_socket;
    struct listeners listeners;
    struct worker_pool workers;

    atomic_uint waiting; /* slots that wait for a request */
    atomic_uint busy;    /* slots that answer or send */
    atomic_size_t held;  /* slots that are the node's */
    atomic_size_t connections;
    _Atomic uint64_t requests;
    atomic_bool is_draining, takes_no_more, is_closing;
    atomic_bool has_excess; /* a connection has more replies pending than it may */

    pthread_mutex_t lock; /* of what follows; held for a few instructions, never while nng or the node is called */
    struct slots all;
    struct slots sending; /* the oldest first */
    struct slots spares;  /* the last used first */
    size_t spare_count;
    unsigned serving;            /* slots that are in service: DOOR_CONTEXTS, unless memory is short */
    size_t extra_bytes;          /* of all connections */
    size_t usual_extra_bytes;    /* what one is expected to take: the largest of late */
    struct connections *buckets; /* by pipe */
    size_t bucket_count;         /* a power of two */
    struct connections gone;     /* whose places are to be handed back */

    pthread_t thread; /* looks after stuck replies, dead listeners, connections that are gone, and spares */
    bool has_thread;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop;
};

/* rep_connections.c: knows the connections, and refuses and ends them. The callbacks are nng's. */
bool connections_open(struct rep_door *door); /* false: memory is short */
void connections_on_add(nng_pipe pipe, nng_pipe_ev event, void *door);
void connections_on_remove(nng_pipe pipe, nng_pipe_ev event, void *door);
struct connection *connection_of(const struct rep_door *door, uint32_t pipe); /* NULL: it is gone. Under door->lock */
/* A request of it was parked; handed back at once where the connection is gone already. */
void connection_has_parked(struct rep_door *door, uint32_t pipe);
/* Hands the places of connections that are gone back, which nng's own threads do not. */
void connections_hang_up(struct rep_door *door);
/* Ends the connection of a client that does not read, by nng's own means. */
void connections_close_unread(struct rep_door *door, uint32_t pipe);
void connections_say_unread(const struct rep_door *door, const char *peer, size_t closed);
void connections_close(struct rep_door *door); /* after the socket is closed */

/* rep_replies.c: replies on their way, by connection and by age. */
void reply_begins(struct slot *slot);
void reply_ends(struct slot *slot);
enum admission { ADMITTED, ADMITTED_BEYOND, NOT_ADMITTED };
/* Whether a request of this connection is answered, and whether as an extra one. */
enum admission replies_admit(struct rep_door *door, uint32_t pipe);
/* Whether a reply to a watch would go out soon, which is then counted on for a moment. */
bool replies_promise_room(struct rep_door *door, uint32_t pipe);
/* Whether the extra ones take more memory than they may. */
bool replies_are_too_large(struct rep_door *door);
/* Ends the connections whose replies are pending for too long, which is less where contexts or memory run short. */
void replies_relieve(struct rep_door *door, uint64_t now_us);

/* rep_slots.c: takes requests, answers them and sends the replies. Return nng's error numbers. */
int slots_open(struct rep_door *door);
void slots_start(struct rep_door *door);
struct slot *slot_open(struct rep_door *door, int *failure);
void slot_free(struct slot *slot);
void slot_wait(struct slot *slot); /* for the next request */
void slot_send(struct slot *slot, nng_msg *message);
/* Writes a Reply in place of what the message holds. */
bool put_reply(nng_msg *message, enum method method, const struct response *response);
void slots_close(struct rep_door *door); /* after the socket is closed; waits until the node has none of them */
/* Whether a request is being answered or a reply waits for its connection. */
bool slots_are_busy(const struct rep_door *door);

/* rep_park.c: slots that leave the service and come back. */
struct watch_door park_door(struct rep_door *door);
void park_replace(struct rep_door *door); /* one has left */
void park_return(struct slot *slot);      /* the request that was parked is over */
/* Brings the service to its strength again where memory was short, and frees some of the spares that are too many. */
void park_step(struct rep_door *door);

#endif
