/* The latest seen of the live users. */
#include "user_walk.h"

static bool is_older(const struct recent *a, const struct recent *b) {
    return a->seen_ms != b->seen_ms ? a->seen_ms < b->seen_ms : a->hash < b->hash;
}

/* Restores a heap whose oldest is at the top, from `i` down. */
static void heap_sink(struct recent *heap, size_t count, size_t i) {
    struct recent sinking = heap[i];
    for (size_t child; (child = 2 * i + 1) < count; i = child) {
        if (child + 1 < count && is_older(&heap[child + 1], &heap[child])) child++;
        if (!is_older(&heap[child], &sinking)) break;
        heap[i] = heap[child];
    }
    heap[i] = sinking;
}

static void heap_add(struct recent *heap, size_t *count, size_t k, struct recent found) {
    if (*count == k) {
        if (!is_older(&heap[0], &found)) return;
        heap[0] = found;
        heap_sink(heap, *count, 0);
        return;
    }
    size_t i = (*count)++;
    for (; i > 0 && is_older(&found, &heap[(i - 1) / 2]); i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = found;
}

/* Newest first. */
static void heap_sort(struct recent *heap, size_t count) {
    while (count > 1) {
        struct recent oldest = heap[0];
        heap[0] = heap[--count];
        heap_sink(heap, count, 0);
        heap[count] = oldest;
    }
}

bool roll_recent(const struct roll *roll, struct text scope, unsigned statuses, size_t k, uint64_t now_ms,
                 size_t budget, struct recent_search *search, struct recent *best) {
    uint32_t ref = scope_find(roll, scope);
    if (search->is_done) return true;
    if (ref == SCOPE_NONE) { /* also where the scope was forgotten between two steps */
        search->is_done = true;
        heap_sort(best, search->count);
        return true;
    }
    struct lister lister = {roll, scope_at(roll, ref), statuses, now_ms};
    struct walk walk = walk_users(roll, lister.scope, search->is_begun ? &search->after : NULL);
    search->is_begun = true;
    uint32_t refs[WALK_AHEAD], last = 0;
    size_t n;
    while ((n = walk_ahead(roll, &walk, refs)) > 0) {
        for (size_t i = 0; i < n; i++) {
            struct user_view view;
            if (walk.looked >= budget && last != 0 && user_hash(roll, refs[i]) != user_hash(roll, last)) {
                search->after = user_hash(roll, last);
                return false;
            }
            last = refs[i];
            if (!lister_wants(&lister, last, &view)) continue;
            if (search->count == k && view.seen_ms < best[0].seen_ms) continue;
            heap_add(best, &search->count, k, (struct recent){{last}, view.seen_ms, user_hash(roll, last)});
        }
    }
    search->is_done = true;
    heap_sort(best, search->count);
    return true;
}

bool roll_recent_view(const struct roll *roll, struct text scope, const struct recent *found, uint64_t now_ms,
                      struct user_view *out) {
    uint32_t ref = scope_find(roll, scope);
    if (ref == SCOPE_NONE) return false;
    const struct scope *in = scope_at(roll, ref);
    /* By its hash: the session it was found by may be no more, while the user lives on in another. */
    const struct index_slot *slot = scope_users_find(in, found->hash);
    uint32_t first = MEMBER_NONE;
    for (; slot != NULL; slot = scope_users_next(in, slot))
        if (user_hash(roll, slot->ref) == found->hash && (first == MEMBER_NONE || slot->ref == found->member.v))
            first = slot->ref;
    if (first == MEMBER_NONE) return false;
    *out = view_user(roll, in, first, now_ms);
    out->user = member_user(member_at(roll, first));
    return out->known;
}
