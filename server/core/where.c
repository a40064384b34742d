/* Where users are: a walk over the scopes in the order of their hashes, with a look-up of each user in each scope. A
 * user's hash is the same in every scope. */
#include "scope_users.h"
#include "user_walk.h"

#include <stdlib.h>

enum {
    LOOKUPS_AHEAD = 8,     /* look-ups in one scope whose slots are fetched side by side */
    SMALL_SCOPE_RATIO = 4, /* a scope with so many times fewer users than are asked for is searched by its own */
};

static int by_hash(const void *a, const void *b) {
    const struct where_user *left = a, *right = b;
    if (left->hash != right->hash) return left->hash < right->hash ? -1 : 1;
    return left->index < right->index ? -1 : left->index > right->index;
}

void roll_where_prepare(const struct roll *roll, struct where *where) {
    hash_names(roll, where->users, where->count, where->hashes);
    for (size_t i = 0; i < where->count; i++) where->sorted[i] = (struct where_user){where->hashes[i], (uint32_t)i};
    qsort(where->sorted, where->count, sizeof *where->sorted, by_hash);
}

/* One call of roll_where. */
struct search {
    const struct roll *roll;
    const struct where *where;
    uint64_t now_ms;
    struct place_view *out;
    size_t count, limit, looked, budget;
};

/* ---- one scope --------------------------------------------------------------------------------------------------- */

/* Notes the place of a user, if it is live. false: there is no room. */
static bool search_take(struct search *search, const struct scope *scope, uint32_t member, uint32_t index) {
    struct user_view view = view_user(search->roll, scope, member, search->now_ms);
    if (!view.live) return true;
    if (search->count == search->limit) return false;
    view.user = search->where->users[index];
    search->out[search->count++] = (struct place_view){scope_name(scope), view, index};
    return true;
}

/* Looks up users from `from` on, one by one. The first one that was not; where->count: all were. */
static uint32_t search_by_asked(struct search *search, const struct scope *scope, uint32_t from, size_t budget) {
    const struct where *where = search->where;
    for (uint32_t i = from; i < where->count; i++) {
        if (i > from && search->looked >= budget) return i;
        if (i + LOOKUPS_AHEAD < where->count) scope_users_fetch(scope, where->hashes[i + LOOKUPS_AHEAD]);
        search->looked++;
        uint32_t member = user_find(search->roll, scope, where->users[i], where->hashes[i]);
        if (member != MEMBER_NONE && !search_take(search, scope, member, i)) return i;
    }
    return (uint32_t)where->count;
}

struct match {
    uint32_t index, member;
};

static int by_index(const void *a, const void *b) {
    const struct match *left = a, *right = b;
    return left->index < right->index ? -1 : left->index > right->index;
}

/* The first of the users in the order of hashes whose hash has this upper half, or a greater one. */
static size_t first_of_high(const struct where *where, uint32_t high) {
    size_t low = 0, end = where->count;
    while (low < end) {
        size_t middle = low + (end - low) / 2;
        if (where->sorted[middle].hash >> 32 < high) low = middle + 1;
        else end = middle;
    }
    return low;
}

/* The same for a scope of few users, each of which is looked for among those that are asked for. */
static uint32_t search_by_present(struct search *search, const struct scope *scope, uint32_t from) {
    const struct where *where = search->where;
    struct match matches[MUSTER_WHERE_USERS_MAX];
    size_t count = 0;
    struct index_walk walk = scope_users_walk(scope, 0);
    for (const struct index_slot *slot; (slot = index_walk_next(&walk, &search->looked)) != NULL;) {
        for (size_t i = first_of_high(where, slot->high); i < where->count && where->sorted[i].hash >> 32 == slot->high;
             i++) {
            uint32_t index = where->sorted[i].index;
            if (index >= from && text_equal(member_user(member_at(search->roll, slot->ref)), where->users[index]))
                matches[count++] = (struct match){index, slot->ref};
        }
    }
    qsort(matches, count, sizeof *matches, by_index);
    for (size_t i = 0; i < count; i++)
        if (!search_take(search, scope, matches[i].member, matches[i].index)) return matches[i].index;
    return (uint32_t)where->count;
}

static bool has_prefix(const struct scope *scope, struct text prefix) {
    struct text name = scope_name(scope);
    return name.len >= prefix.len && (prefix.len == 0 || memcmp(name.data, prefix.data, prefix.len) == 0);
}

