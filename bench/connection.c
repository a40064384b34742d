#include "connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { BYTES_MAX = 8192, ADDRESS_BYTES = 64, PATIENCE_S = 20, PAUSE_LEAST_US = 15000, PAUSE_SPREAD_US = 10000 };

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

struct sockaddr_in connection_address(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char host[ADDRESS_BYTES];
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon - text >= ADDRESS_BYTES) die("an address without a port");
    snprintf(host, sizeof host, "%.*s", (int)(colon - text), text);
    address.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) die("an address that is none");
    return address;
}

int connection_dial(const struct protocol *protocol, const struct sockaddr_in *address) {
    struct timeval patience = {.tv_sec = PATIENCE_S};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof *address) != 0) die("cannot connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (protocol->hello_bytes == 0) return fd;
    uint8_t answer[BYTES_MAX];
    connection_send(fd, protocol->hello, protocol->hello_bytes);
    if (recv(fd, answer, protocol->hello_bytes, MSG_WAITALL) != (ssize_t)protocol->hello_bytes ||
        memcmp(answer, protocol->hello_answer, protocol->hello_bytes) != 0)
        die("no server of this kind");
    return fd;
}

struct connection connection_open(const struct protocol *protocol, const struct sockaddr_in *address,
                                  enum work_kind kind) {
    struct work work = {.kind = kind, .batch = 1, .users = 1, .ttl_ms = 3600000};
    return (struct connection){.protocol = protocol, .fd = connection_dial(protocol, address), .work = work};
}

uint64_t connection_ask(struct connection *connection, uint64_t user) {
    uint8_t bytes[BYTES_MAX];
    struct progress progress = {0};
    struct answer answer = {0};
    connection->work.first = user;
    connection_send(connection->fd, bytes, connection->protocol->request(&connection->work, &progress, 0, bytes));
    for (size_t len = 0, used = 0; !answer.is_done;) {
        ssize_t got = recv(connection->fd, bytes + len, sizeof bytes - len, 0);
        if (got <= 0) die("no answer");
        len += (size_t)got;
        used += connection->protocol->answer(&connection->work, &progress, bytes + used, len - used, &answer);
        if (answer.problem[0] != 0) die(answer.problem);
    }
    return answer.hits;
}
