/* What the files of the nng door share. Internal to server/net. */
#ifndef MUSTER_NET_REP_INTERNAL_H
#define MUSTER_NET_REP_INTERNAL_H

#include "listeners.h"
#include "muster/limits.h"
#include "rep_door.h"
#include "worker_pool.h"

#include <nng/nng.h>
#include <stdatomic.h>

/* Messages a little above the limit are still taken, to be answered with what is wrong; larger ones end the
 * connection. The four bytes are the request id's. */
enum { DOOR_REQUEST_ID_BYTES = 4, DOOR_RECEIVE_BYTES_MAX = 2 * MUSTER_MESSAGE_BYTES_MAX + DOOR_REQUEST_ID_BYTES };

enum slot_state { SLOT_WAITING, SLOT_ANSWERING, SLOT_SENDING, SLOT_ENDED };

/* One context: it waits for a request, answers it, sends the reply, and waits again. */
struct slot {
    struct rep_door *door;
    nng_ctx ctx;
    nng_aio *aio;
    bool is_open;
    _Atomic(enum slot_state) state;
    atomic_uint pipe;          /* whose request it answers */
    _Atomic uint64_t since_us; /* since when it sends */
};

struct rep_door {
    struct node *node;
    size_t connections_max;
    uint32_t reply_timeout_ms;
    rep_answer_fn *answer;
    end_unread_fn *end_unread;

    nng_socket socket;
    bool has_socket;
    struct slot slots[DOOR_CONTEXTS];
    struct listeners listeners;
    struct worker_pool workers;

    atomic_uint waiting; /* slots that wait for a request */
    atomic_size_t connections;
    _Atomic uint64_t requests;
    atomic_bool is_draining, takes_no_more, is_closing;
    atomic_bool has_excess; /* a connection has more replies pending than it may */

    pthread_t thread; /* looks after stuck replies and dead listeners */
    bool has_thread;
    pthread_mutex_t stop_lock;
    pthread_cond_t stop;
};

/* rep_connections.c: counts connections, and refuses and ends them. The callbacks are nng's. */
void connections_on_add(nng_pipe pipe, nng_pipe_ev event, void *door);
void connections_on_remove(nng_pipe pipe, nng_pipe_ev event, void *door);
/* Ends the connection of a client that does not read, by nng's own means. */
void connections_close_unread(struct rep_door *door, uint32_t pipe_id);
void connections_say_unread(const struct rep_door *door, const char *peer, size_t closed);

/* rep_slots.c: takes requests, answers them and sends the replies. Return nng's error numbers. */
int slots_open(struct rep_door *door);
void slots_start(struct rep_door *door);
void slots_close(struct rep_door *door); /* after the socket is closed */
/* Ends the connections whose replies are pending for too long, which is less where contexts run short. */
void slots_relieve(struct rep_door *door, uint64_t now_us);
/* Whether a request is being answered or a reply waits for its connection. */
bool slots_are_busy(const struct rep_door *door);

#endif
