/* What the roll answers. */
#include "roll_internal.h"

enum {
    READ_AHEAD = 16, /* records fetched side by side */
    LIST_LOOKED_MIN =
        16384, /* slots that a page may look at, though it finds nobody: half a millisecond at the worst */
};

uint64_t roll_hash(const struct roll *roll, struct text name) {
    return hash_of_name(roll, name.data, name.len);
}

/* What a reader sees of a user; `user` is left unset. Does not rely on what roll_tick does. */
static struct user_view view_user(const struct roll *roll, const struct scope *scope, uint32_t first, uint64_t now_ms) {
    struct user_view view = {0};
    for (uint32_t ref = first; ref != MEMBER_NONE;) {
        const struct member *m = member_at(roll, ref);
        ref = m->next_session;
        if (!member_is_kept(roll, scope, m, now_ms)) continue;
        view.known = true;
        if (m->seen_ms > view.seen_ms) view.seen_ms = m->seen_ms;
        if (!member_lease_holds(m, now_ms)) continue;
        view.live = true;
        view.sessions++;
        if (m->status > view.status) view.status = m->status;
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
    for (size_t i = 0; i < window->count; i++) index_fetch(&live->scope->users, window->hashes[i]);
}

static void live_find(const struct live *live, struct live_window *window) {
    for (size_t i = 0; i < window->count; i++) {
        const struct index_slot *slot = index_find(&live->scope->users, window->hashes[i]);
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
        if (member_is_void(in, m) || !member_lease_holds(m, now_ms)) continue;
        out[count++] = (struct session_view){member_session(m), member_state(m), m->status, m->ttl_ms, m->seen_ms};
    }
    return count;
}

size_t roll_session_names(const struct roll *roll, struct text scope, struct text user, uint64_t now_ms,
                          struct text sessions[MUSTER_SESSIONS_MAX]) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t count = roll_sessions(roll, scope, user, now_ms, views);
    for (size_t i = 0; i < count; i++) sessions[i] = views[i].session;
    return count;
}

/* ---- walks ----------------------------------------------------------------------------------------------------- */

/* A walk over an index that stands before the first entry whose hash is greater than *after. */
struct walk {
    struct index_walk at;
    index_hash_fn *hash_of;
    const void *context;
    const uint64_t *after; /* NULL once it is passed */
    size_t looked;
};

static struct walk walk_begin(const struct index *index, const uint64_t *after, index_hash_fn *hash_of,
                              const void *context) {
    return (struct walk){index_walk_from(index, after == NULL ? 0 : (uint32_t)(*after >> 32)), hash_of, context, after,
                         0};
}

/* The next entry's reference, 0 at the end. */
static uint32_t walk_next(struct walk *walk) {
    const struct index_slot *slot;
    while ((slot = index_walk_next(&walk->at, &walk->looked)) != NULL) {
        /* Entries stand in the order of their whole hash, so only those of the same upper half are in question. */
        if (walk->after != NULL && slot->high == *walk->after >> 32 &&
            walk->hash_of(walk->context, slot->ref) <= *walk->after)
            continue;
        walk->after = NULL;
        return slot->ref;
    }
    return 0;
}

struct lister {
    const struct roll *roll;
    const struct scope *scope;
    unsigned statuses;
    uint64_t now_ms;
};

static bool lister_wants(const struct lister *lister, uint32_t ref, struct user_view *view) {
    *view = view_user(lister->roll, lister->scope, ref, lister->now_ms);
    return view->live && (lister->statuses >> view->status & 1) != 0;
}

/* The next entries of a walk, whose records are being fetched. */
static size_t walk_ahead(const struct roll *roll, struct walk *walk, uint32_t refs[READ_AHEAD]) {
    size_t n = 0;
    while (n < READ_AHEAD && (refs[n] = walk_next(walk)) != 0) cache_fetch(member_at(roll, refs[n++]));
    return n;
}

/* Ends a page before the user `next`, the last that was looked at being `last`. A page never ends between two users of
 * the same hash, since the next one begins after that hash: it gives back those of the last hash; if it has no
 * others, it keeps what fits. */
