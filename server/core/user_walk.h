/* Walks over the users of a scope, or over the scopes, in the order of their hashes, as readers make them. */
#ifndef MUSTER_CORE_USER_WALK_H
#define MUSTER_CORE_USER_WALK_H

#include "scope_users.h"

enum {
    WALK_AHEAD = 16, /* records fetched side by side */
    WALK_LOOKED_MIN =
        16384, /* slots that a page may look at, though it finds nobody: half a millisecond at the worst */
};

/* A walk that stands before the first entry whose hash is greater than *after. */
struct walk {
    struct index_walk at;
    index_hash_fn *hash_of;
    const struct roll *roll;
    const uint64_t *after; /* NULL once it is passed */
    size_t looked;
};

/* Over the users of a scope. after: NULL for the first; it stays the caller's. */
struct walk walk_users(const struct roll *roll, const struct scope *scope, const uint64_t *after);
/* Over the scopes. */
struct walk walk_scopes(const struct roll *roll, const uint64_t *after);
/* The next entry's reference, 0 at the end. */
uint32_t walk_next(struct walk *walk);
/* The next entries of a walk, whose records are being fetched. */
size_t walk_ahead(const struct roll *roll, struct walk *walk, uint32_t refs[WALK_AHEAD]);

/* Which users are wanted. */
struct lister {
    const struct roll *roll;
    const struct scope *scope;
    unsigned statuses;
    uint64_t now_ms;
};

bool lister_wants(const struct lister *lister, uint32_t ref, struct user_view *view);

#endif
