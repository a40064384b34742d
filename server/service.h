/* The service of one node: everything that musterd starts, in order, and stops in reverse. Used by the program's main
 * thread alone. */
#ifndef MUSTER_SERVICE_H
#define MUSTER_SERVICE_H

#include "common/error.h"
#include "config.h"

struct service;

/* Loads the snapshot, joins the peers and opens the ports for requests; *config is borrowed. NULL and *error: an
 * address is taken, a directory or a key file cannot be used, or memory, threads or descriptors are short. What was
 * opened before is left to the end of the program. */
struct service *service_start(const struct config *config, struct error *error);
/* Prints the line `musterd ready …` and logs `started`. took_ms: how long the start took. */
void service_announce(const struct service *service, uint64_t took_ms);
/* What SIGHUP asks for: reads the keyring, and the certificate of TLS, again. */
void service_reload(struct service *service);
/* Refuses new connections, answers what has come in, tells the peers, writes the last snapshot, and frees all; takes at
 * most some seconds. `reason`: for the log. False: the last snapshot could not be written. May end the program itself,
 * with that status, where a part does not stop in time. */
bool service_stop(struct service *service, const char *reason);

#endif
