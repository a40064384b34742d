#include "sync_client.h"

#include "contacts.h"
#include "merge.h"
#include "sync_message.h"

#include <sodium.h>

enum {
    RETRY_MS = 150, /* after a request that failed, to a peer that is heard */
    RETRY_SILENT_MS = 500,
    RETRY_EACH_PEER_MS = 8, /* and so much for every peer that there is */
    RETRY_DOWN_MS = 5000,
    RETRY_REFUSED_MS = 1000, /* the roll is full; doubles up to the next */
    RETRY_REFUSED_MAX_MS = 30000,
    ROOM_SHARE = 64,        /* room for one in so many of those who filled the roll ends the wait */
    WALK_PAGE_REST_MS = 20, /* a walk costs its peer a look at all it has: for each page it has its rest */
};

/* ---- what there is to ask -------------------------------------------------------------------------------------- */

void sync_note_announced(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms) {
    if (sequence <= peer->announced) return;
    /* It may be on its way by frames: it is given the time. */
    if (peer->announced <= vector_sequence(&replica->vector, peer->origin)) peer->progress_ms = now_ms;
    peer->announced = sequence;
}

/* Whether what is missing of a peer is not on its way. */
static bool has_stopped(const struct peer *peer, uint64_t now_ms) {
    return now_ms - peer->progress_ms >= AHEAD_WAIT_MS;
}

/* Where what came by frames of a peer goes on beyond a gap; 0: nowhere. */
static uint64_t range_begin(const struct replica *replica, const struct peer *peer) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    return peer->range_to > known && peer->range_from > known ? peer->range_from : 0;
}

/* Whether a peer's own beats are missing, and are not on their way: frames came beyond a gap that its answers do not
 * bridge, or nothing came for a while. */
static bool is_behind(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    if (peer->announced <= vector_sequence(&replica->vector, peer->origin)) return false;
    return range_begin(replica, peer) > peer->sync_after || has_stopped(peer, now_ms);
}

/* Whether an answer with further pages has told enough: frames have the rest. */
static bool is_enough(const struct replica *replica, const struct peer *peer) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    if (peer->query.want != WANT_OWN || peer->query.is_refused) return false;
    bool is_bridged = peer->are_refreshes_sure && peer->range_to > known && peer->range_from <= peer->sync_after;
    return peer->announced <= known || is_bridged;
}

/* Forgets what has come meanwhile. Whether something is left. */
static bool is_ahead(const struct replica *replica, struct peer *peer) {
    size_t left = 0;
    for (size_t i = 0; i < peer->ahead_count; i++)
        if (vector_sequence(&replica->vector, peer->ahead[i].origin) < peer->ahead[i].sequence)
            peer->ahead[left++] = peer->ahead[i];
    peer->ahead_count = left;
    return left > 0;
}

void sync_note_ahead(struct replica *replica, struct peer *peer, const struct known *theirs, size_t count,
                     uint64_t now_ms) {
    /* What was ahead a while ago and still is, is what matters: something always is, and on its way. */
    if (is_ahead(replica, peer)) return;
    peer->ahead_since_ms = now_ms;
    for (size_t i = 0; i < count && peer->ahead_count < PEER_AHEAD_MAX; i++) {
        if (theirs[i].origin == peer->origin || theirs[i].origin == replica->config.origin) continue;
        if (vector_sequence(&replica->vector, theirs[i].origin) < theirs[i].sequence)
            peer->ahead[peer->ahead_count++] = theirs[i];
    }
}

/* Whether nothing comes any more of an origin of which a peer knows more. */
static bool is_stuck(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    for (size_t i = 0; i < peer->ahead_count; i++) {
        const struct peer *origin = peers_by_origin(&replica->peers, peer->ahead[i].origin);
        if (origin == NULL || origin->state != PEER_ALIVE || has_stopped(origin, now_ms)) return true;
    }
    return false;
}

static bool wants_all(const struct replica *replica, struct peer *peer, uint64_t now_ms) {
    if (replica->walker != 0 || now_ms < replica->walk_next_ms) return false;
    if (peer->wants_walk || (!replica->is_ready && !peer->is_synced)) return true;
    return is_ahead(replica, peer) && now_ms - peer->ahead_since_ms >= AHEAD_WAIT_MS && is_stuck(replica, peer, now_ms);
}

