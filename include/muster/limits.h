/* Muster's limits: every size that a stranger can drive has its cap here.
 * Shared by the server and its clients. Spans are in milliseconds, sizes in bytes. */
#ifndef MUSTER_LIMITS_H
#define MUSTER_LIMITS_H

enum {
    MUSTER_MESSAGE_BYTES_MAX = 1024 * 1024,   /* a request or a reply, as protobuf */
    MUSTER_ID_BYTES_MAX = 128,                /* scope, user and session */
    MUSTER_STATE_BYTES_MAX = 1024,            /* of one session */
    MUSTER_TOKEN_BYTES_MAX = 4096,            /* Call.token */
    MUSTER_BEATS_MAX = 10000,                 /* beats or departures of one request */
    MUSTER_USERS_MAX = 10000,                 /* users of one Live */
    MUSTER_SESSIONS_MAX = 64,                 /* live sessions of a user in a scope */
    MUSTER_WINDOWS_MAX = 16,                  /* windows of one Counts */
    MUSTER_COUNTS_SCOPES_MAX = 1000,          /* scopes of one Counts */
    MUSTER_PAGE_MAX = 10000,                  /* rows of a page, and of List.recent */
    MUSTER_PAGE_DEFAULT = 1000,               /* rows of a page where none is asked */
    MUSTER_CONNECTIONS_DEFAULT = 10000,       /* connections of one node */
    MUSTER_WATCHES_DEFAULT = 100000,          /* watches of one node that wait for a change: --max-watches */
    MUSTER_WATCHES_MAX = 1000000,             /* what --max-watches may say */
    MUSTER_WATCH_USERS_MAX = 1000,            /* named users of one Watch */
    MUSTER_WATCH_WAIT_MAX_MS = 60 * 1000,     /* Watch.max_wait_ms */
    MUSTER_WATCH_INTERVAL_MAX_MS = 60 * 1000, /* Watch.min_interval_ms */
    MUSTER_CURSOR_BYTES_MAX = 256,            /* Watch.cursor */
    MUSTER_WHERE_USERS_MAX = 1000,            /* users of one Where */
};

enum {
    MUSTER_TTL_MIN_MS = 1000,
    MUSTER_TTL_MAX_MS = 24 * 60 * 60 * 1000,
    MUSTER_TTL_DEFAULT_MS = 90 * 1000, /* browsers run the timers of a hidden tab once a minute: with 60 s it flaps */
    MUSTER_LINGER_MAX_MS = MUSTER_TTL_MAX_MS,
    MUSTER_TICK_MIN_MS = 10,
    MUSTER_TICK_MAX_MS = 1000,
    MUSTER_TICK_DEFAULT_MS = 100,
};

/* The gRPC door. Announced to the client as settings of HTTP/2, as far as there is one. */
enum {
    MUSTER_GRPC_STREAMS_MAX = 256,              /* calls that are open on one connection */
    MUSTER_GRPC_HEADER_BYTES_MAX = 16 * 1024,   /* headers of a request, as HTTP/2 counts them: with 32 a field */
    MUSTER_GRPC_CONTINUATIONS_MAX = 8,          /* frames that go on with the headers of one request */
    MUSTER_GRPC_CONNECTION_BYTES_MAX = 8 << 20, /* what is kept of requests that one connection has not finished */
    MUSTER_GRPC_CALLS_MAX = 100000,             /* calls that are open on a node, besides its watches; past it, */
    MUSTER_GRPC_CALLS_SPARED = 8,               /* connections may still have so many each */
    MUSTER_GRPC_PREFACE_MS = 5000,              /* the time a client has to begin */
    MUSTER_GRPC_REQUEST_MS = 10000,             /* the time it has to complete a frame, headers, or a message */
    MUSTER_GRPC_KEEPALIVE_MS = 60000,           /* a client that is silent for so long is pinged */
    MUSTER_GRPC_PONG_MS = 20000,                /* the time it has to answer a ping */
    MUSTER_GRPC_METADATA_BYTES_MAX = 8 * 1024,  /* what a service adds to the headers, or the trailers, of a response */
};

/* Spans that pass 2^31 are no enum constants in C11. */
#define MUSTER_STATUS_TTL_MAX_MS    (UINT64_C(30) * 24 * 60 * 60 * 1000) /* SetStatus.ttl_ms */
#define MUSTER_RETENTION_MIN_MS     UINT64_C(1000)
#define MUSTER_RETENTION_DEFAULT_MS (UINT64_C(24) * 60 * 60 * 1000)
#define MUSTER_RETENTION_MAX_MS     (UINT64_C(30) * 24 * 60 * 60 * 1000)

#define MUSTER_MEMBERS_DEFAULT    UINT64_C(20000000)  /* --max-members */
#define MUSTER_MEMBERS_MAX        UINT64_C(500000000) /* what --max-members may say */
#define MUSTER_ROLL_BYTES_DEFAULT (UINT64_C(4) << 30) /* --max-bytes */

#define MUSTER_SCOPE_DEFAULT "default"
#define MUSTER_RPC_PORT      7700
#define MUSTER_GRPC_PORT     7702 /* --grpc */

#endif
