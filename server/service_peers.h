/* A node's part in its cluster, as the program runs it: keyring, ports for peers, seeds. Used by the program's main
 * thread alone. */
#ifndef MUSTER_SERVICE_PEERS_H
#define MUSTER_SERVICE_PEERS_H

#include "common/error.h"
#include "config.h"
#include "net/loop.h"
#include "node/node.h"

struct service_peers;

/* Reads the keyring, where there is one. NULL and *error: it is none, or memory is short. *config is borrowed. */
struct service_peers *service_peers_new(const struct config *config, struct error *error);
/* Sets the hash key that all nodes of the cluster share, and a fresh origin. */
void service_peers_identify(const struct service_peers *peers, struct node_config *node);
/* Opens the two doors for peers, each for at most connections_max connections, joins the node to its cluster and looks
 * for the seeds; the node and the loops outlive it. False and *error: a door cannot be opened, or memory or threads are
 * short. */
bool service_peers_start(struct service_peers *peers, struct node *node, struct loops *loops, size_t connections_max,
                         struct error *error);
/* The URLs that are listened on. */
const char *service_peers_gossip_url(const struct service_peers *peers);
const char *service_peers_sync_url(const struct service_peers *peers);

/* Reads the keyring again, and logs what came of it; a bad one changes nothing. */
void service_peers_reload(struct service_peers *peers);
/* Publishes what peers do not know yet, and that the node leaves. */
void service_peers_leave(struct service_peers *peers);
/* Frees all, after loops_stop. False: some of it is still in use, and so is the node; the program can only end. `peers`
 * may be NULL. Nobody uses the node any more. */
bool service_peers_free(struct service_peers *peers);

#endif
