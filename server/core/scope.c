#include "scope_users.h"

enum {
    PIECE_ROOM = 8,          /* what the C library adds to a small piece of memory, */
    PIECE_ROUND = 16,        /* and how it rounds the sum */
    CROWD_TABLE_BYTES = 128, /* of a crowd's table, what is more than its members' shares while it is small */
    SCOPE_FEW_AGAIN = 4,     /* a crowd that has shrunk to so many users is few again */
};

/* What a small piece takes, the C library's share included. */
static uint64_t piece_bytes(size_t bytes) {
    return (bytes + PIECE_ROOM + PIECE_ROUND - 1) / PIECE_ROUND * PIECE_ROUND;
}

static void *piece_new(struct roll *roll, size_t bytes) {
    void *piece = roll->allocator.allocate(roll->allocator.context, bytes);
    if (piece != NULL) roll->scope_bytes_held += piece_bytes(bytes);
    return piece;
}

static void piece_free(struct roll *roll, void *piece, size_t bytes) {
    assert(roll->scope_bytes_held >= piece_bytes(bytes));
    roll->scope_bytes_held -= piece_bytes(bytes);
    roll->allocator.release(roll->allocator.context, piece, bytes);
}

static struct crowd *crowd_new(struct roll *roll) {
    struct crowd *crowd = piece_new(roll, sizeof *crowd);
    if (crowd == NULL) return NULL;
    roll->scope_bytes_held += CROWD_TABLE_BYTES;
    crowd->history_at = HISTORY_USERS_MIN;
    return crowd;
}

/* Its history is gone. */
static void crowd_free(struct roll *roll, struct crowd *crowd) {
    index_clear(&crowd->users, &roll->allocator);
    roll->scope_bytes_held -= CROWD_TABLE_BYTES;
    piece_free(roll, crowd, sizeof *crowd);
}

uint64_t scopes_bytes(const struct roll *roll) {
    return (uint64_t)roll->directory.count * ROLL_SCOPE_BYTES + roll->scope_bytes_held;
}

uint64_t scope_bytes_most(struct text name) {
    return ROLL_SCOPE_BYTES + piece_bytes(name.len) + piece_bytes(sizeof(struct crowd)) + CROWD_TABLE_BYTES;
}

uint64_t scope_hash(const void *context, uint32_t ref) {
    const struct roll *roll = context;
    struct text name = scope_name(scope_at(roll, ref));
    return hash_of_name(roll, name.data, name.len);
}

uint32_t scope_find(const struct roll *roll, struct text name) {
    return scope_find_hashed(roll, name, hash_of_name(roll, name.data, name.len));
}

uint32_t scope_find_hashed(const struct roll *roll, struct text name, uint64_t hash) {
    const struct index_slot *slot = index_find(&roll->directory, hash);
    if (slot == NULL) return SCOPE_NONE;
    for (uint32_t high = slot->high; slot->ref != 0 && slot->high == high; slot++)
        if (text_equal(scope_name(scope_at(roll, slot->ref)), name)) return slot->ref;
    return SCOPE_NONE;
}

/* ---- a scope comes and goes -------------------------------------------------------------------------------------- */

/* false if memory is short. */
static bool scope_set_name(struct roll *roll, struct scope *scope, struct text name) {
    char *to = scope->name;
    if (name.len > SCOPE_NAME_INLINE_BYTES) {
        if ((to = piece_new(roll, name.len)) == NULL) return false;
        scope->long_name = to;
    }
    memcpy(to, name.data, name.len);
    scope->name_len = (uint8_t)name.len;
    return true;
}

/* The record reads as free from here on. */
static void scope_drop_name(struct roll *roll, struct scope *scope) {
    if (scope->name_len > SCOPE_NAME_INLINE_BYTES) piece_free(roll, scope->long_name, scope->name_len);
    scope->name_len = 0;
}

uint32_t scope_obtain(struct roll *roll, struct text name) {
    return scope_obtain_hashed(roll, name, hash_of_name(roll, name.data, name.len));
}

uint32_t scope_obtain_hashed(struct roll *roll, struct text name, uint64_t hash) {
    uint32_t ref = scope_find_hashed(roll, name, hash);
    if (ref != SCOPE_NONE) return ref;
    assert(name.len > 0);
    const struct allocator *a = &roll->allocator;
    if ((ref = slab_take(&roll->scopes, a)) == SLAB_NONE) return SCOPE_NONE;
    struct scope *scope = scope_at(roll, ref);
    scope->incomplete_ms = roll->released_incomplete_ms;
    if (!scope_set_name(roll, scope, name)) goto fail_record;
    if (!index_insert(&roll->directory, hash, ref, scope_hash, roll, a)) goto fail_name;
    return ref;
fail_name:
    scope_drop_name(roll, scope);
fail_record:
    slab_give(&roll->scopes, ref);
    return SCOPE_NONE;
}

