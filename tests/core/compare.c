#include "compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { LARGE_USERS = 4000, WINDOWS = 6 };

static struct text user_name(const struct trial *trial, uint32_t user) {
    return trial->users.items[user];
}

static struct text scope_name(const struct trial *trial, uint32_t scope) {
    return trial->scopes.items[scope];
}

static bool is_wanted(const struct user_view *view, unsigned statuses) {
    return view->live && (statuses >> view->status & 1) != 0;
}

static bool is_view_equal(const struct user_view *a, const struct user_view *b) {
    return a->known == b->known && (!a->known || (a->live == b->live && a->status == b->status &&
                                                  a->sessions == b->sessions && a->seen_ms == b->seen_ms));
}

static void print_view(const char *who, const struct user_view *view) {
    print_error("  %s: known %d live %d status %d sessions %u seen %llu\n", who, view->known, view->live, view->status,
                view->sessions, (unsigned long long)view->seen_ms);
}

bool compare_view(struct trial *trial, uint32_t scope, uint32_t user, const struct user_view *view) {
    struct user_view expected = model_view(trial->model, scope, user, trial->now_ms);
    if (is_view_equal(&expected, view)) return true;
    print_view("roll ", view);
    print_view("model", &expected);
    trial_report_user(trial, scope, user);
    return false;
}

/* ---- users and sessions ----------------------------------------------------------------------------------------- */

void compare_live(struct trial *trial, uint32_t scope, uint32_t first_user, uint32_t count) {
    roll_live(trial->roll, scope_name(trial, scope), &trial->users.items[first_user], count, trial->now_ms,
              trial->views);
    for (uint32_t i = 0; i < count; i++) {
        if (!text_equal(trial->views[i].user, user_name(trial, first_user + i)))
            mismatch(trial, "roll_live: answer %u is for another user", i);
        if (!compare_view(trial, scope, first_user + i, &trial->views[i]))
            mismatch(trial, "roll_live: scope %u user %u", scope, first_user + i);
    }
}

static bool is_session_equal(const struct session_view *view, const struct model_member *member) {
    return view->status == member->status && view->ttl_ms == member->ttl_ms && view->seen_ms == member->seen_ms &&
           text_equal(view->state, (struct text){member->state, member->state_len});
}

/* Which session of the model a name stands for, checked to be live; each may come once. */
static const struct model_member *live_session(struct trial *trial, uint32_t scope, uint32_t user, struct text name,
                                               bool *is_taken) {
    int64_t session = names_find(&trial->sessions, name);
    const struct model_member *member =
        session == NAMES_NONE ? NULL : model_find(trial->model, scope, user, (uint32_t)session);
    if (member == NULL || !model_is_live(member, trial->now_ms)) {
        trial_report_user(trial, scope, user);
        mismatch(trial, "a session of scope %u user %u that is not live: %lld", scope, user, (long long)session);
    }
    if (is_taken[session]) mismatch(trial, "scope %u user %u: session %lld twice", scope, user, (long long)session);
    is_taken[session] = true;
    return member;
}

static void compare_session_views(struct trial *trial, uint32_t scope, uint32_t user, bool *is_taken) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t count = roll_sessions(trial->roll, scope_name(trial, scope), user_name(trial, user), trial->now_ms, views);
    struct user_view expected = model_view(trial->model, scope, user, trial->now_ms);
    if (count != expected.sessions) {
        trial_report_user(trial, scope, user);
        mismatch(trial, "roll_sessions: scope %u user %u: %zu, not %u", scope, user, count, expected.sessions);
    }
    for (size_t i = 0; i < count; i++) {
        const struct model_member *member = live_session(trial, scope, user, views[i].session, is_taken);
        if (is_session_equal(&views[i], member)) continue;
        print_error("  roll: status %d ttl %u seen %llu state of %u bytes\n", views[i].status, views[i].ttl_ms,
                    (unsigned long long)views[i].seen_ms, views[i].state.len);
        trial_report_user(trial, scope, user);
        mismatch(trial, "roll_sessions: scope %u user %u session %u", scope, user, member->session);
    }
}

