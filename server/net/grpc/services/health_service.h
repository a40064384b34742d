/* grpc.health.v1.Health: Check, Watch and List
 * (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), for "" and for each service of the door. All of
 * them are SERVING or NOT_SERVING together.
 *
 * Check of another name fails with NOT_FOUND; Watch of one tells SERVICE_UNKNOWN and stays open. A Watch has at most
 * one answer that has not left for the socket; when that has, it tells how it is then, if it is otherwise. When the
 * node begins to stop, each Watch tells NOT_SERVING and ends with UNAVAILABLE. */
#ifndef MUSTER_NET_GRPC_HEALTH_SERVICE_H
#define MUSTER_NET_GRPC_HEALTH_SERVICE_H

#include "net/grpc/service.h"
#include "net/loop.h"

struct health_service;

/* is_serving: asked on the loops' threads, at every turn of a loop that has a Watch; must be cheap. `names`, NULL at
 * the end, and `context` outlive it. NULL: memory is short. */
struct health_service *health_service_new(struct loops *loops, const char *const *names,
                                          bool (*is_serving)(void *context), void *context);
struct grpc_service health_service_table(struct health_service *health);
/* After the door is closed. `health` may be NULL. */
void health_service_free(struct health_service *health);

#endif
