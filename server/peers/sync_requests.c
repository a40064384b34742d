#include "sync_requests.h"
#include "common/monotonic.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RECONNECT_MIN_MS = 20, RECONNECT_MAX_MS = 100 };

/* A peer that sync requests go to. */
struct sync_peer {
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* empty: nobody */
    nng_socket socket;
    bool has_socket;
    nng_dialer dialer;
    bool is_dialling;
    uint64_t used_us;
    atomic_bool is_broken; /* the last request failed */
    atomic_uint pipes, pending_count;
};

enum pending_state { PENDING_IDLE, PENDING_SENDING, PENDING_RECEIVING };

struct pending_sync {
    struct node *node;
    struct sync_peer *peer;
    nng_ctx ctx;
    nng_aio *aio;
    _Atomic(enum pending_state) state;
    uint64_t ticket, until_us; /* until_us: only for the calling thread */
};

struct sync_requests {
    struct node *node;
    struct sync_peer peers[REPLICA_PEERS_MAX];
    struct pending_sync items[SYNC_REQUESTS_MAX];
};

static void end_request(struct pending_sync *pending, nng_msg *answer) {
    uint64_t ticket = pending->ticket;
    struct text bytes = {0};
    if (answer != NULL) bytes = (struct text){nng_msg_body(answer), (uint32_t)nng_msg_len(answer)};
    else atomic_store(&pending->peer->is_broken, true);
    nng_ctx_close(pending->ctx);
    atomic_fetch_sub(&pending->peer->pending_count, 1);
    node_sync_response(pending->node, ticket, bytes, clock_now());
    if (answer != NULL) nng_msg_free(answer);
    atomic_store(&pending->state, PENDING_IDLE);
}

static void receive_response(struct pending_sync *pending) {
    atomic_store(&pending->state, PENDING_RECEIVING);
    nng_ctx_recv(pending->ctx, pending->aio);
}

static void on_pending(void *context) {
    struct pending_sync *pending = context;
    int failure = nng_aio_result(pending->aio);
    bool is_sent = atomic_load(&pending->state) == PENDING_RECEIVING;
    if (failure == 0 && !is_sent) {
        receive_response(pending);
        return;
    }
    nng_msg *message = nng_aio_get_msg(pending->aio);
    if (failure != 0) {
        if (!is_sent && message != NULL) nng_msg_free(message);
        message = NULL;
    }
    nng_aio_set_msg(pending->aio, NULL);
    end_request(pending, message);
}

static void on_connection(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct sync_peer *peer = context;
    (void)pipe;
    if (event == NNG_PIPE_EV_ADD_POST) atomic_fetch_add(&peer->pipes, 1);
    else atomic_fetch_sub(&peer->pipes, 1);
}

