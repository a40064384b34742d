/* Finds out why peers do not answer, for the log and for `muster nodes`. */
#ifndef MUSTER_PEERS_PROBES_H
#define MUSTER_PEERS_PROBES_H

#include "node/node.h"

#include <stdbool.h>

enum {
    PROBES_EVERY_MS = 1000,
    PROBE_AGAIN_MS = 2000,      /* after the first probe of an address; the wait doubles */
    PROBE_AGAIN_MAX_MS = 60000, /* up to this */
};

struct probes;

/* In a thread, since look-ups and connections may take long: probes the addresses of peers that are lost (enum
 * peer_loss), logs what is found when it changes (`peer_trouble`), and tells the node, which outlives it. NULL if there
 * is no thread. */
struct probes *probes_start(struct node *node);
/* False: a probe is still under way; the node must not be freed. `probes` may be NULL. */
bool probes_stop(struct probes *probes);

#endif
