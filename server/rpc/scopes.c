#include "calls.h"
#include "common/protobuf.h"
#include "muster/limits.h"
#include "validate.h"

struct scope_row {
    struct text scope;
    uint64_t live;
};

/* What a message has besides the rows: tags, lengths, a page token. */
enum { SCOPES_MARGIN_BYTES = 2 * 8 + PAGE_TOKEN_CHARS };

static size_t row_bytes(const struct scope_row *row) {
    return pb_element_size(pb_text_size(row->scope.len) + pb_number_size(row->live));
}

struct scope_page {
    struct scope_row *rows;
    size_t count;
    bool more;
    uint64_t next;
};

static bool take_scope_page(struct call *call, const uint64_t *after, size_t limit, struct scope_page *out) {
    struct scope_view *views = arena_take(call->arena, limit, sizeof *views);
    out->rows = arena_take(call->arena, limit, sizeof *out->rows);
    out->count = 0;
    if (views == NULL || out->rows == NULL) return false;
    size_t room = MUSTER_MESSAGE_BYTES_MAX - SCOPES_MARGIN_BYTES;
    bool fits = true;
    struct turn turn = node_begin(call->node, call->now);
    struct page page = roll_scopes(turn.roll, after, limit, turn.now_ms, views);
    for (size_t i = 0; i < page.count && fits; i++) {
        struct scope_row *row = &out->rows[out->count];
        row->live = views[i].live;
        fits = arena_copy(call->arena, views[i].scope, &row->scope) && row_bytes(row) <= room;
        if (!fits) break;
        room -= row_bytes(row);
        out->count++;
    }
    out->more = page.more || !fits;
    out->next = page.next;
    if (!fits && out->count > 0) out->next = roll_hash(turn.roll, out->rows[out->count - 1].scope);
    node_commit(&turn, NULL);
    return fits || out->count > 0;
}

static Muster__V1__ScopesResponse *response_of(struct call *call, const struct scope_page *page) {
    Muster__V1__ScopesResponse *response = arena_take(call->arena, 1, sizeof *response);
    Muster__V1__ScopeSummary *rows = arena_take(call->arena, page->count, sizeof *rows);
    Muster__V1__ScopeSummary **list = arena_take(call->arena, page->count, sizeof(*list));
    if (response == NULL || rows == NULL || list == NULL) return NULL;
    muster__v1__scopes_response__init(response);
    response->n_scopes = page->count;
    response->scopes = list;
    for (size_t i = 0; i < page->count; i++) {
        muster__v1__scope_summary__init(&rows[i]);
        rows[i].scope = field_of_text(page->rows[i].scope);
        rows[i].live = page->rows[i].live;
        list[i] = &rows[i];
    }
    return response;
}

enum muster_code call_scopes(struct call *call, struct text body) {
    const Muster__V1__ScopesRequest *request = call_decode(call, &muster__v1__scopes_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    const struct walk walk = {.kind = WALK_SCOPES};
    struct scope_page page;
    size_t limit;
    uint64_t hash;
    const uint64_t *after;
    enum muster_code code = validate_page_size(call, request->page_size, &limit);
    if (code == MUSTER_OK) code = validate_page_token(call, request->page_token, &walk, &hash, &after);
    if (code != MUSTER_OK) return code;
    if (!take_scope_page(call, after, limit, &page)) return call_too_large(call, "page_size");
    Muster__V1__ScopesResponse *response = response_of(call, &page);
    char *token = arena_take(call->arena, 1, PAGE_TOKEN_CHARS + 1);
    if (response == NULL || token == NULL) return call_too_large(call, "page_size");
    if (page.more) {
        page_token_write(&call->rpc->token_key, &walk, (struct walk_position){.hash = page.next}, token);
        response->next_page_token = field_of_text(text_of(token));
    }
    return call_encode(call, &response->base, "reply");
}
