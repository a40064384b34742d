#include "watcher.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the four above first. */
#include <cmocka.h>

enum { TABLE_MIN = 64 };

static char complaint[512];

static const char *complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static const char *complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(complaint, sizeof complaint, format, arguments);
    va_end(arguments);
    return complaint;
}

/* FNV-1a, going on from `hash`. */
static uint64_t hashed(uint64_t hash, const void *bytes, size_t len) {
    const uint8_t *at = bytes;
    for (size_t i = 0; i < len; i++) hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
    return hash;
}
static const uint64_t hash_begin = UINT64_C(0xcbf29ce484222325);

/* ---- the table ---- */

static struct seen *place_of(struct seen *table, size_t size, const char *user) {
    size_t i = (size_t)hashed(hash_begin, user, strlen(user)) & (size - 1);
    while (table[i].user[0] != 0 && strcmp(table[i].user, user) != 0) i = (i + 1) & (size - 1);
    return &table[i];
}

static void grow(struct watcher *watcher) {
    size_t size = watcher->table_size == 0 ? TABLE_MIN : 2 * watcher->table_size;
    struct seen *table = calloc(size, sizeof *table);
    if (table == NULL) abort();
    for (size_t i = 0; i < watcher->table_size; i++)
        if (watcher->table[i].user[0] != 0) *place_of(table, size, watcher->table[i].user) = watcher->table[i];
    free(watcher->table);
    watcher->table = table;
    watcher->table_size = size;
}

static struct seen *known(struct watcher *watcher, const char *user) {
    if (2 * watcher->known >= watcher->table_size) grow(watcher);
    struct seen *seen = place_of(watcher->table, watcher->table_size, user);
    if (seen->user[0] == 0) {
        strcpy(seen->user, user);
        watcher->known++;
    }
    return seen;
}

static void forget_all(struct watcher *watcher) {
    if (watcher->table != NULL) memset(watcher->table, 0, watcher->table_size * sizeof *watcher->table);
    watcher->known = watcher->live = 0;
    watcher->has_counts = false;
}

void watcher_close(struct watcher *watcher) {
    free(watcher->table);
    watcher->table = NULL;
    watcher->table_size = watcher->known = watcher->live = 0;
}

const struct seen *watcher_find(const struct watcher *watcher, const char *user) {
    if (watcher->table == NULL) return NULL;
    const struct seen *seen = place_of(watcher->table, watcher->table_size, user);
    return seen->is_live ? seen : NULL;
}

/* ---- asking ---- */

void watcher_build(const struct watcher *watcher, struct request_builder *builder) {
    builder_watch(builder, watcher->scope);
    for (size_t i = 0; i < watcher->user_count; i++) builder_watched(builder, builder_bytes(watcher->users[i]));
    builder->watch.counts = watcher->counts;
    builder->watch.sessions = watcher->sessions;
    builder->watch.max_wait_ms = watcher->max_wait_ms;
    builder->watch.min_interval_ms = watcher->min_interval_ms;
    uint8_t *cursor = builder_take(builder, watcher->cursor_len);
    memcpy(cursor, watcher->cursor, watcher->cursor_len);
    builder->watch.cursor = (ProtobufCBinaryData){watcher->cursor_len, cursor};
}

/* ---- rows ---- */

static uint64_t sessions_digest(const Muster__V1__User *row) {
    uint64_t sum = 0;
    for (size_t i = 0; i < row->n_sessions; i++) {
        const Muster__V1__Session *session = row->sessions[i];
        uint64_t hash = hashed(hash_begin, &session->status, sizeof session->status);
        hash = hashed(hash, &session->session.len, sizeof session->session.len);
        hash = hashed(hash, session->session.data, session->session.len);
        sum += hashed(hash, session->state.data, session->state.len);
    }
    return sum;
}

static const char *row_fault(const struct watcher *watcher, const Muster__V1__User *row, bool is_live) {
    if (row->live != is_live) return "live is wrong";
    /* Between pages who joined may be gone again: what it was is not known any more. */
    if (is_live && watcher->is_on_page && row->status == 0 && row->session_count == 0 && row->n_sessions == 0)
        return NULL;
    if (!is_live)
        return row->status != 0 || row->session_count != 0 || row->n_sessions != 0 ? "gone, with a status or sessions"
                                                                                   : NULL;
    if (row->status < 1 || row->status > 3) return "live without a status";
    if (row->session_count < 1) return "live without sessions";
    if (row->last_seen_ms <= 0) return "live and never seen";
    if (row->n_sessions != (watcher->sessions ? row->session_count : 0)) return "the wrong number of sessions";
    int highest = 0;
    for (size_t i = 0; i < row->n_sessions; i++)
        if ((int)row->sessions[i]->status > highest) highest = (int)row->sessions[i]->status;
    return row->n_sessions > 0 && !watcher->are_statuses_set && highest != (int)row->status
               ? "its status is not the highest of its sessions"
               : NULL;
}

