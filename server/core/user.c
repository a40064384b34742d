#include "scope_users.h"

uint64_t user_hash(const void *context, uint32_t ref) {
    const struct roll *roll = context;
    struct text user = member_user(member_at(roll, ref));
    return hash_of_name(roll, user.data, user.len);
}

uint32_t user_find(const struct roll *roll, const struct scope *scope, struct text user, uint64_t hash) {
    const struct index_slot *slot = scope_users_find(scope, hash);
    for (; slot != NULL; slot = scope_users_next(scope, slot))
        if (text_equal(member_user(member_at(roll, slot->ref)), user)) return slot->ref;
    return MEMBER_NONE;
}

static inline void sum_add(struct user_sum *sum, const struct member *m) {
    sum->is_known = true;
    if (m->seen_ms > sum->seen_ms) sum->seen_ms = m->seen_ms;
    if (!m->is_live) return;
    sum->sessions++;
    if (m->status > sum->status) sum->status = m->status;
}

/* Of a user that has registers of its own: few have. */
static struct user_sum sum_with_registers(const struct roll *roll, uint32_t first) {
    struct user_sum sum = {0};
    uint8_t set_status = STATUS_NONE;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (m->stamp == 0) continue; /* planned, not yet there */
        if (member_kind(m) != REGISTER_STATUS) sum_add(&sum, m);
        else if (m->is_live) set_status = m->status;
    }
    if (sum.sessions > 0 && set_status != STATUS_NONE) sum.status = set_status;
    return sum;
}

struct user_sum user_sum(const struct roll *roll, uint32_t first) {
    struct user_sum sum = {0};
    for (uint32_t ref = first; ref != MEMBER_NONE;) {
        const struct member *m = member_at(roll, ref);
        if (m->is_register) return sum_with_registers(roll, first);
        ref = m->next_session;
        if (m->stamp != 0) sum_add(&sum, m); /* else it is planned, not yet there */
    }
    return sum;
}

static void history_move(struct scope *scope, const struct user_sum *before, const struct user_sum *after) {
    if (before->is_known && after->is_known) {
        scope_history_move(scope, before->seen_ms, after->seen_ms);
    } else if (scope_history(scope) != NULL && before->is_known) {
        history_remove(scope->crowd->history, before->seen_ms);
    } else if (scope_history(scope) != NULL && after->is_known) {
        if (!history_add(scope->crowd->history, after->seen_ms)) scope_put_off_history(scope);
    }
}

void user_account(struct roll *roll, uint32_t scope_ref, uint32_t user, const struct user_sum *before,
                  const struct user_sum *after, bool is_changed, enum effect_reason reason, uint64_t now_ms,
                  struct effects *effects) {
    struct scope *scope = scope_at(roll, scope_ref);
    history_move(scope, before, after);
    if (before->is_known != after->is_known) {
        scope_count_user(scope, after->is_known);
        scope_fit_history(roll, scope_ref, now_ms);
    }
    scope_count_sessions(scope, before->sessions, after->sessions);
    scope_count_status(scope, before->status, after->status);
    if (before->sessions > 0 && after->sessions > 0) {
        if (is_changed || before->sessions != after->sessions || before->status != after->status)
            effect_note(roll, effects, EFFECT_UPDATED, REASON_NONE, scope_ref, user);
    } else if (after->sessions > 0) {
        scope_count_live(scope, true);
        effect_note(roll, effects, EFFECT_JOINED, REASON_NONE, scope_ref, user);
    } else if (before->sessions > 0) {
        scope_count_live(scope, false);
        effect_note(roll, effects, EFFECT_LEFT, reason, scope_ref, user);
    }
}

void member_drop_extra(struct roll *roll, struct member *m) {
    struct extra *extra = member_extra(m);
    if (extra == NULL) return;
    size_t bytes = member_extra_bytes(m);
    m->has_extra = 0;
    roll->extra_bytes_held -= bytes;
    roll->allocator.release(roll->allocator.context, extra, bytes);
}

void member_slim(struct roll *roll, struct member *m) {
    struct extra *extra = member_extra(m);
    if (extra == NULL) return;
    extra->state_len = 0;
    size_t ids = (size_t)m->user_len + m->session_len;
    if (ids > MEMBER_INLINE_BYTES) return;
    char id[MEMBER_INLINE_BYTES];
    memcpy(id, extra->bytes, ids);
    member_drop_extra(roll, m);
    memcpy(m->id, id, ids);
}

void tombstone_add(struct roll *roll, uint32_t ref) {
    roll->tombstone_extra_bytes += member_extra_bytes(member_at(roll, ref));
    timers_add_tombstone(&roll->timers, ref);
}

void tombstone_remove(struct roll *roll, uint32_t ref) {
    roll->tombstone_extra_bytes -= member_extra_bytes(member_at(roll, ref));
    timers_drop_tombstone(&roll->timers, ref);
}

/* The first member of a member's user. */
uint32_t user_first(const struct roll *roll, uint32_t ref) {
    const struct member *m = member_at(roll, ref);
    if (m->is_first) return ref;
    return user_find(roll, scope_at(roll, m->scope), member_user(m), user_hash(roll, ref));
}

