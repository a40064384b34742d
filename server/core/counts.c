/* Counts of a scope. */
#include "user_walk.h"

static void windows_by_looking(const struct roll *roll, const struct scope *scope, const uint64_t *from_ms, size_t n,
                               uint64_t now_ms, struct window_count *windows) {
    struct walk walk = walk_users(roll, scope, NULL);
    uint32_t refs[WALK_AHEAD];
    size_t users;
    while ((users = walk_ahead(roll, &walk, refs)) > 0)
        for (size_t u = 0; u < users; u++) {
            struct user_view view = view_user(roll, scope, refs[u], now_ms);
            if (!view.known) continue;
            for (size_t i = 0; i < n; i++) windows[i].users += view.seen_ms >= from_ms[i];
        }
}

void roll_counts(const struct roll *roll, struct text name, const uint64_t *windows_ms, size_t n, uint64_t now_ms,
                 struct scope_counts *out, struct window_count *windows) {
    *out = (struct scope_counts){0};
    if (n > 0) memset(windows, 0, n * sizeof *windows);
    uint32_t ref = scope_find(roll, name);
    const struct scope *scope = ref == SCOPE_NONE ? NULL : scope_at(roll, ref);
    uint64_t incomplete_ms = scope == NULL ? roll->released_incomplete_ms : scope->incomplete_ms;
    uint64_t from_ms[MUSTER_WINDOWS_MAX];
    for (size_t i = 0; i < n; i++) {
        from_ms[i] = now_ms > windows_ms[i] ? now_ms - windows_ms[i] : 0;
        windows[i].incomplete = incomplete_ms != 0 && incomplete_ms >= from_ms[i];
    }
    if (scope == NULL) return;
    out->live = scope_live(scope);
    out->joined = scope_joined(scope);
    out->left = out->joined - out->live;
    const struct scope_sums sums = scope_sums(roll, scope);
    out->sessions = sums.sessions;
    for (int status = STATUS_AWAY; status <= STATUS_BUSY; status++) out->by_status[status] = sums.by_status[status];
    const struct history *history = scope_history(scope);
    if (history != NULL)
        for (size_t i = 0; i < n; i++) windows[i].users = history_count(history, from_ms[i]);
    else if (n > 0) windows_by_looking(roll, scope, from_ms, n, now_ms, windows);
}
