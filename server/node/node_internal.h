/* The inside of a node: for server/node itself, and for the rooms that take turns on it (turn.h): server/watch,
 * server/rpc and server/snapshot. */
#ifndef MUSTER_NODE_NODE_INTERNAL_H
#define MUSTER_NODE_NODE_INTERNAL_H

#include "action_sink.h"
#include "common/instant.h"
#include "common/text.h"
#include "core/hlc.h"
#include "core/roll.h"
#include "observer.h"

#include <pthread.h>
#include <stdatomic.h>

struct node {
    pthread_mutex_t lock;
    bool is_held; /* by `holder` */
    pthread_t holder;
    atomic_uint waiting; /* threads that wait for the lock */
    atomic_uint turns;   /* counts them */

    struct roll *roll; /* all below is under the lock */
    struct hlc hlc;
    uint64_t now_ms; /* the latest time that a turn began with: callers read the clock before they have the lock */

    uint64_t refused; /* see turn_note_refused */

    struct replica *replica; /* NULL: no peers, ever */
    struct action_sink sink;
    bool is_told; /* the roll took local beats since the last node_gossip */
    bool is_idle; /* the last node_gossip found none, and asked to be called late */
    uint64_t flush_ms, join_until_ms;
    bool are_seeds_resolved;            /* all seeds are known as peers, or cannot be */
    atomic_bool takes_writes, is_ready; /* is_ready: reads are answered. Both are true until the process stands still */

    uint64_t stall_ms; /* a turn that comes later than that after the one before: the process stood still; 0: never */
    uint64_t ready_at_ms;    /* without a replica: reads are answered from then on */
    atomic_uint standstills; /* counts them */

    struct node_observer *observer; /* never NULL */

    struct known *recalled; /* the version vector of a snapshot that was merged, for the replica to come; NULL: none */
    size_t recalled_count;

    _Atomic(struct codec *) codec; /* locks by itself; NULL: no peers, or not yet */
    uint64_t origin;               /* all below never changes */
    uint8_t hash_key[16];
    struct text name, version;
    uint32_t ttl_ms;
    uint64_t retention_ms;
};

/* The observer of a node that has none. */
extern struct node_observer node_nobody;

/* standstill.c. At the beginning of a turn that comes too late: the node joins again, if it may have missed anything.
 */
void standstill_note(struct node *node);
/* In a turn: the node is ready, once it may answer reads; then its observer sees again. */
void standstill_look(struct node *node);

/* Ends the program unless the calling thread has the lock: in functions that are for a turn alone. */
void node_assert_held(const struct node *node);

/* Where the roll's next call puts its effects; NULL: the observer wants none. */
static inline struct effects *node_effects(const struct node *node) {
    return node->observer->effects;
}

#endif
