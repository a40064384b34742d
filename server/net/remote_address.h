/* The peer of a connection: its name for logs, and the address it is counted by. */
#ifndef MUSTER_NET_REMOTE_ADDRESS_H
#define MUSTER_NET_REMOTE_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

enum { REMOTE_NAME_BYTES = 80 };

/* `127.0.0.1:40112`, `[::1]:40112`, `pid:4711` where it is a process of this machine, or `unknown`. */
void remote_name(int fd, char out[REMOTE_NAME_BYTES]);

/* The key for counting connections by address: an IPv4 address, or the /64 prefix of an IPv6 address, which usually is
 * one customer. */
struct remote_key {
    uint8_t bytes[8];
    enum remote_kind { REMOTE_LOCAL, REMOTE_V4, REMOTE_V6 } kind; /* REMOTE_LOCAL: a Unix socket; it has no address */
};
struct remote_key remote_key_of(const struct sockaddr_storage *address);
bool remote_is_loopback(const struct remote_key *key);

#endif
