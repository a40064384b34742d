/* The door for gRPC: HTTP/2 by nghttp2 on the loops, over TCP, in the clear (prior knowledge) or with TLS (ALPN h2).
 *
 * What a connection or a call may cost is capped by name in muster/limits.h; past the abuse budget of a connection
 * (budget.h) it is told GOAWAY ENHANCE_YOUR_CALM. */
#ifndef MUSTER_NET_GRPC_DOOR_H
#define MUSTER_NET_GRPC_DOOR_H

#include "net/door.h"
#include "service.h"

struct grpc_door;

enum { GRPC_SERVICES_MAX = 8 };

/* Zero is the default of each field but url, services and service_count. */
struct grpc_door_config {
    const char *url;         /* tcp:// or tls+tcp://HOST:PORT; port 0 is chosen by the system */
    struct tls_context *tls; /* for tls+tcp://, where ALPN must offer h2 */
    struct grpc_service services[GRPC_SERVICES_MAX];
    size_t service_count;
    const char *server; /* the header of that name in responses; it outlives the door. NULL: none */
    size_t connections_max;
    struct connection_counts *counts; /* as in struct door_config */
    size_t connections_per_address;
    uint32_t unread_ms, idle_ms; /* as in struct door_config */
    uint32_t preface_ms;         /* MUSTER_GRPC_PREFACE_MS */
    uint32_t unfinished_ms;      /* MUSTER_GRPC_REQUEST_MS */
    uint32_t keepalive_ms;       /* MUSTER_GRPC_KEEPALIVE_MS */
    size_t message_bytes_max;    /* MUSTER_MESSAGE_BYTES_MAX */
    size_t calls_max;            /* MUSTER_GRPC_CALLS_MAX: open at once on all connections; past it, who has more than
                                  * MUSTER_GRPC_CALLS_SPARED is refused more */
};

/* As door_open. */
struct grpc_door *grpc_door_open(struct loops *loops, const struct grpc_door_config *config, struct error *error);
/* url, figures, refuse and drain are those of the door. */
struct door *grpc_door_door(const struct grpc_door *door);
/* After loops_stop. Every call that is open is closed. `door` may be NULL. */
void grpc_door_close(struct grpc_door *door);

#endif
