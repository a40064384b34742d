#include "user_walk.h"

static uint32_t first_high(const uint64_t *after) {
    return after == NULL ? 0 : (uint32_t)(*after >> 32);
}

struct walk walk_users(const struct roll *roll, const struct scope *scope, const uint64_t *after) {
    return (struct walk){scope_users_walk(scope, first_high(after)), user_hash, roll, after, 0};
}

struct walk walk_scopes(const struct roll *roll, const uint64_t *after) {
    return (struct walk){index_walk_from(&roll->directory, first_high(after)), scope_hash, roll, after, 0};
}

uint32_t walk_next(struct walk *walk) {
    const struct index_slot *slot;
    while ((slot = index_walk_next(&walk->at, &walk->looked)) != NULL) {
        /* Entries stand in the order of their whole hash, so only those of the same upper half are in question. */
        if (walk->after != NULL && slot->high == *walk->after >> 32 &&
            walk->hash_of(walk->roll, slot->ref) <= *walk->after)
            continue;
        walk->after = NULL;
        return slot->ref;
    }
    return 0;
}

bool lister_wants(const struct lister *lister, uint32_t ref, struct user_view *view) {
    *view = view_user(lister->roll, lister->scope, ref, lister->now_ms);
    return view->live && (lister->statuses >> view->status & 1) != 0;
}

size_t walk_ahead(const struct roll *roll, struct walk *walk, uint32_t refs[WALK_AHEAD]) {
    size_t n = 0;
    while (n < WALK_AHEAD && (refs[n] = walk_next(walk)) != 0) cache_fetch(member_at(roll, refs[n++]));
    return n;
}
