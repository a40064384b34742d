/* What time does to the roll, in steps of bounded work; and forgetting a scope. */
#include "roll_internal.h"

enum {
    MOVE_ENTRIES = 32,     /* entries of a growing table that one unit of budget moves */
    MOVE_UNITS = 64,       /* units a call: joins move a table too, so nothing waits for this */
    SETTLE_EVERY_MS = 500, /* histories need it each second */
    SETTLE_COST = 16,      /* units of budget */
    RESETS_A_TICK = 8,
};

static void expire_leases(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
#ifdef MUTANT_NO_EXPIRY
    return;
#endif
    uint32_t ref;
    while ((ref = timers_next_ended(&roll->timers, now_ms, budget)) != MEMBER_NONE) {
        const struct member *m = member_at(roll, ref);
        if (m->epoch == scope_at(roll, m->scope)->epoch) member_expire(roll, ref, now_ms, effects);
        else user_settle_of(roll, ref, now_ms, effects);
    }
}

static void forget_gone(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
    uint32_t ref;
    while ((ref = timers_next_forgotten(&roll->timers, now_ms, budget)) != MEMBER_NONE) {
        const struct member *m = member_at(roll, ref);
        uint32_t scope = m->scope;
        if (m->epoch == scope_at(roll, scope)->epoch) {
            member_forget(roll, ref, now_ms);
            roll->forgotten++;
        } else {
            user_settle_of(roll, ref, now_ms, effects);
        }
        scope_release_if_empty(roll, scope);
    }
}

/* Brings users that a reset left behind to the scope's epoch, in the order of their places. */
static void scope_sweep(struct roll *roll, uint32_t scope_ref, uint64_t now_ms, size_t *budget,
                        struct effects *effects) {
    struct scope *scope = scope_at(roll, scope_ref);
    while (*budget > 0) {
        struct index_walk walk = index_walk_from(&scope->users, scope->sweep_hash);
        const struct index_slot *slot;
        size_t looked = 0;
        uint32_t began = scope->sweep_hash;
        do { /* as far as to the next hash at least, or a small budget would get nowhere */
            slot = index_walk_next(&walk, &looked);
            if (slot != NULL) scope->sweep_hash = slot->hash;
        } while (slot != NULL && member_at(roll, slot->ref)->epoch == scope->epoch &&
                 (looked < *budget || scope->sweep_hash == began));
        *budget -= looked < *budget ? looked : *budget;
        if (slot == NULL) {
            scope->is_sweeping = false;
            scope->epochs_unswept = 0;
            index_tidy(&scope->users, &roll->allocator);
            return;
        }
        if (member_at(roll, slot->ref)->epoch != scope->epoch) user_settle(roll, scope_ref, slot->ref, now_ms, effects);
    }
}

/* Does what a scope has waiting; whether it has more. */
static bool scope_upkeep(struct roll *roll, uint32_t ref, uint64_t now_ms, size_t *budget, struct effects *effects) {
    struct scope *scope = scope_at(roll, ref);
    if (scope->is_sweeping) scope_sweep(roll, ref, now_ms, budget, effects);
    bool is_moving = scope->users.old.slots != NULL;
    for (int i = 0; is_moving && *budget > 0 && i < MOVE_UNITS; i++, --*budget)
        is_moving = index_move(&scope->users, MOVE_ENTRIES, &roll->allocator);
    if (scope->history != NULL && now_ms - scope->settled_ms >= SETTLE_EVERY_MS) {
        *budget -= *budget < SETTLE_COST ? *budget : SETTLE_COST;
        scope->settled_ms = now_ms;
        if (!history_settle(scope->history, now_ms)) {
            scope_drop_history(scope);
            scope->history_at = scope->users_counted * 2;
        }
    }
    return is_moving || scope->is_sweeping || scope->history != NULL;
}

static void scopes_upkeep(struct roll *roll, uint64_t now_ms, size_t *budget, struct effects *effects) {
    uint32_t *link = &roll->upkeep_first;
    while (*link != SCOPE_NONE && *budget > 0) {
        uint32_t ref = *link;
        struct scope *scope = scope_at(roll, ref);
        if (scope_upkeep(roll, ref, now_ms, budget, effects)) {
            link = &scope->upkeep_next;
            continue;
        }
        *link = scope->upkeep_next;
        scope->in_upkeep = false;
        scope_release_if_empty(roll, ref);
    }
}

