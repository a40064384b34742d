/* Asking peers for what is missing: who they are, what they did, what they know of others. */
#include "replica_internal.h"

#include <sodium.h>

/* ---- what there is to ask -------------------------------------------------------------------------------------- */

void ask_note_told(struct replica *replica, struct peer *peer, uint64_t sequence, uint64_t now_ms) {
    if (sequence <= peer->told_sequence) return;
    /* It may be on its way by frames: it is given the time. */
    if (peer->told_sequence <= vector_sequence(&replica->vector, peer->origin)) peer->moved_ms = now_ms;
    peer->told_sequence = sequence;
}

/* Whether what is missing of a peer is not on its way. */
static bool has_stopped(const struct peer *peer, uint64_t now_ms) {
    return now_ms - peer->moved_ms >= AHEAD_WAIT_MS;
}

/* Where what came by frames of a peer goes on beyond a gap; 0: nowhere. */
static uint64_t chain_begin(const struct replica *replica, const struct peer *peer) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    return peer->chain_to > known && peer->chain_from > known ? peer->chain_from : 0;
}

/* Whether a peer's own beats are missing, and are not on their way: frames came beyond a gap that its answers do not
 * bridge, or nothing came for a while. */
static bool is_behind(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    if (peer->told_sequence <= vector_sequence(&replica->vector, peer->origin)) return false;
    return chain_begin(replica, peer) > peer->own_after || has_stopped(peer, now_ms);
}

/* Whether an answer with further pages has told enough: frames have the rest. */
static bool is_enough(const struct replica *replica, const struct peer *peer) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    if (peer->asking.want != WANT_OWN || peer->asking.is_refused) return false;
    bool is_bridged = peer->is_chain_sure && peer->chain_to > known && peer->chain_from <= peer->own_after;
    return peer->told_sequence <= known || is_bridged;
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

