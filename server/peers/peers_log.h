/* What is logged of a cluster: peers that come and go, when reads are answered, and what was dropped. One thread. */
#ifndef MUSTER_PEERS_PEERS_LOG_H
#define MUSTER_PEERS_PEERS_LOG_H

#include "node/cluster.h"

struct cluster_log;

struct cluster_log *cluster_log_open(struct node *node); /* NULL: memory is short */
/* Looks and logs what has changed. Cheap; every some ten milliseconds. */
void cluster_log_step(struct cluster_log *log, uint64_t now_us);
void cluster_log_close(struct cluster_log *log); /* may be NULL */

#endif
