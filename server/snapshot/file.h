/* The snapshot of a node in its data directory: DIR/roll.snapshot, mode 0600 in a directory of 0700.
 *
 * It is written aside, to roll.snapshot.tmp, synced and renamed, so that at every instant there is a whole one. What
 * cannot be read is renamed roll.snapshot.bad-TIME, and never ends a start. One node at a time: the directory is
 * locked. One thread at a time. */
#ifndef MUSTER_SNAPSHOT_FILE_H
#define MUSTER_SNAPSHOT_FILE_H

#include "common/error.h"
#include "format.h"
#include "node/node.h"

struct snapshot_file;

/* Opens the directory, makes it if only its last part is missing, and locks it until snapshot_file_close. NULL
 * and *error: it cannot be had, another node has it, or memory is short. cluster: as snapshot_cluster has it, 0: no
 * key; a snapshot of another cluster is not taken. */
struct snapshot_file *snapshot_file_open(const char *dir, uint64_t cluster, struct error *error);
void snapshot_file_close(struct snapshot_file *file); /* `file` may be NULL */

/* The sync addresses of peers that a snapshot names, to be added once the node serves. */
struct snapshot_peers {
    char (*addresses)[REPLICA_ADDRESS_BYTES_MAX + 1]; /* NUL-terminated; freed by snapshot_peers_free; NULL: none */
    size_t count;
};
void snapshot_peers_free(struct snapshot_peers *peers);

/* Fills the node from the snapshot, if there is one, and logs what came of it. Call it before anybody is served. What
 * is sound at the front of a damaged snapshot is kept: a register stands for itself. Answers what was wrong; the node
 * is fit to serve in any case. */
enum snapshot_fault snapshot_file_load(struct snapshot_file *file, struct node *node, struct snapshot_peers *peers);

/* Writes a snapshot now. false: the one before is still there, and the log says why. */
bool snapshot_file_write(struct snapshot_file *file, struct node *node);

#endif
