#include "sync_want.h"

#include "readiness.h"

static uint64_t known_of(const struct replica *replica, const struct peer *peer) {
    return vector_sequence(&replica->vector, peer->id.origin);
}

void sync_note_announced(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms) {
    feed_announce(&peer->feed, sequence, known_of(replica, peer), now_ms);
}

/* Whether the peer still knows more of third origins. What has come meanwhile is taken off the list. */
static bool is_ahead(const struct replica *replica, struct peer *peer) {
    struct peer_ahead *ahead = &peer->ahead;
    size_t left = 0;
    for (size_t i = 0; i < ahead->count; i++)
        if (vector_sequence(&replica->vector, ahead->items[i].origin) < ahead->items[i].sequence)
            ahead->items[left++] = ahead->items[i];
    ahead->count = left;
    return left > 0;
}

/* Whether all that is ahead is listed. */
static bool note_ahead(struct replica *replica, struct peer *peer, const struct known *theirs, size_t count,
                       uint64_t now_ms) {
    /* A list is kept until all of it has come. What is ahead only for a moment, as under load, is on its way by frames.
     */
    if (is_ahead(replica, peer)) return false;
    peer->ahead.since_ms = now_ms;
    for (size_t i = 0; i < count; i++) {
        if (theirs[i].origin == peer->id.origin || theirs[i].origin == replica->config.origin) continue;
        if (vector_sequence(&replica->vector, theirs[i].origin) >= theirs[i].sequence) continue;
        if (peer->ahead.count == PEER_AHEAD_MAX) return false;
        peer->ahead.items[peer->ahead.count++] = theirs[i];
    }
    return true;
}

void sync_note_vector(struct replica *replica, struct peer *peer, const struct peer_vector *theirs, uint64_t now_ms) {
    struct peer_ahead *ahead = &peer->ahead;
    ahead->wants_vector = ahead->version < theirs->since;
    if (note_ahead(replica, peer, theirs->items, theirs->count, now_ms) && !ahead->wants_vector)
        ahead->version = theirs->version;
}

static const struct known *known_find(const struct peer_vector *vector, uint64_t origin) {
    for (size_t i = 0; i < vector->count; i++)
        if (vector->items[i].origin == origin) return &vector->items[i];
    return NULL;
}

void sync_note_walked(struct peer *peer, const struct peer_vector *theirs) {
    struct peer_ahead *ahead = &peer->ahead;
    size_t left = 0;
    for (size_t i = 0; i < ahead->count; i++) {
        const struct known *known = known_find(theirs, ahead->items[i].origin);
        if (known != NULL && known->sequence < ahead->items[i].sequence) ahead->items[left++] = ahead->items[i];
    }
    ahead->count = left;
    ahead->wants_vector = false;
    if (theirs->version > ahead->version) ahead->version = theirs->version;
}

/* Whether frames of an origin of which the peer knows more have stopped coming. */
static bool is_stuck(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    for (size_t i = 0; i < peer->ahead.count; i++) {
        const struct peer *origin = peers_by_origin(&replica->peers, peer->ahead.items[i].origin);
        if (origin == NULL || origin->life.state != PEER_ALIVE || feed_has_stopped(&origin->feed, now_ms)) return true;
    }
    return false;
}

static bool wants_all(const struct replica *replica, struct peer *peer, uint64_t now_ms) {
    if (replica->walker != 0 || now_ms < replica->walk_next_ms) return false;
    if (peer->feed.needs_walk || (!replica->is_ready && !peer->life.is_synced)) return true;
    return is_ahead(replica, peer) && now_ms - peer->ahead.since_ms >= FEED_STOPPED_MS &&
           is_stuck(replica, peer, now_ms);
}

bool sync_is_wanted(const struct replica *replica, struct peer *peer, uint64_t now_ms, enum sync_want *want) {
    const enum peer_state state = peer->life.state;
    *want = WANT_HELLO;
    /* A peer that failed to respond gets a small request next: it may be slow, and any response shows that it lives. */
    bool is_first = peer->id.origin == 0 && state == PEER_JOINING && peer->query.failures == 0;
    if (is_first && wants_all(replica, peer, now_ms)) *want = WANT_ALL;
    if (peer->id.origin == 0 || peer->id.has_unknown_origin || state == PEER_DOWN || state == PEER_LEFT) return true;
    if (wants_all(replica, peer, now_ms)) *want = WANT_ALL;
    else if (feed_is_behind(&peer->feed, known_of(replica, peer), now_ms)) *want = WANT_OWN;
    return *want != WANT_HELLO || state == PEER_SUSPECT || peer->ahead.wants_vector ||
           readiness_asks(replica, peer, now_ms);
}
