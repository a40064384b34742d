/* What the files of the service muster.v1.Presence share. Internal to presence_service.c and presence_watch.c. */
#ifndef MUSTER_NET_GRPC_PRESENCE_SERVICE_INTERNAL_H
#define MUSTER_NET_GRPC_PRESENCE_SERVICE_INTERNAL_H

#include "net/rpc_seat.h"
#include "presence_service.h"

enum { PRESENCE_PATH_BYTES = 48 };

struct presence_service {
    struct rpc *rpc;
    struct watch_task *watch_task;
    struct watch_door watch_door;
    struct rpc_seat *seats[LOOPS_MAX]; /* one a loop */
    size_t method_count;
    struct grpc_method methods[METHODS];
    char paths[METHODS][PRESENCE_PATH_BYTES];
};

/* ---- presence_watch.c: a Watch, which is a stream of the server ---- */

/* The door of its watches. */
struct watch_door presence_watch_door(struct presence_service *presence);
/* Parks a Watch, or refuses the call. */
void presence_watch_open(struct presence_service *presence, struct grpc_call *call, const struct request *request);
/* As in struct grpc_method. */
void presence_watch_drained(void *presence, struct grpc_call *call);
void presence_watch_closed(void *presence, struct grpc_call *call);

#endif
