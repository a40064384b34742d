#include "receive.h"

#include "contacts.h"
#include "merge.h"
#include "sync_client.h"
#include "sync_want.h"

static void take_changes(struct replica *replica, struct peer *peer, const struct frame *frame, uint64_t late_ms,
                         uint64_t now_ms, struct effects *effects) {
    struct frame_standing standing =
        feed_standing(&peer->feed, vector_sequence(&replica->vector, peer->id.origin), &frame->head);
    struct batch batch = {.sender = peer->id.origin,
                          .now_ms = now_ms,
                          .late_ms = late_ms,
                          .is_beyond = !standing.is_next,
                          .effects = effects};
    if (!standing.is_next) replica->stats.gaps++;
    merge_records(replica, &batch, &frame->records);
    bool is_whole = !batch.is_refused;
    peer->feed.are_refreshes_sure = standing.floor == 0;
    if (!merge_refreshes(replica, &batch, frame, standing.floor)) is_whole = false;
    /* Also where not all of its refreshes could be applied: some may have been. */
    if (!standing.is_next || !is_whole) merge_unconfirmed(replica, peer->id.origin, frame->head.last, now_ms);
    feed_take_frame(&peer->feed, &frame->head, &standing, is_whole);
    merge_range(replica, peer, now_ms);
    bool is_known_to_exist = !frame->head.is_partial || !standing.is_next || !is_whole;
    if (is_known_to_exist) sync_note_announced(replica, peer, frame->head.last, now_ms);
}

static void take_digest(struct replica *replica, struct peer *peer, const struct digest *digest, uint64_t now_ms) {
    peer_set_info(peer, &digest->node_info);
    replica_subscribe(replica, peer);
    peer->members = digest->members;
    peer->timing.clock_ms = (int64_t)(digest->wall_ms + peer->timing.delay_ms - replica_wall_ms(replica, now_ms));
    for (size_t i = 0; i < digest->vector_count; i++)
        if (digest->vector[i].origin == peer->id.origin)
            sync_note_announced(replica, peer, digest->vector[i].sequence, now_ms);
    const struct peer_vector vector = {digest->vector, digest->vector_count, digest->vector_since,
                                       digest->vector_version};
    sync_note_vector(replica, peer, &vector, now_ms);
    if (digest->peer_hint.len > 0) replica_note_address(replica, digest->peer_hint, now_ms);
    if (digest->is_leaving) peer_become(peer, PEER_LEFT);
}

/* A frame of an origin that has not proved to be alive: a peer that started anew, or a recording. Only a response to a
 * request can tell, so one is sent. */
static void take_unknown_origin(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms) {
    const struct digest *digest = &frame->digest;
    replica->stats.dropped_unknown_origin++;
    struct peer *peer = peers_by_gossip(&replica->peers, from);
    if (frame->has_digest && digest->node_info.sync_address.len > 0 && !digest->is_leaving)
        peer = replica_note_address(replica, digest->node_info.sync_address, now_ms);
    struct peer *subscribed = peers_by_gossip(&replica->peers, from);
    if (subscribed != NULL) subscribed->id.framed_origin = frame->head.origin;
    if (peer != NULL && !query_is_waiting(&peer->query)) sync_note_unknown_origin(peer);
}

static void take_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                       struct effects *effects) {
    struct peer *peer = peers_by_origin(&replica->peers, frame->head.origin);
    if (frame->head.origin == replica->config.origin ||
        (peer != NULL && frame->head.number <= peer->feed.frame_number)) {
        replica->stats.dropped_replayed++;
        return;
    }
    if (peer == NULL) {
        take_unknown_origin(replica, from, frame, now_ms);
        return;
    }
    peer->feed.frame_number = peer->feed.taken_frame = frame->head.number;
    uint64_t late_ms = peer_late_ms(peer, frame->head.sent_ms, now_ms);
    if (peer_was_silent(peer, now_ms)) query_hurry(&peer->query, now_ms);
    peer_hear(peer, now_ms);
    peer->life.frame_ms = now_ms;
    peer->trouble.len = 0;
    take_changes(replica, peer, frame, late_ms, now_ms, effects);
    if (frame->has_digest) take_digest(replica, peer, &frame->digest, now_ms);
}

void receive_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                   struct effects *effects) {
    replica->stats.frames_in++;
    take_frame(replica, from, frame, now_ms, effects);
    sync_send_due(replica, now_ms);
}