uint32_t scope_obtain_for_reset(struct roll *roll, struct text name, struct refusal *why) {
    uint32_t ref = scope_find(roll, name);
    if (ref == SCOPE_NONE && roll_bytes(roll) + scope_bytes_most(name) > roll->config.bytes_max) {
        *why = (struct refusal){"bytes", roll->config.bytes_max, 0};
        return SCOPE_NONE;
    }
    ref = scope_obtain(roll, name);
    if (ref != SCOPE_NONE && scope_make_crowd(roll, ref)) return ref;
    if (ref != SCOPE_NONE) scope_release_if_empty(roll, ref);
    *why = (struct refusal){"memory", 0, 0};
    return SCOPE_NONE;
}

static void scope_free(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope->incomplete_ms > roll->released_incomplete_ms) roll->released_incomplete_ms = scope->incomplete_ms;
    if (scope_is_crowd(scope)) {
        scope_drop_history(scope);
        crowd_free(roll, scope->crowd);
    } else if (scope->users > 1) {
        scope_few_free(roll, scope->few);
    }
    scope_drop_name(roll, scope);
    slab_give(&roll->scopes, ref);
}

void scope_release_if_empty(struct roll *roll, uint32_t ref) {
    const struct scope *scope = scope_at(roll, ref);
    if (scope_users_count(scope) > 0 || scope_reset_stamp(scope) != 0) return;
    if (scope_is_crowd(scope) && scope->crowd->in_upkeep) return;
    index_remove(&roll->directory, scope_hash(roll, ref), ref);
    index_tidy(&roll->directory, &roll->allocator);
    scope_free(roll, ref);
}

void scope_free_all(struct roll *roll) {
    for (uint32_t ref = 1; ref < roll->scopes.next_fresh; ref++)
        if (scope_exists(roll, ref)) scope_free(roll, ref);
    index_clear(&roll->directory, &roll->allocator);
    slab_clear(&roll->scopes, &roll->allocator);
}

/* ---- few users, and a crowd ---------------------------------------------------------------------------------------
 */

struct index_slot *scope_few_new(struct roll *roll) {
    return piece_new(roll, SCOPE_FEW_MAX * sizeof(struct index_slot));
}

void scope_few_free(struct roll *roll, struct index_slot *few) {
    piece_free(roll, few, SCOPE_FEW_MAX * sizeof *few);
}

struct scope_sums scope_sums(const struct roll *roll, const struct scope *scope) {
    struct scope_sums sums = {0};
    if (scope_is_crowd(scope)) {
        sums.sessions = scope->crowd->sessions;
        memcpy(sums.by_status, scope->crowd->by_status, sizeof sums.by_status);
        return sums;
    }
    for (uint32_t i = 0; i < scope->users; i++) {
        /* There was no reset since it is few: all users are of the scope's epoch. */
        struct user_sum sum = user_sum(roll, scope_few(scope)[i].ref);
        sums.sessions += sum.sessions;
        if (sum.sessions > 0) sums.by_status[sum.status]++;
    }
    return sums;
}

bool scope_make_crowd(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope_is_crowd(scope)) return true;
    struct crowd *crowd = crowd_new(roll);
    if (crowd == NULL) return false;
    if (scope->users > 0 && !index_fill(&crowd->users, scope_few(scope), scope->users, &roll->allocator)) {
        crowd_free(roll, crowd);
        return false;
    }
    struct scope_sums sums = scope_sums(roll, scope);
    crowd->sessions = sums.sessions;
    memcpy(crowd->by_status, sums.by_status, sizeof crowd->by_status);
    crowd->users_counted = scope->users_counted;
    crowd->live = scope->live;
    crowd->joined = scope->joined;
    if (scope->users > 1) scope_few_free(roll, scope->few);
    scope->crowd = crowd;
    scope->users = SCOPE_IS_CROWD;
    return true;
}

/* Whether a scope can do without its crowd. */
static bool crowd_is_over(const struct crowd *crowd) {
    return crowd->users.count <= SCOPE_FEW_AGAIN && crowd->users.old.slots == NULL && crowd->history == NULL &&
           crowd->reset_stamp == 0 && !crowd->is_sweeping && !crowd->in_upkeep && crowd->joined < UINT64_C(1) << 40;
}

