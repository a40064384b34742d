#include "sync_requests.h"
#include "gossip.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <nng/protocol/reqrep0/req.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { RECONNECT_MIN_MS = 50, RECONNECT_MAX_MS = 2000 };

/* Who is asked. */
struct asked {
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* empty: nobody */
    nng_socket socket;
    bool has_socket;
    nng_dialer dialer;
    bool is_dialling;
    uint64_t used_us;
    atomic_bool is_broken; /* the last question was not answered */
    atomic_uint pending;
};

enum ask_state { ASK_IDLE, ASK_SENDING, ASK_RECEIVING };

struct ask {
    struct node *node;
    struct asked *asked;
    nng_ctx ctx;
    nng_aio *aio;
    _Atomic(enum ask_state) state;
    uint64_t ticket, until_us;
};

struct asks {
    struct node *node;
    struct asked asked[REPLICA_PEERS_MAX];
    struct ask items[GOSSIP_ASKS_MAX];
};

static void end(struct ask *ask, nng_msg *answer) {
    uint64_t ticket = ask->ticket;
    struct text bytes = {0};
    if (answer != NULL) bytes = (struct text){nng_msg_body(answer), (uint32_t)nng_msg_len(answer)};
    else atomic_store(&ask->asked->is_broken, true);
    nng_ctx_close(ask->ctx);
    atomic_fetch_sub(&ask->asked->pending, 1);
    node_sync_answer(ask->node, ticket, bytes, clock_now());
    if (answer != NULL) nng_msg_free(answer);
    atomic_store(&ask->state, ASK_IDLE);
}

static void receive(struct ask *ask) {
    uint64_t now_us = clock_monotonic_us();
    uint64_t left_ms = ask->until_us > now_us ? (ask->until_us - now_us) / 1000 : 0;
    atomic_store(&ask->state, ASK_RECEIVING);
    nng_aio_set_timeout(ask->aio, (nng_duration)(left_ms + 1));
    nng_ctx_recv(ask->ctx, ask->aio);
}

static void on_ask(void *context) {
    struct ask *ask = context;
    int failure = nng_aio_result(ask->aio);
    bool is_sent = atomic_load(&ask->state) == ASK_RECEIVING;
    if (failure == 0 && !is_sent) {
        receive(ask);
        return;
    }
    nng_msg *message = nng_aio_get_msg(ask->aio);
    if (failure != 0) {
        if (!is_sent && message != NULL) nng_msg_free(message);
        message = NULL;
    }
    nng_aio_set_msg(ask->aio, NULL);
    end(ask, message);
}

static int open_socket(struct asked *asked) {
    int failure = nng_req0_open(&asked->socket);
    if (failure != 0) return failure;
    if ((failure = nng_socket_set_size(asked->socket, NNG_OPT_RECVMAXSZ, REPLICA_SYNC_BYTES_MAX + 4)) != 0 ||
        (failure = nng_socket_set_ms(asked->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0 ||
        (failure = nng_socket_set_ms(asked->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (failure = nng_socket_set_ms(asked->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0) {
        nng_close(asked->socket);
        return failure;
    }
    asked->has_socket = true;
    return 0;
}

static void hang_up(struct asked *asked) {
    if (asked->is_dialling) nng_dialer_close(asked->dialer);
    asked->is_dialling = false;
}

static int dial(struct asked *asked) {
    hang_up(asked);
    int failure = asked->has_socket ? 0 : open_socket(asked);
    if (failure == 0) failure = nng_dialer_create(&asked->dialer, asked->socket, asked->address);
    if (failure != 0) return failure;
    asked->is_dialling = true;
    atomic_store(&asked->is_broken, false);
    (void)nng_dialer_set_bool(asked->dialer, NNG_OPT_TCP_KEEPALIVE, true);
    failure = nng_dialer_set_size(asked->dialer, NNG_OPT_RECVMAXSZ, REPLICA_SYNC_BYTES_MAX + 4);
    return failure != 0 ? failure : nng_dialer_start(asked->dialer, NNG_FLAG_NONBLOCK);
}

/* The peer's place, or one for it: the one that was not asked for longest. */
static struct asked *place_of(struct asks *asks, const char *address) {
    struct asked *best = NULL;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct asked *asked = &asks->asked[i];
        if (strcmp(asked->address, address) == 0) return asked;
        if (atomic_load(&asked->pending) == 0 && (best == NULL || asked->used_us < best->used_us)) best = asked;
    }
    if (best == NULL) return NULL;
    hang_up(best);
    strcpy(best->address, address);
    return best;
}

static struct ask *idle_ask(struct asks *asks) {
    for (size_t i = 0; i < GOSSIP_ASKS_MAX; i++)
        if (atomic_load(&asks->items[i].state) == ASK_IDLE) return &asks->items[i];
    return NULL;
}

static int begin(struct asks *asks, struct errand *errand) {
    struct ask *ask = idle_ask(asks);
    struct asked *asked = place_of(asks, errand->address);
    if (ask == NULL || asked == NULL) return NNG_EAGAIN;
    asked->used_us = clock_monotonic_us();
    bool is_stale = atomic_load(&asked->is_broken) && atomic_load(&asked->pending) == 0;
    int failure = asked->is_dialling && !is_stale ? 0 : dial(asked);
    if (failure == 0) failure = nng_ctx_open(&ask->ctx, asked->socket);
    if (failure != 0) return failure;
    ask->asked = asked;
    ask->ticket = errand->ticket;
    ask->until_us = asked->used_us + REPLICA_ASK_TIMEOUT_MS * 1000;
    atomic_fetch_add(&asked->pending, 1);
    atomic_store(&ask->state, ASK_SENDING);
    nng_aio_set_timeout(ask->aio, REPLICA_ASK_TIMEOUT_MS);
    nng_aio_set_msg(ask->aio, errand->message);
    errand->message = NULL;
    nng_ctx_send(ask->ctx, ask->aio);
    return 0;
}

void asks_begin(struct asks *asks, struct errand *errand) {
    int failure = begin(asks, errand);
    if (failure == 0) return;
    log_line(LEVEL_WARN, "not_asked", "cannot ask a peer", {"address", errand->address, 0},
             {"result", nng_strerror(failure), 0});
    node_sync_answer(asks->node, errand->ticket, (struct text){0}, clock_now());
}

void asks_step(struct asks *asks, uint64_t now_us) {
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct asked *asked = &asks->asked[i];
        if (!asked->is_dialling || atomic_load(&asked->pending) > 0) continue;
        if (now_us > asked->used_us && now_us - asked->used_us > (uint64_t)ASKS_IDLE_MS * 1000) hang_up(asked);
    }
}

struct asks *asks_open(struct node *node) {
    struct asks *asks = calloc(1, sizeof *asks);
    if (asks == NULL) return NULL;
    asks->node = node;
    for (size_t i = 0; i < GOSSIP_ASKS_MAX; i++) {
        asks->items[i].node = node;
        if (nng_aio_alloc(&asks->items[i].aio, on_ask, &asks->items[i]) == 0) continue;
        asks_close(asks);
        return NULL;
    }
    return asks;
}

void asks_close(struct asks *asks) {
    if (asks == NULL) return;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++)
        if (asks->asked[i].has_socket) nng_close(asks->asked[i].socket);
    for (size_t i = 0; i < GOSSIP_ASKS_MAX; i++) {
        if (asks->items[i].aio == NULL) continue;
        nng_aio_stop(asks->items[i].aio);
        nng_aio_free(asks->items[i].aio);
    }
    free(asks);
}
