#include "world.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Nodes that have been up for so long have found each other, and have what a node that ended had. */
enum { SETTLED_MS = 3000, TIMER_LATE_MAX_MS = 30 };

void oracle_clear(struct oracle *oracle) {
    for (size_t i = 0; i < oracle->origin_count; i++) free(oracle->origins[i].beats);
    free(oracle->written);
    memset(oracle, 0, sizeof *oracle);
}

bool version_is_before(struct version a, struct version b) {
    if (a.stamp != b.stamp) return a.stamp < b.stamp;
    return a.ttl_ms != b.ttl_ms ? a.ttl_ms > b.ttl_ms : a.status < b.status;
}

struct version version_of(const struct change *change) {
    return (struct version){.stamp = change->stamp,
                            .ttl_ms = change->ttl_ms,
                            .status = change->status,
                            .origin = change->origin,
                            .sequence = change->sequence};
}

struct version version_of_acknowledged(const struct acknowledged *beat) {
    return (struct version){.stamp = beat->stamp,
                            .ttl_ms = beat->ttl_ms,
                            .status = beat->status,
                            .origin = beat->origin,
                            .sequence = beat->sequence};
}

static uint64_t mix(uint64_t value) {
    value = (value ^ value >> 31) * UINT64_C(0x9e3779b97f4a7c15);
    return value ^ value >> 29;
}

static size_t origin_slot(const struct oracle *oracle, uint64_t id) {
    size_t slot = mix(id) % ORIGIN_SLOTS;
    while (oracle->origin_slots[slot] != 0 && oracle->origins[oracle->origin_slots[slot] - 1].id != id)
        slot = (slot + 1) % ORIGIN_SLOTS;
    return slot;
}

/* origin_count: there is none. */
static size_t origin_index(const struct oracle *oracle, uint64_t id) {
    uint16_t found = oracle->origin_slots[origin_slot(oracle, id)];
    return found == 0 ? oracle->origin_count : found - 1u;
}

const struct origin_known *oracle_origin(const struct oracle *oracle, uint64_t id) {
    size_t i = origin_index(oracle, id);
    return i == oracle->origin_count ? NULL : &oracle->origins[i];
}

/* ---- what was written, by its register and stamp ------------------------------------------------------------------
 */

static uint64_t written_key(bool is_reset, unsigned member, uint64_t stamp) {
    return mix(stamp ^ mix((uint64_t)member * 2 + is_reset)) | 1;
}

static void written_put(struct oracle *oracle, struct written written) {
    size_t slot = written.key / 2 % oracle->written_capacity;
    while (oracle->written[slot].key != 0) slot = (slot + 1) % oracle->written_capacity;
    oracle->written[slot] = written;
}

static void written_add(struct oracle *oracle, struct written written) {
    if (++oracle->written_count * 2 > oracle->written_capacity) {
        struct written *old = oracle->written;
        size_t old_capacity = oracle->written_capacity;
        oracle->written_capacity = old_capacity == 0 ? 1024 : old_capacity * 2;
        oracle->written = calloc(oracle->written_capacity, sizeof *oracle->written);
        if (oracle->written == NULL) abort();
        for (size_t i = 0; i < old_capacity; i++)
            if (old[i].key != 0) written_put(oracle, old[i]);
        free(old);
    }
    written_put(oracle, written);
}

void oracle_node_started(struct world *world, const struct node *node) {
    struct oracle *oracle = &world->oracle;
    if (oracle->origin_count == ORIGINS_MAX) abort();
    size_t slot = origin_slot(oracle, node->origin);
    oracle->origins[oracle->origin_count++] =
        (struct origin_known){.id = node->origin, .node = node->index, .ended_ms = UINT64_MAX};
    oracle->origin_slots[slot] = (uint16_t)oracle->origin_count;
    oracle->watched[node->index] = (struct watched){.lead_ms = INT64_MIN};
    oracle->changed_ms[node->index] = world->now_ms;
}

void oracle_note_room(struct world *world, const struct node *node) {
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    if (stats.evicted > 0) world->has_made_room = true;
}

