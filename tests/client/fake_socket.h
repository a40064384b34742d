/* A listener that speaks nng's wire as a REP socket does, with plain sockets: a test can close a connection at any
 * point. Requests of one connection are done in order, one at a time. */
#ifndef MUSTER_TESTS_FAKE_SOCKET_H
#define MUSTER_TESTS_FAKE_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_socket;

/* What becomes of a request. */
enum fake_outcome { FAKE_REPLY, FAKE_NO_REPLY, FAKE_CLOSE };

/* Called on the socket's thread for each request. FAKE_REPLY: *reply is its answer, which the socket frees. */
typedef enum fake_outcome fake_serve(void *context, const uint8_t *request, size_t len, uint8_t **reply,
                                     size_t *reply_len);

/* Listens on tcp://127.0.0.1:PORT; ends the test program if it cannot. */
struct fake_socket *fake_socket_start(const char *url, fake_serve *serve, void *context);
/* Closes all connections. `socket` may be NULL. */
void fake_socket_stop(struct fake_socket *socket);

#endif
