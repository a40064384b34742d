#include "world.h"

#include <string.h>

void network_clear(struct network *network) {
    for (unsigned to = 0; to < NODES_MAX; to++)
        for (unsigned from = 0; from < NODES_MAX; from++) {
            struct stream *stream = &network->streams[to][from];
            while (stream->count > 0) packet_drop(stream->queue[(stream->first + --stream->count) % STREAM_FRAMES_MAX]);
        }
    memset(network, 0, sizeof *network);
}

unsigned network_node_of(const struct world *world, struct text address) {
    for (unsigned i = 0; i < world->node_count; i++) {
        const struct node *node = &world->nodes[i];
        if (text_equal(address, text_of(node->gossip_address)) || text_equal(address, text_of(node->sync_address)))
            return i;
    }
    return NODES_MAX;
}

static bool is_cut(const struct world *world, unsigned from, unsigned to) {
    return world->network.cut_until_ms[from][to] > world->now_ms;
}

/* Most are fast, some take as long as the plan allows. */
static uint64_t delay_ms(struct world *world) {
    uint64_t most = world->plan.delay_max_ms;
    if (random_chance(&world->random, 3, 4)) most = most / 4;
    return random_between(&world->random, 0, most);
}

static void pump_at(struct world *world, unsigned to, unsigned from, uint64_t at_ms) {
    event_queue_add(&world->event_queue, (struct event){.at_ms = at_ms, .kind = EVENT_PUMP, .node = to, .other = from});
}

static void connect_later(struct world *world, unsigned to, unsigned from) {
    struct stream *stream = &world->network.streams[to][from];
    uint64_t most = world->is_quiet ? RECONNECT_QUIET_MS : RECONNECT_MAX_MS;
    while (stream->count > 0) packet_drop(stream->queue[(stream->first + --stream->count) % STREAM_FRAMES_MAX]);
    stream->opens_ms = world->now_ms + random_between(&world->random, 1, most);
}

void network_subscribe(struct world *world, unsigned to, struct text gossip_address, bool is_wanted) {
    unsigned from = network_node_of(world, gossip_address);
    if (from == NODES_MAX) return;
    struct stream *stream = &world->network.streams[to][from];
    if (stream->is_wanted == is_wanted) return;
    transcript_add(&world->transcript, world->now_ms, "node %u %s node %u", to,
                   is_wanted ? "subscribes to" : "unsubscribes from", from);
    stream->is_wanted = is_wanted;
    connect_later(world, to, from);
    if (is_wanted && random_chance(&world->random, 1, 2)) stream->opens_ms = world->now_ms + 1;
}

static void arrive(struct world *world, unsigned to, unsigned from, struct packet *packet, uint64_t at_ms) {
    event_queue_add(&world->event_queue, (struct event){.at_ms = at_ms,
                                                        .kind = EVENT_FRAME,
                                                        .node = to,
                                                        .other = from,
                                                        .life = world->nodes[to].life,
                                                        .packet = packet});
}

static void send_frame(struct world *world, unsigned to, unsigned from, struct packet *packet) {
    struct stream *stream = &world->network.streams[to][from];
    uint64_t at_ms = world->now_ms + delay_ms(world);
    bool is_chaotic = world->plan.is_chaotic && !world->is_quiet;
    if (is_chaotic && random_chance(&world->random, world->plan.duplicate_permille, 1000))
        arrive(world, to, from, packet_keep(packet), world->now_ms + 5 * delay_ms(world));
    if (!is_chaotic && at_ms < stream->last_arrival_ms) at_ms = stream->last_arrival_ms;
    stream->last_arrival_ms = at_ms;
    arrive(world, to, from, packet, at_ms);
}

void network_pump(struct world *world, unsigned to, unsigned from) {
    struct stream *stream = &world->network.streams[to][from];
    uint64_t held_until_ms = stream->stalled_until_ms;
    if (world->network.cut_until_ms[from][to] > held_until_ms) held_until_ms = world->network.cut_until_ms[from][to];
    if (held_until_ms > world->now_ms) return;
    while (stream->count > 0) {
        struct packet *packet = stream->queue[stream->first];
        stream->first = (stream->first + 1) % STREAM_FRAMES_MAX;
        stream->count--;
        send_frame(world, to, from, packet);
        if (stream->slow_until_ms <= world->now_ms) continue;
        if (stream->count > 0) pump_at(world, to, from, world->now_ms + stream->slow_gap_ms);
        return;
    }
}

static void enqueue(struct world *world, unsigned to, unsigned from, struct packet *packet) {
    struct stream *stream = &world->network.streams[to][from];
    if (stream->count == world->plan.queue_frames) {
        packet_drop(stream->queue[stream->first]);
        stream->first = (stream->first + 1) % STREAM_FRAMES_MAX;
        stream->count--;
    }
    bool was_waiting = stream->count > 0;
    stream->queue[(stream->first + stream->count++) % STREAM_FRAMES_MAX] = packet_keep(packet);
    if (!was_waiting && stream->slow_until_ms > world->now_ms)
        pump_at(world, to, from, world->now_ms + stream->slow_gap_ms);
    else if (stream->slow_until_ms <= world->now_ms) network_pump(world, to, from);
}

void network_publish(struct world *world, unsigned from, struct text frame) {
    struct packet *packet = packet_of(frame);
    attacker_hear(world, from, packet);
    for (unsigned to = 0; to < world->node_count; to++) {
        struct stream *stream = &world->network.streams[to][from];
        if (!stream->is_wanted || stream->opens_ms > world->now_ms || !world->nodes[to].is_up) continue;
        if (!world->is_quiet && random_chance(&world->random, world->plan.loss_permille, 1000)) continue;
        enqueue(world, to, from, packet);
    }
    packet_drop(packet);
}

