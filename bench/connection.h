/* A connection with one request in flight, for the probes: each call waits. A failure ends the program with status 1
 * and a sentence. */
#ifndef MUSTER_BENCH_CONNECTION_H
#define MUSTER_BENCH_CONNECTION_H

#include "load/socket.h"

struct connection {
    const struct protocol *protocol;
    int fd;
    struct work work; /* of batch 1 */
};

/* A connected socket of a server that speaks the protocol, at tcp://HOST:PORT or ipc://PATH. Its reads and writes wait
 * for at most 20 s. */
int connection_dial(const struct protocol *protocol, const char *address);
void connection_send(int fd, const uint8_t *data, size_t len);

/* For Touches, or whatever kind of work names one user. */
struct connection connection_open(const struct protocol *protocol, const char *address, enum work_kind kind);
/* Sends the request for one user and waits. Returns the answer's hits. */
uint64_t connection_ask(struct connection *connection, uint64_t user);

/* Ends the program with status 1 and a sentence. */
_Noreturn void die(const char *what);
/* The monotonic clock. */
uint64_t now_ns(void);
/* Sleeps some 20 ms, but unevenly, by `number`, so that samples do not fall into step with what they measure. */
void pause_unevenly(uint64_t number);

#endif
