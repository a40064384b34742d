/* A node's part in its cluster, as the program runs it: keyring, doors, peers. One thread, the program's main one. */
#ifndef MUSTER_PEERS_CLUSTERING_H
#define MUSTER_PEERS_CLUSTERING_H

#include "config_cluster.h"
#include "net/rep_door.h"

struct clustering;

/* Reads the keyring, where there is one. NULL and *error: it is none, or memory is short. */
struct clustering *clustering_open(const struct cluster_options *options, struct error *error);
/* The hash key that all nodes of the cluster share, and a fresh origin. */
void clustering_identify(const struct clustering *clustering, struct node_config *config);
/* Opens the doors for peers and joins them; the node outlives it. False and *error: a door cannot be opened, or memory
 * is short. */
bool clustering_start(struct clustering *clustering, struct node *node, end_unread_fn *end_unread, struct error *error);
/* The URLs that are listened on. */
const char *clustering_gossip_url(const struct clustering *clustering);
const char *clustering_sync_url(const struct clustering *clustering);

/* Reads the keyring again, and logs what came of it; a bad one changes nothing. */
void clustering_reload(struct clustering *clustering);
/* What the node was told goes out, and that it leaves. */
void clustering_leave(struct clustering *clustering);
/* Frees all. False: some of it is still in use, and so is the node; the program can only end. `clustering` may be NULL.
 * Nothing asks or tells the node any more. */
bool clustering_close(struct clustering *clustering);

#endif
