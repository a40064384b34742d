#include "service_grpc.h"
#include "common/url.h"
#include "net/grpc/grpc_door.h"
#include "net/grpc/services/presence_service.h"

#include <stdlib.h>

struct service_grpc {
    struct presence_service *presence;
    struct grpc_door *door;
};

struct service_grpc *service_grpc_open(const struct service_grpc_parts *parts, struct error *error) {
    (void)error_fail_memory(error);
    struct service_grpc *grpc = calloc(1, sizeof *grpc);
    if (grpc == NULL) return NULL;
    if ((grpc->presence = presence_service_new(parts->loops, parts->rpc, parts->watch_task)) == NULL) goto fail;
    struct grpc_door_config door = {.url = parts->config->grpc_url,
                                    .tls = parts->tls,
                                    .connections_max = parts->connections_max,
                                    .connections_shared = parts->connections_shared,
                                    .connections_per_address = parts->config->connections_per_address_max};
    door.services[door.service_count++] = presence_service_table(grpc->presence);
    if ((grpc->door = grpc_door_open(parts->loops, &door, error)) != NULL) return grpc;

fail:
    presence_service_free(grpc->presence);
    free(grpc);
    return NULL;
}

const char *service_grpc_address(const struct service_grpc *grpc) {
    return url_authority(door_url(grpc_door_door(grpc->door), 0));
}

struct door *service_grpc_door(const struct service_grpc *grpc) {
    return grpc_door_door(grpc->door);
}

void service_grpc_close(struct service_grpc *grpc) {
    if (grpc == NULL) return;
    grpc_door_close(grpc->door);
    presence_service_free(grpc->presence);
    free(grpc);
}
