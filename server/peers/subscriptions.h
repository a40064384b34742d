/* Subscriptions to the frames of peers: one link each, so that the peer of a frame is known. Internal to server/peers;
 * called by one thread. The frames go to the node on a thread of its own (dialler.h), which dials a peer whose link is
 * down, or over which nothing comes, again and again: one that is back is heard at once. */
#ifndef MUSTER_PEERS_SUBSCRIPTIONS_H
#define MUSTER_PEERS_SUBSCRIPTIONS_H

#include "node/cluster.h"

struct subscriptions;

enum { SUBSCRIPTION_SILENT_MS = 3000 }; /* connected, and nothing came for so long: dialled anew */

struct subscriptions *subscriptions_open(struct node *node); /* NULL: memory, threads or descriptors are short */
/* Subscribes to a gossip address. Idempotent. */
void subscriptions_add(struct subscriptions *subscriptions, const char *address);
/* No frame that came from the address is given to the node after this, but for one that is being given. */
void subscriptions_remove(struct subscriptions *subscriptions, const char *address);
void subscriptions_close(struct subscriptions *subscriptions); /* may be NULL */

#endif
