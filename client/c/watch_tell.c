/* From an answer to callbacks: it is compared with what the program was told before, so that joined and left alternate
 * for each user whatever a node says, and nothing is told twice. On the dispatcher's thread. */
#include "watch.h"

#include <stdlib.h>

typedef void user_callback(void *arg, const struct muster_user *user);

static bool is_over(const struct muster_watch *watch) {
    return atomic_load(&watch->is_closed);
}

static void tell_user(struct muster_watch *watch, user_callback *callback, const struct muster_user *user) {
    if (callback != NULL && !is_over(watch)) callback(watch->options.arg, user);
}

/* ---- users who left
 * ---------------------------------------------------------------------------------------------------- */

static void tell_left(struct muster_watch *watch, struct fingerprint fingerprint, int64_t last_seen_ms,
                      enum muster_left_reason reason) {
    pthread_mutex_lock(&watch->mutex);
    struct known_user *known = known_users_take(&watch->known_users, fingerprint);
    pthread_mutex_unlock(&watch->mutex);
    if (last_seen_ms == 0) last_seen_ms = known->last_seen_ms;
    if (watch->hooks != NULL) watch->hooks->drop(watch->hooks_arg, fingerprint, last_seen_ms);
    struct muster_user user = {.user = known->name, .last_seen_ms = last_seen_ms};
    if (watch->options.callbacks.left != NULL && !is_over(watch))
        watch->options.callbacks.left(watch->options.arg, &user, reason);
    free(known);
}

/* Calls left for the known users who are not in the snapshot, which is complete. Removing one may move another one into
 * its slot, which is therefore looked at again. */
static void tell_missing_users(struct muster_watch *watch) {
    const struct known_users *users = &watch->known_users;
    for (size_t i = 0; i < users->capacity && !is_over(watch);) {
        const struct known_user *known = users->slots[i].known;
        if (known != NULL && known->round != watch->round)
            tell_left(watch, known->fingerprint, known->last_seen_ms, MUSTER_REASON_UNKNOWN);
        else i++;
    }
}

/* ---- users who are present
 * ------------------------------------------------------------------------------------------------- */

/* Independent of the order of the sessions, in which nodes differ. */
static uint64_t sessions_digest(const struct fingerprint_key *key, const struct muster_user *user) {
    uint64_t sum = 0;
    for (size_t i = 0; user->sessions != NULL && i < user->session_count; i++) {
        const struct muster_session *session = &user->sessions[i];
        uint64_t parts[3] = {session->status};
        parts[1] = fingerprint_of(key, session->session, strlen(session->session)).low;
        parts[2] = fingerprint_of(key, session->state, session->state_len).low;
        sum += fingerprint_of(key, parts, sizeof parts).low;
    }
    return sum;
}

/* False: nothing that the program sees has changed. */
static bool known_update(struct known_user *known, const struct muster_user *user, uint64_t sessions) {
    bool is_same =
        known->status == user->status && known->session_count == user->session_count && known->sessions == sessions;
    known->status = user->status;
    known->session_count = user->session_count;
    known->sessions = sessions;
    known->last_seen_ms = user->last_seen_ms;
    return !is_same;
}

/* Adds a user who is not known yet. False: memory is short, and nothing was added. */
static bool take_in(struct muster_watch *watch, struct fingerprint fingerprint, const struct muster_user *user,
                    uint64_t sessions) {
    if (watch->hooks != NULL && !watch->hooks->put(watch->hooks_arg, fingerprint, user->status, user->last_seen_ms))
        return false;
    pthread_mutex_lock(&watch->mutex);
    struct known_user *known = known_users_add(&watch->known_users, fingerprint, user->user);
    if (known != NULL) {
        known_update(known, user, sessions);
        known->round = watch->round;
    }
    pthread_mutex_unlock(&watch->mutex);
    if (known == NULL && watch->hooks != NULL) watch->hooks->drop(watch->hooks_arg, fingerprint, user->last_seen_ms);
    return known != NULL;
}

