#include "peers.h"

void peers_free(struct peers *peers) {
    while (peers->count > 0) peers_remove(peers, peers->items[peers->count - 1]);
}

struct peer *peers_by_address(const struct peers *peers, struct text sync_address) {
    for (size_t i = 0; i < peers->count; i++)
        if (text_equal(label_text(&peers->items[i]->id.sync_address), sync_address)) return peers->items[i];
    return NULL;
}

struct peer *peers_by_gossip(const struct peers *peers, struct text gossip_address) {
    for (size_t i = 0; i < peers->count; i++)
        if (text_equal(label_text(&peers->items[i]->id.subscribed), gossip_address)) return peers->items[i];
    return NULL;
}

struct peer *peers_by_origin(const struct peers *peers, uint64_t origin) {
    for (size_t i = 0; i < peers->count; i++)
        if (peers->items[i]->id.origin == origin) return peers->items[i];
    return NULL;
}

struct peer *peers_by_ticket(const struct peers *peers, uint64_t ticket) {
    for (size_t i = 0; ticket != 0 && i < peers->count; i++)
        if (query_is_waiting(&peers->items[i]->query) && peers->items[i]->query.ticket == ticket)
            return peers->items[i];
    return NULL;
}

static struct peer *longest_down(const struct peers *peers) {
    struct peer *longest = NULL;
    for (size_t i = 0; i < peers->count; i++) {
        struct peer *peer = peers->items[i];
        if (peer->life.state < PEER_DOWN || peer->id.subscribed.len > 0) continue;
        if (longest == NULL || peer->life.heard_ms < longest->life.heard_ms) longest = peer;
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
    peer_init(peer, sync_address, now_ms);
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
    if (peer->id.is_self) return false;
    return peer->id.alias_of == 0 || peers_by_origin(peers, peer->id.alias_of) == NULL;
}

size_t peers_that_count(const struct peers *peers) {
    size_t count = 0;
    for (size_t i = 0; i < peers->count; i++) count += peer_counts(peers, peers->items[i]);
    return count;
}
