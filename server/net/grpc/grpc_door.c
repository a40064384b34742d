#include "grpc_door_internal.h"
#include "muster/limits.h"

#include <assert.h>
#include <stdlib.h>

static void free_grpc_door(struct grpc_door *door) {
    for (size_t i = 0; i < LOOPS_MAX; i++) seat_free(door->seats[i]);
    session_teardown(door);
    free(door->routes);
    free(door);
}

static bool make_routes(struct grpc_door *door) {
    const struct grpc_door_config *config = &door->config;
    size_t count = 0;
    for (size_t i = 0; i < config->service_count; i++) count += config->services[i].method_count;
    if ((door->routes = calloc(count + 1, sizeof *door->routes)) == NULL) return false;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct grpc_service *service = &config->services[i];
        for (size_t j = 0; j < service->method_count; j++)
            door->routes[door->route_count++] =
                (struct grpc_route){text_of(service->methods[j].path), service, &service->methods[j]};
    }
    return true;
}

static bool make_seats(struct grpc_door *door) {
    for (unsigned i = 0; i < loops_count(door->loops); i++)
        if ((door->seats[i] = seat_new(door, i)) == NULL) return false;
    return true;
}

static void set_defaults(struct grpc_door_config *config) {
    if (config->message_bytes_max == 0) config->message_bytes_max = MUSTER_MESSAGE_BYTES_MAX;
    if (config->calls_max == 0) config->calls_max = MUSTER_GRPC_CALLS_MAX;
    if (config->connections_max == 0) config->connections_max = MUSTER_CONNECTIONS_DEFAULT;
    if (config->unread_ms == 0) config->unread_ms = DOOR_UNREAD_MS;
    if (config->preface_ms == 0) config->preface_ms = MUSTER_GRPC_PREFACE_MS;
    if (config->unfinished_ms == 0) config->unfinished_ms = MUSTER_GRPC_REQUEST_MS;
    if (config->keepalive_ms == 0) config->keepalive_ms = MUSTER_GRPC_KEEPALIVE_MS;
}

static struct grpc_door *grpc_door_new(struct loops *loops, const struct grpc_door_config *config) {
    struct grpc_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    assert(config->service_count <= GRPC_SERVICES_MAX);
    door->loops = loops;
    door->config = *config;
    set_defaults(&door->config);
    if (session_setup(door) && make_routes(door) && make_seats(door)) return door;
    free_grpc_door(door);
    return NULL;
}

struct grpc_door *grpc_door_open(struct loops *loops, const struct grpc_door_config *config, struct error *error) {
    (void)error_fail_memory(error);
    struct grpc_door *door = grpc_door_new(loops, config);
    if (door == NULL) return NULL;
    const struct door_config of_door = {.protocol = &grpc_protocol,
                                        .context = door,
                                        .urls = &config->url,
                                        .url_count = 1,
                                        .connections_max = door->config.connections_max,
                                        .counts = config->counts,
                                        .connections_per_address = config->connections_per_address,
                                        .unread_ms = door->config.unread_ms,
                                        .unfinished_ms = door->config.preface_ms,
                                        .idle_ms = config->idle_ms,
                                        .tls = config->tls,
                                        .alpn = "h2"};
    if ((door->door = door_open(loops, &of_door, error)) != NULL) return door;
    free_grpc_door(door);
    return NULL;
}

struct door *grpc_door_door(const struct grpc_door *door) {
    return door->door;
}

void grpc_door_close(struct grpc_door *door) {
    if (door == NULL) return;
    door_close(door->door);
    free_grpc_door(door);
}
