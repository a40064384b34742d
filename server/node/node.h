/* A node: the roll, its clock and its settings behind one lock. Knows no calls and no transport. Reads no clock: the
 * time is an argument. */
#ifndef MUSTER_NODE_NODE_H
#define MUSTER_NODE_NODE_H

#include "common/instant.h"
#include "common/text.h"

#include <stddef.h>
#include <stdint.h>

struct node;

/* How long the change log of a node with peers reaches back, in beats; a power of two. A peer that missed less gets
 * what it missed, one that missed more gets the whole roll. Four bytes each. */
enum { NODE_CLUSTER_LOG_SLOTS = 1 << 21 };

struct node_config {
    struct text name, version; /* for people; they outlive the node */
    uint64_t origin;           /* random, of this incarnation; 0: the node never has peers (cluster.h) */
    uint8_t hash_key[16];      /* secret; the same on every node of a cluster, since page tokens depend on it */
    uint32_t ttl_ms;           /* of beats that name none; MUSTER_TTL_MIN_MS..MUSTER_TTL_MAX_MS */
    uint64_t retention_ms;
    uint64_t members_max;
    uint64_t bytes_max;
};

/* NULL if memory is short, libsodium does not start or a setting is out of its range. */
struct node *node_new(const struct node_config *config, struct instant now);
void node_free(struct node *node); /* once nobody uses it; `node` may be NULL */

#endif