/* False: memory is short. */
static bool take_live(struct muster_watch *watch, struct fingerprint fingerprint, struct known_user *known,
                      const struct muster_user *user) {
    uint64_t sessions = sessions_digest(&watch->key, user);
    if (known == NULL) {
        if (!take_in(watch, fingerprint, user, sessions)) return false;
        watch->has_progressed = true;
        tell_user(watch, watch->options.callbacks.joined, user);
        return true;
    }
    pthread_mutex_lock(&watch->mutex);
    bool is_changed = known_update(known, user, sessions);
    watch->has_progressed |= is_changed || known->round != watch->round;
    known->round = watch->round;
    pthread_mutex_unlock(&watch->mutex);
    if (watch->hooks != NULL && !watch->hooks->put(watch->hooks_arg, fingerprint, user->status, user->last_seen_ms))
        return false;
    if (is_changed) tell_user(watch, watch->options.callbacks.updated, user);
    return true;
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* Ignores items that make no sense: without a name, of an unknown kind, or of an unknown user who leaves. */
static bool take_item(struct muster_watch *watch, const struct watch_item *item) {
    size_t len = strnlen(item->user.user, MUSTER_ID_BYTES_MAX + 1);
    if (len == 0 || len > MUSTER_ID_BYTES_MAX || item->kind == WATCH_UNKNOWN) return true;
    struct fingerprint fingerprint = fingerprint_of(&watch->key, item->user.user, len);
    struct known_user *known = known_users_find(&watch->known_users, fingerprint);
    if (item->kind != WATCH_LEFT) {
        struct muster_user user = item->user;
        user.is_live = true;
        return take_live(watch, fingerprint, known, &user);
    }
    if (known == NULL) return true;
    watch->has_progressed = true;
    tell_left(watch, fingerprint, item->user.last_seen_ms, item->reason);
    return true;
}

static bool are_counts_same(const struct muster_scope_counts *a, const struct muster_scope_counts *b) {
    return a->live == b->live && a->online == b->online && a->away == b->away && a->busy == b->busy &&
           a->sessions == b->sessions && a->joined_total == b->joined_total && a->left_total == b->left_total;
}

static void take_counts(struct muster_watch *watch, const struct muster_scope_counts *counts) {
    bool is_less = watch->has_counts && counts->live < watch->counts.live;
    watch->has_held_counts = is_less && watch->hold_until_ms != 0;
    if (watch->has_held_counts) {
        watch->held_counts = *counts;
        return;
    }
    if (watch->has_counts && are_counts_same(&watch->counts, counts)) return;
    watch->has_progressed = true;
    watch->has_counts = true;
    watch->counts = *counts;
    watch->counts.scope = watch->options.scope;
    watch->counts.windows = NULL;
    watch->counts.window_count = 0;
    if (watch->options.callbacks.counts != NULL && !is_over(watch))
        watch->options.callbacks.counts(watch->options.arg, &watch->counts);
}

static bool has_missing_users(const struct muster_watch *watch) {
    const struct known_users *users = &watch->known_users;
    for (size_t i = 0; i < users->capacity; i++)
        if (users->slots[i].known != NULL && users->slots[i].known->round != watch->round) return true;
    return false;
}

/* All that there is was told, or is in the callbacks of this call. */
static void end_snapshot(struct muster_watch *watch) {
    struct muster_scope_counts held_counts = watch->held_counts;
    watch->hold_until_ms = 0;
    if (watch->has_held_counts) take_counts(watch, &held_counts);
    tell_missing_users(watch);
    if (is_over(watch)) return;
    atomic_store_explicit(&watch->synced_ms, watch->heard_ms, memory_order_release);
    if (watch->hooks != NULL) watch->hooks->whole(watch->hooks_arg);
    if (watch->options.callbacks.synced != NULL && !is_over(watch)) watch->options.callbacks.synced(watch->options.arg);
}

void watch_end_hold(struct muster_watch *watch) {
    end_snapshot(watch);
}

bool watch_take(struct muster_watch *watch, const struct watch_answer *answer) {
    bool is_counts = watch->options.counts_only, was_in_snapshot = watch->is_in_snapshot;
    for (size_t i = 0; !is_counts && i < answer->count && !is_over(watch); i++) {
        if (!take_item(watch, &answer->items[i])) return false;
    }
    if (is_counts && answer->has_counts) take_counts(watch, &answer->counts);
    if (answer->has_more || is_over(watch)) return true;
    watch->is_in_snapshot = false;
    bool is_holding = watch->hold_until_ms != 0;
    if (!was_in_snapshot && !is_holding)
        atomic_store_explicit(&watch->synced_ms, watch->heard_ms, memory_order_release);
    else if (!is_holding || (!watch->has_held_counts && !has_missing_users(watch))) end_snapshot(watch);
    /* Otherwise what is missing has until hold_until_ms to come back. */
    return true;
}
