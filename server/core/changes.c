/* The change log, which replication reads.
 *
 * The log is an append-only ring of slots, by sequence. A slot is stale once its member has taken another sequence
 * of this node's, so a member that is touched a thousand times comes once. */
#include "roll_internal.h"

enum { LOG_LOOKED_A_CHANGE = 16 }; /* slots that a call may look at for each change it may write */

void change_of_reset(const struct roll *roll, const struct scope *scope, struct change *out) {
    *out = (struct change){.origin = roll->origins[scope->crowd->reset_origin].id,
                           .sequence = scope->crowd->reset_sequence,
                           .is_reset = true,
                           .scope = scope_name(scope),
                           .stamp = scope->crowd->reset_stamp,
                           .seen_ms = scope->crowd->reset_seen_ms};
}

void change_of_register(const struct roll *roll, uint32_t ref, struct change *out) {
    const struct member *m = member_at(roll, ref);
    const struct scope *scope = scope_at(roll, m->scope);
    *out = (struct change){.origin = roll->origins[m->origin].id,
                           .sequence = m->sequence,
                           .stamp = m->stamp,
                           .seen_ms = m->seen_ms,
                           .scope = scope_name(scope),
                           .user = member_user(m),
                           .session = member_session(m),
                           .state = member_state(m),
                           .ttl_ms = m->ttl_ms,
                           .status = m->status,
                           .kind = (uint8_t)member_kind(m)};
}

/* What a slot of the log tells, if it is not stale. */
static bool change_of_log_slot(const struct roll *roll, uint32_t slot, uint64_t sequence, struct change *out) {
    uint32_t kind = slot & LOG_KIND;
    if (kind == LOG_RESET) {
        const struct scope *scope = scope_at(roll, slot & LOG_MEMBER);
        if (!scope_exists(roll, slot & LOG_MEMBER) || scope_reset_stamp(scope) == 0) return false;
        const struct crowd *crowd = scope->crowd;
        if (crowd->reset_origin != ORIGIN_SELF || crowd->reset_sequence != sequence) return false;
        change_of_reset(roll, scope, out);
        return true;
    }
    const struct member *m = member_at(roll, slot & LOG_MEMBER);
    bool is_stale =
        !m->is_used || m->stamp == 0 || (kind != LOG_FOREIGN && (m->origin != ORIGIN_SELF || m->sequence != sequence));
    if (is_stale || member_is_void(scope_at(roll, m->scope), m)) return false;
    uint32_t ref = slot & LOG_MEMBER;
    if (kind == LOG_FOREIGN && member_is_void_by_leave(roll, ref)) ref = user_leave(roll, user_first(roll, ref));
    change_of_register(roll, ref, out);
    out->is_refresh = kind == LOG_REFRESH;
    return true;
}

size_t roll_changes(const struct roll *roll, uint64_t *after, size_t limit, bool *complete, struct change *out) {
    /* What another origin's reset made void is in no slot any more: whoever lacks it may lack the reset as well. */
    *complete = roll->sequence - *after <= roll->config.log_slots && *after >= roll->reset_merged_at;
    if (!*complete) return 0;
    size_t count = 0;
    for (size_t looked = 0; *after < roll->sequence && count < limit && looked < limit * LOG_LOOKED_A_CHANGE;
         looked++) {
        uint64_t sequence = ++*after;
        count += change_of_log_slot(roll, roll->log[sequence & (roll->config.log_slots - 1)], sequence, &out[count]);
    }
    return count;
}

void roll_flushed(struct roll *roll, uint64_t sequence) {
    roll->flushed_sequence = sequence;
    if (sequence < roll->generation_at) return;
    roll->generation = (uint8_t)((roll->generation + 1) % NEWS_GENERATIONS);
    roll->generation_at = roll->sequence;
}

uint64_t roll_refreshes_since(const struct roll *roll) {
    uint64_t slots = roll->config.log_slots, beyond_log = roll->sequence > slots ? roll->sequence - slots : 0;
    return beyond_log > roll->flushed_sequence ? beyond_log : roll->flushed_sequence;
}

/* A member by its names, if it has a register. */
static uint32_t member_named(const struct roll *roll, uint32_t scope, const struct change *names) {
    uint32_t ref = user_find(roll, scope_at(roll, scope), names->user, roll_hash(roll, names->user));
    while (ref != MEMBER_NONE && !text_equal(member_session(member_at(roll, ref)), names->session))
        ref = member_at(roll, ref)->next_session;
    return ref == MEMBER_NONE || member_at(roll, ref)->stamp == 0 ? MEMBER_NONE : ref;
}

bool roll_adopt(struct roll *roll, const struct change *change) {
    uint32_t scope = scope_find(roll, change->scope);
    if (scope == SCOPE_NONE) return false;
    if (change->is_reset) return reset_adopt(roll, scope);
    uint32_t ref = member_named(roll, scope, change);
    if (ref == MEMBER_NONE || member_at(roll, ref)->origin == ORIGIN_SELF) return false;
    register_label(roll, member_at(roll, ref), ORIGIN_SELF, ++roll->sequence);
    *log_slot(roll, roll->sequence) = ref | log_news(roll->generation);
    return true;
}
