/* A node in this process whose watches can wait, and the door at which they do. Time is the test's. */
#ifndef MUSTER_TESTS_WATCH_RIG_H
#define MUSTER_TESTS_WATCH_RIG_H

#include "rpc/rpc.h"
#include "support/request_builder.h"

#include <stdbool.h>
#include <stdint.h>

enum { RIG_TICK_MS = 100 };

struct rig {
    struct node *node;
    struct rpc *rpc;
    struct watches *watches; /* of the rpc */
    struct worker *worker, *pump_worker;
    struct instant now;
    struct answerer answerer; /* without waiting */
    struct watch_door door;
    bool is_woken;                   /* the node wants to be pumped at once */
    uint64_t tick_at_ms, pump_at_ms; /* UINT64_MAX: not before it is woken */
    unsigned idle_pumps;             /* in a row, at one instant, that answered nobody */
};

/* Where a request waits. Zeroed and then given to place_open. A stream has room for one answer that is not taken. */
struct place {
    struct waiter waiter; /* waiter.is_stream: set by the test before it asks */
    bool is_parked, has_room;
    bool is_awaited;          /* the pump found no room, and wants to hear that there is some */
    bool is_hung_up;          /* handed back without an answer */
    Muster__V1__Reply *reply; /* came and is not taken yet */
    uint64_t answered_ms;     /* when it came */
    /* Called with each answer to a stream, before it can be taken; NULL: nothing is. */
    void (*between)(void *context, struct place *place);
    void *between_context;
};

/* What tests use that want nothing else. */
extern const struct node_config rig_usual;

void rig_open(struct rig *rig, const struct node_config *config);
/* The same, with room for so many parked watches. */
void rig_open_capped(struct rig *rig, const struct node_config *config, size_t watches_max);
void rig_close(struct rig *rig);

void place_open(struct place *place, struct rig *rig, uint64_t connection);
void place_close(struct place *place);
/* Asks with a place to wait at, and pumps if the node wants it at once; frees the builder. false: it is parked. Ends
 * the test where the place is taken. */
bool place_ask(struct place *place, struct rig *rig, struct request_builder *builder);
/* The answer that came was read (place->reply), or has_room was set: the pump looks again where it waits for that. */
void place_has_read(struct place *place, struct rig *rig);
/* The answer, to be freed by the caller. Ends the test unless there is one, of code OK with a WatchResponse. */
Muster__V1__Reply *place_take(struct place *place);

/* Expires what is due, whole. */
void rig_tick(struct rig *rig);
/* What has to be done next and not after until_ms: a pump, a tick, or time passing until then. False if until_ms is
 * here and nothing is due. */
bool rig_step(struct rig *rig, uint64_t until_ms);
/* Lets so much time pass, with its ticks and pumps; 0: pumps if the node wants it. */
void rig_pass(struct rig *rig, uint64_t ms);

#endif
