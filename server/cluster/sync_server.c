#include "sync_server.h"

#include "contacts.h"
#include "readiness.h"
#include "sync_client.h"
#include "sync_message.h"

enum { WALK_CHUNK = 128, WALK_BUDGET = 512, WALKS_A_PAGE = 64 };
_Static_assert((int)WALK_CHUNK >= (int)MUSTER_SESSIONS_MAX + 2, "a user's sessions fit a chunk");
enum { SYNC_RESPONSE_TAIL_BYTES_MAX = 64 * 1024 }; /* the vector, the cursor */
_Static_assert(PEER_PAGE_BYTES_MAX + WALK_CHUNK * RECORD_BYTES_MAX + SYNC_RESPONSE_TAIL_BYTES_MAX +
                       REPLICA_PEERS_MAX * (4 + REPLICA_ADDRESS_BYTES_MAX) + 2048 + SEAL_OVERHEAD_BYTES <=
                   REPLICA_SYNC_BYTES_MAX,
               "a page that was nearly full has room for a chunk and for the rest");
_Static_assert(ROLL_ORIGINS_MAX *(8 + 8) + 1024 <= SYNC_RESPONSE_TAIL_BYTES_MAX, "a vector fits the tail");

static void put_records(struct replica *replica, struct pb_writer *out, size_t n, uint64_t now_ms) {
    for (size_t i = 0; i < n; i++)
        record_put(out, SYNC_RESPONSE_RECORDS, &replica->told[i], replica->config.origin, now_ms);
}

static uint64_t known_of(const struct sync_request *request, uint64_t origin) {
    for (size_t i = 0; i < request->vector_count; i++)
        if (request->vector[i].origin == origin) return request->vector[i].sequence;
    return 0;
}

/* What this node's own origin did, from its log. */
static void put_own(struct replica *replica, const struct sync_request *request, struct sync_response *response,
                    struct pb_writer *out, uint64_t now_ms) {
    uint64_t after = request->cursor.is_set ? request->cursor.after : known_of(request, replica->config.origin);
    uint64_t until =
        request->until > after && request->until < response->sequence ? request->until : response->sequence;
    for (int i = 0; i < WALKS_A_PAGE && after < until && pb_written(out) < request->page_bytes; i++) {
        bool is_complete;
        size_t n = roll_changes(replica->config.roll, &after, WALK_CHUNK, &is_complete, replica->told);
        if (!is_complete) {
            response->is_forgotten = true;
            return;
        }
        put_records(replica, out, n, now_ms);
    }
    if (after < response->sequence) response->next = (struct sync_cursor){.is_set = true, .after = after};
}

/* Whether the asker lacks anything that this node has. */
static bool has_more(const struct replica *replica, const struct sync_request *request, size_t count) {
    size_t at = 0; /* both are ascending */
    for (size_t i = 0; i < count; i++) {
        while (at < request->vector_count && request->vector[at].origin < replica->known[i].origin) at++;
        bool is_there = at < request->vector_count && request->vector[at].origin == replica->known[i].origin;
        if (!is_there || request->vector[at].sequence < replica->known[i].sequence) return true;
    }
    return vector_has_unconfirmed(&replica->vector);
}

/* Everything beyond the asker's vector. What is known once the last page has come is what was known here when the walk
 * began, in replica->known: what changes behind the walk's back is newer. */
static void put_all(struct replica *replica, const struct sync_request *request, size_t known,
                    struct sync_response *response, struct pb_writer *out, uint64_t now_ms) {
    struct walk_cursor cursor = {0};
    bool is_done = false;
    if (request->cursor.is_set) cursor = request->cursor.walk;
    else is_done = !has_more(replica, request, known);
    for (int i = 0; i < WALKS_A_PAGE && !is_done && pb_written(out) < request->page_bytes; i++) {
        size_t n = roll_walk(replica->config.roll, &cursor, request->vector, request->vector_count, WALK_CHUNK,
                             WALK_BUDGET, &is_done, replica->told);
        put_records(replica, out, n, now_ms);
    }
    if (!is_done) response->next = (struct sync_cursor){.is_set = true, .walk = cursor};
}

