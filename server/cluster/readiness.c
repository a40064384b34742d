#include "readiness.h"

#include "flush.h"

enum {
    /* A node that joins does not wait for a peer that gave no sign of life for so long. */
    JOIN_PATIENCE_MS = 2000,
    /* Once a peer takes its frames it waits so long for those that answered and do not take them yet. */
    START_GRACE_MS = 200,
};

/* Whether nothing came from a peer for so long that it is not waited for. One that was never queried is waited for. */
static bool is_silent(const struct peer *peer, uint64_t now_ms) {
    return peer->life.was_queried && now_ms - peer->life.sign_ms >= JOIN_PATIENCE_MS;
}

void readiness_begin_anew(struct replica *replica, uint64_t now_ms) {
    replica->takes_writes = replica->is_ready = false;
    replica->has_stood_still = true;
    replica->started_ms = now_ms;
    replica->taken_since_ms = 0;
    replica->frames_before = replica->frame_number;
}

static bool is_alone(const struct replica *replica) {
    return peers_that_count(&replica->peers) == 0 && !replica->config.expects_peers;
}

static bool has_timed_out(const struct replica *replica, uint64_t now_ms) {
    return now_ms - replica->started_ms >= replica->config.join_timeout_ms;
}

/* ---- writes ------------------------------------------------------------------------------------------------------ */

static bool takes_frames(const struct replica *replica, const struct peer *peer) {
    return peer->id.origin != 0 && peer->life.heard_frame > replica->frames_before && !peer->life.is_refused;
}

/* How many peers take this node's frames; *waiting: how many are there, or may be, and do not. */
static size_t count_takers(const struct replica *replica, uint64_t now_ms, size_t *waiting) {
    size_t takers = 0;
    *waiting = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (!peer_counts(&replica->peers, peer)) continue;
        if (takes_frames(replica, peer)) takers++;
        else *waiting += !peer->life.is_refused && !is_silent(peer, now_ms);
    }
    return takers;
}

bool readiness_takes_writes(const struct replica *replica, uint64_t now_ms) {
    return replica->takes_writes || is_alone(replica) || has_timed_out(replica, now_ms);
}

/* A peer takes its frames, and so do all that answer or had the time to; or nobody is there. */
static bool has_started(struct replica *replica, uint64_t now_ms) {
    size_t waiting, takers = count_takers(replica, now_ms, &waiting);
    bool is_expected = replica->config.expects_peers && now_ms - replica->started_ms < JOIN_PATIENCE_MS;
    if (takers == 0) return waiting == 0 && !is_expected;
    if (replica->taken_since_ms == 0) replica->taken_since_ms = now_ms;
    return waiting == 0 || now_ms - replica->taken_since_ms >= START_GRACE_MS;
}

bool readiness_asks(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    /* Also one that does take them: it may end meanwhile. */
    return !replica->takes_writes && now_ms - peer->query.sent_at_ms >= REPLICA_START_POLL_MS;
}

void readiness_call(struct replica *replica, uint64_t now_ms) {
    if (replica->takes_writes || now_ms - replica->called_ms < REPLICA_START_POLL_MS) return;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (peer->id.origin == 0 || takes_frames(replica, peer) || !peer_counts(&replica->peers, peer)) continue;
        replica->called_ms = now_ms;
        flush_nothing(replica, now_ms);
        return;
    }
}

/* ---- reads ------------------------------------------------------------------------------------------------------- */

/* Whether there is nothing more to get once this is so and nobody is waited for. After a standstill it is not enough to
 * be in sync with nodes that are not ready: all of them stood still, and clients get the time to send their beats
 * again. */
static bool is_long_enough(const struct replica *replica, size_t synced, uint64_t now_ms) {
    if (!replica->has_stood_still) return synced > 0;
    return now_ms - replica->started_ms >= REPLICA_STANDSTILL_GRACE_MS;
}

/* In sync with a peer that is ready; or, where none is, with all that respond. */
static bool is_in_sync(const struct replica *replica, uint64_t now_ms) {
    size_t synced = 0, waiting = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (!peer_counts(&replica->peers, peer)) continue;
        if (peer->life.is_synced && peer->life.is_ready) return true;
        synced += peer->life.is_synced;
        waiting += !peer->life.is_synced && !is_silent(peer, now_ms);
    }
    return waiting == 0 && is_long_enough(replica, synced, now_ms);
}

bool readiness_is_given(const struct replica *replica, uint64_t now_ms) {
    bool is_lone = is_alone(replica) && !replica->has_stood_still;
    return replica->is_ready || is_lone || has_timed_out(replica, now_ms);
}

void readiness_look(struct replica *replica, uint64_t now_ms) {
    if (!replica->takes_writes)
        replica->takes_writes = readiness_takes_writes(replica, now_ms) || has_started(replica, now_ms);
    if (replica->is_ready) return;
    bool is_joined = replica->takes_writes && is_in_sync(replica, now_ms);
    replica->is_ready = is_joined || readiness_is_given(replica, now_ms);
}