void compare_sessions(struct trial *trial, uint32_t scope, uint32_t user) {
    bool *is_taken = calloc(trial->world->sessions, sizeof *is_taken);
    compare_session_views(trial, scope, user, is_taken);
    free(is_taken);
}

/* ---- pages ------------------------------------------------------------------------------------------------------ */

/* A full page whose rows have all one hash: there may be more of that hash, who cannot come. */
static bool is_overfull(const struct trial *trial, const struct page *page, size_t limit) {
    if (!PLACES_MAY_COLLIDE || page->count != limit) return false;
    for (size_t i = 1; i < page->count; i++)
        if (roll_hash(trial->roll, trial->views[i].user) != roll_hash(trial->roll, trial->views[0].user)) return false;
    return true;
}

static void check_row(struct trial *trial, uint32_t scope, unsigned statuses, const uint64_t *after,
                      const struct page *page, size_t row) {
    const struct user_view *view = &trial->views[row];
    int64_t user = names_find(&trial->users, view->user);
    if (user == NAMES_NONE) mismatch(trial, "roll_list: scope %u row %zu: a name from nowhere", scope, row);
    if (!compare_view(trial, scope, (uint32_t)user, view)) mismatch(trial, "roll_list: scope %u row %zu", scope, row);
    if (!is_wanted(view, statuses)) mismatch(trial, "roll_list: scope %u user %d is not wanted", scope, (int)user);
    uint64_t hash = trial->hashes[user];
    if (after != NULL && hash <= *after) mismatch(trial, "roll_list: row %zu is not after the token", row);
    if (page->more && hash > page->next) mismatch(trial, "roll_list: row %zu is past the next token", row);
    if (row > 0 && hash < roll_hash(trial->roll, trial->views[row - 1].user))
        mismatch(trial, "roll_list: row %zu is out of order", row);
    if (trial->marks[user] == trial->mark) mismatch(trial, "roll_list: user %d twice in a page", (int)user);
    trial->marks[user] = trial->mark;
}

static void check_nobody_missing(struct trial *trial, uint32_t scope, unsigned statuses, const uint64_t *after,
                                 const struct page *page, size_t limit) {
    for (uint32_t u = 0; u < trial->world->users; u++) {
        uint64_t hash = trial->hashes[u];
        if ((after != NULL && hash <= *after) || (page->more && hash > page->next)) continue;
        struct user_view view = model_view(trial->model, scope, u, trial->now_ms);
        if (!is_wanted(&view, statuses) || trial->marks[u] == trial->mark) continue;
        if (is_overfull(trial, page, limit) && hash == roll_hash(trial->roll, trial->views[0].user)) continue;
        trial_report_user(trial, scope, u);
        mismatch(trial, "roll_list: scope %u user %u (hash %llx) is missing from a page of %zu (limit %zu, more %d)",
                 scope, u, (unsigned long long)hash, page->count, limit, page->more);
    }
}

struct page compare_page(struct trial *trial, uint32_t scope, unsigned statuses, const uint64_t *after, size_t limit) {
    struct page page =
        roll_list(trial->roll, scope_name(trial, scope), statuses, after, limit, trial->now_ms, trial->views);
    if (page.count > limit) mismatch(trial, "roll_list: %zu rows, limit %zu", page.count, limit);
    if (page.more && after != NULL && page.next <= *after) mismatch(trial, "roll_list: the walk does not go on");
    trial->mark++;
    for (size_t i = 0; i < page.count; i++) check_row(trial, scope, statuses, after, &page, i);
    if (trial->world->users <= LARGE_USERS) check_nobody_missing(trial, scope, statuses, after, &page, limit);
    return page;
}

