/* Logs what happens in the cluster: the states of peers, when the node is ready, and what was dropped. One thread. */
#ifndef MUSTER_PEERS_PEERS_LOG_H
#define MUSTER_PEERS_PEERS_LOG_H

#include "node/cluster.h"

struct cluster_log;

struct cluster_log *cluster_log_open(struct node *node); /* NULL: memory is short */
/* Logs what has changed. Cheap: call it every few dozen milliseconds. */
void cluster_log_step(struct cluster_log *log, uint64_t now_us);
void cluster_log_close(struct cluster_log *log); /* may be NULL */

#endif
