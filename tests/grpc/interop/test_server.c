/* grpc_test_server: grpc.testing.TestService on a port of the loopback that the system chooses. It writes
 * "ready HOST:PORT", and drains at SIGTERM. For tests alone.
 *
 *   grpc_test_server [--threads N] [--tls-cert FILE --tls-key FILE [--tls-client-ca FILE]] */
#include "net/grpc/grpc_door.h"
#include "test_service.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS_MAX = 1000, DRAIN_MS = 5000 };

struct settings {
    unsigned threads;
    struct tls_files tls; /* cert NULL: in the clear */
};

struct test_server {
    struct test_service *service;
    struct tls_context *tls;
    struct loops *loops;
    struct grpc_door *door;
};

static struct settings read_settings(int argc, char **argv) {
    static const struct option options[] = {{"threads", required_argument, NULL, 't'},
                                            {"tls-cert", required_argument, NULL, 'c'},
                                            {"tls-key", required_argument, NULL, 'k'},
                                            {"tls-client-ca", required_argument, NULL, 'a'},
                                            {0}};
    struct settings settings = {0};
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 't') settings.threads = (unsigned)atoi(optarg);
        else if (option == 'c') settings.tls.cert = optarg;
        else if (option == 'k') settings.tls.key = optarg;
        else if (option == 'a') settings.tls.client_ca = optarg;
        else exit(2);
    }
    return settings;
}

static bool server_open(struct test_server *server, const struct settings *settings, struct error *error) {
    const struct loops_config loops = {.threads = settings->threads};
    bool has_tls = settings->tls.cert != NULL;
    server->service = test_service_new();
    server->loops = loops_start(&loops);
    if (server->service == NULL || server->loops == NULL)
        return error_fail(error, MUSTER_RESOURCE_EXHAUSTED, "threads or memory are short");
    if (has_tls && (server->tls = tls_context_new(&settings->tls, error)) == NULL) return false;
    const struct grpc_door_config door = {
        .url = has_tls ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
        .tls = server->tls,
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
    tls_context_free(server->tls);
    test_service_free(server->service);
    return is_drained;
}

int main(int argc, char **argv) {
    const struct settings settings = read_settings(argc, argv);
    struct test_server server = {0};
    struct error error;
    sigset_t ends;
    int ended_by;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL); /* before the loops' threads, which inherit it */
    signal(SIGPIPE, SIG_IGN);
    if (!server_open(&server, &settings, &error)) {
        fprintf(stderr, "%s: %s\n", argv[0], error.text);
        return 1;
    }
    printf("ready %s\n", strstr(door_url(grpc_door_door(server.door), 0), "//") + 2);
    fflush(stdout);
    while (sigwait(&ends, &ended_by) != 0) {
    }
    return server_close(&server) ? 0 : 1;
}