void compare_list(struct trial *trial, uint32_t scope, unsigned statuses, size_t limit) {
    uint64_t rows = 0, expected = 0, after = 0;
    bool is_first = true, more = true, is_full = false;
    while (more) {
        struct page page = compare_page(trial, scope, statuses, is_first ? NULL : &after, limit);
        rows += page.count;
        is_full |= is_overfull(trial, &page, limit);
        after = page.next;
        more = page.more;
        is_first = false;
    }
    for (uint32_t u = 0; u < trial->world->users; u++) {
        struct user_view view = model_view(trial->model, scope, u, trial->now_ms);
        expected += is_wanted(&view, statuses);
    }
    /* A page whose rows all have one hash may have left some out. */
    if (rows != expected && !(is_full && rows < expected))
        mismatch(trial, "roll_list: scope %u statuses %x limit %zu: %llu users, not %llu", scope, statuses, limit,
                 (unsigned long long)rows, (unsigned long long)expected);
}

/* ---- recent ----------------------------------------------------------------------------------------------------- */

static int newest_first(const void *a, const void *b) {
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return x < y ? 1 : x > y ? -1 : 0;
}

/* The instants at which the wanted users were last seen, newest first; freed by the caller. */
static uint64_t *seen_instants(struct trial *trial, uint32_t scope, unsigned statuses, size_t *count) {
    uint64_t *instants = calloc(trial->world->users, sizeof *instants);
    *count = 0;
    for (uint32_t u = 0; u < trial->world->users; u++) {
        struct user_view view = model_view(trial->model, scope, u, trial->now_ms);
        if (is_wanted(&view, statuses)) instants[(*count)++] = view.seen_ms;
    }
    qsort(instants, *count, sizeof *instants, newest_first);
    return instants;
}

static void check_recent(struct trial *trial, uint32_t scope, unsigned statuses, const struct recent *found,
                         uint64_t expected_ms) {
    struct user_view view = {0};
    if (!roll_recent_view(trial->roll, scope_name(trial, scope), found, trial->now_ms, &view))
        mismatch(trial, "roll_recent_view: nobody changed anything, and the member is no more");
    int64_t user = names_find(&trial->users, view.user);
    if (user == NAMES_NONE || trial->marks[user] == trial->mark) mismatch(trial, "roll_recent: user %d", (int)user);
    trial->marks[user] = trial->mark;
    if (!compare_view(trial, scope, (uint32_t)user, &view)) mismatch(trial, "roll_recent_view: user %d", (int)user);
    if (!is_wanted(&view, statuses)) mismatch(trial, "roll_recent: user %d is not wanted", (int)user);
    if (found->seen_ms != expected_ms || view.seen_ms != expected_ms)
        mismatch(trial, "roll_recent: user %d seen %llu (its view: %llu), not %llu", (int)user,
                 (unsigned long long)found->seen_ms, (unsigned long long)view.seen_ms, (unsigned long long)expected_ms);
}

void compare_recent(struct trial *trial, uint32_t scope, unsigned statuses, size_t k, size_t budget) {
    size_t count;
    uint64_t *expected = seen_instants(trial, scope, statuses, &count);
    struct recent *best = calloc(k, sizeof *best);
    struct recent_search search = {0};
    while (!roll_recent(trial->roll, scope_name(trial, scope), statuses, k, trial->now_ms, budget, &search, best)) {
    }
    if (count > k) count = k;
    if (search.count != count) mismatch(trial, "roll_recent: %zu of %zu found, not %zu", search.count, k, count);
    trial->mark++;
    for (size_t i = 0; i < count; i++) check_recent(trial, scope, statuses, &best[i], expected[i]);
    free(best);
    free(expected);
}

/* ---- counts ----------------------------------------------------------------------------------------------------- */

static uint64_t limited(uint64_t value, uint64_t least, uint64_t most) {
    return value < least ? least : value > most ? most : value;
}

