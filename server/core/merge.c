/* Applying the changes of other origins. */
#include "batch.h"

/* Whether a leave of all sessions makes a session's change void. */
static bool is_void_by_leave(const struct roll *roll, uint32_t ref, const struct change *change) {
    const struct member *m = member_at(roll, ref);
    if (change->kind != REGISTER_SESSION || (m->is_first && m->next_session == MEMBER_NONE)) return false;
    return change->stamp < user_leave_stamp(roll, user_first(roll, ref));
}

/* The same register has come with another label, maybe from a node that adopted it. A node keeps its own label: it told
 * its peers of that one. Of two by one origin the later one stays. */
static void take_label(struct roll *roll, struct member *m, uint16_t origin, uint64_t sequence) {
    if (origin == ORIGIN_NONE || origin == ORIGIN_SELF || m->origin == ORIGIN_SELF) return;
    if (m->origin == origin && m->sequence >= sequence) return;
    register_label(roll, m, origin, sequence);
}

/* Whether the change was newer than what is here. */
static bool merge_change(struct batch *batch, struct planned *planned, size_t i) {
    struct roll *roll = batch->roll;
    const struct change *change = batch->changes[i];
    struct member *m = member_at(roll, planned->member);
    bool is_void = is_void_by_leave(roll, planned->member, change);
    int order = m->stamp == 0 ? -1 : register_order(m, change);
    if (is_void || order >= 0) {
        if (!is_void && order == 0) take_label(roll, m, planned->origin, change->sequence);
        m->will_live = 0;
        plan_drop_extra(roll, planned);
        batch->has_void |= is_void;
        /* plan_make_room held it back while others were evicted. */
        if (m->stamp != 0 && !m->is_live && m->timer_prev == 0) tombstone_add(roll, planned->member);
        return false;
    }
    struct writing writing = {change->stamp, change->sequence, change->seen_ms, planned->origin, beat_lives(batch, i)};
    bool is_adopted = planned->origin == ORIGIN_NONE;
    if (is_adopted) {
        writing.origin = ORIGIN_SELF;
        writing.sequence = ++roll->sequence;
    }
    commit_writing(batch, planned, &batch->beats[i], &writing);
    if (is_adopted) *log_slot(roll, roll->sequence) = planned->member | log_news(roll->generation);
    return true;
}

/* Resets first: what they make void need not be merged. */
static bool merge_resets(struct batch *batch, const struct change *changes, size_t n, size_t *applied) {
    struct roll *roll = batch->roll;
    for (size_t i = 0; i < n; i++) {
        if (!changes[i].is_reset) continue;
        uint16_t origin = origin_obtain(roll, changes[i].origin);
        uint32_t scope = scope_obtain_for_reset(roll, changes[i].scope, batch->why);
        batch->why->index = i;
        if (scope == SCOPE_NONE) return false;
        struct change change = changes[i];
        bool is_adopted = origin == ORIGIN_NONE;
        if (is_adopted) {
            origin = ORIGIN_SELF;
            change.sequence = roll->sequence + 1;
        }
        if (!reset_apply(roll, scope, &change, origin, batch->now_ms, batch->effects)) continue;
        roll->reset_merged_at = roll->sequence;
        if (is_adopted) *log_slot(roll, ++roll->sequence) = LOG_RESET | scope;
        ++*applied;
    }
    return true;
}

/* The scope of most changes is that of the one before. */
struct merge_scope {
    struct text name;
    uint32_t ref;
};

static uint32_t merge_scope_find(const struct roll *roll, struct merge_scope *last, struct text name) {
    if (last->name.len == 0 || !text_equal(last->name, name))
        *last = (struct merge_scope){name, scope_find(roll, name)};
    return last->ref;
}

/* Whether a change can still matter: it is not void, and not so old that it would be forgotten at once. */
static bool merge_wants(const struct roll *roll, struct merge_scope *last, const struct change *change,
                        uint64_t now_ms) {
    if (change->is_reset || change->seen_ms + change->ttl_ms + roll->config.retention_ms < now_ms) return false;
    uint32_t scope = merge_scope_find(roll, last, change->scope);
    return scope == SCOPE_NONE || change->stamp > scope_reset_stamp(scope_at(roll, scope));
}

