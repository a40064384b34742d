#include "flush.h"

enum {
    FRAMES_AT_ONCE = 32,
    DIGEST_VERSIONS = 4, /* a digest tells of what has changed within the last so many: three may be lost */
    FLUSH_NEWS_MAX = 64, /* sequences; few enough for a thread that has requests to answer */
    NEWS_MS =
        1000, /* for so long at least, and twice that at most, a refresh of a changed member carries the full record */
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
    /* Refreshes that fill a frame gain nothing by waiting, and a subscriber's queue takes only so many frames at once.
     */
    return replica_sequence(replica) - replica->flushed >= FRAME_REFRESHES_MAX / 2;
}

/* Passes a frame on to be published. false: memory is short, nothing was done; the draft is still the caller's. */
static bool publish_draft(struct replica *replica, struct frame_draft *draft) {
    struct action *action = actions_add(&replica->actions, replica->allocator, ACTION_PUBLISH, (struct text){0});
    if (action == NULL) return false;
    action->frame = draft;
    draft->head.number = ++replica->frame_number;
    replica->stats.frames_out++;
    replica->stats.refreshes_out += draft->columns.count;
    return true;
}

static void begin_frame(struct replica *replica, struct frame_draft *draft, uint64_t now_ms) {
    frame_begin(draft, replica->config.roll, replica->config.origin, now_ms);
}

/* Adds what changed after *after, which moves on, until the frame is full. false: the log no longer reaches back. */
static bool fill_frame(struct replica *replica, struct frame_draft *draft, uint64_t last, uint64_t *after) {
    while (*after < last && frame_has_room(draft)) {
        bool is_complete;
        size_t n = roll_changes(replica->config.roll, after, FRAME_PIECE, &is_complete, replica->changes);
        if (!is_complete) return false;
        frame_add(draft, replica->changes, n);
    }
    return true;
}

/* Publishes one frame of what comes after replica->flushed. false: memory is short. */
static bool flush_frame(struct replica *replica, uint64_t last, uint64_t now_ms) {
    struct frame_draft *draft = frame_draft_new(&replica->frames);
    if (draft == NULL) return false;
    uint64_t after = replica->flushed, previous = after;
    begin_frame(replica, draft, now_ms);
    if (!fill_frame(replica, draft, last, &after)) {
        /* An empty frame after a gap: a peer that sees the gap sends a sync request. */
        begin_frame(replica, draft, now_ms);
        after = previous = last;
    }
    draft->head.previous = previous;
    draft->head.last = after;
    draft->head.is_partial = after < last;
    uint64_t since = roll_refreshes_since(replica->config.roll);
    if (since < previous) draft->head.reach = previous - since;
    if (!publish_draft(replica, draft)) {
        frame_draft_free(draft);
        return false;
    }
    replica->flushed = after;
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
    /* A digest begins with a flush, which is mostly empty: that must not delay the news that follows it. */
    if (replica->flushed < last) replica->flushed_ms = now_ms;
    if (replica->peers.count == 0) replica->flushed = last;
    for (int frames = 0; replica->flushed < last && frames < FRAMES_AT_ONCE; frames++)
        if (!flush_frame(replica, last, now_ms)) return;
    assume_known(replica, now_ms);
    if (replica->flushed < last) return;
    replica->has_news = false;
    replica->refresh_by_ms = UINT64_MAX;
}

bool flush_news(struct replica *replica, uint64_t now_ms) {
    if (!flush_is_due(replica, now_ms)) return true;
    if (replica_sequence(replica) - replica->flushed > FLUSH_NEWS_MAX) return false;
    flush_all(replica, now_ms);
    return true;
}

/* The addresses of peers, one a digest: nodes that lost each other find each other through a third. */
static struct text next_peer_hint(struct replica *replica) {
    for (size_t tries = 0; tries < replica->peers.count; tries++) {
        const struct peer *peer = replica->peers.items[++replica->peer_hint % replica->peers.count];
        if (peer->life.state == PEER_ALIVE && peer->id.own_address.len > 0) return label_text(&peer->id.own_address);
    }
    return (struct text){0};
}

void flush_digest(struct replica *replica, uint64_t now_ms) {
    replica->digest_at_ms = now_ms + REPLICA_DIGEST_MS;
    flush_all(replica, now_ms);
    if (replica->peers.count == 0) return;
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    /* The own sequence is of this version as well. */
    vector_raise(&replica->vector, replica->config.origin, replica->flushed);
    uint64_t version = vector_next_version(&replica->vector), since = 0;
    if (version > DIGEST_VERSIONS) since = version - DIGEST_VERSIONS;
    struct digest digest = {.node_info = replica_node_info(replica),
                            .vector = replica->known,
                            .vector_count = replica_list_known(replica, replica->flushed, true, since),
                            .vector_version = version,
                            .vector_since = since,
                            .members = stats.members,
                            .wall_ms = replica_wall_ms(replica, now_ms),
                            .is_leaving = replica->is_leaving,
                            .peer_hint = next_peer_hint(replica)};
    struct frame_draft *draft = frame_draft_new(&replica->frames);
    if (draft == NULL) return;
    begin_frame(replica, draft, now_ms);
    frame_add_digest(draft, &digest);
    draft->head.previous = draft->head.last = replica->flushed;
    draft->head.is_partial = replica->flushed < replica_sequence(replica);
    if (!publish_draft(replica, draft)) frame_draft_free(draft);
}

void flush_nothing(struct replica *replica, uint64_t now_ms) {
    struct frame_draft *draft = frame_draft_new(&replica->frames);
    if (draft == NULL) return;
    begin_frame(replica, draft, now_ms);
    draft->head.previous = draft->head.last = replica->flushed;
    draft->head.is_partial = replica->flushed < replica_sequence(replica);
    if (!publish_draft(replica, draft)) frame_draft_free(draft);
}
