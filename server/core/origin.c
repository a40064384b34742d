/* The origins that registers refer to. */
#include "roll_internal.h"

static uint16_t origin_find(const struct roll *roll, uint64_t id) {
    uint16_t i = 0;
    while (i < ROLL_ORIGINS_MAX && roll->origins[i].id != id) i++;
    return i;
}

uint16_t origin_obtain(struct roll *roll, uint64_t id) {
    /* There are few, and nearly all changes of a call are of one: that one is tried first. */
    uint16_t i = roll->last_origin;
    if (roll->origins[i].id == id) return i;
    if ((i = origin_find(roll, id)) == ROLL_ORIGINS_MAX && (i = origin_find(roll, 0)) == ROLL_ORIGINS_MAX) return i;
    roll->origins[i].id = id;
    return roll->last_origin = i;
}

bool register_is_older(const struct roll *roll, uint64_t stamp, uint16_t origin, uint64_t sequence,
                       const struct change *change) {
    if (stamp != change->stamp) return stamp < change->stamp;
    uint64_t id = roll->origins[origin].id;
    if (id != change->origin) return id < change->origin;
    return sequence < change->sequence;
}

size_t roll_origins(const struct roll *roll, uint64_t *out, size_t limit) {
    size_t count = 0;
    for (uint16_t i = 0; i < ROLL_ORIGINS_MAX && count < limit; i++)
        if (i != ORIGIN_SELF && roll->origins[i].members > 0) out[count++] = roll->origins[i].id;
    return count;
}

uint64_t roll_origin_members(const struct roll *roll, uint64_t id) {
    uint16_t i = origin_find(roll, id);
    return i == ROLL_ORIGINS_MAX ? 0 : roll->origins[i].members;
}

void roll_origin_forget(struct roll *roll, uint64_t id) {
    uint16_t i = origin_find(roll, id);
    if (i == ROLL_ORIGINS_MAX || i == ORIGIN_SELF || roll->origins[i].members > 0) return;
    for (uint32_t ref = 1; ref < roll->scopes.next_fresh; ref++) {
        if (!scope_exists(roll, ref)) continue;
        const struct scope *scope = scope_at(roll, ref);
        if (scope_reset_stamp(scope) != 0 && scope->crowd->reset_origin == i) return;
    }
    roll->origins[i].id = 0;
}
