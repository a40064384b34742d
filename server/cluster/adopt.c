#include "adopt.h"

#include "retire.h"

enum {
    ADOPT_WAIT_MS = 1000,   /* until a gap counts as one that nobody closes */
    ADOPT_SILENT_MS = 1500, /* until an origin counts as gone */
    ADOPT_LOOK_MS = 100,
    ADOPT_BUDGET = 4096,
    ADOPT_RETIRED = 128, /* registers a step: peers are told of each, whatever else they are told */
};

/* Whether the origin is a peer that is heard, or this node. */
static bool is_heard(const struct replica *replica, uint64_t origin, uint64_t now_ms) {
    const struct peer *peer = peers_by_origin(&replica->peers, origin);
    if (peer == NULL) return origin == replica->config.origin;
    return peer->life.state == PEER_ALIVE && now_ms - peer->life.heard_ms < ADOPT_SILENT_MS;
}

/* Whether a register is unconfirmed whose origin cannot send it. Registers of a snapshot are unconfirmed without a
 * known end (SEQUENCE_MAX): until the vector has come to what their origin announced. */
static bool has_unconfirmed_of_others(struct replica *replica, uint64_t now_ms) {
    bool is_some = false;
    for (size_t i = 0; i < replica->vector.count; i++) {
        struct vector_entry *entry = &replica->vector.entries[i];
        if (!vector_entry_is_unconfirmed(entry)) continue;
        if (!is_heard(replica, entry->origin, now_ms)) {
            is_some = true;
            continue;
        }
        const struct peer *peer = peers_by_origin(&replica->peers, entry->origin);
        bool is_told = peer != NULL && peer->feed.announced > 0 && peer->feed.announced <= entry->sequence;
        if (is_told && entry->unconfirmed == SEQUENCE_MAX) entry->unconfirmed = 0;
    }
    return is_some;
}

static bool is_due(const struct replica *replica, uint64_t now_ms) {
    if (replica->walker != 0 || now_ms - replica->pages_ms < ADOPT_WAIT_MS) return false;
    return now_ms - replica->unconfirmed_since_ms >= ADOPT_WAIT_MS && peers_that_count(&replica->peers) > 0;
}

/* Registers that no other node may have: from now on they are taken care of. */
static void take_unconfirmed(struct replica *replica, uint64_t now_ms) {
    replica->unconfirmed_since_ms = 0;
    /* Registers that are merged from now on are unconfirmed anew. */
    for (size_t i = 0; i < replica->vector.count; i++) {
        struct vector_entry *entry = &replica->vector.entries[i];
        if (!is_heard(replica, entry->origin, now_ms)) entry->unconfirmed = 0;
        else if (vector_entry_is_unconfirmed(entry)) replica->unconfirmed_since_ms = now_ms;
    }
}

/* Whether to begin to adopt. */
static bool adopt_is_wanted(struct replica *replica, uint64_t now_ms) {
    if (replica->unconfirmed_since_ms == 0) return false;
    if (!vector_has_unconfirmed(&replica->vector)) {
        replica->unconfirmed_since_ms = 0;
        return false;
    }
    if (!is_due(replica, now_ms)) return false;
    if (has_unconfirmed_of_others(replica, now_ms)) return true;
    replica->unconfirmed_since_ms = now_ms - ADOPT_WAIT_MS + ADOPT_LOOK_MS;
    return false;
}

static bool adopt_begin(struct replica *replica, uint64_t now_ms) {
    bool has_unconfirmed = adopt_is_wanted(replica, now_ms);
    if (has_unconfirmed) take_unconfirmed(replica, now_ms);
    if (!retire_choose(replica, now_ms) && !has_unconfirmed) return false;
    replica->adopt_cursor = (struct walk_cursor){0};
    return true;
}

/* What this node knows, in replica->known, less the origins that are retired: a walk then comes to all registers of
 * those. Returns how many. */
static size_t list_settled(struct replica *replica) {
    size_t known = replica_list_known(replica, replica_sequence(replica), false, 0), kept = 0;
    for (size_t i = 0; i < known; i++)
        if (!retire_includes(replica, replica->known[i].origin)) replica->known[kept++] = replica->known[i];
    return kept;
}

void adopt_step(struct replica *replica, uint64_t now_ms) {
    if (!replica->is_adopting) replica->is_adopting = adopt_begin(replica, now_ms);
    if (!replica->is_adopting) return;
    bool is_done;
    size_t limit = replica->retired_count > 0 ? ADOPT_RETIRED : ROLL_MERGE_MAX, known = list_settled(replica);
    size_t n = roll_walk(replica->config.roll, &replica->adopt_cursor, replica->known, known, limit, ADOPT_BUDGET,
                         &is_done, replica->changes);
    for (size_t i = 0; i < n; i++) {
        if (is_heard(replica, replica->changes[i].origin, now_ms)) continue;
        if (!roll_adopt(replica->config.roll, &replica->changes[i])) continue;
        replica->stats.adopted++;
        replica->has_news = true;
    }
    replica->is_adopting = !is_done;
}
