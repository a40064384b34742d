/* Forgetting a scope: a reset is a register of the scope that makes older members void at once. Their memory is freed
 * by the ticks that follow. */
#include "scope_users.h"

enum { RESETS_A_TICK = 8 };

void reset_sweep(struct roll *roll, uint32_t scope_ref, uint64_t now_ms, size_t *budget, struct effects *effects) {
    const struct scope *scope = scope_at(roll, scope_ref);
    struct crowd *crowd = scope->crowd;
    while (*budget > 0) {
        struct index_walk walk = scope_users_walk(scope, crowd->sweep_high);
        const struct index_slot *slot;
        size_t looked = 0;
        uint32_t began = crowd->sweep_high;
        do { /* at least as far as the next hash, so that a small budget makes progress */
            slot = index_walk_next(&walk, &looked);
            if (slot != NULL) crowd->sweep_high = slot->high;
        } while (slot != NULL && member_at(roll, slot->ref)->epoch == scope->epoch &&
                 (looked < *budget || crowd->sweep_high == began));
        *budget -= looked < *budget ? looked : *budget;
        if (slot == NULL) {
            crowd->is_sweeping = false;
            crowd->epochs_unswept = 0;
            scope_users_tidy(roll, scope_ref);
            return;
        }
        if (member_at(roll, slot->ref)->epoch != scope->epoch)
            user_apply_reset(roll, scope_ref, slot->ref, now_ms, effects);
    }
}

void reset_forget_ended(struct roll *roll, uint64_t now_ms) {
    for (uint32_t i = 0; i < RESETS_A_TICK && i < roll->scopes.next_fresh; i++) {
        if (++roll->reset_at >= roll->scopes.next_fresh) roll->reset_at = 1;
        if (roll->scopes.next_fresh <= 1 || !scope_exists(roll, roll->reset_at)) continue;
        struct scope *scope = scope_at(roll, roll->reset_at);
        if (scope_reset_stamp(scope) == 0 || scope->crowd->is_sweeping) continue;
        if (scope->crowd->reset_seen_ms + roll->config.retention_ms + MUSTER_TTL_MAX_MS >= now_ms) continue;
        register_unlabel(roll, scope->crowd->reset_origin);
        scope->crowd->reset_stamp = 0;
        scope_leave_crowd(roll, roll->reset_at);
        scope_release_if_empty(roll, roll->reset_at);
    }
}

/* All its users are of an older epoch from now on, and count no more. */
static void reset_counts(struct scope *scope) {
    struct crowd *crowd = scope->crowd;
    scope->epoch++;
    scope->incomplete_ms = 0;
    crowd->epochs_unswept++;
    crowd->is_sweeping = true;
    crowd->sweep_high = 0;
    crowd->users_counted = crowd->live = crowd->sessions = 0;
    memset(crowd->by_status, 0, sizeof crowd->by_status);
    scope_drop_history(scope);
    crowd->history_at = HISTORY_USERS_MIN;
}

static void reset_label(struct roll *roll, struct crowd *crowd, uint16_t origin, uint64_t sequence) {
    if (crowd->reset_stamp != 0) register_unlabel(roll, crowd->reset_origin);
    roll->origins[origin].registers++;
    crowd->reset_origin = origin;
    crowd->reset_sequence = sequence;
}

bool reset_adopt(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope_reset_stamp(scope) == 0 || scope->crowd->reset_origin == ORIGIN_SELF) return false;
    reset_label(roll, scope->crowd, ORIGIN_SELF, ++roll->sequence);
    *log_slot(roll, roll->sequence) = LOG_RESET | ref;
    return true;
}

bool reset_apply(struct roll *roll, uint32_t ref, const struct change *change, uint16_t origin, uint64_t now_ms,
                 struct effects *effects) {
    struct scope *scope = scope_at(roll, ref);
    struct crowd *crowd = scope->crowd;
    if (crowd->reset_stamp >= change->stamp) {
        if (crowd->reset_stamp == change->stamp && crowd->reset_origin != ORIGIN_SELF && origin != ORIGIN_SELF)
            reset_label(roll, crowd, origin, change->sequence);
        return false;
    }
    /* Epochs wrap: a member of the one that comes next must be gone before. */
    size_t all = SIZE_MAX;
    if (crowd->epochs_unswept == UINT8_MAX) reset_sweep(roll, ref, now_ms, &all, effects);
    reset_counts(scope);
    reset_label(roll, crowd, origin, change->sequence);
    crowd->reset_stamp = change->stamp;
    crowd->reset_seen_ms = change->seen_ms;
    scope_wants_upkeep(roll, ref);
    effect_note(roll, effects, EFFECT_RESET, REASON_RESET, ref, MEMBER_NONE);
    return true;
}

enum muster_code roll_reset(struct roll *roll, struct text name, uint64_t stamp, uint64_t now_ms,
                            struct effects *effects, uint64_t *forgotten, struct refusal *why) {
    *forgotten = 0;
    *why = (struct refusal){0};
    /* Also for a scope that nobody is in here: its members may be on their way from another node. */
    uint32_t ref = scope_obtain_for_reset(roll, name, why);
    if (ref == SCOPE_NONE) return MUSTER_RESOURCE_EXHAUSTED;
    struct change change = {.stamp = stamp,
                            .seen_ms = now_ms,
                            .sequence = roll->sequence + 1,
                            .origin = roll->origins[ORIGIN_SELF].id,
                            .is_reset = true};
    uint64_t users = scope_users_counted(scope_at(roll, ref));
    if (!reset_apply(roll, ref, &change, ORIGIN_SELF, now_ms, effects)) return MUSTER_OK;
    *forgotten = users;
    roll->sequence++;
    roll->log[roll->sequence & (roll->config.log_slots - 1)] = LOG_RESET | ref;
    return MUSTER_OK;
}
