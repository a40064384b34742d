/* TCP ports of the loopback, for servers under test. */
#ifndef MUSTER_TESTS_SUPPORT_PORT_H
#define MUSTER_TESTS_SUPPORT_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* A port of 127.0.0.1 that nobody listens on, and that this process has not given before. Another process may take it
 * before the caller does, so prefer port 0 where a server can say what it got. Ends the test program if there is none.
 */
uint16_t port_free(void);

/* Whether something accepts connections at 127.0.0.1:port now. */
bool port_is_open(uint16_t port);

/* A connected blocking socket to 127.0.0.1:port, for a test that speaks bytes; the caller closes it. -1 if refused. */
int port_connect(uint16_t port);

#endif
