#include "figures.h"
#include "cluster/replica.h"
#include "turn.h"

void node_figures(struct node *node, struct node_figures *out) {
    struct roll_stats stats;
    struct turn turn = node_begin(node, (struct instant){0});
    roll_stats(turn.roll, &stats);
    uint64_t refused = node->refused;
    if (node->replica != NULL) {
        struct replica_stats of_peers;
        replica_stats(node->replica, &of_peers);
        refused += of_peers.refused;
    }
    node_commit(&turn, NULL);
    *out = (struct node_figures){.members = stats.members,
                                 .members_live = stats.members_live,
                                 .scopes = stats.scopes,
                                 .bytes = stats.bytes,
                                 .displaced = stats.displaced,
                                 .refused = refused,
                                 .refused_live = stats.refused_live};
}
