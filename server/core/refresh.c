/* Beats of other origins that only extended a lease. They name members by hashes, need no plan and cannot be refused.
 */
#include "scope_users.h"

/* The only member that a handle may mean; MEMBER_NONE if there is none, or more than one. */
static uint32_t handle_find(const struct roll *roll, const struct scope *scope, const struct refresh *refresh) {
    uint32_t found = MEMBER_NONE;
    const struct index_slot *slot = scope_users_find(scope, refresh->user_hash);
    for (; slot != NULL; slot = scope_users_next(scope, slot)) {
        if (user_hash(roll, slot->ref) != refresh->user_hash) continue;
        for (uint32_t ref = slot->ref; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
            const struct member *m = member_at(roll, ref);
            if (m->is_register || roll_session_hash(roll, member_session(m)) != refresh->session_hash) continue;
            if (found != MEMBER_NONE) return MEMBER_NONE;
            found = ref;
        }
    }
    return found;
}

/* Whether a leave of all sessions makes the refresh void: of the only user that its handle may mean. */
static bool is_void_by_leave(const struct roll *roll, const struct scope *scope, const struct refresh *refresh) {
    uint64_t stamp = 0;
    size_t users = 0;
    const struct index_slot *slot = scope_users_find(scope, refresh->user_hash);
    for (; slot != NULL; slot = scope_users_next(scope, slot)) {
        if (user_hash(roll, slot->ref) != refresh->user_hash) continue;
        users++;
        stamp = user_leave_stamp(roll, slot->ref);
    }
    return users == 1 && refresh->stamp < stamp;
}

static uint32_t scope_at_hash(const struct roll *roll, uint64_t hash) {
    uint32_t found = SCOPE_NONE;
    const struct index_slot *slot = index_find(&roll->directory, hash);
    for (uint32_t high = slot == NULL ? 0 : slot->high; slot != NULL && slot->ref != 0 && slot->high == high; slot++) {
        if (scope_hash(roll, slot->ref) != hash) continue;
        if (found != SCOPE_NONE) return SCOPE_NONE;
        found = slot->ref;
    }
    return found;
}

static void refresh_write(struct roll *roll, uint32_t ref, const struct refresh *refresh, uint64_t now_ms,
                          struct effects *effects) {
    struct member *m = member_at(roll, ref);
    struct scope *scope = scope_at(roll, m->scope);
    uint64_t was_ms = m->seen_ms, old_end = member_lease_end_ms(m);
    uint32_t user = m->is_first ? ref : user_find(roll, scope, member_user(m), user_hash(roll, ref));
    struct user_sum before = {0}, after = {0};
    bool is_alone = m->is_first && m->next_session == MEMBER_NONE;
    if (!is_alone) before = user_sum(roll, user);
    m->stamp = refresh->stamp;
    m->sequence = refresh->sequence;
    m->seen_ms = refresh->seen_ms;
    if (member_lease_end_ms(m) < old_end) { /* this frame was under way for longer than the one before */
        timers_drop_lease(&roll->timers, ref);
        timers_lease(&roll->timers, ref);
    }
    if (is_alone) {
        scope_history_move(scope, was_ms, m->seen_ms);
        return;
    }
    after = user_sum(roll, user);
    user_account(roll, m->scope, user, &before, &after, false, REASON_NONE, now_ms, effects);
}

/* Whether the refresh of what its handle means is done: written, or of no effect. */
static bool refresh_apply(struct roll *roll, uint32_t scope_ref, uint32_t ref, uint64_t origin,
                          const struct refresh *refresh, uint64_t floor, uint64_t now_ms, struct effects *effects) {
    const struct scope *scope = scope_at(roll, scope_ref);
    if (refresh->stamp <= scope_reset_stamp(scope)) return true;
    if (ref == MEMBER_NONE) return is_void_by_leave(roll, scope, refresh);
    const struct member *m = member_at(roll, ref);
    if (!m->is_live && is_void_by_leave(roll, scope, refresh)) return true;
    if (m->epoch != scope->epoch) return false;
    if (m->stamp > refresh->stamp) return true;
    if (roll->origins[m->origin].id != origin) return false;
    if (m->stamp == refresh->stamp) return true; /* it is here */
    if (m->sequence < floor) return false;
    if (!m->is_live || !member_lease_holds(m, now_ms) || refresh->seen_ms + m->ttl_ms < now_ms) return false;
    refresh_write(roll, ref, refresh, now_ms, effects);
    return true;
}

/* ---- windows -----------------------------------------------------------------------------------------------------
 *
 * In four stages, as in plan.c. A refresh adds and removes no member, so what was found stays where it is. */

enum { REFRESH_WINDOW = 32, REFRESH_STAGES = 4 };

struct refresh_window {
    size_t count;
    const struct refresh *refreshes;
    uint32_t scopes[REFRESH_WINDOW]; /* SCOPE_NONE: there is none */
    const struct scope *scopes_at[REFRESH_WINDOW];
    uint32_t users[REFRESH_WINDOW]; /* the only user who may be meant; MEMBER_NONE: there is none, or there are more */
};