static void page_end(const struct roll *roll, struct page *page, uint32_t last, uint32_t next,
                     const struct user_view *out) {
    page->more = true;
    page->next = user_hash(roll, last);
    if (user_hash(roll, next) != page->next) {
        return;
    }
    size_t keep = page->count;
    while (keep > 0 && roll_hash(roll, out[keep - 1].user) == page->next) keep--;
    if (keep == 0) return;
    page->count = keep;
    page->next = roll_hash(roll, out[keep - 1].user);
}

struct page roll_list(const struct roll *roll, struct text scope, unsigned statuses, const uint64_t *after,
                      size_t limit, uint64_t now_ms, struct user_view *out) {
    struct page page = {0};
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) return page;
    struct lister lister = {roll, scope_at(roll, ref), statuses, now_ms};
    struct walk walk = walk_begin(&lister.scope->users, after, user_hash, roll);
    uint32_t refs[READ_AHEAD], last = 0;
    size_t n, looked_max = limit * 4 > LIST_LOOKED_MIN ? limit * 4 : LIST_LOOKED_MIN;
    while ((n = walk_ahead(roll, &walk, refs)) > 0) {
        for (size_t i = 0; i < n; i++) {
            bool is_tired = walk.looked >= looked_max && last != 0 && user_hash(roll, refs[i]) != user_hash(roll, last);
            if (page.count == limit || is_tired) {
                page_end(roll, &page, last, refs[i], out);
                return page;
            }
            last = refs[i];
            if (!lister_wants(&lister, last, &out[page.count])) continue;
            out[page.count++].user = member_user(member_at(roll, last));
        }
    }
    return page;
}

/* How many rows of a page come before those of a hash, which it ends with. */
static size_t scopes_before(const struct roll *roll, const struct page *page, uint64_t hash,
                            const struct scope_view *out) {
    size_t keep = page->count;
    while (keep > 0 && roll_hash(roll, out[keep - 1].scope) == hash) keep--;
    return keep;
}

struct page roll_scopes(const struct roll *roll, const uint64_t *after, size_t limit, uint64_t now_ms,
                        struct scope_view *out) {
    (void)now_ms;
    struct page page = {0};
    struct walk walk = walk_begin(&roll->directory, after, scope_hash, roll);
    uint32_t last = 0;
    for (uint32_t ref; (ref = walk_next(&walk)) != 0; last = ref) {
        bool is_tired = walk.looked >= LIST_LOOKED_MIN && last != 0;
        if ((page.count == limit || is_tired) && scope_hash(roll, ref) != scope_hash(roll, last)) {
            page.more = true;
            page.next = scope_hash(roll, last);
            return page;
        }
        const struct scope *scope = scope_at(roll, ref);
        if (scope->users_counted == 0) continue;
        if (page.count == limit) {
            size_t keep = scopes_before(roll, &page, scope_hash(roll, ref), out);
            if (keep == 0) continue;
            return (struct page){keep, true, roll_hash(roll, out[keep - 1].scope)};
        }
        out[page.count++] = (struct scope_view){{scope->name, scope->name_len}, scope->live};
    }
    return page;
}

/* ---- the latest seen --------------------------------------------------------------------------------------------- */

static bool is_older(const struct recent *a, const struct recent *b) {
    return a->seen_ms != b->seen_ms ? a->seen_ms < b->seen_ms : a->hash < b->hash;
}

/* Restores a heap whose oldest is at the top, from `i` down. */
static void heap_sink(struct recent *heap, size_t count, size_t i) {
    struct recent sinking = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_older(&heap[child + 1], &heap[child])) child++;
        if (!is_older(&heap[child], &sinking)) break;
        heap[i] = heap[child];
    }
    heap[i] = sinking;
}

