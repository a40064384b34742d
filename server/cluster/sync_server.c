/* Answering peers: a page a question, and nothing is kept from one to the next. */
#include "replica_internal.h"

enum { ANSWER_TAIL_BYTES_MAX = 64 * 1024 }; /* the vector, the cursor */
_Static_assert(PEER_PAGE_BYTES_MAX + WALK_CHUNK * RECORD_BYTES_MAX + ANSWER_TAIL_BYTES_MAX +
                       REPLICA_PEERS_MAX * (4 + REPLICA_ADDRESS_BYTES_MAX) + 2048 + SEAL_OVERHEAD_BYTES <=
                   REPLICA_SYNC_BYTES_MAX,
               "a page that was nearly full has room for a chunk and for the rest");
_Static_assert(ROLL_ORIGINS_MAX *(8 + 8) + 1024 <= ANSWER_TAIL_BYTES_MAX, "a vector fits the tail");

static void put_records(struct replica *replica, struct pb_writer *out, size_t n, uint64_t now_ms) {
    for (size_t i = 0; i < n; i++) record_put(out, ANSWER_RECORDS, &replica->told[i], replica->config.origin, now_ms);
}

static uint64_t known_of(const struct ask *ask, uint64_t origin) {
    for (size_t i = 0; i < ask->vector_count; i++)
        if (ask->vector[i].origin == origin) return ask->vector[i].sequence;
    return 0;
}

/* What this node's own origin did, from its log. */
static void answer_own(struct replica *replica, const struct ask *ask, struct answer *answer, struct pb_writer *out,
                       uint64_t now_ms) {
    uint64_t after = ask->cursor.is_set ? ask->cursor.after : known_of(ask, replica->config.origin);
    uint64_t until = ask->until > after && ask->until < answer->sequence ? ask->until : answer->sequence;
    for (int i = 0; i < WALKS_A_PAGE && after < until && pb_written(out) < ask->page_bytes; i++) {
        bool is_complete;
        size_t n = roll_changes(replica->config.roll, &after, WALK_CHUNK, &is_complete, replica->told);
        if (!is_complete) {
            answer->is_forgotten = true;
            return;
        }
        put_records(replica, out, n, now_ms);
    }
    if (after < answer->sequence) answer->next = (struct cursor){.is_set = true, .after = after};
}

/* Whether the asker lacks anything that this node has. */
static bool has_more(const struct replica *replica, const struct ask *ask, size_t count) {
    size_t at = 0; /* both are ascending */
    for (size_t i = 0; i < count; i++) {
        while (at < ask->vector_count && ask->vector[at].origin < replica->known[i].origin) at++;
        bool is_there = at < ask->vector_count && ask->vector[at].origin == replica->known[i].origin;
        if (!is_there || ask->vector[at].sequence < replica->known[i].sequence) return true;
    }
    return vector_holds(&replica->vector);
}

/* Everything beyond the asker's vector. What is known once the last page has come is what was known here when the walk
 * began, in replica->known: what changes behind the walk's back is newer. */
static void answer_all(struct replica *replica, const struct ask *ask, size_t known, struct answer *answer,
                       struct pb_writer *out, uint64_t now_ms) {
    struct walk_cursor cursor = {0};
    bool is_done = false;
    if (ask->cursor.is_set) cursor = ask->cursor.walk;
    else is_done = !has_more(replica, ask, known);
    for (int i = 0; i < WALKS_A_PAGE && !is_done && pb_written(out) < ask->page_bytes; i++) {
        size_t n = roll_walk(replica->config.roll, &cursor, ask->vector, ask->vector_count, WALK_CHUNK, WALK_BUDGET,
                             &is_done, replica->told);
        put_records(replica, out, n, now_ms);
    }
    if (!is_done) answer->next = (struct cursor){.is_set = true, .walk = cursor};
}

static void put_peer_hints(const struct replica *replica, struct pb_writer *out) {
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        bool is_worth_it = peer->origin != 0 && peer->state != PEER_LEFT && peer->own_address.len > 0;
        if (is_worth_it) pb_write_element(out, ANSWER_PEER_HINTS, label_text(&peer->own_address));
    }
}

/* Who asks can be asked in turn. A request may be a recording: nothing is believed but that the address may be one. */
static void note_asker(struct replica *replica, const struct ask *ask, uint64_t now_ms) {
    if (ask->origin == replica->config.origin) return;
    struct peer *peer = peers_by_origin(&replica->peers, ask->origin);
    bool is_known = peer != NULL;
    if (!is_known) peer = replica_note_address(replica, ask->node_info.sync_address, now_ms);
    if (peer != NULL) peer->sign_ms = now_ms;
    if (is_known || peer == NULL || peer->origin == 0) return;
    peer->has_unknown_origin = true; /* it may have started anew */
    peer->next_ask_ms = peer->asking.asked_ms + UNKNOWN_ORIGIN_ASK_MS;
}

static void answer_put(struct replica *replica, struct ask *ask, struct pb_writer *out, uint64_t now_ms) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    struct answer answer = {.origin = replica->config.origin,
                            .sent_ms = now_ms,
                            .frame_number = replica->frame_number,
                            .sequence = stats.sequence,
                            .members = stats.members,
                            .wall_ms = replica_wall_ms(replica, now_ms),
                            .node_info = replica_node_info(replica),
                            .is_ready = replica_is_ready(replica, now_ms)};
    memcpy(answer.nonce, ask->nonce, sizeof answer.nonce);
    answer_put_head(out, &answer);
    size_t known = 0;
    if (!ask->cursor.is_set) {
        put_peer_hints(replica, out);
        known = replica_list_known(replica, answer.sequence, now_ms);
        vector_put(out, ANSWER_ORIGINS, replica->known, known);
    }
    size_t head = pb_written(out);
    if (ask->page_bytes < PEER_PAGE_BYTES_MIN) ask->page_bytes = PEER_PAGE_BYTES_MIN;
    if (ask->page_bytes > PEER_PAGE_BYTES_MAX) ask->page_bytes = PEER_PAGE_BYTES_MAX;
    ask->page_bytes += head;
    if (ask->want == WANT_OWN) answer_own(replica, ask, &answer, out, now_ms);
    if (ask->want == WANT_ALL) answer_all(replica, ask, known, &answer, out, now_ms);
    answer_put_tail(out, &answer);
}

void replica_request(struct replica *replica, const uint8_t *bytes, size_t len, uint64_t now_ms, struct action *reply) {
    *reply = (struct action){.kind = ACTION_ASK};
    struct text plain;
    struct ask ask = {.vector = replica->theirs};
    if (!replica_open(replica, SEAL_ASK, bytes, len, &plain)) return;
    if (!ask_get(plain, &ask)) {
        replica->stats.dropped_broken++;
        return;
    }
    note_asker(replica, &ask, now_ms);
    struct pb_writer out = pb_write_to(replica->draft, sizeof replica->draft - SEAL_OVERHEAD_BYTES);
    answer_put(replica, &ask, &out, now_ms);
    if (out.is_full) return;
    seal(replica->config.keyring, SEAL_ANSWER, replica->draft, pb_written(&out), replica->reply);
    reply->bytes = replica->reply;
    reply->len = pb_written(&out) + SEAL_OVERHEAD_BYTES;
    replica->stats.bytes_out += reply->len;
}
