/* muster.v1.Presence over gRPC: every method of rpc/method.h, Watch as a stream of the server. The plain Touches of one
 * turn of a loop are one call of the roll. A token comes as `authorization: Bearer TOKEN`. */
#ifndef MUSTER_NET_GRPC_PRESENCE_SERVICE_H
#define MUSTER_NET_GRPC_PRESENCE_SERVICE_H

#include "net/grpc/service.h"
#include "net/watch_task.h"
#include "rpc/rpc.h"

struct presence_service;

/* All three outlive it; the task is that of the rpc's watches. NULL: memory is short. */
struct presence_service *presence_service_new(struct loops *loops, struct rpc *rpc, struct watch_task *watch_task);
struct grpc_service presence_service_table(struct presence_service *presence);
/* After the door is closed. `presence` may be NULL. */
void presence_service_free(struct presence_service *presence);

#endif