/* Windows whose boundary lies where users were last seen, and a millisecond to either side. */
static void pick_windows(struct trial *trial, uint32_t scope, uint64_t windows_ms[WINDOWS]) {
    for (size_t i = 0; i < WINDOWS; i++) {
        uint32_t user = (uint32_t)random_below(&trial->random, trial->world->users);
        struct user_view view = model_view(trial->model, scope, user, trial->now_ms);
        uint64_t window_ms = view.known ? trial->now_ms - view.seen_ms + random_below(&trial->random, 3) - 1
                                        : random_below(&trial->random, trial->world->retention_ms);
        if (random_chance(&trial->random, 1, 20)) window_ms = trial->world->retention_ms;
        if (window_ms > UINT64_MAX / 2) window_ms = 0;
        windows_ms[i] = limited(window_ms, 1, trial->world->retention_ms);
    }
}

static void count_naively(struct trial *trial, uint32_t scope, const uint64_t windows_ms[WINDOWS],
                          struct scope_counts *counts, uint64_t users[WINDOWS]) {
    for (uint32_t u = 0; u < trial->world->users; u++) {
        struct user_view view = model_view(trial->model, scope, u, trial->now_ms);
        counts->live += view.live;
        counts->sessions += view.sessions;
        if (view.live) counts->by_status[view.status]++;
        for (size_t w = 0; w < WINDOWS; w++) users[w] += view.known && trial->now_ms - view.seen_ms <= windows_ms[w];
    }
}

static void check_live_counts(struct trial *trial, const struct scope_counts *got,
                              const struct scope_counts *expected) {
    if (!trial_is_ticked(trial)) {
        /* Those whose TTL passed since the last tick may still count. */
        if (got->live < expected->live || got->sessions < expected->sessions)
            mismatch(trial, "roll_counts: live %llu, not at least %llu; sessions %llu, not at least %llu",
                     (unsigned long long)got->live, (unsigned long long)expected->live,
                     (unsigned long long)got->sessions, (unsigned long long)expected->sessions);
        return;
    }
    if (memcmp(got, expected, sizeof *got) != 0)
        mismatch(trial,
                 "roll_counts: live %llu away %llu online %llu busy %llu sessions %llu none %llu, "
                 "not %llu %llu %llu %llu %llu %llu",
                 (unsigned long long)got->live, (unsigned long long)got->by_status[1],
                 (unsigned long long)got->by_status[2], (unsigned long long)got->by_status[3],
                 (unsigned long long)got->sessions, (unsigned long long)got->by_status[0],
                 (unsigned long long)expected->live, (unsigned long long)expected->by_status[1],
                 (unsigned long long)expected->by_status[2], (unsigned long long)expected->by_status[3],
                 (unsigned long long)expected->sessions, (unsigned long long)expected->by_status[0]);
}

/* A user who made room and was seen in the window is missing from it; where nobody of any scope was, nobody is. */
static void check_incomplete(struct trial *trial, uint32_t scope, uint64_t window_ms, bool is_incomplete) {
    bool must = trial->evicted_ms[scope] != 0 && trial->evicted_ms[scope] >= trial->now_ms - window_ms;
    if (must && !is_incomplete)
        mismatch(trial, "roll_counts: window %llu is incomplete", (unsigned long long)window_ms);
    if (is_incomplete && (trial->made_room_ms == 0 || trial->made_room_ms < trial->now_ms - window_ms))
        mismatch(trial, "roll_counts: window %llu is said to be incomplete, and nobody made room",
                 (unsigned long long)window_ms);
}

void compare_counts(struct trial *trial, uint32_t scope) {
    uint64_t windows_ms[WINDOWS], users[WINDOWS] = {0};
    pick_windows(trial, scope, windows_ms);
    struct scope_counts got = {0}, expected = {0};
    struct window_count windows[WINDOWS];
    roll_counts(trial->roll, scope_name(trial, scope), windows_ms, WINDOWS, trial->now_ms, &got, windows);
    if (trial->has_survivors) return;
    got.joined = got.left = 0; /* the audit's */
    count_naively(trial, scope, windows_ms, &expected, users);
    check_live_counts(trial, &got, &expected);
    for (size_t w = 0; w < WINDOWS; w++) {
        if (windows[w].users != users[w])
            mismatch(trial, "roll_counts: scope %u window %llu: %llu users, not %llu", scope,
                     (unsigned long long)windows_ms[w], (unsigned long long)windows[w].users,
                     (unsigned long long)users[w]);
        check_incomplete(trial, scope, windows_ms[w], windows[w].incomplete);
    }
}

