#include "receive.h"

#include "contacts.h"
#include "merge.h"
#include "sync_client.h"

/* How a frame stands to what came before it. */
struct standing {
    bool is_next;   /* all before it is known */
    bool is_linked; /* it goes on where the frames beyond a gap ended */
    uint64_t floor; /* a refresh is sure of registers from this sequence on */
};

static struct standing standing_of(const struct replica *replica, const struct peer *peer,
                                   const struct frame_head *head) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin), reach = known;
    if (peer->range_from <= known && peer->range_to > reach) reach = peer->range_to;
    struct standing standing = {.is_next = head->previous <= reach,
                                .is_linked = head->previous >= peer->range_from && head->previous <= peer->range_to};
    uint64_t since = head->previous - head->reach;
    standing.floor = reach >= since ? 0 : standing.is_linked && peer->range_from < since ? peer->range_from : since;
    return standing;
}

/* What the frame makes known: everything up to its end, or, beyond a gap, only what lies between. */
static void advance(struct replica *replica, struct peer *peer, const struct frame_head *head,
                    const struct standing *standing, bool is_whole, uint64_t now_ms) {
    if (!is_whole) {
        peer->range_from = peer->range_to = peer->range_complete = head->last;
    } else if (standing->is_linked && head->previous >= peer->range_from) {
        if (head->last > peer->range_to) peer->range_to = head->last;
    } else {
        peer->range_from = peer->range_complete = head->previous;
        peer->range_to = head->last;
    }
    if (!head->is_partial) peer->range_complete = peer->range_to;
    merge_range(replica, peer, now_ms);
    bool is_known_to_exist = !head->is_partial || !standing->is_next || !is_whole;
    if (is_known_to_exist) sync_note_announced(replica, peer, head->last, now_ms);
}

static void take_changes(struct replica *replica, struct peer *peer, const struct frame *frame, uint64_t late_ms,
                         uint64_t now_ms, struct effects *effects) {
    struct standing standing = standing_of(replica, peer, &frame->head);
    struct batch batch = {.sender = peer->origin,
                          .now_ms = now_ms,
                          .late_ms = late_ms,
                          .is_beyond = !standing.is_next,
                          .effects = effects};
    if (!standing.is_next) replica->stats.gaps++;
    merge_records(replica, &batch, &frame->records);
    bool is_whole = !batch.is_refused;
    peer->are_refreshes_sure = standing.floor == 0;
    if (!merge_refreshes(replica, &batch, frame, standing.floor)) is_whole = false;
    /* Some of its refreshes may have been taken. */
    if (!standing.is_next || !is_whole) merge_unconfirmed(replica, peer->origin, frame->head.last, now_ms);
    advance(replica, peer, &frame->head, &standing, is_whole, now_ms);
}

static void take_digest(struct replica *replica, struct peer *peer, const struct digest *digest, uint64_t now_ms) {
    peer_set_info(peer, &digest->node_info);
    replica_subscribe(replica, peer);
    peer->members = digest->members;
    peer->clock_ms = (int64_t)(digest->wall_ms + peer->delay_ms - replica_wall_ms(replica, now_ms));
    for (size_t i = 0; i < digest->vector_count; i++)
        if (digest->vector[i].origin == peer->origin)
            sync_note_announced(replica, peer, digest->vector[i].sequence, now_ms);
    sync_note_ahead(replica, peer, digest->vector, digest->vector_count, now_ms);
    if (digest->peer_hint.len > 0) replica_note_address(replica, digest->peer_hint, now_ms);
    if (digest->is_leaving) peer_become(peer, PEER_LEFT);
}

/* A frame of an origin that has not proved to be alive: maybe a peer that started anew, maybe an old recording. */
static void take_unknown_origin(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms) {
    const struct digest *digest = &frame->digest;
    replica->stats.dropped_unknown_origin++;
    struct peer *peer = peers_by_gossip(&replica->peers, from);
    if (frame->has_digest && digest->node_info.sync_address.len > 0 && !digest->is_leaving)
        peer = replica_note_address(replica, digest->node_info.sync_address, now_ms);
    if (peer == NULL || peer->query.ticket != 0) return;
    peer->has_unknown_origin = true;
    peer->next_sync_ms = peer->query.sent_at_ms + UNKNOWN_ORIGIN_SYNC_MS;
}

/* A frame of a peer that was silent: what was asked meanwhile may have been lost, and need not be waited for. */
static void look_returned(struct peer *peer, uint64_t now_ms) {
    if (!peer_was_silent(peer, now_ms)) return;
    peer->query.is_stale = true;
    peer->next_sync_ms = now_ms;
}

static void take_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                       struct effects *effects) {
    struct peer *peer = peers_by_origin(&replica->peers, frame->head.origin);
    if (frame->head.origin == replica->config.origin || (peer != NULL && frame->head.number <= peer->frame_number)) {
        replica->stats.dropped_replayed++;
        return;
    }
    if (peer == NULL) {
        take_unknown_origin(replica, from, frame, now_ms);
        return;
    }
    peer->frame_number = frame->head.number;
    uint64_t late_ms = peer_late_ms(peer, frame->head.sent_ms, now_ms);
    look_returned(peer, now_ms);
    peer_hear(peer, now_ms);
    take_changes(replica, peer, frame, late_ms, now_ms, effects);
    if (frame->has_digest) take_digest(replica, peer, &frame->digest, now_ms);
}

void receive_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                   struct effects *effects) {
    replica->stats.frames_in++;
    take_frame(replica, from, frame, now_ms, effects);
    sync_send_due(replica, now_ms);
}
