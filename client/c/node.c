#include "node.h"

#include "client.h"
#include "common/monotonic.h"
#include "dispatcher.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    HASTEN_MS = 50,  /* watches that back off ask a new connection within this */
    AVOID_MS = 1000, /* and up to as long again by chance */
};

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

bool node_open(struct node *node, struct muster_client *client, struct text address, struct error *error) {
    node->client = client;
    node->stream.fd = -1;
    if (!endpoint_parse(&node->endpoint, address, error)) return false;
    node->reader.is_ipc = node->endpoint.is_ipc;
    return true;
}

void node_close(struct node *node) {
    byte_stream_close(&node->stream);
    lookup_drop(node->lookup);
    reply_reader_free(&node->reader);
    pending_free(&node->pending);
    free(node->output.data);
}

void node_abandon(struct node *node) {
    byte_stream_abandon(&node->stream);
}

/* ---- news -------------------------------------------------------------------------------------------------------- */

void node_tell(struct node *node) {
    struct muster_client *client = node->client;
    enum node_news news = node->news;
    if (news == NODE_NO_NEWS) return;
    node->news = NODE_NO_NEWS;
    pthread_mutex_lock(&client->mutex);
    if (news == NODE_CAME_UP) node->first_dial = NODE_REACHED;
    if (news == NODE_WAS_REFUSED && node->first_dial == NODE_DIALLING) {
        node->first_dial = NODE_REFUSED;
        node->first_trouble = node->trouble; /* this thread alone changes it while the node is not up */
    }
    if (news == NODE_CAME_UP && client->dispatcher != NULL)
        dispatcher_hasten(client->dispatcher, monotonic_ms() + client_random(client, HASTEN_MS));
    pthread_cond_broadcast(&client->changed);
    for (struct muster_keepalive *k = client->keepalives; k != NULL; k = keepalive_next(k)) keepalive_wake(k);
    pthread_mutex_unlock(&client->mutex);
}

/* ---- trouble ----------------------------------------------------------------------------------------------------- */

void node_avoid(struct node *node, uint64_t now_ms) {
    uint64_t until_ms = now_ms + AVOID_MS + client_random(node->client, AVOID_MS);
    atomic_store_explicit(&node->avoid_until_ms, until_ms, memory_order_relaxed);
}

void node_say_trouble(const struct node *node, char *text, size_t size) {
    const char *why = node->trouble.text;
    if (node->phase == NODE_UP) why = "it takes no request from its connection";
    else if (node->trouble.code == MUSTER_OK && node->phase == NODE_LOOKING_UP)
        why = "host name is still being looked up";
    else if (node->trouble.code == MUSTER_OK && node->phase == NODE_SHAKING)
        why = "it is connected, and does not finish the TLS handshake";
    else if (node->trouble.code == MUSTER_OK && node->phase == NODE_GREETING)
        why = "it is connected, and has sent no greeting";
    else if (node->trouble.code == MUSTER_OK) why = "no answer to the dial yet";
    snprintf(text, size, "%s", why);
}

void node_break(struct node *node, const struct error *why) {
    if (node->phase != NODE_UP || node->is_broken) return;
    node->is_broken = true;
    node->trouble = *why;
    io_wake(&node->client->io);
}

void node_reconnect_if_silent(struct node *node, uint64_t since_ms, uint64_t now_ms) {
    struct error why;
    if (atomic_load_explicit(&node->heard_ms, memory_order_relaxed) >= since_ms) return;
    (void)error_fail(&why, MUSTER_UNAVAILABLE, "no answer for %llu ms", (unsigned long long)(now_ms - since_ms));
    if (node->up_ms <= since_ms) node_break(node, &why);
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
