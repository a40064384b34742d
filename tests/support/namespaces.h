/* Network namespaces joined by a bridge, one for each node, so that links can be cut. They need privileges and a kernel
 * that has them. */
#ifndef MUSTER_TESTS_SUPPORT_NAMESPACES_H
#define MUSTER_TESTS_SUPPORT_NAMESPACES_H

#include "cluster_rig.h"

struct namespaces {
    size_t count;
    char hub[32];
    char names[RIG_NODES_MAX][32], hosts[RIG_NODES_MAX][32];
};

/* Makes them. False, with nothing left behind: not permitted here. */
bool namespaces_open(struct namespaces *namespaces, size_t count);
/* One namespace for all nodes: they are on the loopback, and all other addresses are IPv6. False as above. */
bool namespaces_open_loopback(struct namespaces *namespaces, size_t count);
void namespaces_close(struct namespaces *namespaces);
/* Puts the nodes of a rig that do not run yet into them. */
void namespaces_hold(const struct namespaces *namespaces, struct rig *rig);

/* Nothing goes to node i or comes from it, until it is healed. */
void namespaces_cut(const struct namespaces *namespaces, size_t i);
/* Nothing goes to node i; what it sends arrives. */
void namespaces_deafen(const struct namespaces *namespaces, size_t i);
void namespaces_heal(const struct namespaces *namespaces, size_t i);
/* What goes to node i takes 100 ms more, and a twentieth of it is lost. False: this kernel has no netem. */
bool namespaces_worsen(const struct namespaces *namespaces, size_t i);

#endif
