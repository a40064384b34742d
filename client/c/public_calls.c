/* The public calls: each checks and encodes its request, runs, and hands over the answer. */
#include "client.h"
#include "client_error.h"
#include "options.h"
#include "writes.h"

#include <stdlib.h>
#include <string.h>

/* ---- how every blocking call goes -------------------------------------------------------------------------------- */

/* Where errors go when the caller does not care. */
#define ERROR_OR_SCRATCH(error)                                                                                        \
    struct muster_error scratch;                                                                                       \
    if (error == NULL) error = &scratch

static bool is_write(enum reply_kind kind) {
    return kind == REPLY_TOUCH || kind == REPLY_LEAVE || kind == REPLY_RESET || kind == REPLY_SET_STATUS;
}

static struct call *blocking_call(struct muster_client *client, enum reply_kind kind, struct muster_error *error) {
    struct call *call = call_take(client, false, error);
    if (call != NULL) call->attempt->answer = (struct answer){.kind = kind};
    return call;
}

/* Runs the call if its request was encoded, and copies the small answer to `out` unless that is NULL. */
static enum muster_code run_and_give(struct call *call, enum muster_code encoded, void *out, size_t out_bytes,
                                     struct muster_error *error) {
    struct attempt *attempt = call->attempt;
    enum muster_code code = encoded;
    if (encoded == MUSTER_OK && is_write(attempt->answer.kind)) code = writes_run(&call->client->writes, call, error);
    else if (encoded == MUSTER_OK) code = call_run(call, error);
    if (code == MUSTER_OK && out != NULL) memcpy(out, &attempt->answer.small, out_bytes);
    call_give(call);
    return code;
}

/* The caller's result object, made if need be, and empty; NULL: memory is short. Its strings stay in place until an
 * answer is decoded into it, so that a page token, or names, in it can be asked for again. */
static struct result *result_for(struct result *result, enum reply_kind kind, struct muster_error *error) {
    if (result == NULL && (result = result_new()) == NULL) {
        client_error_no_memory(error);
        return NULL;
    }
    result_clear(result, kind);
    return result;
}

/* ---- writes ------------------------------------------------------------------------------------------------------ */

/* A blocking Touch; refreshes where all its beats are. */
static enum muster_code touch_run(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                  const struct muster_beat *beats, size_t count, bool is_refresh,
                                  struct muster_touched *touched, struct muster_refreshed *refreshed, uint32_t *unknown,
                                  struct muster_error *error) {
    struct call *call = blocking_call(client, REPLY_TOUCH, error);
    if (call == NULL) return error->code;
    struct attempt *attempt = call->attempt;
    const struct touched *answer = &attempt->answer.small.touched;
    attempt->answer.expected = count;
    attempt->answer.indexes = is_refresh ? &call->indexes : NULL;
    enum muster_code code = request_beats(&attempt->request, client->token, scope, ttl_ms, beats, count,
                                          (struct refreshes){.all = is_refresh}, error);
    call->fresh_ms = attempt->request.least_ttl_ms;
    if (code == MUSTER_OK) code = writes_run(&client->writes, call, error);
    if (code == MUSTER_OK && touched != NULL)
        *touched = (struct muster_touched){answer->joined, answer->ttl_ms, answer->stamp, answer->displaced};
    if (code == MUSTER_OK && refreshed != NULL) {
        *refreshed = (struct muster_refreshed){answer->ttl_ms, answer->unknown_count, unknown, answer->stamp};
        if (answer->unknown_count > 0) memcpy(unknown, answer->unknown, answer->unknown_count * sizeof *unknown);
    }
    call_give(call);
    return code;
}

enum muster_code muster_touch(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                              const struct muster_beat *beats, size_t count, struct muster_touched *touched,
                              struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (touched != NULL) *touched = (struct muster_touched){0};
    return touch_run(client, scope, ttl_ms, beats, count, false, touched, NULL, NULL, error);
}

enum muster_code muster_refresh(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                const struct muster_beat *beats, size_t count, uint32_t *unknown,
                                struct muster_refreshed *refreshed, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    *refreshed = (struct muster_refreshed){.unknown = unknown};
    return touch_run(client, scope, ttl_ms, beats, count, true, NULL, refreshed, unknown, error);
}

enum muster_code muster_leave(struct muster_client *client, const char *scope,
                              const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                              uint64_t stamp, struct muster_left *left, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (left != NULL) *left = (struct muster_left){0};
    struct call *call = blocking_call(client, REPLY_LEAVE, error);
    if (call == NULL) return error->code;
    enum muster_code code =
        request_leave(&call->attempt->request, client->token, scope, departures, count, linger_ms, stamp, error);
    return run_and_give(call, code, left, sizeof *left, error);
}

/* A status that has ended by the time it could be sent is not sent: it would count from then. */
static void status_is_fresh_for(struct call *call, enum muster_status status, uint32_t ttl_ms) {
    if (status != MUSTER_STATUS_UNSPECIFIED && ttl_ms != 0) call->fresh_ms = ttl_ms;
}

