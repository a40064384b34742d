#include "scope_users.h"

enum {
    MOVE_ENTRIES = 32, /* entries of a growing table that one unit of budget moves */
    MOVE_UNITS = 64,   /* units a call: joins move a table too, so nothing waits for this */
};

bool scope_users_insert(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member) {
    struct scope *scope = scope_at(roll, scope_ref);
    if (!index_insert(&scope->users, hash, member, user_hash, roll, &roll->allocator)) return false;
    if (scope->users.old.slots != NULL) scope_wants_upkeep(roll, scope_ref);
    return true;
}

void scope_users_replace(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t was, uint32_t member) {
    index_replace(&scope_at(roll, scope_ref)->users, hash, was, member);
}

void scope_users_remove(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member) {
    struct scope *scope = scope_at(roll, scope_ref);
    index_remove(&scope->users, hash, member);
    if (!scope->is_sweeping) index_tidy(&scope->users, &roll->allocator);
    if (scope->users.old.slots != NULL) scope_wants_upkeep(roll, scope_ref);
}

bool scope_users_move(struct roll *roll, uint32_t scope_ref, size_t *budget) {
    struct scope *scope = scope_at(roll, scope_ref);
    bool is_moving = scope->users.old.slots != NULL;
    for (int i = 0; is_moving && *budget > 0 && i < MOVE_UNITS; i++, --*budget)
        is_moving = index_move(&scope->users, MOVE_ENTRIES, &roll->allocator);
    return is_moving;
}

void scope_users_tidy(struct roll *roll, uint32_t scope_ref) {
    index_tidy(&scope_at(roll, scope_ref)->users, &roll->allocator);
}

void scope_users_clear(struct roll *roll, uint32_t scope_ref) {
    index_clear(&scope_at(roll, scope_ref)->users, &roll->allocator);
}
