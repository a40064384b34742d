/* The door for calls, on the wire of SP: request-reply on tcp://, tls+tcp:// and ipc://, one Call in, one Reply out.
 *
 * Requests of a connection take effect in order. The plain Touches of one turn of a loop are committed as one group. A
 * Watch with nothing to tell is parked and delays nobody: its answer is sent when there is one and the connection has
 * room for it. When a connection ends, its parked requests end. */
#ifndef MUSTER_NET_SP_RPC_DOOR_H
#define MUSTER_NET_SP_RPC_DOOR_H

#include "net/door.h"
#include "net/watch_task.h"
#include "rpc/rpc.h"

struct rpc_door;

/* Zero is the default of each field after `tls`. */
struct rpc_door_config {
    struct rpc *rpc;               /* outlives the door */
    struct watch_task *watch_task; /* of the rpc's watches; outlives the door */
    const char *const *urls;       /* as in struct door_config */
    size_t url_count;
    struct tls_context *tls;
    size_t connections_max;
    struct connection_counts *counts;
    size_t connections_per_address;
    uint32_t unread_ms, unfinished_ms, idle_ms;
};

/* As door_open. */
struct rpc_door *rpc_door_open(struct loops *loops, const struct rpc_door_config *config, struct error *error);
/* url, figures, refuse and drain are those of the door. */
struct door *rpc_door_door(const struct rpc_door *door);
/* After loops_stop. Hands back what is parked. `door` may be NULL. */
void rpc_door_close(struct rpc_door *door);

#endif