/* ---- sync requests --------------------------------------------------------------------------------------------- */

static bool is_request_lost(struct world *world, unsigned from, unsigned to) {
    return is_cut(world, from, to) ||
           (!world->is_quiet && random_chance(&world->random, world->plan.sync_loss_permille, 1000));
}

void network_send_request(struct world *world, unsigned from, uint64_t ticket, struct text sync_address,
                          struct text request) {
    struct node *requester = &world->nodes[from];
    unsigned to = network_node_of(world, sync_address);
    struct event event = {.at_ms = world->now_ms + REPLICA_SYNC_TIMEOUT_MS,
                          .kind = EVENT_TIMEOUT,
                          .node = from,
                          .other = to,
                          .life = requester->life,
                          .ticket = ticket};
    if (requester->sync_count == SIM_SYNC_MAX) {
        world_fail(world, "sync_requests", "node %u has %d sync requests on their way at once", from, SIM_SYNC_MAX);
        return;
    }
    requester->sync_requests[requester->sync_count++] = ticket;
    event_queue_add(&world->event_queue, event);
    if (to == NODES_MAX || is_request_lost(world, from, to)) return;
    if (attacker_responds(world, from, to, ticket)) return;
    event.at_ms = world->now_ms + delay_ms(world);
    event.kind = world->nodes[to].is_up ? EVENT_REQUEST : EVENT_REPLY; /* nobody listens: refused */
    event.node = world->nodes[to].is_up ? to : from;
    event.other = world->nodes[to].is_up ? from : to;
    event.life = world->nodes[event.node].life;
    event.other_life = world->nodes[event.other].life;
    if (world->nodes[to].is_up) event.packet = packet_of(request);
    if (world->nodes[to].is_up && !world->is_quiet &&
        random_chance(&world->random, world->plan.duplicate_permille, 1000)) {
        struct event again = event;
        again.packet = packet_keep(event.packet);
        again.at_ms += delay_ms(world) * 4;
        event_queue_add(&world->event_queue, again);
    }
    event_queue_add(&world->event_queue, event);
}

void network_reply(struct world *world, unsigned from, unsigned to, uint64_t ticket, uint32_t life,
                   struct text response) {
    struct packet *packet = packet_of(response);
    attacker_hear_reply(world, from, packet);
    if (is_request_lost(world, from, to)) {
        packet_drop(packet);
        return;
    }
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + delay_ms(world),
                                                        .kind = EVENT_REPLY,
                                                        .node = to,
                                                        .other = from,
                                                        .life = life,
                                                        .ticket = ticket,
                                                        .packet = packet});
}

void network_refuse(struct world *world, const struct event *request) {
    if (!random_chance(&world->random, 3, 4)) return;
    event_queue_add(&world->event_queue, (struct event){.at_ms = world->now_ms + delay_ms(world),
                                                        .kind = EVENT_REPLY,
                                                        .node = request->other,
                                                        .other = request->node,
                                                        .life = request->other_life,
                                                        .ticket = request->ticket});
}

/* ---- what breaks ----------------------------------------------------------------------------------------------- */

void network_node_ended(struct world *world, unsigned node) {
    for (unsigned other = 0; other < NODES_MAX; other++) {
        world->network.streams[node][other].is_wanted = false;
        connect_later(world, node, other);
        connect_later(world, other, node);
        world->network.streams[other][node].opens_ms = UINT64_MAX;
    }
}

void network_node_started(struct world *world, unsigned node) {
    for (unsigned other = 0; other < NODES_MAX; other++) connect_later(world, other, node);
}

void network_cut(struct world *world, unsigned from, unsigned to, uint64_t until_ms) {
    world->network.cut_until_ms[from][to] = until_ms;
    /* A short cut the stream survives, and delivers all that its queue held; a long one breaks it. */
    struct stream *stream = &world->network.streams[to][from];
    if (stream->opens_ms != UINT64_MAX && random_chance(&world->random, 1, 2)) {
        connect_later(world, to, from);
        stream->opens_ms = until_ms + random_between(&world->random, 1, 500);
    }
    pump_at(world, to, from, until_ms);
}

void network_stall(struct world *world, unsigned to, unsigned from, uint64_t until_ms) {
    world->network.streams[to][from].stalled_until_ms = until_ms;
    pump_at(world, to, from, until_ms);
}

void network_slow(struct world *world, unsigned to, unsigned from, uint64_t gap_ms, uint64_t until_ms) {
    struct stream *stream = &world->network.streams[to][from];
    stream->slow_gap_ms = gap_ms;
    stream->slow_until_ms = until_ms;
    pump_at(world, to, from, until_ms);
}

void network_heal(struct world *world) {
    memset(world->network.cut_until_ms, 0, sizeof world->network.cut_until_ms);
    for (unsigned to = 0; to < NODES_MAX; to++)
        for (unsigned from = 0; from < NODES_MAX; from++) {
            struct stream *stream = &world->network.streams[to][from];
            stream->stalled_until_ms = stream->slow_until_ms = 0;
            uint64_t soon_ms = world->now_ms + RECONNECT_QUIET_MS;
            if (stream->opens_ms > soon_ms && stream->opens_ms != UINT64_MAX) stream->opens_ms = soon_ms;
            network_pump(world, to, from);
        }
}