/* A reset is remembered as long as a member is; then nothing it could undo is on its way any more. */
static void forget_resets(struct roll *roll, uint64_t now_ms) {
    for (uint32_t i = 0; i < RESETS_A_TICK && i < roll->scope_fresh; i++) {
        if (++roll->reset_at >= roll->scope_fresh) roll->reset_at = 1;
        struct scope *scope = roll->scope_fresh > 1 ? scope_at(roll, roll->reset_at) : NULL;
        if (scope == NULL || scope->reset_stamp == 0 || scope->is_sweeping) continue;
        if (scope->reset_seen_ms + roll->config.retention_ms + MUSTER_TTL_MAX_MS >= now_ms) continue;
        scope->reset_stamp = 0;
        scope_release_if_empty(roll, roll->reset_at);
    }
}

bool roll_tick(struct roll *roll, uint64_t now_ms, size_t budget, struct effects *effects) {
    roll_start(roll, now_ms);
    forget_gone(roll, now_ms, &budget, effects);
    scopes_upkeep(roll, now_ms, &budget, effects);
    forget_resets(roll, now_ms);
    slab_prepare(&roll->slab, &roll->allocator);
    expire_leases(roll, now_ms, &budget, effects);
    return budget == 0 || timers_has_forgotten(&roll->timers, now_ms);
}

bool reset_apply(struct roll *roll, uint32_t ref, const struct change *change, uint16_t origin, uint64_t now_ms,
                 struct effects *effects) {
    struct scope *scope = scope_at(roll, ref);
    if (scope->reset_stamp != 0 &&
        !register_is_older(roll, scope->reset_stamp, scope->reset_origin, scope->reset_sequence, change))
        return false;
    /* An epoch must not come round while a member still bears it. */
    size_t all = SIZE_MAX;
    if (scope->epochs_unswept == UINT8_MAX) scope_sweep(roll, ref, now_ms, &all, effects);
    scope->epoch++;
    scope->epochs_unswept++;
    scope->is_sweeping = true;
    scope->sweep_hash = 0;
    scope->left += scope->live;
    scope->users_counted = scope->live = scope->sessions = scope->incomplete_ms = 0;
    memset(scope->by_status, 0, sizeof scope->by_status);
    scope_drop_history(scope);
    scope->history_at = HISTORY_USERS_MIN;
    scope->reset_stamp = change->stamp;
    scope->reset_seen_ms = change->seen_ms;
    scope->reset_sequence = change->sequence;
    scope->reset_origin = origin;
    scope_wants_upkeep(roll, ref);
    effect_note(roll, effects, EFFECT_RESET, REASON_RESET, ref, MEMBER_NONE);
    return true;
}

enum muster_code roll_reset(struct roll *roll, struct text name, uint64_t stamp, uint64_t now_ms,
                            struct effects *effects, uint64_t *forgotten, struct refusal *why) {
    *forgotten = 0;
    *why = (struct refusal){0};
    uint32_t ref = scope_find(roll, name);
    if (ref == SCOPE_NONE && roll_bytes(roll) + ROLL_SCOPE_BYTES > roll->config.bytes_max) {
        *why = (struct refusal){"bytes", roll->config.bytes_max, 0};
        return MUSTER_RESOURCE_EXHAUSTED;
    }
    /* Also for a scope that nobody is in here: its members may be on their way from another node. */
    if ((ref = scope_obtain(roll, name)) == SCOPE_NONE) {
        *why = (struct refusal){"memory", 0, 0};
        return MUSTER_RESOURCE_EXHAUSTED;
    }
    struct change change = {.stamp = stamp,
                            .seen_ms = now_ms,
                            .sequence = roll->sequence + 1,
                            .origin = roll->origins[ORIGIN_SELF].id,
                            .is_reset = true};
    uint64_t users = scope_at(roll, ref)->users_counted;
    if (!reset_apply(roll, ref, &change, ORIGIN_SELF, now_ms, effects)) return MUSTER_OK;
    *forgotten = users;
    roll->sequence++;
    roll->log[roll->sequence & (roll->config.log_places - 1)] = LOG_RESET | ref;
    return MUSTER_OK;
}
