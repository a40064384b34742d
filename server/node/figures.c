#include "figures.h"
#include "turn.h"

void node_figures(struct node *node, struct node_figures *out) {
    struct roll_stats stats;
    struct turn turn = node_begin(node, (struct instant){0});
    roll_stats(turn.roll, &stats);
    node_commit(&turn, NULL);
    *out = (struct node_figures){stats.members, stats.members_live, stats.scopes, stats.bytes, stats.displaced};
}
