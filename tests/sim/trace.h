/* What happens in a simulated world, for people to read: sim_test --seed N --trace. Below each line of the transcript
 * stands what a frame or an answer holds, what its node then does, and what it knows that it did not know before:
 *
 *      493 node 0: a frame of node 1, 101 bytes
 *            frame 5 of n1: changes 20..20, records: 1, refreshes: 0
 *              default/leslie/ has left, 1 ms ago
 *            node 0 knows n1 up to 20, was 19
 *
 * n1 is the first life of node 1, n1.2 its second. Everything here does nothing unless the world's trace is on. */
#ifndef MUSTER_SIM_TRACE_H
#define MUSTER_SIM_TRACE_H

#include "cluster/action.h"
#include "cluster/replica.h"
#include "plan.h"

enum { TRACE_KNOWN_MAX = 64 };

struct world;
struct node;

/* What a node was last seen to know. */
struct trace_node {
    bool is_ready;
    struct known known[TRACE_KNOWN_MAX];
    size_t known_count;
    struct {
        uint64_t origin;
        enum peer_state state;
    } peers[TRACE_KNOWN_MAX];
    size_t peer_count;
};

struct trace {
    bool is_on;
    struct trace_node nodes[NODES_MAX];
    struct {
        uint64_t origin;
        unsigned node, life;
    } lives[TRACE_KNOWN_MAX]; /* the latest, in a ring */
    size_t life_count;
};

void trace_started(struct world *world, const struct node *node);
/* It is about to be done. */
void trace_action(struct world *world, const struct node *node, const struct action *action);
/* Was received, and is about to be taken. */
void trace_frame(struct world *world, const struct frame *frame);
void trace_response(struct world *world, const struct sync_response *response);
/* What the node knows now and did not before. */
void trace_learnt(struct world *world, const struct node *node);

#endif
