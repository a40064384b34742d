/* The peer of a connection: its name for logs, and the address it is counted by. */
#ifndef MUSTER_NET_REMOTE_ADDRESS_H
#define MUSTER_NET_REMOTE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { REMOTE_NAME_BYTES = 56 };

/* The key for counting connections by address: an IPv4 address, or the /64 prefix of an IPv6 address, which usually is
 * one customer. */
struct remote_key {
    uint8_t bytes[8];
    enum remote_kind { REMOTE_LOCAL, REMOTE_V4, REMOTE_V6 } kind; /* REMOTE_LOCAL: a Unix socket; it has no address */
};
bool remote_is_loopback(const struct remote_key *key);

struct remote {
    struct remote_key key;
    /* `127.0.0.1:40112`, `[::1]:40112`, `pid:4711` where it is a process of this machine, or `unknown`. */
    char name[REMOTE_NAME_BYTES];
};
/* The peer of a connection that was accepted from this address. To be called at once: a socket that was reset no longer
 * tells. */
struct remote remote_of(int fd, const struct sockaddr_storage *address);

#endif