enum muster_code muster_set_status(struct muster_client *client, const char *scope, const char *user,
                                   enum muster_status status, uint32_t ttl_ms, struct muster_status_set *set,
                                   struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (set != NULL) *set = (struct muster_status_set){0};
    struct call *call = blocking_call(client, REPLY_SET_STATUS, error);
    if (call == NULL) return error->code;
    enum muster_code code =
        request_set_status(&call->attempt->request, client->token, scope, user, status, ttl_ms, error);
    status_is_fresh_for(call, status, ttl_ms);
    return run_and_give(call, code, set, sizeof *set, error);
}

enum muster_code muster_reset(struct muster_client *client, const char *scope, struct muster_forgotten *forgotten,
                              struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (forgotten != NULL) *forgotten = (struct muster_forgotten){0};
    struct call *call = blocking_call(client, REPLY_RESET, error);
    if (call == NULL) return error->code;
    enum muster_code code = request_reset(&call->attempt->request, client->token, scope, error);
    return run_and_give(call, code, forgotten, sizeof *forgotten, error);
}

/* ---- reads ------------------------------------------------------------------------------------------------------- */

enum muster_code muster_live(struct muster_client *client, const char *scope, const char *const *users, size_t count,
                             bool with_sessions, struct muster_users **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_LIVE, error);
    if (into == NULL) return error->code;
    *result = &into->view.users;
    struct call *call = blocking_call(client, REPLY_LIVE, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    call->attempt->answer.expected = count;
    call->attempt->answer.has_sessions = with_sessions;
    enum muster_code code =
        request_live(&call->attempt->request, client->token, scope, users, count, with_sessions, error);
    return run_and_give(call, code, NULL, 0, error);
}

enum muster_code muster_list_sized(struct muster_client *client, const struct muster_query *query, size_t query_size,
                                   struct muster_users **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_query known;
    struct result *into = result_for((struct result *)*result, REPLY_LIST, error);
    if (into == NULL) return error->code;
    *result = &into->view.users;
    struct call *call = blocking_call(client, REPLY_LIST, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    enum muster_code code = options_copy(&known, sizeof known, query, query_size, error);
    call->attempt->answer.has_sessions = known.with_sessions;
    if (code == MUSTER_OK) code = request_list(&call->attempt->request, client->token, &known, error);
    return run_and_give(call, code, NULL, 0, error);
}

enum muster_code muster_counts(struct muster_client *client, const char *const *scopes, size_t scope_count,
                               const uint64_t *windows_ms, size_t window_count, struct muster_counts **result,
                               struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_COUNTS, error);
    if (into == NULL) return error->code;
    *result = &into->view.counts;
    struct call *call = blocking_call(client, REPLY_COUNTS, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    call->attempt->answer.expected = scope_count == 0 ? 1 : scope_count;
    enum muster_code code =
        request_counts(&call->attempt->request, client->token, scopes, scope_count, windows_ms, window_count, error);
    return run_and_give(call, code, NULL, 0, error);
}

enum muster_code muster_scopes(struct muster_client *client, uint32_t page_size, const char *page_token,
                               struct muster_scopes **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_SCOPES, error);
    if (into == NULL) return error->code;
    *result = &into->view.scopes;
    struct call *call = blocking_call(client, REPLY_SCOPES, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    enum muster_code code = request_scopes(&call->attempt->request, client->token, page_size, page_token, error);
    return run_and_give(call, code, NULL, 0, error);
}

enum muster_code muster_where_sized(struct muster_client *client, const struct muster_where_query *query,
                                    size_t query_size, struct muster_places **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_where_query known;
    struct result *into = result_for((struct result *)*result, REPLY_WHERE, error);
    if (into == NULL) return error->code;
    *result = &into->view.places;
    struct call *call = blocking_call(client, REPLY_WHERE, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    enum muster_code code = options_copy(&known, sizeof known, query, query_size, error);
    call->attempt->answer.has_sessions = known.with_sessions;
    if (code == MUSTER_OK) code = request_where(&call->attempt->request, client->token, &known, error);
    return run_and_give(call, code, NULL, 0, error);
}

enum muster_code muster_nodes(struct muster_client *client, struct muster_nodes **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_NODES, error);
    if (into == NULL) return error->code;
    *result = &into->view.nodes;
    struct call *call = blocking_call(client, REPLY_NODES, error);
    if (call == NULL) return error->code;
    call->attempt->answer.result = into;
    enum muster_code code = request_nodes(&call->attempt->request, client->token, error);
    return run_and_give(call, code, NULL, 0, error);
}

/* ---- without waiting --------------------------------------------------------------------------------------------- */

/* expected: how many items are asked for, see struct answer. */
static struct call *async_call(struct muster_client *client, enum reply_kind kind, size_t expected, void *arg,
                               struct muster_error *error) {
    struct call *call = call_take(client, true, error);
    if (call == NULL) return NULL;
    bool has_result = !is_write(kind);
    if (has_result && call->own_result == NULL && (call->own_result = result_new()) == NULL) {
        call_give(call);
        client_error_no_memory(error);
        return NULL;
    }
    call->attempt->answer = (struct answer){.kind = kind, .expected = expected};
    if (has_result) {
        result_clear(call->own_result, kind);
        call->attempt->answer.result = call->own_result;
    }
    call->callback_arg = arg;
    return call;
}

static enum muster_code launch_or_give(struct call *call, enum muster_code encoded, struct muster_error *error) {
    if (encoded != MUSTER_OK) {
        call_give(call);
        return encoded;
    }
    client_error_none(error);
    if (is_write(call->attempt->answer.kind)) writes_launch(&call->client->writes, call);
    else call_launch(call);
    return MUSTER_OK;
}

static enum muster_code touch_launch(struct call *call, const char *scope, uint32_t ttl_ms,
                                     const struct muster_beat *beats, size_t count, struct muster_error *error) {
    call->attempt->answer.indexes = call->is_refresh ? &call->indexes : NULL;
    enum muster_code code = request_beats(&call->attempt->request, call->client->token, scope, ttl_ms, beats, count,
                                          (struct refreshes){.all = call->is_refresh}, error);
    call->fresh_ms = call->attempt->request.least_ttl_ms;
    return launch_or_give(call, code, error);
}

enum muster_code muster_touch_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                    const struct muster_beat *beats, size_t count, muster_touch_callback *callback,
                                    void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_TOUCH, count, arg, error);
    if (call == NULL) return error->code;
    call->callback.touch = callback;
    return touch_launch(call, scope, ttl_ms, beats, count, error);
}

