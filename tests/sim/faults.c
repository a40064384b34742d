/* What breaks, and for how long. */
#include "world.h"

#include <inttypes.h>

enum { RESTART_MAX_MS = 400, KILL_MAX_MS = 30 };

/* Mostly short, sometimes longer than any TTL that is about. */
static uint64_t draw_span_ms(struct world *world) {
    struct random *random = &world->random;
    if (random_chance(random, 1, 2)) return random_between(random, 50, 1500);
    return random_between(random, 1500, random_chance(random, 1, 3) ? 20000 : 6000);
}

static unsigned draw_node(struct world *world) {
    return (unsigned)random_below(&world->random, world->node_count);
}

static void cut_both(struct world *world, unsigned a, unsigned b, uint64_t until_ms, bool is_one_way) {
    network_cut(world, a, b, until_ms);
    if (!is_one_way) network_cut(world, b, a, until_ms);
}

static void cut(struct world *world, uint64_t until_ms) {
    bool is_one_way = random_chance(&world->random, 1, 3);
    if (random_chance(&world->random, 1, 2)) {
        unsigned half = (unsigned)random_below(&world->random, UINT64_C(1) << world->node_count);
        transcript_add(&world->transcript, world->now_ms, "cut: nodes %x from the others %suntil %" PRIu64, half,
                       is_one_way ? "one way " : "", until_ms);
        for (unsigned a = 0; a < world->node_count; a++)
            for (unsigned b = 0; b < world->node_count; b++)
                if ((half >> a & 1) != 0 && (half >> b & 1) == 0) cut_both(world, a, b, until_ms, is_one_way);
        return;
    }
    unsigned a = draw_node(world), b = draw_node(world);
    if (a == b) return;
    transcript_add(&world->transcript, world->now_ms, "cut: node %u %s %u until %" PRIu64, a, is_one_way ? "to" : "and",
                   b, until_ms);
    cut_both(world, a, b, until_ms, is_one_way);
}

static void stall(struct world *world, uint64_t until_ms) {
    unsigned to = draw_node(world), from = draw_node(world);
    if (to == from) return;
    transcript_add(&world->transcript, world->now_ms, "the stream from %u to %u stalls until %" PRIu64, from, to,
                   until_ms);
    network_stall(world, to, from, until_ms);
}

static void slow(struct world *world, uint64_t until_ms) {
    unsigned to = draw_node(world), from = draw_node(world);
    uint64_t gap_ms = random_between(&world->random, 50, 1000);
    if (to == from) return;
    transcript_add(&world->transcript, world->now_ms, "node %u reads a frame of %u each %" PRIu64 " ms until %" PRIu64,
                   to, from, gap_ms, until_ms);
    network_slow(world, to, from, gap_ms, until_ms);
}

static void start_at(struct world *world, unsigned node, uint64_t at_ms) {
    event_queue_add(&world->event_queue, (struct event){.at_ms = at_ms, .kind = EVENT_START, .node = node});
}

static void end_node(struct world *world, bool is_leave) {
    struct node *node = world_any_node(world);
    if (node == NULL || world->oracle.origin_count + NODES_MAX >= ORIGINS_MAX) return;
    if (is_leave) node_leave(world, node);
    else node_crash(world, node);
    if (random_chance(&world->random, 1, 3)) node->snapshot.is_there = false;
    if (random_chance(&world->random, 4, 5)) start_at(world, node->index, world->now_ms + draw_span_ms(world) / 2);
}

void faults_restart(struct world *world, struct node *node) {
    if (world->oracle.origin_count + NODES_MAX >= ORIGINS_MAX) return;
    node_crash(world, node);
    if (random_chance(&world->random, 1, 3)) node->snapshot.is_there = false;
    node->dies_of_call = random_chance(&world->random, 2, 3);
    start_at(world, node->index, world->now_ms + random_between(&world->random, 1, RESTART_MAX_MS));
}

static void restart_any(struct world *world) {
    struct node *node = world_any_node(world);
    if (node != NULL) faults_restart(world, node);
}

