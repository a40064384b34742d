/* Loops that the test turns itself, on a clock that it sets, and a door behind which every request is answered with its
 * own bytes. */
#ifndef MUSTER_TESTS_NET_ECHO_H
#define MUSTER_TESTS_NET_ECHO_H

#include "net/net_internal.h"

enum { ECHO_PAYLOAD_MAX = 2 << 20 };

struct echo {
    struct loops *loops;
    struct door *door;
    uint64_t answered; /* requests */
    uint64_t stale;    /* those of them that came before the loop stood still */
    uint64_t refused;  /* those of them that came during a drain */
    bool is_deaf;      /* nothing is answered */
    bool is_tls;       /* what connects speaks TLS */
};

/* The clock of all loops of the test. */
extern struct instant echo_clock;

void echo_open(struct echo *echo, unsigned loops);
/* The same over TLS; `alpn` as in struct door_config. */
void echo_open_tls(struct echo *echo, unsigned loops, struct tls_context *tls, const char *alpn);
void echo_close(struct echo *echo);

/* A connection to loop `loop`: the other end of its socket. The buffers of both ends are small. */
int echo_dial(struct echo *echo, unsigned loop);
/* The same, which has greeted where `is_greeted`; without TLS. */
int echo_connect(struct echo *echo, unsigned loop, bool is_greeted);
/* So many turns of all loops, none of which waits. */
void echo_turn(struct echo *echo, unsigned turns);
/* Sends a request with a payload of `len` bytes, its header included, or as much of it as `sent` says. */
void echo_send(int fd, size_t len, size_t sent);
/* Sends whole requests of `len` bytes, with turns in between, until neither side takes more. */
void echo_fill(struct echo *echo, int fd, size_t len);
/* Reads what is there; the number of bytes, or -1: the connection ended. */
long echo_read(int fd, void *out, size_t len);

#endif
