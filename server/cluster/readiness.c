#include "readiness.h"

/* A node that joins does not wait for a peer that gave no sign of life for so long. */
enum { JOIN_PATIENCE_MS = 2000 };

/* Whether to wait for a peer that is not synced with: it gave a sign of life lately, or was not queried yet. */
static bool is_awaited(const struct peer *peer, uint64_t now_ms) {
    return !peer->life.is_synced && (!peer->life.was_queried || now_ms - peer->life.sign_ms < JOIN_PATIENCE_MS);
}

/* In sync with a peer that is ready; or, where none is, with all that respond: then there is nothing more to get. */
static bool is_in_sync(const struct replica *replica, uint64_t now_ms) {
    size_t synced = 0, waiting = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (!peer_counts(&replica->peers, peer)) continue;
        if (peer->life.is_synced && peer->life.is_ready) return true;
        synced += peer->life.is_synced;
        waiting += is_awaited(peer, now_ms);
    }
    return synced > 0 && waiting == 0;
}

bool readiness_is_given(const struct replica *replica, uint64_t now_ms) {
    bool is_alone = peers_that_count(&replica->peers) == 0 && !replica->config.expects_peers;
    return replica->is_ready || is_alone || now_ms - replica->started_ms >= replica->config.join_timeout_ms;
}

void readiness_look(struct replica *replica, uint64_t now_ms) {
    if (!replica->is_ready) replica->is_ready = readiness_is_given(replica, now_ms) || is_in_sync(replica, now_ms);
}