/* It stays up for the flush interval that promise 2 asks for, and not much longer. */
void faults_acknowledged(struct world *world, struct node *node) {
    if (!node->dies_of_call || world->is_quiet) return;
    node->dies_of_call = false;
    uint64_t at_ms = world->now_ms + oracle_flush_ms(world) + random_between(&world->random, 1, KILL_MAX_MS);
    transcript_add(&world->transcript, world->now_ms, "node %u is to die at %" PRIu64, node->index, at_ms);
    event_queue_add(&world->event_queue,
                    (struct event){.at_ms = at_ms, .kind = EVENT_CRASH, .node = node->index, .life = node->life});
}

static void pause_node(struct world *world, uint64_t until_ms) {
    struct node *node = world_any_node(world);
    if (node == NULL) return;
    transcript_add(&world->transcript, world->now_ms, "node %u is stopped until %" PRIu64, node->index, until_ms);
    node->paused_since_ms = world->now_ms;
    node->paused_until_ms = until_ms;
    event_queue_add(&world->event_queue,
                    (struct event){.at_ms = until_ms, .kind = EVENT_RESUME, .node = node->index, .life = node->life});
}

static void jump_wall(struct world *world) {
    struct node *node = &world->nodes[draw_node(world)];
    bool is_put_right = random_chance(&world->random, 1, 3);
    node->wall_error_ms =
        is_put_right ? 0 : plan_draw_wall_error(&world->plan, &world->random, WORLD_WALL_MS + world->now_ms);
    transcript_add(&world->transcript, world->now_ms, "the wall clock of node %u jumps: wrong by %" PRId64 " s",
                   node->index, node->wall_error_ms / 1000);
}

static void save(struct world *world) {
    struct node *node = world_any_node(world);
    if (node != NULL) node_save(world, node);
}

static void break_something(struct world *world, enum fault fault) {
    uint64_t until_ms = world->now_ms + draw_span_ms(world);
    switch (fault) {
    case FAULT_CUT:
        cut(world, until_ms);
        break;
    case FAULT_STALL:
        stall(world, until_ms);
        break;
    case FAULT_SLOW:
        slow(world, until_ms);
        break;
    case FAULT_CRASH:
        end_node(world, false);
        break;
    case FAULT_PAUSE:
        pause_node(world, until_ms);
        break;
    case FAULT_JOIN:
        if (world->node_count < world->plan.nodes) start_at(world, world->node_count++, world->now_ms);
        break;
    case FAULT_LEAVE:
        end_node(world, true);
        break;
    case FAULT_WALL_JUMP:
        jump_wall(world);
        break;
    case FAULT_SAVE:
        save(world);
        break;
    case FAULT_REPLAY:
        attacker_replay(world);
        break;
    case FAULT_GARBAGE:
        attacker_send_garbage(world);
        break;
    case FAULT_RESTART:
        restart_any(world);
        break;
    case FAULTS:
        break;
    }
}

void faults_step(struct world *world) {
    if (world->is_quiet) return;
    enum fault fault = (enum fault)random_below(&world->random, FAULTS);
    if (plan_has(&world->plan, fault)) break_something(world, fault);
    uint64_t next_ms = world->now_ms + random_between(&world->random, 1, 2 * world->plan.fault_every_ms) / 2;
    event_queue_add(&world->event_queue, (struct event){.at_ms = next_ms, .kind = EVENT_FAULT});
}

/* Some stay dead, but nobody is left with none but dead ones to ask for the others. */
static void start_some(struct world *world) {
    bool is_any_known = false;
    for (unsigned i = 0; i < world->plan.nodes_at_start; i++) is_any_known |= world->nodes[i].is_up;
    for (unsigned i = 0; i < world->node_count; i++) {
        bool is_needed = i < 2 && (!world->plan.meets_all || !is_any_known);
        if (!world->nodes[i].is_up && (is_needed || random_chance(&world->random, 1, 2)))
            node_start(world, &world->nodes[i]);
    }
}

void faults_end(struct world *world) {
    transcript_add(&world->transcript, world->now_ms, "all heals");
    world->is_quiet = true;
    network_heal(world);
    start_some(world);
    for (unsigned i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[i];
        if (!node->is_up || node->paused_until_ms <= world->now_ms) continue;
        node->paused_until_ms = world->now_ms;
        event_queue_add(&world->event_queue,
                        (struct event){.at_ms = world->now_ms, .kind = EVENT_RESUME, .node = i, .life = node->life});
    }
}
