#include "flush.h"

enum {
    FRAMES_AT_ONCE = 32,
    NEWS_MS = 1000, /* for so long at least, and twice that at most, a refresh carries the full record of a change */
};

bool flush_touched(struct replica *replica, const struct touched *touched, uint64_t now_ms) {
    replica->has_news |= touched->is_news;
    if (touched->refresh_by_ms != UINT64_MAX) {
        uint64_t by_ms = now_ms + REPLICA_REFRESH_WAIT_MS;
        if (touched->refresh_by_ms < by_ms) by_ms = touched->refresh_by_ms;
        if (by_ms < replica->refresh_by_ms) replica->refresh_by_ms = by_ms;
    }
    return touched->is_news && now_ms - replica->flushed_ms >= replica->config.flush_ms;
}

bool flush_is_due(const struct replica *replica, uint64_t now_ms) {
    if (now_ms - replica->flushed_ms < replica->config.flush_ms) return false;
    if (replica->has_news || now_ms >= replica->refresh_by_ms) return true;
    /* Refreshes that fill a frame gain nothing by waiting, and many frames at once may be more than a subscriber takes.
     */
    return replica_sequence(replica) - replica->flushed >= FRAME_REFRESHES_MAX / 2;
}

/* Seals a frame and publishes it. false: memory is short, nothing was done. */
static bool publish(struct replica *replica, struct frame_head head) {
    size_t refresh_bytes;
    head.origin = replica->config.origin;
    head.number = replica->frame_number + 1;
    struct text plain = frame_end(&replica->frame, &head, &refresh_bytes);
    size_t len = SEAL_OVERHEAD_BYTES + plain.len;
    uint8_t *out = action_list_add(&replica->actions, ACTION_PUBLISH, 0, (struct text){0}, len);
    if (out == NULL) return false;
    seal(replica->config.keyring, SEAL_FRAME, (const uint8_t *)plain.data, plain.len, out);
    replica->frame_number++;
    replica->stats.frames_out++;
    replica->stats.bytes_out += len;
    replica->stats.refreshes_out += replica->frame.columns.count;
    replica->stats.refresh_bytes_out += refresh_bytes;
    return true;
}

/* Fills a frame with what changed after *after, and moves that. false: the log no longer reaches back. */
static bool fill(struct replica *replica, uint64_t last, uint64_t *after, uint64_t now_ms) {
    frame_begin(&replica->frame, replica->config.roll, replica->config.origin, now_ms);
    while (*after < last && frame_has_room(&replica->frame)) {
        bool is_complete;
        size_t n = roll_changes(replica->config.roll, after, FRAME_PIECE, &is_complete, replica->told);
        if (!is_complete) return false;
        frame_add(&replica->frame, replica->told, n);
    }
    return true;
}

/* Peers are assumed to know what was published more than NEWS_MS ago. Until then a refresh carries the full record, so
 * a peer that lost frames briefly can still apply later ones. */
static void assume_known(struct replica *replica, uint64_t now_ms) {
    if (now_ms - replica->assumed_known_ms < NEWS_MS) return;
    roll_flushed(replica->config.roll, replica->assumed_known);
    replica->assumed_known = replica->flushed;
    replica->assumed_known_ms = now_ms;
}

void flush_all(struct replica *replica, uint64_t now_ms) {
    uint64_t last = replica_sequence(replica);
    replica->flushed_ms = now_ms;
    if (replica->peers.count == 0) replica->flushed = last;
    for (int frames = 0; replica->flushed < last && frames < FRAMES_AT_ONCE; frames++) {
        uint64_t after = replica->flushed, previous = after;
        if (!fill(replica, last, &after, now_ms)) {
            /* A frame that tells of nothing, after a gap: whoever sees it asks. */
            frame_begin(&replica->frame, replica->config.roll, replica->config.origin, now_ms);
            after = previous = last;
        }
        struct frame_head head = {.previous = previous, .last = after, .sent_ms = now_ms, .is_partial = after < last};
        uint64_t since = roll_refreshes_since(replica->config.roll);
        if (since < previous) head.reach = previous - since;
        if (!publish(replica, head)) return;
        replica->flushed = after;
    }
    assume_known(replica, now_ms);
    if (replica->flushed < last) return;
    replica->has_news = false;
    replica->refresh_by_ms = UINT64_MAX;
}

/* The address of another peer, one after the other: nodes that lost sight of each other find together by a third. */
static struct text next_peer_hint(struct replica *replica) {
    for (size_t tries = 0; tries < replica->peers.count; tries++) {
        const struct peer *peer = replica->peers.items[++replica->peer_hint % replica->peers.count];
        if (peer->state == PEER_ALIVE && peer->own_address.len > 0) return label_text(&peer->own_address);
    }
    return (struct text){0};
}

void flush_digest(struct replica *replica, uint64_t now_ms) {
    replica->digest_at_ms = now_ms + REPLICA_DIGEST_MS;
    flush_all(replica, now_ms);
    if (replica->peers.count == 0) return;
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    struct digest digest = {.node_info = replica_node_info(replica),
                            .vector = replica->known,
                            .vector_count = replica_list_known(replica, replica->flushed, now_ms),
                            .members = stats.members,
                            .wall_ms = replica_wall_ms(replica, now_ms),
                            .is_leaving = replica->is_leaving,
                            .peer_hint = next_peer_hint(replica)};
    frame_begin(&replica->frame, replica->config.roll, replica->config.origin, now_ms);
    frame_add_digest(&replica->frame, &digest);
    publish(replica, (struct frame_head){.previous = replica->flushed,
                                         .last = replica->flushed,
                                         .sent_ms = now_ms,
                                         .is_partial = replica->flushed < replica_sequence(replica)});
}
