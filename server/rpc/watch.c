/* The call Watch: answered at once if there is something to send, else parked until something changes. */
#include "calls.h"
#include "muster/limits.h"
#include "validate.h"
#include "watch/answer.h"
#include "watch/pace.h"

#include <stdlib.h>

/* A request that is valid. Its query has no scope yet: that is found under the lock. */
struct watch_request {
    struct text scope;
    uint32_t max_wait_ms;
    bool has_cursor;    /* the client sent one */
    bool is_cursor_own; /* this node wrote it, for the same query */
    struct watch_query query;
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct named {
    uint64_t hash;
    struct text name;
};

static int by_hash(const void *a, const void *b) {
    const struct named *left = a, *right = b;
    if (left->hash != right->hash) return left->hash < right->hash ? -1 : 1;
    uint32_t len = left->name.len < right->name.len ? left->name.len : right->name.len;
    int order = memcmp(left->name.data, right->name.data, len);
    return order != 0 ? order : (left->name.len > right->name.len) - (left->name.len < right->name.len);
}

/* The named users in the order of their hashes, each once. */
static enum muster_code read_users(struct call *call, const Muster__V1__WatchRequest *request,
                                   struct watch_query *query) {
    size_t n = request->n_users;
    enum muster_code code = validate_count(call, n, 0, MUSTER_WATCH_USERS_MAX, "users");
    if (code != MUSTER_OK) return code;
    struct named *named = arena_take(call->arena, n, sizeof *named);
    struct text *users = arena_take(call->arena, n, sizeof *users);
    if (named == NULL || users == NULL) return call_too_large(call, "users");
    for (size_t i = 0; i < n; i++) {
        struct text name = text_of_field(request->users[i]);
        if ((code = validate_id(call, name, (struct path){"users", i, NULL})) != MUSTER_OK) return code;
        named[i] = (struct named){roll_hash(call->node->roll, name), name};
    }
    if (n > 0) qsort(named, n, sizeof *named, by_hash);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_hash(&named[i - 1], &named[i]) != 0) users[query->user_count++] = named[i].name;
    query->users = users;
    return MUSTER_OK;
}

/* What the watcher has, by its cursor. A cursor that is of no use is replaced by a new one. */
static void read_cursor(struct call *call, struct text bytes, struct watch_request *out) {
    const struct cursor_key *key = watches_cursor_key(call->rpc->watches);
    struct watch_query *query = &out->query;
    uint64_t selection = cursor_selection(key, out->scope, query->users, query->user_count, query->is_counts);
    out->has_cursor = bytes.len > 0;
    out->is_cursor_own = cursor_read(key, bytes, &query->cursor) && query->cursor.selection == selection;
    if (!out->is_cursor_own) query->cursor = (struct cursor){.selection = selection};
}

static enum muster_code read_request(struct call *call, const Muster__V1__WatchRequest *request,
                                     struct watch_request *out) {
    struct watch_query *query = &out->query;
    *out = (struct watch_request){.max_wait_ms = request->max_wait_ms};
    query->min_interval_ms = request->min_interval_ms;
    query->is_counts = request->counts != 0;
    query->with_sessions = request->sessions != 0;
    enum muster_code code = validate_scope(call, text_of_field(request->scope), &out->scope);
    if (code == MUSTER_OK)
        code =
            validate_range(call, out->max_wait_ms, 0, MUSTER_WATCH_WAIT_MAX_MS, (struct path){.field = "max_wait_ms"});
    if (code == MUSTER_OK)
        code = validate_range(call, query->min_interval_ms, 0, MUSTER_WATCH_INTERVAL_MAX_MS,
                              (struct path){.field = "min_interval_ms"});
    if (code != MUSTER_OK) return code;
    if (request->cursor.len > MUSTER_CURSOR_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "cursor: %zu bytes, at most %d", request->cursor.len,
                           MUSTER_CURSOR_BYTES_MAX);
    if (query->is_counts && request->n_users > 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "users: must be empty where counts is set");
    if (query->is_counts && query->with_sessions)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "sessions: must be unset where counts is set");
    if ((code = read_users(call, request, query)) != MUSTER_OK) return code;
    read_cursor(call, text_of_field(request->cursor), out);
    return MUSTER_OK;
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

static enum muster_code park_request(struct call *call, const struct turn *turn, const struct parking *parking) {
    struct refusal why = {0};
    enum muster_code code = watches_park(call->rpc->watches, turn, parking, &why);
    call->is_parked = code == MUSTER_OK;
    return code == MUSTER_OK ? code : call_refused_by_roll(call, code, &why, "watch");
}

