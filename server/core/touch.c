/* Applying a call's beats: first plan all of them, which may fail and is then undone, then commit, which cannot. */
#include "roll_internal.h"

enum {
    BATCH = 16, /* beats whose slots and records are fetched side by side: as many misses as a core overlaps */
    LOG_AHEAD = 3,
    COMMIT_AHEAD = 4, /* in a large call the records have fallen out of the nearest cache by then */
};

struct call {
    struct roll *roll;
    const struct beat *beats;
    const struct change *changes; /* the beats are those of another origin; NULL: they are made here and now */
    struct planned *plan;
    uint64_t stamp, now_ms;
    struct effects *effects;
    struct refusal *why;
    struct text last_scope; /* most calls name one scope: it is looked up once */
    uint32_t last_scope_ref;
    bool is_untidy; /* something is left for commit_tidy */
    struct touched *touched;
};

/* Whether beat i makes its session live. One of another origin may have ended by its age. */
static bool beat_lives(const struct call *call, size_t i) {
    if (call->beats[i].ttl_ms == 0) return false;
    return call->changes == NULL || call->changes[i].seen_ms + call->beats[i].ttl_ms >= call->now_ms;
}

static bool refuse(struct call *call, const char *what, uint64_t limit, size_t index) {
    *call->why = (struct refusal){what, limit, index};
    return false;
}

/* ---- planning ---------------------------------------------------------------------------------------------------- */

static uint32_t plan_scope(struct call *call, struct text name) {
    if (call->last_scope_ref != SCOPE_NONE && name.len == call->last_scope.len &&
        (name.data == call->last_scope.data || text_equal(name, call->last_scope)))
        return call->last_scope_ref;
    call->last_scope = name;
    return call->last_scope_ref = scope_obtain(call->roll, name);
}

static struct extra *extra_new(struct roll *roll, const struct beat *beat, uint32_t state_capacity) {
    size_t bytes = sizeof(struct extra) + beat->user.len + beat->session.len + state_capacity;
    struct extra *extra = roll->allocator.allocate(roll->allocator.context, bytes);
    if (extra == NULL) return NULL;
    roll->extra_bytes_held += bytes;
    extra->state_capacity = (uint16_t)state_capacity;
    memcpy(extra->bytes, beat->user.data, beat->user.len);
    if (beat->session.len > 0) memcpy(extra->bytes + beat->user.len, beat->session.data, beat->session.len);
    return extra;
}

static void extra_free(struct roll *roll, const struct member *m, struct extra *extra) {
    size_t bytes = extra_bytes(m, extra->state_capacity);
    roll->extra_bytes_held -= bytes;
    roll->allocator.release(roll->allocator.context, extra, bytes);
}

/* Rounded, so that a state that grows and shrinks by a few bytes keeps its room. */
static uint32_t state_room(uint32_t len) {
    return (len + 15) & ~UINT32_C(15);
}
_Static_assert(((MUSTER_STATE_BYTES_MAX + 15) & ~15) <= UINT16_MAX, "a state's room fits its field");

/* A new member of a user (first: its first one, or MEMBER_NONE), not yet seen by anybody: its stamp is 0. */
static uint32_t plan_member(struct call *call, uint32_t scope_ref, uint32_t first, uint64_t hash,
                            const struct beat *beat) {
    struct roll *roll = call->roll;
    struct scope *scope = scope_at(roll, scope_ref);
    uint32_t ref = slab_take(&roll->slab, &roll->allocator);
    if (ref == MEMBER_NONE) return MEMBER_NONE;
    struct member *m = member_at(roll, ref);
    m->user_len = (uint8_t)beat->user.len;
    m->session_len = (uint8_t)beat->session.len;
    m->scope = scope_ref;
    m->epoch = scope->epoch;
    if (beat->user.len + beat->session.len > MEMBER_INLINE_BYTES || beat->state.len > 0) {
        struct extra *extra = extra_new(roll, beat, state_room(beat->state.len));
        if (extra == NULL) goto fail_member;
        member_set_extra(m, extra);
    } else {
        memcpy(m->id, beat->user.data, beat->user.len);
        if (beat->session.len > 0) memcpy(m->id + beat->user.len, beat->session.data, beat->session.len);
    }
    if (first != MEMBER_NONE) {
        m->next_session = member_at(roll, first)->next_session;
        member_at(roll, first)->next_session = ref;
        return ref;
    }
    m->is_first = 1;
    if (!index_insert(&scope->users, hash, ref, user_hash, roll, &roll->allocator)) goto fail_extra;
    if (scope->users.old.slots != NULL) scope_wants_upkeep(roll, scope_ref);
    return ref;
fail_extra:
    member_drop_extra(roll, m);
fail_member:
    slab_give(&roll->slab, ref);
    return MEMBER_NONE;
}

