/* grpc_test_server: grpc.testing.TestService on a port of the loopback that the system chooses. It writes
 * "ready HOST:PORT", and drains at SIGTERM. For tests alone.
 *
 *   grpc_test_server [--threads N] */
#include "net/grpc/grpc_door.h"
#include "test_service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 1000, DRAIN_MS = 5000 };

struct test_server {
    struct test_service *service;
    struct loops *loops;
    struct grpc_door *door;
};

static unsigned threads_of(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--threads") == 0) return (unsigned)atoi(argv[2]);
    return 0;
}

static bool server_open(struct test_server *server, unsigned threads, struct error *error) {
    const struct loops_config loops = {.threads = threads};
    server->service = test_service_new();
    server->loops = loops_start(&loops);
    if (server->service == NULL || server->loops == NULL)
        return error_fail(error, MUSTER_RESOURCE_EXHAUSTED, "threads or memory are short");
    const struct grpc_door_config door = {
        .url = "tcp://127.0.0.1:0",
        .services = {test_service_table(server->service)},
        .service_count = 1,
        .connections_max = CONNECTIONS_MAX,
    };
    server->door = grpc_door_open(server->loops, &door, error);
    return server->door != NULL;
}

static bool server_close(struct test_server *server) {
    struct door *door = grpc_door_door(server->door);
    door_refuse(door);
    bool is_drained = door_drain(door, DRAIN_MS);
    loops_stop(server->loops);
    grpc_door_close(server->door);
    loops_free(server->loops);
    test_service_free(server->service);
    return is_drained;
}

int main(int argc, char **argv) {
    struct test_server server = {0};
    struct error error;
    sigset_t ends;
    int ended_by;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before the loops' threads, which inherit it */
    signal(SIGPIPE, SIG_IGN);
    if (!server_open(&server, threads_of(argc, argv), &error)) {
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
        return 1;
    }
    printf("ready %s\n", door_url(grpc_door_door(server.door), 0) + strlen("tcp://"));
    fflush(stdout);
    while (sigwait(&ends, &ended_by) != 0) {
    }
    return server_close(&server) ? 0 : 1;
}
