#include "sync_client.h"

#include "contacts.h"
#include "merge.h"
#include "sync_want.h"

#include <sodium.h>

enum {
    RETRY_SILENT_MS = 500,  /* to a peer that is not heard */
    RETRY_EACH_PEER_MS = 8, /* more for each peer that there is */
    RETRY_DOWN_MS = 5000,
    RETRY_REFUSED_MS = 1000, /* the roll is full; doubles up to the next */
    RETRY_REFUSED_MAX_MS = 30000,
    ROOM_SHARE = 64,             /* the wait ends once one in so many live sessions has gone */
    WALK_PAGE_REST_MS = 20,      /* a walk costs the peer a look at all its members: so long a rest for each page */
    UNKNOWN_ORIGIN_SYNC_MS = 20, /* an unknown origin may cause a request so often */
};

/* ---- sending --------------------------------------------------------------------------------------------------- */

/* How long to wait after a request that failed, or that told of nobody alive. */
static uint64_t retry_ms(struct replica *replica, const struct peer *peer) {
    uint64_t wait_ms = RETRY_SILENT_MS + RETRY_EACH_PEER_MS * replica->peers.count;
    if (peer->life.state == PEER_ALIVE) wait_ms = SYNC_RETRY_MS;
    else if (peer->id.origin != 0 && peer->life.state >= PEER_DOWN) wait_ms = RETRY_DOWN_MS;
    return wait_ms + replica_random(replica) % (wait_ms / 4 + 1);
}

/* If the peer's request is the one walk that may be under way, it no longer is. */
static void end_walk(struct replica *replica, const struct peer *peer) {
    if (replica->walker == peer->query.ticket) replica->walker = 0;
}

static void fail_query(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    end_walk(replica, peer);
    peer->life.was_queried = true;
    query_fail(&peer->query, now_ms + retry_ms(replica, peer));
}

static struct sync_request *request_of(struct replica *replica, const struct peer *peer) {
    const struct sync_query *query = &peer->query;
    struct sync_request *request = sync_request_new(&replica->allocator);
    if (request == NULL) return NULL;
    request->origin = replica->config.origin;
    request->node_info = replica_node_info(replica);
    request->want = query->want;
    request->vector_count = replica_list_known(replica, replica_sequence(replica), false, 0);
    memcpy(request->vector, replica->known, request->vector_count * sizeof request->vector[0]);
    request->cursor = query->cursor;
    request->page_bytes = query->page_bytes;
    memcpy(request->nonce, query->nonce, sizeof request->nonce);
    if (query->want == WANT_OWN && peer->feed.are_refreshes_sure)
        request->until = feed_gap_end(&peer->feed, vector_sequence(&replica->vector, peer->id.origin));
    return request;
}

/* Sends a request for what peer->query says. */
static void send_query(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    query_send(&peer->query, ++replica->last_ticket, now_ms);
    if (peer->query.want == WANT_ALL) replica->walker = peer->query.ticket;
    randombytes_buf(peer->query.nonce, sizeof peer->query.nonce);
    struct sync_request *request = request_of(replica, peer);
    struct action *action = NULL;
    if (request != NULL)
        action =
            actions_add(&replica->actions, replica->allocator, ACTION_SYNC_REQUEST, label_text(&peer->id.sync_address));
    if (action == NULL) {
        sync_request_free(request, &replica->allocator);
        fail_query(replica, peer, now_ms);
        return;
    }
    action->request = request;
    action->ticket = peer->query.ticket;
    replica->stats.sync_requests++;
}

static void begin_query(struct replica *replica, struct peer *peer, enum sync_want want, uint64_t now_ms) {
    query_begin(&peer->query, want);
    peer->id.has_unknown_origin = false;
    if (want == WANT_ALL) replica->walked_count = 0;
    if (want == WANT_OWN && peer->feed.sync_after > vector_sequence(&replica->vector, peer->id.origin))
        peer->query.cursor = (struct sync_cursor){.is_set = true, .after = peer->feed.sync_after};
    send_query(replica, peer, now_ms);
}

static void give_up_query(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    query_shrink_pages(&peer->query);
    fail_query(replica, peer, now_ms);
}

void sync_send_due(struct replica *replica, uint64_t now_ms) {
    size_t n = replica->peers.count, first = n == 0 ? 0 : replica_random(replica) % n;
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = replica->peers.items[(first + i) % n];
        enum sync_want want;
        if (query_is_late(&peer->query, now_ms)) give_up_query(replica, peer, now_ms);
        if (!query_is_due(&peer->query, now_ms) || !peer_counts(&replica->peers, peer)) continue;
        if (sync_is_wanted(replica, peer, now_ms, &want)) begin_query(replica, peer, want, now_ms);
    }
}