/* Brings a user up to now before a beat touches it: a reset's void members go, leases that ended unnoticed end. */
static uint32_t plan_catch_up(struct call *call, uint32_t scope_ref, uint32_t first) {
    struct roll *roll = call->roll;
    if (first != MEMBER_NONE && member_at(roll, first)->epoch != scope_at(roll, scope_ref)->epoch)
        first = user_apply_reset(roll, scope_ref, first, call->now_ms, call->effects);
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (m->is_live && !m->will_live && !member_lease_holds(m, call->now_ms))
            member_expire(roll, ref, call->now_ms, call->effects);
    }
    return first;
}

static uint32_t session_find(const struct roll *roll, uint32_t first, struct text session) {
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session)
        if (text_equal(member_session(member_at(roll, ref)), session)) return ref;
    return MEMBER_NONE;
}

static bool has_room_for_session(const struct roll *roll, uint32_t first) {
    unsigned live = 0;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session)
        live += member_at(roll, ref)->is_live || member_at(roll, ref)->will_live;
    return live < MUSTER_SESSIONS_MAX;
}

/* Room for the beat's state where the member has none. A later beat of the same call may rely on it: the room never
 * shrinks within a call. */
static bool plan_state(struct call *call, struct planned *planned, const struct beat *beat) {
    struct member *m = member_at(call->roll, planned->member);
    uint32_t has = m->has_extra ? member_extra(m)->state_capacity : 0;
    if (beat->state.len <= has || beat->ttl_ms == 0) return true;
    planned->extra = extra_new(call->roll, beat, state_room(beat->state.len));
    return planned->extra != NULL;
}

/* The case that nearly all beats are: the user's only session, live, with room for the state. Nothing is to be made. */
static bool is_plain(const struct call *call, const struct scope *scope, uint32_t first, const struct beat *beat) {
    if (first == MEMBER_NONE) return false;
    const struct member *m = member_at(call->roll, first);
    return m->is_live && m->next_session == MEMBER_NONE && m->epoch == scope->epoch &&
           member_lease_holds(m, call->now_ms) && text_equal(member_session(m), beat->session) &&
           (beat->state.len == 0 || (m->has_extra && beat->state.len <= member_extra(m)->state_capacity));
}

static bool plan_beat(struct call *call, size_t i, uint32_t scope_ref, uint32_t first, uint64_t hash) {
    const struct beat *beat = &call->beats[i];
    struct planned *planned = &call->plan[i];
    struct roll *roll = call->roll;
    if (is_plain(call, scope_at(roll, scope_ref), first, beat)) {
        planned->member = first;
        return true;
    }
    first = plan_catch_up(call, scope_ref, first);
    planned->member = session_find(roll, first, beat->session);
    bool was_live = planned->member != MEMBER_NONE && member_at(roll, planned->member)->is_live;
    bool lives = beat_lives(call, i);
    /* Other nodes have let their sessions in already: what they say is merged. */
    if (call->changes == NULL && lives && !was_live && first != MEMBER_NONE &&
        !(planned->member != MEMBER_NONE && member_at(roll, planned->member)->will_live) &&
        !has_room_for_session(roll, first))
        return refuse(call, "sessions", MUSTER_SESSIONS_MAX, i);
    if (planned->member == MEMBER_NONE) {
        planned->member = plan_member(call, scope_ref, first, hash, beat);
        if (planned->member == MEMBER_NONE) return refuse(call, "memory", 0, i);
    }
    if (!plan_state(call, planned, beat)) return refuse(call, "memory", 0, i);
    if (lives && !was_live) member_at(roll, planned->member)->will_live = 1;
    return true;
}

