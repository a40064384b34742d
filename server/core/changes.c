/* What replication reads: the change log, and walks over all registers.
 *
 * The log is an append-only ring of places, by sequence. A place is stale once its member has taken another sequence
 * of this node's, so a member that is touched a thousand times comes once. */
#include "roll_internal.h"

enum { LOG_LOOKED_A_CHANGE = 16 }; /* places that a call may look at for each change it may write */

static void change_of_reset(const struct roll *roll, const struct scope *scope, struct change *out) {
    *out = (struct change){.origin = roll->origins[scope->reset_origin].id,
                           .sequence = scope->reset_sequence,
                           .is_reset = true,
                           .scope = {scope->name, scope->name_len},
                           .stamp = scope->reset_stamp,
                           .seen_ms = scope->reset_seen_ms};
}

void change_of_register(const struct roll *roll, uint32_t ref, struct change *out) {
    const struct member *m = member_at(roll, ref);
    const struct scope *scope = scope_at(roll, m->scope);
    *out = (struct change){.origin = roll->origins[m->origin].id,
                           .sequence = m->sequence,
                           .stamp = m->stamp,
                           .seen_ms = m->seen_ms,
                           .scope = {scope->name, scope->name_len},
                           .user = member_user(m),
                           .session = member_session(m),
                           .state = member_state(m),
                           .ttl_ms = m->ttl_ms,
                           .status = m->status};
}

/* What a place tells, if it is not stale. */
static bool change_of_place(const struct roll *roll, uint32_t place, uint64_t sequence, struct change *out) {
    if (place & LOG_IS_RESET) {
        const struct scope *scope = scope_at(roll, place & ~LOG_IS_RESET);
        bool is_it = scope != NULL && scope->reset_stamp != 0 && scope->reset_origin == ORIGIN_SELF &&
                     scope->reset_sequence == sequence;
        if (is_it) change_of_reset(roll, scope, out);
        return is_it;
    }
    const struct member *m = member_at(roll, place & LOG_MEMBER);
    bool is_stale = !m->is_used || m->stamp == 0 ||
                    (!(place & LOG_IS_FOREIGN) && (m->origin != ORIGIN_SELF || m->sequence != sequence));
#ifdef MUTANT_STALE_LOG_PLACE
    is_stale = !m->is_used;
#endif
    if (is_stale || member_is_void(scope_at(roll, m->scope), m)) return false;
    change_of_register(roll, place & LOG_MEMBER, out);
    out->is_refresh = !(place & (LOG_IS_NEWS | LOG_IS_FOREIGN));
    return true;
}

size_t roll_changes(const struct roll *roll, uint64_t *after, size_t limit, bool *complete, struct change *out) {
    *complete = roll->sequence - *after <= roll->config.log_places;
    if (!*complete) return 0;
    size_t count = 0;
    for (size_t looked = 0; *after < roll->sequence && count < limit && looked < limit * LOG_LOOKED_A_CHANGE;
         looked++) {
        uint64_t sequence = ++*after;
        count += change_of_place(roll, roll->log[sequence & (roll->config.log_places - 1)], sequence, &out[count]);
    }
    return count;
}

void roll_flushed(struct roll *roll, uint64_t sequence) {
    roll->flushed_sequence = sequence;
}

/* ---- handles --------------------------------------------------------------------------------------------------- / */

uint64_t roll_session_place(const struct roll *roll, struct text session) {
    return session.len == 0 ? 0 : (place_of_name(roll, session.data, session.len) & UINT32_MAX) | 1;
}

bool roll_find_handle(const struct roll *roll, struct text scope_name, uint64_t user_place_asked,
                      uint64_t session_place, struct change *out) {
    uint32_t scope_ref = scope_find(roll, scope_name);
    if (scope_ref == SCOPE_NONE) return false;
    const struct scope *scope = scope_at(roll, scope_ref);
    const struct index_slot *slot = index_find(&scope->users, user_place_asked);
    for (uint32_t hash = slot == NULL ? 0 : slot->hash; slot != NULL && slot->ref != 0 && slot->hash == hash; slot++) {
        if (user_place(roll, slot->ref) != user_place_asked) continue;
        for (uint32_t ref = slot->ref; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            const struct member *m = member_at(roll, ref);
            if (member_is_void(scope, m) || roll_session_place(roll, member_session(m)) != session_place) continue;
            change_of_register(roll, ref, out);
            return true;
        }
    }
    return false;
}

/* ---- walks ----------------------------------------------------------------------------------------------------- / */

struct registers {
    const struct roll *roll;
    uint64_t have[ROLL_ORIGINS_MAX]; /* by the roll's index of an origin */
    struct change *out;
    size_t count, limit, looked, budget;
};

