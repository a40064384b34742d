/* Applying a call's beats. */
#include "batch.h"

/* Commits beat i, which is not among the first refreshes. */
static struct beat_outcome touch_commit(struct batch *batch, size_t i, size_t n) {
    struct roll *roll = batch->roll;
    struct touched *touched = batch->touched;
    uint32_t ref = batch->plan[i].member;
    commit_fetch(batch, i, n);
    if (batch->beats[i].is_refresh && (ref == MEMBER_NONE || !member_at(roll, ref)->is_live)) {
        touched->unknown++;
        return (struct beat_outcome){.is_unknown = true};
    }
    const struct scope *scope = scope_at(roll, member_at(roll, ref)->scope);
    uint64_t live = scope_live(scope);
    uint32_t displaced = touched->displaced;
    commit_beat(batch, &batch->plan[i], &batch->beats[i]);
    touched->joined += scope_live(scope) > live;
    touched->left += scope_live(scope) < live;
    return (struct beat_outcome){.joined = scope_live(scope) > live,
                                 .displaced = (uint16_t)(touched->displaced - displaced)};
}

/* Applies the first of n beats, mostly all. How many; 0: refused. */
static size_t touch_piece(struct batch *batch, size_t n, struct beat_outcome *each) {
    size_t planned = plan_beats(batch, n);
    if (planned == 0) return 0;
    commit_refreshes(batch, each);
    for (size_t i = batch->refreshes; i < planned; i++) {
        struct beat_outcome outcome = touch_commit(batch, i, planned);
        if (each != NULL) each[i] = outcome;
    }
    if (batch->has_leaves) commit_leaves(batch, planned);
    if (batch->is_untidy) commit_tidy(batch, planned);
    batch->has_leaves = batch->is_untidy = false;
    return planned;
}

enum muster_code roll_touch_each(struct roll *roll, const struct beat *beats, size_t n, uint64_t stamp, uint64_t now_ms,
                                 struct effects *effects, struct touched *out, struct beat_outcome *each,
                                 struct refusal *why) {
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
    for (size_t done = 0, planned; done < n; done += planned) {
        batch.beats = beats + done;
        if ((planned = touch_piece(&batch, n - done, each == NULL ? NULL : each + done)) > 0) continue;
        why->index += done;
        return MUSTER_RESOURCE_EXHAUSTED;
    }
    return MUSTER_OK;
}