/* Lets go of scopes that were made for beats which then were not planned. */
static void plan_release_scopes(struct roll *roll, const uint32_t *scopes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (scope_at(roll, scopes[i]) != NULL) scope_release_if_empty(roll, scopes[i]);
}

/* Plans beats first..first+n-1, n ≤ BATCH: the misses of all of them overlap. *done counts those that are planned. */
static bool plan_batch(struct call *call, size_t first, size_t n, size_t *done) {
    struct roll *roll = call->roll;
    uint32_t scopes[BATCH], users[BATCH];
    uint64_t hashes[BATCH];
    memset(&call->plan[first], 0, n * sizeof call->plan[first]);
    for (size_t i = 0; i < n; i++) {
        const struct beat *beat = &call->beats[first + i];
        scopes[i] = plan_scope(call, beat->scope);
        if (scopes[i] == SCOPE_NONE) {
            plan_release_scopes(roll, scopes, i);
            return refuse(call, "memory", 0, first + i);
        }
        hashes[i] = hash_of_name(roll, beat->user.data, beat->user.len);
        __builtin_prefetch(index_begin(&scope_at(roll, scopes[i])->users, hashes[i]));
    }
    for (size_t i = 0; i < n; i++) {
        const struct index_slot *slot = index_find(&scope_at(roll, scopes[i])->users, hashes[i]);
        users[i] = slot == NULL ? MEMBER_NONE : slot->ref;
        if (slot != NULL) __builtin_prefetch(member_at(roll, users[i]), 1);
    }
    for (size_t i = 0; i < n; i++, ++*done) {
        /* What was found may have moved, or gone, through a beat before: look again unless it plainly is the user. */
        const struct beat *beat = &call->beats[first + i];
        const struct member *m = users[i] == MEMBER_NONE ? NULL : member_at(roll, users[i]);
        if (m == NULL || !m->is_used || !m->is_first || m->scope != scopes[i] ||
            !text_equal(member_user(m), beat->user))
            users[i] = user_find(roll, scope_at(roll, scopes[i]), beat->user, hashes[i]);
        if (!plan_beat(call, first + i, scopes[i], users[i], hashes[i])) {
            plan_release_scopes(roll, scopes, n);
            return false;
        }
    }
    return true;
}

/* Undoes what was planned for the beats before `n`, and for beat n as far as it came. */
static void plan_undo(struct call *call, size_t n) {
    struct roll *roll = call->roll;
    for (size_t i = n; i-- > 0;) {
        struct planned *planned = &call->plan[i];
        if (planned->member == MEMBER_NONE) continue;
        struct member *m = member_at(roll, planned->member);
        if (planned->extra != NULL) extra_free(roll, m, planned->extra);
        m->will_live = 0;
        planned->extra = NULL;
    }
    for (size_t i = n; i-- > 0;) {
        uint32_t ref = call->plan[i].member;
        if (ref == MEMBER_NONE) continue;
        struct member *m = member_at(roll, ref);
        if (!m->is_used || m->stamp != 0) continue; /* of an earlier call, or undone already */
        uint32_t scope = m->scope;
        member_unlink(roll, ref);
        scope_release_if_empty(roll, scope);
    }
}

/* ---- making room ------------------------------------------------------------------------------------------------- */

