/* A listener tried from outside: connect to it and shake hands, as a client would. Never blocks: it is stepped.
 * Whether the listener took the connection is seen where connections come in, not here. */
#ifndef MUSTER_PEERS_PROBE_H
#define MUSTER_PEERS_PROBE_H

#include <nng/nng.h>
#include <stdbool.h>
#include <stdint.h>

enum probe_step {
    PROBE_GOES_ON,
    PROBE_FAILED,    /* refused, or cut off */
    PROBE_TRY_LATER, /* this process has no socket for it */
};

struct probe {
    int fd;              /* -1: none under way */
    uint16_t local_port; /* of a tcp probe, big-endian as nng shows it */
    bool has_greeted;
};

/* A probe that is not under way. */
struct probe probe_none(void);
bool probe_is_under_way(const struct probe *probe);

/* Starts connecting to where a listener listens; a wildcard address is reached through the loopback. */
enum probe_step probe_start(struct probe *probe, const nng_sockaddr *address);
/* Sends the greeting once connected. */
enum probe_step probe_step(struct probe *probe);
void probe_end(struct probe *probe);

#endif