static void registers_begin(struct registers *registers, const struct known *have, size_t have_count) {
    for (size_t i = 0; i < ROLL_ORIGINS_MAX; i++) {
        registers->have[i] = 0;
        uint64_t id = registers->roll->origins[i].id;
        if (id == 0) continue;
        for (size_t k = 0; k < have_count; k++)
            if (have[k].origin == id) registers->have[i] = have[k].sequence;
    }
}

/* The registers of one user, all or none. */
static void registers_of_user(struct registers *registers, const struct scope *scope, uint32_t first) {
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(registers->roll, ref)->next_session) {
        const struct member *m = member_at(registers->roll, ref);
        registers->looked++;
        if (m->stamp == 0 || m->sequence <= registers->have[m->origin] || member_is_void(scope, m)) continue;
        if (registers->count < registers->limit)
            change_of_register(registers->roll, ref, &registers->out[registers->count]);
        registers->count++;
    }
}

static void cursor_stop(const struct roll *roll, struct walk_cursor *cursor, uint32_t last) {
    if (last == MEMBER_NONE) return;
    cursor->has_user = true;
    cursor->user_place = user_place(roll, last);
}

/* The users of a scope after the cursor. false: out of room or budget; the cursor says where to go on. */
static bool registers_of_scope(struct registers *registers, const struct scope *scope, struct walk_cursor *cursor) {
    const struct roll *roll = registers->roll;
    uint32_t near = (uint32_t)(cursor->user_place >> 32), last = MEMBER_NONE;
    struct index_walk walk = index_walk_from(&scope->users, cursor->has_user ? near : 0);
    const struct index_slot *slot;
    while ((slot = index_walk_next(&walk, &registers->looked)) != NULL) {
        uint32_t ref = slot->ref;
        if (cursor->has_user && slot->hash == near && user_place(roll, ref) <= cursor->user_place) continue;
        size_t count = registers->count;
        bool is_out = registers->looked >= registers->budget && last != MEMBER_NONE;
        if (!is_out) registers_of_user(registers, scope, ref);
        if (is_out || registers->count > registers->limit) {
            registers->count = count;
            cursor_stop(roll, cursor, last);
            return false;
        }
        last = ref;
    }
    return true;
}

size_t roll_walk(const struct roll *roll, struct walk_cursor *cursor, const struct known *have, size_t have_count,
                 size_t limit, size_t budget, bool *done, struct change *out) {
    struct registers registers = {.roll = roll, .out = out, .limit = limit, .budget = budget};
    registers_begin(&registers, have, have_count);
    *done = false;
    uint32_t from = cursor->is_begun ? (uint32_t)(cursor->scope_place >> 32) : 0;
    struct index_walk walk = index_walk_from(&roll->directory, from);
    const struct index_slot *slot;
    while ((slot = index_walk_next(&walk, &registers.looked)) != NULL) {
        const struct scope *scope = scope_at(roll, slot->ref);
        uint64_t place = scope_place(roll, slot->ref);
        bool is_resumed = cursor->is_begun && place == cursor->scope_place && !cursor->is_scope_done;
        if (cursor->is_begun && place <= cursor->scope_place && !is_resumed) continue;
        if (registers.count >= limit || (registers.looked >= budget && registers.count > 0)) return registers.count;
        if (!is_resumed) {
            *cursor = (struct walk_cursor){.is_begun = true, .scope_place = place};
            if (scope->reset_stamp != 0 && scope->reset_sequence > registers.have[scope->reset_origin])
                change_of_reset(roll, scope, &out[registers.count++]);
        }
        if (!registers_of_scope(&registers, scope, cursor)) return registers.count;
        cursor->is_scope_done = true;
    }
    *done = true;
    return registers.count;
}

uint64_t roll_fingerprint(const struct roll *roll, uint64_t now_ms) {
    uint64_t sum = 0;
    for (uint32_t ref = 1; ref < roll->slab.next_fresh; ref++) {
        const struct member *m = member_at(roll, ref);
        if (!m->is_used || m->stamp == 0) continue;
        const struct scope *scope = scope_at(roll, m->scope);
        if (!member_is_remembered(roll, scope, m, now_ms)) continue;
        struct text user = member_user(m), session = member_session(m);
        uint64_t parts[6] = {place_of_name(roll, scope->name, scope->name_len),
                             place_of_name(roll, user.data, user.len),
                             place_of_name(roll, session.data, session.len),
                             m->stamp,
                             roll->origins[m->origin].id,
                             m->sequence};
        sum += siphash(roll->config.hash_key, 1, 3, parts, sizeof parts);
    }
    return sum;
}
