#include "scope_users.h"

enum {
    MOVE_ENTRIES = 32, /* entries of a growing table that one unit of budget moves */
    MOVE_UNITS = 64,   /* units a call: joins move a table too, so nothing waits for this */
};

/* ---- few users --------------------------------------------------------------------------------------------------- */

static struct index_slot *few_slots(struct scope *scope) {
    return scope->users <= 1 ? &scope->user : scope->few;
}

/* Where the slot of a member is. */
static uint32_t few_at(const struct scope *scope, uint32_t member) {
    uint32_t at = 0;
    while (at < scope->users && scope_few(scope)[at].ref != member) at++;
    assert(at < scope->users);
    return at;
}

/* Where a hash belongs. */
static uint32_t few_place(const struct roll *roll, const struct scope *scope, uint64_t hash) {
    uint32_t at = 0, high = (uint32_t)(hash >> 32);
    for (const struct index_slot *slot = scope_few(scope); at < scope->users; at++, slot++)
        if (slot->high > high || (slot->high == high && user_hash(roll, slot->ref) >= hash)) break;
    return at;
}

/* false if memory is short. */
static bool few_insert(struct roll *roll, struct scope *scope, uint64_t hash, uint32_t member) {
    uint32_t at = few_place(roll, scope, hash), users = scope->users;
    if (users == 1) {
        struct index_slot *few = scope_few_new(roll);
        if (few == NULL) return false;
        few[0] = scope->user;
        scope->few = few;
    }
    scope->users++;
    struct index_slot *slots = few_slots(scope);
    memmove(&slots[at + 1], &slots[at], (users - at) * sizeof *slots);
    slots[at] = (struct index_slot){(uint32_t)(hash >> 32), member};
    return true;
}

static void few_remove(struct roll *roll, struct scope *scope, uint32_t member) {
    uint32_t at = few_at(scope, member);
    struct index_slot *slots = few_slots(scope);
    scope->users--;
    memmove(&slots[at], &slots[at + 1], (scope->users - at) * sizeof *slots);
    if (scope->users > 1) return;
    struct index_slot left = scope->users == 1 ? slots[0] : (struct index_slot){0};
    if (slots != &scope->user) scope_few_free(roll, slots);
    scope->user = left;
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

bool scope_users_insert(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member) {
    struct scope *scope = scope_at(roll, scope_ref);
    if (!scope_is_crowd(scope) && scope->users < SCOPE_FEW_MAX) return few_insert(roll, scope, hash, member);
    if (!scope_make_crowd(roll, scope_ref)) return false;
    struct index *users = &scope->crowd->users;
    if (!index_insert(users, hash, member, user_hash, roll, &roll->allocator)) return false;
    if (users->old.slots != NULL) scope_wants_upkeep(roll, scope_ref);
    return true;
}

void scope_users_replace(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t was, uint32_t member) {
    struct scope *scope = scope_at(roll, scope_ref);
    if (scope_is_crowd(scope)) index_replace(&scope->crowd->users, hash, was, member);
    else few_slots(scope)[few_at(scope, was)].ref = member;
}

void scope_users_remove(struct roll *roll, uint32_t scope_ref, uint64_t hash, uint32_t member) {
    struct scope *scope = scope_at(roll, scope_ref);
    if (!scope_is_crowd(scope)) {
        few_remove(roll, scope, member);
        return;
    }
    struct crowd *crowd = scope->crowd;
    index_remove(&crowd->users, hash, member);
    if (!crowd->is_sweeping) index_tidy(&crowd->users, &roll->allocator);
    if (crowd->users.old.slots != NULL) scope_wants_upkeep(roll, scope_ref);
    scope_leave_crowd(roll, scope_ref);
}

bool scope_users_move(struct roll *roll, uint32_t scope_ref, size_t *budget) {
    struct index *users = &scope_at(roll, scope_ref)->crowd->users;
    bool is_moving = users->old.slots != NULL;
    for (int i = 0; is_moving && *budget > 0 && i < MOVE_UNITS; i++, --*budget)
        is_moving = index_move(users, MOVE_ENTRIES, &roll->allocator);
    return is_moving;
}

void scope_users_tidy(struct roll *roll, uint32_t scope_ref) {
    index_tidy(&scope_at(roll, scope_ref)->crowd->users, &roll->allocator);
}