void sync_begin_anew(struct replica *replica, uint64_t now_ms) {
    for (size_t i = 0; i < replica->peers.count; i++) {
        struct peer *peer = replica->peers.items[i];
        if (query_is_waiting(&peer->query)) {
            end_walk(replica, peer);
            query_fail(&peer->query, now_ms);
        }
        query_reschedule(&peer->query, now_ms);
        /* Not the peer was silent. */
        if (peer->life.state < PEER_DOWN) peer->life.sign_ms = now_ms;
        peer->life.is_synced = peer->life.is_ready = peer->life.is_refused = false;
    }
    replica->walk_next_ms = now_ms;
}

void sync_note_unknown_origin(struct peer *peer) {
    peer->id.has_unknown_origin = true;
    query_reschedule(&peer->query, peer->query.sent_at_ms + UNKNOWN_ORIGIN_SYNC_MS);
}

/* ---- responses ------------------------------------------------------------------------------------------------- */

/* Whether the response is this peer's. If it is from this node itself, or from a node that is known by another address,
 * the peer is an alias from now on. */
static bool is_peers_own(struct replica *replica, struct peer *peer, const struct sync_response *response) {
    if (response->origin == replica->config.origin) {
        peer->id.is_self = true;
        return false;
    }
    struct peer *other = peers_by_origin(&replica->peers, response->origin);
    if (other == NULL || other == peer) return true;
    if (other->life.state == PEER_ALIVE || other->life.state == PEER_LEFT) {
        peer->id.alias_of = response->origin;
        return false;
    }
    /* The other address is no longer the node's: this one is. */
    other->id.alias_of = response->origin;
    other->id.origin = 0;
    replica_unsubscribe(replica, other);
    return true;
}

/* The first response of an incarnation admits it: it repeats the nonce of this request, so the incarnation is alive. */
static void take_who(struct replica *replica, struct peer *peer, const struct sync_response *response,
                     uint64_t now_ms) {
    bool is_new = peer->id.origin != response->origin;
    /* The connection for frames, or its next attempt, is one to the incarnation that was there before. */
    if (is_new && peer->id.origin != 0 && peer->id.framed_origin != response->origin)
        replica_unsubscribe(replica, peer);
    if (is_new) peer_admit(peer, response->origin, response->frame_number, response->sent_ms, now_ms);
    peer_hear(peer, now_ms);
    peer_set_info(peer, &response->node_info);
    replica_subscribe(replica, peer);
    peer->life.is_ready = response->is_ready;
    peer->life.was_queried = true;
    peer->life.is_refused = false;
    peer->life.heard_frame = response->heard_frame;
    peer->members = response->members;
    peer->query.failures = 0;
    hlc_follow(replica->config.clock, response->stamp, now_ms);
    peer->timing.clock_ms = (int64_t)(response->wall_ms - replica_wall_ms(replica, now_ms));
}

static void note_peer_hints(struct replica *replica, const struct sync_response *response, uint64_t now_ms) {
    for (size_t i = 0; i < response->peer_hint_count; i++)
        replica_note_address(replica, response->peer_hints[i], now_ms);
}

/* What the first page says of what the peer knows. */
static void take_first_page(struct replica *replica, struct peer *peer, const struct sync_response *response,
                            uint64_t now_ms) {
    note_peer_hints(replica, response, now_ms);
    if (peer->query.want == WANT_ALL) {
        memcpy(replica->walked, response->vector, response->vector_count * sizeof replica->walked[0]);
        replica->walked_count = response->vector_count;
        replica->walked_version = response->vector_version;
    } else {
        const struct peer_vector vector = {
            .items = response->vector, .count = response->vector_count, .version = response->vector_version};
        sync_note_vector(replica, peer, &vector, now_ms);
    }
}

/* How far the pages of the peer's own registers have come. */
static void note_own(struct replica *replica, struct peer *peer, const struct sync_response *response,
                     uint64_t now_ms) {
    if (peer->query.want != WANT_OWN || peer->query.is_refused || response->is_forgotten) return;
    uint64_t after = response->next.is_set ? response->next.after : response->sequence;
    feed_take_page(&peer->feed, after, response->sequence, now_ms);
    merge_range(replica, peer, now_ms);
}

static void take_page(struct replica *replica, struct peer *peer, const struct sync_response *response, uint64_t now_ms,
                      struct effects *effects) {
    struct sync_query *query = &peer->query;
    uint64_t late_ms = peer_late_ms(peer, response->sent_ms, now_ms);
    struct batch batch = {
        .sender = peer->id.origin, .now_ms = now_ms, .late_ms = late_ms, .is_beyond = true, .effects = effects};
    merge_records(replica, &batch, &response->records);
    query->is_refused |= batch.is_refused;
    note_own(replica, peer, response, now_ms);
    if (query->want != WANT_HELLO) replica->pages_ms = now_ms;
    query->pages++;
    replica->stats.pages++;
    if (!query->cursor.is_set) take_first_page(replica, peer, response, now_ms);
}

static uint64_t live_sessions(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.members_live;
}

