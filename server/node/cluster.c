#include "cluster.h"
#include "page_allocator.h"
#include "turn.h"

#include <sodium.h>

/* How often a node without new beats looks for what is due: digests, gaps, silent peers. */
enum { NODE_IDLE_MS = 50 };

/* Passes actions on under the lock, so that frames keep their order. They are performed without it. */
static void give_actions(struct node *node, struct actions actions) {
    if (actions.first != NULL) node->sink.take(node->sink.context, actions);
}

static void look_ready(struct node *node) {
    if (!atomic_load_explicit(&node->takes_writes, memory_order_relaxed))
        atomic_store(&node->takes_writes, replica_takes_writes(node->replica, node->now_ms));
    standstill_look(node);
}

bool node_join(struct node *node, const struct node_cluster_config *config, struct instant now) {
    struct replica_config replica = {.origin = node->origin,
                                     .name = node->name,
                                     .region = config->region,
                                     .gossip_address = config->gossip_address,
                                     .sync_address = config->sync_address,
                                     .version = node->version,
                                     .flush_ms = config->flush_ms,
                                     .join_timeout_ms = config->join_timeout_ms,
                                     .expects_peers = config->expects_peers,
                                     .roll = node->roll,
                                     .clock = &node->hlc,
                                     .allocator = page_allocator()};
    randombytes_buf(&replica.seed, sizeof replica.seed);
    struct codec *codec = codec_new(config->keyring);
    if (codec == NULL) return false;
    struct turn turn = node_begin(node, now);
    node->flush_ms = config->flush_ms;
    node->replica = replica_new(&replica, turn.now_ms);
    node->codec = codec; /* a sync request that comes earlier finds none, and is dropped */
    if (node->replica != NULL) replica_restore(node->replica, node->recalled, node->recalled_count);
    atomic_store(&node->takes_writes, node->replica == NULL);
    atomic_store(&node->is_ready, node->replica == NULL);
    bool is_made = node->replica != NULL;
    if (is_made) look_ready(node); /* a node that expects no peers waits for none */
    node_commit(&turn, NULL);
    return is_made;
}

void node_set_action_sink(struct node *node, struct action_sink sink) {
    struct turn turn = node_begin(node, (struct instant){0});
    node->sink = sink;
    node_commit(&turn, NULL);
}

uint64_t node_gossip(struct node *node, struct instant now) {
    struct turn turn = node_begin(node, now);
    replica_set_wall(node->replica, now.wall_ms, now.now_ms);
    give_actions(node, replica_tick(node->replica, turn.now_ms));
    look_ready(node);
    node->is_idle = !node->is_told;
    node->is_told = false;
    uint64_t wait_ms = node->is_idle && node->flush_ms < NODE_IDLE_MS ? NODE_IDLE_MS : node->flush_ms;
    if (!node_takes_writes(node) && wait_ms > REPLICA_START_POLL_MS) wait_ms = REPLICA_START_POLL_MS;
    node_commit(&turn, NULL);
    return wait_ms;
}

bool node_flush_news(struct node *node, struct instant now) {
    struct actions actions;
    struct turn turn = node_begin(node, now);
    bool is_all = replica_flush_news(node->replica, turn.now_ms, &actions);
    give_actions(node, actions);
    node_commit(&turn, NULL);
    return is_all;
}

void node_frame(struct node *node, struct text from, struct text frame, struct instant now) {
    struct received *received = codec_open_frame(node->codec, frame);
    if (received == NULL) return;
    struct turn turn = node_begin(node, now);
    give_actions(node, replica_frame(node->replica, from, &received->frame, turn.now_ms, turn_effects(&turn)));
    node_commit(&turn, NULL);
    codec_release(node->codec, received);
}

void node_sync_request(struct node *node, struct text request, struct instant now, sync_reply_fn *reply,
                       void *context) {
    struct codec *codec = node->codec;
    struct received *received = codec == NULL ? NULL : codec_open_request(codec, request);
    if (received == NULL) return;
    struct turn turn = node_begin(node, now);
    bool wants_tick = replica_sync_request(node->replica, &received->request, turn.now_ms, &received->response_page);
    struct action_sink sink = node->sink;
    node_commit(&turn, NULL);
    if (wants_tick && sink.wake != NULL) sink.wake(sink.context);
    struct text response = codec_seal_page(codec, received);
    if (response.len > 0) reply(context, response);
    codec_release(codec, received);
}

void node_sync_response(struct node *node, uint64_t ticket, struct text response, struct instant now) {
    struct received *received = response.len == 0 ? NULL : codec_open_response(node->codec, response);
    struct turn turn = node_begin(node, now);
    give_actions(node, replica_sync_response(node->replica, ticket, received == NULL ? NULL : &received->response,
                                             turn.now_ms, turn_effects(&turn)));
    look_ready(node);
    node_commit(&turn, NULL);
    codec_release(node->codec, received);
}

void node_add_peer(struct node *node, struct text sync_address, struct instant now) {
    struct turn turn = node_begin(node, now);
    give_actions(node, replica_add_peer(node->replica, sync_address, turn.now_ms));
    node_commit(&turn, NULL);
}

void node_set_trouble(struct node *node, struct text sync_address, enum peer_loss loss, struct text trouble,
                      struct instant now) {
    struct turn turn = node_begin(node, now);
    replica_set_trouble(node->replica, sync_address, loss, trouble, turn.now_ms);
    node_commit(&turn, NULL);
}

void node_seeds_resolved(struct node *node) {
    struct turn turn = node_begin(node, (struct instant){0});
    replica_seeds_resolved(node->replica);
    look_ready(node);
    node_commit(&turn, NULL);
}

void node_leave(struct node *node, struct instant now) {
    struct turn turn = node_begin(node, now);
    give_actions(node, replica_leave(node->replica, turn.now_ms));
    node_commit(&turn, NULL);
}

void node_set_keyring(struct node *node, struct keyring *keyring) {
    codec_set_keyring(node->codec, keyring);
}

struct codec *node_codec(struct node *node) {
    return node->codec;
}

bool node_takes_writes(const struct node *node) {
    return atomic_load_explicit(&node->takes_writes, memory_order_relaxed);
}

bool node_is_ready(struct node *node) {
    return atomic_load(&node->is_ready);
}

size_t node_peers(struct node *node, struct instant now, peer_fn *each, void *context) {
    struct peer_view views[REPLICA_PEERS_MAX + 1];
    struct turn turn = node_begin(node, now);
    size_t n = node->replica == NULL ? 0 : replica_peers(node->replica, turn.now_ms, views, REPLICA_PEERS_MAX + 1);
    for (size_t i = 0; i < n; i++) each(context, &views[i]);
    node_commit(&turn, NULL);
    return n;
}

void node_cluster_stats(struct node *node, struct replica_stats *out) {
    *out = (struct replica_stats){0};
    struct turn turn = node_begin(node, (struct instant){0});
    if (node->replica != NULL) replica_stats(node->replica, out);
    node_commit(&turn, NULL);
    if (node->codec != NULL) codec_add_stats(node->codec, out);
}
