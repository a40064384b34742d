/* Pages of users, and of scopes. */
#include "user_walk.h"

/* Ends a page before the user `next`, the last that was looked at being `last`. A page never ends between two users of
 * the same hash, since the next one begins after that hash: it gives back those of the last hash; if it has no
 * others, it keeps what fits. */
static void page_end(const struct roll *roll, struct page *page, uint32_t last, uint32_t next,
                     const struct user_view *out) {
    page->more = true;
    page->next = user_hash(roll, last);
    if (user_hash(roll, next) != page->next) {
        return;
    }
    size_t keep = page->count;
    while (keep > 0 && roll_hash(roll, out[keep - 1].user) == page->next) keep--;
    if (keep == 0) return;
    page->count = keep;
    page->next = roll_hash(roll, out[keep - 1].user);
}

struct page roll_list(const struct roll *roll, struct text scope, unsigned statuses, const uint64_t *after,
                      size_t limit, uint64_t now_ms, struct user_view *out) {
    struct page page = {0};
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) return page;
    struct lister lister = {roll, scope_at(roll, ref), statuses, now_ms};
    struct walk walk = walk_users(roll, lister.scope, after);
    uint32_t refs[WALK_AHEAD], last = 0;
    size_t n, looked_max = limit * 4 > WALK_LOOKED_MIN ? limit * 4 : WALK_LOOKED_MIN;
    while ((n = walk_ahead(roll, &walk, refs)) > 0) {
        for (size_t i = 0; i < n; i++) {
            bool is_tired = walk.looked >= looked_max && last != 0 && user_hash(roll, refs[i]) != user_hash(roll, last);
            if (page.count == limit || is_tired) {
                page_end(roll, &page, last, refs[i], out);
                return page;
            }
            last = refs[i];
            if (!lister_wants(&lister, last, &out[page.count])) continue;
            out[page.count++].user = member_user(member_at(roll, last));
        }
    }
    return page;
}

/* How many rows of a page come before those of a hash, which it ends with. */
static size_t scopes_before(const struct roll *roll, const struct page *page, uint64_t hash,
                            const struct scope_view *out) {
    size_t keep = page->count;
    while (keep > 0 && roll_hash(roll, out[keep - 1].scope) == hash) keep--;
    return keep;
}

struct page roll_scopes(const struct roll *roll, const uint64_t *after, size_t limit, uint64_t now_ms,
                        struct scope_view *out) {
    (void)now_ms;
    struct page page = {0};
    struct walk walk = walk_scopes(roll, after);
    uint32_t last = 0;
    for (uint32_t ref; (ref = walk_next(&walk)) != 0; last = ref) {
        bool is_tired = walk.looked >= WALK_LOOKED_MIN && last != 0;
        if ((page.count == limit || is_tired) && scope_hash(roll, ref) != scope_hash(roll, last)) {
            page.more = true;
            page.next = scope_hash(roll, last);
            return page;
        }
        const struct scope *scope = scope_at(roll, ref);
        if (scope_users_counted(scope) == 0) continue;
        if (page.count == limit) {
            size_t keep = scopes_before(roll, &page, scope_hash(roll, ref), out);
            if (keep == 0) continue;
            return (struct page){keep, true, roll_hash(roll, out[keep - 1].scope)};
        }
        out[page.count++] = (struct scope_view){scope_name(scope), scope_live(scope)};
    }
    return page;
}
