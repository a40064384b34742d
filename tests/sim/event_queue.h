/* What is yet to happen in a simulated world, in the order of time; events of one instant in the order they were made.
 */
#ifndef MUSTER_SIM_EVENT_QUEUE_H
#define MUSTER_SIM_EVENT_QUEUE_H

#include "common/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes on their way to one or several nodes. */
struct packet {
    unsigned references;
    size_t len;
    uint8_t bytes[];
};

struct packet *packet_new(const uint8_t *bytes, size_t len);
struct packet *packet_of(struct text bytes);
static inline struct text packet_bytes(const struct packet *packet) {
    return (struct text){(const char *)packet->bytes, (uint32_t)packet->len};
}
struct packet *packet_keep(struct packet *packet);
void packet_drop(struct packet *packet); /* `packet` may be NULL */

enum event_kind {
    EVENT_START,   /* a node starts */
    EVENT_CRASH,   /* a node is killed, and starts again */
    EVENT_TICK,    /* a node's timer */
    EVENT_FRAME,   /* a frame of `other` arrives at `node` */
    EVENT_REQUEST, /* a request of `other` arrives at `node` */
    EVENT_REPLY,   /* the answer of `other` arrives at `node`; packet NULL: refused */
    EVENT_TIMEOUT, /* an ask of `node` has taken too long */
    EVENT_PUMP,    /* the stream from `other` to `node` may flow again */
    EVENT_RESUME,  /* a stopped process goes on */
    EVENT_CALL,    /* a client calls */
    EVENT_FAULT,   /* something breaks */
    EVENT_LOOK,    /* the oracle looks at all nodes */
    /* Of the world of watchers alone. */
    EVENT_GOSSIP, /* a node's replica */
    EVENT_ANSWER, /* a node's pump */
    EVENT_WATCH,  /* a watcher sync_requests */
};

struct event {
    uint64_t at_ms, order;
    enum event_kind kind;
    unsigned node, other;
    uint32_t life;       /* of `node`: an event for an earlier one is void */
    uint32_t other_life; /* of `other`, where it matters */
    uint64_t ticket;
    struct packet *packet;
};

struct event_queue {
    struct event *events; /* a binary heap */
    size_t count, capacity;
    uint64_t order;
};

void event_queue_add(struct event_queue *event_queue, struct event event); /* takes over the packet */
bool event_queue_next(struct event_queue *event_queue, uint64_t until_ms, struct event *out);
void event_queue_clear(struct event_queue *event_queue);
/* The same, and gives back the memory that event_queue_clear keeps for the next world. */
void event_queue_free(struct event_queue *event_queue);

#endif
