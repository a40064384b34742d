#include "batch.h"

enum { WINDOW = 16 }; /* beats whose slots and records are fetched side by side: as many misses as a core overlaps */

static uint32_t plan_scope(struct batch *batch, struct text name) {
    if (batch->last_scope_ref != SCOPE_NONE && name.len == batch->last_scope.len &&
        (name.data == batch->last_scope.data || text_equal(name, batch->last_scope)))
        return batch->last_scope_ref;
    batch->last_scope = name;
    return batch->last_scope_ref = scope_obtain(batch->roll, name);
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

void plan_drop_extra(struct roll *roll, struct planned *planned) {
    if (planned->extra == NULL) return;
    size_t bytes = extra_bytes(member_at(roll, planned->member), planned->extra->state_capacity);
    roll->extra_bytes_held -= bytes;
    roll->allocator.release(roll->allocator.context, planned->extra, bytes);
    planned->extra = NULL;
}

/* Rounded, so that a state that grows and shrinks by a few bytes keeps its room. */
static uint32_t state_room(uint32_t len) {
    return (len + 15) & ~UINT32_C(15);
}
_Static_assert(((MUSTER_STATE_BYTES_MAX + 15) & ~15) <= UINT16_MAX, "a state's room fits its field");

/* A new member of a user (first: its first one, or MEMBER_NONE), not yet seen by anybody: its stamp is 0. */
static uint32_t plan_member(struct batch *batch, uint32_t scope_ref, uint32_t first, uint64_t hash,
                            const struct beat *beat) {
    struct roll *roll = batch->roll;
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
static uint32_t plan_catch_up(struct batch *batch, uint32_t scope_ref, uint32_t first) {
    struct roll *roll = batch->roll;
    if (first != MEMBER_NONE && member_at(roll, first)->epoch != scope_at(roll, scope_ref)->epoch)
        first = user_apply_reset(roll, scope_ref, first, batch->now_ms, batch->effects);
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (m->is_live && !m->will_live && !member_lease_holds(m, batch->now_ms))
            member_expire(roll, ref, batch->now_ms, batch->effects);
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
static bool plan_state(struct batch *batch, struct planned *planned, const struct beat *beat) {
    struct member *m = member_at(batch->roll, planned->member);
    uint32_t has = m->has_extra ? member_extra(m)->state_capacity : 0;
    if (beat->state.len <= has || beat->ttl_ms == 0) return true;
    planned->extra = extra_new(batch->roll, beat, state_room(beat->state.len));
    return planned->extra != NULL;
}

/* The case that nearly all beats are: the user's only session, live, with room for the state. Nothing is to be made. */
static bool is_plain(const struct batch *batch, const struct scope *scope, uint32_t first, const struct beat *beat) {
    if (first == MEMBER_NONE) return false;
    const struct member *m = member_at(batch->roll, first);
    return m->is_live && m->next_session == MEMBER_NONE && m->epoch == scope->epoch &&
           member_lease_holds(m, batch->now_ms) && text_equal(member_session(m), beat->session) &&
           (beat->state.len == 0 || (m->has_extra && beat->state.len <= member_extra(m)->state_capacity));
}

static bool plan_beat(struct batch *batch, size_t i, uint32_t scope_ref, uint32_t first, uint64_t hash) {
    const struct beat *beat = &batch->beats[i];
    struct planned *planned = &batch->plan[i];
    struct roll *roll = batch->roll;
    if (is_plain(batch, scope_at(roll, scope_ref), first, beat)) {
        planned->member = first;
        return true;
    }
    first = plan_catch_up(batch, scope_ref, first);
    planned->member = session_find(roll, first, beat->session);
    bool was_live = planned->member != MEMBER_NONE && member_at(roll, planned->member)->is_live;
    bool lives = beat_lives(batch, i);
    /* Other nodes have let their sessions in already: what they say is merged. */
    if (batch->changes == NULL && lives && !was_live && first != MEMBER_NONE &&
        !(planned->member != MEMBER_NONE && member_at(roll, planned->member)->will_live) &&
        !has_room_for_session(roll, first))
        return batch_refuse(batch, "sessions", MUSTER_SESSIONS_MAX, i);
    if (planned->member == MEMBER_NONE) {
        planned->member = plan_member(batch, scope_ref, first, hash, beat);
        if (planned->member == MEMBER_NONE) return batch_refuse(batch, "memory", 0, i);
    }
    if (!plan_state(batch, planned, beat)) return batch_refuse(batch, "memory", 0, i);
    if (lives && !was_live) member_at(roll, planned->member)->will_live = 1;
    return true;
}

/* Lets go of scopes that were made for beats which then were not planned. */
static void plan_release_scopes(struct roll *roll, const uint32_t *scopes, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (scope_at(roll, scopes[i]) != NULL) scope_release_if_empty(roll, scopes[i]);
}

/* Plans beats first..first+n-1, n ≤ WINDOW: the misses of all of them overlap. *done counts those that are planned. */
static bool plan_window(struct batch *batch, size_t first, size_t n, size_t *done) {
    struct roll *roll = batch->roll;
    uint32_t scopes[WINDOW], users[WINDOW];
    uint64_t hashes[WINDOW];
    memset(&batch->plan[first], 0, n * sizeof batch->plan[first]);
    for (size_t i = 0; i < n; i++) {
        const struct beat *beat = &batch->beats[first + i];
        scopes[i] = plan_scope(batch, beat->scope);
        if (scopes[i] == SCOPE_NONE) {
            plan_release_scopes(roll, scopes, i);
            return batch_refuse(batch, "memory", 0, first + i);
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
        const struct beat *beat = &batch->beats[first + i];
        const struct member *m = users[i] == MEMBER_NONE ? NULL : member_at(roll, users[i]);
        if (m == NULL || !m->is_used || !m->is_first || m->scope != scopes[i] ||
            !text_equal(member_user(m), beat->user))
            users[i] = user_find(roll, scope_at(roll, scopes[i]), beat->user, hashes[i]);
        if (!plan_beat(batch, first + i, scopes[i], users[i], hashes[i])) {
            plan_release_scopes(roll, scopes, n);
            return false;
        }
    }
    return true;
}

/* Undoes what was planned for the beats before `n`, and for beat n as far as it came. */
static void plan_undo(struct batch *batch, size_t n) {
    struct roll *roll = batch->roll;
    for (size_t i = n; i-- > 0;) {
        struct planned *planned = &batch->plan[i];
        if (planned->member == MEMBER_NONE) continue;
        struct member *m = member_at(roll, planned->member);
        plan_drop_extra(roll, planned);
        m->will_live = 0;
    }
    for (size_t i = n; i-- > 0;) {
        uint32_t ref = batch->plan[i].member;
        if (ref == MEMBER_NONE) continue;
        struct member *m = member_at(roll, ref);
        if (!m->is_used || m->stamp != 0) continue; /* of an earlier call, or undone already */
        uint32_t scope = m->scope;
        member_unlink(roll, ref);
        scope_release_if_empty(roll, scope);
    }
}

/* Takes tombstones that the call names out of their ring, so that they make no room; or puts them back. */
static void plan_hold_tombstones(struct batch *batch, size_t n, bool hold) {
    for (size_t i = 0; i < n; i++) {
        const struct member *m = member_at(batch->roll, batch->plan[i].member);
        if (m->stamp == 0 || m->is_live || (m->timer_prev != 0) != hold) continue;
        if (hold) tombstone_remove(batch->roll, batch->plan[i].member);
        else tombstone_add(batch->roll, batch->plan[i].member);
    }
}

static bool roll_is_over(const struct roll *roll) {
    return roll->slab.count > roll->config.members_max || roll_bytes(roll) > roll->config.bytes_max;
}

/* Lets the oldest tombstones make room for what was planned; refuses, with nothing changed, where they cannot. */
static bool plan_make_room(struct batch *batch, size_t n) {
    struct roll *roll = batch->roll;
    if (!roll_is_over(roll)) return true;
    plan_hold_tombstones(batch, n, true);
    uint64_t tombstones = roll->timers.tombstones;
    bool members_fit = roll->slab.count <= roll->config.members_max + tombstones;
    bool bytes_fit =
        roll_bytes(roll) <= roll->config.bytes_max + tombstones * ROLL_MEMBER_BYTES + roll->tombstone_extra_bytes;
    if (!members_fit || !bytes_fit) {
        plan_hold_tombstones(batch, n, false);
        if (!members_fit) return batch_refuse(batch, "members", roll->config.members_max, 0);
        return batch_refuse(batch, "bytes", roll->config.bytes_max, 0);
    }
    while (roll_is_over(roll) && roll_evict_one(roll, batch->now_ms, batch->effects)) {
    }
    return true;
}

bool plan_beats(struct batch *batch, size_t n) {
    size_t done = 0;
    bool is_planned = true;
    while (is_planned && done < n) is_planned = plan_window(batch, done, n - done < WINDOW ? n - done : WINDOW, &done);
    if (is_planned && plan_make_room(batch, n)) return true;
    plan_undo(batch, done < n ? done + 1 : n);
    return false;
}