/* The users from `from` on. The first one that was not searched for; where->count: all were. */
static uint32_t search_scope(struct search *search, const struct scope *scope, uint32_t from, size_t budget) {
    const struct where *where = search->where;
    if (!has_prefix(scope, where->prefix)) return (uint32_t)where->count;
    if ((uint64_t)scope_users_slots(scope) * SMALL_SCOPE_RATIO < where->count - from)
        return search_by_present(search, scope, from);
    return search_by_asked(search, scope, from, budget);
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* The scopes of a walk, a few ahead, whose records and slots are being fetched. */
struct scopes_ahead {
    struct walk walk;
    uint32_t refs[WALK_AHEAD];
    size_t at, count;
};

static void scopes_fetch(const struct search *search, struct scopes_ahead *ahead) {
    const struct roll *roll = search->roll;
    ahead->at = ahead->count = 0;
    while (ahead->count < WALK_AHEAD && (ahead->refs[ahead->count] = walk_next(&ahead->walk)) != SCOPE_NONE)
        ahead->count++;
    for (size_t i = 0; i < ahead->count; i++) cache_fetch(scope_at(roll, ahead->refs[i]));
    for (size_t i = 0; i < ahead->count; i++)
        scope_users_fetch(scope_at(roll, ahead->refs[i]), search->where->hashes[0]);
}

/* The next scope, which stays the next one; SCOPE_NONE at the end. */
static uint32_t scopes_peek(const struct search *search, struct scopes_ahead *ahead) {
    if (ahead->at == ahead->count) scopes_fetch(search, ahead);
    return ahead->at == ahead->count ? SCOPE_NONE : ahead->refs[ahead->at];
}

static bool have_same_hash(const struct roll *roll, uint32_t a, uint32_t b) {
    return a != SCOPE_NONE && b != SCOPE_NONE && scope_hash(roll, a) == scope_hash(roll, b);
}

/* There is no room for all users of a scope that shares its hash with another one (2^-64 a pair): a cursor cannot stand
 * between the two, so it goes before both, or, where nothing else was found, keeps what fits and goes on behind them.
 */
static void search_stop_among_equals(struct search *search, uint64_t hash, struct where_cursor *cursor) {
    size_t keep = search->count;
    while (keep > 0 && roll_hash(search->roll, search->out[keep - 1].scope) == hash) keep--;
    if (keep > 0) search->count = keep;
    *cursor = (struct where_cursor){.hash = keep > 0 ? hash : hash + 1, .is_done = keep == 0 && hash == UINT64_MAX};
}

/* Searches a scope to its end, or says in the cursor where to go on. */
static bool search_one(struct search *search, struct scopes_ahead *ahead, uint32_t last, uint32_t ref, uint32_t from,
                       struct where_cursor *cursor) {
    const struct roll *roll = search->roll;
    const struct scope *scope = scope_at(roll, ref);
    uint32_t next = search_scope(search, scope, from, search->budget);
    if (next == search->where->count) return true;
    bool has_equal = have_same_hash(roll, last, ref) || have_same_hash(roll, ref, scopes_peek(search, ahead));
    if (has_equal && search->count < search->limit) next = search_scope(search, scope, next, SIZE_MAX);
    if (next == search->where->count) return true;
    if (has_equal) search_stop_among_equals(search, scope_hash(roll, ref), cursor);
    else *cursor = (struct where_cursor){.hash = scope_hash(roll, ref), .user = next};
    return false;
}

size_t roll_where(const struct roll *roll, const struct where *where, struct where_cursor *cursor, size_t limit,
                  size_t budget, uint64_t now_ms, struct place_view *out, size_t *looked) {
    struct search search = {
        .roll = roll, .where = where, .now_ms = now_ms, .out = out, .limit = limit, .budget = budget};
    const uint64_t before = cursor->hash - 1;
    struct scopes_ahead ahead = {.walk = walk_scopes(roll, cursor->hash == 0 ? NULL : &before)};
    uint32_t last = SCOPE_NONE;
    *looked = 0;
    for (uint32_t ref; (ref = scopes_peek(&search, &ahead)) != SCOPE_NONE; last = ref, search.looked++) {
        bool is_over = last != SCOPE_NONE && (search.looked >= budget || search.count == limit);
        if (is_over && !have_same_hash(roll, last, ref)) {
            *cursor = (struct where_cursor){.hash = scope_hash(roll, ref)};
            *looked = search.looked;
            return search.count;
        }
        ahead.at++;
        uint32_t from = cursor->user > 0 && scope_hash(roll, ref) == cursor->hash ? cursor->user : 0;
        if (search_one(&search, &ahead, last, ref, from, cursor)) continue;
        *looked = search.looked;
        return search.count;
    }
    *looked = search.looked;
    cursor->is_done = true;
    return search.count;
}
