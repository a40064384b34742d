/* The public calls: each checks and encodes, flies, and hands over the answer. */
#include "client.h"
#include "client_error.h"

#include <stdlib.h>

/* ---- how every blocking call goes -------------------------------------------------------------------------------- */

/* Where errors go when the caller does not care. */
#define ERROR_OR_SCRATCH(error)                                                                                        \
    struct muster_error scratch;                                                                                       \
    if (error == NULL) error = &scratch

static struct flight *begin(struct muster_client *client, enum reply_kind kind, struct muster_error *error) {
    struct flight *flight = flight_take(client, false, error);
    if (flight != NULL) flight->answer = (struct answer){.kind = kind};
    return flight;
}

/* Runs the flight if its request was encoded, and copies the small answer to `out` unless that is NULL. */
static enum muster_code finish(struct flight *flight, enum muster_code encoded, void *out, size_t out_bytes,
                               struct muster_error *error) {
    enum muster_code code = encoded == MUSTER_OK ? flight_run(flight, error) : encoded;
    if (code == MUSTER_OK && out != NULL) memcpy(out, &flight->answer.small, out_bytes);
    flight_give(flight);
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

/* ---- telling ----------------------------------------------------------------------------------------------------- */

enum muster_code muster_touch(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                              const struct muster_beat *beats, size_t count, struct muster_touched *touched,
                              struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (touched != NULL) *touched = (struct muster_touched){0};
    struct flight *flight = begin(client, REPLY_TOUCH, error);
    if (flight == NULL) return error->code;
    enum muster_code code = request_touch(&flight->request, client->token, scope, ttl_ms, beats, count, error);
    return finish(flight, code, touched, sizeof *touched, error);
}

enum muster_code muster_leave(struct muster_client *client, const char *scope,
                              const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                              uint64_t stamp, struct muster_left *left, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (left != NULL) *left = (struct muster_left){0};
    struct flight *flight = begin(client, REPLY_LEAVE, error);
    if (flight == NULL) return error->code;
    enum muster_code code =
        request_leave(&flight->request, client->token, scope, departures, count, linger_ms, stamp, error);
    return finish(flight, code, left, sizeof *left, error);
}

enum muster_code muster_reset(struct muster_client *client, const char *scope, struct muster_forgotten *forgotten,
                              struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    if (forgotten != NULL) *forgotten = (struct muster_forgotten){0};
    struct flight *flight = begin(client, REPLY_RESET, error);
    if (flight == NULL) return error->code;
    enum muster_code code = request_reset(&flight->request, client->token, scope, error);
    return finish(flight, code, forgotten, sizeof *forgotten, error);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

enum muster_code muster_live(struct muster_client *client, const char *scope, const char *const *users, size_t count,
                             bool with_sessions, struct muster_users **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_LIVE, error);
    if (into == NULL) return error->code;
    *result = &into->view.users;
    struct flight *flight = begin(client, REPLY_LIVE, error);
    if (flight == NULL) return error->code;
    flight->answer.result = into;
    flight->answer.expected = count;
    flight->answer.has_sessions = with_sessions;
    enum muster_code code = request_live(&flight->request, client->token, scope, users, count, with_sessions, error);
    return finish(flight, code, NULL, 0, error);
}

enum muster_code muster_list(struct muster_client *client, const struct muster_query *query,
                             struct muster_users **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_query all = {0};
    struct result *into = result_for((struct result *)*result, REPLY_LIST, error);
    if (into == NULL) return error->code;
    *result = &into->view.users;
    struct flight *flight = begin(client, REPLY_LIST, error);
    if (flight == NULL) return error->code;
    flight->answer.result = into;
    flight->answer.has_sessions = query != NULL && query->with_sessions;
    enum muster_code code = request_list(&flight->request, client->token, query == NULL ? &all : query, error);
    return finish(flight, code, NULL, 0, error);
}

enum muster_code muster_counts(struct muster_client *client, const char *const *scopes, size_t scope_count,
                               const uint64_t *windows_ms, size_t window_count, struct muster_counts **result,
                               struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_COUNTS, error);
    if (into == NULL) return error->code;
    *result = &into->view.counts;
    struct flight *flight = begin(client, REPLY_COUNTS, error);
    if (flight == NULL) return error->code;
    flight->answer.result = into;
    flight->answer.expected = scope_count == 0 ? 1 : scope_count;
    enum muster_code code =
        request_counts(&flight->request, client->token, scopes, scope_count, windows_ms, window_count, error);
    return finish(flight, code, NULL, 0, error);
}

