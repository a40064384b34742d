#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_EVERY_MS = 500 };

static const char keyring_text[] = "primary 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

void world_fail(struct world *world, const char *check, const char *format, ...) {
    if (world->has_failed) return;
    world->has_failed = true;
    world->failed_check = check;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
}

struct node *world_any_node(struct world *world) {
    unsigned begin = (unsigned)random_below(&world->random, world->node_count);
    for (unsigned i = 0; i < world->node_count; i++) {
        struct node *node = &world->nodes[(begin + i) % world->node_count];
        if (node_runs(world, node)) return node;
    }
    return NULL;
}

/* ---- events ---------------------------------------------------------------------------------------------------- */

static bool take_ticket(struct node *node, uint64_t ticket) {
    for (size_t i = 0; i < node->sync_count; i++) {
        if (node->sync_requests[i] != ticket) continue;
        node->sync_requests[i] = node->sync_requests[--node->sync_count];
        return true;
    }
    return false;
}

static void responded(struct world *world, struct node *node, const struct event *event) {
    if (!take_ticket(node, event->ticket)) return;
    const struct packet *packet = event->packet;
    transcript_add(&world->transcript, world->now_ms, "node %u: sync request %" PRIu64 " to node %u %s", node->index,
                   event->ticket, event->other, packet == NULL ? "fails" : "is answered");
    struct received *received = packet == NULL ? NULL : codec_open_response(node->codec, packet_bytes(packet));
    if (received != NULL) trace_response(world, &received->response);
    node_perform(world, node,
                 replica_sync_response(node->replica, event->ticket, received == NULL ? NULL : &received->response,
                                       node_now_ms(world, node), NULL));
    codec_release(node->codec, received);
    trace_learnt(world, node);
    oracle_learn_adopted(world, node);
    oracle_check_vector(world, node);
}

static void requested(struct world *world, struct node *node, const struct event *event) {
    struct received *received = codec_open_request(node->codec, packet_bytes(event->packet));
    if (received == NULL) return;
    bool wants_tick =
        replica_sync_request(node->replica, &received->request, node_now_ms(world, node), &received->response_page);
    struct text response = codec_seal_page(node->codec, received);
    if (response.len > 0) network_reply(world, node->index, event->other, event->ticket, event->other_life, response);
    codec_release(node->codec, received);
    if (wants_tick) node_tick(world, node);
}

static void framed(struct world *world, struct node *node, const struct event *event) {
    const struct node *from = &world->nodes[event->other];
    transcript_add(&world->transcript, world->now_ms, "node %u: a frame of node %u, %zu bytes", node->index,
                   event->other, event->packet->len);
    struct received *received = codec_open_frame(node->codec, packet_bytes(event->packet));
    if (received == NULL) return;
    trace_frame(world, &received->frame);
    node_perform(
        world, node,
        replica_frame(node->replica, text_of(from->gossip_address), &received->frame, node_now_ms(world, node), NULL));
    codec_release(node->codec, received);
    trace_learnt(world, node);
    oracle_learn_adopted(world, node);
    oracle_check_vector(world, node);
}

static void happen_at_node(struct world *world, struct node *node, const struct event *event) {
    switch (event->kind) {
    case EVENT_FRAME:
        framed(world, node, event);
        break;
    case EVENT_REQUEST:
        requested(world, node, event);
        break;
    case EVENT_REPLY:
    case EVENT_TIMEOUT:
        responded(world, node, event);
        break;
    default:
        abort();
    }
}

/* A stopped process gets what waits for it once it goes on: frames in a queue that drops the oldest. */
static void keep_in_inbox(struct node *node, const struct event *event) {
    enum { INBOX_MAX = 512 };
    if (node->inbox_count == INBOX_MAX) {
        packet_drop(node->inbox[0].packet);
        memmove(node->inbox, node->inbox + 1, --node->inbox_count * sizeof *node->inbox);
    }
    if (node->inbox_count == node->inbox_capacity) {
        node->inbox_capacity = node->inbox_capacity == 0 ? 64 : node->inbox_capacity * 2;
        node->inbox = realloc(node->inbox, node->inbox_capacity * sizeof *node->inbox);
        if (node->inbox == NULL) abort();
    }
    node->inbox[node->inbox_count] = *event;
    if (event->packet != NULL) packet_keep(event->packet);
    node->inbox_count++;
}

static void resume(struct world *world, struct node *node) {
    if (node->paused_until_ms > world->now_ms) return;
    transcript_add(&world->transcript, world->now_ms, "node %u goes on, %zu messages wait", node->index,
                   node->inbox_count);
    /* As server/node does, before anything else. */
    if (node->paused_since_ms != 0 && world->now_ms - node->paused_since_ms > SIM_STALL_MS) {
        replica_begin_anew(node->replica, node_now_ms(world, node));
        node->anew_ms = world->now_ms;
    }
    node->paused_since_ms = 0;
    oracle_look(world, node);
    for (size_t i = 0; i < node->inbox_count && !world->has_failed; i++) happen_at_node(world, node, &node->inbox[i]);
    node_clear_inbox(node);
}