void ask_note_ahead(struct replica *replica, struct peer *peer, const struct known *theirs, size_t count,
                    uint64_t now_ms) {
#ifdef MUTANT_NO_THIRD_PARTY_REPAIR
    count = 0;
#endif
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
static bool what_to_ask(const struct replica *replica, struct peer *peer, uint64_t now_ms, enum want *want) {
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

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static void asking_end(struct replica *replica, struct peer *peer) {
    if (replica->walker == peer->asking.ticket) replica->walker = 0;
    peer->asking.ticket = 0;
}

static void fail(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    asking_end(replica, peer);
    peer->is_asked_once = true;
    peer->failures++;
    peer->next_ask_ms = now_ms + retry_ms(replica, peer);
}

/* Sends what peer->asking says, as a new question. */
static void send(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    struct asking *asking = &peer->asking;
    bool is_walk = asking->want == WANT_ALL, is_own = asking->want == WANT_OWN;
    asking->ticket = ++replica->last_ticket;
    asking->asked_ms = now_ms;
    asking->is_stale = false;
    if (is_walk) replica->walker = asking->ticket;
    randombytes_buf(asking->nonce, sizeof asking->nonce);
    struct ask ask = {.origin = replica->config.origin,
                      .node_info = replica_node_info(replica),
                      .want = asking->want,
                      .vector = replica->known,
                      .vector_count = replica_list_known(replica, replica_sequence(replica), now_ms),
                      .cursor = asking->cursor,
                      .page_bytes = peer->page_bytes,
                      .until = is_own && peer->is_chain_sure ? chain_begin(replica, peer) : 0};
    memcpy(ask.nonce, asking->nonce, sizeof ask.nonce);
    struct pb_writer out = pb_write_to(replica->draft, sizeof replica->draft - SEAL_OVERHEAD_BYTES);
    ask_put(&out, &ask);
    size_t len = pb_written(&out) + SEAL_OVERHEAD_BYTES;
    uint8_t *sealed = outbox_add(&replica->outbox, ACTION_ASK, asking->ticket, label_text(&peer->sync_address), len);
    if (sealed == NULL) {
        fail(replica, peer, now_ms);
        return;
    }
    seal(replica->config.keyring, SEAL_ASK, replica->draft, pb_written(&out), sealed);
    replica->stats.asks++;
    replica->stats.bytes_out += len;
}

static void begin(struct replica *replica, struct peer *peer, enum want want, uint64_t now_ms) {
    peer->asking = (struct asking){.want = want};
    peer->has_unknown_origin = false;
    if (want == WANT_ALL) replica->walked_count = 0;
    if (want == WANT_OWN && peer->own_after > vector_sequence(&replica->vector, peer->origin))
        peer->asking.cursor = (struct cursor){.is_set = true, .after = peer->own_after};
    send(replica, peer, now_ms);
}

static void give_up(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t waited_ms = now_ms - peer->asking.asked_ms;
    if (waited_ms < REPLICA_ASK_TIMEOUT_MS && !(peer->asking.is_stale && waited_ms >= RETRY_MS)) return;
    /* Maybe the page was too large for the link. */
    peer->page_bytes = peer->page_bytes / 2 > PEER_PAGE_BYTES_MIN ? peer->page_bytes / 2 : PEER_PAGE_BYTES_MIN;
    fail(replica, peer, now_ms);
}

void ask_around(struct replica *replica, uint64_t now_ms) {
    size_t n = replica->peers.count, first = n == 0 ? 0 : replica_random(replica) % n;
    for (size_t i = 0; i < n; i++) {
        struct peer *peer = replica->peers.items[(first + i) % n];
        enum want want;
        if (peer->asking.ticket != 0) give_up(replica, peer, now_ms);
        if (peer->asking.ticket != 0 || now_ms < peer->next_ask_ms || !peer_counts(&replica->peers, peer)) continue;
        if (what_to_ask(replica, peer, now_ms, &want)) begin(replica, peer, want, now_ms);
    }
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* Whether the answer is this peer's. An answer from this node itself, or from a node that is known by another address,
 * tells whose address it is. */
static bool is_peers_own(struct replica *replica, struct peer *peer, const struct answer *answer) {
    if (answer->origin == replica->config.origin) {
        peer->is_self = true;
        return false;
    }
    struct peer *other = peers_by_origin(&replica->peers, answer->origin);
    if (other == NULL || other == peer) return true;
    if (other->state == PEER_ALIVE || other->state == PEER_LEFT) {
        peer->alias_of = answer->origin;
        peer->next_ask_ms = 0;
        return false;
    }
    /* The other address is no longer where it is. */
    other->alias_of = answer->origin;
    other->origin = 0;
    replica_unsubscribe(replica, other);
    return true;
}

/* The first answer of an incarnation admits it: it was made for this question, so it is alive. */
static void take_who(struct replica *replica, struct peer *peer, const struct answer *answer, uint64_t now_ms) {
    if (peer->origin != answer->origin) peer_admit(peer, answer->origin, answer->frame_number, answer->sent_ms, now_ms);
    peer_hear(peer, now_ms);
    peer_set_info(peer, &answer->node_info);
    replica_subscribe(replica, peer);
    peer->is_ready = answer->is_ready;
    peer->is_asked_once = true;
    peer->members = answer->members;
    peer->failures = 0;
    peer->clock_ms = (int64_t)(answer->wall_ms - replica_wall_ms(replica, now_ms));
}

static void note_peer_hints(struct replica *replica, const struct answer *answer, uint64_t now_ms) {
    struct pb_reader in = pb_read(answer->whole);
    struct text address;
    while (frame_next_record(&in, ANSWER_PEER_HINTS, &address)) replica_note_address(replica, address, now_ms);
}

static uint64_t live_sessions(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.members_live;
}

/* There was no room for all that a peer told: it is let alone for a while. */
static void note_refused(struct replica *replica, struct peer *peer, uint64_t now_ms) {
    uint64_t wait_ms = (uint64_t)RETRY_REFUSED_MS << (replica->refusals < 5 ? replica->refusals++ : 5);
    peer->next_ask_ms = now_ms + (wait_ms < RETRY_REFUSED_MAX_MS ? wait_ms : RETRY_REFUSED_MAX_MS);
    replica->refused_ms = now_ms;
    replica->refused_live = live_sessions(replica);
}

void ask_look_for_room(struct replica *replica, uint64_t now_ms) {
    if (replica->refusals == 0 || now_ms - replica->refused_ms < RETRY_REFUSED_MS) return;
    uint64_t room = replica->refused_live / ROOM_SHARE + 1;
    if (live_sessions(replica) + room > replica->refused_live) return;
    replica->refusals = 0;
    for (size_t i = 0; i < replica->peers.count; i++)
        if (replica->peers.items[i]->is_too_much) replica->peers.items[i]->next_ask_ms = now_ms;
}

/* All pages have come: what they make known is known, in one instant. */
static void take_known(struct replica *replica, struct peer *peer, const struct answer *answer, uint64_t now_ms) {
    peer->is_too_much = peer->asking.is_refused;
    if (peer->asking.is_refused) {
        note_refused(replica, peer, now_ms);
        return;
    }
    if (peer->asking.want != WANT_HELLO) replica->refusals = 0;
    if (peer->asking.want == WANT_OWN) {
        peer->wants_walk |= answer->is_forgotten;
        if (!answer->is_forgotten && !answer->next.is_set) merge_known(replica, peer->origin, answer->sequence);
    }
    if (peer->asking.want != WANT_ALL) return;
    for (size_t i = 0; i < replica->walked_count; i++)
        merge_known(replica, replica->walked[i].origin, replica->walked[i].sequence);
    peer->wants_walk = false;
    peer->is_synced = true;
    replica->walk_next_ms = now_ms + (uint64_t)WALK_PAGE_REST_MS * peer->asking.pages;
}

/* Up to where the pages of what the peer did itself have come. */
static void note_own(struct replica *replica, struct peer *peer, const struct answer *answer, uint64_t now_ms) {
    if (peer->asking.want != WANT_OWN || peer->asking.is_refused || answer->is_forgotten) return;
    peer->own_after = answer->next.is_set ? answer->next.after : answer->sequence;
    peer->own_need = answer->sequence;
    peer->moved_ms = now_ms;
    merge_chain(replica, peer, now_ms);
}

static void take_page(struct replica *replica, struct peer *peer, const struct answer *answer, uint64_t now_ms,
                      struct effects *effects) {
    struct asking *asking = &peer->asking;
    uint64_t late_ms = peer_late_ms(peer, answer->sent_ms, now_ms);
#ifdef MUTANT_AGES_UNCOMPENSATED
    late_ms = 0;
#endif
    struct batch batch = {
        .sender = peer->origin, .now_ms = now_ms, .late_ms = late_ms, .is_beyond = true, .effects = effects};
    merge_records(replica, &batch, answer->whole, ANSWER_RECORDS);
    asking->is_refused |= batch.is_refused;
    note_own(replica, peer, answer, now_ms);
    if (asking->want != WANT_HELLO) replica->pages_ms = now_ms;
    asking->pages++;
    replica->stats.pages++;
    if (!asking->cursor.is_set) {
        note_peer_hints(replica, answer, now_ms);
        if (asking->want == WANT_ALL) {
            memcpy(replica->walked, answer->vector, answer->vector_count * sizeof replica->walked[0]);
            replica->walked_count = answer->vector_count;
        } else {
            ask_note_ahead(replica, peer, answer->vector, answer->vector_count, now_ms);
        }
    }
}

static void take_answer(struct replica *replica, struct peer *peer, const struct answer *answer, uint64_t now_ms,
                        struct effects *effects) {
    bool is_other = peer->origin != 0 && peer->origin != answer->origin;
    if (!is_peers_own(replica, peer, answer)) {
        asking_end(replica, peer);
        return;
    }
    bool was_under_way = peer->asking.cursor.is_set;
    bool is_new = peer->origin != answer->origin, was_silent = is_new || peer_was_silent(peer, now_ms);
    take_who(replica, peer, answer, now_ms);
    if (is_other && was_under_way) { /* it started anew between two pages */
        fail(replica, peer, now_ms);
        return;
    }
    take_page(replica, peer, answer, now_ms, effects);
    /* Nothing was flowing yet: what it knows more of is not on its way. */
    if (is_new) peer->ahead_since_ms = now_ms - AHEAD_WAIT_MS;
    if (answer->next.is_set && peer->asking.want != WANT_HELLO && !is_enough(replica, peer)) {
        peer->asking.cursor = answer->next;
        if (peer->page_bytes < PEER_PAGE_BYTES_MAX) peer->page_bytes *= 2;
        asking_end(replica, peer);
        send(replica, peer, now_ms);
        return;
    }
    peer->next_ask_ms = now_ms;
    if (peer->asking.want == WANT_HELLO && peer->state != PEER_ALIVE) peer->next_ask_ms += retry_ms(replica, peer);
    take_known(replica, peer, answer, now_ms);
    asking_end(replica, peer);
    ask_note_told(replica, peer, answer->sequence, now_ms);
    if (was_silent) peer->moved_ms = now_ms - AHEAD_WAIT_MS; /* nothing was flowing */
}

struct actions replica_answered(struct replica *replica, uint64_t ticket, const uint8_t *bytes, size_t len,
                                uint64_t now_ms, struct effects *effects) {
    outbox_clear(&replica->outbox);
    struct peer *peer = peers_by_ticket(&replica->peers, ticket);
    if (peer == NULL) return outbox_actions(&replica->outbox);
    struct text plain;
    struct answer answer = {.vector = replica->theirs};
    bool is_good = false;
    /* What waited here while this process was stopped says nothing of how long messages take. */
    if (bytes != NULL && now_ms - peer->asking.asked_ms <= REPLICA_ASK_TIMEOUT_MS &&
        replica_open(replica, SEAL_ANSWER, bytes, len, &plain)) {
        is_good = answer_get(plain, &answer);
        if (!is_good) replica->stats.dropped_broken++;
    }
#ifndef MUTANT_NONCE_UNCHECKED
    if (is_good && sodium_memcmp(answer.nonce, peer->asking.nonce, NONCE_BYTES) != 0) {
        replica->stats.dropped_replayed++;
        is_good = false;
    }
#endif
    if (is_good) take_answer(replica, peer, &answer, now_ms, effects);
    else fail(replica, peer, now_ms);
    ask_around(replica, now_ms);
    return outbox_actions(&replica->outbox);
}
