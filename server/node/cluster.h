/* A node's place in its cluster: the replica behind the node's lock, and what the sockets bring it.
 *
 * What the replica wants done comes out through an action_fn, which is called under the node's lock: it copies what it
 * is given and returns; the I/O is done later, by whoever took the copy. All calls are thread-safe. */
#ifndef MUSTER_NODE_CLUSTER_H
#define MUSTER_NODE_CLUSTER_H

#include "cluster/replica.h"
#include "node.h"

#include <stdbool.h>
#include <stdint.h>

/* How long the change log of a node with peers reaches back, in beats; a power of two. A peer that missed less is told
 * what it missed, one that missed more is walked the roll. Four bytes each. */
enum { NODE_CLUSTER_LOG_SLOTS = 1 << 21 };

/* Texts and keyring as in struct replica_config, whose other fields the node knows. */
struct node_cluster_config {
    struct text region, gossip_address, sync_address;
    uint64_t flush_ms, join_timeout_ms;
    bool expects_peers; /* peers will be added: until node_seeds_resolved, a node without peers is not ready */
    const struct keyring *keyring; /* borrowed until node_set_keyring or node_free; NULL: unsealed */
};

/* Something to do: publish, ask, subscribe, unsubscribe. Under the node's lock. */
typedef void action_fn(void *context, const struct action *action);

/* Who is to do it. The node's `wake` is called, not under its lock, when node_gossip should be at once. */
struct action_sink {
    action_fn *take;
    void (*wake)(void *context);
    void *context;
};

/* Makes the node one of a cluster. Once, before it is asked or told anything; its origin is the one of its
 * configuration, which is not 0. False if memory is short. */
bool node_join(struct node *node, const struct node_cluster_config *config, struct instant now);
/* From now on actions go there. Before the first of the calls below; the sink outlives the node's last call. */
void node_set_action_sink(struct node *node, struct action_sink sink);

/* What time does. Returns how soon it should be called again at the latest, in ms; less than that where something was
 * told meanwhile that can wait for the next flush. */
uint64_t node_gossip(struct node *node, struct instant now);
/* A frame that came from a gossip address. */
void node_frame(struct node *node, struct text from, struct text frame, struct instant now);
/* A sync request. The answer goes to `reply` under the lock, as an action of which only `bytes` and `len` are set; it
 * is not called where there is to be none. */
void node_sync_request(struct node *node, struct text request, struct instant now, action_fn *reply, void *context);
/* The answer to an ACTION_SYNC_REQUEST; data NULL: it failed. */
void node_sync_response(struct node *node, uint64_t ticket, struct text answer, struct instant now);
/* Adds a peer by its sync address. Idempotent. */
void node_add_peer(struct node *node, struct text sync_address, struct instant now);
/* Every peer that was expected at the start has been added. */
void node_seeds_resolved(struct node *node);
/* The node is about to end: publishes what is not published yet, and that it leaves. */
void node_leave(struct node *node, struct instant now);
/* The old keyring is not used any more once it returns. */
void node_set_keyring(struct node *node, const struct keyring *keyring);

/* Whether reads are answered. */
bool node_is_ready(struct node *node);

/* This node and its peers: `each` is called for every one, under the lock. Returns how many there are; 0 where the node
 * never joined. */
typedef void peer_fn(void *context, const struct peer_view *view);
size_t node_peers(struct node *node, struct instant now, peer_fn *each, void *context);

void node_cluster_stats(struct node *node, struct replica_stats *out);

#endif
