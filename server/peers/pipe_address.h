/* Who is at the other end of a connection. */
#ifndef MUSTER_PEERS_PIPE_ADDRESS_H
#define MUSTER_PEERS_PIPE_ADDRESS_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

enum { PEER_BYTES = 80 };

/* `127.0.0.1:40112`, `[::1]:40112`, `pid:4711` where it is a process of this machine, or `unknown`. */
void peer_name(nng_pipe pipe, char out[PEER_BYTES]);

/* Whether it is this process's own probe, which came from `port` (big-endian), or over a Unix socket. 0: there is no
 * probe. */
bool peer_is_probe(nng_pipe pipe, uint16_t port);

#endif
