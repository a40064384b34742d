/* Questions to peers, over request-reply: one REQ socket a peer, one context a question. Internal to server/net; one
 * thread, but for the answers, which go to the node on nng's.
 *
 * The receive of a question is posted once its send is done, and every one ends within REPLICA_SYNC_TIMEOUT_MS. A peer
 * that did not answer is dialled anew for the next one: what is left of a connection that was cut helps nobody. */
#ifndef MUSTER_PEERS_SYNC_REQUESTS_H
#define MUSTER_PEERS_SYNC_REQUESTS_H

#include "node/cluster.h"

struct sync_requests;

enum { SYNC_PEER_IDLE_MS = 60000 }; /* a peer that is not asked for so long is hung up on */

struct sync_requests *sync_requests_open(struct node *node); /* NULL: memory is short */
/* Sends the request of an ACTION_SYNC_REQUEST. The node is told how it ended, in every case. */
void sync_requests_send(struct sync_requests *asks, const struct action *action);
void sync_requests_step(struct sync_requests *asks, uint64_t now_us);
void sync_requests_close(struct sync_requests *asks); /* may be NULL */

#endif