/* Takes tombstones that the call names out of their ring, so that they make no room; or puts them back. */
static void plan_hold_tombstones(struct call *call, size_t n, bool hold) {
    for (size_t i = 0; i < n; i++) {
        const struct member *m = member_at(call->roll, call->plan[i].member);
        if (m->stamp == 0 || m->is_live || (m->timer_prev != 0) != hold) continue;
        if (hold) tombstone_remove(call->roll, call->plan[i].member);
        else tombstone_add(call->roll, call->plan[i].member);
    }
}

static bool roll_is_over(const struct roll *roll) {
    return roll->slab.count > roll->config.members_max || roll_bytes(roll) > roll->config.bytes_max;
}

/* Lets the oldest tombstones make room for what was planned; refuses, with nothing changed, where they cannot. */
static bool plan_make_room(struct call *call, size_t n) {
    struct roll *roll = call->roll;
    if (!roll_is_over(roll)) return true;
    plan_hold_tombstones(call, n, true);
    uint64_t tombstones = roll->timers.tombstones;
    bool members_fit = roll->slab.count <= roll->config.members_max + tombstones;
    bool bytes_fit =
        roll_bytes(roll) <= roll->config.bytes_max + tombstones * ROLL_MEMBER_BYTES + roll->tombstone_extra_bytes;
    if (!members_fit || !bytes_fit) {
        plan_hold_tombstones(call, n, false);
        if (!members_fit) return refuse(call, "members", roll->config.members_max, 0);
        return refuse(call, "bytes", roll->config.bytes_max, 0);
    }
    while (roll_is_over(roll) && roll_evict_one(roll, call->now_ms, call->effects)) {
    }
    return true;
}

/* ---- committing -------------------------------------------------------------------------------------------------- */

/* What a register takes besides the beat. */
struct writing {
    uint64_t stamp, sequence, seen_ms;
    uint16_t origin;
    bool lives;
};

/* Writes the beat into the member's register. Whether a watcher of the user would see the difference. */
static bool commit_register(struct call *call, const struct planned *planned, const struct beat *beat,
                            const struct writing *writing) {
    struct roll *roll = call->roll;
    struct member *m = member_at(roll, planned->member);
    if (planned->extra != NULL) {
        member_drop_extra(roll, m);
        member_set_extra(m, planned->extra);
    }
    bool is_changed = m->is_live && (m->status != beat->status || !text_equal(member_state(m), beat->state));
    if (m->has_extra) {
        struct extra *extra = member_extra(m);
        extra->state_len = writing->lives ? (uint16_t)beat->state.len : 0;
        if (extra->state_len > 0)
            memcpy(extra->bytes + m->user_len + m->session_len, beat->state.data, extra->state_len);
    }
    if (m->stamp == 0 || m->origin != writing->origin) {
        roll->origins[writing->origin].members++;
        if (m->stamp != 0) roll->origins[m->origin].members--;
    }
    m->stamp = writing->stamp;
    m->origin = writing->origin;
    m->sequence = writing->sequence;
    m->seen_ms = writing->seen_ms;
    m->ttl_ms = beat->ttl_ms;
    m->status = beat->status & 3;
    m->is_live = writing->lives;
    m->will_live = 0;
    return is_changed;
}

/* The slot of a sequence in the log's ring. */
static uint32_t *log_slot(const struct roll *roll, uint64_t sequence) {
    return &roll->log[sequence & (roll->config.log_slots - 1)];
}

static uint32_t log_news(unsigned generation) {
    return LOG_NEWS * (1 + generation % NEWS_GENERATIONS);
}

/* What is to be told of a member whose lease is only extended: as news what was news in its last slot, unless peers
 * know it by now. (A lone node never flushes: it need not look.) */
static uint32_t log_kind_again(const struct roll *roll, uint64_t old_sequence) {
    if (roll->flushed_sequence == 0) return log_news(roll->generation);
    if (old_sequence <= roll->flushed_sequence || roll->sequence - old_sequence >= roll->config.log_slots)
        return LOG_REFRESH;
    uint32_t kind = *log_slot(roll, old_sequence) & LOG_KIND;
    return kind == log_news(roll->generation + 1u) ? LOG_REFRESH : kind; /* of the generation before the last */
}

