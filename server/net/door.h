/* A door: the listeners of one protocol, and the limits on its connections.
 *
 * A door accepts at most `connections_max` connections, and from each address at most that address's share. A sixteenth
 * of them, at most 16, is reserved for ipc://, which the operator uses. Each refusal is logged with its peer. */
#ifndef MUSTER_NET_DOOR_H
#define MUSTER_NET_DOOR_H

#include "common/error.h"
#include "connection_counts.h"
#include "loop.h"
#include "stream.h"
#include "tls.h"

enum {
    DOORS_MAX = 8,
    DOOR_URLS_MAX = 16,
    DOOR_URL_BYTES = 256,
    DOOR_UNREAD_MS = 5000,       /* the time a peer has to read its output */
    DOOR_UNREAD_SHORT_MS = 100,  /* the same while memory is short */
    DOOR_UNFINISHED_MS = 10000,  /* the time a peer has to complete a message or a handshake */
    DOOR_IDLE_MS = 30000,        /* the time a new connection has to send its first request */
    DOOR_IDLE_CROWDED_MS = 1000, /* the same while connections are refused */
    DOOR_SHARE_MIN = 16,         /* the smallest share of one address */
    DOOR_LINGER_MS = 250,        /* the time a peer has to close a connection that this side has closed (drain) */
};

/* A drain. */
enum { DRAIN_QUIET_MS = 100, DRAIN_CLOSE_ALL_MS = 300 };

struct door;

/* Zero is the default of each field after `connections_max`. */
struct door_config {
    const struct protocol *protocol;
    void *context;           /* of the protocol */
    const char *const *urls; /* tcp:// or tls+tcp://HOST:PORT, port 0 is chosen by the system; ipc://PATH */
    size_t url_count;        /* 1..DOOR_URLS_MAX */
    size_t connections_max;
    /* Counts the connections of all doors that have the same counts, which connections_max and connections_per_address
     * then bound together. Outlives the doors. NULL: the door counts its own alone. */
    struct connection_counts *counts;
    /* Default: a quarter of connections_max, at least DOOR_SHARE_MIN; three times as many for loopback addresses. */
    size_t connections_per_address;
    uint32_t unread_ms, unfinished_ms, idle_ms;
    struct tls_context *tls; /* for tls+tcp:// URLs; outlives the door. NULL: none may be among them */
    /* With TLS, the protocol of ALPN that clients must offer: "h2". Static. NULL: what they offer does not matter. */
    const char *alpn;
    bool is_idle_fine;   /* connections that never send a request are kept: subscribers */
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

/* From now on requests are refused (stream_must_refuse), and with the next turn of loop 0 nobody listens any more.
 * Protocols that can are asked to say good-bye (protocol.drain). */
void door_refuse(struct door *door);
/* Closes the connections, once what they sent is answered and sent: one of which a request was refused at once, the
 * others after DRAIN_CLOSE_ALL_MS, unless no request arrives for DRAIN_QUIET_MS before. A peer that goes on sending to
 * a connection that is being closed still gets all its replies. What is parked must have been answered before. Returns
 * true once every reply is sent and no request arrives any more, false after timeout_ms. Blocks; not on a loop's
 * thread. */
bool door_drain(struct door *door, uint32_t timeout_ms);

/* The same for several doors, at the same time. */
bool doors_drain(struct door *const doors[], size_t count, uint32_t timeout_ms);

/* Closes every connection and frees the door. After loops_stop. `door` may be NULL. */
void door_close(struct door *door);

#endif
