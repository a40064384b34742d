/* Performs what the node's replica wants done: the sockets and the thread of a cluster.
 *
 * - Frames go out by a door of the loops (net/sp/pub_door.h). News that is little work is flushed and published by loop
 *   0, in the turn after the answers to what made it; everything else by the thread.
 * - One link for each peer to hear its frames (subscriptions.h), and one for each that is sent sync requests
 *   (sync_requests.h), on two threads (dialler.h).
 * - A thread that ticks the replica and performs its actions. */
#ifndef MUSTER_PEERS_GOSSIP_H
#define MUSTER_PEERS_GOSSIP_H

#include "common/error.h"
#include "net/loop.h"
#include "node/cluster.h"

struct gossip;

/* Listens on `url`, for at most subscribers_max peers; nothing is published or requested before gossip_start. NULL and
 * *error: it cannot listen there, or memory is short. */
struct gossip *gossip_open(struct loops *loops, const char *url, size_t subscribers_max, struct error *error);
/* The URL that is listened on, with the port that the system chose. */
const char *gossip_url(const struct gossip *gossip);
/* Begins to serve a node that has joined; it outlives the gossip. False if there is no thread for it. */
bool gossip_start(struct gossip *gossip, struct node *node);
/* Publishes what is not published yet, and that the node leaves, and gives it a moment to go out. Nothing is published
 * afterwards. */
void gossip_leave(struct gossip *gossip);
/* Closes and frees all, after loops_stop. `gossip` may be NULL. */
void gossip_close(struct gossip *gossip);

#endif
