#include "common/random.h"
#include "replica_internal.h"

#include <sodium.h>

struct replica *replica_new(const struct replica_config *config, uint64_t now_ms) {
    const struct allocator *a = &config->allocator;
    struct replica *replica = a->allocate(a->context, sizeof *replica);
    if (replica == NULL) return NULL;
    replica->config = *config;
    replica->allocator = replica->peers.allocator = replica->actions.allocator = *a;
    label_set(&replica->name, config->name);
    label_set(&replica->region, config->region);
    label_set(&replica->version, config->version);
    label_set(&replica->gossip_address, config->gossip_address);
    label_set(&replica->sync_address, config->sync_address);
    replica->random = config->seed;
    replica->started_ms = now_ms;
    replica->refresh_by_ms = UINT64_MAX;
    replica->digest_at_ms = now_ms + replica_random(replica) % REPLICA_DIGEST_MS;
    /* What the roll holds of its own already was loaded, not touched: nobody waits for it. */
    replica->flushed = replica_sequence(replica);
    return replica;
}

void replica_free(struct replica *replica) {
    if (replica == NULL) return;
    struct allocator a = replica->allocator;
    action_list_clear(&replica->actions);
    peers_free(&replica->peers);
    sodium_memzero(replica->opened, sizeof replica->opened);
    a.release(a.context, replica, sizeof *replica);
}

void replica_restore(struct replica *replica, const struct known *known, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (known[i].origin == replica->config.origin || known[i].origin == 0) continue;
        merge_known(replica, known[i].origin, known[i].sequence);
        /* The roll changed while the snapshot was written: it may hold more than the vector says. */
        vector_note_unconfirmed(&replica->vector, known[i].origin, SEQUENCE_MAX);
        replica->unconfirmed_since_ms = replica->started_ms;
    }
}

void replica_set_keyring(struct replica *replica, const struct keyring *keyring) {
    replica->config.keyring = keyring;
}

/* ---- what the files share -------------------------------------------------------------------------------------- */

uint64_t replica_sequence(const struct replica *replica) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    return stats.sequence;
}

size_t replica_list_known(struct replica *replica, uint64_t own_sequence, uint64_t now_ms) {
    vector_raise(&replica->vector, replica->config.origin, own_sequence);
    uint64_t fade_ms = roll_retention_ms(replica->config.roll) + MUSTER_TTL_MAX_MS;
    size_t count = vector_list(&replica->vector, now_ms, fade_ms, replica->known, ROLL_ORIGINS_MAX);
    for (size_t i = 0; i < count; i++)
        if (replica->known[i].origin == replica->config.origin) replica->known[i].sequence = own_sequence;
    return count;
}

struct node_info replica_node_info(const struct replica *replica) {
    return (struct node_info){label_text(&replica->name), label_text(&replica->region),
                              label_text(&replica->gossip_address), label_text(&replica->sync_address),
                              label_text(&replica->version)};
}

uint64_t replica_wall_ms(const struct replica *replica, uint64_t now_ms) {
    return replica->config.clock->wall_ms_at_zero + now_ms;
}

uint64_t replica_random(struct replica *replica) {
    return splitmix64_next(&replica->random);
}

bool replica_open(struct replica *replica, enum seal_kind kind, const uint8_t *bytes, size_t len, struct text *plain) {
    *plain = (struct text){0};
    size_t most = kind == SEAL_FRAME ? (size_t)REPLICA_FRAME_BYTES_MAX : (size_t)REPLICA_SYNC_BYTES_MAX, plain_len;
    replica->stats.bytes_in += len;
    enum muster_code code = len > most
                                ? MUSTER_INVALID_ARGUMENT
                                : seal_open(replica->config.keyring, kind, bytes, len, replica->opened, &plain_len);
    switch (code) {
    case MUSTER_OK:
        *plain = (struct text){(const char *)replica->opened, (uint32_t)plain_len};
        return true;
    case MUSTER_PERMISSION_DENIED:
        replica->stats.dropped_forged++;
        return false;
    case MUSTER_NOT_FOUND:
    case MUSTER_UNIMPLEMENTED:
        replica->stats.dropped_foreign++;
        return false;
    default:
        replica->stats.dropped_broken++;
        return false;
    }
}

/* ---- getting to know ------------------------------------------------------------------------------------------- */

struct peer *replica_note_address(struct replica *replica, struct text sync_address, uint64_t now_ms) {
    if (text_equal(sync_address, label_text(&replica->sync_address))) return NULL;
    for (size_t i = 0; i < replica->peers.count; i++) {
        struct peer *peer = replica->peers.items[i];
        if (peer->origin != 0 && text_equal(label_text(&peer->own_address), sync_address)) return peer;
    }
    return peers_obtain(&replica->peers, sync_address, now_ms);
}

void replica_subscribe(struct replica *replica, struct peer *peer) {
    struct text address = label_text(&peer->gossip_address);
    if (address.len == 0 || text_equal(address, label_text(&peer->subscribed))) return;
    replica_unsubscribe(replica, peer);
    bool is_there = peers_by_gossip(&replica->peers, address) != NULL;
    if (is_there || action_list_add(&replica->actions, ACTION_SUBSCRIBE, 0, address, 0) != NULL)
        label_set(&peer->subscribed, address);
}

