/* Serves test.Echo until its input ends: grpc_echo [URL]. Writes the URL. */
#include "echo_service.h"
#include "net/grpc/grpc_door.h"

#include <stdio.h>

int main(int argc, char **argv) {
    const struct loops_config of_loops = {.threads = 1};
    struct error error;
    struct echo_service *echo = echo_service_new();
    struct loops *loops = loops_start(&of_loops);
    if (echo == NULL || loops == NULL) return 1;
    const struct grpc_door_config config = {.url = argc > 1 ? argv[1] : "tcp://127.0.0.1:0",
                                            .services = {echo_service_table(echo)},
                                            .service_count = 1,
                                            .connections_max = 20000,
                                            .connections_per_address = 20000,
                                            .idle_ms = 3600 * 1000};
    struct grpc_door *door = grpc_door_open(loops, &config, &error);
    if (door == NULL) {
        fprintf(stderr, "grpc_echo: %s\n", error.text);
        return 1;
    }
    puts(door_url(grpc_door_door(door), 0));
    fflush(stdout);
    while (getchar() != EOF) continue;
    bool is_drained = door_drain(grpc_door_door(door), 5000);
    loops_stop(loops);
    grpc_door_close(door);
    loops_free(loops);
    echo_service_free(echo);
    return is_drained ? 0 : 3;
}