static void put_peer_hints(const struct replica *replica, struct pb_writer *out) {
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        bool is_worth_it = peer->origin != 0 && peer->state != PEER_LEFT && peer->own_address.len > 0;
        if (is_worth_it) pb_write_element(out, SYNC_RESPONSE_PEER_HINTS, label_text(&peer->own_address));
    }
}

/* Who asks can be asked in turn. A request may be a recording: nothing is believed but that the address may be one. */
static void note_requester(struct replica *replica, const struct sync_request *request, uint64_t now_ms) {
    if (request->origin == replica->config.origin) return;
    struct peer *peer = peers_by_origin(&replica->peers, request->origin);
    bool is_known = peer != NULL;
    if (!is_known) peer = replica_note_address(replica, request->node_info.sync_address, now_ms);
    if (peer != NULL) peer->sign_ms = now_ms;
    if (is_known || peer == NULL || peer->origin == 0) return;
    peer->has_unknown_origin = true; /* it may have started anew */
    peer->next_sync_ms = peer->query.sent_at_ms + UNKNOWN_ORIGIN_SYNC_MS;
}

static void put_response(struct replica *replica, struct sync_request *request, struct pb_writer *out,
                         uint64_t now_ms) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    struct sync_response response = {.origin = replica->config.origin,
                                     .sent_ms = now_ms,
                                     .frame_number = replica->frame_number,
                                     .sequence = stats.sequence,
                                     .members = stats.members,
                                     .wall_ms = replica_wall_ms(replica, now_ms),
                                     .node_info = replica_node_info(replica),
                                     .is_ready = readiness_is_given(replica, now_ms)};
    memcpy(response.nonce, request->nonce, sizeof response.nonce);
    sync_response_put_head(out, &response);
    size_t known = 0;
    if (!request->cursor.is_set) {
        put_peer_hints(replica, out);
        known = replica_list_known(replica, response.sequence, now_ms);
        vector_put(out, SYNC_RESPONSE_ORIGINS, replica->known, known);
    }
    size_t head = pb_written(out);
    if (request->page_bytes < PEER_PAGE_BYTES_MIN) request->page_bytes = PEER_PAGE_BYTES_MIN;
    if (request->page_bytes > PEER_PAGE_BYTES_MAX) request->page_bytes = PEER_PAGE_BYTES_MAX;
    request->page_bytes += head;
    if (request->want == WANT_OWN) put_own(replica, request, &response, out, now_ms);
    if (request->want == WANT_ALL) put_all(replica, request, known, &response, out, now_ms);
    sync_response_put_tail(out, &response);
}

void sync_respond(struct replica *replica, const uint8_t *bytes, size_t len, uint64_t now_ms, struct action *reply) {
    *reply = (struct action){.kind = ACTION_SYNC_REQUEST};
    struct text plain;
    struct sync_request request = {.vector = replica->theirs};
    if (!replica_open(replica, SEAL_SYNC_REQUEST, bytes, len, &plain)) return;
    if (!sync_request_get(plain, &request)) {
        replica->stats.dropped_broken++;
        return;
    }
    note_requester(replica, &request, now_ms);
    struct pb_writer out = pb_write_to(replica->draft, sizeof replica->draft - SEAL_OVERHEAD_BYTES);
    put_response(replica, &request, &out, now_ms);
    if (out.is_full) return;
    seal(replica->config.keyring, SEAL_SYNC_RESPONSE, replica->draft, pb_written(&out), replica->reply);
    reply->bytes = replica->reply;
    reply->len = pb_written(&out) + SEAL_OVERHEAD_BYTES;
    replica->stats.bytes_out += reply->len;
}