/* Appends a local beat to the log, and notes how soon peers should hear of it. */
static void commit_log(struct call *call, uint32_t ref, uint64_t old_sequence, uint64_t old_end_ms, bool is_news) {
    struct roll *roll = call->roll;
    uint32_t kind = log_news(roll->generation);
    if (is_news) {
        call->touched->is_news = true;
    } else {
        uint64_t left = old_end_ms > call->now_ms ? old_end_ms - call->now_ms : 0;
        if (call->now_ms + left / 2 < call->touched->refresh_by_ms)
            call->touched->refresh_by_ms = call->now_ms + left / 2;
        kind = log_kind_again(roll, old_sequence);
    }
    *log_slot(roll, roll->sequence) = ref | kind;
}

/* The user's first member, known without a look-up where the member is alone. */
static uint32_t commit_user(const struct roll *roll, uint32_t ref) {
    const struct member *m = member_at(roll, ref);
    return m->is_first ? ref : user_find(roll, scope_at(roll, m->scope), member_user(m), user_hash(roll, ref));
}

/* The case that nearly all beats are: a user's only session stays live, and no earlier than before it ends. What
 * commit_beat does for it, without the sums over sessions. */
static bool commit_plain(struct call *call, const struct planned *planned, const struct beat *beat) {
    struct roll *roll = call->roll;
    struct member *m = member_at(roll, planned->member);
    if (!m->is_live || !m->is_first || m->next_session != MEMBER_NONE || beat->ttl_ms == 0 ||
        m->origin != ORIGIN_SELF || call->now_ms + beat->ttl_ms < member_lease_end_ms(m))
        return false;
    struct scope *scope = scope_at(roll, m->scope);
    uint64_t seen_ms = m->seen_ms, old_end = member_lease_end_ms(m), old_sequence = m->sequence;
    bool is_news = m->ttl_ms != beat->ttl_ms;
    scope->by_status[m->status]--;
    if (commit_register(call, planned, beat,
                        &(struct writing){call->stamp, ++roll->sequence, call->now_ms, ORIGIN_SELF, true})) {
        is_news = true;
        effect_note(roll, call->effects, EFFECT_UPDATED, REASON_NONE, m->scope, planned->member);
    }
    scope->by_status[m->status]++;
    scope_history_move(scope, seen_ms, call->now_ms);
    commit_log(call, planned->member, old_sequence, old_end, is_news);
    return true;
}

/* Another origin overwrites what this one had in its log: the slot still tells of the member, as it is now. */
static void commit_mark_foreign(struct roll *roll, const struct member *m) {
    if (m->stamp == 0 || m->origin != ORIGIN_SELF) return;
    if (roll->sequence - m->sequence >= roll->config.log_slots) return;
    uint32_t *slot = log_slot(roll, m->sequence);
    *slot = (*slot & LOG_MEMBER) | LOG_FOREIGN;
}

static void commit_writing(struct call *call, const struct planned *planned, const struct beat *beat,
                           const struct writing *writing) {
    call->is_untidy = true;
    struct roll *roll = call->roll;
    uint32_t ref = planned->member, user = commit_user(roll, ref);
    struct member *m = member_at(roll, ref);
    struct user_sum before = user_sum(roll, user);
    bool was_live = m->is_live, is_foreign = m->origin != ORIGIN_SELF;
    uint64_t old_end = member_lease_end_ms(m), old_sequence = m->sequence;
    uint32_t old_ttl = m->ttl_ms;
    if (!was_live && m->timer_prev != 0) tombstone_remove(roll, ref);
    if (call->changes != NULL) commit_mark_foreign(roll, m);
    bool is_changed = commit_register(call, planned, beat, writing);
    if (was_live && (!m->is_live || member_lease_end_ms(m) < old_end)) timers_drop_lease(&roll->timers, ref);
    if (m->is_live && m->timer_prev == 0) timers_lease(&roll->timers, ref);
    if (!m->is_live) tombstone_add(roll, ref);
    roll->live_members += (uint64_t)m->is_live - was_live;
    /* Only a live member is refreshed: peers may have dropped the state of a tombstone. */
    if (call->changes == NULL)
        commit_log(call, ref, old_sequence, old_end,
                   is_changed || !was_live || !m->is_live || is_foreign || old_ttl != beat->ttl_ms);
    struct user_sum after = user_sum(roll, user);
    user_account(roll, m->scope, user, &before, &after, is_changed || m->is_live != was_live, REASON_LEFT, call->now_ms,
                 call->effects);
}