static bool is_asked(const struct watcher *watcher, const char *user) {
    if (watcher->user_count == 0) return true;
    for (size_t i = 0; i < watcher->user_count; i++)
        if (strcmp(watcher->users[i], user) == 0) return true;
    return false;
}

/* The user that a row tells of, once an answer. */
static const char *find_row(struct watcher *watcher, const Muster__V1__User *row, struct seen **out) {
    char name[MUSTER_ID_BYTES_MAX + 1] = "";
    if (row == NULL || row->user.len == 0 || row->user.len > MUSTER_ID_BYTES_MAX)
        return complain("a user without name");
    memcpy(name, row->user.data, row->user.len);
    struct seen *seen = *out = known(watcher, name);
    if (!is_asked(watcher, name)) return complain("%s: was not asked for", name);
    if (seen->answer == watcher->answers) return complain("%s: twice in one answer", name);
    if (seen->walk == watcher->walks + 1) watcher->repeats++;
    seen->answer = watcher->answers;
    seen->walk = watcher->walks + 1;
    return NULL;
}

static const char *take_row(struct watcher *watcher, const Muster__V1__User *row, struct seen *seen, bool is_live) {
    const char *fault = row_fault(watcher, row, is_live);
    if (fault != NULL) return complain("%s: %s", seen->user, fault);
    if (is_live && !seen->is_live) watcher->live++;
    if (!is_live && seen->is_live) watcher->live--;
    seen->is_live = is_live;
    seen->status = (int)row->status;
    seen->session_count = row->session_count;
    seen->sessions = sessions_digest(row);
    return NULL;
}

static const char *take_present(struct watcher *watcher, const Muster__V1__User *row) {
    struct seen *seen;
    const char *fault = find_row(watcher, row, &seen);
    if (fault != NULL) return fault;
    if (!watcher->is_in_snapshot) return complain("%s: present outside a snapshot", seen->user);
    if (seen->is_live) return complain("%s: present, and known already", seen->user);
    watcher->present++;
    return take_row(watcher, row, seen, true);
}

static const char *take_change(struct watcher *watcher, const Muster__V1__Change *change) {
    struct seen *seen;
    const char *fault = find_row(watcher, change->user, &seen);
    if (fault != NULL) return fault;
    int reason = (int)change->reason;
    bool has_left = change->kind == MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT;
    if (has_left ? reason < 1 || reason > 3 : reason != 0)
        return complain("%s: change %d with reason %d", seen->user, (int)change->kind, reason);
    switch (change->kind) {
    case MUSTER__V1__CHANGE_KIND__CHANGE_KIND_JOINED:
        if (seen->is_live) return complain("%s: joined twice", seen->user);
        watcher->joined++;
        break;
    case MUSTER__V1__CHANGE_KIND__CHANGE_KIND_LEFT:
        if (!seen->is_live) return complain("%s: left, and was not there", seen->user);
        watcher->left++;
        break;
    case MUSTER__V1__CHANGE_KIND__CHANGE_KIND_UPDATED:
        if (!seen->is_live) return complain("%s: updated, and was not there", seen->user);
        watcher->updated++;
        break;
    default:
        return complain("%s: change of kind %d", seen->user, (int)change->kind);
    }
    return take_row(watcher, change->user, seen, !has_left);
}

/* ---- answers ---- */

bool watcher_is_news(const Muster__V1__WatchResponse *answer) {
    return answer->n_present > 0 || answer->n_changes > 0 || answer->counts != NULL;
}

static const char *take_counts(struct watcher *watcher, const Muster__V1__WatchResponse *answer) {
    if (answer->n_present > 0 || answer->n_changes > 0) return complain("users, and only counts are watched");
    if (answer->more) return complain("more of counts");
    if (answer->counts == NULL) return watcher->has_counts ? NULL : complain("no counts at first");
    if (!bytes_are(answer->counts->scope, watcher->scope)) return complain("counts of another scope");
    watcher->last_counts = *answer->counts;
    watcher->has_counts = true;
    return NULL;
}

static const char *take_users(struct watcher *watcher, const Muster__V1__WatchResponse *answer) {
    const char *fault = NULL;
    if (answer->counts != NULL) return complain("counts, and users are watched");
    for (size_t i = 0; i < answer->n_present && fault == NULL; i++) fault = take_present(watcher, answer->present[i]);
    for (size_t i = 0; i < answer->n_changes && fault == NULL; i++) fault = take_change(watcher, answer->changes[i]);
    return fault;
}

