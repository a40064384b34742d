/* The peers whose frames this node takes: one SUB socket each. Internal to server/net; one thread, but for the frames,
 * which come to the node on nng's. */
#ifndef MUSTER_PEERS_SUBSCRIPTIONS_H
#define MUSTER_PEERS_SUBSCRIPTIONS_H

#include "node/cluster.h"

struct subscriptions;

enum {
    SUBSCRIPTION_SILENT_MS = 3000,  /* connected, and nothing came: it is dialled anew */
    SUBSCRIPTION_CONNECT_MS = 1500, /* not connected for so long: the same */
    SUBSCRIPTION_RETIRED_MS = 1000, /* one that is no more is used again after so long without a connection */
};

struct subscriptions *subscriptions_open(struct node *node); /* NULL: memory is short */
/* Subscribes to a gossip address. Twice is harmless. */
void subscriptions_add(struct subscriptions *subscriptions, const char *address);
void subscriptions_remove(struct subscriptions *subscriptions, const char *address);
/* Dials those anew that are silent. Call it every some ten milliseconds. */
void subscriptions_step(struct subscriptions *subscriptions, uint64_t now_us);
void subscriptions_close(struct subscriptions *subscriptions); /* may be NULL */

#endif
