#include "grpc_door_internal.h"
#include "muster/limits.h"

#include <assert.h>
#include <stdlib.h>

static void free_grpc_door(struct grpc_door *door) {
    for (size_t i = 0; i < LOOPS_MAX; i++) seat_free(door->seats[i]);
    session_teardown(door);
    free(door);
}

static bool make_seats(struct grpc_door *door) {
    for (unsigned i = 0; i < loops_count(door->loops); i++)
        if ((door->seats[i] = seat_new(door, i)) == NULL) return false;
    return true;
}

static struct grpc_door *grpc_door_new(struct loops *loops, const struct grpc_door_config *config) {
    struct grpc_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    assert(config->service_count <= GRPC_SERVICES_MAX);
    door->loops = loops;
    door->config = *config;
    if (door->config.message_bytes_max == 0) door->config.message_bytes_max = MUSTER_MESSAGE_BYTES_MAX;
    if (session_setup(door) && make_seats(door)) return door;
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
                                        .connections_max = config->connections_max != 0 ? config->connections_max
                                                                                        : MUSTER_CONNECTIONS_DEFAULT,
                                        .connections_per_address = config->connections_per_address,
                                        .unread_ms = config->unread_ms,
                                        .unfinished_ms = config->unfinished_ms,
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