/* Fills the batch with the changes that are wanted, of which there are *count. *has_leaves: some are leaves of all
 * sessions. */
static void merge_pick(struct batch *batch, const struct change *changes, size_t n, size_t *count, bool *has_leaves) {
    struct roll *roll = batch->roll;
    struct merge_room *room = roll->merge_room;
    struct merge_scope last = {0};
    for (size_t i = *count = 0; i < n; i++) {
        const struct change *change = &changes[i];
        if (!merge_wants(roll, &last, change, batch->now_ms)) continue;
        room->origins[*count] = origin_obtain(roll, change->origin);
        room->wanted[*count] = change;
        room->beats[*count] = (struct beat){.scope = change->scope,
                                            .user = change->user,
                                            .session = change->session,
                                            .state = change->state,
                                            .ttl_ms = change->ttl_ms,
                                            .status = change->status,
                                            .kind = change->kind};
        *has_leaves |= change->kind == REGISTER_LEAVE;
        ++*count;
    }
}

/* What a merge works in is the roll's, made at the first one. */
static bool merge_obtain_room(struct batch *batch) {
    struct roll *roll = batch->roll;
    if (roll->merge_room == NULL)
        roll->merge_room = roll->allocator.allocate(roll->allocator.context, sizeof *roll->merge_room);
    if (roll->merge_room == NULL) return batch_refuse(batch, "memory", 0, 0);
    batch->beats = roll->merge_room->beats;
    batch->changes = roll->merge_room->wanted;
    return true;
}

/* Removes the members that were made for sessions which are void. */
static void merge_remove_void(struct roll *roll, size_t n) {
    for (size_t i = 0; i < n; i++) {
        uint32_t ref = roll->plan[i].member;
        const struct member *m = member_at(roll, ref);
        if (m->is_used && m->stamp == 0) member_unlink(roll, ref);
    }
}

/* Writes the changes that are leaves of all sessions, or all others; returns how many changed something. */
static size_t merge_kind(struct batch *batch, size_t n, bool are_leaves) {
    struct roll *roll = batch->roll;
    size_t applied = 0;
    for (size_t i = 0; i < n; i++) {
        if ((batch->beats[i].kind == REGISTER_LEAVE) != are_leaves) continue;
        roll->plan[i].origin = roll->merge_room->origins[i];
        applied += merge_change(batch, &roll->plan[i], i);
    }
    return applied;
}

enum muster_code roll_merge(struct roll *roll, const struct change *changes, size_t n, uint64_t now_ms,
                            struct effects *effects, size_t *applied, struct refusal *why) {
    *applied = 0;
    *why = (struct refusal){0};
    assert(n <= ROLL_MERGE_MAX);
    roll_start(roll, now_ms);
    origins_make_room(roll);
    struct touched touched = {0};
    struct batch batch = {
        .roll = roll, .plan = roll->plan, .now_ms = now_ms, .effects = effects, .why = why, .touched = &touched};
    size_t count = 0;
    bool has_leaves = false;
    if (!merge_obtain_room(&batch) || !merge_resets(&batch, changes, n, applied)) return MUSTER_RESOURCE_EXHAUSTED;
    merge_pick(&batch, changes, n, &count, &has_leaves);
    if (count > 0 && plan_beats(&batch, count) == 0) return MUSTER_RESOURCE_EXHAUSTED;
    /* Leaves of all sessions are written first, so that what they make void never shows, and applied last, so that a
     * user of whom sessions remain does not leave and join. */
    if (has_leaves) *applied += merge_kind(&batch, count, true);
    *applied += merge_kind(&batch, count, false);
    if (batch.has_void) merge_remove_void(roll, count);
    if (batch.has_leaves) commit_leaves(&batch, count);
    commit_tidy(&batch, count);
    return MUSTER_OK;
}

void merge_free(struct roll *roll) {
    if (roll->merge_room != NULL)
        roll->allocator.release(roll->allocator.context, roll->merge_room, sizeof *roll->merge_room);
    roll->merge_room = NULL;
}