/* ---- scopes and stats ------------------------------------------------------------------------------------------- */

static uint64_t live_users(const struct trial *trial, uint32_t scope) {
    uint64_t live = 0;
    for (uint32_t u = 0; u < trial->world->users; u++) live += model_view(trial->model, scope, u, trial->now_ms).live;
    return live;
}

/* Nobody of the scope is known, but a member's memory may not have been taken back. */
static bool may_linger(const struct trial *trial, uint32_t scope) {
    for (uint32_t u = 0; u < trial->world->users; u++)
        if (model_user_at(trial->model, scope, u)->count > 0) return true;
    return trial->was_reset;
}

static void check_scope_row(struct trial *trial, const struct scope_view *view, bool *is_listed) {
    int64_t scope = names_find(&trial->scopes, view->scope);
    if (scope == NAMES_NONE || is_listed[scope]) mismatch(trial, "roll_scopes: scope %d", (int)scope);
    is_listed[scope] = true;
    uint64_t live = live_users(trial, (uint32_t)scope);
    if (trial_is_ticked(trial) ? view->live != live : view->live < live)
        mismatch(trial, "roll_scopes: scope %d: %llu live, not %llu", (int)scope, (unsigned long long)view->live,
                 (unsigned long long)live);
    if (!model_is_scope_known(trial->model, (uint32_t)scope, trial->now_ms) && !may_linger(trial, (uint32_t)scope))
        mismatch(trial, "roll_scopes: scope %d has nobody", (int)scope);
}

void compare_scopes(struct trial *trial, size_t limit) {
    if (trial->has_survivors) return;
    bool *is_listed = calloc(trial->world->scopes, sizeof *is_listed);
    struct scope_view *views = calloc(limit, sizeof *views);
    struct page page = {.more = true};
    bool is_overfilled = false;
    for (bool is_first = true; page.more; is_first = false) {
        uint64_t after = page.next;
        page = roll_scopes(trial->roll, is_first ? NULL : &after, limit, trial->now_ms, views);
        if (page.count > limit) mismatch(trial, "roll_scopes: %zu rows, limit %zu", page.count, limit);
        if (page.more && !is_first && page.next <= after) mismatch(trial, "roll_scopes: the walk does not go on");
        for (size_t i = 0; i < page.count; i++) check_scope_row(trial, &views[i], is_listed);
        is_overfilled |= PLACES_MAY_COLLIDE && page.count == limit &&
                         roll_hash(trial->roll, views[0].scope) == roll_hash(trial->roll, views[limit - 1].scope);
    }
    for (uint32_t s = 0; s < trial->world->scopes && !is_overfilled; s++)
        if (!is_listed[s] && model_is_scope_known(trial->model, s, trial->now_ms))
            mismatch(trial, "roll_scopes: scope %u is missing", s);
    free(views);
    free(is_listed);
}

/* ---- where ------------------------------------------------------------------------------------------------------ */

enum { WHERE_ASKED_MAX = 40 };

/* A few users, some of them twice, in scopes whose names begin as one of them does. */
struct asked {
    uint32_t users[WHERE_ASKED_MAX];
    struct text names[WHERE_ASKED_MAX];
    uint64_t hashes[WHERE_ASKED_MAX];
    struct where_user sorted[WHERE_ASKED_MAX];
    struct where where;
};

static void pick_asked(struct trial *trial, struct asked *asked) {
    size_t count = random_between(&trial->random, 1, WHERE_ASKED_MAX);
    for (size_t i = 0; i < count; i++) {
        asked->users[i] = (uint32_t)random_below(&trial->random, trial->world->users);
        if (i > 0 && random_chance(&trial->random, 1, 10)) asked->users[i] = asked->users[i - 1];
        asked->names[i] = trial->users.items[asked->users[i]];
    }
    asked->where =
        (struct where){.users = asked->names, .count = count, .hashes = asked->hashes, .sorted = asked->sorted};
    if (random_chance(&trial->random, 1, 2)) {
        struct text name = scope_name(trial, (uint32_t)random_below(&trial->random, trial->world->scopes));
        asked->where.prefix = (struct text){name.data, (uint32_t)random_between(&trial->random, 0, name.len)};
    }
    roll_where_prepare(trial->roll, &asked->where);
}

