/* How much a node holds. */
#ifndef MUSTER_NODE_FIGURES_H
#define MUSTER_NODE_FIGURES_H

#include <stdint.h>

struct node;

/* As in struct roll_stats. Thread-safe. */
struct node_figures {
    uint64_t members, members_live, scopes, bytes, displaced;
    uint64_t refused;      /* beats that were refused for lack of room since the start: of clients, and of peers */
    uint64_t refused_live; /* sessions that were live at the last refusal */
};
void node_figures(struct node *node, struct node_figures *out);

#endif
