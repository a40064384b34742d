#include "calls.h"
#include "decode_hot.h"
#include "muster/limits.h"
#include "reply/rows.h"
#include "validate.h"

/* Users with sessions that are looked up before other threads may have the lock. */
enum { LIVE_SESSIONS_SLICE = 256 };

/* A row without sessions has no texts of the roll: rows are made from the views after the turn. */
static bool take_plain(struct call *call, const struct text *users, size_t n, const struct row_options *options,
                       struct rows *rows) {
    struct user_view *views = arena_take(call->arena, n, sizeof *views);
    if (views == NULL) return false;
    struct turn turn = node_begin(call->node, call->now);
    roll_live(turn.roll, options->scope, users, n, turn.now_ms, views);
    node_commit(&turn, NULL);
    for (size_t i = 0; i < n; i++)
        if (rows_take(rows, &turn, &views[i], options) != ROWS_TAKEN) return false;
    return true;
}

static bool take_with_sessions(struct call *call, const struct text *users, size_t n, const struct row_options *options,
                               struct rows *rows) {
    struct user_view views[LIVE_SESSIONS_SLICE];
    bool all_fit = true;
    struct turn turn = node_begin(call->node, call->now);
    for (size_t done = 0; done < n && all_fit; done += LIVE_SESSIONS_SLICE) {
        size_t slice = n - done < LIVE_SESSIONS_SLICE ? n - done : LIVE_SESSIONS_SLICE;
        if (done > 0) node_yield(&turn);
        roll_live(turn.roll, options->scope, users + done, slice, turn.now_ms, views);
        for (size_t i = 0; i < slice && all_fit; i++) {
            views[i].user = users[done + i];
            all_fit = rows_take(rows, &turn, &views[i], options) == ROWS_TAKEN;
        }
    }
    node_commit(&turn, NULL);
    return all_fit;
}

/* Decodes with protobuf-c what decode_hot left to it. */
static enum muster_code decode_unusual_live(struct call *call, struct text body, struct live_fields *fields) {
    arena_reset(call->arena, WORKER_BYTES_KEPT);
    const Muster__V1__LiveRequest *request = call_decode(call, &muster__v1__live_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    enum muster_code code = validate_count(call, request->n_users, 1, MUSTER_USERS_MAX, "users");
    if (code != MUSTER_OK) return code;
    *fields = (struct live_fields){text_of_field(request->scope), NULL, request->n_users, request->sessions != 0};
    if ((fields->users = arena_take(call->arena, fields->count, sizeof *fields->users)) == NULL)
        return call_too_large(call, "users");
    for (size_t i = 0; i < fields->count; i++) fields->users[i] = text_of_field(request->users[i]);
    return MUSTER_OK;
}

static enum muster_code decode_live(struct call *call, struct text body, struct live_fields *fields) {
    struct text *users = arena_take(call->arena, MUSTER_USERS_MAX, sizeof *users);
    if (users != NULL && decode_hot_live(body, users, MUSTER_USERS_MAX, fields)) return MUSTER_OK;
    return decode_unusual_live(call, body, fields);
}

enum muster_code call_live(struct call *call, struct text body) {
    struct live_fields fields;
    struct row_options options = {0};
    struct rows rows;
    enum muster_code code = decode_live(call, body, &fields);
    if (code == MUSTER_OK) code = validate_scope(call, fields.scope, &options.scope);
    if (code == MUSTER_OK) code = validate_count(call, fields.count, 1, MUSTER_USERS_MAX, "users");
    for (size_t i = 0; code == MUSTER_OK && i < fields.count; i++)
        code = validate_id(call, fields.users[i], (struct path){"users", i, NULL});
    if (code != MUSTER_OK) return code;
    options.with_sessions = fields.sessions;
    if (!rows_open(&rows, call->arena, call->now, fields.count)) return call_too_large(call, "users");
    bool all_fit = fields.sessions ? take_with_sessions(call, fields.users, fields.count, &options, &rows)
                                   : take_plain(call, fields.users, fields.count, &options, &rows);
    if (!all_fit || !rows_encode(&rows, (struct text){0}, &call->body)) return call_too_large(call, "users");
    return MUSTER_OK;
}