static bool has_prefix(struct text name, struct text prefix) {
    return name.len >= prefix.len && (prefix.len == 0 || memcmp(name.data, prefix.data, prefix.len) == 0);
}

/* The last place of a walk so far, and how many came. */
struct walked {
    uint64_t hash, count;
    int64_t scope, index;
};

static void check_place(struct trial *trial, const struct asked *asked, const struct place_view *place,
                        struct walked *walked) {
    int64_t scope = names_find(&trial->scopes, place->scope);
    if (scope == NAMES_NONE || place->index >= asked->where.count || !has_prefix(place->scope, asked->where.prefix))
        mismatch(trial, "roll_where: user %u of %zu in scope %d", place->index, asked->where.count, (int)scope);
    uint64_t hash = roll_hash(trial->roll, place->scope);
    bool is_same = scope == walked->scope;
    if (walked->count > 0 && (hash < walked->hash || (is_same && (int64_t)place->index <= walked->index)))
        mismatch(trial, "roll_where: out of order at user %u of scope %d", place->index, (int)scope);
    *walked = (struct walked){hash, walked->count + 1, scope, place->index};
    struct user_view expected = model_view(trial->model, (uint32_t)scope, asked->users[place->index], trial->now_ms);
    const struct user_view *view = &place->view;
    if (!expected.live || view->status != expected.status || view->sessions != expected.sessions ||
        view->seen_ms != expected.seen_ms || !text_equal(view->user, asked->names[place->index]))
        mismatch(trial, "roll_where: user %u of scope %d is not as it is", asked->users[place->index], (int)scope);
}

static uint64_t places_naively(const struct trial *trial, const struct asked *asked) {
    uint64_t places = 0;
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (size_t i = 0; i < asked->where.count && has_prefix(scope_name(trial, s), asked->where.prefix); i++)
            places += model_view(trial->model, s, asked->users[i], trial->now_ms).live;
    return places;
}

/* In the order of the walk, without one place twice: as many as there are is all. */
void compare_where(struct trial *trial, size_t limit, size_t budget) {
    struct asked asked;
    struct walked walked = {.scope = NAMES_NONE, .index = -1};
    struct where_cursor cursor = {0};
    struct place_view *places = calloc(limit, sizeof *places);
    bool is_overfilled = false;
    pick_asked(trial, &asked);
    for (uint64_t steps = 0; !cursor.is_done; steps++) {
        size_t looked,
            count = roll_where(trial->roll, &asked.where, &cursor, limit, budget, trial->now_ms, places, &looked);
        if (count > limit || steps > 100000) mismatch(trial, "roll_where: %zu places, limit %zu", count, limit);
        for (size_t i = 0; i < count; i++) check_place(trial, &asked, &places[i], &walked);
        is_overfilled |= PLACES_MAY_COLLIDE && count == limit;
    }
    free(places);
    uint64_t expected = places_naively(trial, &asked);
    if (walked.count != expected && !is_overfilled)
        mismatch(trial, "roll_where: %llu places, not %llu", (unsigned long long)walked.count,
                 (unsigned long long)expected);
}

