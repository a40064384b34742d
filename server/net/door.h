/* Where connections come in: the listeners of one protocol, and how many connections they may have.
 *
 * What a stranger is up against: at most `connections_max` connections, of one address at most its share, and some
 * places of them kept for ipc://, the operator's door. Each refusal is logged with its peer. */
#ifndef MUSTER_NET_DOOR_H
#define MUSTER_NET_DOOR_H

#include "common/error.h"
#include "loop.h"
#include "stream.h"

enum {
    DOORS_MAX = 8,
    DOOR_URLS_MAX = 16,
    DOOR_URL_BYTES = 256,
    DOOR_UNREAD_MS = 5000,       /* output that is not read for so long ends its connection */
    DOOR_UNREAD_SHORT_MS = 100,  /* the same where memory is short */
    DOOR_UNFINISHED_MS = 10000,  /* a message or a handshake takes at most so long */
    DOOR_IDLE_MS = 30000,        /* a connection that never asked is kept for so long */
    DOOR_IDLE_CROWDED_MS = 1000, /* the same where others are refused */
    DOOR_SHARE_MIN = 16,         /* of one address, at least */
};

struct door;

/* Zero is the default of each field after `connections_max`. */
struct door_config {
    const struct protocol *protocol;
    void *context;           /* of the protocol */
    const char *const *urls; /* tcp://HOST:PORT, port 0 is chosen by the system; ipc://PATH */
    size_t url_count;        /* 1..DOOR_URLS_MAX */
    size_t connections_max;
    size_t
        connections_per_address; /* a quarter of connections_max, but at least DOOR_SHARE_MIN; loopback three times */
    uint32_t unread_ms, unfinished_ms, idle_ms;
    bool is_idle_fine;   /* connections that never ask are no burden: subscribers */
    bool is_on_one_loop; /* all its connections are on loop 0 */
};

/* Opens every URL, or none. NULL and *error if one cannot be opened, or memory is short. Connections may come before it
 * returns. */
struct door *door_open(struct loops *loops, const struct door_config *config, struct error *error);
/* The URL of listener i, with the port that the system chose. */
const char *door_url(const struct door *door, size_t i);

struct door_figures {
    size_t connections; /* open now */
    uint64_t requests, refused;
    uint64_t ended[STREAM_ENDS]; /* by enum stream_end: STREAM_STRANGER counts failed handshakes */
};
struct door_figures door_figures(const struct door *door);

/* Takes no more connections from now on. */
void door_refuse(struct door *door);
/* Refuses new connections and answers what has come in, until nothing is unsent and no request came for a moment, at
 * most timeout_ms. Returns whether all was answered. Not on a loop. */
bool door_drain(struct door *door, uint32_t timeout_ms);

/* Ends every connection and frees all, after loops_stop. `door` may be NULL. */
void door_close(struct door *door);

#endif