/* Whether there is something to ask a peer, and what. */
static bool sync_is_wanted(const struct replica *replica, struct peer *peer, uint64_t now_ms, enum sync_want *want) {
    *want = WANT_HELLO;
    /* One that did not answer is asked for little at first: it may be slow, and an answer shows that it lives. */
    bool is_first = peer->origin == 0 && peer->state == PEER_JOINING && peer->failures == 0;
    if (is_first && wants_all(replica, peer, now_ms)) *want = WANT_ALL;
    if (peer->origin == 0 || peer->has_unknown_origin || peer->state == PEER_DOWN) return true;
    if (peer->state == PEER_LEFT) return true;
    if (wants_all(replica, peer, now_ms)) *want = WANT_ALL;
    else if (is_behind(replica, peer, now_ms)) *want = WANT_OWN;
    return *want != WANT_HELLO || peer->state == PEER_SUSPECT;
}

/* How long a peer is let alone after a question that came to nothing. */
static uint64_t retry_ms(struct replica *replica, const struct peer *peer) {
    uint64_t wait_ms = RETRY_SILENT_MS + RETRY_EACH_PEER_MS * replica->peers.count;
    if (peer->state == PEER_ALIVE) wait_ms = RETRY_MS;
    else if (peer->origin != 0 && peer->state >= PEER_DOWN) wait_ms = RETRY_DOWN_MS;
    return wait_ms + replica_random(replica) % (wait_ms / 4 + 1);
}

/* ---- query ---------------------------------------------------------------------------------------------------- */

static void query_end(struct replica *replica, struct peer *peer) {
    if (replica->walker == peer->query.ticket) replica->walker = 0;
    peer->query.ticket = 0;
}

static void fail(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    query_end(replica, peer);
    peer->was_queried = true;
    peer->failures++;
    peer->next_sync_ms = now_ms + retry_ms(replica, peer);
}

/* Sends what peer->query says, as a new question. */
static void send(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    struct sync_query *query = &peer->query;
    bool is_walk = query->want == WANT_ALL, is_own = query->want == WANT_OWN;
    query->ticket = ++replica->last_ticket;
    query->sent_at_ms = now_ms;
    query->is_stale = false;
    if (is_walk) replica->walker = query->ticket;
    randombytes_buf(query->nonce, sizeof query->nonce);
    struct sync_request *request = sync_request_new(&replica->allocator);
    struct action *action = request == NULL ? NULL
                                            : actions_add(&replica->actions, replica->allocator, ACTION_SYNC_REQUEST,
                                                          label_text(&peer->sync_address));
    if (action == NULL) {
        sync_request_free(request, &replica->allocator);
        fail(replica, peer, now_ms);
        return;
    }
    request->origin = replica->config.origin;
    request->node_info = replica_node_info(replica);
    request->want = query->want;
    request->vector_count = replica_list_known(replica, replica_sequence(replica), now_ms);
    memcpy(request->vector, replica->known, request->vector_count * sizeof request->vector[0]);
    request->cursor = query->cursor;
    request->page_bytes = peer->page_bytes;
    request->until = is_own && peer->are_refreshes_sure ? range_begin(replica, peer) : 0;
    memcpy(request->nonce, query->nonce, sizeof request->nonce);
    action->request = request;
    action->ticket = query->ticket;
    replica->stats.sync_requests++;
}

static void begin(struct replica *replica, struct peer *peer, enum sync_want want, uint64_t now_ms) {
    peer->query = (struct sync_query){.want = want};
    peer->has_unknown_origin = false;
    if (want == WANT_ALL) replica->walked_count = 0;
    if (want == WANT_OWN && peer->sync_after > vector_sequence(&replica->vector, peer->origin))
        peer->query.cursor = (struct sync_cursor){.is_set = true, .after = peer->sync_after};
    send(replica, peer, now_ms);
}

static void give_up(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t waited_ms = now_ms - peer->query.sent_at_ms;
    if (waited_ms < REPLICA_SYNC_TIMEOUT_MS && !(peer->query.is_stale && waited_ms >= RETRY_MS)) return;
    /* Maybe the page was too large for the link. */
    peer->page_bytes = peer->page_bytes / 2 > PEER_PAGE_BYTES_MIN ? peer->page_bytes / 2 : PEER_PAGE_BYTES_MIN;
    fail(replica, peer, now_ms);
}

