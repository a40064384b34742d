/* Subscriptions to the frames of peers: one SUB socket each. Internal to server/peers; called by one thread. The frames
 * go to the node on nng's threads. */
#ifndef MUSTER_PEERS_SUBSCRIPTIONS_H
#define MUSTER_PEERS_SUBSCRIPTIONS_H

#include "node/cluster.h"

enum { GOSSIP_FRAMES_QUEUED = 128 }; /* of one peer, that wait to be merged; older ones are dropped */

struct subscriptions;

enum {
    SUBSCRIPTION_SILENT_MS = 3000,  /* connected, and nothing came for so long: dialled anew */
    SUBSCRIPTION_CONNECT_MS = 1500, /* not connected for so long: dialled anew */
    SUBSCRIPTION_RETIRED_MS = 1000, /* until a socket without a connection serves another peer */
};

struct subscriptions *subscriptions_open(struct node *node); /* NULL: memory is short */
/* Subscribes to a gossip address. Idempotent. */
void subscriptions_add(struct subscriptions *subscriptions, const char *address);
void subscriptions_remove(struct subscriptions *subscriptions, const char *address);
/* Dials silent peers anew. Call it every few dozen milliseconds. */
void subscriptions_step(struct subscriptions *subscriptions, uint64_t now_us);
void subscriptions_close(struct subscriptions *subscriptions); /* may be NULL */

#endif
