#include "calls.h"
#include "muster/limits.h"
#include "validate.h"

/* A Counts ticks first, so that it does not count leases that have just ended: in slices, and no more than a mass
 * expiry of this size. Beyond that, counts are exact again after the next ticks. */
enum { COUNTS_TICK_SLICE = 2000, COUNTS_TICK_SLICES_MAX = 1000 };
/* Scopes that are counted before other threads may have the lock. */
enum { COUNTS_SLICE = 32 };

struct counted {
    struct text scope;
    struct scope_counts counts;
    struct window_count windows[MUSTER_WINDOWS_MAX];
};

static enum muster_code read_scopes(struct call *call, const Muster__V1__CountsRequest *request, struct counted **out,
                                    size_t *n) {
    enum muster_code code = validate_count(call, request->n_scopes, 0, MUSTER_COUNTS_SCOPES_MAX, "scopes");
    if (code != MUSTER_OK) return code;
    *n = request->n_scopes == 0 ? 1 : request->n_scopes;
    if ((*out = arena_take(call->arena, *n, sizeof **out)) == NULL) return call_too_large(call, "scopes");
    if (request->n_scopes == 0) (*out)[0].scope = text_of(MUSTER_SCOPE_DEFAULT);
    for (size_t i = 0; i < request->n_scopes; i++) {
        (*out)[i].scope = text_of_field(request->scopes[i]);
        if ((code = validate_id(call, (*out)[i].scope, (struct path){"scopes", i, NULL})) != MUSTER_OK) return code;
    }
    return MUSTER_OK;
}

static enum muster_code validate_windows(struct call *call, const Muster__V1__CountsRequest *request) {
    enum muster_code code = validate_count(call, request->n_windows_ms, 0, MUSTER_WINDOWS_MAX, "windows_ms");
    for (size_t i = 0; i < request->n_windows_ms && code == MUSTER_OK; i++)
        code = validate_range(call, request->windows_ms[i], 1, call->node->retention_ms,
                              (struct path){"windows_ms", i, NULL});
    return code;
}

static void count_scopes(struct call *call, const Muster__V1__CountsRequest *request, struct counted *counted,
                         size_t n) {
    struct turn turn = node_begin(call->node, call->now);
    for (int slice = 0; slice < COUNTS_TICK_SLICES_MAX; slice++) {
        if (!roll_tick(turn.roll, turn.now_ms, COUNTS_TICK_SLICE, turn_effects(&turn))) break;
        node_yield(&turn);
    }
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && i % COUNTS_SLICE == 0) node_yield(&turn);
        roll_counts(turn.roll, counted[i].scope, request->windows_ms, request->n_windows_ms, turn.now_ms,
                    &counted[i].counts, counted[i].windows);
    }
    node_commit(&turn, NULL);
}

static Muster__V1__ScopeCounts *row_of(struct call *call, const Muster__V1__CountsRequest *request,
                                       const struct counted *counted) {
    size_t n = request->n_windows_ms;
    Muster__V1__ScopeCounts *row = arena_take(call->arena, 1, sizeof *row);
    Muster__V1__WindowCount *windows = arena_take(call->arena, n, sizeof *windows);
    Muster__V1__WindowCount **list = arena_take(call->arena, n, sizeof(*list));
    if (row == NULL || windows == NULL || list == NULL) return NULL;
    muster__v1__scope_counts__init(row);
    row->scope = field_of_text(counted->scope);
    row->live = counted->counts.live;
    row->online = counted->counts.by_status[STATUS_ONLINE];
    row->away = counted->counts.by_status[STATUS_AWAY];
    row->busy = counted->counts.by_status[STATUS_BUSY];
    row->sessions = counted->counts.sessions;
    row->joined_total = counted->counts.joined;
    row->left_total = counted->counts.left;
    row->n_windows = n;
    row->windows = list;
    for (size_t i = 0; i < n; i++) {
        muster__v1__window_count__init(&windows[i]);
        windows[i].window_ms = request->windows_ms[i];
        windows[i].users = counted->windows[i].users;
        windows[i].incomplete = counted->windows[i].incomplete;
        list[i] = &windows[i];
    }
    return row;
}

enum muster_code call_counts(struct call *call, struct text body) {
    const Muster__V1__CountsRequest *request = call_decode(call, &muster__v1__counts_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct counted *counted = NULL;
    size_t n = 0;
    enum muster_code code = read_scopes(call, request, &counted, &n);
    if (code == MUSTER_OK) code = validate_windows(call, request);
    if (code != MUSTER_OK) return code;
    Muster__V1__CountsResponse *response = arena_take(call->arena, 1, sizeof *response);
    Muster__V1__ScopeCounts **rows = arena_take(call->arena, n, sizeof(*rows));
    if (response == NULL || rows == NULL) return call_too_large(call, "scopes");

    count_scopes(call, request, counted, n);

    for (size_t i = 0; i < n; i++)
        if ((rows[i] = row_of(call, request, &counted[i])) == NULL) return call_too_large(call, "scopes");
    muster__v1__counts_response__init(response);
    response->n_scopes = n;
    response->scopes = rows;
    return call_encode(call, &response->base, "reply");
}
