#include "calls.h"
#include "validate.h"

enum muster_code call_reset(struct call *call, struct text body) {
    const Muster__V1__ResetRequest *request = call_decode(call, &muster__v1__reset_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct text scope;
    enum muster_code code = validate_scope(call, text_of_field(request->scope), &scope);
    if (code != MUSTER_OK) return code;
    Muster__V1__ResetResponse *response = arena_take(call->arena, 1, sizeof *response);
    if (response == NULL) return call_too_large(call, "scope");
    muster__v1__reset_response__init(response);

    const struct touched news = {.is_news = true, .refresh_by_ms = UINT64_MAX};
    struct refusal why = {0};
    struct turn turn = node_begin(call->node, call->now);
    response->stamp = hlc_next(turn.hlc, turn.now_ms);
    code = roll_reset(turn.roll, scope, response->stamp, turn.now_ms, turn_effects(&turn), &response->forgotten, &why);
    node_commit(&turn, code == MUSTER_OK ? &news : NULL);
    if (code != MUSTER_OK) return call_refused_by_roll(call, code, &why, "scope");

    return call_encode(call, &response->base, "reply");
}