enum muster_code muster_refresh_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                      const struct muster_beat *beats, size_t count, muster_refresh_callback *callback,
                                      void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_TOUCH, count, arg, error);
    if (call == NULL) return error->code;
    call->callback.refresh = callback;
    call->is_refresh = true;
    return touch_launch(call, scope, ttl_ms, beats, count, error);
}

enum muster_code muster_leave_async(struct muster_client *client, const char *scope,
                                    const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                                    uint64_t stamp, muster_leave_callback *callback, void *arg,
                                    struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_LEAVE, 0, arg, error);
    if (call == NULL) return error->code;
    call->callback.leave = callback;
    return launch_or_give(
        call, request_leave(&call->attempt->request, client->token, scope, departures, count, linger_ms, stamp, error),
        error);
}

enum muster_code muster_set_status_async(struct muster_client *client, const char *scope, const char *user,
                                         enum muster_status status, uint32_t ttl_ms, muster_status_callback *callback,
                                         void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_SET_STATUS, 0, arg, error);
    if (call == NULL) return error->code;
    call->callback.status = callback;
    enum muster_code code =
        request_set_status(&call->attempt->request, client->token, scope, user, status, ttl_ms, error);
    status_is_fresh_for(call, status, ttl_ms);
    return launch_or_give(call, code, error);
}

enum muster_code muster_live_async(struct muster_client *client, const char *scope, const char *const *users,
                                   size_t count, bool with_sessions, muster_users_callback *callback, void *arg,
                                   struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_LIVE, count, arg, error);
    if (call == NULL) return error->code;
    call->callback.users = callback;
    call->attempt->answer.has_sessions = with_sessions;
    return launch_or_give(
        call, request_live(&call->attempt->request, client->token, scope, users, count, with_sessions, error), error);
}

enum muster_code muster_list_async_sized(struct muster_client *client, const struct muster_query *query,
                                         size_t query_size, muster_users_callback *callback, void *arg,
                                         struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_query known;
    struct call *call = async_call(client, REPLY_LIST, 0, arg, error);
    if (call == NULL) return error->code;
    call->callback.users = callback;
    enum muster_code code = options_copy(&known, sizeof known, query, query_size, error);
    call->attempt->answer.has_sessions = known.with_sessions;
    if (code == MUSTER_OK) code = request_list(&call->attempt->request, client->token, &known, error);
    return launch_or_give(call, code, error);
}

enum muster_code muster_where_async_sized(struct muster_client *client, const struct muster_where_query *query,
                                          size_t query_size, muster_places_callback *callback, void *arg,
                                          struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_where_query known;
    struct call *call = async_call(client, REPLY_WHERE, 0, arg, error);
    if (call == NULL) return error->code;
    call->callback.places = callback;
    enum muster_code code = options_copy(&known, sizeof known, query, query_size, error);
    call->attempt->answer.has_sessions = known.with_sessions;
    if (code == MUSTER_OK) code = request_where(&call->attempt->request, client->token, &known, error);
    return launch_or_give(call, code, error);
}

enum muster_code muster_counts_async(struct muster_client *client, const char *const *scopes, size_t scope_count,
                                     const uint64_t *windows_ms, size_t window_count, muster_counts_callback *callback,
                                     void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct call *call = async_call(client, REPLY_COUNTS, scope_count == 0 ? 1 : scope_count, arg, error);
    if (call == NULL) return error->code;
    call->callback.counts = callback;
    return launch_or_give(
        call,
        request_counts(&call->attempt->request, client->token, scopes, scope_count, windows_ms, window_count, error),
        error);
}
