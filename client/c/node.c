#include "node.h"

#include "client.h"
#include "common/monotonic.h"
#include "dispatcher.h"

#include <nng/protocol/reqrep0/req.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECONNECT_MIN_MS = 50,
    RECONNECT_MAX_MS = 1000,
    REPLY_BYTES_MAX = MUSTER_MESSAGE_BYTES_MAX + 4096, /* with nng's header */
    HASTEN_MS = 50,                                    /* watches that back off ask a new connection within this */
    AVOID_MS = 1000,                                   /* and up to as long again by chance */
};

/* ---- connections ------------------------------------------------------------------------------------------------- */

/* Under the mutex. */
static void client_changed(struct muster_client *client) {
    pthread_cond_broadcast(&client->changed);
    for (struct muster_keepalive *k = client->keepalives; k != NULL; k = keepalive_next(k)) keepalive_wake(k);
}

static void node_connected(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    (void)event;
    struct node *node = arg;
    struct muster_client *client = node->client;
    atomic_fetch_add(&node->connections, 1);
    atomic_store_explicit(&node->avoid_until_ms, 0, memory_order_relaxed);
    atomic_store_explicit(&node->pipe, pipe.id, memory_order_release);
    pthread_mutex_lock(&client->mutex);
    node->first_dial = NODE_REACHED;
    if (client->dispatcher != NULL)
        dispatcher_hasten(client->dispatcher, monotonic_ms() + client_random(client, HASTEN_MS));
    client_changed(client);
    pthread_mutex_unlock(&client->mutex);
}

static void node_disconnected(nng_pipe pipe, nng_pipe_ev event, void *arg) {
    (void)event;
    struct node *node = arg;
    uint32_t id = pipe.id;
    atomic_compare_exchange_strong(&node->pipe, &id, 0);
    pthread_mutex_lock(&node->client->mutex);
    client_changed(node->client);
    pthread_mutex_unlock(&node->client->mutex);
}

int node_open(struct node *node, struct muster_client *client, const char *address) {
    node->client = client;
    if ((node->address = strdup(address)) == NULL) return NNG_ENOMEM;
    int rv = nng_req0_open(&node->socket);
    if (rv != 0) return rv;
    nng_socket socket = node->socket;
    /* nng believes a length from the wire unless this is set before the dialer is made. */
    if ((rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, REPLY_BYTES_MAX)) != 0) return rv;
    /* Whether a request is sent again after its connection broke off, and where, is decided here, not by nng. */
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE)) != 0) return rv;
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS)) != 0) return rv;
    if ((rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS)) != 0) return rv;
    if ((rv = nng_pipe_notify(socket, NNG_PIPE_EV_ADD_POST, node_connected, node)) != 0) return rv;
    if ((rv = nng_pipe_notify(socket, NNG_PIPE_EV_REM_POST, node_disconnected, node)) != 0) return rv;
    return nng_dialer_create(&node->dialer, socket, address);
}

void node_close(struct node *node) {
    if (node->socket.id != 0) nng_close(node->socket);
    if (node->has_dial_thread) pthread_join(node->dial_thread, NULL);
    free(node->address);
}

/* ---- dialling ---------------------------------------------------------------------------------------------------- */

int node_dial(struct node *node) {
    return nng_dialer_start(node->dialer, NNG_FLAG_NONBLOCK);
}

/* nng does not tell how a dial in the background ends, so the first one blocks a thread. */
static void *node_dial_thread(void *arg) {
    struct node *node = arg;
    int rv = nng_dialer_start(node->dialer, 0);
    if (rv == 0 || rv == NNG_ECLOSED) return NULL;
    pthread_mutex_lock(&node->client->mutex);
    if (node->first_dial == NODE_DIALLING) {
        node->first_dial = NODE_REFUSED;
        node->dial_error = rv;
    }
    client_changed(node->client);
    pthread_mutex_unlock(&node->client->mutex);
    node_dial(node);
    return NULL;
}

int node_dial_watched(struct node *node) {
    int rv = thread_start(&node->dial_thread, node_dial_thread, node);
    node->has_dial_thread = rv == 0;
    return rv == 0 ? 0 : NNG_ENOMEM;
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

void node_avoid(struct node *node, uint64_t now_ms) {
    uint64_t until_ms = now_ms + AVOID_MS + client_random(node->client, AVOID_MS);
    atomic_store_explicit(&node->avoid_until_ms, until_ms, memory_order_relaxed);
}

void node_reconnect_if_silent(struct node *node, uint64_t since_ms) {
    uint32_t pipe = atomic_load_explicit(&node->pipe, memory_order_acquire);
    if (pipe == 0 || atomic_load_explicit(&node->heard_ms, memory_order_relaxed) >= since_ms) return;
    nng_pipe_close((nng_pipe){pipe});
}

/* ---- which node comes next --------------------------------------------------------------------------------------- */

unsigned client_pick_node(struct muster_client *client, uint32_t tried, uint64_t now_ms) {
    unsigned count = (unsigned)client->node_count;
    unsigned first = atomic_load_explicit(&client->preferred, memory_order_relaxed);
    unsigned best = first, best_rank = 0;
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (first + i) % count;
        if ((tried & 1u << at) != 0) continue;
        struct node *node = &client->nodes[at];
        bool is_avoided = atomic_load_explicit(&node->avoid_until_ms, memory_order_relaxed) > now_ms;
        unsigned rank = node_is_connected(node) ? (is_avoided ? 2 : 3) : 1;
        if (rank > best_rank) {
            best = at;
            best_rank = rank;
        }
    }
    return best;
}

void client_prefer_node(struct muster_client *client, unsigned node) {
    if (atomic_load_explicit(&client->preferred, memory_order_relaxed) != node)
        atomic_store_explicit(&client->preferred, node, memory_order_relaxed);
}
