#include "scope_users.h"

static size_t scope_bytes(size_t name_len) {
    return sizeof(struct scope) + name_len;
}

uint64_t scope_hash(const void *context, uint32_t ref) {
    const struct roll *roll = context;
    const struct scope *scope = scope_at(roll, ref);
    struct text name = scope_name(scope);
    return hash_of_name(roll, name.data, name.len);
}

uint32_t scope_find(const struct roll *roll, struct text name) {
    const struct index_slot *slot = index_find(&roll->directory, hash_of_name(roll, name.data, name.len));
    if (slot == NULL) return SCOPE_NONE;
    for (uint32_t high = slot->high; slot->ref != 0 && slot->high == high; slot++) {
        if (text_equal(scope_name(scope_at(roll, slot->ref)), name)) return slot->ref;
    }
    return SCOPE_NONE;
}

/* Doubles the tables by scope_ref: 12 bytes a scope, copied at once. */
static bool scopes_grow(struct roll *roll) {
    const struct allocator *a = &roll->allocator;
    uint32_t capacity = roll->scope_capacity == 0 ? 64 : roll->scope_capacity * 2;
    struct scope **scopes = a->allocate(a->context, capacity * sizeof *scopes);
    uint32_t *links = a->allocate(a->context, capacity * sizeof *links);
    if (scopes == NULL || links == NULL) {
        if (scopes != NULL) a->release(a->context, scopes, capacity * sizeof *scopes);
        if (links != NULL) a->release(a->context, links, capacity * sizeof *links);
        return false;
    }
    if (roll->scope_capacity > 0) {
        memcpy(scopes, roll->scopes, roll->scope_capacity * sizeof *scopes);
        memcpy(links, roll->scope_links, roll->scope_capacity * sizeof *links);
        a->release(a->context, roll->scopes, roll->scope_capacity * sizeof *scopes);
        a->release(a->context, roll->scope_links, roll->scope_capacity * sizeof *links);
    }
    roll->scopes = scopes;
    roll->scope_links = links;
    roll->scope_capacity = capacity;
    return true;
}

/* A free number for a scope; SCOPE_NONE if memory is short. */
static uint32_t scope_take_ref(struct roll *roll) {
    uint32_t ref = roll->scope_free;
    if (ref != SCOPE_NONE) {
        roll->scope_free = roll->scope_links[ref];
        return ref;
    }
    if (roll->scope_fresh == 0) roll->scope_fresh = 1;
    if (roll->scope_fresh >= roll->scope_capacity && !scopes_grow(roll)) return SCOPE_NONE;
    return roll->scope_fresh++;
}

static void scope_give_ref(struct roll *roll, uint32_t ref) {
    assert(ref != SCOPE_NONE && ref < roll->scope_fresh);
    roll->scopes[ref] = NULL;
    roll->scope_links[ref] = roll->scope_free;
    roll->scope_free = ref;
}

uint32_t scope_obtain(struct roll *roll, struct text name) {
    uint32_t ref = scope_find(roll, name);
    if (ref != SCOPE_NONE) return ref;
    const struct allocator *a = &roll->allocator;
    struct scope *scope = a->allocate(a->context, scope_bytes(name.len));
    if (scope == NULL) return SCOPE_NONE;
    scope->name_len = (uint8_t)name.len;
    memcpy(scope->name, name.data, name.len);
    scope->history_at = HISTORY_USERS_MIN;
    scope->incomplete_ms = roll->released_incomplete_ms;
    if ((ref = scope_take_ref(roll)) == SCOPE_NONE) goto fail_scope;
    roll->scopes[ref] = scope;
    if (!index_insert(&roll->directory, scope_hash(roll, ref), ref, scope_hash, roll, a)) goto fail_ref;
    return ref;
fail_ref:
    scope_give_ref(roll, ref);
fail_scope:
    a->release(a->context, scope, scope_bytes(name.len));
    return SCOPE_NONE;
}

static void scope_free(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope->incomplete_ms > roll->released_incomplete_ms) roll->released_incomplete_ms = scope->incomplete_ms;
    scope_drop_history(scope);
    scope_users_clear(roll, ref);
    roll->allocator.release(roll->allocator.context, scope, scope_bytes(scope->name_len));
    scope_give_ref(roll, ref);
}

void scope_release_if_empty(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope_users_count(scope) > 0 || scope->reset_stamp != 0 || scope->in_upkeep) return;
    index_remove(&roll->directory, scope_hash(roll, ref), ref);
    index_tidy(&roll->directory, &roll->allocator);
    scope_free(roll, ref);
}

void scope_free_all(struct roll *roll) {
    for (uint32_t ref = 1; ref < roll->scope_fresh; ref++)
        if (scope_exists(roll, ref)) scope_free(roll, ref);
    index_clear(&roll->directory, &roll->allocator);
    const struct allocator *a = &roll->allocator;
    if (roll->scopes == NULL) return;
    a->release(a->context, roll->scopes, roll->scope_capacity * sizeof *roll->scopes);
    a->release(a->context, roll->scope_links, roll->scope_capacity * sizeof *roll->scope_links);
}

void scope_wants_upkeep(struct roll *roll, uint32_t ref) {
    struct scope *scope = scope_at(roll, ref);
    if (scope->in_upkeep) return;
    scope->in_upkeep = true;
    scope->upkeep_next = roll->upkeep_first;
    roll->upkeep_first = ref;
}

void scope_drop_history(struct scope *scope) {
    history_free(scope->history);
    scope->history = NULL;
}

bool scope_history_take(struct scope *scope, uint64_t was_ms, uint64_t now_ms) {
    if (scope->history == NULL || was_ms == now_ms) return false;
    history_remove(scope->history, was_ms);
    return true;
}

void scope_history_put(struct scope *scope, uint64_t now_ms, uint32_t users) {
    if (history_add_times(scope->history, now_ms, users)) return;
    scope_drop_history(scope);
    scope->history_at = scope->users_counted * 2;
}

void scope_history_move(struct scope *scope, uint64_t was_ms, uint64_t now_ms) {
    if (scope_history_take(scope, was_ms, now_ms)) scope_history_put(scope, now_ms, 1);
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
    if (scope->history != NULL) {
        if (scope->users_counted < HISTORY_USERS_MIN / 4) scope_drop_history(scope);
        return;
    }
    if (scope->users_counted < scope->history_at) return;
    struct history *history = history_new(roll->config.retention_ms, now_ms, &roll->allocator);
    if (history != NULL && history_fill(roll, scope, history)) {
        scope->history = history;
        scope->history_at = HISTORY_USERS_MIN;
        scope_wants_upkeep(roll, ref);
        return;
    }
    /* Without memory the scope counts by looking at every user, and tries again when it has twice as many. */
    history_free(history);
    scope->history_at = scope->users_counted * 2;
}