static void commit_beat(struct call *call, const struct planned *planned, const struct beat *beat) {
    if (commit_plain(call, planned, beat)) return;
    struct roll *roll = call->roll;
    commit_writing(call, planned, beat,
                   &(struct writing){call->stamp, ++roll->sequence, call->now_ms, ORIGIN_SELF, beat->ttl_ms > 0});
}

/* Whether the change was newer than what is here. */
static bool commit_change(struct call *call, struct planned *planned, size_t i) {
    struct roll *roll = call->roll;
    const struct change *change = &call->changes[i];
    struct member *m = member_at(roll, planned->member);
    bool is_newer = m->stamp == 0 || register_is_older(roll, m->stamp, m->origin, m->sequence, change);
    if (!is_newer) {
        m->will_live = 0;
        if (planned->extra != NULL) extra_free(roll, m, planned->extra);
        /* It was held back while others made room. */
        if (!m->is_live && m->timer_prev == 0) tombstone_add(roll, planned->member);
        return false;
    }
    commit_writing(
        call, planned, &call->beats[i],
        &(struct writing){change->stamp, change->sequence, change->seen_ms, planned->origin, beat_lives(call, i)});
    return true;
}

/* A user keeps so many sessions; for new ones the oldest tombstones are forgotten. */
static void commit_trim_sessions(struct call *call, uint32_t first) {
    struct roll *roll = call->roll;
    for (;;) {
        unsigned count = 0;
        uint32_t longest = MEMBER_NONE;
        uint64_t longest_end = UINT64_MAX;
        for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            const struct member *m = member_at(roll, ref);
            count++;
            if (m->is_live || m->stamp == 0 || member_lease_end_ms(m) >= longest_end) continue;
            longest = ref;
            longest_end = member_lease_end_ms(m);
        }
        if (count <= MUSTER_SESSIONS_MAX || longest == MEMBER_NONE) return;
        if (longest == first) first = member_at(roll, first)->next_session;
        member_forget(roll, longest, call->now_ms);
    }
}

/* What a call leaves behind: states of those who left, sessions beyond a user's cap. */
static void commit_tidy(struct call *call, size_t n) {
    struct roll *roll = call->roll;
    for (size_t i = 0; i < n; i++) {
        uint32_t ref = call->plan[i].member;
        struct member *m = member_at(roll, ref);
        /* The member may be forgotten by now, for another session of the same call. */
        if (!m->is_used || m->stamp == 0) continue;
        if (!m->is_live && m->has_extra) {
            tombstone_remove(roll, ref);
            member_slim(roll, m);
            tombstone_add(roll, ref);
        }
        if (m->next_session != MEMBER_NONE || !m->is_first) commit_trim_sessions(call, commit_user(roll, ref));
    }
}

/* Plans all beats and makes room for them; or leaves everything as it was. */
static bool call_plan(struct call *call, size_t n) {
    size_t done = 0;
    bool is_planned = true;
    while (is_planned && done < n) is_planned = plan_batch(call, done, n - done < BATCH ? n - done : BATCH, &done);
    if (is_planned && plan_make_room(call, n)) return true;
    plan_undo(call, done < n ? done + 1 : n);
    return false;
}

