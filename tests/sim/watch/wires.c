#include "stage.h"

enum { HELD_MAX = 16, RECONNECT_MAX_MS = 2000, RECONNECT_QUIET_MS = 100 };

/* Most are fast, some take as long as the script allows. */
static uint64_t delay_ms(struct stage *stage) {
    uint64_t most = stage->script.delay_max_ms;
    return random_between(&stage->random, 0, random_chance(&stage->random, 3, 4) ? most / 4 : most);
}

static bool is_cut(const struct stage *stage, unsigned from, unsigned to) {
    return stage->wires.to[to][from].cut_until_ms > stage->now_ms;
}

static void reconnect(struct stage *stage, struct wire *wire, uint64_t from_ms) {
    uint64_t most = stage->is_quiet ? RECONNECT_QUIET_MS : RECONNECT_MAX_MS;
    wire->connection++;
    wire->last_arrival_ms = wire->held = 0;
    wire->opens_ms = from_ms + random_between(&stage->random, 1, most);
}

void wires_subscribe(struct stage *stage, unsigned to, unsigned from, bool is_wanted) {
    struct wire *wire = &stage->wires.to[to][from];
    if (wire->is_wanted == is_wanted) return;
    stage_note(stage, "node %u %s node %u", to, is_wanted ? "subscribes to" : "unsubscribes from", from);
    wire->is_wanted = is_wanted;
    reconnect(stage, wire, stage->now_ms);
    if (!stage->hosts[from].is_up) wire->opens_ms = UINT64_MAX;
}

/* When a frame that is sent now arrives; UINT64_MAX: never. */
static uint64_t arrival_ms(struct stage *stage, struct wire *wire) {
    uint64_t at_ms = stage->now_ms + delay_ms(stage);
    if (wire->cut_until_ms > stage->now_ms) {
        if (wire->is_broken || wire->held == HELD_MAX) return UINT64_MAX;
        wire->held++;
        at_ms += wire->cut_until_ms - stage->now_ms;
    }
    if (wire->slow_until_ms > stage->now_ms) at_ms += wire->slow_ms;
    if (at_ms < wire->last_arrival_ms) at_ms = wire->last_arrival_ms;
    return wire->last_arrival_ms = at_ms;
}

void wires_publish(struct stage *stage, unsigned from, const uint8_t *bytes, size_t len) {
    struct packet *packet = packet_new(bytes, len);
    for (unsigned to = 0; to < stage->script.hosts; to++) {
        struct wire *wire = &stage->wires.to[to][from];
        if (!wire->is_wanted || wire->opens_ms > stage->now_ms) continue;
        uint64_t at_ms = arrival_ms(stage, wire);
        if (at_ms == UINT64_MAX) continue;
        event_queue_add(&stage->event_queue, (struct event){.at_ms = at_ms,
                                                            .kind = EVENT_FRAME,
                                                            .node = to,
                                                            .other = from,
                                                            .life = stage->hosts[to].life,
                                                            .ticket = wire->connection,
                                                            .packet = packet_keep(packet)});
    }
    packet_drop(packet);
}

bool wires_is_current(const struct stage *stage, const struct event *frame) {
    return stage->wires.to[frame->node][frame->other].connection == frame->ticket;
}

/* ---- asks ------------------------------------------------------------------------------------------------------ */

void wires_ask(struct stage *stage, unsigned from, unsigned to, uint64_t ticket, const uint8_t *bytes, size_t len) {
    const struct host *asker = &stage->hosts[from], *asked = &stage->hosts[to];
    struct event event = {.at_ms = stage->now_ms + REPLICA_SYNC_TIMEOUT_MS,
                          .kind = EVENT_TIMEOUT,
                          .node = from,
                          .other = to,
                          .life = asker->life,
                          .ticket = ticket};
    event_queue_add(&stage->event_queue, event);
    if (is_cut(stage, from, to)) return;
    event.at_ms = stage->now_ms + delay_ms(stage);
    if (asked->is_up) {
        event.kind = EVENT_REQUEST;
        event.node = to;
        event.other = from;
        event.life = asked->life;
        event.other_life = asker->life;
        event.packet = packet_new(bytes, len);
    } /* else nobody listens: it is refused */
    event_queue_add(&stage->event_queue, event);
}

void wires_reply(struct stage *stage, const struct event *request, const uint8_t *bytes, size_t len) {
    if (is_cut(stage, request->node, request->other)) return;
    event_queue_add(&stage->event_queue, (struct event){.at_ms = stage->now_ms + delay_ms(stage),
                                                        .kind = EVENT_REPLY,
                                                        .node = request->other,
                                                        .other = request->node,
                                                        .life = request->other_life,
                                                        .ticket = request->ticket,
                                                        .packet = packet_new(bytes, len)});
}

/* ---- what breaks ----------------------------------------------------------------------------------------------- */

void wires_host_ended(struct stage *stage, unsigned host) {
    for (unsigned other = 0; other < HOSTS_MAX; other++) {
        stage->wires.to[host][other].is_wanted = false;
        reconnect(stage, &stage->wires.to[host][other], stage->now_ms);
        reconnect(stage, &stage->wires.to[other][host], stage->now_ms);
        stage->wires.to[other][host].opens_ms = UINT64_MAX;
    }
}

void wires_host_started(struct stage *stage, unsigned host) {
    for (unsigned other = 0; other < HOSTS_MAX; other++) reconnect(stage, &stage->wires.to[other][host], stage->now_ms);
}

void wires_cut(struct stage *stage, unsigned from, unsigned to, uint64_t until_ms) {
    struct wire *wire = &stage->wires.to[to][from];
    wire->cut_until_ms = until_ms;
    wire->held = 0;
    wire->is_broken = random_chance(&stage->random, 1, 2);
    if (wire->is_broken && wire->opens_ms != UINT64_MAX) reconnect(stage, wire, until_ms);
}

void wires_slow(struct stage *stage, unsigned from, unsigned to, uint64_t by_ms, uint64_t until_ms) {
    struct wire *wire = &stage->wires.to[to][from];
    wire->slow_ms = by_ms;
    wire->slow_until_ms = until_ms;
}

/* What stands before a cut or on a slow stream is lost with its connection. */
void wires_heal(struct stage *stage) {
    for (unsigned to = 0; to < HOSTS_MAX; to++)
        for (unsigned from = 0; from < HOSTS_MAX; from++) {
            struct wire *wire = &stage->wires.to[to][from];
            wire->cut_until_ms = wire->slow_until_ms = 0;
            bool is_late = wire->last_arrival_ms > stage->now_ms + stage->script.delay_max_ms;
            if (wire->opens_ms != UINT64_MAX && (wire->opens_ms > stage->now_ms || is_late))
                reconnect(stage, wire, stage->now_ms);
        }
}