const char *watcher_apply(struct watcher *watcher, const Muster__V1__WatchResponse *answer) {
    if (answer->cursor.len == 0 || answer->cursor.len > sizeof watcher->cursor)
        return complain("a cursor of %zu bytes", answer->cursor.len);
    if (answer->resync && watcher->cursor_len == 0) return complain("resync, and there was no cursor");
    if (answer->resync || watcher->cursor_len == 0) {
        forget_all(watcher);
        watcher->is_in_snapshot = true;
    }
    watcher->is_on_page = answer->more || (!watcher->is_synced && watcher->answers > 0);
    watcher->answers++;
    watcher->resyncs += answer->resync != 0;
    const char *fault = watcher->counts ? take_counts(watcher, answer) : take_users(watcher, answer);
    memcpy(watcher->cursor, answer->cursor.data, answer->cursor.len);
    watcher->cursor_len = answer->cursor.len;
    watcher->is_synced = !answer->more;
    if (watcher->is_synced) {
        watcher->is_in_snapshot = false;
        watcher->walks++;
    }
    return fault;
}

/* ---- the truth ---- */

static const char *counts_differ(const struct watcher *watcher, const struct answerer *answerer) {
    struct request_builder builder;
    builder_counts(&builder);
    builder_scope(&builder, builder_bytes(watcher->scope));
    Muster__V1__Reply *reply = ask(answerer, &builder);
    Muster__V1__ScopeCounts now = *reply->counts->scopes[0], told = watcher->last_counts;
    reply_free(reply);
    if (now.live == told.live && now.online == told.online && now.away == told.away && now.busy == told.busy &&
        now.sessions == told.sessions)
        return NULL;
    return complain("counts: told of %" PRIu64 " live, %" PRIu64 " online, %" PRIu64 " away, %" PRIu64 " busy, %" PRIu64
                    " sessions; they are %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                    told.live, told.online, told.away, told.busy, told.sessions, now.live, now.online, now.away,
                    now.busy, now.sessions);
}

static const char *row_differs(const struct seen *seen, const Muster__V1__User *row) {
    if (seen->status == (int)row->status && seen->session_count == row->session_count &&
        seen->sessions == sessions_digest(row))
        return NULL;
    return complain("%s: known with status %d, %u sessions, digest %" PRIx64 "; it has %d, %u, %" PRIx64, seen->user,
                    seen->status, seen->session_count, seen->sessions, (int)row->status, row->session_count,
                    sessions_digest(row));
}

/* How a comparison with the pages of List goes. */
struct comparison {
    const struct watcher *watcher;
    blur_fn *blur;
    void *context;
    size_t matched; /* rows that are known */
    char missing[MUSTER_ID_BYTES_MAX + 1];
};

static const char *compare_row(struct comparison *comparison, const Muster__V1__User *row) {
    char name[MUSTER_ID_BYTES_MAX + 1] = "";
    memcpy(name, row->user.data, row->user.len);
    if (!is_asked(comparison->watcher, name)) return NULL;
    if (comparison->blur != NULL && comparison->blur(comparison->context, name)) return NULL;
    const struct seen *seen = watcher_find(comparison->watcher, name);
    if (seen == NULL) {
        if (comparison->missing[0] == 0) strcpy(comparison->missing, name);
        return NULL;
    }
    comparison->matched++;
    /* Named users come in whatever order; all others in List's, and so whoever is told of is a first part of it. */
    if (comparison->missing[0] != 0 && comparison->watcher->user_count == 0)
        return complain("%s: is live and unknown, and %s after it is known", comparison->missing, name);
    return row_differs(seen, row);
}

static size_t live_and_clear(const struct comparison *comparison) {
    size_t live = 0;
    for (size_t i = 0; i < comparison->watcher->table_size; i++) {
        const struct seen *seen = &comparison->watcher->table[i];
        live += seen->is_live && (comparison->blur == NULL || !comparison->blur(comparison->context, seen->user));
    }
    return live;
}

static const char *compare_pages(struct comparison *comparison, const struct answerer *answerer) {
    const char *fault = NULL;
    ProtobufCBinaryData token = {0};
    Muster__V1__Reply *reply = NULL;
    do {
        struct request_builder builder;
        builder_list(&builder, comparison->watcher->scope);
        builder.list.page_size = MUSTER_PAGE_MAX;
        builder.list.sessions = comparison->watcher->sessions;
        builder.list.page_token = token;
        Muster__V1__Reply *next = ask(answerer, &builder);
        if (reply != NULL) reply_free(reply);
        reply = next;
        token = reply->list->next_page_token;
        for (size_t i = 0; i < reply->list->n_users && fault == NULL; i++)
            fault = compare_row(comparison, reply->list->users[i]);
    } while (token.len > 0 && fault == NULL);
    reply_free(reply);
    return fault;
}

const char *watcher_differs(const struct watcher *watcher, const struct answerer *answerer, blur_fn *blur,
                            void *context) {
    if (watcher->counts) return counts_differ(watcher, answerer);
    struct comparison comparison = {.watcher = watcher, .blur = blur, .context = context};
    const char *fault = compare_pages(&comparison, answerer);
    if (fault != NULL) return fault;
    size_t live = live_and_clear(&comparison);
    if (live != comparison.matched)
        return complain("%zu are known to be live, %zu of them are", live, comparison.matched);
    if (!watcher->is_in_snapshot && comparison.missing[0] != 0)
        return complain("%s: is live and unknown", comparison.missing);
    return NULL;
}
