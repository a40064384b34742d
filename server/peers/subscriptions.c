#include "subscriptions.h"
#include "common/monotonic.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A peer that is back is heard at once: an attempt that is refused costs nearly nothing. */
enum { RECONNECT_MIN_MS = 20, RECONNECT_MAX_MS = 100 };

struct subscription {
    struct node *node;
    nng_socket socket;
    nng_aio *aio; /* the one receiver */
    bool has_socket;
    nng_dialer dialer;
    bool is_dialling;
    uint64_t since_us; /* dialled, or retired */
    atomic_uint pipes;
    _Atomic uint64_t heard_us;

    pthread_mutex_t lock; /* of what is below, which nng's threads read */
    bool is_used;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
};

struct subscriptions {
    struct subscription items[REPLICA_PEERS_MAX];
};

static void on_connection(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct subscription *subscription = context;
    (void)pipe;
    if (event == NNG_PIPE_EV_ADD_POST) {
        atomic_store(&subscription->heard_us, monotonic_us());
        atomic_fetch_add(&subscription->pipes, 1);
    } else {
        atomic_fetch_sub(&subscription->pipes, 1);
    }
}

/* The address of the peer whose frames these are; false: it is no longer subscribed to. */
static bool read_address(struct subscription *subscription, char out[REPLICA_ADDRESS_BYTES_MAX + 1]) {
    pthread_mutex_lock(&subscription->lock);
    bool is_used = subscription->is_used;
    if (is_used) strcpy(out, subscription->address);
    pthread_mutex_unlock(&subscription->lock);
    return is_used;
}

static void on_frame(void *context) {
    struct subscription *subscription = context;
    int failure = nng_aio_result(subscription->aio);
    if (failure == NNG_ECLOSED || failure == NNG_ECANCELED) return;
    if (failure == 0) {
        char from[REPLICA_ADDRESS_BYTES_MAX + 1];
        nng_msg *message = nng_aio_get_msg(subscription->aio);
        struct text frame = {nng_msg_body(message), (uint32_t)nng_msg_len(message)};
        struct instant now = clock_now();
        atomic_store(&subscription->heard_us, monotonic_us());
        if (read_address(subscription, from)) node_frame(subscription->node, text_of(from), frame, now);
        nng_msg_free(message);
    }
    nng_recv_aio(subscription->socket, subscription->aio);
}

static int open_subscription(struct subscription *subscription) {
    int failure = nng_sub0_open(&subscription->socket);
    if (failure != 0) return failure;
    nng_socket socket = subscription->socket;
    if ((failure = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, REPLICA_FRAME_BYTES_MAX)) != 0 ||
        (failure = nng_socket_set_int(socket, NNG_OPT_RECVBUF, GOSSIP_FRAMES_QUEUED)) != 0 ||
        (failure = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0 ||
        (failure = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0 ||
        (failure = nng_socket_set(socket, NNG_OPT_SUB_SUBSCRIBE, "", 0)) != 0 ||
        (failure = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, on_connection, subscription)) != 0 ||
        (failure = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, on_connection, subscription)) != 0 ||
        (failure = nng_aio_alloc(&subscription->aio, on_frame, subscription)) != 0) {
        nng_close(socket);
        return failure;
    }
    subscription->has_socket = true;
    nng_recv_aio(socket, subscription->aio);
    return 0;
}

static void end_subscription(struct subscription *subscription, uint64_t now_us) {
    if (subscription->is_dialling) nng_dialer_close(subscription->dialer);
    subscription->is_dialling = false;
    subscription->since_us = now_us;
}

