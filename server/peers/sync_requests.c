#include "sync_requests.h"
#include "common/byteorder.h"
#include "common/monotonic.h"
#include "dialler.h"
#include "sys/clock.h"
#include "sys/log.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ID_BYTES = 4 };
#define ID_FLAG UINT32_C(0x80000000)

/* A peer that sync requests go to. The dialler's. */
struct sync_peer {
    struct sync_requests *all;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1]; /* empty: nobody */
    struct link *link;                           /* NULL: none */
    uint64_t used_us;
    size_t pending_count;
    bool is_cut; /* the last request was late */
};

enum pending_state {
    PENDING_IDLE,    /* the caller's; all others are the dialler's */
    PENDING_NEW,     /* no peer yet */
    PENDING_WAITING, /* for its link */
    PENDING_SENT,
};

struct pending_sync {
    _Atomic(enum pending_state) state;
    uint64_t ticket, until_us;
    char address[REPLICA_ADDRESS_BYTES_MAX + 1];
    uint8_t *memory; /* of the sealed request */
    struct text sealed;

    struct sync_peer *peer;
    uint32_t id;
};

struct sync_requests {
    struct node *node;
    struct dialler *dialler;
    uint32_t last_id;
    struct sync_peer peers[REPLICA_PEERS_MAX];
    struct pending_sync items[SYNC_REQUESTS_MAX];
};

static void tell_not_asked(const char *address, const char *why) {
    log_line(LEVEL_WARN, "not_asked", "cannot ask a peer", {"address", address, 0}, {"result", why, 0});
}

/* ---- on the dialler's thread ------------------------------------------------------------------------------------- */

/* An empty response: it failed. */
static void end_request(struct sync_requests *requests, struct pending_sync *pending, struct text response) {
    uint64_t ticket = pending->ticket;
    if (pending->peer != NULL) pending->peer->pending_count--;
    pending->peer = NULL;
    free(pending->memory);
    pending->memory = NULL;
    atomic_store(&pending->state, PENDING_IDLE);
    node_sync_response(requests->node, ticket, response, clock_now());
}

static void take_response(void *context, struct text message) {
    struct sync_peer *peer = context;
    struct sync_requests *requests = peer->all;
    if (sp_header_len((const uint8_t *)message.data, message.len) != ID_BYTES) return;
    uint32_t id = get_be32((const uint8_t *)message.data) & ~ID_FLAG;
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        struct pending_sync *pending = &requests->items[i];
        if (atomic_load(&pending->state) != PENDING_SENT || pending->peer != peer || pending->id != id) continue;
        end_request(requests, pending, (struct text){message.data + ID_BYTES, message.len - ID_BYTES});
        return;
    }
}

static const struct link_kind sync_kind = {
    .own = SP_REQ, .other = SP_REP, .message_bytes_max = REPLICA_SYNC_BYTES_MAX + ID_BYTES, .message = take_response};

/* The entry of a peer: its own, or else the one that was used least recently. NULL: requests are on their way to all.
 */
static struct sync_peer *obtain_peer(struct sync_requests *requests, const char *address) {
    struct sync_peer *best = NULL;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) {
        struct sync_peer *peer = &requests->peers[i];
        if (strcmp(peer->address, address) == 0) return peer;
        if (peer->pending_count == 0 && (best == NULL || peer->used_us < best->used_us)) best = peer;
    }
    if (best == NULL) return NULL;
    link_free(best->link);
    *best = (struct sync_peer){.all = requests};
    strcpy(best->address, address);
    return best;
}

/* Gives a new request to its peer, and dials it where there is no good connection. */
static void begin_request(struct sync_requests *requests, struct pending_sync *pending, uint64_t now_us) {
    struct sync_peer *peer = obtain_peer(requests, pending->address);
    if (peer != NULL && peer->link == NULL) peer->link = link_new(&sync_kind, peer);
    if (peer == NULL || peer->link == NULL) {
        tell_not_asked(pending->address, "out of memory");
        end_request(requests, pending, (struct text){0});
        return;
    }
    bool is_good = link_state(peer->link) == LINK_UP && !peer->is_cut;
    if (!is_good && peer->pending_count == 0) link_dial(peer->link, peer->address, now_us);
    if (peer->pending_count == 0) peer->is_cut = false;
    peer->used_us = now_us;
    peer->pending_count++;
    pending->peer = peer;
    atomic_store(&pending->state, PENDING_WAITING);
}

static void send_request(struct sync_requests *requests, struct pending_sync *pending, uint64_t now_us) {
    uint8_t head[ID_BYTES];
    pending->id = ++requests->last_id & ~ID_FLAG;
    put_be32(head, pending->id | ID_FLAG);
    struct text id = {(const char *)head, sizeof head};
    if (link_send(pending->peer->link, id, pending->sealed, now_us)) {
        atomic_store(&pending->state, PENDING_SENT);
        return;
    }
    tell_not_asked(pending->address, "out of memory");
    end_request(requests, pending, (struct text){0});
}

