/* How much a node holds. */
#ifndef MUSTER_NODE_FIGURES_H
#define MUSTER_NODE_FIGURES_H

#include <stdint.h>

struct node;

/* As in struct roll_stats. Thread-safe. */
struct node_figures {
    uint64_t members, members_live, scopes, bytes, displaced;
};
void node_figures(struct node *node, struct node_figures *out);

#endif
