/* Applying the changes of other origins. */
#include "batch.h"

/* Whether the change was newer than what is here. */
static bool merge_change(struct batch *batch, struct planned *planned, size_t i) {
    struct roll *roll = batch->roll;
    const struct change *change = &batch->changes[i];
    struct member *m = member_at(roll, planned->member);
    bool is_newer = m->stamp == 0 || register_is_older(roll, m->stamp, m->origin, m->sequence, change);
    if (!is_newer) {
        m->will_live = 0;
        plan_drop_extra(roll, planned);
        /* It was held back while others made room. */
        if (!m->is_live && m->timer_prev == 0) tombstone_add(roll, planned->member);
        return false;
    }
    commit_writing(
        batch, planned, &batch->beats[i],
        &(struct writing){change->stamp, change->sequence, change->seen_ms, planned->origin, beat_lives(batch, i)});
    return true;
}

/* Resets first: what they make void need not be merged. */
static bool merge_resets(struct batch *batch, const struct change *changes, size_t n, size_t *applied) {
    struct roll *roll = batch->roll;
    for (size_t i = 0; i < n; i++) {
        if (!changes[i].is_reset) continue;
        uint16_t origin = origin_obtain(roll, changes[i].origin);
        if (origin == ROLL_ORIGINS_MAX) return batch_refuse(batch, "origins", ROLL_ORIGINS_MAX, i);
        uint32_t scope = scope_find(roll, changes[i].scope);
        if (scope == SCOPE_NONE && roll_bytes(roll) + ROLL_SCOPE_BYTES > roll->config.bytes_max)
            return batch_refuse(batch, "bytes", roll->config.bytes_max, i);
        if (scope == SCOPE_NONE && (scope = scope_obtain(roll, changes[i].scope)) == SCOPE_NONE)
            return batch_refuse(batch, "memory", 0, i);
        if (!reset_apply(roll, scope, &changes[i], origin, batch->now_ms, batch->effects)) continue;
        roll->reset_merged_at = roll->sequence;
        ++*applied;
    }
    return true;
}

/* Whether a change can still matter: it is not void, and not so old that it would be forgotten at once. */
static bool merge_wants(const struct roll *roll, const struct change *change, uint64_t now_ms) {
    if (change->is_reset || change->seen_ms + change->ttl_ms + roll->config.retention_ms < now_ms) return false;
    uint32_t scope = scope_find(roll, change->scope);
    return scope == SCOPE_NONE || change->stamp > scope_at(roll, scope)->reset_stamp;
}

enum muster_code roll_merge(struct roll *roll, const struct change *changes, size_t n, uint64_t now_ms,
                            struct effects *effects, size_t *applied, struct refusal *why) {
    *applied = 0;
    *why = (struct refusal){0};
    assert(n <= ROLL_MERGE_MAX);
    roll_start(roll, now_ms);
    struct touched touched = {0};
    struct change wanted[ROLL_MERGE_MAX];
    struct beat beats[ROLL_MERGE_MAX];
    uint16_t origins[ROLL_MERGE_MAX];
    struct batch batch = {.roll = roll,
                          .beats = beats,
                          .changes = wanted,
                          .plan = roll->plan,
                          .now_ms = now_ms,
                          .effects = effects,
                          .why = why,
                          .touched = &touched};
    if (!merge_resets(&batch, changes, n, applied)) return MUSTER_RESOURCE_EXHAUSTED;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct change *change = &changes[i];
        if (!merge_wants(roll, change, now_ms)) continue;
        origins[count] = origin_obtain(roll, change->origin);
        if (origins[count] == ROLL_ORIGINS_MAX) {
            batch_refuse(&batch, "origins", ROLL_ORIGINS_MAX, i);
            return MUSTER_RESOURCE_EXHAUSTED;
        }
        wanted[count] = *change;
        beats[count++] =
            (struct beat){change->scope, change->user, change->session, change->state, change->ttl_ms, change->status};
    }
    if (!plan_beats(&batch, count)) return MUSTER_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        roll->plan[i].origin = origins[i];
        *applied += merge_change(&batch, &roll->plan[i], i);
    }
    commit_tidy(&batch, count);
    return MUSTER_OK;
}
