/* The call Watch: a question is answered at once where there is something to tell, else parked. */
#include "calls.h"
#include "muster/limits.h"
#include "validate.h"
#include "watch/answer.h"
#include "watch/pace.h"

#include <stdlib.h>

/* A request that was found good. */
struct question {
    struct text scope, cursor;
    struct text *users; /* in the order of their hashes, each once */
    size_t user_count;
    uint32_t max_wait_ms, min_interval_ms;
    bool is_counts, with_sessions;
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

static enum muster_code read_users(struct call *call, const Muster__V1__WatchRequest *request, struct question *out) {
    size_t n = request->n_users;
    enum muster_code code = check_count(call, n, 0, MUSTER_WATCH_USERS_MAX, "users");
    if (code != MUSTER_OK) return code;
    struct named *named = arena_take(call->arena, n, sizeof *named);
    out->users = arena_take(call->arena, n, sizeof *out->users);
    if (named == NULL || out->users == NULL) return call_too_large(call, "users");
    for (size_t i = 0; i < n; i++) {
        struct text name = text_of_field(request->users[i]);
        if ((code = check_id(call, name, (struct path){"users", i, NULL})) != MUSTER_OK) return code;
        named[i] = (struct named){roll_hash(call->node->roll, name), name};
    }
    if (n > 0) qsort(named, n, sizeof *named, by_hash);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || by_hash(&named[i - 1], &named[i]) != 0) out->users[out->user_count++] = named[i].name;
    return MUSTER_OK;
}

static enum muster_code read_question(struct call *call, const Muster__V1__WatchRequest *request,
                                      struct question *out) {
    *out = (struct question){.cursor = text_of_field(request->cursor),
                             .max_wait_ms = request->max_wait_ms,
                             .min_interval_ms = request->min_interval_ms,
                             .is_counts = request->counts != 0,
                             .with_sessions = request->sessions != 0};
    enum muster_code code = check_scope(call, text_of_field(request->scope), &out->scope);
    if (code == MUSTER_OK)
        code = check_range(call, out->max_wait_ms, 0, MUSTER_WATCH_WAIT_MAX_MS, (struct path){.field = "max_wait_ms"});
    if (code == MUSTER_OK)
        code = check_range(call, out->min_interval_ms, 0, MUSTER_WATCH_INTERVAL_MAX_MS,
                           (struct path){.field = "min_interval_ms"});
    if (code != MUSTER_OK) return code;
    if (out->cursor.len > MUSTER_CURSOR_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "cursor: %u bytes, at most %d", out->cursor.len,
                           MUSTER_CURSOR_BYTES_MAX);
    if (out->is_counts && request->n_users > 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "users: must be empty where counts is set");
    if (out->is_counts && out->with_sessions)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "sessions: must be unset where counts is set");
    return read_users(call, request, out);
}

/* ---- answering --------------------------------------------------------------------------------------------------- */

/* Where the watcher is, by its cursor; whether that was of use. */
static bool resume(struct call *call, const struct question *question, struct watch_answer *answer) {
    const struct cursor_key *key = watches_cursor_key(call->rpc->watches);
    uint64_t selection =
        cursor_selection(key, question->scope, question->users, question->user_count, question->is_counts);
    bool is_ours = cursor_read(key, question->cursor, &answer->cursor) && answer->cursor.selection == selection;
    if (is_ours && answer_can_resume(answer)) return true;
    answer->cursor = (struct cursor){.selection = selection};
    return false;
}

