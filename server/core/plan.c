#include "batch.h"
#include "scope_users.h"

static bool is_same_name(struct text a, struct text b) {
    return a.len == b.len && (a.data == b.data || text_equal(a, b));
}

/* The scope of a beat, whose name has this hash. A refresh makes none, and may have none. false: memory is short. */
static bool plan_scope(struct batch *batch, const struct beat *beat, uint64_t hash, uint32_t *scope) {
    struct roll *roll = batch->roll;
    struct text name = beat->scope;
    if (batch->last_scope_ref == SCOPE_NONE || !is_same_name(name, batch->last_scope)) {
        batch->last_scope = name;
        batch->last_scope_hash = hash;
        uint32_t ref = beat->is_refresh ? scope_find_hashed(roll, name, hash) : scope_obtain_hashed(roll, name, hash);
        batch->last_scope_ref = ref;
        batch->last_scope_at = ref == SCOPE_NONE ? NULL : scope_at(batch->roll, ref);
    }
    *scope = batch->last_scope_ref;
    return *scope != SCOPE_NONE || beat->is_refresh;
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
    m->is_used = 1;
    m->user_len = (uint8_t)beat->user.len;
    m->session_len = (uint8_t)beat->session.len;
    m->scope = scope_ref;
    m->epoch = scope->epoch;
    m->is_register = beat->kind != REGISTER_SESSION;
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
    if (!scope_users_insert(roll, scope_ref, hash, ref)) goto fail_extra;
    return ref;
fail_extra:
    member_drop_extra(roll, m);
fail_member:
    m->is_used = 0;
    slab_give(&roll->slab, ref);
    return MEMBER_NONE;
}

/* Brings a user up to now before a beat changes it: members that a reset made void are removed, and leases whose end
 * was not handled yet are ended. */
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

/* *made: how many of the sessions that were looked at the call itself has made. */
static uint32_t session_find(const struct roll *roll, uint32_t first, struct text session, unsigned *made) {
    *made = 0;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        if (text_equal(member_session(member_at(roll, ref)), session)) return ref;
        *made += member_at(roll, ref)->stamp == 0;
    }
    return MEMBER_NONE;
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

/* The user's only session, live, with room for the state: nothing is to be made. */
static bool is_plain(const struct batch *batch, const struct scope *scope, uint32_t first, const struct beat *beat) {
    if (first == MEMBER_NONE) return false;
    const struct member *m = member_at(batch->roll, first);
    return m->is_live && m->next_session == MEMBER_NONE && m->epoch == scope->epoch &&
           member_lease_holds(m, batch->now_ms) && text_equal(member_session(m), beat->session) &&
           (beat->state.len == 0 || (m->has_extra && beat->state.len <= member_extra(m)->state_capacity));
}

/* false: refused, or cut before beat i. */
static bool plan_beat(struct batch *batch, size_t i, uint32_t scope_ref, uint32_t first, uint64_t hash) {
    const struct beat *beat = &batch->beats[i];
    struct planned *planned = &batch->plan[i];
    struct roll *roll = batch->roll;
    if (is_plain(batch, scope_at(roll, scope_ref), first, beat)) {
        planned->member = first;
        return true;
    }
    first = plan_catch_up(batch, scope_ref, first);
    unsigned made;
    planned->member = session_find(roll, first, beat->session, &made);
    bool was_live = planned->member != MEMBER_NONE && member_at(roll, planned->member)->is_live;
    if (beat->is_refresh) {
        bool will_live = planned->member != MEMBER_NONE && member_at(roll, planned->member)->will_live;
        if (!was_live && !will_live) planned->member = MEMBER_NONE;
        return true;
    }
    bool lives = beat_lives(batch, i);
    if (planned->member == MEMBER_NONE) {
        batch->is_cut = batch->changes == NULL && made >= ROLL_SESSIONS_A_PIECE;
        if (batch->is_cut) return false;
        planned->member = plan_member(batch, scope_ref, first, hash, beat);
        if (planned->member == MEMBER_NONE) return batch_refuse(batch, "memory", 0, i);
    }
    if (!plan_state(batch, planned, beat)) return batch_refuse(batch, "memory", 0, i);
    if (lives && !was_live) member_at(roll, planned->member)->will_live = 1;
    return true;
}

/* ---- refreshes ---------------------------------------------------------------------------------------------------
 *
 * Nearly all beats are of a user's only session and say what its last beat said, or say nothing but that it is still
 * here: nothing is to be made for them, no watcher sees a difference, and all that changes in the member's record is
 * stamp, sequence and seen_ms. As long as a call has had no other beat, they are planned by one look at the record and
 * committed without another. Refreshes of sessions that are not live may be among them: they do nothing. */

/* What the flags of such a member are, with seen_ms 0. */
static inline uint64_t refresh_flags(const struct scope *scope, unsigned status, bool has_extra) {
    const struct member expected = {
        .status = status & 3, .is_live = 1, .has_extra = has_extra, .is_used = 1, .is_first = 1, .epoch = scope->epoch};
    return expected.seen_and_flags;
}