void replica_unsubscribe(struct replica *replica, struct peer *peer) {
    struct label subscribed = peer->subscribed;
    peer->subscribed.len = 0;
    if (subscribed.len == 0 || peers_by_gossip(&replica->peers, label_text(&subscribed)) != NULL) return;
    if (action_list_add(&replica->actions, ACTION_UNSUBSCRIBE, 0, label_text(&subscribed), 0) == NULL)
        peer->subscribed = subscribed; /* the next tick tries again */
}

struct actions replica_add_peer(struct replica *replica, struct text sync_address, uint64_t now_ms) {
    action_list_clear(&replica->actions);
    if (replica_note_address(replica, sync_address, now_ms) != NULL) sync_send_due(replica, now_ms);
    return action_list_actions(&replica->actions);
}

void replica_seeds_resolved(struct replica *replica) {
    replica->config.expects_peers = false;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static bool is_present(const void *context, uint64_t origin) {
    const struct replica *replica = context;
    const struct peer *peer = peers_by_origin(&replica->peers, origin);
    return origin == replica->config.origin || (peer != NULL && peer->state < PEER_DOWN);
}

static void age_peers(struct replica *replica, uint64_t now_ms) {
    for (size_t i = replica->peers.count; i-- > 0;) {
        struct peer *peer = replica->peers.items[i];
        peer_age(peer, now_ms);
        if (peer->state < PEER_DOWN || now_ms - peer->heard_ms < PEER_FORGET_MS) continue;
        replica_unsubscribe(replica, peer);
        if (peer->subscribed.len == 0 && peer->query.ticket == 0) peers_remove(&replica->peers, peer);
    }
}

/* Whether a peer that nothing was had of yet is to be waited for: it has given a sign of life lately, or was not tried
 * for long enough. */
static bool is_awaited(const struct peer *peer, uint64_t now_ms) {
    return !peer->is_synced && (!peer->was_queried || now_ms - peer->sign_ms < JOIN_PATIENCE_MS);
}

/* In sync with a node that is; or with all that answer, where none is: then there is nothing more to know. */
static bool is_in_sync(const struct replica *replica, uint64_t now_ms) {
    size_t synced = 0, waiting = 0;
    for (size_t i = 0; i < replica->peers.count; i++) {
        const struct peer *peer = replica->peers.items[i];
        if (!peer_counts(&replica->peers, peer)) continue;
        if (peer->is_synced && peer->is_ready) return true;
        synced += peer->is_synced;
        waiting += is_awaited(peer, now_ms);
    }
    return synced > 0 && waiting == 0;
}

bool replica_is_ready(const struct replica *replica, uint64_t now_ms) {
    bool is_alone = peers_that_count(&replica->peers) == 0 && !replica->config.expects_peers;
    return replica->is_ready || is_alone || now_ms - replica->started_ms >= replica->config.join_timeout_ms;
}

static void look_ready(struct replica *replica, uint64_t now_ms) {
    if (!replica->is_ready) replica->is_ready = replica_is_ready(replica, now_ms) || is_in_sync(replica, now_ms);
}

struct actions replica_tick(struct replica *replica, uint64_t now_ms) {
    action_list_clear(&replica->actions);
    look_ready(replica, now_ms);
    if (flush_is_due(replica, now_ms)) flush_all(replica, now_ms);
    if (now_ms >= replica->digest_at_ms) {
        uint64_t fade_ms = roll_retention_ms(replica->config.roll) + MUSTER_TTL_MAX_MS;
        vector_age(&replica->vector, replica->config.roll, now_ms, fade_ms + FORGET_AFTER_FADE_MS, is_present, replica);
        age_peers(replica, now_ms);
        flush_digest(replica, now_ms);
    }
    adopt_step(replica, now_ms);
    sync_look_for_room(replica, now_ms);
    sync_send_due(replica, now_ms);
    return action_list_actions(&replica->actions);
}

struct actions replica_leave(struct replica *replica, uint64_t now_ms) {
    action_list_clear(&replica->actions);
    replica->is_leaving = true;
    flush_digest(replica, now_ms);
    return action_list_actions(&replica->actions);
}

/* ---- what it knows --------------------------------------------------------------------------------------------- */

static struct peer_view view_of_self(const struct replica *replica, uint64_t now_ms) {
    struct roll_stats stats;
    roll_stats(replica->config.roll, &stats);
    enum peer_state state = replica->is_leaving                 ? PEER_LEFT
                            : replica_is_ready(replica, now_ms) ? PEER_ALIVE
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

static struct peer_view view_of(const struct replica *replica, const struct peer *peer, uint64_t now_ms) {
    uint64_t known = vector_sequence(&replica->vector, peer->origin);
    return (struct peer_view){.name = label_text(&peer->name),
                              .region = label_text(&peer->region),
                              .address = label_text(&peer->sync_address),
                              .version = label_text(&peer->version),
                              .origin = peer->origin,
                              .state = peer->state,
                              .members = peer->members,
                              .lag = peer->announced > known ? peer->announced - known : 0,
                              .delay_ms = peer->delay_ms,
                              .clock_ms = peer->clock_ms,
                              .silent_ms = now_ms - peer->heard_ms};
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