/* The pump gives every answer of a stream, the first one too. It finds out whether there is something to send. */
static enum muster_code park_stream(struct call *call, const struct turn *turn, uint32_t max_wait_ms, uint64_t due_ms,
                                    const struct watch_answer *answer) {
    return park_request(call, turn,
                        &(struct parking){.waiter = call->waiter,
                                          .query = &answer->query,
                                          .due_ms = due_ms > turn->now_ms ? due_ms : turn->now_ms,
                                          .deadline_ms = max_wait_ms != 0 ? turn->now_ms + max_wait_ms : UINT64_MAX,
                                          .silence_ms = max_wait_ms,
                                          .is_pending = true});
}

/* Selects what there is to send, or parks. */
static enum muster_code answer_or_park(struct call *call, const struct turn *turn, uint32_t max_wait_ms,
                                       struct watch_answer *answer) {
    struct cursor *cursor = &answer->query.cursor;
    bool is_paced = cursor->phase == CURSOR_WHOLE && !cursor->is_owed;
    uint64_t due_ms = is_paced ? pace_due_ms(cursor->paced_ms, answer->query.min_interval_ms) : 0;
    uint64_t deadline_ms = turn->now_ms + max_wait_ms;
    if (call->waiter != NULL && call->waiter->is_stream) return park_stream(call, turn, max_wait_ms, due_ms, answer);
    if (due_ms <= turn->now_ms) {
        /* The pump gives the long answers: watchers who go through the same pages at the same time share one selection,
         * and no number of them takes all the time of a door. */
        if (call->waiter != NULL && answer_is_long(answer, turn) &&
            park_request(call, turn,
                         &(struct parking){.waiter = call->waiter,
                                           .query = &answer->query,
                                           .due_ms = turn->now_ms,
                                           .deadline_ms = is_paced ? deadline_ms : turn->now_ms,
                                           .is_pending = true}) == MUSTER_OK)
            return MUSTER_OK;
        if (!answer_select(answer, turn)) return call_too_large(call, "sessions");
        if (answer_has_news(answer)) {
            if (!answer->more) cursor->paced_ms = turn->now_ms; /* it asked late: no answer is late */
            return MUSTER_OK;
        }
        /* A snapshot of nobody is sent as well: the watcher waits to hear that it is over. */
        if (!is_paced) return MUSTER_OK;
    }
    if (call->waiter == NULL || max_wait_ms == 0) return MUSTER_OK;
    return park_request(call, turn,
                        &(struct parking){.waiter = call->waiter,
                                          .query = &answer->query,
                                          .due_ms = due_ms,
                                          .deadline_ms = deadline_ms,
                                          .is_pending = due_ms > turn->now_ms});
}

static enum muster_code answer_watch(struct call *call, const struct watch_request *request,
                                     struct watch_answer *answer) {
    struct watches *watches = call->rpc->watches;
    struct watch_query *query = &answer->query;
    struct turn turn = node_begin_ticked(call->node, call->now, NULL);
    enum muster_code code;
    if (watches_are_stopping(watches)) {
        code = call_refuse(call, MUSTER_UNAVAILABLE, "watch: the node stops");
    } else if ((query->scope = watched_scope_obtain(watches, &turn, request->scope, !query->is_counts)) == NULL) {
        code = call_refuse(call, MUSTER_RESOURCE_EXHAUSTED, "scope: the node watches as many scopes as it may");
    } else {
        bool is_resumed = request->is_cursor_own && answer_can_resume(answer);
        if (!is_resumed) query->cursor = (struct cursor){.selection = query->cursor.selection};
        query->resync = request->has_cursor && !is_resumed;
        code = answer_or_park(call, &turn, request->max_wait_ms, answer);
    }
    node_commit(&turn, NULL);
    return code;
}

enum muster_code call_watch(struct call *call, struct text body) {
    const Muster__V1__WatchRequest *request = call_decode(call, &muster__v1__watch_request__descriptor, body);
    struct watch_request read;
    struct text news;
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    enum muster_code code = read_request(call, request, &read);
    if (code != MUSTER_OK) return code;
    struct watch_answer answer = {
        .watches = call->rpc->watches, .arena = call->arena, .now = call->now, .query = read.query};
    code = answer_watch(call, &read, &answer);
    if (code != MUSTER_OK || call->is_parked) return code;
    const struct cursor_key *key = watches_cursor_key(call->rpc->watches);
    if (!answer_encode(&answer, &news) || !answer_body(call->arena, key, news, &answer.query.cursor, &call->body))
        return call_too_large(call, "watch");
    return MUSTER_OK;
}
