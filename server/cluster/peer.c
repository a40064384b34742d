#include "peer.h"

#include <assert.h>

/* Two monotonic clocks may drift apart by 500 ppm each, as the kernel slews them. Then the least delay that was seen
 * becomes too small, and beats would look older than they are. So the least delay grows by as much. */
enum { PEER_DRIFT_PER_MS = 1000 };

/* The transitions that can happen. A peer that left comes back as a new incarnation: peer_admit. */
#define TO(state) (1u << PEER_##state)
static const uint8_t peer_may_become[] = {
    [PEER_JOINING] = TO(ALIVE) | TO(DOWN),
    [PEER_ALIVE] = TO(SUSPECT) | TO(LEFT),
    [PEER_SUSPECT] = TO(ALIVE) | TO(DOWN) | TO(LEFT),
    [PEER_DOWN] = TO(ALIVE) | TO(LEFT),
    [PEER_LEFT] = 0,
};
#undef TO

void peer_become(struct peer *peer, enum peer_state state) {
    if (peer_may_become[peer->life.state] & 1u << state) peer->life.state = state;
}

void peer_hear(struct peer *peer, uint64_t now_ms) {
    peer->life.heard_ms = peer->life.sign_ms = now_ms;
    peer_become(peer, PEER_ALIVE);
}

bool peer_was_silent(const struct peer *peer, uint64_t now_ms) {
    return now_ms - peer->life.heard_ms >= PEER_SILENT_MS;
}

void peer_age(struct peer *peer, uint64_t now_ms) {
    uint64_t silent_ms = now_ms - peer->life.heard_ms;
    if (silent_ms >= REPLICA_SUSPECT_MS && peer->life.state == PEER_ALIVE) peer_become(peer, PEER_SUSPECT);
    if (silent_ms >= REPLICA_DOWN_MS && peer->life.state != PEER_ALIVE) peer_become(peer, PEER_DOWN);
}

enum peer_loss peer_loss(const struct peer *peer, uint64_t now_ms) {
    if (peer->life.state == PEER_LEFT) return PEER_FOUND;
    if (peer->id.origin == 0 || peer->life.state == PEER_DOWN)
        return now_ms - peer->life.heard_ms >= PEER_LOST_MS ? PEER_UNANSWERED : PEER_FOUND;
    return now_ms - peer->life.frame_ms >= PEER_UNHEARD_MS ? PEER_UNHEARD : PEER_FOUND;
}

void peer_admit(struct peer *peer, uint64_t origin, uint64_t frame_number, uint64_t sent_ms, uint64_t now_ms) {
    assert(origin != 0);
    peer->id.origin = origin;
    peer->id.alias_of = 0;
    peer->life.state = PEER_ALIVE;
    peer->life.heard_ms = peer->life.frame_ms = now_ms;
    peer->trouble.len = 0;
    peer->life.is_synced = false;
    peer->life.heard_frame = 0;
    peer->ahead = (struct peer_ahead){0};
    feed_begin(&peer->feed, frame_number);
    peer->timing.least_ms = (int64_t)(now_ms - sent_ms);
    peer->timing.least_at_ms = now_ms;
    peer->timing.delay_ms = 0;
}

void label_set(struct label *label, struct text text) {
    label->len = text.len <= sizeof label->bytes ? (uint8_t)text.len : 0;
    if (label->len > 0) memcpy(label->bytes, text.data, label->len);
}

void peer_set_info(struct peer *peer, const struct node_info *node_info) {
    label_set(&peer->id.name, node_info->name);
    label_set(&peer->id.region, node_info->region);
    label_set(&peer->id.version, node_info->version);
    label_set(&peer->id.own_address, node_info->sync_address);
    label_set(&peer->id.gossip_address, node_info->gossip_address);
}

uint64_t peer_late_ms(struct peer *peer, uint64_t sent_ms, uint64_t now_ms) {
    int64_t took_ms = (int64_t)(now_ms - sent_ms);
    uint64_t crept = (now_ms - peer->timing.least_at_ms) / PEER_DRIFT_PER_MS;
    peer->timing.least_ms = (int64_t)((uint64_t)peer->timing.least_ms + crept);
    peer->timing.least_at_ms += crept * PEER_DRIFT_PER_MS;
    if (took_ms < peer->timing.least_ms) {
        peer->timing.least_ms = took_ms;
        peer->timing.least_at_ms = now_ms;
    }
    return peer->timing.delay_ms = (uint64_t)took_ms - (uint64_t)peer->timing.least_ms;
}

void peer_init(struct peer *peer, struct text sync_address, uint64_t now_ms) {
    *peer = (struct peer){.life = {.state = PEER_JOINING, .heard_ms = now_ms, .sign_ms = now_ms}};
    label_set(&peer->id.sync_address, sync_address);
    query_init(&peer->query, now_ms);
}
