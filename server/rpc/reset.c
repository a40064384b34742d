#include "calls.h"
#include "validate.h"

enum muster_code call_reset(struct call *call, struct text body) {
    const Muster__V1__ResetRequest *request = call_decode(call, &muster__v1__reset_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct text scope;
    enum muster_code code = check_scope(call, text_of_field(request->scope), &scope);
    if (code != MUSTER_OK) return code;
    Muster__V1__ResetResponse *response = arena_take(call->arena, 1, sizeof *response);
    if (response == NULL) return call_too_large(call, "scope");
    muster__v1__reset_response__init(response);

    const struct touched news = {.is_news = true, .refresh_by_ms = UINT64_MAX};
    struct refusal why = {0};
    uint64_t now_ms = node_lock(call->node, call->now);
    response->stamp = hlc_next(&call->node->hlc, now_ms);
    code = roll_reset(call->node->roll, scope, response->stamp, now_ms, node_effects(call->node), &response->forgotten,
                      &why);
    if (code == MUSTER_OK) node_unlock_told(call->node, &news);
    else node_unlock(call->node);
    if (code != MUSTER_OK) return call_refused_by_roll(call, code, &why, "scope");

    return call_encode(call, &response->base, "reply");
}
