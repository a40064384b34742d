/* A node's roll, walked for a snapshot and filled from one. Each function takes the lock for one slice of work, and
 * does the rest outside of it. */
#ifndef MUSTER_SNAPSHOT_CAPTURE_H
#define MUSTER_SNAPSHOT_CAPTURE_H

#include "format.h"
#include "node/node.h"

/* As snapshot_begin; complete bytes. cluster: as snapshot_cluster has it. */
size_t node_snapshot_begin(struct node *node, struct snapshot_writer *writer, const struct snapshot_moment *now,
                           uint64_t cluster, uint8_t *out);
/* As snapshot_next followed by snapshot_seal: a complete block. */
bool node_snapshot_next(struct node *node, struct snapshot_writer *writer, struct instant now, uint8_t *out,
                        size_t *len);

/* As snapshot_merge. */
void node_snapshot_merge(struct node *node, struct snapshot_reader *reader, const struct snapshot_moment *now,
                         struct snapshot_merged *merged);
/* All of a good snapshot was merged, and nothing refused: what its vector says is here, and need not be asked for.
 * Before node_join, once. */
void node_snapshot_merged(struct node *node, const struct snapshot_header *header);

#endif