void compare_stats(struct trial *trial) {
    struct roll_stats stats;
    roll_stats(trial->roll, &stats);
    uint64_t known = model_known_members(trial->model, trial->now_ms);
    uint64_t kept = 0; /* with those whose memory may not have been taken back */
    for (uint32_t s = 0; s < trial->world->scopes; s++)
        for (uint32_t u = 0; u < trial->world->users; u++) kept += model_user_at(trial->model, s, u)->count;
    if (stats.members < known || (stats.members > kept && !trial->was_reset))
        mismatch(trial, "roll_stats: %llu members, of which the model knows %llu and keeps %llu",
                 (unsigned long long)stats.members, (unsigned long long)known, (unsigned long long)kept);
    if (stats.members > trial->world->members_max || stats.bytes > trial->world->bytes_max)
        mismatch(trial, "roll_stats: %llu members, %llu bytes: past the caps", (unsigned long long)stats.members,
                 (unsigned long long)stats.bytes);
    if (stats.sequence != trial->model->sequence)
        mismatch(trial, "roll_stats: sequence %llu, not %llu", (unsigned long long)stats.sequence,
                 (unsigned long long)trial->model->sequence);
    uint64_t live = model_live_members(trial->model, trial->now_ms);
    if (trial_is_ticked(trial) && !trial->was_reset && stats.members_live != live)
        mismatch(trial, "roll_stats: %llu members live, not %llu", (unsigned long long)stats.members_live,
                 (unsigned long long)live);
}

/* ---- changes ---------------------------------------------------------------------------------------------------- */

static void check_reset_change(struct trial *trial, const struct change *change) {
    int64_t scope = names_find(&trial->scopes, change->scope);
    if (scope == NAMES_NONE || trial->model->scopes[scope].reset_sequence != change->sequence)
        mismatch(trial, "roll_changes: a reset of scope %d at %llu", (int)scope, (unsigned long long)change->sequence);
    if (change->stamp != 0 && trial->model->scopes[scope].reset_stamp != change->stamp)
        mismatch(trial, "roll_changes: a reset of scope %d with another stamp", (int)scope);
}

/* Gone sessions have let go of status and state. */
static bool is_change_equal(const struct change *change, const struct model_member *member) {
    bool is_gone = member->ttl_ms == 0;
    return change->sequence == member->sequence && change->stamp == member->stamp &&
           change->seen_ms == member->seen_ms && change->ttl_ms == member->ttl_ms &&
           (is_gone || change->status == member->status);
}

static void check_member_change(struct trial *trial, const struct change *change) {
    int64_t scope = names_find(&trial->scopes, change->scope), user = names_find(&trial->users, change->user),
            session = trial_session(trial, change->session);
    const struct model_member *member =
        scope == NAMES_NONE || user == NAMES_NONE || session == NAMES_NONE
            ? NULL
            : model_find(trial->model, (uint32_t)scope, (uint32_t)user, (uint32_t)session);
    if (member == NULL || !is_change_equal(change, member)) {
        print_error("  roll: scope %d user %d session %d sequence %llu stamp %llu seen %llu ttl %u status %d\n",
                    (int)scope, (int)user, (int)session, (unsigned long long)change->sequence,
                    (unsigned long long)change->stamp, (unsigned long long)change->seen_ms, change->ttl_ms,
                    change->status);
        if (scope != NAMES_NONE && user != NAMES_NONE) trial_report_user(trial, (uint32_t)scope, (uint32_t)user);
        mismatch(trial, "roll_changes: what the model does not have");
    }
    if (model_is_live(member, trial->now_ms) &&
        !text_equal(change->state, (struct text){member->state, member->state_len}))
        mismatch(trial, "roll_changes: the state of scope %d user %d session %d", (int)scope, (int)user, (int)session);
}

/* What the changes must at least be. */
static uint64_t expected_changes(const struct trial *trial, uint64_t after) {
    uint64_t expected = 0;
    for (uint32_t s = 0; s < trial->world->scopes; s++) {
        const struct model_scope *scope = &trial->model->scopes[s];
        expected += scope->reset_sequence > after && scope->reset_ms + trial->world->retention_ms >= trial->now_ms;
        for (uint32_t u = 0; u < trial->world->users; u++) {
            const struct model_user *user = model_user_at(trial->model, s, u);
            for (size_t m = 0; m < user->count; m++)
                expected +=
                    user->members[m].sequence > after && model_is_known(trial->model, &user->members[m], trial->now_ms);
        }
    }
    return expected;
}