static int open_peer(struct sync_peer *peer) {
    int failure = nng_req0_open(&peer->socket);
    if (failure != 0) return failure;
    if ((failure = nng_socket_set_size(peer->socket, NNG_OPT_RECVMAXSZ, REPLICA_SYNC_BYTES_MAX + 4)) != 0 ||
        (failure = nng_socket_set_ms(peer->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (failure = nng_socket_set_ms(peer->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (failure = nng_socket_set_ms(peer->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        (failure = nng_pipe_notify(peer->socket, NNG_PIPE_EV_ADD_POST, on_connection, peer)) != 0 ||
        (failure = nng_pipe_notify(peer->socket, NNG_PIPE_EV_REM_POST, on_connection, peer)) != 0) {
        nng_close(peer->socket);
        return failure;
    }
    peer->has_socket = true;
    return 0;
}

static void end_peer(struct sync_peer *peer) {
    if (peer->is_dialling) nng_dialer_close(peer->dialer);
    peer->is_dialling = false;
}

static int dial_peer(struct sync_peer *peer) {
    end_peer(peer);
    int failure = peer->has_socket ? 0 : open_peer(peer);
    if (failure == 0) failure = nng_dialer_create(&peer->dialer, peer->socket, peer->address);
    if (failure != 0) return failure;
    peer->is_dialling = true;
    atomic_store(&peer->is_broken, false);
    (void)nng_dialer_set_bool(peer->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    failure = nng_dialer_set_size(peer->dialer, NNG_OPT_RECVMAXSZ, REPLICA_SYNC_BYTES_MAX + 4);
    return failure != 0 ? failure : nng_dialer_start(peer->dialer, NNG_FLAG_NONBLOCK);
}

/* The entry of a peer: its own, or else the one that was used least recently. */
static struct sync_peer *obtain_peer(struct sync_requests *requests, const char *address) {
    struct sync_peer *best = NULL;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct sync_peer *peer = &requests->peers[i];
        if (strcmp(peer->address, address) == 0) return peer;
        if (atomic_load(&peer->pending_count) == 0 && (best == NULL || peer->used_us < best->used_us)) best = peer;
    }
    if (best == NULL) return NULL;
    end_peer(best);
    strcpy(best->address, address);
    return best;
}

static struct pending_sync *idle_pending(struct sync_requests *requests) {
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++)
        if (atomic_load(&requests->items[i].state) == PENDING_IDLE) return &requests->items[i];
    return NULL;
}

/* The sealed request as a message. */
static int message_of(struct sync_requests *requests, const struct action *action, nng_msg **message) {
    int failure = nng_msg_alloc(message, CODEC_REQUEST_BYTES_MAX);
    if (failure != 0) return failure;
    struct text sealed = codec_seal_request(node_codec(requests->node), action->request, nng_msg_body(*message));
    return nng_msg_chop(*message, CODEC_REQUEST_BYTES_MAX - sealed.len);
}

static int begin_request(struct sync_requests *requests, const struct action *action) {
    struct pending_sync *pending = idle_pending(requests);
    struct sync_peer *peer = obtain_peer(requests, action->address);
    if (pending == NULL || peer == NULL) return NNG_EAGAIN;
    peer->used_us = monotonic_us();
    /* Without a connection the dialer may be waiting to try again: a new one tries at once. */
    bool is_cut = atomic_load(&peer->is_broken) || atomic_load(&peer->pipes) == 0;
    bool is_stale = is_cut && atomic_load(&peer->pending_count) == 0;
    nng_msg *message = NULL;
    int failure = peer->is_dialling && !is_stale ? 0 : dial_peer(peer);
    if (failure == 0) failure = message_of(requests, action, &message);
    if (failure == 0) failure = nng_ctx_open(&pending->ctx, peer->socket);
    if (failure != 0) {
        if (message != NULL) nng_msg_free(message);
        return failure;
    }
    pending->peer = peer;
    pending->ticket = action->ticket;
    pending->until_us = peer->used_us + REPLICA_SYNC_TIMEOUT_MS * 1000;
    atomic_fetch_add(&peer->pending_count, 1);
    atomic_store(&pending->state, PENDING_SENDING);
    nng_aio_set_msg(pending->aio, message);
    nng_ctx_send(pending->ctx, pending->aio);
    return 0;
}

void sync_requests_send(struct sync_requests *requests, const struct action *action) {
    int failure = begin_request(requests, action);
    if (failure == 0) return;
    log_line(LEVEL_WARN, "not_asked", "cannot ask a peer", {"address", action->address, 0},
             {"result", nng_strerror(failure), 0});
    node_sync_response(requests->node, action->ticket, (struct text){0}, clock_now());
}

/* nng's own time-outs run on the wall clock, which may be set back. */
static void cancel_late(struct sync_requests *requests, uint64_t now_us) {
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        struct pending_sync *pending = &requests->items[i];
        if (atomic_load(&pending->state) != PENDING_IDLE && now_us > pending->until_us) nng_aio_cancel(pending->aio);
    }
}

/* Whether an attempt to connect to a peer was refused: nobody listens there. nng tells only its statistics. */
static bool was_refused(const struct sync_peer *peer, nng_stat *all) {
    nng_stat *dialer = nng_stat_find_dialer(all, peer->dialer);
    nng_stat *refused = dialer == NULL ? NULL : nng_stat_find(dialer, "refused");
    return refused != NULL && nng_stat_value(refused) > 0;
}

static bool awaits_connection(const struct pending_sync *pending) {
    return atomic_load(&pending->state) != PENDING_IDLE && atomic_load(&pending->peer->pipes) == 0;
}

/* A node that starts waits for its peers: it has to learn at once that nobody is there. */
static void cancel_refused(struct sync_requests *requests) {
    nng_stat *all = NULL;
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        struct pending_sync *pending = &requests->items[i];
        if (!awaits_connection(pending) || (all == NULL && nng_stats_get(&all) != 0)) continue;
        if (was_refused(pending->peer, all)) nng_aio_cancel(pending->aio);
    }
    if (all != NULL) nng_stats_free(all);
}

void sync_requests_step(struct sync_requests *requests, uint64_t now_us) {
    cancel_late(requests, now_us);
    if (!node_takes_writes(requests->node)) cancel_refused(requests);
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct sync_peer *peer = &requests->peers[i];
        if (!peer->is_dialling || atomic_load(&peer->pending_count) > 0) continue;
        if (now_us > peer->used_us && now_us - peer->used_us > (uint64_t)SYNC_PEER_IDLE_MS * 1000) end_peer(peer);
    }
}

struct sync_requests *sync_requests_open(struct node *node) {
    struct sync_requests *requests = calloc(1, sizeof *requests);
    if (requests == NULL) return NULL;
    requests->node = node;
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        requests->items[i].node = node;
        if (nng_aio_alloc(&requests->items[i].aio, on_pending, &requests->items[i]) == 0) {
            nng_aio_set_timeout(requests->items[i].aio, NNG_DURATION_INFINITE);
            continue;
        }
        sync_requests_close(requests);
        return NULL;
    }
    return requests;
}

void sync_requests_close(struct sync_requests *requests) {
    if (requests == NULL) return;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++)
        if (requests->peers[i].has_socket) nng_close(requests->peers[i].socket);
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        if (requests->items[i].aio == NULL) continue;
        nng_aio_stop(requests->items[i].aio);
        nng_aio_free(requests->items[i].aio);
    }
    free(requests);
}