enum muster_code muster_scopes(struct muster_client *client, uint32_t page_size, const char *page_token,
                               struct muster_scopes **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_SCOPES, error);
    if (into == NULL) return error->code;
    *result = &into->view.scopes;
    struct flight *flight = begin(client, REPLY_SCOPES, error);
    if (flight == NULL) return error->code;
    flight->answer.result = into;
    enum muster_code code = request_scopes(&flight->request, client->token, page_size, page_token, error);
    return finish(flight, code, NULL, 0, error);
}

enum muster_code muster_nodes(struct muster_client *client, struct muster_nodes **result, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct result *into = result_for((struct result *)*result, REPLY_NODES, error);
    if (into == NULL) return error->code;
    *result = &into->view.nodes;
    struct flight *flight = begin(client, REPLY_NODES, error);
    if (flight == NULL) return error->code;
    flight->answer.result = into;
    enum muster_code code = request_nodes(&flight->request, client->token, error);
    return finish(flight, code, NULL, 0, error);
}

/* ---- without waiting --------------------------------------------------------------------------------------------- */

/* expected: how many items are asked for, see struct answer. */
static struct flight *begin_async(struct muster_client *client, enum reply_kind kind, size_t expected, void *arg,
                                  struct muster_error *error) {
    struct flight *flight = flight_take(client, true, error);
    if (flight == NULL) return NULL;
    bool has_result = kind == REPLY_LIVE || kind == REPLY_LIST || kind == REPLY_COUNTS;
    if (has_result && flight->own_result == NULL && (flight->own_result = result_new()) == NULL) {
        flight_give(flight);
        client_error_no_memory(error);
        return NULL;
    }
    flight->answer = (struct answer){.kind = kind, .expected = expected};
    if (has_result) {
        result_clear(flight->own_result, kind);
        flight->answer.result = flight->own_result;
    }
    flight->callback_arg = arg;
    return flight;
}

static enum muster_code launch(struct flight *flight, enum muster_code encoded) {
    if (encoded == MUSTER_OK) flight_launch(flight);
    else flight_give(flight);
    return encoded;
}

enum muster_code muster_touch_async(struct muster_client *client, const char *scope, uint32_t ttl_ms,
                                    const struct muster_beat *beats, size_t count, muster_touch_callback *callback,
                                    void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct flight *flight = begin_async(client, REPLY_TOUCH, 0, arg, error);
    if (flight == NULL) return error->code;
    flight->callback.touch = callback;
    return launch(flight, request_touch(&flight->request, client->token, scope, ttl_ms, beats, count, error));
}

enum muster_code muster_leave_async(struct muster_client *client, const char *scope,
                                    const struct muster_departure *departures, size_t count, uint32_t linger_ms,
                                    uint64_t stamp, muster_leave_callback *callback, void *arg,
                                    struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct flight *flight = begin_async(client, REPLY_LEAVE, 0, arg, error);
    if (flight == NULL) return error->code;
    flight->callback.leave = callback;
    return launch(flight,
                  request_leave(&flight->request, client->token, scope, departures, count, linger_ms, stamp, error));
}

enum muster_code muster_live_async(struct muster_client *client, const char *scope, const char *const *users,
                                   size_t count, bool with_sessions, muster_users_callback *callback, void *arg,
                                   struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct flight *flight = begin_async(client, REPLY_LIVE, count, arg, error);
    if (flight == NULL) return error->code;
    flight->callback.users = callback;
    flight->answer.has_sessions = with_sessions;
    return launch(flight, request_live(&flight->request, client->token, scope, users, count, with_sessions, error));
}

enum muster_code muster_list_async(struct muster_client *client, const struct muster_query *query,
                                   muster_users_callback *callback, void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct muster_query all = {0};
    struct flight *flight = begin_async(client, REPLY_LIST, 0, arg, error);
    if (flight == NULL) return error->code;
    flight->callback.users = callback;
    flight->answer.has_sessions = query != NULL && query->with_sessions;
    return launch(flight, request_list(&flight->request, client->token, query == NULL ? &all : query, error));
}

enum muster_code muster_counts_async(struct muster_client *client, const char *const *scopes, size_t scope_count,
                                     const uint64_t *windows_ms, size_t window_count, muster_counts_callback *callback,
                                     void *arg, struct muster_error *error) {
    ERROR_OR_SCRATCH(error);
    struct flight *flight = begin_async(client, REPLY_COUNTS, scope_count == 0 ? 1 : scope_count, arg, error);
    if (flight == NULL) return error->code;
    flight->callback.counts = callback;
    return launch(
        flight, request_counts(&flight->request, client->token, scopes, scope_count, windows_ms, window_count, error));
}