/* Fetches scopes that are not the one of the refresh before: two misses each, which so overlap. */
static void refresh_fetch_scopes(const struct roll *roll, const struct refresh *refreshes, size_t n) {
    uint64_t hashes[REFRESH_WINDOW];
    size_t count = 0;
    for (size_t i = 1; i < n; i++)
        if (refreshes[i].scope_hash != refreshes[i - 1].scope_hash) hashes[count++] = refreshes[i].scope_hash;
    for (size_t i = 0; i < count; i++) index_fetch(&roll->directory, hashes[i]);
    for (size_t i = 0; i < count; i++) {
        const struct index_slot *slot = index_find(&roll->directory, hashes[i]);
        if (slot != NULL) cache_fetch(scope_at(roll, slot->ref));
    }
}

static void refresh_window_begin(const struct roll *roll, struct refresh_window *window,
                                 const struct refresh *refreshes, size_t n) {
    uint32_t scope = SCOPE_NONE;
    const struct scope *at = NULL;
    window->count = n;
    window->refreshes = refreshes;
    refresh_fetch_scopes(roll, refreshes, n);
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || refreshes[i].scope_hash != refreshes[i - 1].scope_hash) {
            scope = scope_at_hash(roll, refreshes[i].scope_hash);
            at = scope == SCOPE_NONE ? NULL : scope_at(roll, scope);
        }
        window->scopes[i] = scope;
        if (scope == SCOPE_NONE) continue;
        window->scopes_at[i] = at;
        scope_users_fetch(at, refreshes[i].user_hash);
    }
}

static void refresh_window_find(const struct roll *roll, struct refresh_window *window) {
    for (size_t i = 0; i < window->count; i++) {
        window->users[i] = MEMBER_NONE;
        if (window->scopes[i] == SCOPE_NONE) continue;
        const struct scope *scope = window->scopes_at[i];
        const struct index_slot *slot = scope_users_find(scope, window->refreshes[i].user_hash);
        if (slot == NULL || scope_users_next(scope, slot) != NULL) continue;
        window->users[i] = slot->ref;
        cache_fetch(member_at(roll, slot->ref));
    }
}

static void refresh_window_fetch_extras(const struct roll *roll, const struct refresh_window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->users[i] != MEMBER_NONE) member_fetch_extra(member_at(roll, window->users[i]));
}

/* The whole hashes of the users who were found: only their upper halves have been compared. */
static void refresh_window_hash(const struct roll *roll, const struct refresh_window *window, uint64_t *hashes) {
    struct text names[REFRESH_WINDOW];
    for (size_t i = 0; i < window->count; i++)
        names[i] =
            window->users[i] == MEMBER_NONE ? (struct text){NULL, 0} : member_user(member_at(roll, window->users[i]));
    hash_names(roll, names, window->count, hashes);
}

static uint32_t refresh_window_member(const struct roll *roll, const struct refresh_window *window, size_t i,
                                      uint64_t hash) {
    const struct refresh *refresh = &window->refreshes[i];
    if (window->users[i] != MEMBER_NONE && hash == refresh->user_hash) {
        const struct member *m = member_at(roll, window->users[i]);
        if (m->next_session == MEMBER_NONE && !m->is_register &&
            roll_session_hash(roll, member_session(m)) == refresh->session_hash)
            return window->users[i];
    }
    return handle_find(roll, window->scopes_at[i], refresh);
}

static size_t refresh_window_apply(struct roll *roll, const struct refresh_window *window, uint64_t origin,
                                   uint64_t floor, uint64_t now_ms, struct effects *effects) {
    uint64_t hashes[REFRESH_WINDOW];
    size_t failed = 0;
    refresh_window_hash(roll, window, hashes);
    for (size_t i = 0; i < window->count; i++) {
        if (window->scopes[i] == SCOPE_NONE) {
            failed++;
            continue;
        }
        uint32_t ref = refresh_window_member(roll, window, i, hashes[i]);
        failed += !refresh_apply(roll, window->scopes[i], ref, origin, &window->refreshes[i], floor, now_ms, effects);
    }
    return failed;
}

size_t roll_refresh(struct roll *roll, uint64_t origin, const struct refresh *refreshes, size_t n, uint64_t floor,
                    uint64_t now_ms, struct effects *effects) {
    roll_start(roll, now_ms);
    struct refresh_window windows[REFRESH_STAGES];
    size_t failed = 0, begun = 0, done = 0;
    for (int i = 0; i < REFRESH_STAGES; i++) windows[i].count = 0;
    for (size_t step = 0; done < n; step++) {
        size_t next = n - begun < REFRESH_WINDOW ? n - begun : REFRESH_WINDOW;
        refresh_window_begin(roll, &windows[step % REFRESH_STAGES], refreshes + begun, next);
        begun += next;
        refresh_window_find(roll, &windows[(step + 3) % REFRESH_STAGES]);
        if (roll->extra_bytes_held > 0) refresh_window_fetch_extras(roll, &windows[(step + 2) % REFRESH_STAGES]);
        const struct refresh_window *last = &windows[(step + 1) % REFRESH_STAGES];
        failed += refresh_window_apply(roll, last, origin, floor, now_ms, effects);
        done += last->count;
    }
    return failed;
}