/* is_pending: there is something to tell already. */
static enum muster_code park(struct call *call, const struct turn *turn, const struct question *question,
                             const struct watch_answer *answer, uint64_t due_ms, uint64_t deadline_ms,
                             bool is_pending) {
    struct refusal why = {0};
    const struct parking parking = {.waiter = *call->waiter,
                                    .scope = answer->scope,
                                    .cursor = answer->cursor,
                                    .users = question->users,
                                    .user_count = question->user_count,
                                    .due_ms = due_ms,
                                    .deadline_ms = deadline_ms,
                                    .min_interval_ms = question->min_interval_ms,
                                    .is_counts = question->is_counts,
                                    .with_sessions = question->with_sessions,
                                    .resync = answer->resync,
                                    .is_pending = is_pending};
    enum muster_code code = watches_park(call->rpc->watches, turn, &parking, &why);
    call->is_parked = code == MUSTER_OK;
    return code == MUSTER_OK ? code : call_refused_by_roll(call, code, &why, "watch");
}

/* Tells what there is to tell, or parks. Under the lock. */
static enum muster_code answer_or_park(struct call *call, const struct turn *turn, const struct question *question,
                                       struct watch_answer *answer) {
    struct cursor *cursor = &answer->cursor;
    uint64_t now_ms = turn->now_ms;
    bool is_paced = cursor->phase == CURSOR_WHOLE && !cursor->is_owed;
    uint64_t due_ms = is_paced ? pace_due_ms(cursor->paced_ms, question->min_interval_ms) : 0;
    uint64_t deadline_ms = now_ms + question->max_wait_ms;
    if (due_ms <= now_ms) {
        /* Long answers are the pump's: who goes through the same pages at the same time is told by one look, and no
         * number of watchers takes every thread of the door. */
        if (call->waiter != NULL && answer_is_long(answer, turn) &&
            park(call, turn, question, answer, now_ms, is_paced ? deadline_ms : now_ms, true) == MUSTER_OK)
            return MUSTER_OK;
        if (!answer_select(answer, turn)) return call_too_large(call, "sessions");
        if (answer_has_news(answer)) {
            if (!answer->more) cursor->paced_ms = now_ms; /* it asked late: no answer is late */
            return MUSTER_OK;
        }
        /* A snapshot of nobody is told as well: the watcher waits to hear that it is over. */
        if (!is_paced) return MUSTER_OK;
    }
    if (call->waiter == NULL || question->max_wait_ms == 0) return MUSTER_OK;
    return park(call, turn, question, answer, due_ms, deadline_ms, due_ms > now_ms);
}

static enum muster_code answer_watch(struct call *call, const struct question *question, struct watch_answer *answer) {
    struct turn turn = node_begin_ticked(call->node, call->now, NULL);
    enum muster_code code;
    if (watches_are_stopping(call->rpc->watches)) {
        code = call_refuse(call, MUSTER_UNAVAILABLE, "watch: the node stops");
    } else if ((answer->scope =
                    watched_scope_obtain(call->rpc->watches, &turn, question->scope, !question->is_counts)) == NULL) {
        code = call_refuse(call, MUSTER_RESOURCE_EXHAUSTED, "scope: the node watches as many scopes as it may");
    } else {
        answer->resync = !resume(call, question, answer) && question->cursor.len > 0;
        code = answer_or_park(call, &turn, question, answer);
    }
    node_commit(&turn, NULL);
    return code;
}

enum muster_code call_watch(struct call *call, struct text body) {
    const Muster__V1__WatchRequest *request = call_decode(call, &muster__v1__watch_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct question question;
    enum muster_code code = read_question(call, request, &question);
    if (code != MUSTER_OK) return code;
    struct watch_answer answer = {.watches = call->rpc->watches,
                                  .arena = call->arena,
                                  .now = call->now,
                                  .users = question.users,
                                  .user_count = question.user_count,
                                  .is_counts = question.is_counts,
                                  .with_sessions = question.with_sessions};
    code = answer_watch(call, &question, &answer);
    if (code != MUSTER_OK || call->is_parked) return code;
    struct text news;
    if (!answer_encode(&answer, &news) ||
        !answer_body(call->arena, watches_cursor_key(call->rpc->watches), news, &answer.cursor, &call->body))
        return call_too_large(call, "watch");
    return MUSTER_OK;
}
