/* Answers about users by name. */
#include "scope_users.h"

uint64_t roll_hash(const struct roll *roll, struct text name) {
    return hash_of_name(roll, name.data, name.len);
}

static inline void view_add(struct user_view *view, const struct member *m, uint64_t now_ms) {
    view->known = true;
    if (m->seen_ms > view->seen_ms) view->seen_ms = m->seen_ms;
    if (!member_lease_holds(m, now_ms)) return;
    view->live = true;
    view->sessions++;
    if (m->status > view->status) view->status = m->status;
}

/* Of a user that has registers of its own: few have. */
static struct user_view view_with_registers(const struct roll *roll, const struct scope *scope, uint32_t first,
                                            uint64_t now_ms) {
    struct user_view view = {0};
    uint8_t set_status = STATUS_NONE;
    for (uint32_t ref = first; ref != MEMBER_NONE; ref = member_at(roll, ref)->next_session) {
        const struct member *m = member_at(roll, ref);
        if (!member_is_kept(roll, scope, m, now_ms)) continue;
        if (member_kind(m) != REGISTER_STATUS) view_add(&view, m, now_ms);
        else if (member_lease_holds(m, now_ms)) set_status = m->status;
    }
    if (view.live && set_status != STATUS_NONE) view.status = set_status;
    return view;
}

struct user_view view_user(const struct roll *roll, const struct scope *scope, uint32_t first, uint64_t now_ms) {
    struct user_view view = {0};
    for (uint32_t ref = first; ref != MEMBER_NONE;) {
        const struct member *m = member_at(roll, ref);
        if (m->is_register) return view_with_registers(roll, scope, first, now_ms);
        ref = m->next_session;
        if (member_is_kept(roll, scope, m, now_ms)) view_add(&view, m, now_ms);
    }
    return view;
}

/* ---- live --------------------------------------------------------------------------------------------------------
 *
 * In windows and four stages, as beats are planned: see plan.c. */

enum { LIVE_WINDOW = 32, LIVE_STAGES = 4 };

struct live_window {
    size_t first, count; /* users first..first+count-1 */
    uint64_t hashes[LIVE_WINDOW];
    uint32_t found[LIVE_WINDOW]; /* the first member of the user, or of another one whose hash begins like its hash */
};

struct live {
    const struct roll *roll;
    const struct scope *scope;
    const struct text *users;
    size_t n;
    uint64_t now_ms;
    struct user_view *out;
};

static void live_hash(const struct live *live, struct live_window *window, size_t first) {
    window->first = first;
    window->count = live->n - first < LIVE_WINDOW ? live->n - first : LIVE_WINDOW;
    hash_names(live->roll, live->users + first, window->count, window->hashes);
    for (size_t i = 0; i < window->count; i++) scope_users_fetch(live->scope, window->hashes[i]);
}

static void live_find(const struct live *live, struct live_window *window) {
    for (size_t i = 0; i < window->count; i++) {
        const struct index_slot *slot = scope_users_find(live->scope, window->hashes[i]);
        window->found[i] = slot == NULL ? MEMBER_NONE : slot->ref;
        if (slot != NULL) cache_fetch(member_at(live->roll, slot->ref));
    }
}

static void live_fetch_extras(const struct live *live, const struct live_window *window) {
    for (size_t i = 0; i < window->count; i++)
        if (window->found[i] != MEMBER_NONE) member_fetch_extra(member_at(live->roll, window->found[i]));
}

static void live_answer(const struct live *live, const struct live_window *window) {
    for (size_t i = 0; i < window->count; i++) {
        struct text user = live->users[window->first + i];
        uint32_t ref = window->found[i];
        if (ref != MEMBER_NONE && !text_equal(member_user(member_at(live->roll, ref)), user))
            ref = user_find(live->roll, live->scope, user, window->hashes[i]);
        live->out[window->first + i] = view_user(live->roll, live->scope, ref, live->now_ms);
        live->out[window->first + i].user = user;
    }
}

void roll_live(const struct roll *roll, struct text scope, const struct text *users, size_t n, uint64_t now_ms,
               struct user_view *out) {
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) {
        for (size_t i = 0; i < n; i++) out[i] = (struct user_view){.user = users[i]};
        return;
    }
    const struct live live = {roll, scope_at(roll, ref), users, n, now_ms, out};
    struct live_window windows[LIVE_STAGES];
    size_t begun = 0, done = 0;
    for (int i = 0; i < LIVE_STAGES; i++) windows[i].count = 0;
    for (size_t step = 0; done < n; step++) {
        live_hash(&live, &windows[step % LIVE_STAGES], begun);
        begun += windows[step % LIVE_STAGES].count;
        live_find(&live, &windows[(step + 3) % LIVE_STAGES]);
        if (roll->extra_bytes_held > 0) live_fetch_extras(&live, &windows[(step + 2) % LIVE_STAGES]);
        live_answer(&live, &windows[(step + 1) % LIVE_STAGES]);
        done += windows[(step + 1) % LIVE_STAGES].count;
    }
}

/* The first member of a user by name; also its scope. */
static uint32_t find_user(const struct roll *roll, struct text scope, struct text user, const struct scope **in) {
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) return MEMBER_NONE;
    *in = scope_at(roll, ref);
    return user_find(roll, *in, user, roll_hash(roll, user));
}

size_t roll_sessions(const struct roll *roll, struct text scope, struct text user, uint64_t now_ms,
                     struct session_view out[MUSTER_SESSIONS_MAX]) {
    const struct scope *in = NULL;
    size_t count = 0;
    for (uint32_t ref = find_user(roll, scope, user, &in); ref != MEMBER_NONE && count < MUSTER_SESSIONS_MAX;) {
        const struct member *m = member_at(roll, ref);
        ref = m->next_session;
        if (m->is_register || member_is_void(in, m) || !member_lease_holds(m, now_ms)) continue;
        out[count++] = (struct session_view){member_session(m), member_state(m), m->status, m->ttl_ms, m->seen_ms};
    }
    return count;
}