static inline uint64_t refresh_flags_mask(void) {
    const struct member all_seen = {.seen_ms = UINT64_MAX >> 16};
    return ~all_seen.seen_and_flags;
}

static bool only_extends(const struct batch *batch, const struct scope *scope, uint32_t scope_ref, uint32_t ref,
                         const struct beat *beat) {
    const struct member *m = member_at(batch->roll, ref);
    unsigned status = beat->is_refresh ? m->status : beat->status;
    uint64_t flags = refresh_flags(scope, status, m->has_extra);
    if ((m->seen_and_flags & refresh_flags_mask()) != flags || m->scope != scope_ref || m->ttl_ms != beat->ttl_ms ||
        m->next_session != MEMBER_NONE || m->origin != ORIGIN_SELF || !member_lease_holds(m, batch->now_ms))
        return false;
    if (!m->has_extra)
        return beat->state.len == 0 && text_equal((struct text){m->id, m->user_len}, beat->user) &&
               text_equal((struct text){m->id + m->user_len, m->session_len}, beat->session);
    return text_equal(member_user(m), beat->user) && text_equal(member_session(m), beat->session) &&
           (beat->is_refresh || text_equal(member_state(m), beat->state));
}

/* ---- windows -----------------------------------------------------------------------------------------------------
 *
 * Beats are planned in windows, in four stages, each a window behind the one before: names are hashed and their slots
 * fetched; slots are searched and records fetched; extras of the records are fetched; the beats are planned. So the
 * misses of a whole window overlap, and those of the next one begin before they are waited for. */

enum { WINDOW = 32, STAGES = 4 };

struct window {
    size_t first, count; /* beats first..first+count-1 */
    uint32_t scopes[WINDOW], users[WINDOW];
    const struct scope *scopes_at[WINDOW];
    uint64_t hashes[WINDOW];
};

/* Hashes the names of the scopes of n beats, and fetches those that are not the scope of the beat before: two misses
 * each, which so overlap. true: all are of the scope that was looked up last, and nothing is to be done. */
static bool window_hash_scopes(const struct batch *batch, size_t first, size_t n, uint64_t hashes[WINDOW]) {
    const struct roll *roll = batch->roll;
    struct text names[WINDOW], last = batch->last_scope;
    uint64_t hashes_named[WINDOW];
    size_t named[WINDOW], count = 0; /* the beats that name another scope than the one before */
    for (size_t i = 0; i < n; i++) {
        struct text name = batch->beats[first + i].scope;
        if (is_same_name(name, last)) continue;
        named[count] = i;
        names[count++] = last = name;
    }
    if (count == 0 && batch->last_scope_ref != SCOPE_NONE) return true;
    hash_names(roll, names, count, hashes_named);
    for (size_t i = 0; count > 1 && i < count; i++) index_fetch(&roll->directory, hashes_named[i]);
    uint64_t hash = batch->last_scope_hash;
    for (size_t i = 0, k = 0; i < n; i++) {
        if (k < count && named[k] == i) hash = hashes_named[k++];
        hashes[i] = hash;
    }
    for (size_t i = 0; count > 1 && i < count; i++) {
        const struct index_slot *slot = index_find(&roll->directory, hashes_named[i]);
        if (slot != NULL) cache_fetch(scope_at(roll, slot->ref));
    }
    return false;
}

/* false: memory is short for a scope of beat first + count. */
static bool window_hash(struct batch *batch, struct window *window, size_t first, size_t n) {
    struct roll *roll = batch->roll;
    struct text names[WINDOW];
    window->first = first;
    uint64_t scope_hashes[WINDOW];
    bool is_last_scope = window_hash_scopes(batch, first, n, scope_hashes);
    for (window->count = 0; window->count < n; window->count++) {
        const struct beat *beat = &batch->beats[first + window->count];
        uint32_t *scope = &window->scopes[window->count];
        if (is_last_scope) *scope = batch->last_scope_ref;
        else if (!plan_scope(batch, beat, scope_hashes[window->count], scope)) break;
        window->scopes_at[window->count] = batch->last_scope_at;
        names[window->count] = beat->user;
    }
    hash_names(roll, names, window->count, window->hashes);
    for (size_t i = 0; i < window->count; i++)
        if (window->scopes_at[i] != NULL) scope_users_fetch(window->scopes_at[i], window->hashes[i]);
    return window->count == n;
}

static void window_find(const struct batch *batch, struct window *window) {
    const struct roll *roll = batch->roll;
    for (size_t i = 0; i < window->count; i++) {
        window->users[i] = MEMBER_NONE;
        if (window->scopes_at[i] == NULL) continue;
        const struct index_slot *slot = scope_users_find(window->scopes_at[i], window->hashes[i]);
        window->users[i] = slot == NULL ? MEMBER_NONE : slot->ref;
        if (slot != NULL) cache_fetch(member_at(roll, slot->ref));
    }
}

