#include "calls.h"
#include "muster/limits.h"
#include "reply/rows.h"
#include "validate.h"

#include <stdlib.h>

_Static_assert(PAGE_TOKEN_CHARS + 2 * 8 <= ROWS_MARGIN_BYTES, "a page token fits beside the rows");

/* These bound how long the lock is held: users of a page with sessions, and of the latest seen that are viewed at once.
 */
enum { LIST_SESSIONS_PAGE = 1000, RECENT_VIEW_SLICE = 500 };
/* Users that one step of the search for the latest seen looks at. */
enum { RECENT_BUDGET = 4000 };

static enum muster_code read_statuses(struct call *call, const Muster__V1__ListRequest *request, uint32_t *mask) {
    *mask = request->n_statuses == 0 ? STATUS_MASK_ALL : 0;
    for (size_t i = 0; i < request->n_statuses; i++) {
        int status = (int)request->statuses[i];
        if (status < STATUS_AWAY || status > STATUS_BUSY)
            return call_refuse(call, MUSTER_INVALID_ARGUMENT, "statuses[%zu]: %d is no status, %d to %d", i, status,
                               STATUS_AWAY, STATUS_BUSY);
        *mask |= 1u << status;
    }
    return MUSTER_OK;
}

/* ---- pages ---- */

struct page_request {
    struct walk walk;
    struct row_options options;
    const uint64_t *after;
    size_t limit;
};

/* Fills the rows with a page. If the message is full before the page is, the page ends there, and the next one begins
 * after its last user. */
static bool take_user_page(struct call *call, const struct page_request *request, struct rows *rows, bool *more,
                           uint64_t *next) {
    struct user_view *views = arena_take(call->arena, request->limit, sizeof *views);
    if (views == NULL || !rows_open(rows, call->arena, call->now, request->limit)) return false;
    struct turn turn = node_begin(call->node, call->now);
    struct page page = roll_list(turn.roll, request->walk.scope, request->walk.statuses, request->after, request->limit,
                                 turn.now_ms, views);
    enum rows_verdict verdict = ROWS_TAKEN;
    for (size_t i = 0; i < page.count && verdict == ROWS_TAKEN; i++)
        verdict = rows_take(rows, &turn, &views[i], &request->options);
    *more = page.more || verdict != ROWS_TAKEN;
    *next = page.next;
    if (verdict != ROWS_TAKEN && rows->count > 0) *next = roll_hash(turn.roll, rows->items[rows->count - 1].user);
    node_commit(&turn, NULL);
    return verdict == ROWS_TAKEN || rows->count > 0;
}

static enum muster_code list_page(struct call *call, const struct page_request *request) {
    struct rows rows;
    bool more;
    uint64_t next;
    char token[PAGE_TOKEN_CHARS + 1] = "";
    if (!take_user_page(call, request, &rows, &more, &next)) return call_too_large(call, "page_size");
    if (more) page_token_write(&call->rpc->token_key, &request->walk, (struct walk_position){.hash = next}, token);
    if (!rows_encode(&rows, text_of(token), &call->body)) return call_too_large(call, "page_size");
    return MUSTER_OK;
}

/* ---- the latest seen ---- */

static size_t search_recent(struct call *call, const struct walk *walk, size_t k, struct recent *best) {
    struct recent_search search = {0};
    struct turn turn = node_begin(call->node, call->now);
    while (!roll_recent(turn.roll, walk->scope, walk->statuses, k, turn.now_ms, RECENT_BUDGET, &search, best))
        node_yield(&turn);
    node_commit(&turn, NULL);
    return search.count;
}

/* Leaves out users who have left, or changed their status, since the search. */
static enum rows_verdict take_recent(struct call *call, const struct walk *walk, const struct row_options *options,
                                     const struct recent *best, size_t n, struct rows *rows) {
    enum rows_verdict verdict = ROWS_TAKEN;
    struct turn turn = node_begin(call->node, call->now);
    for (size_t i = 0; i < n && verdict == ROWS_TAKEN; i++) {
        struct user_view view;
        if (i > 0 && i % RECENT_VIEW_SLICE == 0) node_yield(&turn);
        if (!roll_recent_view(turn.roll, walk->scope, &best[i], turn.now_ms, &view)) continue;
        if (!view.live || (walk->statuses & 1u << view.status) == 0) continue;
        verdict = rows_take(rows, &turn, &view, options);
    }
    node_commit(&turn, NULL);
    return verdict;
}

static int newest_first(const void *a, const void *b) {
    const struct user_row *left = a, *right = b;
    return (left->seen_ms < right->seen_ms) - (left->seen_ms > right->seen_ms);
}

static enum muster_code list_recent(struct call *call, const struct walk *walk, const struct row_options *options,
                                    size_t k) {
    struct rows rows;
    struct recent *best = arena_take(call->arena, k, sizeof *best);
    if (best == NULL || !rows_open(&rows, call->arena, call->now, k)) return call_too_large(call, "recent");
    size_t n = search_recent(call, walk, k, best);
    if (take_recent(call, walk, options, best, n, &rows) != ROWS_TAKEN) return call_too_large(call, "recent");
    qsort(rows.items, rows.count, sizeof *rows.items, newest_first);
    if (!rows_encode(&rows, (struct text){0}, &call->body)) return call_too_large(call, "recent");
    return MUSTER_OK;
}

static enum muster_code validate_recent(struct call *call, const Muster__V1__ListRequest *request) {
    if (request->page_size != 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "page_size: must be 0 where recent is set");
    if (request->page_token.len != 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "page_token: must be empty where recent is set");
    return validate_range(call, request->recent, 1, MUSTER_PAGE_MAX, (struct path){.field = "recent"});
}

enum muster_code call_list(struct call *call, struct text body) {
    const Muster__V1__ListRequest *request = call_decode(call, &muster__v1__list_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct page_request page = {.walk.kind = WALK_LIST};
    uint64_t hash;
    page.options = (struct row_options){.with_name = true, .with_sessions = request->sessions != 0};
    enum muster_code code = validate_scope(call, text_of_field(request->scope), &page.walk.scope);
    if (code == MUSTER_OK) code = read_statuses(call, request, &page.walk.statuses);
    if (code != MUSTER_OK) return code;
    page.options.scope = page.walk.scope;
    if (request->recent != 0) {
        if ((code = validate_recent(call, request)) != MUSTER_OK) return code;
        return list_recent(call, &page.walk, &page.options, request->recent);
    }
    code = validate_page_size(call, request->page_size, &page.limit);
    if (code == MUSTER_OK) code = validate_page_token(call, request->page_token, &page.walk, &hash, &page.after);
    if (code != MUSTER_OK) return code;
    if (page.options.with_sessions && page.limit > LIST_SESSIONS_PAGE) page.limit = LIST_SESSIONS_PAGE;
    return list_page(call, &page);
}