void sync_send_due(struct replica *replica, uint64_t now_ms) {
    size_t n = replica->peers.count, first = n == 0 ? 0 : replica_random(replica) % n;
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = replica->peers.items[(first + i) % n];
        enum sync_want want;
        if (peer->query.ticket != 0) give_up(replica, peer, now_ms);
        if (peer->query.ticket != 0 || now_ms < peer->next_sync_ms || !peer_counts(&replica->peers, peer)) continue;
        if (sync_is_wanted(replica, peer, now_ms, &want)) begin(replica, peer, want, now_ms);
    }
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* Whether the answer is this peer's. An answer from this node itself, or from a node that is known by another address,
 * tells whose address it is. */
static bool is_peers_own(struct replica *replica, struct peer *peer, const struct sync_response *response) {
    if (response->origin == replica->config.origin) {
        peer->is_self = true;
        return false;
    }
    struct peer *other = peers_by_origin(&replica->peers, response->origin);
    if (other == NULL || other == peer) return true;
    if (other->state == PEER_ALIVE || other->state == PEER_LEFT) {
        peer->alias_of = response->origin;
        peer->next_sync_ms = 0;
        return false;
    }
    /* The other address is no longer where it is. */
    other->alias_of = response->origin;
    other->origin = 0;
    replica_unsubscribe(replica, other);
    return true;
}

/* The first answer of an incarnation admits it: it was made for this question, so it is alive. */
static void take_who(struct replica *replica, struct peer *peer, const struct sync_response *response,
                     uint64_t now_ms) {
    if (peer->origin != response->origin)
        peer_admit(peer, response->origin, response->frame_number, response->sent_ms, now_ms);
    peer_hear(peer, now_ms);
    peer_set_info(peer, &response->node_info);
    replica_subscribe(replica, peer);
    peer->is_ready = response->is_ready;
    peer->was_queried = true;
    peer->members = response->members;
    peer->failures = 0;
    peer->clock_ms = (int64_t)(response->wall_ms - replica_wall_ms(replica, now_ms));
}

static void note_peer_hints(struct replica *replica, const struct sync_response *response, uint64_t now_ms) {
    for (size_t i = 0; i < response->peer_hint_count; i++)
        replica_note_address(replica, response->peer_hints[i], now_ms);
}

static uint64_t live_sessions(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.members_live;
}

/* There was no room for all that a peer told: it is let alone for a while. */
static void note_refused(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t wait_ms = (uint64_t)RETRY_REFUSED_MS << (replica->refusals < 5 ? replica->refusals++ : 5);
    peer->next_sync_ms = now_ms + (wait_ms < RETRY_REFUSED_MAX_MS ? wait_ms : RETRY_REFUSED_MAX_MS);
    replica->refused_ms = now_ms;
    replica->refused_live = live_sessions(replica);
}

void sync_look_for_room(struct replica *replica, uint64_t now_ms) {
    if (replica->refusals == 0 || now_ms - replica->refused_ms < RETRY_REFUSED_MS) return;
    uint64_t room = replica->refused_live / ROOM_SHARE + 1;
    if (live_sessions(replica) + room > replica->refused_live) return;
    replica->refusals = 0;
    for (size_t i = 0; i < replica->peers.count; i++)
        if (replica->peers.items[i]->is_too_much) replica->peers.items[i]->next_sync_ms = now_ms;
}

/* All pages have come: what they make known is known, in one instant. */
static void take_known(struct replica *replica, struct peer *peer, const struct sync_response *response,
                       uint64_t now_ms) {
    peer->is_too_much = peer->query.is_refused;
    if (peer->query.is_refused) {
        note_refused(replica, peer, now_ms);
        return;
    }
    if (peer->query.want != WANT_HELLO) replica->refusals = 0;
    if (peer->query.want == WANT_OWN) {
        peer->wants_walk |= response->is_forgotten;
        if (!response->is_forgotten && !response->next.is_set) merge_known(replica, peer->origin, response->sequence);
    }
    if (peer->query.want != WANT_ALL) return;
    for (size_t i = 0; i < replica->walked_count; i++)
        merge_known(replica, replica->walked[i].origin, replica->walked[i].sequence);
    peer->wants_walk = false;
    peer->is_synced = true;
    replica->walk_next_ms = now_ms + (uint64_t)WALK_PAGE_REST_MS * peer->query.pages;
}