void scope_leave_crowd(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (!scope_is_crowd(scope) || !crowd_is_over(scope->crowd)) return;
    struct crowd *crowd = scope->crowd;
    uint32_t users = crowd->users.count, at = 0;
    struct index_slot *few = users > 1 ? scope_few_new(roll) : NULL;
    if (users > 1 && few == NULL) return; /* it stays as it is */
    struct index_slot *slots = users > 1 ? few : &scope->user;
    scope->user = (struct index_slot){0};
    struct index_walk walk = index_walk_from(&crowd->users, 0);
    const struct index_slot *slot;
    size_t looked = 0;
    while ((slot = index_walk_next(&walk, &looked)) != NULL) slots[at++] = *slot;
    assert(at == users);
    if (users > 1) scope->few = few;
    scope->users = users & UINT8_MAX;
    scope->users_counted = crowd->users_counted & UINT8_MAX;
    scope->live = crowd->live & UINT8_MAX;
    scope->joined = crowd->joined & ((UINT64_C(1) << 40) - 1);
    crowd_free(roll, crowd);
}

void scope_wants_upkeep(struct roll *roll, uint32_t ref) {
    struct crowd *crowd = scope_at(roll, ref)->crowd;
    if (crowd->in_upkeep) return;
    crowd->in_upkeep = true;
    crowd->upkeep_next = roll->upkeep_first;
    roll->upkeep_first = ref;
}

/* ---- counts -------------------------------------------------------------------------------------------------------
 */

void scope_count_user(struct scope *scope, bool counts) {
    assert(counts || scope_users_counted(scope) > 0);
    if (scope_is_crowd(scope)) scope->crowd->users_counted += counts ? 1 : UINT64_MAX;
    else scope->users_counted += counts ? 1 : UINT8_MAX;
}

void scope_count_live(struct scope *scope, bool is_live) {
    assert(is_live || scope_live(scope) > 0);
    if (scope_is_crowd(scope)) {
        scope->crowd->live += is_live ? 1 : UINT64_MAX;
        scope->crowd->joined += is_live;
    } else {
        scope->live += is_live ? 1 : UINT8_MAX;
        scope->joined += is_live;
    }
}

void scope_count_sessions(struct scope *scope, uint32_t was, uint32_t is) {
    if (!scope_is_crowd(scope)) return;
    assert(scope->crowd->sessions >= was);
    scope->crowd->sessions += (uint64_t)is - was;
}

/* ---- the history --------------------------------------------------------------------------------------------------
 */

void scope_drop_history(struct scope *scope) {
    history_free(scope->crowd->history);
    scope->crowd->history = NULL;
}

void scope_put_off_history(struct scope *scope) {
    scope_drop_history(scope);
    scope->crowd->history_at = scope->crowd->users_counted * 2;
}

void scope_history_put(struct scope *scope, uint64_t now_ms, uint32_t users) {
    if (!history_add_times(scope->crowd->history, now_ms, users)) scope_put_off_history(scope);
}

void scope_history_move(struct scope *scope, uint64_t was_ms, uint64_t now_ms) {
    if (scope_history(scope) == NULL || was_ms == now_ms) return;
    history_remove(scope->crowd->history, was_ms);
    scope_history_put(scope, now_ms, 1);
}

/* Fills a new history by looking at every user. */
static bool history_fill(const struct roll *roll, const struct scope *scope, struct history *history) {
    struct index_walk walk = scope_users_walk(scope, 0);
    const struct index_slot *slot;
    size_t looked = 0;
    while ((slot = index_walk_next(&walk, &looked)) != NULL) {
        if (member_at(roll, slot->ref)->epoch != scope->epoch) continue;
        struct user_sum sum = user_sum(roll, slot->ref);
        if (sum.is_known && !history_add(history, sum.seen_ms)) return false;
    }
    return true;
}

void scope_fit_history(struct roll *roll, uint32_t ref, uint64_t now_ms) {
    struct scope *scope = scope_at(roll, ref);
    if (!scope_is_crowd(scope)) return;
    struct crowd *crowd = scope->crowd;
    if (crowd->history != NULL) {
        if (crowd->users_counted < HISTORY_USERS_MIN / 4) scope_drop_history(scope);
        return;
    }
    if (crowd->users_counted < crowd->history_at) return;
    struct history *history = history_new(roll->config.retention_ms, now_ms, &roll->allocator);
    if (history != NULL && history_fill(roll, scope, history)) {
        crowd->history = history;
        crowd->history_at = HISTORY_USERS_MIN;
        scope_wants_upkeep(roll, ref);
        return;
    }
    /* Without memory the scope counts by looking at every user, and tries again when it has twice as many. */
    history_free(history);
    crowd->history_at = crowd->users_counted * 2;
}