void compare_changes(struct trial *trial, uint64_t after, size_t limit) {
    uint64_t sequence = trial->model->sequence, at = after, last = after, got = 0;
    struct change *changes = calloc(limit, sizeof *changes);
    do {
        bool is_complete = false;
        uint64_t before = at;
        size_t count = roll_changes(trial->roll, &at, limit, &is_complete, changes);
        if (is_complete != (sequence - before <= trial->world->log_slots))
            mismatch(trial, "roll_changes: after %llu of %llu: complete %d", (unsigned long long)before,
                     (unsigned long long)sequence, is_complete);
        if (!is_complete) {
            free(changes);
            return;
        }
        if (at < before || at > sequence || (at == before && at != sequence))
            mismatch(trial, "roll_changes: from %llu to %llu", (unsigned long long)before, (unsigned long long)at);
        for (size_t i = 0; i < count; i++) {
            if (changes[i].sequence <= last || changes[i].sequence > at)
                mismatch(trial, "roll_changes: out of order: %llu", (unsigned long long)changes[i].sequence);
            last = changes[i].sequence;
            if (changes[i].is_reset) check_reset_change(trial, &changes[i]);
            else check_member_change(trial, &changes[i]);
        }
        got += count;
    } while (at != sequence);
    free(changes);
    uint64_t expected = expected_changes(trial, after);
    if (got < expected)
        mismatch(trial, "roll_changes: %llu after %llu, not %llu", (unsigned long long)got, (unsigned long long)after,
                 (unsigned long long)expected);
}

/* ---- all -------------------------------------------------------------------------------------------------------- */

void compare_unknown(struct trial *trial) {
    struct text stranger = text_of("-nobody of that name-");
    struct user_view view = {.known = true};
    roll_live(trial->roll, scope_name(trial, 0), &stranger, 1, trial->now_ms, &view);
    if (view.known || !text_equal(view.user, stranger)) mismatch(trial, "roll_live knows a stranger");
    view.known = true;
    roll_live(trial->roll, stranger, &trial->users.items[0], 1, trial->now_ms, &view);
    if (view.known) mismatch(trial, "roll_live knows a strange scope");
    struct page page = roll_list(trial->roll, stranger, STATUS_MASK_ALL, NULL, 10, trial->now_ms, trial->views);
    if (page.count != 0 || page.more) mismatch(trial, "roll_list knows a strange scope");
    struct scope_counts counts = {.live = 1}, none = {0};
    struct window_count window = {.users = 1};
    roll_counts(trial->roll, stranger, &(uint64_t){1000}, 1, trial->now_ms, &counts, &window);
    if (memcmp(&counts, &none, sizeof none) != 0 || window.users != 0) mismatch(trial, "roll_counts counts strangers");
}

void compare_everything(struct trial *trial) {
    struct random *random = &trial->random;
    trial->doing = "comparing everything";
    compare_stats(trial);
    compare_scopes(trial, random_between(random, 1, trial->world->scopes + 1));
    compare_where(trial, random_between(random, 1, 60), random_between(random, 1, 200));
    compare_changes(trial, trial->model->sequence - random_below(random, trial->model->sequence + 1),
                    random_between(random, 1, 100));
    for (uint32_t s = 0; s < trial->world->scopes; s++) {
        for (uint32_t u = 0; u < trial->world->users; u += 1000)
            compare_live(trial, s, u, trial->world->users - u < 1000 ? trial->world->users - u : 1000);
        uint32_t step = trial->world->users <= LARGE_USERS ? 1 : 97;
        for (uint32_t u = 0; u < trial->world->users; u += step) compare_sessions(trial, s, u);
        compare_counts(trial, s);
        unsigned statuses = random_chance(random, 1, 2) ? STATUS_MASK_ALL : 2u * (unsigned)random_below(random, 8);
        size_t least = trial->world->users <= 100 ? 1 : trial->world->users / 50;
        compare_list(trial, s, statuses, random_between(random, least, trial->world->users));
        compare_recent(trial, s, statuses, random_between(random, 1, 50), random_between(random, 1, 1000));
    }
    compare_unknown(trial);
}