uint64_t oracle_flush_ms(const struct world *world) {
    return 2 * world->plan.flush_ms + TIMER_LATE_MAX_MS + world->plan.delay_max_ms;
}

/* Whether another node is up, and has been for long enough to have what others had. */
static bool has_settled_other(const struct world *world, const struct node *node) {
    for (unsigned i = 0; i < world->node_count; i++) {
        const struct node *other = &world->nodes[i];
        if (other != node && other->is_up && other->started_ms + SETTLED_MS <= world->now_ms) return true;
    }
    return false;
}

/* Since when no other node has started or ended. */
static uint64_t others_since_ms(const struct world *world, const struct node *node) {
    uint64_t since_ms = 0;
    for (unsigned i = 0; i < world->node_count; i++)
        if (i != node->index && world->oracle.changed_ms[i] > since_ms) since_ms = world->oracle.changed_ms[i];
    return since_ms;
}

/* What the node acknowledged and had the time to publish, to others that had had the time to find each other. */
static void note_owed(struct world *world, const struct node *node, struct origin_known *origin) {
    uint64_t since_ms = others_since_ms(world, node);
    if (!world->plan.is_reliable || !has_settled_other(world, node)) return;
    for (size_t i = 0; i < origin->count; i++) {
        struct acknowledged *beat = &origin->beats[i];
        uint64_t needed_ms = oracle_flush_ms(world) + (beat->is_news ? 0 : REPLICA_REFRESH_WAIT_MS);
        beat->is_owed = beat->at_ms >= since_ms + SETTLED_MS && world->now_ms - beat->at_ms >= needed_ms;
    }
}

/* Another node ends: before the others may have got from it what it alone had of one that ended shortly before, or when
 * there is none left that has anything. */
static void excuse_owed(struct world *world, const struct node *node) {
    bool is_last = !has_settled_other(world, node);
    for (size_t o = 0; o < world->oracle.origin_count; o++) {
        struct origin_known *origin = &world->oracle.origins[o];
        if (origin->ended_ms == UINT64_MAX || (!is_last && origin->ended_ms + SETTLED_MS < world->now_ms)) continue;
        for (size_t i = 0; i < origin->count; i++) origin->beats[i].is_owed = false;
    }
}

void oracle_node_ended(struct world *world, const struct node *node) {
    struct origin_known *origin = &world->oracle.origins[origin_index(&world->oracle, node->origin)];
    oracle_note_room(world, node);
    excuse_owed(world, node);
    note_owed(world, node, origin);
    world->oracle.changed_ms[node->index] = world->now_ms;
    origin->ended_ms = world->now_ms;
}

/* ---- what was acknowledged ------------------------------------------------------------------------------------- */

/* A node that has seen a stamp goes on from there: its own stamps never fall behind in true time. */
static void check_order(struct world *world, const struct node *node, uint64_t stamp) {
    const struct watched *watched = &world->oracle.watched[node->index];
    int64_t lead_ms = (int64_t)(stamp >> HLC_COUNTER_BITS) - (int64_t)world->now_ms;
    if (lead_ms + 1 < watched->lead_ms)
        world_fail(world, "order", "node %u stamps %" PRId64 " ms behind what it knew of", node->index,
                   watched->lead_ms - lead_ms);
}

static struct acknowledged *append(struct world *world, const struct node *node, struct acknowledged beat) {
    struct origin_known *origin = &world->oracle.origins[origin_index(&world->oracle, node->origin)];
    if (origin->count == origin->capacity) {
        origin->capacity = origin->capacity == 0 ? 128 : origin->capacity * 2;
        origin->beats = realloc(origin->beats, origin->capacity * sizeof *origin->beats);
        if (origin->beats == NULL) abort();
    }
    origin->beats[origin->count++] = beat;
    return &origin->beats[origin->count - 1];
}