/* One whose link is down. */
static void await_link(struct sync_requests *requests, struct pending_sync *pending, uint64_t now_us) {
    struct link *link = pending->peer->link;
    enum muster_code why = link_why(link)->code;
    bool is_short = why == MUSTER_RESOURCE_EXHAUSTED || why == MUSTER_INVALID_ARGUMENT;
    if (is_short) tell_not_asked(pending->address, link_why(link)->text);
    if (is_short || (link_was_refused(link) && !node_takes_writes(requests->node)))
        end_request(requests, pending, (struct text){0});
    else if (now_us >= link_again_us(link)) link_dial(link, pending->address, now_us);
}

static void step_request(struct sync_requests *requests, struct pending_sync *pending, uint64_t now_us) {
    if (atomic_load(&pending->state) == PENDING_NEW) begin_request(requests, pending, now_us);
    if (atomic_load(&pending->state) == PENDING_IDLE) return;
    if (now_us >= pending->until_us) {
        pending->peer->is_cut = true;
        end_request(requests, pending, (struct text){0});
        return;
    }
    if (link_state(pending->peer->link) != LINK_UP) atomic_store(&pending->state, PENDING_WAITING);
    if (atomic_load(&pending->state) == PENDING_SENT) return;
    if (link_state(pending->peer->link) == LINK_UP) send_request(requests, pending, now_us);
    else if (link_state(pending->peer->link) == LINK_DOWN) await_link(requests, pending, now_us);
}

/* What is left after a step, for the poll. A link that went down in the meantime is looked at once more. */
static void poll_peer(struct sync_peer *peer, uint64_t now_us, struct dialled *dialled) {
    uint64_t idle_us = peer->used_us + (uint64_t)SYNC_PEER_IDLE_MS * 1000;
    if (peer->link == NULL) return;
    if (peer->pending_count == 0 && now_us >= idle_us) {
        link_free(peer->link);
        peer->link = NULL;
        return;
    }
    if (peer->pending_count == 0) dialled_by(dialled, idle_us);
    else if (link_state(peer->link) == LINK_DOWN) dialled_by(dialled, link_again_us(peer->link));
    dialled->links[dialled->count++] = peer->link;
}

static void keep_requests(void *context, uint64_t now_us, struct dialled *dialled) {
    struct sync_requests *requests = context;
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++) {
        struct pending_sync *pending = &requests->items[i];
        if (atomic_load(&pending->state) == PENDING_IDLE) continue;
        step_request(requests, pending, now_us);
        if (atomic_load(&pending->state) > PENDING_NEW) dialled_by(dialled, pending->until_us);
    }
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) poll_peer(&requests->peers[i], now_us, dialled);
}

/* ---- on the caller's --------------------------------------------------------------------------------------------- */

static struct pending_sync *idle_pending(struct sync_requests *requests) {
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++)
        if (atomic_load(&requests->items[i].state) == PENDING_IDLE) return &requests->items[i];
    return NULL;
}

/* NULL, or why it cannot. */
static const char *hand_over(struct sync_requests *requests, const struct action *action) {
    struct pending_sync *pending = idle_pending(requests);
    if (pending == NULL) return "too many requests are on their way";
    if ((pending->memory = malloc(CODEC_REQUEST_BYTES_MAX)) == NULL) return "out of memory";
    pending->sealed = codec_seal_request(node_codec(requests->node), action->request, pending->memory);
    pending->ticket = action->ticket;
    pending->until_us = monotonic_us() + REPLICA_SYNC_TIMEOUT_MS * 1000;
    strcpy(pending->address, action->address);
    atomic_store(&pending->state, PENDING_NEW);
    dialler_wake(requests->dialler);
    return NULL;
}

void sync_requests_send(struct sync_requests *requests, const struct action *action) {
    const char *why = hand_over(requests, action);
    if (why == NULL) return;
    tell_not_asked(action->address, why);
    node_sync_response(requests->node, action->ticket, (struct text){0}, clock_now());
}

struct sync_requests *sync_requests_open(struct node *node) {
    struct sync_requests *requests = calloc(1, sizeof *requests);
    if (requests == NULL) return NULL;
    requests->node = node;
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) requests->peers[i].all = requests;
    if ((requests->dialler = dialler_start(keep_requests, requests)) != NULL) return requests;
    free(requests);
    return NULL;
}

void sync_requests_close(struct sync_requests *requests) {
    if (requests == NULL) return;
    dialler_stop(requests->dialler);
    for (size_t i = 0; i < SYNC_REQUESTS_MAX; i++)
        if (atomic_load(&requests->items[i].state) != PENDING_IDLE)
            end_request(requests, &requests->items[i], (struct text){0});
    for (size_t i = 0; i < REPLICA_PEERS_MAX; i++) link_free(requests->peers[i].link);
    free(requests);
}
