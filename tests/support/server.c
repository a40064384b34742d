#include "server.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants four of the above first. */
#include <cmocka.h>

enum { READY_MS = 20000, STOP_MS = 20000 };

const char *server_program(void) {
    const char *program = getenv("MUSTER_TEST_MUSTERD");
    return program != NULL ? program : MUSTERD_PATH;
}

void server_add_defaults(const char *argv[], size_t *count) {
    const char *threads = getenv("MUSTER_TEST_THREADS");
    argv[(*count)++] = "--grpc";
    argv[(*count)++] = "127.0.0.1:0";
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    argv[(*count)++] = "--max-stall";
    argv[(*count)++] = "30s";
#endif
    if (threads == NULL) return;
    argv[(*count)++] = "--threads";
    argv[(*count)++] = threads;
}

static void read_grpc(struct server *server, const char *line) {
    char port[16];
    server->grpc[0] = '\0';
    const char *at = strstr(line, " grpc=127.0.0.1:");
    if (at != NULL && sscanf(at, " grpc=127.0.0.1:%15[0-9]", port) == 1)
        snprintf(server->grpc, sizeof server->grpc, "127.0.0.1:%s", port);
}

static void start(struct server *server, const char *tcp, const struct process_options *options,
                  const char *const flags[]) {
    const char *argv[SERVER_FLAGS_MAX + SERVER_DEFAULTS_MAX + 6] = {server_program(), "--rpc", tcp, "--rpc",
                                                                    server->ipc};
    size_t n = 5;
    server_add_defaults(argv, &n);
    for (size_t i = 0; flags != NULL && flags[i] != NULL && i < SERVER_FLAGS_MAX; i++) argv[n++] = flags[i];
    char *line, port[16];
    server->process = process_start(argv, options);
    if (!process_await_line(server->process, PROCESS_OUTPUT, "ready", READY_MS, &line))
        fail_msg("musterd does not become ready:\n%s", process_text(server->process, PROCESS_ERRORS, NULL));
    const char *at = strstr(line, "rpc=tcp://127.0.0.1:");
    if (at == NULL || sscanf(at, "rpc=tcp://127.0.0.1:%15[0-9]", port) != 1 || strcmp(port, "0") == 0)
        fail_msg("a ready line without the port: %s", line);
    snprintf(server->tcp, sizeof server->tcp, "tcp://127.0.0.1:%s", port);
    at = strstr(line, "rpc=tls+tcp://127.0.0.1:");
    if (at != NULL && sscanf(at, "rpc=tls+tcp://127.0.0.1:%15[0-9]", port) == 1)
        snprintf(server->tls, sizeof server->tls, "tls+tcp://127.0.0.1:%s", port);
    read_grpc(server, line);
    free(line);
}

static struct server start_anew(const struct process_options *options, const char *const flags[]) {
    struct server server = {.dir = tempdir_make()};
    struct tempdir socket = tempdir_path(&server.dir, "muster.sock");
    snprintf(server.ipc, sizeof server.ipc, "ipc://%s", socket.path);
    start(&server, "tcp://127.0.0.1:0", options, flags);
    return server;
}

struct server server_start(const char *const flags[]) {
    return start_anew(NULL, flags);
}

struct server server_start_with_files(uint64_t files_max, const char *const flags[]) {
    return start_anew(&(struct process_options){.files_max = files_max}, flags);
}

void server_start_again(struct server *server, const char *const flags[]) {
    char tcp[SERVER_URL_BYTES];
    memcpy(tcp, server->tcp, sizeof tcp);
    process_free(server->process);
    start(server, tcp, NULL, flags);
}

/* A failed assertion cuts its text short, and a sanitizer has more to say. */
static void print_log(const struct server *server) {
    char *log = process_text(server->process, PROCESS_ERRORS, NULL);
    fputs(log, stderr);
    free(log);
}

int server_stop(struct server *server) {
    struct process_exit how;
    process_signal(server->process, SIGTERM);
    if (!process_wait(server->process, STOP_MS, &how)) fail_msg("musterd does not exit after SIGTERM");
    if (how.is_signal) {
        print_log(server);
        fail_msg("musterd was ended by signal %d", how.status);
    }
    return how.status;
}

void server_end(struct server *server) {
    int status = server_stop(server);
    if (status != 0) {
        print_log(server);
        fail_msg("musterd exits with status %d", status);
    }
    process_free(server->process);
    tempdir_remove(&server->dir);
}

void server_expect_running(struct server *server, const char *after) {
    if (process_is_running(server->process)) return;
    fail_msg("musterd ended after %s:\n%s", after, process_text(server->process, PROCESS_ERRORS, NULL));
}
