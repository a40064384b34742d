/* Connections of the load generator, in plain sockets. */
#ifndef MUSTER_LOAD_SOCKET_H
#define MUSTER_LOAD_SOCKET_H

#include "protocol.h"

/* Whether an address needs the framing of ipc:// (struct request, struct reading). */
bool load_socket_is_ipc(const char *address);

/* Connects to tcp://HOST:PORT, HOST:PORT or ipc://PATH and exchanges the protocol's handshake; each step, and later
 * each blocking read and write, takes at most timeout_ms. Returns a blocking socket for close(2); -1 on failure, and
 * *error says why.
 */
int load_socket_open(const struct protocol *protocol, const char *address, uint32_t timeout_ms, struct error *error);

#endif
