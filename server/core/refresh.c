/* Beats of other origins that only extended a lease: no name is compared, nothing is planned, nothing can be refused.
 */
#include "roll_internal.h"

enum { REFRESH_AHEAD = 8 }; /* as many misses as a core overlaps */

/* The only member that a handle may mean; MEMBER_NONE if there is none, or more than one. */
static uint32_t handle_find(const struct roll *roll, const struct scope *scope, const struct refresh *refresh) {
    uint32_t found = MEMBER_NONE;
    const struct index_slot *slot = index_find(&scope->users, refresh->user_hash);
    for (uint32_t high = slot == NULL ? 0 : slot->high; slot != NULL && slot->ref != 0 && slot->high == high; slot++) {
        if (user_hash(roll, slot->ref) != refresh->user_hash) continue;
        for (uint32_t ref = slot->ref; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            if (roll_session_hash(roll, member_session(member_at(roll, ref))) != refresh->session_hash) continue;
            if (found != MEMBER_NONE) return MEMBER_NONE;
            found = ref;
        }
    }
    return found;
}

static uint32_t scope_at_hash(const struct roll *roll, uint64_t hash) {
    uint32_t found = SCOPE_NONE;
    const struct index_slot *slot = index_find(&roll->directory, hash);
    for (uint32_t high = slot == NULL ? 0 : slot->high; slot != NULL && slot->ref != 0 && slot->high == high; slot++) {
        if (scope_hash(roll, slot->ref) != hash) continue;
        if (found != SCOPE_NONE) return SCOPE_NONE;
        found = slot->ref;
    }
    return found;
}

static void refresh_write(struct roll *roll, uint32_t ref, const struct refresh *refresh, uint64_t now_ms,
                          struct effects *effects) {
    struct member *m = member_at(roll, ref);
    struct scope *scope = scope_at(roll, m->scope);
    uint64_t was_ms = m->seen_ms, old_end = member_lease_end_ms(m);
    uint32_t user = m->is_first ? ref : user_find(roll, scope, member_user(m), user_hash(roll, ref));
    struct user_sum before = {0}, after = {0};
    bool is_alone = m->is_first && m->next_session == MEMBER_NONE;
    if (!is_alone) before = user_sum(roll, user);
    m->stamp = refresh->stamp;
    m->sequence = refresh->sequence;
    m->seen_ms = refresh->seen_ms;
    if (member_lease_end_ms(m) < old_end) { /* the frame took longer than was thought of the one before */
        timers_drop_lease(&roll->timers, ref);
        timers_lease(&roll->timers, ref);
    }
    if (is_alone) {
        scope_history_move(scope, was_ms, m->seen_ms);
        return;
    }
    after = user_sum(roll, user);
    user_account(roll, m->scope, user, &before, &after, false, REASON_NONE, now_ms, effects);
}

/* Whether the refresh is done: written, or of no effect. */
static bool refresh_apply(struct roll *roll, uint32_t scope_ref, uint64_t origin, const struct refresh *refresh,
                          uint64_t floor, uint64_t now_ms, struct effects *effects) {
    const struct scope *scope = scope_at(roll, scope_ref);
    if (refresh->stamp <= scope->reset_stamp) return true;
    uint32_t ref = handle_find(roll, scope, refresh);
    if (ref == MEMBER_NONE) return false;
    const struct member *m = member_at(roll, ref);
    const struct change as_change = {.origin = origin, .stamp = refresh->stamp, .sequence = refresh->sequence};
    if (m->epoch != scope->epoch) return false;
    if (!register_is_older(roll, m->stamp, m->origin, m->sequence, &as_change)) return true;
    if (roll->origins[m->origin].id != origin || m->sequence < floor) return false;
    if (!m->is_live || !member_lease_holds(m, now_ms) || refresh->seen_ms + m->ttl_ms < now_ms) return false;
    refresh_write(roll, ref, refresh, now_ms, effects);
    return true;
}

size_t roll_refresh(struct roll *roll, uint64_t origin, const struct refresh *refreshes, size_t n, uint64_t floor,
                    uint64_t now_ms, struct effects *effects) {
    roll_start(roll, now_ms);
    uint64_t scope_hash_found = 0;
    uint32_t scope = SCOPE_NONE;
    size_t failed = 0;
    for (size_t i = 0; i < n; i++) {
        if (scope == SCOPE_NONE || refreshes[i].scope_hash != scope_hash_found) {
            scope_hash_found = refreshes[i].scope_hash;
            scope = scope_at_hash(roll, scope_hash_found);
        }
        if (scope == SCOPE_NONE) {
            failed++;
            continue;
        }
        if (i + REFRESH_AHEAD < n) INDEX_FETCH(&scope_at(roll, scope)->users, refreshes[i + REFRESH_AHEAD].user_hash);
        if (i + REFRESH_AHEAD / 2 < n) {
            const struct index_slot *slot =
                index_find(&scope_at(roll, scope)->users, refreshes[i + REFRESH_AHEAD / 2].user_hash);
            if (slot != NULL) __builtin_prefetch(member_at(roll, slot->ref), 1);
        }
        failed += !refresh_apply(roll, scope, origin, &refreshes[i], floor, now_ms, effects);
    }
    return failed;
}