static void heap_add(struct recent *heap, size_t *count, size_t k, struct recent found) {
    if (*count == k) {
        if (!is_older(&heap[0], &found)) return;
        heap[0] = found;
        heap_sink(heap, *count, 0);
        return;
    }
    size_t i = (*count)++;
    for (; i > 0 && is_older(&found, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = found;
}

/* Newest first. */
static void heap_sort(struct recent *heap, size_t count) {
    while (count > 1) {
        struct recent oldest = heap[0];
        heap[0] = heap[--count];
        heap_sink(heap, count, 0);
        heap[count] = oldest;
    }
}

bool roll_recent(const struct roll *roll, struct text scope, unsigned statuses, size_t k, uint64_t now_ms,
                 size_t budget, struct recent_search *search, struct recent *best) {
    uint32_t ref = scope_find(roll, scope);
    if (search->is_done) return true;
    if (ref == SCOPE_NONE) { /* also where the scope was forgotten between two steps */
        search->is_done = true;
        heap_sort(best, search->count);
        return true;
    }
    struct lister lister = {roll, scope_at(roll, ref), statuses, now_ms};
    struct walk walk = walk_begin(&lister.scope->users, search->is_begun ? &search->after : NULL, user_hash, roll);
    search->is_begun = true;
    uint32_t refs[READ_AHEAD], last = 0;
    size_t n;
    while ((n = walk_ahead(roll, &walk, refs)) > 0) {
        for (size_t i = 0; i < n; i++) {
            struct user_view view;
            if (walk.looked >= budget && last != 0 && user_hash(roll, refs[i]) != user_hash(roll, last)) {
                search->after = user_hash(roll, last);
                return false;
            }
            last = refs[i];
            if (!lister_wants(&lister, last, &view)) continue;
            if (search->count == k && view.seen_ms < best[0].seen_ms) continue;
            heap_add(best, &search->count, k, (struct recent){{last}, view.seen_ms, user_hash(roll, last)});
        }
    }
    search->is_done = true;
    heap_sort(best, search->count);
    return true;
}

bool roll_recent_view(const struct roll *roll, struct text scope, const struct recent *found, uint64_t now_ms,
                      struct user_view *out) {
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) return false;
    /* By its hash: the session it was found by may be no more, while the user lives on in another. */
    const struct index_slot *slot = index_find(&scope_at(roll, ref)->users, found->hash);
    uint32_t first = MEMBER_NONE;
    for (uint32_t high = slot == NULL ? 0 : slot->high; slot != NULL && slot->ref != 0 && slot->high == high; slot++)
        if (user_hash(roll, slot->ref) == found->hash && (first == MEMBER_NONE || slot->ref == found->member.v))
            first = slot->ref;
    if (first == MEMBER_NONE) return false;
    *out = view_user(roll, scope_at(roll, ref), first, now_ms);
    out->user = member_user(member_at(roll, first));
    return out->known;
}

/* ---- counts ------------------------------------------------------------------------------------------------------ */

static void windows_by_looking(const struct roll *roll, const struct scope *scope, const uint64_t *from_ms, size_t n,
                               uint64_t now_ms, struct window_count *windows) {
    struct walk walk = walk_begin(&scope->users, NULL, user_hash, roll);
    uint32_t refs[READ_AHEAD];
    size_t users;
    while ((users = walk_ahead(roll, &walk, refs)) > 0)
        for (size_t u = 0; u < users; u++) {
            struct user_view view = view_user(roll, scope, refs[u], now_ms);
            if (!view.known) continue;
            for (size_t i = 0; i < n; i++) windows[i].users += view.seen_ms >= from_ms[i];
        }
}

void roll_counts(const struct roll *roll, struct text name, const uint64_t *windows_ms, size_t n, uint64_t now_ms,
                 struct scope_counts *out, struct window_count *windows) {
    *out = (struct scope_counts){0};
    if (n > 0) memset(windows, 0, n * sizeof *windows);
    uint32_t ref = scope_find(roll, name);
    const struct scope *scope = ref == SCOPE_NONE ? NULL : scope_at(roll, ref);
    uint64_t incomplete_ms = scope == NULL ? roll->released_incomplete_ms : scope->incomplete_ms;
    uint64_t from_ms[MUSTER_WINDOWS_MAX];
    for (size_t i = 0; i < n; i++) {
        from_ms[i] = now_ms > windows_ms[i] ? now_ms - windows_ms[i] : 0;
        windows[i].incomplete = incomplete_ms != 0 && incomplete_ms >= from_ms[i];
    }
    if (scope == NULL) return;
    out->live = scope->live;
    out->sessions = scope->sessions;
    out->joined = scope->joined;
    out->left = scope->left;
    for (int status = STATUS_AWAY; status <= STATUS_BUSY; status++) out->by_status[status] = scope->by_status[status];
    if (scope->history != NULL)
        for (size_t i = 0; i < n; i++) windows[i].users = history_count(scope->history, from_ms[i]);
    else if (n > 0) windows_by_looking(roll, scope, from_ms, n, now_ms, windows);
}
