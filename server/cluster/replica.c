#include "replica.h"

#include "adopt.h"
#include "contacts.h"
#include "flush.h"
#include "merge.h"
#include "readiness.h"
#include "receive.h"
#include "retire.h"
#include "sync_client.h"
#include "sync_server.h"

enum { PEER_FORGET_MS = 24 * 60 * 60 * 1000 };
/* An origin without registers is remembered until no peer can have any of it, and forgotten an hour later. */
#define FORGET_AFTER_FADE_MS (UINT64_C(60) * 60 * 1000)

struct replica *replica_new(const struct replica_config *config, uint64_t now_ms) {
    const struct allocator *a = &config->allocator;
    struct replica *replica = a->allocate(a->context, sizeof *replica);
    if (replica == NULL) return NULL;
    replica->config = *config;
    replica->allocator = replica->peers.allocator = replica->frames.allocator = *a;
    label_set(&replica->name, config->name);
    label_set(&replica->region, config->region);
    label_set(&replica->version, config->version);
    label_set(&replica->gossip_address, config->gossip_address);
    label_set(&replica->sync_address, config->sync_address);
    replica->random = config->seed;
    replica->started_ms = now_ms;
    replica->wall_ms_at_zero = config->clock->wall_ms_at_zero;
    replica->refresh_by_ms = UINT64_MAX;
    retire_begin(replica, now_ms);
    replica->digest_at_ms = now_ms + replica_random(replica) % REPLICA_DIGEST_MS;
    /* What the roll holds already was loaded from a snapshot: it is not news. */
    replica->flushed = replica_sequence(replica);
    return replica;
}

void replica_free(struct replica *replica) {
    if (replica == NULL) return;
    struct allocator a = replica->allocator;
    actions_free(&replica->actions);
    peers_free(&replica->peers);
    frame_pool_free(&replica->frames);
    a.release(a.context, replica, sizeof *replica);
}

void replica_restore(struct replica *replica, const struct known *known, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (known[i].origin == replica->config.origin || known[i].origin == 0) continue;
        merge_known(replica, known[i].origin, known[i].sequence);
        /* Members changed while the snapshot was written, so it may hold registers beyond its vector. */
        vector_note_unconfirmed(&replica->vector, known[i].origin, SEQUENCE_MAX);
        replica->unconfirmed_since_ms = replica->started_ms;
    }
    /* Also of origins that the vector does not name: it was damaged, or nothing before them had come. */
    struct origin_view origins[ROLL_ORIGINS_MAX];
    size_t held = roll_origins(replica->config.roll, origins);
    for (size_t i = 0; i < held; i++)
        if (origins[i].origin != replica->config.origin)
            vector_note_unconfirmed(&replica->vector, origins[i].origin, SEQUENCE_MAX);
    if (held > 0) replica->unconfirmed_since_ms = replica->started_ms;
}

void replica_seeds_resolved(struct replica *replica) {
    replica->config.expects_peers = false;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static bool is_present(const void *context, uint64_t origin) {
    return replica_has_origin(context, origin);
}

static void age_peers(struct replica *replica, uint64_t now_ms) {
    for (size_t i = replica->peers.count; i-- > 0;) {
        struct peer *peer = replica->peers.items[i];
        peer_age(peer, now_ms);
        if (peer->life.state < PEER_DOWN || now_ms - peer->life.heard_ms < PEER_FORGET_MS) continue;
        replica_unsubscribe(replica, peer);
        if (peer->id.subscribed.len == 0 && !query_is_waiting(&peer->query)) peers_remove(&replica->peers, peer);
    }
}

bool replica_touched(struct replica *replica, const struct touched *touched, uint64_t now_ms) {
    return flush_touched(replica, touched, now_ms);
}

/* The actions of the call that ends here. */
static struct actions actions_of_call(struct replica *replica) {
    struct actions actions = replica->actions;
    replica->actions = (struct actions){0};
    return actions;
}

bool replica_flush_news(struct replica *replica, uint64_t now_ms, struct actions *actions) {
    bool is_all = flush_news(replica, now_ms);
    *actions = actions_of_call(replica);
    return is_all;
}

struct actions replica_add_peer(struct replica *replica, struct text sync_address, uint64_t now_ms) {
    if (replica_note_address(replica, sync_address, now_ms) != NULL) sync_send_due(replica, now_ms);
    return actions_of_call(replica);
}

struct actions replica_frame(struct replica *replica, struct text from, const struct frame *frame, uint64_t now_ms,
                             struct effects *effects) {
    receive_frame(replica, from, frame, now_ms, effects);
    return actions_of_call(replica);
}

bool replica_sync_request(struct replica *replica, const struct sync_request *request, uint64_t now_ms,
                          struct pb_writer *page) {
    return sync_respond(replica, request, now_ms, page);
}

struct actions replica_sync_response(struct replica *replica, uint64_t ticket, const struct sync_response *response,
                                     uint64_t now_ms, struct effects *effects) {
    sync_take_response(replica, ticket, response, now_ms, effects);
    readiness_look(replica, now_ms);
    return actions_of_call(replica);
}

bool replica_has_peers(const struct replica *replica) {
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (peer_counts(&replica->peers, peer) && peer->life.state < PEER_DOWN) return true;
    }
    return false;
}

