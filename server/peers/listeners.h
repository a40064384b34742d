/* The listeners of one nng socket, looked after: each is probed from outside, as a client would, and one that stopped
 * accepting is opened again. That ends its connections, which nng gives no way around.
 *
 * For whoever owns the socket: its pipe callback calls listeners_took for each connection, and a thread of its own
 * calls listeners_step every so often. Internal to server/net. */
#ifndef MUSTER_PEERS_LISTENERS_H
#define MUSTER_PEERS_LISTENERS_H

#include "probe.h"

#include <nng/nng.h>
#include <stdatomic.h>
#include <stddef.h>

enum { LISTENERS_MAX = 16, LISTENER_URL_BYTES = 256 };

/* `probe` and what follows is the stepping thread's alone. */
struct listener {
    char url[LISTENER_URL_BYTES]; /* as it is listened on, with the port that the system chose */
    nng_listener nng;
    bool is_open;
    nng_sockaddr address;
    atomic_uint id;         /* nng's, to know whose a connection is */
    atomic_uint accepted;   /* connections it took, refused ones and probes included */
    atomic_uint probe_port; /* of the probe under way, 0 if none */
    struct probe probe;
    unsigned accepted_before; /* when the probe began */
    uint64_t probe_us;        /* when it began, or is to begin */
};

struct listeners {
    nng_socket socket; /* this and the next three are set by the owner before listeners_open */
    size_t receive_bytes_max;
    uint32_t probe_every_ms;
    uint32_t probe_patience_ms; /* until a silent one is opened again */
    _Atomic uint64_t relistened;
    size_t count;
    struct listener items[LISTENERS_MAX];
};

/* Opens all. Returns nng's error number, with *failed_url set if it is about one; the socket closes what was opened. */
int listeners_open(struct listeners *listeners, const char *const *urls, size_t count, const char **failed_url);
/* Counts a connection. Returns whether it is one of the probes, which is to be closed and not counted elsewhere. From
 * the callback of NNG_PIPE_EV_ADD_PRE. */
bool listeners_took(struct listeners *listeners, nng_pipe pipe);
void listeners_step(struct listeners *listeners, uint64_t now_us);
/* Ends the probes; the socket closes the rest. */
void listeners_close(struct listeners *listeners);

#endif
