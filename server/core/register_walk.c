/* Walks over all registers, for peers that the change log cannot serve. */
#include "scope_users.h"

/* A walk goes over the hash space in segments of a few slots, and takes these in the order of their numbers with the
 * bits reversed (van der Corput, 1935). Whoever merges what a walk tells, under the same key, so fills tables that are
 * still small evenly. In the plain order of hashes everything would crowd at the front of them, until they have grown:
 * the cost of a table would go with the square of its size. */
enum { SEGMENT_SLOTS = 16, SEGMENT_BITS_MAX = 20 };

struct scattered_walk {
    const struct roll *roll;
    const struct scope *scope; /* over its users; NULL: over the scopes */
    struct index_walk walk;
    uint32_t segment;
    uint8_t bits;
};

static uint8_t segment_bits(uint32_t slots) {
    uint8_t bits = 0;
    while (bits < SEGMENT_BITS_MAX && slots >> bits > SEGMENT_SLOTS) bits++;
    return bits;
}

static uint32_t bits_reversed(uint32_t number, unsigned bits) {
    uint32_t reversed = 0;
    for (unsigned i = 0; i < bits; i++) reversed |= (number >> i & 1) << (bits - 1 - i);
    return reversed;
}

static struct scattered_walk scattered_from(const struct roll *roll, const struct scope *scope, uint8_t bits,
                                            uint32_t high) {
    struct scattered_walk walk = {
        .roll = roll, .scope = scope, .bits = bits <= SEGMENT_BITS_MAX ? bits : SEGMENT_BITS_MAX};
    walk.segment = (uint32_t)((uint64_t)high >> (32 - walk.bits));
    uint64_t until = (uint64_t)(walk.segment + 1) << (32 - walk.bits);
    walk.walk =
        scope != NULL ? scope_users_walk_range(scope, high, until) : index_walk_range(&roll->directory, high, until);
    return walk;
}

/* Goes on to the next segment. *hash: the last hash of this one. false: it was the last. */
static bool scattered_step(struct scattered_walk *walk, uint64_t *hash) {
    if (walk->bits == 0) return false;
    uint32_t number = bits_reversed(walk->segment, walk->bits);
    if (number == (UINT32_C(1) << walk->bits) - 1) return false;
    *hash = ((uint64_t)(walk->segment + 1) << (64 - walk->bits)) - 1;
    uint32_t next = bits_reversed(number + 1, walk->bits);
    *walk = scattered_from(walk->roll, walk->scope, walk->bits, next << (32 - walk->bits));
    return true;
}

struct registers {
    const struct roll *roll;
    uint64_t have[ROLL_ORIGINS_MAX]; /* by the roll's index of an origin */
    struct change *out;
    size_t count, limit, looked, budget;
    bool has_users; /* it has looked at one in this call */
};

static void registers_begin(struct registers *registers, const struct known *have, size_t have_count) {
    memset(registers->have, 0, sizeof registers->have);
    for (size_t k = 0; k < have_count; k++) {
        uint16_t i = origin_find(registers->roll, have[k].origin);
        if (i != ORIGIN_NONE) registers->have[i] = have[k].sequence;
    }
}

static bool is_wanted(const struct registers *registers, const struct scope *scope, uint32_t ref) {
    const struct member *m = member_at(registers->roll, ref);
    if (m->stamp == 0 || m->sequence <= registers->have[m->origin] || member_is_void(scope, m)) return false;
    return m->is_live || !member_is_void_by_leave(registers->roll, ref);
}

/* The registers of one user, all or none. false: out of room. */
static bool registers_of_user(struct registers *registers, const struct scope *scope, uint32_t first) {
    size_t count = registers->count;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(registers->roll, ref)->next_session) {
        registers->looked++;
        if (!is_wanted(registers, scope, ref)) continue;
        if (registers->count == registers->limit) {
            registers->count = count;
            return false;
        }
        change_of_register(registers->roll, ref, &registers->out[registers->count++]);
    }
    return true;
}

/* Of the sessions of a user those whose hashes are in first..last: writes them where `out` is not NULL. */
static size_t sessions_between(const struct registers *registers, const struct scope *scope, uint32_t user,
                               uint64_t first, uint64_t last, struct change *out) {
    size_t count = 0;
    for (uint32_t ref = user; ref != MEMBER_NONE; ref = member_at(registers->roll, ref)->next_session) {
        const struct member *m = member_at(registers->roll, ref);
        struct text session = member_session(m);
        uint64_t hash = hash_of_name(registers->roll, session.data, session.len);
        if (hash < first || hash > last || !is_wanted(registers, scope, ref)) continue;
        if (out != NULL) change_of_register(registers->roll, ref, &out[count]);
        count++;
    }
    return count;
}

/* Nodes that do not see each other let in as many sessions each: such a user may not fit any page, and comes in parts,
 * by the hashes of its sessions. Whether this was the last part. */
static bool registers_split(struct registers *registers, const struct scope *scope, uint32_t user,
                            struct walk_cursor *cursor) {
    size_t room = registers->limit - registers->count;
    uint64_t last = UINT64_MAX;
    while (last > cursor->split_session &&
           sessions_between(registers, scope, user, cursor->split_session, last, NULL) > room)
        last = cursor->split_session + (last - cursor->split_session) / 2;
    registers->count +=
        sessions_between(registers, scope, user, cursor->split_session, last, &registers->out[registers->count]);
    registers->looked += room;
    cursor->split_user = user_hash(registers->roll, user);
    cursor->split_session = last == UINT64_MAX ? 0 : last + 1;
    return last == UINT64_MAX;
}

