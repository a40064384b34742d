/* A real musterd, listening on a port that it chose and on a Unix socket. MUSTER_TEST_THREADS in the environment says
 * how many loops it has (--threads). */
#ifndef MUSTER_TESTS_SUPPORT_SERVER_H
#define MUSTER_TESTS_SUPPORT_SERVER_H

#include "process.h"
#include "tempdir.h"

enum { SERVER_URL_BYTES = 600, SERVER_FLAGS_MAX = 16 };

struct server {
    struct process *process;
    struct tempdir dir;
    char tcp[SERVER_URL_BYTES], ipc[SERVER_URL_BYTES];
    char tls[SERVER_URL_BYTES];  /* of --rpc tls+tcp://127.0.0.1:0 among the flags; "": none */
    char grpc[SERVER_URL_BYTES]; /* 127.0.0.1:PORT; empty: a flag of the test says --grpc none */
};

/* The musterd under test: MUSTER_TEST_MUSTERD in the environment, one with a planted fault say, or the one that was
 * built. */
const char *server_program(void);
/* Adds flags to the argv of a musterd, of *count words, before those of a test, which may set them otherwise: --grpc
 * on a free port, --threads where MUSTER_TEST_THREADS says so, and with a sanitizer a --max-stall that a crowded
 * machine does not reach. */
enum { SERVER_DEFAULTS_MAX = 6 };
void server_add_defaults(const char *argv[], size_t *count);

/* Starts one with these flags besides (NULL at the end; NULL for none) and waits until it is ready. Ends the test if it
 * does not get there. */
struct server server_start(const char *const flags[]);
/* The same, where it may have only so many descriptors open. */
struct server server_start_with_files(uint64_t files_max, const char *const flags[]);
/* The same on addresses that another one had. */
void server_start_again(struct server *server, const char *const flags[]);
/* Sends SIGTERM and returns the exit status; ends the test if it does not exit within 10 s, or by a signal. */
int server_stop(struct server *server);
/* Stops it if it runs, with the test failing on any exit status but 0, and removes its files. */
void server_end(struct server *server);
/* Ends the test, with what it logged, unless it runs still. */
void server_expect_running(struct server *server, const char *after);

#endif
