/* A connection with one request in flight, for the probes: each call waits. What fails ends the program with status 1
 * and a sentence. */
#ifndef MUSTER_BENCH_LINE_H
#define MUSTER_BENCH_LINE_H

#include "dialect.h"

#include <netinet/in.h>

struct line {
    const struct dialect *dialect;
    int fd;
    struct work work; /* of batch 1 */
};

/* "10.77.0.1:7700" */
struct sockaddr_in line_address(const char *text);
/* A connected socket that a server of the dialect has greeted. Its reads wait for at most 20 s. */
int line_dial(const struct dialect *dialect, const struct sockaddr_in *address);
void line_send(int fd, const uint8_t *data, size_t len);

struct line line_open(const struct dialect *dialect, const struct sockaddr_in *address, enum work_kind kind);
/* Asks about one user, and returns the answer's hits. */
uint64_t line_ask(struct line *line, uint64_t user);

_Noreturn void die(const char *what);
/* CLOCK_MONOTONIC. */
uint64_t now_ns(void);
/* Some 20 ms, but of an uneven length for each `number`, so that samples do not fall into step with what they measure.
 */
void pause_unevenly(uint64_t number);

#endif