/* What the walk tells of a user. false: out of room. */
static bool registers_take(struct registers *registers, const struct scope *scope, uint32_t user,
                           struct walk_cursor *cursor) {
    if (cursor->split_session != 0) {
        if (cursor->split_user == user_hash(registers->roll, user))
            return registers_split(registers, scope, user, cursor);
        cursor->split_session = 0; /* it was forgotten */
    }
    bool is_taken = registers_of_user(registers, scope, user);
    if (is_taken || registers->has_users) return is_taken;
    return registers_split(registers, scope, user, cursor);
}

static void cursor_stop(const struct roll *roll, struct walk_cursor *cursor, uint32_t last) {
    if (last == MEMBER_NONE) return;
    cursor->has_user = true;
    cursor->user_hash = user_hash(roll, last);
}

/* The users of a scope after the cursor. false: out of room or budget; the cursor says where to go on. */
static bool registers_of_scope(struct registers *registers, const struct scope *scope, struct walk_cursor *cursor) {
    const struct roll *roll = registers->roll;
    uint32_t from = cursor->has_user ? (uint32_t)(cursor->user_hash >> 32) : 0;
    struct scattered_walk scattered = scattered_from(roll, scope, cursor->user_bits, from);
    do {
        uint32_t last = MEMBER_NONE;
        const struct index_slot *slot;
        while ((slot = index_walk_next(&scattered.walk, &registers->looked)) != NULL) {
            if (cursor->has_user && slot->high == from && user_hash(roll, slot->ref) <= cursor->user_hash) continue;
            bool is_taken = registers_take(registers, scope, slot->ref, cursor);
            registers->has_users = true;
            if (is_taken) last = slot->ref;
            if (is_taken && registers->looked < registers->budget) continue;
            cursor_stop(roll, cursor, last);
            return false;
        }
        if (!scattered_step(&scattered, &cursor->user_hash)) return true;
        cursor->has_user = true;
    } while (registers->looked < registers->budget);
    return false;
}

/* A scope that the cursor has come to, or was in. false: out of room or budget. */
static bool registers_of_slot(struct registers *registers, const struct index_slot *slot, uint64_t hash,
                              struct walk_cursor *cursor) {
    const struct scope *scope = scope_at(registers->roll, slot->ref);
    bool is_resumed = cursor->is_begun && hash == cursor->scope_hash && !cursor->is_scope_done;
    if (!is_resumed)
        *cursor = (struct walk_cursor){.is_begun = true,
                                       .scope_bits = cursor->scope_bits,
                                       .user_bits = segment_bits(scope_users_slots(scope)),
                                       .scope_hash = hash};
    /* Also where the walk goes on: a reset since then has taken members that were yet to come. */
    if (scope_reset_stamp(scope) != 0 && scope->crowd->reset_sequence > registers->have[scope->crowd->reset_origin])
        change_of_reset(registers->roll, scope, &registers->out[registers->count++]);
    if (!registers_of_scope(registers, scope, cursor)) return false;
    cursor->is_scope_done = true;
    return registers->count < registers->limit && registers->looked < registers->budget;
}

size_t roll_walk(const struct roll *roll, struct walk_cursor *cursor, const struct known *have, size_t have_count,
                 size_t limit, size_t budget, bool *done, struct change *out) {
    struct registers registers = {.roll = roll, .out = out, .limit = limit, .budget = budget};
    registers_begin(&registers, have, have_count);
    *done = false;
    if (!cursor->is_begun) cursor->scope_bits = segment_bits(roll->directory.now.capacity);
    uint32_t from = cursor->is_begun ? (uint32_t)(cursor->scope_hash >> 32) : 0;
    struct scattered_walk scattered = scattered_from(roll, NULL, cursor->scope_bits, from);
    do {
        const struct index_slot *slot;
        while ((slot = index_walk_next(&scattered.walk, &registers.looked)) != NULL) {
            uint64_t hash = scope_hash(roll, slot->ref);
            bool is_past = cursor->is_begun && slot->high == from && hash <= cursor->scope_hash &&
                           (hash < cursor->scope_hash || cursor->is_scope_done);
            if (!is_past && !registers_of_slot(&registers, slot, hash, cursor)) return registers.count;
        }
        if (!scattered_step(&scattered, &cursor->scope_hash)) {
            *done = true;
            return registers.count;
        }
        cursor->is_begun = cursor->is_scope_done = true;
    } while (registers.looked < budget);
    return registers.count;
}

uint64_t roll_fingerprint(const struct roll *roll, uint64_t now_ms) {
    uint64_t sum = 0;
    for (uint32_t ref = 1; ref < roll->slab.next_fresh; ref++) {
        const struct member *m = member_at(roll, ref);
        if (!m->is_used || m->stamp == 0) continue;
        const struct scope *scope = scope_at(roll, m->scope);
        if (!member_is_kept(roll, scope, m, now_ms) || member_is_void_by_leave(roll, ref)) continue;
        struct text user = member_user(m), session = member_session(m);
        uint64_t parts[6] = {scope_hash(roll, m->scope),
                             hash_of_name(roll, user.data, user.len),
                             hash_of_name(roll, session.data, session.len),
                             m->stamp,
                             m->ttl_ms,
                             m->status};
        sum += siphash(roll->config.hash_key, 1, 3, parts, sizeof parts);
    }
    return sum;
}
