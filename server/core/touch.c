/* Applying a call's beats. */
#include "batch.h"

enum muster_code roll_touch_each(struct roll *roll, const struct beat *beats, size_t n, uint64_t stamp, uint64_t now_ms,
                                 struct effects *effects, struct touched *out, bool *joined, struct refusal *why) {
    *out = (struct touched){.refresh_by_ms = UINT64_MAX};
    *why = (struct refusal){0};
    assert(n <= MUSTER_BEATS_MAX);
    roll_start(roll, now_ms);
    struct batch batch = {.roll = roll,
                          .beats = beats,
                          .plan = roll->plan,
                          .stamp = stamp,
                          .now_ms = now_ms,
                          .effects = effects,
                          .why = why,
                          .touched = out};
    if (!plan_beats(&batch, n)) return MUSTER_RESOURCE_EXHAUSTED;
    commit_refreshes(&batch);
    if (joined != NULL) memset(joined, 0, batch.refreshes * sizeof *joined);
    for (size_t i = batch.refreshes; i < n; i++) {
        commit_fetch(&batch, i, n);
        const struct scope *scope = scope_at(roll, member_at(roll, batch.plan[i].member)->scope);
        uint64_t live = scope_live(scope);
        commit_beat(&batch, &batch.plan[i], &beats[i]);
        out->joined += scope_live(scope) > live;
        out->left += scope_live(scope) < live;
        if (joined != NULL) joined[i] = scope_live(scope) > live;
    }
    if (batch.has_leaves) commit_leaves(&batch, n);
    if (batch.is_untidy) commit_tidy(&batch, n);
    return MUSTER_OK;
}