/* Up to where the pages of what the peer did itself have come. */
static void note_own(struct replica *replica, struct peer *peer, const struct sync_response *response,
                     uint64_t now_ms) {
    if (peer->query.want != WANT_OWN || peer->query.is_refused || response->is_forgotten) return;
    peer->sync_after = response->next.is_set ? response->next.after : response->sequence;
    peer->sync_frames_to = response->sequence;
    peer->progress_ms = now_ms;
    merge_range(replica, peer, now_ms);
}

static void take_page(struct replica *replica, struct peer *peer, const struct sync_response *response, uint64_t now_ms,
                      struct effects *effects) {
    struct sync_query *query = &peer->query;
    uint64_t late_ms = peer_late_ms(peer, response->sent_ms, now_ms);
    struct batch batch = {
        .sender = peer->origin, .now_ms = now_ms, .late_ms = late_ms, .is_beyond = true, .effects = effects};
    merge_records(replica, &batch, &response->records);
    query->is_refused |= batch.is_refused;
    note_own(replica, peer, response, now_ms);
    if (query->want != WANT_HELLO) replica->pages_ms = now_ms;
    query->pages++;
    replica->stats.pages++;
    if (!query->cursor.is_set) {
        note_peer_hints(replica, response, now_ms);
        if (query->want == WANT_ALL) {
            memcpy(replica->walked, response->vector, response->vector_count * sizeof replica->walked[0]);
            replica->walked_count = response->vector_count;
        } else {
            sync_note_ahead(replica, peer, response->vector, response->vector_count, now_ms);
        }
    }
}

static void take_response(struct replica *replica, struct peer *peer, const struct sync_response *response,
                          uint64_t now_ms, struct effects *effects) {
    bool is_other = peer->origin != 0 && peer->origin != response->origin;
    if (!is_peers_own(replica, peer, response)) {
        query_end(replica, peer);
        return;
    }
    bool was_under_way = peer->query.cursor.is_set;
    bool is_new = peer->origin != response->origin, was_silent = is_new || peer_was_silent(peer, now_ms);
    take_who(replica, peer, response, now_ms);
    if (is_other && was_under_way) { /* it started anew between two pages */
        fail(replica, peer, now_ms);
        return;
    }
    take_page(replica, peer, response, now_ms, effects);
    /* Nothing was flowing yet: what it knows more of is not on its way. */
    if (is_new) peer->ahead_since_ms = now_ms - AHEAD_WAIT_MS;
    if (response->next.is_set && peer->query.want != WANT_HELLO && !is_enough(replica, peer)) {
        peer->query.cursor = response->next;
        if (peer->page_bytes < PEER_PAGE_BYTES_MAX) peer->page_bytes *= 2;
        query_end(replica, peer);
        send(replica, peer, now_ms);
        return;
    }
    peer->next_sync_ms = now_ms;
    if (peer->query.want == WANT_HELLO && peer->state != PEER_ALIVE) peer->next_sync_ms += retry_ms(replica, peer);
    take_known(replica, peer, response, now_ms);
    query_end(replica, peer);
    sync_note_announced(replica, peer, response->sequence, now_ms);
    if (was_silent) peer->progress_ms = now_ms - AHEAD_WAIT_MS; /* nothing was flowing */
}

/* Whether it is the response to the request that the peer was sent last, in time. What waited here while this process
 * was stopped says nothing of how long messages take. */
static bool is_expected(struct replica *replica, const struct peer *peer, const struct sync_response *response,
                        uint64_t now_ms) {
    if (response == NULL || now_ms - peer->query.sent_at_ms > REPLICA_SYNC_TIMEOUT_MS) return false;
    if (sodium_memcmp(response->nonce, peer->query.nonce, NONCE_BYTES) != 0) {
        replica->stats.dropped_replayed++;
        return false;
    }
    return true;
}

void sync_take_response(struct replica *replica, uint64_t ticket, const struct sync_response *response, uint64_t now_ms,
                        struct effects *effects) {
    struct peer *peer = peers_by_ticket(&replica->peers, ticket);
    if (peer == NULL) return;
    if (is_expected(replica, peer, response, now_ms)) take_response(replica, peer, response, now_ms, effects);
    else fail(replica, peer, now_ms);
    sync_send_due(replica, now_ms);
}
