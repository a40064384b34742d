/* Seeds: the peers that --peer names. The node learns of the others from them. */
#ifndef MUSTER_PEERS_SEEDS_H
#define MUSTER_PEERS_SEEDS_H

#include "cluster/replica.h"
#include "common/error.h"
#include "node/node.h"

enum {
    SEEDS_MAX = 64,
    SEEDS_LOOK_UP_MS = 10000,
    SEED_HOST_BYTES = 240,
    SEEDS_SYNC_PORT = 7704,
};

/* HOST[:PORT], [V6]:PORT, or dns:NAME:PORT: then every address of the name is a peer. */
struct seed {
    char host[SEED_HOST_BYTES]; /* without brackets */
    char port[6];
    bool is_dns;
};

/* False where it is none of these: INVALID_ARGUMENT. */
bool seed_read(const char *text, struct seed *out, struct error *error);

struct seeds;

/* Adds them to the node, at once and every SEEDS_LOOK_UP_MS, in a thread, since a look-up may take long. `items` are
 * copied; the node outlives it. NULL if there is no thread. */
struct seeds *seeds_start(struct node *node, const struct seed *items, size_t count);
/* False: a look-up is still under way; the node must not be freed. `seeds` may be NULL. */
bool seeds_stop(struct seeds *seeds);

#endif
