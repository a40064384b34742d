#include "calls.h"
#include "muster/limits.h"
#include "reply/rows.h"
#include "validate.h"

_Static_assert(PAGE_TOKEN_CHARS + 2 * 8 <= ROWS_MARGIN_BYTES, "a page token fits beside the rows");
_Static_assert(MUSTER_WHERE_USERS_MAX <= UINT16_MAX, "a page token holds the index of a user");

/* These bound a request: the look-ups and the places of one hold of the lock, and the look-ups of a page, so that
 * others of the same loop do not wait long. A page that has used them up is short. */
enum { WHERE_LOOKUPS_SLICE = 4096, WHERE_PLACES_SLICE = 256, WHERE_LOOKUPS_PAGE = 32768 };

/* A request that is valid. */
struct where_request {
    struct where where;
    struct walk walk;
    struct where_cursor cursor;
    size_t limit;
    struct row_options options;
};

static enum muster_code read_users(struct call *call, const Muster__V1__WhereRequest *request, struct where *where) {
    enum muster_code code = validate_count(call, request->n_users, 1, MUSTER_WHERE_USERS_MAX, "users");
    if (code != MUSTER_OK) return code;
    struct text *users = arena_take(call->arena, request->n_users, sizeof *users);
    where->hashes = arena_take(call->arena, request->n_users, sizeof *where->hashes);
    where->sorted = arena_take(call->arena, request->n_users, sizeof *where->sorted);
    if (users == NULL || where->hashes == NULL || where->sorted == NULL) return call_too_large(call, "users");
    for (size_t i = 0; i < request->n_users && code == MUSTER_OK; i++) {
        users[i] = text_of_field(request->users[i]);
        code = validate_id(call, users[i], (struct path){"users", i, NULL});
    }
    where->users = users;
    where->count = request->n_users;
    return code;
}

static enum muster_code read_request(struct call *call, const Muster__V1__WhereRequest *request,
                                     struct where_request *out) {
    *out = (struct where_request){.options = {.with_name = true, .with_sessions = request->sessions != 0}};
    enum muster_code code = read_users(call, request, &out->where);
    out->where.prefix = text_of_field(request->scope_prefix);
    if (code == MUSTER_OK) code = validate_optional_id(call, out->where.prefix, (struct path){.field = "scope_prefix"});
    if (code == MUSTER_OK) code = validate_page_size(call, request->page_size, &out->limit);
    if (code != MUSTER_OK) return code;
    out->walk = (struct walk){.kind = WALK_WHERE,
                              .scope = out->where.prefix,
                              .users = page_token_digest(&call->rpc->token_key, out->where.users, out->where.count)};
    struct walk_position at;
    code = validate_where_token(call, request->page_token, &out->walk, &at);
    out->cursor = (struct where_cursor){.hash = at.hash, .user = at.user};
    return code;
}

/* Appends the places of one slice. If the message is full before, the page ends there, and the cursor stands at the
 * place that did not fit. */
static bool take_places(struct call *call, const struct turn *turn, const struct place_view *places, size_t n,
                        struct where_request *request, struct rows *rows) {
    struct text last = {0};
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || places[i].scope.data != last.data) { /* a text of the roll, whose copy the rows share */
            struct text *copy = arena_take(call->arena, 1, sizeof *copy);
            request->options.place = copy;
            request->options.scope = last = places[i].scope;
            if (copy == NULL || !arena_copy(call->arena, last, copy)) request->options.place = NULL;
        }
        if (request->options.place != NULL && rows_take(rows, turn, &places[i].view, &request->options) == ROWS_TAKEN)
            continue;
        request->cursor =
            (struct where_cursor){.hash = roll_hash(turn->roll, places[i].scope), .user = places[i].index};
        return false;
    }
    return true;
}

/* Fills the rows with a page, in slices. false: not even one row fits. */
static bool take_page(struct call *call, struct where_request *request, struct rows *rows) {
    struct place_view places[WHERE_PLACES_SLICE];
    bool all_fit = true;
    size_t lookups = 0;
    struct turn turn = node_begin(call->node, call->now);
    while (all_fit && !request->cursor.is_done && rows->count < request->limit && lookups < WHERE_LOOKUPS_PAGE) {
        if (lookups > 0) node_yield(&turn);
        size_t room = request->limit - rows->count, looked;
        if (room > WHERE_PLACES_SLICE) room = WHERE_PLACES_SLICE;
        size_t n = roll_where(turn.roll, &request->where, &request->cursor, room, WHERE_LOOKUPS_SLICE, turn.now_ms,
                              places, &looked);
        all_fit = take_places(call, &turn, places, n, request, rows);
        lookups += looked + 1;
    }
    node_commit(&turn, NULL);
    return all_fit || rows->count > 0;
}

enum muster_code call_where(struct call *call, struct text body) {
    const Muster__V1__WhereRequest *message = call_decode(call, &muster__v1__where_request__descriptor, body);
    if (message == NULL) return MUSTER_INVALID_ARGUMENT;
    struct where_request request;
    struct rows rows;
    char token[PAGE_TOKEN_CHARS + 1] = "";
    enum muster_code code = read_request(call, message, &request);
    if (code != MUSTER_OK) return code;
    roll_where_prepare(call->node->roll, &request.where);
    if (!rows_open(&rows, call->arena, call->now, request.limit)) return call_too_large(call, "page_size");
    if (!take_page(call, &request, &rows)) return call_too_large(call, "page_size");
    const struct walk_position at = {request.cursor.hash, (uint16_t)request.cursor.user};
    if (!request.cursor.is_done) page_token_write(&call->rpc->token_key, &request.walk, at, token);
    if (!rows_encode(&rows, text_of(token), &call->body)) return call_too_large(call, "page_size");
    return MUSTER_OK;
}