void replica_begin_anew(struct replica *replica, uint64_t now_ms) {
    readiness_begin_anew(replica, now_ms);
    sync_begin_anew(replica, now_ms);
}

bool replica_takes_writes(const struct replica *replica, uint64_t now_ms) {
    return readiness_takes_writes(replica, now_ms);
}

bool replica_is_ready(const struct replica *replica, uint64_t now_ms) {
    return readiness_is_given(replica, now_ms);
}

void replica_set_wall(struct replica *replica, uint64_t wall_ms, uint64_t now_ms) {
    replica->wall_ms_at_zero = wall_ms - now_ms;
}

struct actions replica_tick(struct replica *replica, uint64_t now_ms) {
    readiness_look(replica, now_ms);
    if (flush_is_due(replica, now_ms)) flush_all(replica, now_ms);
    if (now_ms >= replica->digest_at_ms) {
        uint64_t fade_ms = roll_retention_ms(replica->config.roll) + MUSTER_TTL_MAX_MS;
        vector_age(&replica->vector, replica->config.roll, now_ms, fade_ms + FORGET_AFTER_FADE_MS, replica->crowded_at,
                   is_present, replica);
        age_peers(replica, now_ms);
        flush_digest(replica, now_ms);
    }
    adopt_step(replica, now_ms);
    sync_look_for_room(replica, now_ms);
    readiness_call(replica, now_ms);
    sync_send_due(replica, now_ms);
    return actions_of_call(replica);
}

struct actions replica_leave(struct replica *replica, uint64_t now_ms) {
    replica->is_leaving = true;
    flush_digest(replica, now_ms);
    return actions_of_call(replica);
}

/* ---- what it knows --------------------------------------------------------------------------------------------- */

static struct peer_view view_of_self(const struct replica *replica, uint64_t now_ms) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    enum peer_state state = replica->is_leaving                   ? PEER_LEFT
                            : readiness_is_given(replica, now_ms) ? PEER_ALIVE
                                                                  : PEER_JOINING;
    return (struct peer_view){.name = label_text(&replica->name),
                              .region = label_text(&replica->region),
                              .address = label_text(&replica->sync_address),
                              .version = label_text(&replica->version),
                              .origin = replica->config.origin,
                              .state = state,
                              .is_self = true,
                              .members = stats.members};
}

void replica_set_trouble(struct replica *replica, struct text sync_address, enum peer_loss loss, struct text trouble,
                         uint64_t now_ms) {
    struct peer *peer = peers_by_address(&replica->peers, sync_address);
    if (peer == NULL || peer_loss(peer, now_ms) != loss) return;
    label_set(&peer->trouble, trouble);
    peer->trouble_of = loss;
}

static struct peer_view view_of(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    uint64_t known = vector_sequence(&replica->vector, peer->id.origin);
    enum peer_loss loss = peer_loss(peer, now_ms);
    bool is_known = loss != PEER_FOUND && peer->trouble_of == loss;
    return (struct peer_view){.name = label_text(&peer->id.name),
                              .region = label_text(&peer->id.region),
                              .address = label_text(&peer->id.sync_address),
                              .version = label_text(&peer->id.version),
                              .origin = peer->id.origin,
                              .state = peer->life.state,
                              .members = peer->members,
                              .lag = peer->feed.announced > known ? peer->feed.announced - known : 0,
                              .delay_ms = peer->timing.delay_ms,
                              .clock_ms = peer->timing.clock_ms,
                              .silent_ms = now_ms - peer->life.heard_ms,
                              .gossip_address = label_text(&peer->id.gossip_address),
                              .loss = loss,
                              .trouble = is_known ? label_text(&peer->trouble) : (struct text){0}};
}

size_t replica_peers(const struct replica *replica, uint64_t now_ms, struct peer_view *out, size_t limit) {
    size_t count = 0;
    if (limit > 0) out[count++] = view_of_self(replica, now_ms);
    for (size_t i = 0; i < replica->peers.count && count < limit; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (peer_counts(&replica->peers, peer)) out[count++] = view_of(replica, peer, now_ms);
    }
    return count;
}

size_t replica_vector(const struct replica *replica, struct known *out, size_t limit) {
    const struct known own = {replica->config.origin, replica_sequence(replica)};
    size_t count = 0;
    if (own.sequence > 0 && limit > 0) out[count++] = own;
    for (size_t i = 0; i < replica->vector.count && count < limit; i++) {
        const struct vector_entry *entry = &replica->vector.entries[i];
        if (entry->origin != own.origin && entry->sequence > 0)
            out[count++] = (struct known){entry->origin, entry->sequence};
    }
    return count;
}

void replica_stats(const struct replica *replica, struct replica_stats *out) {
    *out = replica->stats;
}
