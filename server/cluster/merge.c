#include "merge.h"

#include "flush.h"

/* The roll takes all of a piece or nothing. A piece that it refuses is halved, until only what does not fit is left
 * out. */
static void merge_piece(struct replica *replica, struct batch *batch, const struct change *changes, size_t n) {
    size_t applied;
    struct refusal why;
    if (n == 0) return;
    if (roll_merge(replica->config.roll, changes, n, batch->now_ms, batch->effects, &applied, &why) == MUSTER_OK)
        return;
    if (n == 1) {
        replica->stats.refused++;
        batch->is_refused = true;
        return;
    }
    merge_piece(replica, batch, changes, n / 2);
    merge_piece(replica, batch, changes + n / 2, n - n / 2);
}

void merge_unconfirmed(struct replica *replica, uint64_t origin, uint64_t sequence, uint64_t now_ms) {
    vector_note_unconfirmed(&replica->vector, origin, sequence);
    if (replica->unconfirmed_since_ms == 0) replica->unconfirmed_since_ms = now_ms;
}

static void merge_chunk(struct replica *replica, struct batch *batch, const struct change *changes, size_t n) {
    bool has_reset = false;
    for (size_t i = 0; i < n; i++) {
        const struct change *change = &changes[i];
        has_reset |= change->is_reset;
        if (batch->is_beyond) merge_unconfirmed(replica, change->origin, change->sequence, batch->now_ms);
    }
    /* A reset removes members from the log, so what is not published yet is published before it. */
    if (has_reset && replica->flushed < replica_sequence(replica)) flush_all(replica, batch->now_ms);
    uint64_t sequence = replica_sequence(replica);
    merge_piece(replica, batch, changes, n);
    replica->has_news |= replica_sequence(replica) > sequence; /* some were adopted, see roll_merge */
}

/* Whether the record can exist: this node's own origin has come that far. Its stamp may say what it likes: the wall
 * clock that it comes from may be wrong by years, and what its node did counts. */
static bool is_credible(const struct replica *replica, const struct change *change) {
    return change->origin != replica->config.origin || change->sequence <= replica_sequence(replica);
}

/* When a beat of that age was, on this node's clock. The delay of the message is added to the age. */
static uint64_t instant_of_age(const struct batch *batch, uint64_t age_ms) {
    age_ms += batch->late_ms;
    return age_ms < batch->now_ms ? batch->now_ms - age_ms : 0;
}

void merge_records(struct replica *replica, struct batch *batch, const struct record_list *records) {
    size_t n = 0, wrong = records->wrong;
    for (size_t i = 0; i < records->count; i++) {
        struct change change = records->items[i];
        if (!is_credible(replica, &change)) {
            wrong++;
            continue;
        }
        hlc_observe(replica->config.clock, change.stamp, batch->now_ms);
        change.seen_ms = instant_of_age(batch, change.seen_ms);
        records->items[n++] = change;
    }
    replica->stats.dropped_records += wrong;
    batch->is_refused |= wrong > 0;
    for (size_t at = 0; at < n; at += ROLL_MERGE_MAX)
        merge_chunk(replica, batch, records->items + at, n - at < ROLL_MERGE_MAX ? n - at : ROLL_MERGE_MAX);
}

bool merge_refreshes(struct replica *replica, struct batch *batch, const struct frame *frame, uint64_t floor) {
    size_t n = frame->refresh_count, failed = frame->wrong_refreshes;
    replica->stats.dropped_records += frame->wrong_refreshes;
    if (frame->are_refreshes_broken) replica->stats.dropped_broken++;
    for (size_t i = 0; i < n; i++) {
        struct refresh *refresh = &frame->refreshes[i];
        hlc_observe(replica->config.clock, refresh->stamp, batch->now_ms);
        refresh->seen_ms = instant_of_age(batch, refresh->seen_ms);
    }
    for (size_t at = 0; at < n; at += ROLL_MERGE_MAX)
        failed += roll_refresh(replica->config.roll, batch->sender, frame->refreshes + at,
                               n - at < ROLL_MERGE_MAX ? n - at : ROLL_MERGE_MAX, floor, batch->now_ms, batch->effects);
    return failed == 0 && !frame->are_refreshes_broken;
}

void merge_range(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t known = vector_sequence(&replica->vector, peer->id.origin), complete = feed_complete(&peer->feed, known);
    if (complete == known) return;
    vector_raise(&replica->vector, peer->id.origin, complete);
    peer->feed.progress_ms = now_ms;
}

void merge_known(struct replica *replica, uint64_t origin, uint64_t sequence) {
    if (origin == replica->config.origin) return;
    const struct peer *peer = peers_by_origin(&replica->peers, origin);
    vector_raise(&replica->vector, origin, peer == NULL ? sequence : feed_extend(&peer->feed, sequence));
}
