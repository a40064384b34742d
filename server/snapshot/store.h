/* The snapshots of a running node: the last one is loaded at the start, a new one is written every SNAPSHOT_EVERY_MS
 * and at the end. The functions are called one at a time, from the start of the node to its end. */
#ifndef MUSTER_SNAPSHOT_STORE_H
#define MUSTER_SNAPSHOT_STORE_H

#include "common/error.h"
#include "node/node.h"

#include <stdbool.h>

struct snapshots;

/* From the end of one snapshot to the beginning of the next. */
enum { SNAPSHOT_EVERY_MS = 60 * 1000 };

/* Opens the data directory and loads its snapshot, if there is one, into the node; to be called before the node joins
 * its peers and serves. cluster_key: the secret that all nodes of the cluster share (16 bytes), NULL: none; a snapshot
 * of another cluster is not loaded. The node outlives the result, which the caller frees with snapshots_close.
 * NULL and *error: the directory cannot be used. A snapshot that cannot be read is logged, and is no error. */
struct snapshots *snapshots_open(const char *dir, const uint8_t *cluster_key, struct node *node, struct error *error);
/* Adds the peers that the snapshot names, if the node has joined a cluster (has_peers), and starts the thread that
 * writes snapshots. False: there is no thread for it. */
bool snapshots_start(struct snapshots *snapshots, bool has_peers);
/* Stops the thread and writes the last snapshot; to be called once the node takes no more writes. False: it could not
 * be written; the log says why. */
bool snapshots_finish(struct snapshots *snapshots);
/* Frees all; to be called before the node is freed. `snapshots` may be NULL. */
void snapshots_close(struct snapshots *snapshots);

#endif
