#include "peers.h"

#include "common/text.h"

/* Two monotonic clocks may drift apart by 500 ppm each, as far as the kernel slews them: what was the least once
 * becomes too small by as much, and would make beats look old. */
enum { PEER_DRIFT_PER_MS = 1000 };

/* Only these can happen; a peer that left comes back as a new incarnation, which is admitted. */
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
    if (peer_may_become[peer->state] & 1u << state) peer->state = state;
}

void peer_hear(struct peer *peer, uint64_t now_ms) {
    peer->heard_ms = peer->sign_ms = now_ms;
    peer_become(peer, PEER_ALIVE);
}

bool peer_was_silent(const struct peer *peer, uint64_t now_ms) {
    return now_ms - peer->heard_ms >= PEER_SILENT_MS;
}

void peer_age(struct peer *peer, uint64_t now_ms) {
    uint64_t silent_ms = now_ms - peer->heard_ms;
    if (silent_ms >= REPLICA_SUSPECT_MS && peer->state == PEER_ALIVE) peer_become(peer, PEER_SUSPECT);
    if (silent_ms >= REPLICA_DOWN_MS && peer->state != PEER_ALIVE) peer_become(peer, PEER_DOWN);
}

void peer_admit(struct peer *peer, uint64_t origin, uint64_t frame_number, uint64_t sent_ms, uint64_t now_ms) {
    peer->origin = origin;
    peer->alias_of = 0;
    peer->state = PEER_ALIVE;
    peer->heard_ms = now_ms;
    peer->frame_number = frame_number;
    peer->range_from = peer->range_to = peer->range_complete = 0;
    peer->sync_after = peer->sync_frames_to = 0;
    peer->announced = 0;
    peer->ahead_count = 0;
    peer->wants_walk = false;
    peer->is_synced = false;
    peer->least_ms = (int64_t)(now_ms - sent_ms);
    peer->least_at_ms = now_ms;
    peer->delay_ms = 0;
}

void label_set(struct label *label, struct text text) {
    label->len = text.len <= sizeof label->bytes ? (uint8_t)text.len : 0;
    if (label->len > 0) memcpy(label->bytes, text.data, label->len);
}

void peer_set_info(struct peer *peer, const struct node_info *node_info) {
    label_set(&peer->name, node_info->name);
    label_set(&peer->region, node_info->region);
    label_set(&peer->version, node_info->version);
    label_set(&peer->own_address, node_info->sync_address);
    label_set(&peer->gossip_address, node_info->gossip_address);
}

uint64_t peer_late_ms(struct peer *peer, uint64_t sent_ms, uint64_t now_ms) {
    int64_t took_ms = (int64_t)(now_ms - sent_ms);
    uint64_t crept = (now_ms - peer->least_at_ms) / PEER_DRIFT_PER_MS;
    peer->least_ms = (int64_t)((uint64_t)peer->least_ms + crept);
    peer->least_at_ms += crept * PEER_DRIFT_PER_MS;
    if (took_ms < peer->least_ms) {
        peer->least_ms = took_ms;
        peer->least_at_ms = now_ms;
    }
    return peer->delay_ms = (uint64_t)took_ms - (uint64_t)peer->least_ms;
}

/* ---- the table ------------------------------------------------------------------------------------------------- */

void peers_free(struct peers *peers) {
    while (peers->count > 0) peers_remove(peers, peers->items[peers->count - 1]);
}

struct peer *peers_by_address(const struct peers *peers, struct text sync_address) {
    for (size_t i = 0; i < peers->count; i++)
        if (text_equal(label_text(&peers->items[i]->sync_address), sync_address)) return peers->items[i];
    return NULL;
}

struct peer *peers_by_gossip(const struct peers *peers, struct text gossip_address) {
    for (size_t i = 0; i < peers->count; i++)
        if (text_equal(label_text(&peers->items[i]->subscribed), gossip_address)) return peers->items[i];
    return NULL;
}

struct peer *peers_by_origin(const struct peers *peers, uint64_t origin) {
    for (size_t i = 0; i < peers->count; i++)
        if (peers->items[i]->origin == origin) return peers->items[i];
    return NULL;
}

struct peer *peers_by_ticket(const struct peers *peers, uint64_t ticket) {
    for (size_t i = 0; ticket != 0 && i < peers->count; i++)
        if (peers->items[i]->query.ticket == ticket) return peers->items[i];
    return NULL;
}

static struct peer *longest_down(const struct peers *peers) {
    struct peer *longest = NULL;
    for (size_t i = 0; i < peers->count; i++) {
        struct peer *peer = peers->items[i];
        if (peer->state < PEER_DOWN || peer->subscribed.len > 0) continue;
        if (longest == NULL || peer->heard_ms < longest->heard_ms) longest = peer;
    }
    return longest;
}

struct peer *peers_obtain(struct peers *peers, struct text sync_address, uint64_t now_ms) {
    struct peer *peer = peers_by_address(peers, sync_address);
    if (peer != NULL || !is_address(sync_address)) return peer;
    if (peers->count == REPLICA_PEERS_MAX) {
        struct peer *longest = longest_down(peers);
        if (longest == NULL) return NULL;
        peers_remove(peers, longest);
    }
    peer = peers->allocator.allocate(peers->allocator.context, sizeof *peer);
    if (peer == NULL) return NULL;
    *peer = (struct peer){.state = PEER_JOINING, .heard_ms = now_ms, .sign_ms = now_ms, .next_sync_ms = now_ms};
    peer->page_bytes = PEER_PAGE_BYTES_MAX;
    label_set(&peer->sync_address, sync_address);
    peers->items[peers->count++] = peer;
    return peer;
}

void peers_remove(struct peers *peers, struct peer *peer) {
    for (size_t i = 0; i < peers->count; i++) {
        if (peers->items[i] != peer) continue;
        peers->items[i] = peers->items[--peers->count];
        peers->allocator.release(peers->allocator.context, peer, sizeof *peer);
        return;
    }
}

bool peer_counts(const struct peers *peers, const struct peer *peer) {
    if (peer->is_self) return false;
    return peer->alias_of == 0 || peers_by_origin(peers, peer->alias_of) == NULL;
}

size_t peers_that_count(const struct peers *peers) {
    size_t count = 0;
    for (size_t i = 0; i < peers->count; i++) count += peer_counts(peers, peers->items[i]);
    return count;
}
