/* A connection as nng's REQ makes it, in plain sockets. */
#ifndef MUSTER_LOAD_SOCKET_H
#define MUSTER_LOAD_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

/* Whether an address is of the kind that uses ipc:// framing. */
bool bench_socket_is_ipc(const char *address);

/* Connects to tcp://HOST:PORT or ipc://PATH and shakes hands, within timeout_ms each. Returns a non-blocking socket for
 * close(2), or -1 after a message on standard error. */
int bench_socket_open(const char *address, uint32_t timeout_ms);

#endif