/* The roll had no room for all that the peer sent: it is left alone for a while. */
static void refuse_query(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t wait_ms = (uint64_t)RETRY_REFUSED_MS << (replica->refusals < 5 ? replica->refusals++ : 5);
    query_refuse(&peer->query, now_ms + (wait_ms < RETRY_REFUSED_MAX_MS ? wait_ms : RETRY_REFUSED_MAX_MS));
    replica->refused_ms = now_ms;
    replica->refused_live = live_sessions(replica);
}

void sync_look_for_room(struct replica *replica, uint64_t now_ms) {
    if (replica->refusals == 0 || now_ms - replica->refused_ms < RETRY_REFUSED_MS) return;
    uint64_t room = replica->refused_live / ROOM_SHARE + 1;
    if (live_sessions(replica) + room > replica->refused_live) return;
    replica->refusals = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        struct sync_query *query = &replica->peers.items[i]->query;
        if (query->state == QUERY_REFUSED) query_reschedule(query, now_ms);
    }
}

/* All pages have come: only now does the vector say what they made known. */
static void take_known(struct replica *replica, struct peer *peer, const struct sync_response *response,
                       uint64_t now_ms) {
    if (peer->query.want != WANT_HELLO) replica->refusals = 0;
    if (peer->query.want == WANT_OWN) {
        peer->feed.needs_walk |= response->is_forgotten;
        if (!response->is_forgotten && !response->next.is_set)
            merge_known(replica, peer->id.origin, response->sequence);
    }
    if (peer->query.want != WANT_ALL) return;
    for (size_t i = 0; i < replica->walked_count; i++)
        merge_known(replica, replica->walked[i].origin, replica->walked[i].sequence);
    const struct peer_vector vector = {
        .items = replica->walked, .count = replica->walked_count, .version = replica->walked_version};
    sync_note_walked(peer, &vector);
    peer->feed.needs_walk = false;
    peer->life.is_synced = true;
    replica->walk_next_ms = now_ms + (uint64_t)WALK_PAGE_REST_MS * peer->query.pages;
}

static void finish_query(struct replica *replica, struct peer *peer, const struct sync_response *response,
                         uint64_t now_ms) {
    end_walk(replica, peer);
    if (peer->query.is_refused) {
        refuse_query(replica, peer, now_ms);
        return;
    }
    bool is_let_alone = peer->query.want == WANT_HELLO && peer->life.state != PEER_ALIVE;
    query_finish(&peer->query, is_let_alone ? now_ms + retry_ms(replica, peer) : now_ms);
    take_known(replica, peer, response, now_ms);
}

/* Whether to request the next page: not where frames have the rest. */
static bool wants_next_page(const struct replica *replica, const struct peer *peer,
                            const struct sync_response *response) {
    if (!response->next.is_set || peer->query.want == WANT_HELLO) return false;
    if (peer->query.want != WANT_OWN || peer->query.is_refused) return true;
    return !feed_is_bridged(&peer->feed, vector_sequence(&replica->vector, peer->id.origin));
}

static void take_response(struct replica *replica, struct peer *peer, const struct sync_response *response,
                          uint64_t now_ms, struct effects *effects) {
    bool is_other = peer->id.origin != 0 && peer->id.origin != response->origin;
    bool is_new = peer->id.origin != response->origin, was_silent = is_new || peer_was_silent(peer, now_ms);
    if (!is_peers_own(replica, peer, response)) {
        end_walk(replica, peer);
        query_finish(&peer->query, now_ms);
        return;
    }
    take_who(replica, peer, response, now_ms);
    if (is_other && peer->query.cursor.is_set) { /* it started anew between two pages */
        fail_query(replica, peer, now_ms);
        return;
    }
    take_page(replica, peer, response, now_ms, effects);
    /* No frames were coming from it yet: what it knows more of is not on its way. */
    if (is_new) peer->ahead.since_ms = now_ms - FEED_STOPPED_MS;
    if (wants_next_page(replica, peer, response)) {
        end_walk(replica, peer);
        query_next_page(&peer->query, &response->next);
        query_grow_pages(&peer->query);
        send_query(replica, peer, now_ms);
        return;
    }
    finish_query(replica, peer, response, now_ms);
    sync_note_announced(replica, peer, response->sequence, now_ms);
    if (was_silent) peer->feed.progress_ms = now_ms - FEED_STOPPED_MS; /* no frames were coming */
}

/* Whether it is the response to the last request, and in time. One that waited in a socket while this process was
 * stopped would make messages look slow. */
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
    if (is_expected(replica, peer, response, now_ms)) {
        take_response(replica, peer, response, now_ms, effects);
    } else {
        peer->life.is_refused = response == NULL && now_ms - peer->query.sent_at_ms < REPLICA_SYNC_TIMEOUT_MS;
        fail_query(replica, peer, now_ms);
    }
    sync_send_due(replica, now_ms);
}