enum muster_code roll_touch_each(struct roll *roll, const struct beat *beats, size_t n, uint64_t stamp, uint64_t now_ms,
                                 struct effects *effects, struct touched *out, bool *joined, struct refusal *why) {
    *out = (struct touched){.refresh_by_ms = UINT64_MAX};
    *why = (struct refusal){0};
    assert(n <= MUSTER_BEATS_MAX);
    roll_start(roll, now_ms);
    struct call call = {.roll = roll,
                        .beats = beats,
                        .plan = roll->plan,
                        .stamp = stamp,
                        .now_ms = now_ms,
                        .effects = effects,
                        .why = why,
                        .touched = out};
    if (!call_plan(&call, n)) return MUSTER_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < n; i++) {
        const struct scope *scope = scope_at(roll, member_at(roll, call.plan[i].member)->scope);
        if (i + COMMIT_AHEAD < n) __builtin_prefetch(member_at(roll, call.plan[i + COMMIT_AHEAD].member), 1);
        if (i + LOG_AHEAD < n) {
            uint64_t sequence = member_at(roll, call.plan[i + LOG_AHEAD].member)->sequence;
            if (sequence > roll->flushed_sequence) __builtin_prefetch(log_slot(roll, sequence));
        }
        uint64_t live = scope->live;
        commit_beat(&call, &call.plan[i], &beats[i]);
        out->joined += scope->live > live;
        out->left += scope->live < live;
        if (joined != NULL) joined[i] = scope->live > live;
    }
    if (call.is_untidy) commit_tidy(&call, n);
    return MUSTER_OK;
}

/* ---- merging ----------------------------------------------------------------------------------------------------- */

/* Resets first: what they make void need not be merged. */
static bool merge_resets(struct call *call, const struct change *changes, size_t n, size_t *applied) {
    struct roll *roll = call->roll;
    for (size_t i = 0; i < n; i++) {
        if (!changes[i].is_reset) continue;
        uint16_t origin = origin_obtain(roll, changes[i].origin);
        if (origin == ROLL_ORIGINS_MAX) return refuse(call, "origins", ROLL_ORIGINS_MAX, i);
        uint32_t scope = scope_find(roll, changes[i].scope);
        if (scope == SCOPE_NONE && roll_bytes(roll) + ROLL_SCOPE_BYTES > roll->config.bytes_max)
            return refuse(call, "bytes", roll->config.bytes_max, i);
        if (scope == SCOPE_NONE && (scope = scope_obtain(roll, changes[i].scope)) == SCOPE_NONE)
            return refuse(call, "memory", 0, i);
        if (!reset_apply(roll, scope, &changes[i], origin, call->now_ms, call->effects)) continue;
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
    struct call call = {.roll = roll,
                        .beats = beats,
                        .changes = wanted,
                        .plan = roll->plan,
                        .now_ms = now_ms,
                        .effects = effects,
                        .why = why,
                        .touched = &touched};
    if (!merge_resets(&call, changes, n, applied)) return MUSTER_RESOURCE_EXHAUSTED;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        const struct change *change = &changes[i];
        if (!merge_wants(roll, change, now_ms)) continue;
        origins[count] = origin_obtain(roll, change->origin);
        if (origins[count] == ROLL_ORIGINS_MAX) {
            refuse(&call, "origins", ROLL_ORIGINS_MAX, i);
            return MUSTER_RESOURCE_EXHAUSTED;
        }
        wanted[count] = *change;
        beats[count++] =
            (struct beat){change->scope, change->user, change->session, change->state, change->ttl_ms, change->status};
    }
    if (!call_plan(&call, count)) return MUSTER_RESOURCE_EXHAUSTED;
    for (size_t i = 0; i < count; i++) {
        roll->plan[i].origin = origins[i];
        *applied += commit_change(&call, &roll->plan[i], i);
    }
    commit_tidy(&call, count);
    return MUSTER_OK;
}