static void window_fetch_extras(const struct batch *batch, const struct window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->users[i] != MEMBER_NONE) member_fetch_extra(member_at(batch->roll, window->users[i]));
}

/* The first member of beat i's user. An earlier beat may have moved or removed what was found: then the user
 * is looked for again. */
static uint32_t window_user(const struct batch *batch, const struct window *window, size_t i) {
    const struct roll *roll = batch->roll;
    struct text user = batch->beats[window->first + i].user;
    if (window->users[i] != MEMBER_NONE) {
        const struct member *m = member_at(roll, window->users[i]);
        if (m->is_used && m->is_first && m->scope == window->scopes[i] && text_equal(member_user(m), user))
            return window->users[i];
    }
    return user_find(roll, scope_at(roll, window->scopes[i]), user, window->hashes[i]);
}

/* *done counts the beats that are planned. */
static bool window_plan(struct batch *batch, const struct window *window, size_t *done) {
    for (size_t i = 0; i < window->count; i++, ++*done) {
        struct planned *planned = &batch->plan[*done];
        *planned = (struct planned){.member = window->users[i]};
        if (batch->refreshes == *done && batch->changes == NULL && planned->member != MEMBER_NONE &&
            only_extends(batch, window->scopes_at[i], window->scopes[i], planned->member, &batch->beats[*done])) {
            batch->refreshes++;
            continue;
        }
        planned->member = MEMBER_NONE;
        if (window->scopes[i] != SCOPE_NONE &&
            !plan_beat(batch, *done, window->scopes[i], window_user(batch, window, i), window->hashes[i]))
            return false;
        /* Nothing is to be done for it: it may stand among the first refreshes. */
        if (planned->member == MEMBER_NONE && batch->refreshes == *done) batch->refreshes++;
    }
    return true;
}

/* Lets go of scopes that were made for beats which then were not planned. */
static void window_release_scopes(struct roll *roll, const struct window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->scopes[i] != SCOPE_NONE && scope_exists(roll, window->scopes[i]))
            scope_release_if_empty(roll, window->scopes[i]);
}

/* Plans all n beats; *done: how many came so far. */
static bool plan_windows(struct batch *batch, struct window windows[STAGES], size_t n, size_t *done) {
    size_t hashed = 0;
    bool has_memory = true;
    for (size_t step = 0; *done < n; step++) {
        struct window *hashing = &windows[step % STAGES], *finding = &windows[(step + STAGES - 1) % STAGES];
        hashing->count = 0;
        if (has_memory && hashed < n) {
            has_memory = window_hash(batch, hashing, hashed, n - hashed < WINDOW ? n - hashed : WINDOW);
            hashed += hashing->count;
        }
        window_find(batch, finding);
        if (batch->roll->extra_bytes_held > 0) window_fetch_extras(batch, &windows[(step + 2) % STAGES]);
        if (!window_plan(batch, &windows[(step + 1) % STAGES], done)) return false;
        if (has_memory || *done < hashed) continue;
        batch->plan[hashed] = (struct planned){.member = MEMBER_NONE};
        return batch_refuse(batch, "memory", 0, hashed);
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
        if (batch->plan[i].member == MEMBER_NONE) continue;
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

/* Whether the beats from `planned` on, whatever they are, will find room once those before them are committed: a call
 * that goes in pieces must not be refused after the first one. Tombstones that the call names make no room. */
static bool plan_rest_fits(struct batch *batch, size_t planned, size_t n) {
    const struct roll *roll = batch->roll;
    uint64_t tombstones = roll->timers.tombstones > n ? roll->timers.tombstones - n : 0, bytes = 0;
    for (size_t i = planned; i < n; i++) {
        const struct beat *beat = &batch->beats[i];
        bytes += ROLL_MEMBER_BYTES + scope_bytes_most(beat->scope) + sizeof(struct extra) + beat->user.len +
                 beat->session.len + state_room(beat->state.len);
    }
    if (roll->slab.count + (n - planned) > roll->config.members_max + tombstones)
        return batch_refuse(batch, "members", roll->config.members_max, planned);
    if (roll_bytes(roll) + bytes > roll->config.bytes_max + tombstones * ROLL_MEMBER_BYTES)
        return batch_refuse(batch, "bytes", roll->config.bytes_max, planned);
    return true;
}

size_t plan_beats(struct batch *batch, size_t n) {
    struct window windows[STAGES];
    size_t done = 0;
    for (int i = 0; i < STAGES; i++) windows[i].count = 0;
    batch->refreshes = 0;
    batch->is_cut = false;
    batch->last_scope_ref = SCOPE_NONE;
    bool is_planned = plan_windows(batch, windows, n, &done);
    if (!is_planned)
        for (int i = 0; i < STAGES; i++) window_release_scopes(batch->roll, &windows[i]);
    if (batch->is_cut) is_planned = plan_rest_fits(batch, done, n);
    if (is_planned && plan_make_room(batch, done)) return done;
    plan_undo(batch, done < n ? done + 1 : n);
    return 0;
}
