/* A connection with one request in flight, for the probes: each call blocks. A failure ends the program with status 1
 * and a message. */
#ifndef MUSTER_BENCH_CONNECTION_H
#define MUSTER_BENCH_CONNECTION_H

#include "load/socket.h"

struct connection {
    const struct protocol *protocol;
    int fd;
    struct work work; /* with batch 1 */
};

/* Connects to a server that speaks the protocol, at tcp://HOST:PORT or ipc://PATH. Reads and writes of the socket block
 * for at most 20 s. */
int connection_dial(const struct protocol *protocol, const char *address);
void connection_send(int fd, const uint8_t *data, size_t len);

/* kind: one that names users. */
struct connection connection_open(const struct protocol *protocol, const char *address, enum work_kind kind);
/* Sends the request for one user and waits for the answer. Returns its hits. */
uint64_t connection_ask(struct connection *connection, uint64_t user);

/* Ends the program with status 1 and a message. */
_Noreturn void die(const char *what);
/* The monotonic clock. */
uint64_t now_ns(void);
/* Sleeps 15 to 25 ms, depending on `number`, so that samples are not synchronised with timers of the server. */
void pause_unevenly(uint64_t number);

#endif
