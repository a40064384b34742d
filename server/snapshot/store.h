/* What a node remembers from one start to the next, as the program runs it. One thread, the program's main one. */
#ifndef MUSTER_SNAPSHOT_STORE_H
#define MUSTER_SNAPSHOT_STORE_H

#include "common/error.h"
#include "node/node.h"

#include <stdbool.h>

struct snapshots;

/* From the end of one snapshot to the beginning of the next. */
enum { SNAPSHOT_EVERY_MS = 60 * 1000 };

/* Opens the data directory and fills the node from the snapshot in it, if there is one: before the node joins its peers
 * and serves. NULL and *error: the directory cannot be had. A snapshot that cannot be read is no reason.
 * cluster_key: the secret that all nodes of the cluster share, NULL: none; snapshots of another one are not taken. */
struct snapshots *snapshots_open(const char *dir, const uint8_t *cluster_key, struct node *node, struct error *error);
/* Meets the peers that the snapshot named, where the node has joined any, and begins to write snapshots. false: there
 * is no thread for it. */
bool snapshots_start(struct snapshots *snapshots, bool has_peers);
/* Writes the last one, once the node takes no more writes. False: it could not be written; the log says why. */
bool snapshots_finish(struct snapshots *snapshots);
/* Before the node is freed. `snapshots` may be NULL. */
void snapshots_close(struct snapshots *snapshots);

#endif
