/* The thread that writes snapshots. */
#ifndef MUSTER_SNAPSHOT_WRITER_H
#define MUSTER_SNAPSHOT_WRITER_H

#include "file.h"

enum { SNAPSHOT_EVERY_MS = 60 * 1000 };

struct snapshot_keeper;

/* Writes a snapshot every `every_ms`, counted from the end of one to the beginning of the next. `file` and `node`
 * outlive it, and nobody else uses `file` meanwhile. NULL if there is no thread for it. */
struct snapshot_keeper *snapshot_keeper_start(struct snapshot_file *file, struct node *node, uint32_t every_ms);
/* Lets the one that is being written be finished, and ends the thread. `keeper` may be NULL. */
void snapshot_keeper_stop(struct snapshot_keeper *keeper);

#endif