static void acknowledge(struct world *world, const struct node *node, struct acknowledged beat) {
    struct acknowledged *kept = append(world, node, beat);
    kept->at_ms = world->now_ms;
    kept->origin = node->origin;
    size_t origin = origin_index(&world->oracle, node->origin);
    kept->sequence = world->oracle.origins[origin].count;
    written_add(&world->oracle, (struct written){written_key(kept->is_reset, kept->member, kept->stamp),
                                                 (uint32_t)origin, kept->sequence});
    world->oracle.beats++;
    check_order(world, node, beat.stamp);
}

/* The register as what was acknowledged has it. false: it is another. */
static bool is_as_written(const struct world *world, const struct node *node, const struct change *change,
                          const struct acknowledged *beat) {
    if (beat->is_void || beat->is_reset != change->is_reset || beat->stamp != change->stamp) return false;
    if (change->is_reset) return text_equal(scope_names[beat->member], change->scope);
    if (beat->member != member_find(change->scope, change->user, change->session)) return false;
    if (beat->ttl_ms != change->ttl_ms) return false;
    bool is_live = change->ttl_ms > 0 && change->seen_ms + change->ttl_ms >= node_now_ms(world, node);
    /* A session that is gone shows nothing. */
    return !is_live || (beat->status == change->status && text_equal(state_names[beat->state], change->state));
}

static uint64_t age_error_ms(const struct node *node, const struct change *change, const struct acknowledged *beat) {
    uint64_t seen_ms = change->seen_ms - node->zero_ms;
    return seen_ms > beat->at_ms ? seen_ms - beat->at_ms : beat->at_ms - seen_ms;
}

/* What was acknowledged of a register, whatever its label; NULL: nobody wrote it. Two beats may have the same stamp, by
 * leaves that carry one, and say the same: then it is the one that was made at about that time. */
static const struct acknowledged *find_written(const struct world *world, const struct node *node,
                                               const struct change *change) {
    const struct oracle *oracle = &world->oracle;
    unsigned member = change->is_reset ? name_index(scope_names, SCOPES, change->scope)
                                       : member_find(change->scope, change->user, change->session);
    uint64_t key = written_key(change->is_reset, member, change->stamp);
    const struct acknowledged *found = NULL;
    for (size_t slot = key / 2; oracle->written_capacity > 0; slot++) {
        const struct written *written = &oracle->written[slot % oracle->written_capacity];
        if (written->key == 0) return found;
        if (written->key != key) continue;
        const struct acknowledged *beat = &oracle->origins[written->origin].beats[written->sequence - 1];
        if (!is_as_written(world, node, change, beat)) continue;
        if (found == NULL || age_error_ms(node, change, beat) < age_error_ms(node, change, found)) found = beat;
    }
    return found;
}

/* What a node has adopted since it took `count` sequences is read from its registers: the log may be too short. */
static void learn_labels(struct world *world, struct node *node, struct origin_known *origin, size_t count) {
    struct change changes[256];
    struct walk_cursor cursor = {0};
    for (bool done = false; !done;) {
        size_t n =
            roll_walk(node->roll, &cursor, NULL, 0, sizeof changes / sizeof changes[0], SIZE_MAX, &done, changes);
        for (size_t i = 0; i < n; i++) {
            if (changes[i].origin != node->origin || changes[i].sequence <= count) continue;
            const struct acknowledged *original = find_written(world, node, &changes[i]);
            if (original != NULL) origin->beats[changes[i].sequence - 1] = *original;
        }
    }
}

void oracle_learn_adopted(struct world *world, struct node *node) {
    struct origin_known *origin = &world->oracle.origins[origin_index(&world->oracle, node->origin)];
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    size_t count = origin->count;
    if (count == stats.sequence) return;
    while (origin->count < stats.sequence) {
        append(world, node, (struct acknowledged){.is_void = true});
        world->oracle.adopted++;
    }
    learn_labels(world, node, origin, count);
    transcript_add(&world->transcript, world->now_ms, "node %u adopts %zu registers", node->index,
                   origin->count - count);
}

static void check_count(struct world *world, const struct node *node) {
    struct roll_stats stats;
    roll_stats(node->roll, &stats);
    size_t count = world->oracle.origins[origin_index(&world->oracle, node->origin)].count;
    if (stats.sequence != count)
        world_fail(world, "invariant", "node %u took %" PRIu64 " sequences for %zu beats", node->index, stats.sequence,
                   count);
}

