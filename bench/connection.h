/* A connection with one request in flight, for the probes: each call waits. What fails ends the program with status 1
 * and a sentence. */
#ifndef MUSTER_BENCH_CONNECTION_H
#define MUSTER_BENCH_CONNECTION_H

#include "load/protocol.h"

#include <netinet/in.h>

struct connection {
    const struct protocol *protocol;
    int fd;
    struct work work; /* of batch 1 */
};

/* "10.77.0.1:7700" */
struct sockaddr_in connection_address(const char *text);
/* A connected socket that a server of the protocol has greeted. Its reads wait for at most 20 s. */
int connection_dial(const struct protocol *protocol, const struct sockaddr_in *address);
void connection_send(int fd, const uint8_t *data, size_t len);

struct connection connection_open(const struct protocol *protocol, const struct sockaddr_in *address,
                                  enum work_kind kind);
/* Asks about one user, and returns the answer's hits. */
uint64_t connection_ask(struct connection *connection, uint64_t user);

_Noreturn void die(const char *what);
/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
/* Some 20 ms, but of an uneven length for each `number`, so that samples do not fall into step with what they measure.
 */
void pause_unevenly(uint64_t number);

#endif
