/* The users of a scope by the hash of their name: slots (the upper half of a hash, and the first member of a user's
 * chain of sessions) in the order of the whole hash. All that the other files know of how they are kept: see
 * scope_record.h.
 */
#ifndef MUSTER_CORE_SCOPE_USERS_H
#define MUSTER_CORE_SCOPE_USERS_H

#include "roll_internal.h"

/* The slots of a scope that is no crowd. */
static inline const struct index_slot *scope_few(const struct scope *scope) {
    return scope->users <= 1 ? &scope->user : scope->few;
}

/* How many users there are, of all epochs. */
static inline uint32_t scope_users_count(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->users.count : scope->users;
}

/* Fetches what scope_users_find will look at first. */
static inline void scope_users_fetch(const struct scope *scope, uint64_t hash) {
    if (scope_is_crowd(scope)) index_fetch(&scope->crowd->users, hash);
    else cache_fetch(scope_few(scope));
}

/* The first of a scope's few slots that holds an upper half; NULL if there is none. */
static inline const struct index_slot *scope_few_find(const struct scope *scope, uint32_t high) {
    const struct index_slot *slot = scope_few(scope);
    for (uint32_t i = 0; i < scope->users; i++, slot++)
        if (slot->high == high) return slot;
    return NULL;
}

/* The first slot with the upper half of a hash; NULL if there is none. Holds until the next change. */
static inline const struct index_slot *scope_users_find(const struct scope *scope, uint64_t hash) {
    if (scope_is_crowd(scope)) return index_find(&scope->crowd->users, hash);
    return scope_few_find(scope, (uint32_t)(hash >> 32));
}

/* The next slot with the same upper half; NULL if there is none. */
static inline const struct index_slot *scope_users_next(const struct scope *scope, const struct index_slot *slot) {
    if (!scope_is_crowd(scope) && slot + 1 >= scope_few(scope) + scope->users) return NULL;
    return slot[1].ref != 0 && slot[1].high == slot->high ? slot + 1 : NULL;
}

/* A walk in the order of hashes, from the first user on whose hash is at least `high` (its upper half) to the last one
 * before `until`. Holds until the next change. */
static inline struct index_walk scope_users_walk_range(const struct scope *scope, uint32_t high, uint64_t until) {
    return scope_is_crowd(scope) ? index_walk_range(&scope->crowd->users, high, until)
                                 : index_walk_slots(scope_few(scope), scope->users & UINT8_MAX, high, until);
}

static inline struct index_walk scope_users_walk(const struct scope *scope, uint32_t high) {
    return scope_users_walk_range(scope, high, UINT64_C(1) << 32);
}

/* How many slots a walk over all users looks at, about. */
static inline uint32_t scope_users_slots(const struct scope *scope) {
    return scope_is_crowd(scope) ? scope->crowd->users.now.capacity : scope->users;
}

/* Adds a user, who must not be there, by its first member. false if memory is short; then nothing has changed. */
bool scope_users_insert(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member);
/* Makes `member` the first one of the user whose first member `was` is. */
void scope_users_replace(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t was, uint32_t member);
/* Removes the user whose first member `member` is. Never fails. */
void scope_users_remove(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member);
/* Moves a crowd to a table that fits its number, some for each unit of *budget; whether there is more to move. */
bool scope_users_move(struct roll *roll, uint32_t scope_ref, size_t *budget);
/* Begins to move a crowd to a smaller table, where its own is far too large. */
void scope_users_tidy(struct roll *roll, uint32_t scope_ref);

#endif