/* A session has left to make room for another one of its user: which one, the node's register says. */
static void acknowledge_displaced(struct world *world, const struct node *node, const struct beat *newcomer,
                                  uint64_t stamp) {
    uint64_t sequence = world->oracle.origins[origin_index(&world->oracle, node->origin)].count + 1;
    for (unsigned session = 0; session < SESSIONS; session++) {
        struct change change;
        unsigned member = member_find(newcomer->scope, newcomer->user, session_names[session]);
        if (!oracle_register(node, member, &change) || change.origin != node->origin || change.sequence != sequence)
            continue;
        if (change.ttl_ms != 0) world_fail(world, "invented", "node %u displaces a session that stays", node->index);
        acknowledge(world, node,
                    (struct acknowledged){
                        .stamp = stamp, .status = change.status, .member = (uint16_t)member, .is_news = true});
        return;
    }
    acknowledge(world, node, (struct acknowledged){.stamp = stamp, .is_void = true});
}

void oracle_touched(struct world *world, const struct node *node, const struct beat *beats,
                    const struct beat_outcome *each, size_t n, uint64_t stamp, bool is_news) {
    const struct origin_known *origin = oracle_origin(&world->oracle, node->origin);
    size_t first = origin->count;
    for (size_t i = 0; i < n; i++) {
        if (each[i].is_unknown) continue;
        struct acknowledged beat = {.stamp = stamp,
                                    .status = beats[i].status,
                                    .state = (uint8_t)name_index(state_names, STATES, beats[i].state),
                                    .member = (uint16_t)member_find(beats[i].scope, beats[i].user, beats[i].session),
                                    .ttl_ms = beats[i].ttl_ms,
                                    .is_news = is_news};
        acknowledge(world, node, beat);
        for (unsigned k = 0; k < each[i].displaced; k++) acknowledge_displaced(world, node, &beats[i], stamp);
    }
    /* All have one stamp: of two about the same session only the later one is ever told of. */
    for (size_t i = first; i < origin->count; i++)
        for (size_t k = i + 1; k < origin->count; k++)
            origin->beats[i].is_void |= origin->beats[k].member == origin->beats[i].member && !origin->beats[k].is_void;
    check_count(world, node);
}

void oracle_left_all(struct world *world, const struct node *node, struct text scope, struct text user) {
    size_t o = origin_index(&world->oracle, node->origin);
    struct member_name name = member_name(member_find(scope, user, session_names[MEMBER_LEAVE]));
    world->oracle.left_all[name.scope * USERS + name.user] =
        (struct left_all){.stamp = node->clock.last, .sequence = world->oracle.origins[o].count, .origin = o};
}

void oracle_was_reset(struct world *world, const struct node *node, unsigned scope, uint64_t stamp) {
    acknowledge(world, node,
                (struct acknowledged){.stamp = stamp, .is_reset = true, .member = (uint16_t)scope, .is_news = true});
    check_count(world, node);
}

/* ---- the invariant --------------------------------------------------------------------------------------------- */

bool oracle_register(const struct node *node, unsigned member, struct change *out) {
    struct member_name name = member_name(member);
    return roll_find_handle(node->roll, scope_names[name.scope], roll_hash(node->roll, user_names[name.user]),
                            roll_session_hash(node->roll, session_names[name.session]), out);
}

uint64_t oracle_leave_stamp(const struct node *node, unsigned member) {
    struct member_name name = member_name(member);
    struct change change;
    return oracle_register(node, member_of(name.scope, name.user, MEMBER_LEAVE), &change) ? change.stamp : 0;
}

/* Whether a full roll, of whatever node, has let members make room: then what was newer, and gone, may be missing. */
static bool has_made_room(struct world *world) {
    for (unsigned i = 0; i < world->node_count && !world->has_made_room; i++)
        if (world->nodes[i].is_up) oracle_note_room(world, &world->nodes[i]);
    return world->has_made_room;
}

