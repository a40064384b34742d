#include "connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 8192, PATIENCE_MS = 20000, PAUSE_LEAST_US = 15000, PAUSE_SPREAD_US = 10000 };

void die(const char *what) {
    fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

void pause_unevenly(uint64_t number) {
    uint64_t spread = (number * 0x9e3779b97f4a7c15) >> 40;
    usleep((useconds_t)(PAUSE_LEAST_US + spread % PAUSE_SPREAD_US));
}

void connection_send(int fd, const uint8_t *data, size_t len) {
    for (ssize_t sent; len > 0; data += sent, len -= (size_t)sent)
        if ((sent = send(fd, data, len, MSG_NOSIGNAL)) <= 0) die("cannot send");
}

int connection_dial(const struct protocol *protocol, const char *address) {
    struct error error;
    int fd = load_socket_open(protocol, address, PATIENCE_MS, &error);
    if (fd < 0) die(error.text);
    return fd;
}

struct connection connection_open(const struct protocol *protocol, const char *address, enum work_kind kind) {
    struct work work = {.kind = kind, .batch = 1, .users = 1, .ttl_ms = 3600000};
    return (struct connection){.protocol = protocol, .fd = connection_dial(protocol, address), .work = work};
}

uint64_t connection_ask(struct connection *connection, uint64_t user) {
    const struct protocol *protocol = connection->protocol;
    uint8_t bytes[BYTES_MAX];
    struct reading reading = {0};
    struct answer answer = {0};
    struct user_choice choice = {0};
    const struct request request = {0};
    connection->work.first = user;
    connection_send(connection->fd, bytes, protocol->write_request(&connection->work, &choice, &request, bytes));
    for (size_t len = 0, used = 0; !answer.is_done;) {
        ssize_t got = recv(connection->fd, bytes + len, sizeof bytes - len, 0);
        if (got <= 0) die("no answer");
        len += (size_t)got;
        used += protocol->read_answer(&connection->work, &reading, bytes + used, len - used, &answer);
        if (answer.fault != FAULT_NONE) die(answer.why.text);
    }
    return answer.hits;
}
