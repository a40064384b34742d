/* The process of a node: the node itself, its timers, and the door at which watchers wait. */
#ifndef MUSTER_SIM_HOST_H
#define MUSTER_SIM_HOST_H

#include "event_queue.h"
#include "node/cluster.h"
#include "rpc/rpc.h"
#include "support/call_bytes.h"
#include "support/request_builder.h"

enum { HOST_ASKS_MAX = 256 };

struct stage;

struct host {
    struct stage *stage;
    unsigned index;
    bool is_up;
    bool is_stopping; /* it drains */
    uint32_t life;    /* counts its starts and its ends */
    uint64_t origin;  /* of its incarnation */
    struct node *node;
    struct rpc *rpc;
    struct answerer answerer; /* List, Counts and what clients call */
    struct watch_door door;
    uint64_t zero_ms; /* its monotonic clock at the stage's 0 */
    int64_t wall_error_ms;
    uint64_t paused_until_ms; /* it stands still until then */
    bool has_stood_still;
    bool is_deaf;                 /* and misses the frames of that time */
    uint64_t gossip_ms, pump_ms;  /* when each comes; what is in the event queue for another moment is void */
    uint64_t pump_wanted_ms;      /* the timer may be late */
    uint64_t asks[HOST_ASKS_MAX]; /* tickets of which the answer is awaited */
    size_t ask_count;
    char gossip_address[40], sync_address[40];
};

void host_place(struct stage *stage, unsigned index);
void host_start(struct host *host);
/* Without a word. */
void host_crash(struct host *host);
/* As on SIGTERM: whoever waits is told to go elsewhere. */
void host_drain(struct host *host);
struct instant host_now(const struct host *host);
bool host_is_ready(const struct host *host);
/* A process that is there and does not stand still. */
bool host_runs(const struct host *host);
/* What comes meanwhile waits in its sockets. */
void host_pause(struct host *host, uint64_t until_ms);
/* An event of its own, or one that the wires bring. */
void host_event(struct host *host, const struct event *event);
/* Notices what has expired, and answers whoever is to be told of anything. */
void host_settle(struct host *host);
/* A running one, or NULL. */
struct host *host_any(struct stage *stage);
/* One that answers reads, or NULL. */
struct host *host_any_ready(struct stage *stage);

#endif
