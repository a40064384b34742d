/* The gRPC of a node: its door, and the services that it serves. Used by the program's main thread alone. */
#ifndef MUSTER_SERVICE_GRPC_H
#define MUSTER_SERVICE_GRPC_H

#include "common/error.h"
#include "config.h"
#include "net/tls.h"
#include "net/watch_task.h"
#include "node/node.h"
#include "rpc/rpc.h"

struct service_grpc;

/* What it is made of; all of it outlives it. */
struct service_grpc_parts {
    const struct config *config;
    struct loops *loops;
    struct node *node;
    struct rpc *rpc;
    struct tls_context *tls; /* NULL: there is no certificate, and gRPC is spoken in the clear */
    struct watch_task *watch_task;
    size_t connections_max;
    struct connection_counts *counts; /* with the other door for requests */
};

/* Opens the door where --grpc says: for muster.v1.Presence, and for gRPC's own health, which is SERVING while the node
 * answers reads, and reflection, v1 and v1alpha. NULL and *error: the address is taken, or memory is short. */
struct service_grpc *service_grpc_open(const struct service_grpc_parts *parts, struct error *error);
/* Where it listens: HOST:PORT, with the port that the system chose. */
const char *service_grpc_address(const struct service_grpc *grpc);
struct door *service_grpc_door(const struct service_grpc *grpc);
/* After loops_stop. `grpc` may be NULL. */
void service_grpc_close(struct service_grpc *grpc);

#endif
