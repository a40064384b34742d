/* Questions to peers, over request-reply: one REQ socket a peer, one context a question. Internal to server/net; one
 * thread, but for the answers, which go to the node on nng's.
 *
 * The receive of a question is posted once its send is done, and every one ends within REPLICA_ASK_TIMEOUT_MS. A peer
 * that did not answer is dialled anew for the next one: what is left of a connection that was cut helps nobody. */
#ifndef MUSTER_PEERS_SYNC_REQUESTS_H
#define MUSTER_PEERS_SYNC_REQUESTS_H

#include "action_queue.h"
#include "node/cluster.h"

struct asks;

enum { ASKS_IDLE_MS = 60000 }; /* a peer that is not asked for so long is hung up on */

struct asks *asks_open(struct node *node); /* NULL: memory is short */
/* Asks; takes the errand's message. The node is told how it ended, in every case. */
void asks_begin(struct asks *asks, struct errand *errand);
void asks_step(struct asks *asks, uint64_t now_us);
void asks_close(struct asks *asks); /* may be NULL */

#endif
