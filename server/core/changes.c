/* The change log: an append-only ring of places, by sequence. A place is stale once its member has taken another
 * sequence, so a member that is touched a thousand times comes once. */
#include "roll_internal.h"

enum { LOG_LOOKED_A_CHANGE = 16 }; /* places that a call may look at for each change it may write */

static bool change_of_scope(const struct roll *roll, uint32_t ref, uint64_t sequence, struct change *out) {
    const struct scope *scope = scope_at(roll, ref);
    if (scope == NULL || scope->reset_sequence != sequence || scope->reset_stamp == 0) return false;
    *out = (struct change){.sequence = sequence,
                           .is_reset = true,
                           .scope = {scope->name, scope->name_len},
                           .stamp = scope->reset_stamp,
                           .seen_ms = scope->reset_seen_ms};
    return true;
}

static bool change_of_member(const struct roll *roll, uint32_t ref, uint64_t sequence, struct change *out) {
    const struct member *m = member_at(roll, ref);
    bool is_stale = !m->is_used || m->origin != ORIGIN_SELF || m->sequence != sequence;
#ifdef MUTANT_STALE_LOG_PLACE
    is_stale = !m->is_used;
#endif
    if (is_stale) return false;
    const struct scope *scope = scope_at(roll, m->scope);
    if (member_is_void(scope, m)) return false;
    *out = (struct change){.sequence = sequence,
                           .scope = {scope->name, scope->name_len},
                           .user = member_user(m),
                           .session = member_session(m),
                           .state = member_state(m),
                           .stamp = m->stamp,
                           .seen_ms = m->seen_ms,
                           .ttl_ms = m->ttl_ms,
                           .status = m->status};
    return true;
}

size_t roll_changes(const struct roll *roll, uint64_t *after, size_t limit, bool *complete, struct change *out) {
    *complete = roll->sequence - *after <= roll->config.log_places;
    if (!*complete) return 0;
    size_t count = 0;
    for (size_t looked = 0; *after < roll->sequence && count < limit && looked < limit * LOG_LOOKED_A_CHANGE;
         looked++) {
        uint64_t sequence = ++*after;
        uint32_t place = roll->log[sequence & (roll->config.log_places - 1)];
        bool is_live = place & LOG_IS_RESET ? change_of_scope(roll, place & ~LOG_IS_RESET, sequence, &out[count])
                                            : change_of_member(roll, place, sequence, &out[count]);
        count += is_live;
    }
    return count;
}
