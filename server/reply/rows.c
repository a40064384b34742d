#include "rows.h"
#include "common/protobuf.h"
#include "muster/limits.h"

#include <assert.h>

/* The largest row: every session with all it may have. It must fit, or a walk could not go on. */
enum {
    SESSION_BYTES_MAX = MUSTER_ID_BYTES_MAX + MUSTER_STATE_BYTES_MAX + 48,
    ROW_BYTES_MAX = MUSTER_SESSIONS_MAX * SESSION_BYTES_MAX + 2 * MUSTER_ID_BYTES_MAX + 48,
};
_Static_assert(ROW_BYTES_MAX + ROWS_MARGIN_BYTES <= MUSTER_MESSAGE_BYTES_MAX, "a page can always hold one user");

/* Field numbers of the contract (presence.proto). */
enum { USER_USER = 1, USER_LIVE, USER_STATUS, USER_LAST_SEEN, USER_SESSION_COUNT, USER_SESSIONS };
enum { PLACE_SCOPE = 2 }; /* of a Place; its other fields are those of a User */
enum { SESSION_SESSION = 1, SESSION_STATUS, SESSION_STATE, SESSION_LAST_SEEN, SESSION_TTL };
enum { CHANGE_KIND = 1, CHANGE_REASON, CHANGE_USER };
enum { RESPONSE_USERS = 1, RESPONSE_NEXT_PAGE_TOKEN = 2 };

bool rows_open(struct rows *rows, struct arena *arena, struct instant now, size_t capacity) {
    *rows = (struct rows){.arena = arena, .now = now, .items = arena_take(arena, capacity, sizeof(struct user_row))};
    return rows->items != NULL;
}

/* When a moment on the roll's clock was, on this node's wall clock. */
static int64_t wall_ms_of(const struct rows *rows, uint64_t now_ms, uint64_t seen_ms) {
    uint64_t age_ms = now_ms > seen_ms ? now_ms - seen_ms : 0;
    return age_ms < rows->now.wall_ms ? (int64_t)(rows->now.wall_ms - age_ms) : 0;
}

static bool take_session(const struct rows *rows, const struct session_view *view, uint64_t now_ms,
                         struct session_row *row) {
    *row = (struct session_row){
        .last_seen_ms = wall_ms_of(rows, now_ms, view->seen_ms), .ttl_ms = view->ttl_ms, .status = view->status};
    if (!arena_copy(rows->arena, view->session, &row->session) || !arena_copy(rows->arena, view->state, &row->state))
        return false;
    row->bytes =
        (uint32_t)(pb_text_size(row->session.len) + pb_number_size(row->status) + pb_text_size(row->state.len) +
                   pb_number_size((uint64_t)row->last_seen_ms) + pb_number_size(row->ttl_ms));
    return true;
}

static bool take_sessions(const struct rows *rows, const struct turn *turn, struct text scope, struct text user,
                          struct user_row *row) {
    struct session_view views[MUSTER_SESSIONS_MAX];
    size_t n = roll_sessions(turn->roll, scope, user, turn->now_ms, views);
    if ((row->rows = arena_take(rows->arena, n, sizeof *row->rows)) == NULL) return false;
    for (size_t i = 0; i < n; i++) {
        if (!take_session(rows, &views[i], turn->now_ms, &row->rows[i])) return false;
        row->bytes += (uint32_t)pb_element_size(row->rows[i].bytes);
    }
    row->row_count = (uint32_t)n;
    return true;
}

static size_t row_body_size(const struct user_row *row) {
    if (row->kind == 0) return row->bytes;
    return pb_number_size(row->kind) + pb_number_size(row->reason) + pb_element_size(row->bytes);
}

size_t row_size(const struct user_row *row) {
    return pb_element_size(row_body_size(row));
}

enum rows_verdict rows_take(struct rows *rows, const struct turn *turn, const struct user_view *view,
                            const struct row_options *options) {
    return rows_take_change(rows, turn, view, options, 0, 0);
}