/* Whether a member may be missing though a beat of it is known: a reset or a leave of all has voided it, it was
 * forgotten after its retention, or a full roll has let it make room. */
static bool may_be_missing(struct world *world, const struct node *node, const struct acknowledged *beat) {
    const struct version *reset = &world->oracle.watched[node->index].reset[member_name(beat->member).scope];
    if (reset->stamp >= beat->stamp) return true;
    bool is_session = member_name(beat->member).session < SESSIONS;
    if (is_session && oracle_leave_stamp(node, beat->member) > beat->stamp) return true;
    uint64_t end_ms = beat->at_ms + beat->ttl_ms;
    if (end_ms + world->plan.retention_ms <= world->now_ms + world->oracle.slack_ms) return true;
    return has_made_room(world);
}

static const char *check_of(const struct acknowledged *beat) {
    return beat->is_reset ? "reset" : beat->ttl_ms == 0 ? "leave" : "invariant";
}

/* What a node has reset comes only by a walk; resets are rare. */
static void learn_resets(struct world *world, struct node *node) {
    struct change changes[256];
    struct walk_cursor cursor = {0};
    for (bool done = false; !done;) {
        size_t n =
            roll_walk(node->roll, &cursor, NULL, 0, sizeof changes / sizeof changes[0], SIZE_MAX, &done, changes);
        for (size_t i = 0; i < n; i++) {
            unsigned scope = name_index(scope_names, SCOPES, changes[i].scope);
            if (!changes[i].is_reset || scope == SCOPES) continue;
            world->oracle.watched[node->index].reset[scope] = version_of(&changes[i]);
        }
    }
}

bool oracle_has_effect(struct world *world, struct node *node, const struct origin_known *origin, uint64_t sequence,
                       struct version *found) {
    const struct acknowledged *beat = &origin->beats[sequence - 1];
    struct watched *watched = &world->oracle.watched[node->index];
    struct version wanted = version_of_acknowledged(beat);
    *found = (struct version){0};
    if (beat->is_void) return true;
    if (beat->is_reset) {
        if (version_is_before(watched->reset[beat->member], wanted)) learn_resets(world, node);
        *found = watched->reset[beat->member];
        return !version_is_before(*found, wanted);
    }
    struct change change;
    bool is_there = oracle_register(node, beat->member, &change);
    *found = is_there ? version_of(&change) : (struct version){0};
    if (is_there) return !version_is_before(*found, wanted) || has_made_room(world);
    if (may_be_missing(world, node, beat)) return true;
    learn_resets(world, node);
    return may_be_missing(world, node, beat);
}

const char *oracle_describe(const struct acknowledged *beat, char *out, size_t len) {
    struct member_name name = member_name(beat->member);
    if (beat->is_reset) snprintf(out, len, "reset of %.12s", scope_names[beat->member].data);
    else
        snprintf(out, len, "%s%.8s/%.8s/%.8s TTL %" PRIu32 " status %d",
                 name.session == MEMBER_LEAVE    ? "leave of all "
                 : name.session == MEMBER_STATUS ? "status of "
                                                 : "",
                 scope_names[name.scope].data, user_names[name.user].data, session_names[name.session].data,
                 beat->ttl_ms, beat->status);
    return out;
}

/* The stamps that a node holds are those it goes on from. */
static void learn_lead(struct world *world, const struct node *node, uint64_t stamp) {
    struct watched *watched = &world->oracle.watched[node->index];
    int64_t lead_ms = (int64_t)(stamp >> HLC_COUNTER_BITS) - (int64_t)world->now_ms;
    if (stamp != 0 && lead_ms > watched->lead_ms) watched->lead_ms = lead_ms;
}

