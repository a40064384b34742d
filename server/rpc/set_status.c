#include "calls.h"
#include "muster/limits.h"
#include "validate.h"

/* The beat that the request asks for. */
static enum muster_code read_request(struct call *call, const Muster__V1__SetStatusRequest *request,
                                     struct beat *beat) {
    struct text scope, user = text_of_field(request->user);
    int status = (int)request->status;
    uint32_t ttl_ms = request->ttl_ms == 0 ? (uint32_t)MUSTER_STATUS_TTL_MAX_MS : request->ttl_ms;
    enum muster_code code = validate_scope(call, text_of_field(request->scope), &scope);
    if (code == MUSTER_OK) code = validate_id(call, user, (struct path){.field = "user"});
    if (code == MUSTER_OK && (status < STATUS_NONE || status > STATUS_BUSY))
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "status: %d is no status, at most %d", status, STATUS_BUSY);
    if (code == MUSTER_OK)
        code =
            validate_range(call, ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_STATUS_TTL_MAX_MS, (struct path){.field = "ttl_ms"});
    if (code != MUSTER_OK) return code;
    if (status == STATUS_NONE) *beat = beat_of_status(scope, user, STATUS_ONLINE, 0);
    else *beat = beat_of_status(scope, user, (enum status)status, ttl_ms);
    return MUSTER_OK;
}

enum muster_code call_set_status(struct call *call, struct text body) {
    const Muster__V1__SetStatusRequest *request = call_decode(call, &muster__v1__set_status_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    Muster__V1__SetStatusResponse response = MUSTER__V1__SET_STATUS_RESPONSE__INIT;
    struct touched touched;
    struct refusal why = {0};
    struct beat beat;
    enum muster_code code = read_request(call, request, &beat);
    if (code != MUSTER_OK) return code;

    struct turn turn = node_begin(call->node, call->now);
    response.stamp = hlc_next(turn.hlc, turn.now_ms);
    code = roll_touch(turn.roll, &beat, 1, response.stamp, turn.now_ms, turn_effects(&turn), &touched, &why);
    node_commit(&turn, code == MUSTER_OK ? &touched : NULL);
    if (code != MUSTER_OK) return call_refused_by_roll(call, code, &why, "user");

    return call_encode(call, &response.base, "reply");
}