enum rows_verdict rows_take_change(struct rows *rows, const struct turn *turn, const struct user_view *view,
                                   const struct row_options *options, uint8_t kind, uint8_t reason) {
    struct user_row *row = &rows->items[rows->count];
    *row = (struct user_row){.kind = kind, .reason = reason};
    if (view->known) {
        row->live = view->live;
        row->status = view->status;
        row->sessions = view->sessions;
        row->seen_ms = view->seen_ms;
        row->last_seen_ms = wall_ms_of(rows, turn->now_ms, view->seen_ms);
    }
    if (options->with_name && !arena_copy(rows->arena, view->user, &row->user)) return ROWS_NO_ROOM;
    row->scope = options->place;
    size_t where_bytes = row->scope != NULL ? pb_text_size(row->scope->len) : row->live ? 2 : 0;
    row->bytes = (uint32_t)(pb_text_size(row->user.len) + where_bytes + pb_number_size(row->status) +
                            pb_number_size((uint64_t)row->last_seen_ms) + pb_number_size(row->sessions));
    if (options->with_sessions && row->live && !take_sessions(rows, turn, options->scope, view->user, row))
        return ROWS_NO_ROOM;
    size_t bytes = rows->bytes + row_size(row);
    if (bytes + ROWS_MARGIN_BYTES > MUSTER_MESSAGE_BYTES_MAX) return ROWS_FULL;
    rows->bytes = bytes;
    rows->count++;
    return ROWS_TAKEN;
}

static uint8_t *put_row_text(uint8_t *at, unsigned field, struct text text) {
    return pb_put_text(at, field, text.data, text.len);
}

static uint8_t *put_session(uint8_t *at, const struct session_row *row) {
    at = pb_put_length(at, USER_SESSIONS, row->bytes);
    at = put_row_text(at, SESSION_SESSION, row->session);
    at = pb_put_number(at, SESSION_STATUS, row->status);
    at = put_row_text(at, SESSION_STATE, row->state);
    at = pb_put_number(at, SESSION_LAST_SEEN, (uint64_t)row->last_seen_ms);
    return pb_put_number(at, SESSION_TTL, row->ttl_ms);
}

uint8_t *row_put(uint8_t *at, unsigned field, const struct user_row *row) {
    at = pb_put_length(at, field, row_body_size(row));
    if (row->kind != 0) {
        at = pb_put_number(at, CHANGE_KIND, row->kind);
        at = pb_put_number(at, CHANGE_REASON, row->reason);
        at = pb_put_length(at, CHANGE_USER, row->bytes);
    }
    at = put_row_text(at, USER_USER, row->user);
    at = row->scope != NULL ? put_row_text(at, PLACE_SCOPE, *row->scope) : pb_put_number(at, USER_LIVE, row->live);
    at = pb_put_number(at, USER_STATUS, row->status);
    at = pb_put_number(at, USER_LAST_SEEN, (uint64_t)row->last_seen_ms);
    at = pb_put_number(at, USER_SESSION_COUNT, row->sessions);
    for (uint32_t i = 0; i < row->row_count; i++) at = put_session(at, &row->rows[i]);
    return at;
}

bool rows_encode(const struct rows *rows, struct text next_page_token, struct text *body) {
    size_t size = rows->bytes + pb_text_size(next_page_token.len);
    uint8_t *start = arena_take(rows->arena, 1, size);
    if (start == NULL) return false;
    uint8_t *at = start;
    for (size_t i = 0; i < rows->count; i++) at = row_put(at, RESPONSE_USERS, &rows->items[i]);
    at = put_row_text(at, RESPONSE_NEXT_PAGE_TOKEN, next_page_token);
    assert((size_t)(at - start) == size);
    *body = (struct text){(const char *)start, (uint32_t)size};
    return true;
}
