/* The users of a scope by the hash of their name: slots (the upper half of a hash, and the first member of a user's
 * chain of sessions) in the order of the whole hash. All that the other files know of how they are kept. */
#ifndef MUSTER_CORE_SCOPE_USERS_H
#define MUSTER_CORE_SCOPE_USERS_H

#include "roll_internal.h"

/* How many users there are, of all epochs. */
static inline uint32_t scope_users_count(const struct scope *scope) {
    return scope->users.count;
}

/* Fetches what scope_users_find will look at first. */
static inline void scope_users_fetch(const struct scope *scope, uint64_t hash) {
    index_fetch(&scope->users, hash);
}

/* The first slot with the upper half of a hash; NULL if there is none. Holds until the next change. */
static inline const struct index_slot *scope_users_find(const struct scope *scope, uint64_t hash) {
    return index_find(&scope->users, hash);
}

/* The next slot with the same upper half; NULL if there is none. */
static inline const struct index_slot *scope_users_next(const struct scope *scope, const struct index_slot *slot) {
    (void)scope;
    return slot[1].ref != 0 && slot[1].high == slot->high ? slot + 1 : NULL;
}

/* A walk in the order of hashes, from the first user on whose hash is at least `high` (its upper half) to the last one
 * before `until`. Holds until the next change. */
static inline struct index_walk scope_users_walk_range(const struct scope *scope, uint32_t high, uint64_t until) {
    return index_walk_range(&scope->users, high, until);
}

static inline struct index_walk scope_users_walk(const struct scope *scope, uint32_t high) {
    return index_walk_from(&scope->users, high);
}

/* How many slots a walk over all users looks at, about. */
static inline uint32_t scope_users_slots(const struct scope *scope) {
    return scope->users.now.capacity;
}

/* Adds a user, who must not be there, by its first member. false if memory is short; then nothing has changed. */
bool scope_users_insert(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member);
/* Makes `member` the first one of the user whose first member `was` is. */
void scope_users_replace(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t was, uint32_t member);
/* Removes the user whose first member `member` is. Never fails. */
void scope_users_remove(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member);
/* Moves users to a table that fits their number, a few for each unit of *budget; whether there is more to move. */
bool scope_users_move(struct roll *roll, uint32_t scope_ref, size_t *budget);
/* Begins to move them to a smaller table, where theirs is far too large. */
void scope_users_tidy(struct roll *roll, uint32_t scope_ref);
/* Forgets them all; their members are the caller's. */
void scope_users_clear(struct roll *roll, uint32_t scope_ref);

#endif
