#include "sync_server.h"

#include "contacts.h"
#include "readiness.h"
#include "sync_client.h"
#include "sync_message.h"

enum { WALK_CHUNK = 128, WALK_BUDGET = 512, WALKS_A_PAGE = 64 };
_Static_assert((int)WALK_CHUNK >= (int)MUSTER_SESSIONS_MAX + 2, "a user's sessions fit a chunk");
enum { SYNC_RESPONSE_TAIL_BYTES_MAX = 64 * 1024 }; /* the vector, the cursor */
_Static_assert(SYNC_PAGE_BYTES_MAX + WALK_CHUNK * RECORD_BYTES_MAX + SYNC_RESPONSE_TAIL_BYTES_MAX +
                       REPLICA_PEERS_MAX * (4 + REPLICA_ADDRESS_BYTES_MAX) + 2048 + SEAL_OVERHEAD_BYTES <=
                   REPLICA_SYNC_BYTES_MAX,
               "a page that was nearly full has room for a chunk and for the rest");
_Static_assert(ROLL_ORIGINS_MAX *(8 + 8) + 1024 <= SYNC_RESPONSE_TAIL_BYTES_MAX, "a vector fits the tail");

/* A page that is being written. */
struct sync_page {
    const struct sync_request *request;
    struct sync_response response; /* without its lists, which go straight to `out` */
    struct pb_writer *out;
    size_t full_at; /* nothing is added once `out` has so many bytes */
    uint64_t now_ms;
};

static bool page_is_full(const struct sync_page *page) {
    return pb_written(page->out) >= page->full_at;
}

static void put_records(struct replica *replica, const struct sync_page *page, size_t n) {
    for (size_t i = 0; i < n; i++)
        record_put(page->out, SYNC_RESPONSE_RECORDS, &replica->changes[i], replica->config.origin, page->now_ms);
}

static uint64_t sequence_of(const struct sync_request *request, uint64_t origin) {
    for (size_t i = 0; i < request->vector_count; i++)
        if (request->vector[i].origin == origin) return request->vector[i].sequence;
    return 0;
}

/* The registers of this node's own origin, from the log. */
static void put_own(struct replica *replica, struct sync_page *page) {
    const struct sync_request *request = page->request;
    const uint64_t last = page->response.sequence;
    uint64_t after = request->cursor.is_set ? request->cursor.after : sequence_of(request, replica->config.origin);
    uint64_t until = request->until > after && request->until < last ? request->until : last;
    for (int i = 0; i < WALKS_A_PAGE && after < until && !page_is_full(page); i++) {
        bool is_complete;
        size_t n = roll_changes(replica->config.roll, &after, WALK_CHUNK, &is_complete, replica->changes);
        if (!is_complete) {
            page->response.is_forgotten = true;
            return;
        }
        put_records(replica, page, n);
    }
    if (after < last) page->response.next = (struct sync_cursor){.is_set = true, .after = after};
}

/* Whether the requester lacks anything that this node has. */
static bool has_more(const struct replica *replica, const struct sync_request *request, size_t count) {
    size_t at = 0; /* both are ascending */
    for (size_t i = 0; i < count; i++) {
        while (at < request->vector_count && request->vector[at].origin < replica->known[i].origin) at++;
        bool is_there = at < request->vector_count && request->vector[at].origin == replica->known[i].origin;
        if (!is_there || request->vector[at].sequence < replica->known[i].sequence) return true;
    }
    return vector_has_unconfirmed(&replica->vector);
}

/* Everything beyond the requester's vector. replica->known, `known` entries as of the first page, is what the requester
 * knows once the last page has come: a member that changes behind the walk gets a newer sequence. */
static void put_all(struct replica *replica, struct sync_page *page, size_t known) {
    const struct sync_request *request = page->request;
    struct walk_cursor cursor = {0};
    bool is_done = false;
    if (request->cursor.is_set) cursor = request->cursor.walk;
    else is_done = !has_more(replica, request, known);
    for (int i = 0; i < WALKS_A_PAGE && !is_done && !page_is_full(page); i++) {
        size_t n = roll_walk(replica->config.roll, &cursor, request->vector, request->vector_count, WALK_CHUNK,
                             WALK_BUDGET, &is_done, replica->changes);
        put_records(replica, page, n);
    }
    if (!is_done) page->response.next = (struct sync_cursor){.is_set = true, .walk = cursor};
}

static void put_peer_hints(const struct replica *replica, struct pb_writer *out) {
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        bool is_worth_it = peer->id.origin != 0 && peer->life.state != PEER_LEFT && peer->id.own_address.len > 0;
        if (is_worth_it) pb_write_element(out, SYNC_RESPONSE_PEER_HINTS, label_text(&peer->id.own_address));
    }
}

/* A node that sends a request may be sent one. The request may be a recording, so nothing of it is believed but that
 * there may be a node at its address. Returns whether that is to be requested to prove it at once. */
static bool note_requester(struct replica *replica, const struct sync_request *request, uint64_t now_ms) {
    if (request->origin == replica->config.origin) return false;
    struct peer *peer = peers_by_origin(&replica->peers, request->origin);
    bool is_known = peer != NULL;
    if (!is_known) peer = replica_note_address(replica, request->node_info.sync_address, now_ms);
    if (peer != NULL) peer->life.sign_ms = now_ms;
    if (is_known || peer == NULL) return false;
    sync_note_unknown_origin(peer); /* it may have started anew */
    return query_is_due(&peer->query, now_ms);
}

static uint64_t page_bytes(const struct sync_request *request) {
    if (request->page_bytes < SYNC_PAGE_BYTES_MIN) return SYNC_PAGE_BYTES_MIN;
    return request->page_bytes > SYNC_PAGE_BYTES_MAX ? SYNC_PAGE_BYTES_MAX : request->page_bytes;
}

static struct sync_response response_to(const struct replica *replica, const struct sync_request *request,
                                        uint64_t now_ms) {
    const struct peer *peer = peers_by_origin(&replica->peers, request->origin);
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    struct sync_response response = {.origin = replica->config.origin,
                                     .sent_ms = now_ms,
                                     .frame_number = replica->frame_number,
                                     .sequence = stats.sequence,
                                     .members = stats.members,
                                     .wall_ms = replica_wall_ms(replica, now_ms),
                                     .stamp = hlc_now(replica->config.clock, now_ms),
                                     .vector_version = replica->vector.version,
                                     .node_info = replica_node_info(replica),
                                     .is_ready = readiness_is_given(replica, now_ms),
                                     .heard_frame = peer == NULL ? 0 : peer->feed.taken_frame};
    memcpy(response.nonce, request->nonce, sizeof response.nonce);
    return response;
}

bool sync_respond(struct replica *replica, const struct sync_request *request, uint64_t now_ms, struct pb_writer *out) {
    bool wants_tick = note_requester(replica, request, now_ms);
    struct sync_page page = {
        .request = request, .response = response_to(replica, request, now_ms), .out = out, .now_ms = now_ms};
    sync_response_put_head(out, &page.response);
    size_t known = 0;
    if (!request->cursor.is_set) {
        put_peer_hints(replica, out);
        known = replica_list_known(replica, page.response.sequence, true, 0);
        vector_put(out, SYNC_RESPONSE_ORIGINS, replica->known, known);
    }
    page.full_at = pb_written(out) + page_bytes(request);
    if (request->want == WANT_OWN) put_own(replica, &page);
    if (request->want == WANT_ALL) put_all(replica, &page, known);
    sync_response_put_tail(out, &page.response);
    return wants_tick;
}
