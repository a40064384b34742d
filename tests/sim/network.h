/* The network of a simulated world. Streams carry frames from a publisher to its subscribers as nng's PUB and SUB over
 * TCP do: in order; late when they stall; a bounded queue a subscriber that drops its oldest frame; nothing is kept for
 * a subscriber that is not connected. Asks are requests with an answer or a time-out, each on its own way. */
#ifndef MUSTER_SIM_NETWORK_H
#define MUSTER_SIM_NETWORK_H

#include "common/text.h"
#include "event_queue.h"
#include "plan.h"

enum { STREAM_FRAMES_MAX = 16, RECONNECT_MAX_MS = 2000, RECONNECT_QUIET_MS = 100 };

struct world;
struct node;

/* From a publisher to a subscriber. */
struct stream {
    bool is_wanted;
    uint64_t opens_ms; /* connected from then on */
    uint64_t stalled_until_ms;
    uint64_t slow_until_ms, slow_gap_ms; /* a frame each slow_gap_ms */
    uint64_t last_arrival_ms;            /* no frame arrives before an earlier one */
    struct packet *queue[STREAM_FRAMES_MAX];
    unsigned first, count;
};

struct network {
    struct stream streams[NODES_MAX][NODES_MAX]; /* [to][from] */
    uint64_t cut_until_ms[NODES_MAX][NODES_MAX]; /* [from][to] */
};

void network_clear(struct network *network);
void network_subscribe(struct world *world, unsigned to, struct text gossip_address, bool is_wanted);
void network_publish(struct world *world, unsigned from, struct text frame);
void network_send_request(struct world *world, unsigned from, uint64_t ticket, struct text sync_address,
                          struct text request);
/* The response of `from` to the request of `to`. */
void network_reply(struct world *world, unsigned from, unsigned to, uint64_t ticket, uint32_t life,
                   struct text response);
/* A request arrives at a process that has ended: mostly the connection is reset, and the requester learns that. */
void network_refuse(struct world *world, const struct event *request);
/* What stands in a stream's queue flows, as far as it may. */
void network_pump(struct world *world, unsigned to, unsigned from);
/* Streams break when a process ends, and its peers connect again when it is back. */
void network_node_ended(struct world *world, unsigned node);
void network_node_started(struct world *world, unsigned node);
void network_cut(struct world *world, unsigned from, unsigned to, uint64_t until_ms);
void network_stall(struct world *world, unsigned to, unsigned from, uint64_t until_ms);
void network_slow(struct world *world, unsigned to, unsigned from, uint64_t gap_ms, uint64_t until_ms);
void network_heal(struct world *world);
/* The node that an address is of; NODES_MAX if it is nobody's. */
unsigned network_node_of(const struct world *world, struct text address);

#endif