static void tick(struct world *world, struct node *node, struct event event) {
    if (node_runs(world, node)) node_tick(world, node);
    /* A timer is late now and then. */
    uint64_t late_ms = world->is_quiet || !random_chance(&world->random, 1, 8) ? 0 : random_below(&world->random, 30);
    event.at_ms = world->now_ms + world->plan.flush_ms + late_ms;
    event_queue_add(&world->event_queue, event);
}

static void look(struct world *world) {
    for (unsigned i = 0; i < world->node_count && !world->has_failed; i++)
        if (node_runs(world, &world->nodes[i])) oracle_look(world, &world->nodes[i]);
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + LOOK_EVERY_MS, .kind = EVENT_LOOK});
}

static void happen(struct world *world, const struct event *event) {
    struct node *node = &world->nodes[event->node];
    bool is_current = event->life == node->life && node->is_up;
    switch (event->kind) {
    case EVENT_START:
        if (!node->is_up && !world->is_quiet) node_start(world, node);
        break;
    case EVENT_CRASH:
        if (is_current && !world->is_quiet) faults_restart(world, node);
        break;
    case EVENT_TICK:
        if (is_current) tick(world, node, *event);
        break;
    case EVENT_RESUME:
        if (is_current) resume(world, node);
        break;
    case EVENT_PUMP:
        network_pump(world, event->node, event->other);
        break;
    case EVENT_CALL:
        calls_step(world);
        break;
    case EVENT_FAULT:
        faults_step(world);
        break;
    case EVENT_LOOK:
        look(world);
        break;
    default:
        if (is_current && node_runs(world, node)) happen_at_node(world, node, event);
        else if (is_current) keep_in_inbox(node, event);
        else if (event->kind == EVENT_REQUEST) network_refuse(world, event);
    }
}

void world_run_until(struct world *world, uint64_t at_ms) {
    struct event event;
    while (!world->has_failed && event_queue_next(&world->event_queue, at_ms, &event)) {
        world->now_ms = event.at_ms;
        happen(world, &event);
        packet_drop(event.packet);
    }
    world->now_ms = at_ms;
}

/* ---- beginning and end ----------------------------------------------------------------------------------------- */

static void node_place(struct world *world, unsigned index) {
    struct node *node = &world->nodes[index];
    node->index = index;
    node->zero_ms = (UINT64_C(1) << 40) + random_below(&world->random, UINT64_C(1) << 36);
    snprintf(node->gossip_address, sizeof node->gossip_address, "tcp://10.0.0.%u:7701", index + 1);
    snprintf(node->sync_address, sizeof node->sync_address, "tcp://10.0.0.%u:7704", index + 1);
    if (world->plan.walls != WALLS_RIGHT)
        node->wall_error_ms = plan_draw_wall_error(&world->plan, &world->random, WORLD_WALL_MS);
}

/* A frame may wait for a tick on its way, and each hop adds what the least delay of a peer hides. A process that was
 * stopped for a moment hides that as well, up to the time an answer may take. */
static uint64_t slack_ms(const struct plan *plan) {
    uint64_t hop_ms = plan->delay_max_ms * 2 + plan->flush_ms;
    uint64_t stopped_ms = plan_has(plan, FAULT_PAUSE) ? REPLICA_SYNC_TIMEOUT_MS : 0;
    return ROLL_TICK_MS + hop_ms * (plan->nodes - 1) + stopped_ms;
}

void world_begin(struct world *world, uint64_t seed, bool is_large) {
    world->seed = seed;
    world->now_ms = 0;
    world->random = random_of(seed);
    world->is_quiet = world->has_failed = world->has_made_room = false;
    world->is_writing = true;
    memset(world->stamps, 0, sizeof world->stamps);
    memset(world->said, 0, sizeof world->said);
    world->transcript.count = 0;
    world->node_count = 0;
    world->plan = plan_draw(&world->random, is_large);
    struct error error;
    if (world->plan.is_sealed) {
        world->keyring = keyring_parse(keyring_text, strlen(keyring_text), &error);
        if (world->keyring == NULL) abort();
    }
    world->oracle.slack_ms = slack_ms(&world->plan);
    for (unsigned i = 0; i < world->plan.nodes; i++) node_place(world, i);
    world->node_count = world->plan.nodes_at_start;
    for (unsigned i = 0; i < world->node_count; i++)
        event_queue_add(&world->event_queue,
                        (struct event){.at_ms = random_below(&world->random, 500), .kind = EVENT_START, .node = i});
    event_queue_add(&world->event_queue, (struct event){.at_ms = 10, .kind = EVENT_CALL});
    event_queue_add(&world->event_queue, (struct event){.at_ms = 1000, .kind = EVENT_FAULT});
    event_queue_add(&world->event_queue, (struct event){.at_ms = LOOK_EVERY_MS, .kind = EVENT_LOOK});
}

void world_end(struct world *world) {
    for (unsigned i = 0; i < world->plan.nodes; i++) {
        struct node *node = &world->nodes[i];
        if (node->is_up) node_end(world, node);
        free(node->inbox);
        node->inbox = NULL;
        node->inbox_capacity = 0;
        node->snapshot.is_there = false;
        node->wall_error_ms = 0;
        node->dies_of_call = false;
    }
    event_queue_clear(&world->event_queue);
    network_clear(&world->network);
    attacker_clear(&world->attacker);
    oracle_clear(&world->oracle);
    keyring_free(world->keyring);
    world->keyring = NULL;
}
