/* Sync requests to peers, over request-reply: one link a peer, with several requests on their way. Internal to
 * server/peers; called by one thread. The responses go to the node on a thread of its own (dialler.h).
 *
 * Every request ends within REPLICA_SYNC_TIMEOUT_MS. One whose link breaks off goes out again over the next one. While
 * the node starts, one ends at once where nobody listens: it has to learn that nobody is there. After a request that
 * was late the peer is dialled anew for the next one: its connection may have been cut without a sign. */
#ifndef MUSTER_PEERS_SYNC_REQUESTS_H
#define MUSTER_PEERS_SYNC_REQUESTS_H

#include "node/cluster.h"

enum { SYNC_REQUESTS_MAX = 64 }; /* on their way at a time */

struct sync_requests;

enum { SYNC_PEER_IDLE_MS = 60000 }; /* a connection without requests for so long is closed */

struct sync_requests *sync_requests_open(struct node *node); /* NULL: memory, threads or descriptors are short */
/* Sends the request of an ACTION_SYNC_REQUEST. The node gets the response, or its failure, in every case. */
void sync_requests_send(struct sync_requests *requests, const struct action *action);
void sync_requests_close(struct sync_requests *requests); /* may be NULL */

#endif
