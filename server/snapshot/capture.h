/* The roll of a running node, written to a snapshot and loaded from one. Each function holds the node's lock for one
 * slice of work; checksums are computed outside of it. */
#ifndef MUSTER_SNAPSHOT_CAPTURE_H
#define MUSTER_SNAPSHOT_CAPTURE_H

#include "format.h"
#include "node/node.h"

/* As snapshot_begin: writes head and header to `out` and returns their length. cluster: as snapshot_cluster has it. */
size_t node_snapshot_begin(struct node *node, struct snapshot_writer *writer, const struct snapshot_moment *now,
                           uint64_t cluster, uint8_t *out);
/* As snapshot_next followed by snapshot_seal: a complete block. */
bool node_snapshot_next(struct node *node, struct snapshot_writer *writer, struct instant now, uint8_t *out,
                        size_t *len);

/* As snapshot_merge. */
void node_snapshot_merge(struct node *node, struct snapshot_reader *reader, const struct snapshot_moment *now,
                         struct snapshot_merged *merged);
/* Tells the node that a whole snapshot was merged and nothing of it refused: the node has all that the snapshot's
 * vector covers, and need not ask its peers for it. To be called at most once, before node_join. */
void node_snapshot_merged(struct node *node, const struct snapshot_header *header);

#endif
