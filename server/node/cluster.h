/* A node as part of a cluster: the replica behind the node's lock, and the messages that the sockets bring it.
 *
 * Messages are opened and decoded before the lock is taken, and completed and sealed after it is let go (codec.h). What
 * the replica wants done is passed on under the lock as a list of actions, whose taker owns them. All calls are
 * thread-safe. */
#ifndef MUSTER_NODE_CLUSTER_H
#define MUSTER_NODE_CLUSTER_H

#include "action_sink.h"
#include "cluster/replica.h"
#include "codec.h"
#include "common/instant.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts and keyring as in struct replica_config, whose other fields the node knows. */
struct node_cluster_config {
    struct text region, gossip_address, sync_address;
    uint64_t flush_ms, join_timeout_ms;
    bool expects_peers;      /* peers will be added: until node_seeds_resolved, a node without peers is not ready */
    struct keyring *keyring; /* the node holds it; NULL: messages are not sealed */
};

struct node;

/* Makes the node one of a cluster. Once, and before any of the calls below. Its origin is the one of its
 * configuration, and not 0. False if memory is short. */
bool node_join(struct node *node, const struct node_cluster_config *config, struct instant now);
/* From now on actions go there. Before the first of the calls below; the sink outlives the node's last call. */
void node_set_action_sink(struct node *node, struct action_sink sink);

/* Does what is due: flushes, digests, sync requests, silent peers. Returns after how many ms it wants to be called
 * again, unless the sink is woken before. */
uint64_t node_gossip(struct node *node, struct instant now);
/* Publishes what is to go out at once, if it is little work: some ten microseconds. false: it is more, and node_gossip
 * should be called at once. */
bool node_flush_news(struct node *node, struct instant now);
/* A frame came from the gossip address `from`. */
void node_frame(struct node *node, struct text from, struct text frame, struct instant now);
/* A sync request. The response goes to `reply`, not under the lock, and lives until that returns; it is not called
 * where there is to be none. */
typedef void sync_reply_fn(void *context, struct text response);
void node_sync_request(struct node *node, struct text request, struct instant now, sync_reply_fn *reply, void *context);
/* The response to an ACTION_SYNC_REQUEST; empty: it failed. */
void node_sync_response(struct node *node, uint64_t ticket, struct text response, struct instant now);
/* Adds a peer by its sync address. Idempotent. */
void node_add_peer(struct node *node, struct text sync_address, struct instant now);
/* Why the peer at an address is lost: see replica_set_trouble. */
void node_set_trouble(struct node *node, struct text sync_address, enum peer_loss loss, struct text trouble,
                      struct instant now);
/* Every peer that was expected at the start has been added. */
void node_seeds_resolved(struct node *node);
/* The node is about to end: publishes what is not published yet, and that it leaves. */
void node_leave(struct node *node, struct instant now);
/* From now on the node holds this keyring in place of the old one. */
void node_set_keyring(struct node *node, struct keyring *keyring);
/* What seals the frames and requests of actions. Lives as long as the node. */
struct codec *node_codec(struct node *node);

/* Whether writes are taken: peers would learn of them. A node without peers always takes them. */
bool node_takes_writes(const struct node *node);
/* Whether reads are answered. */
bool node_is_ready(struct node *node);

/* This node and its peers: `each` is called for every one, under the lock. Returns how many there are; 0 where the node
 * never joined. */
typedef void peer_fn(void *context, const struct peer_view *view);
size_t node_peers(struct node *node, struct instant now, peer_fn *each, void *context);

void node_cluster_stats(struct node *node, struct replica_stats *out);

#endif