static void dial_subscription(struct subscription *subscription, uint64_t now_us) {
    end_subscription(subscription, now_us);
    int failure = nng_dialer_create(&subscription->dialer, subscription->socket, subscription->address);
    if (failure == 0) {
        subscription->is_dialling = true;
        (void)nng_dialer_set_bool(subscription->dialer, NNG_OPT_TCP_KEEPALIVE, true);
        failure = nng_dialer_set_size(subscription->dialer, NNG_OPT_RECVMAXSZ, REPLICA_FRAME_BYTES_MAX);
        if (failure == 0) failure = nng_dialer_start(subscription->dialer, NNG_FLAG_NONBLOCK);
    }
    if (failure != 0)
        log_line(LEVEL_WARN, "not_dialled", "cannot subscribe to a peer", {"address", subscription->address, 0},
                 {"result", nng_strerror(failure), 0});
}

static struct subscription *find_subscription(struct subscriptions *subscriptions, const char *address) {
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->is_used && strcmp(subscription->address, address) == 0) return subscription;
    }
    return NULL;
}

/* The socket that the peer at an address had, or one without a connection: no late frame is taken for another peer's.
 */
static struct subscription *find_unused(struct subscriptions *subscriptions, const char *address, uint64_t now_us) {
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (!subscription->is_used && subscription->has_socket && strcmp(subscription->address, address) == 0)
            return subscription;
    }
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->is_used) continue;
        if (!subscription->has_socket) return open_subscription(subscription) == 0 ? subscription : NULL;
        if (atomic_load(&subscription->pipes) > 0) continue;
        if (now_us - subscription->since_us > SUBSCRIPTION_RETIRED_MS * 1000) return subscription;
    }
    return NULL;
}

static void set_address(struct subscription *subscription, const char *address) {
    pthread_mutex_lock(&subscription->lock);
    subscription->is_used = address != NULL;
    if (address != NULL) strcpy(subscription->address, address);
    pthread_mutex_unlock(&subscription->lock);
}

void subscriptions_add(struct subscriptions *subscriptions, const char *address) {
    uint64_t now_us = monotonic_us();
    if (find_subscription(subscriptions, address) != NULL) return;
    struct subscription *subscription = find_unused(subscriptions, address, now_us);
    if (subscription == NULL) {
        log_line(LEVEL_ERROR, "not_subscribed", "no socket to subscribe to a peer with", {"address", address, 0});
        return;
    }
    set_address(subscription, address);
    dial_subscription(subscription, now_us);
}

void subscriptions_remove(struct subscriptions *subscriptions, const char *address) {
    struct subscription *subscription = find_subscription(subscriptions, address);
    if (subscription == NULL) return;
    set_address(subscription, NULL);
    end_subscription(subscription, monotonic_us());
}

static bool is_silent(struct subscription *subscription, uint64_t now_us) {
    uint64_t heard_us = atomic_load(&subscription->heard_us);
    uint64_t since_us = heard_us > subscription->since_us ? heard_us : subscription->since_us;
    uint64_t patience_ms = atomic_load(&subscription->pipes) > 0 ? SUBSCRIPTION_SILENT_MS : SUBSCRIPTION_CONNECT_MS;
    return now_us > since_us && now_us - since_us > patience_ms * 1000;
}

void subscriptions_step(struct subscriptions *subscriptions, uint64_t now_us) {
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->is_used && is_silent(subscription, now_us)) dial_subscription(subscription, now_us);
    }
}

struct subscriptions *subscriptions_open(struct node *node) {
    struct subscriptions *subscriptions = calloc(1, sizeof *subscriptions);
    if (subscriptions == NULL) return NULL;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        subscriptions->items[i].node = node;
        pthread_mutex_init(&subscriptions->items[i].lock, NULL);
    }
    return subscriptions;
}

void subscriptions_close(struct subscriptions *subscriptions) {
    if (subscriptions == NULL) return;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct subscription *subscription = &subscriptions->items[i];
        if (subscription->has_socket) {
            nng_close(subscription->socket);
            nng_aio_stop(subscription->aio);
            nng_aio_free(subscription->aio);
        }
        pthread_mutex_destroy(&subscription->lock);
    }
    free(subscriptions);
}