static void cover(struct world *world, struct node *node, const struct origin_known *origin, uint64_t sequence) {
    struct version found;
    bool has_effect = oracle_has_effect(world, node, origin, sequence, &found);
    learn_lead(world, node, found.stamp);
    if (has_effect) return;
    const struct acknowledged *beat = &origin->beats[sequence - 1];
    char text[80];
    world_fail(world, check_of(beat),
               "node %u covers %" PRIx64 ":%" PRIu64 " (%s, stamp %" PRIx64 ", made at %" PRIu64
               "), but holds %s (stamp %" PRIx64 " of %" PRIx64 ":%" PRIu64 ")",
               node->index, origin->id, sequence, oracle_describe(beat, text, sizeof text), beat->stamp, beat->at_ms,
               found.stamp == 0 ? "nothing" : "something older", found.stamp, found.origin, found.sequence);
}

void oracle_check_vector(struct world *world, struct node *node) {
    struct known vector[ROLL_ORIGINS_MAX];
    size_t count = replica_vector(node->replica, vector, sizeof vector / sizeof vector[0]);
    for (size_t i = 0; i < count; i++) {
        size_t o = origin_index(&world->oracle, vector[i].origin);
        if (vector[i].sequence == 0) continue;
        if (o == world->oracle.origin_count || vector[i].sequence > world->oracle.origins[o].count) {
            world_fail(world, "invented", "node %u covers %" PRIx64 ":%" PRIu64 ", which nobody wrote", node->index,
                       vector[i].origin, vector[i].sequence);
            return;
        }
        uint64_t *checked = &world->oracle.watched[node->index].checked[o];
        while (*checked < vector[i].sequence && !world->has_failed)
            cover(world, node, &world->oracle.origins[o], ++*checked);
    }
}

/* ---- registers ------------------------------------------------------------------------------------------------- */

static void check_age(struct world *world, const struct node *node, const struct change *change,
                      const struct acknowledged *beat) {
    int64_t seen_ms = (int64_t)(change->seen_ms - node->zero_ms);
    int64_t error_ms = seen_ms - (int64_t)beat->at_ms;
    struct text user = change->user;
    if (error_ms > (int64_t)world->oracle.slack_ms)
        world_fail(world, "ghost",
                   "node %u shows %.*s (%" PRIx64 ":%" PRIu64 ") seen %" PRId64 " ms later than it was (TTL %" PRIu32
                   ")",
                   node->index, (int)user.len, user.data, change->origin, change->sequence, error_ms, change->ttl_ms);
    if (error_ms < -(int64_t)NODES_MAX)
        world_fail(world, "early",
                   "node %u shows %.*s (%" PRIx64 ":%" PRIu64 ") seen %" PRId64 " ms earlier than it was", node->index,
                   (int)user.len, user.data, change->origin, change->sequence, -error_ms);
}

static void check_forward(struct world *world, const struct node *node, const struct change *change, unsigned member) {
    struct watched *watched = &world->oracle.watched[node->index];
    struct version *held =
        change->is_reset ? &watched->reset[name_index(scope_names, SCOPES, change->scope)] : &watched->held[member];
    struct version version = version_of(change);
    if (version_is_before(version, *held) && !has_made_room(world))
        world_fail(world, "invariant", "node %u went back from stamp %" PRIx64 " to %" PRIx64 " of %.*s", node->index,
                   held->stamp, version.stamp, (int)change->user.len, change->user.data);
    *held = version;
}

static void check_change(struct world *world, const struct node *node, const struct change *change) {
    const struct origin_known *origin = oracle_origin(&world->oracle, change->origin);
    const struct acknowledged *beat = find_written(world, node, change);
    bool has_label = origin != NULL && change->sequence > 0 && change->sequence <= origin->count &&
                     is_as_written(world, node, change, &origin->beats[change->sequence - 1]);
    if (beat == NULL || !has_label) {
        world_fail(world, "invented",
                   "node %u holds %" PRIx64 ":%" PRIu64 " of %.*s (TTL %" PRIu32 ", status %d), which %s", node->index,
                   change->origin, change->sequence, (int)change->user.len, change->user.data, change->ttl_ms,
                   change->status, beat == NULL ? "nobody wrote" : "has the label of another");
        return;
    }
    if (!change->is_reset) check_age(world, node, change, beat);
    if (!change->is_reset && change->kind == REGISTER_SESSION && oracle_leave_stamp(node, beat->member) > change->stamp)
        world_fail(world, "leave", "node %u holds a session of %.*s that a leave of all sessions makes void",
                   node->index, (int)change->user.len, change->user.data);
    check_forward(world, node, change, beat->member);
}

