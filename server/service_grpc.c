#include "service_grpc.h"
#include "common/url.h"
#include "muster/limits.h"
#include "net/grpc/grpc_door.h"
#include "net/grpc/services/health_service.h"
#include "net/grpc/services/presence_service.h"
#include "net/grpc/services/reflection_service.h"
#include "node/cluster.h"

#include <stdlib.h>

struct service_grpc {
    struct presence_service *presence;
    struct health_service *health;
    struct grpc_door *door;
};

/* The services that can be asked for alone. */
static const char *const service_names[] = {"muster.v1.Presence", "grpc.health.v1.Health",
                                            "grpc.reflection.v1.ServerReflection",
                                            "grpc.reflection.v1alpha.ServerReflection", NULL};

static bool is_serving(void *node) {
    return node_is_ready(node);
}

static bool make_services(struct service_grpc *grpc, const struct service_grpc_parts *parts) {
    grpc->presence = presence_service_new(parts->loops, parts->rpc, parts->watch_task);
    grpc->health = health_service_new(parts->loops, service_names, is_serving, parts->node);
    return grpc->presence != NULL && grpc->health != NULL;
}

static void free_services(struct service_grpc *grpc) {
    presence_service_free(grpc->presence);
    health_service_free(grpc->health);
    free(grpc);
}

struct service_grpc *service_grpc_open(const struct service_grpc_parts *parts, struct error *error) {
    (void)error_fail_memory(error);
    struct service_grpc *grpc = calloc(1, sizeof *grpc);
    if (grpc == NULL) return NULL;
    if (!make_services(grpc, parts)) goto fail;
    struct grpc_door_config door = {.url = parts->config->grpc_url,
                                    .server = "muster/" MUSTER_VERSION,
                                    .tls = parts->tls,
                                    .connections_max = parts->connections_max,
                                    .calls_max = parts->config->watches_max + MUSTER_GRPC_CALLS_MAX,
                                    .counts = parts->counts,
                                    .connections_per_address = parts->config->connections_per_address_max};
    door.services[door.service_count++] = presence_service_table(grpc->presence);
    door.services[door.service_count++] = health_service_table(grpc->health);
    door.services[door.service_count++] = reflection_service_v1();
    door.services[door.service_count++] = reflection_service_v1alpha();
    if ((grpc->door = grpc_door_open(parts->loops, &door, error)) != NULL) return grpc;

fail:
    free_services(grpc);
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
    free_services(grpc);
}
