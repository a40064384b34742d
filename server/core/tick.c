/* What time does to the roll, in steps of bounded work. */
#include "scope_users.h"

enum {
    COMPACT_EVERY_MS = 500, /* histories need it each second */
    COMPACT_COST = 16,      /* units of budget */
};

static void expire_leases(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
    uint32_t ref;
    while ((ref = timers_next_ended(&roll->timers, now_ms, budget)) != MEMBER_NONE) {
        const struct member *m = member_at(roll, ref);
        if (m->epoch == scope_at(roll, m->scope)->epoch) member_expire(roll, ref, now_ms, effects);
        else user_apply_reset_of(roll, ref, now_ms, effects);
    }
}

static void forget_tombstones(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
    uint32_t ref;
    while ((ref = timers_next_forgettable(&roll->timers, now_ms, budget)) != MEMBER_NONE) {
        const struct member *m = member_at(roll, ref);
        uint32_t scope = m->scope;
        if (m->epoch == scope_at(roll, scope)->epoch) {
            member_forget(roll, ref, now_ms);
            roll->forgotten++;
        } else {
            user_apply_reset_of(roll, ref, now_ms, effects);
        }
        scope_release_if_empty(roll, scope);
    }
}

/* Does what a scope has waiting; whether it has more. */
static bool scope_upkeep(struct roll *roll, uint32_t ref, uint64_t now_ms, size_t *budget, struct effects *effects) {
    struct scope *scope = scope_at(roll, ref);
    struct crowd *crowd = scope->crowd;
    if (crowd->is_sweeping) reset_sweep(roll, ref, now_ms, budget, effects);
    bool is_moving = scope_users_move(roll, ref, budget);
    if (crowd->history != NULL && now_ms - crowd->compacted_ms >= COMPACT_EVERY_MS) {
        *budget -= *budget < COMPACT_COST ? *budget : COMPACT_COST;
        crowd->compacted_ms = now_ms;
        if (!history_compact(crowd->history, now_ms)) scope_put_off_history(scope);
    }
    return is_moving || crowd->is_sweeping || crowd->history != NULL;
}

static void scopes_upkeep(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
    uint32_t *link = &roll->upkeep_first;
    while (*link != SCOPE_NONE && *budget > 0) {
        uint32_t ref = *link;
        struct crowd *crowd = scope_at(roll, ref)->crowd;
        if (scope_upkeep(roll, ref, now_ms, budget, effects)) {
            link = &crowd->upkeep_next;
            continue;
        }
        *link = crowd->upkeep_next;
        crowd->in_upkeep = false;
        scope_leave_crowd(roll, ref);
        scope_release_if_empty(roll, ref);
    }
}

bool roll_tick(struct roll *roll, uint64_t now_ms, size_t budget, struct effects *effects) {
    roll_start(roll, now_ms);
    forget_tombstones(roll, now_ms, &budget, effects);
    scopes_upkeep(roll, now_ms, &budget, effects);
    reset_forget_ended(roll, now_ms);
    slab_prepare(&roll->slab, &roll->allocator);
    slab_prepare(&roll->scopes, &roll->allocator);
    expire_leases(roll, now_ms, &budget, effects);
    return budget == 0 || timers_has_forgettable(&roll->timers, now_ms);
}