void member_unlink(struct roll *roll, uint32_t ref) {
    struct member *m = member_at(roll, ref);
    uint32_t first = user_first(roll, ref);
    assert(first != MEMBER_NONE);
    assert(m->timer_prev == 0); /* in no timer's list */
    if (first != ref) {
        uint32_t before = first;
        while (member_at(roll, before)->next_session != ref) before = member_at(roll, before)->next_session;
        member_at(roll, before)->next_session = m->next_session;
    } else if (m->next_session != MEMBER_NONE) {
        scope_users_replace(roll, m->scope, user_hash(roll, ref), ref, m->next_session);
        member_at(roll, m->next_session)->is_first = 1;
    } else {
        scope_users_remove(roll, m->scope, user_hash(roll, ref), ref);
    }
    member_drop_extra(roll, m);
    if (m->stamp != 0) {
        register_unlabel(roll, m->origin);
    }
    m->is_used = 0;
    slab_give(&roll->slab, ref);
}

void member_expire(struct roll *roll, uint32_t ref, uint64_t now_ms, struct effects *effects) {
    struct member *m = member_at(roll, ref);
    uint32_t first = user_first(roll, ref);
    struct user_sum before = user_sum(roll, first);
    assert(m->is_live);
    m->is_live = 0;
    if (!m->is_register) {
        assert(roll->live_members > 0);
        roll->live_members--;
        roll->expired++;
    }
    timers_drop_lease(&roll->timers, ref);
    member_slim(roll, m);
    tombstone_add(roll, ref);
    struct user_sum after = user_sum(roll, first);
    user_account(roll, m->scope, first, &before, &after, !m->is_register, REASON_EXPIRED, now_ms, effects);
}

void member_forget(struct roll *roll, uint32_t ref, uint64_t now_ms) {
    struct member *m = member_at(roll, ref);
    if (member_kind(m) == REGISTER_LEAVE) user_drop_void(roll, ref);
    uint32_t scope = m->scope, first = user_first(roll, ref);
    struct user_sum before = user_sum(roll, first);
    if (first == ref) first = m->next_session;
    tombstone_remove(roll, ref);
    member_unlink(roll, ref);
    struct user_sum after = user_sum(roll, first);
    user_account(roll, scope, first, &before, &after, false, REASON_NONE, now_ms, NULL);
}

/* Tells what resets have made of a user who was live before them: nobody was told yet. */
static void note_reset(const struct roll *roll, uint32_t scope_ref, uint32_t first, struct effects *effects) {
    const struct scope *scope = scope_at(roll, scope_ref);
    bool was_live = false, is_live = false;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (!m->is_live || m->is_register) continue;
        was_live = true;
        is_live |= !member_is_void(scope, m);
    }
    if (is_live) effect_note(roll, effects, EFFECT_UPDATED, REASON_NONE, scope_ref, first);
    else if (was_live) effect_note(roll, effects, EFFECT_LEFT, REASON_RESET, scope_ref, first);
}

uint32_t user_apply_reset(struct roll *roll, uint32_t scope_ref, uint32_t first, uint64_t now_ms,
                          struct effects *effects) {
    struct scope *scope = scope_at(roll, scope_ref);
    uint32_t kept = MEMBER_NONE;
    if (effects != NULL) note_reset(roll, scope_ref, first, effects);
    for (uint32_t ref = first, next; ref != MEMBER_NONE; ref = next) {
        struct member *m = member_at(roll, ref);
        next = m->next_session;
        if (!member_is_void(scope, m)) {
            m->epoch = scope->epoch;
            if (kept == MEMBER_NONE) kept = ref;
            continue;
        }
        if (m->is_live) {
            if (!m->is_register) roll->live_members--;
            timers_drop_lease(&roll->timers, ref);
        } else {
            tombstone_remove(roll, ref);
        }
        member_unlink(roll, ref);
    }
    if (kept == MEMBER_NONE) return MEMBER_NONE;
    struct user_sum none = {0}, sum = user_sum(roll, kept);
    user_account(roll, scope_ref, kept, &none, &sum, true, REASON_NONE, now_ms, NULL);
    return kept;
}

uint32_t user_apply_reset_of(struct roll *roll, uint32_t ref, uint64_t now_ms, struct effects *effects) {
    return user_apply_reset(roll, member_at(roll, ref)->scope, user_first(roll, ref), now_ms, effects);
}

uint64_t roll_bytes(const struct roll *roll) {
    return (uint64_t)roll->slab.count * ROLL_MEMBER_BYTES + roll->extra_bytes_held + scopes_bytes(roll);
}

bool roll_evict_one(struct roll *roll, uint64_t now_ms, struct effects *effects) {
    uint32_t ref = timers_oldest_tombstone(&roll->timers);
    if (ref == MEMBER_NONE) return false;
    const struct member *m = member_at(roll, ref);
    uint32_t scope_ref = m->scope;
    struct scope *scope = scope_at(roll, scope_ref);
    if (m->epoch != scope->epoch) {
        user_apply_reset_of(roll, ref, now_ms, effects);
        scope_release_if_empty(roll, scope_ref);
        return true;
    }
    if (member_kind(m) != REGISTER_STATUS && m->seen_ms > scope->incomplete_ms) scope->incomplete_ms = m->seen_ms;
    member_forget(roll, ref, now_ms);
    scope_release_if_empty(roll, scope_ref);
    roll->evicted++;
    return true;
}
