/* An attack on the gRPC door of a real musterd, while somebody else is served: a well-behaved client asks on a
 * connection of its own all the time, and the memory of the server is watched. */
#ifndef MUSTER_TESTS_NET_GRPC_ATTACK_H
#define MUSTER_TESTS_NET_GRPC_ATTACK_H

#include "support/grpc_client.h"
#include "support/server.h"

enum {
    ATTACK_SERVED_MS = 20000, /* within which the well-behaved client must be answered; how soon it was is only told */
    ATTACK_CLOSED_MS = 30000,
    ATTACK_LATENCIES_MAX = 4096,
};

#define ATTACK_CALL  "/muster.v1.Presence/Nodes" /* answered at once, of an empty message */
#define ATTACK_WATCH "/muster.v1.Presence/Watch" /* stays open */

/* A musterd with a gRPC door: with TLS where MUSTER_TEST_TLS is in the environment; server.grpc is then for h2_connect.
 * Flags as of server_start. Ends the test. */
struct server attack_server_start(const char *const flags[]);

struct attack {
    const char *name;
    struct server *server;
    struct h2 *bystander;
    size_t peak_bytes; /* of the server before */
    uint32_t latencies_us[ATTACK_LATENCIES_MAX];
    size_t latency_count;
};

void attack_begin(struct attack *attack, struct server *server, const char *name);
/* The bystander asks, and must be answered. */
void attack_ask_bystander(struct attack *attack);
/* The server runs, serves old and new connections, and its memory has grown by at most so many bytes at its peak. Says
 * how long the bystander waited. */
void attack_end(struct attack *attack, size_t growth_bytes_max);

/* Sends bursts until the server has said GOAWAY or ended the connection, at most `rounds`; the bystander is asked after
 * each. Then the GOAWAY must have come, with ENHANCE_YOUR_CALM, and the connection must end. */
typedef void attack_burst_fn(struct h2 *h2, unsigned round);
void attack_until_calmed(struct attack *attack, attack_burst_fn *burst, unsigned rounds);
/* The same, where another error is as good: the first of a list that ends with 0. */
void attack_until_ended(struct attack *attack, attack_burst_fn *burst, unsigned rounds, const uint32_t errors[]);

#endif
