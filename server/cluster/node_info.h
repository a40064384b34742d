/* Who a node is (muster.v1.NodeInfo), and version vectors on the wire. */
#ifndef MUSTER_CLUSTER_NODE_INFO_H
#define MUSTER_CLUSTER_NODE_INFO_H

#include "common/protobuf.h"
#include "core/roll.h"

/* Texts are borrowed. */
struct node_info {
    struct text name, region, gossip_address, sync_address, version;
};

void node_info_put(struct pb_writer *out, unsigned number, const struct node_info *node_info);
/* false: broken, too long, or with control characters: these texts are shown in logs and on terminals. */
bool node_info_get(struct text bytes, struct node_info *out);
/* Whether a text that a peer sent can be an address. */
bool is_address(struct text text);

/* A vector as two columns: `number` the origins, `number` + 1 the sequences. At most ROLL_ORIGINS_MAX entries. */
void vector_put(struct pb_writer *out, unsigned number, const struct known *vector, size_t count);
/* From the two columns. false: broken, too many, not ascending, or a sequence out of its range. */
bool vector_get(struct text origins, struct text sequences, struct known *vector, size_t *count);

#endif