/* The status of a user by the registers that a node holds; STATUS_NONE: it is not live. */
static uint8_t status_of(const struct node *node, unsigned scope, unsigned user, uint64_t now_ms) {
    uint8_t highest = STATUS_NONE, set = STATUS_NONE;
    for (unsigned session = 0; session < USER_MEMBERS; session++) {
        struct change change;
        bool holds = oracle_register(node, member_of(scope, user, session), &change) && change.ttl_ms > 0 &&
                     change.seen_ms + change.ttl_ms >= now_ms;
        if (!holds) continue;
        if (session == MEMBER_STATUS) set = change.status;
        else if (change.status > highest) highest = change.status;
    }
    return highest == STATUS_NONE || set == STATUS_NONE ? highest : set;
}

/* Where a few users are is where they are live, once each. */
static void check_where(struct world *world, const struct node *node) {
    enum { PLACES = 16 };
    uint64_t hashes[USERS_FEW], now_ms = node_now_ms(world, node);
    struct where_user sorted[USERS_FEW];
    struct where where = {.users = user_names, .count = USERS_FEW, .hashes = hashes, .sorted = sorted};
    struct where_cursor cursor = {0};
    struct place_view places[PLACES];
    unsigned found[SCOPES][USERS_FEW] = {{0}};
    roll_where_prepare(node->roll, &where);
    while (!cursor.is_done) {
        size_t looked, n = roll_where(node->roll, &where, &cursor, PLACES, PLACES, now_ms, places, &looked);
        for (size_t i = 0; i < n; i++) found[name_index(scope_names, SCOPES, places[i].scope)][places[i].index]++;
    }
    for (unsigned scope = 0; scope < SCOPES; scope++) {
        struct user_view views[USERS_FEW];
        roll_live(node->roll, scope_names[scope], user_names, USERS_FEW, now_ms, views);
        for (unsigned user = 0; user < USERS_FEW; user++)
            if (found[scope][user] != views[user].live)
                world_fail(world, "invented", "node %u finds %s %u times in %s", node->index, user_names[user].data,
                           found[scope][user], scope_names[scope].data);
    }
}

/* What readers see agrees with the registers: the live users of a scope, and their number. */
static void check_reads(struct world *world, const struct node *node) {
    uint64_t now_ms = node_now_ms(world, node);
    for (unsigned scope = 0; scope < SCOPES; scope++) {
        struct user_view views[USERS];
        roll_live(node->roll, scope_names[scope], user_names, world->plan.users, now_ms, views);
        unsigned live = 0;
        for (unsigned user = 0; user < world->plan.users; user++) {
            uint8_t status = status_of(node, scope, user, now_ms);
            if (status != (views[user].live ? views[user].status : STATUS_NONE))
                world_fail(world, "invented", "node %u says that %s is %s with status %d, and holds %d", node->index,
                           user_names[user].data, views[user].live ? "live" : "not live", views[user].status, status);
            live += status != STATUS_NONE;
        }
        struct scope_counts counts;
        roll_counts(node->roll, scope_names[scope], NULL, 0, now_ms, &counts, NULL);
        if (node->rolled_ms == world->now_ms && counts.live != live)
            world_fail(world, "invented", "node %u counts %" PRIu64 " live users, and has %u", node->index, counts.live,
                       live);
    }
}

void oracle_look(struct world *world, struct node *node) {
    world->oracle.looks++;
    struct change changes[256];
    struct walk_cursor cursor = {0};
    for (bool done = false; !done && !world->has_failed;) {
        size_t n =
            roll_walk(node->roll, &cursor, NULL, 0, sizeof changes / sizeof changes[0], SIZE_MAX, &done, changes);
        for (size_t i = 0; i < n && !world->has_failed; i++) check_change(world, node, &changes[i]);
    }
    if (!world->has_failed) check_reads(world, node);
    if (!world->has_failed) check_where(world, node);
}
