/* Sync requests to peers, over request-reply: one REQ socket a peer, one context a request. Internal to server/peers;
 * called by one thread. The responses go to the node on nng's threads.
 *
 * nng 1.5 crashes where a receive is posted while its send is still queued: each receive is posted by the callback of
 * its send. Every request ends within REPLICA_SYNC_TIMEOUT_MS and a step. After one that failed the peer is dialled
 * anew for the next one: its connection may have been cut without a sign. */
#ifndef MUSTER_PEERS_SYNC_REQUESTS_H
#define MUSTER_PEERS_SYNC_REQUESTS_H

#include "node/cluster.h"

enum { SYNC_REQUESTS_MAX = 64 }; /* on their way at a time */

struct sync_requests;

enum { SYNC_PEER_IDLE_MS = 60000 }; /* a connection without requests for so long is closed */

struct sync_requests *sync_requests_open(struct node *node); /* NULL: memory is short */
/* Sends the request of an ACTION_SYNC_REQUEST. The node gets the response, or its failure, in every case. */
void sync_requests_send(struct sync_requests *requests, const struct action *action);
/* Ends requests that are late. Call it every few dozen milliseconds. */
void sync_requests_step(struct sync_requests *requests, uint64_t now_us);
void sync_requests_close(struct sync_requests *requests); /* may be NULL */

#endif
