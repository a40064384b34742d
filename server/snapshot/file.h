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

/* Opens the directory and locks it until snapshot_file_close. Makes it if only the last part of its path is missing.
 * cluster: as snapshot_cluster has it, 0: no key; a snapshot of another cluster is not loaded. NULL and *error: the
 * directory cannot be used, another node uses it, or memory is short. */
struct snapshot_file *snapshot_file_open(const char *dir, uint64_t cluster, struct error *error);
void snapshot_file_close(struct snapshot_file *file); /* `file` may be NULL */

/* The sync addresses of the peers that a snapshot names: the node adds them once it has joined its cluster. */
struct snapshot_peers {
    char (*addresses)[REPLICA_ADDRESS_BYTES_MAX + 1]; /* NUL-terminated; freed by snapshot_peers_free; NULL: none */
    size_t count;
};
void snapshot_peers_free(struct snapshot_peers *peers);

/* Loads the snapshot into the node, if there is one, and logs the result; to be called before the node serves. Of a
 * damaged snapshot, the blocks before the damage are loaded: each register in them is valid without the others. Returns
 * what was wrong; the node can serve in any case. */
enum snapshot_fault snapshot_file_load(struct snapshot_file *file, struct node *node, struct snapshot_peers *peers);

/* Writes a snapshot now. False: it could not be written, the log says why, and the one before is still there. */
bool snapshot_file_write(struct snapshot_file *file, struct node *node);

#endif
