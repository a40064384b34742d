#include "merge.h"

#include "flush.h"

/* The roll takes all of a piece or nothing. What does not fit is found by halves, so that the rest is taken. */
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

static void merge_chunk(struct replica *replica, struct batch *batch, size_t n) {
    bool has_reset = false;
    for (size_t i = 0; i < n; i++) {
        const struct change *change = &replica->changes[i];
        has_reset |= change->is_reset;
        if (batch->is_beyond) merge_unconfirmed(replica, change->origin, change->sequence, batch->now_ms);
    }
    /* What a reset makes void is in no log any more: what was not published yet goes out before. */
    if (has_reset && replica->flushed < replica_sequence(replica)) flush_all(replica, batch->now_ms);
    merge_piece(replica, batch, replica->changes, n);
}

/* Whether a record can be: of its origin, and stamped by a clock that is not out of its mind. */
static bool is_credible(const struct replica *replica, const struct change *change, uint64_t now_ms) {
    if (change->origin == replica->config.origin && change->sequence > replica_sequence(replica)) return false;
    return hlc_plausible(replica->config.clock, change->stamp, now_ms);
}

void merge_records(struct replica *replica, struct batch *batch, struct text message, unsigned number) {
    struct pb_reader in = pb_read(message);
    struct text record;
    size_t n = 0;
    while (frame_next_record(&in, number, &record)) {
        struct change *change = &replica->changes[n];
        if (record_get(record, batch->sender, change) != RECORD_GOOD || !is_credible(replica, change, batch->now_ms)) {
            replica->stats.dropped_records++;
            continue;
        }
        hlc_observe(replica->config.clock, change->stamp, batch->now_ms);
        uint64_t age_ms = change->seen_ms + batch->late_ms;
        change->seen_ms = age_ms < batch->now_ms ? batch->now_ms - age_ms : 0;
        if (++n < ROLL_MERGE_MAX) continue;
        merge_chunk(replica, batch, n);
        n = 0;
    }
    if (n > 0) merge_chunk(replica, batch, n);
}

bool merge_refreshes(struct replica *replica, struct batch *batch, struct text column, uint64_t floor) {
    struct refresh_reader reader;
    if (!refresh_reader_begin(column, &reader)) {
        replica->stats.dropped_broken++;
        return false;
    }
    size_t failed = 0;
    while (reader.count > 0) {
        size_t n = 0;
        while (n < ROLL_MERGE_MAX && reader.count > 0) {
            struct refresh *refresh = &replica->refreshes[n];
            if (!refresh_reader_next(&reader, refresh) ||
                !hlc_plausible(replica->config.clock, refresh->stamp, batch->now_ms)) {
                replica->stats.dropped_records++;
                continue;
            }
            hlc_observe(replica->config.clock, refresh->stamp, batch->now_ms);
            uint64_t age_ms = refresh->seen_ms + batch->late_ms;
            refresh->seen_ms = age_ms < batch->now_ms ? batch->now_ms - age_ms : 0;
            n++;
        }
        failed += roll_refresh(replica->config.roll, batch->sender, replica->refreshes, n, floor, batch->now_ms,
                               batch->effects);
    }
    return failed == 0;
}

void merge_range(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    /* What answers left out, since it was taken again meanwhile, has come by frames. */
    bool is_bridged = peer->range_from <= peer->sync_after && peer->range_complete >= peer->sync_frames_to;
    if (peer->range_complete <= known || (peer->range_from > known && !is_bridged)) return;
    vector_raise(&replica->vector, peer->origin, peer->range_complete);
    peer->progress_ms = now_ms;
}

void merge_known(struct replica *replica, uint64_t origin, uint64_t sequence) {
    if (origin == replica->config.origin) return;
    const struct peer *peer = peers_by_origin(&replica->peers, origin);
    if (peer != NULL && peer->range_from <= sequence && sequence < peer->range_complete)
        sequence = peer->range_complete;
    vector_raise(&replica->vector, origin, sequence);
}
