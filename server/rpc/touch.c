#include "check.h"
#include "muster/limits.h"

#include <stdio.h>

/* What the beats of a request that leave something out take. */
struct defaults {
    struct text scope;
    uint32_t ttl_ms;
};

static enum muster_code read_beat(struct call *call, const Muster__V1__Beat *in, size_t i,
                                  const struct defaults *defaults, struct beat *out) {
    enum muster_code code;
    *out = (struct beat){.scope = text_of_field(in->scope),
                         .user = text_of_field(in->user),
                         .session = text_of_field(in->session),
                         .state = text_of_field(in->state),
                         .ttl_ms = in->ttl_ms,
                         .status = (uint8_t)in->status};
    if ((code = check_id(call, out->user, (struct path){"beats", i, "user"})) != MUSTER_OK) return code;
    if (out->session.len > 0 &&
        (code = check_id(call, out->session, (struct path){"beats", i, "session"})) != MUSTER_OK)
        return code;
    if (out->scope.len == 0) out->scope = defaults->scope;
    else if ((code = check_id(call, out->scope, (struct path){"beats", i, "scope"})) != MUSTER_OK) return code;
    if (out->ttl_ms == 0) out->ttl_ms = defaults->ttl_ms;
    else if ((code = check_range(call, out->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS,
                                 (struct path){"beats", i, "ttl_ms"})) != MUSTER_OK)
        return code;
    if (out->state.len > MUSTER_STATE_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].state: %u bytes, at most %d", i, out->state.len,
                           MUSTER_STATE_BYTES_MAX);
    if ((int)in->status < STATUS_NONE || (int)in->status > STATUS_BUSY)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].status: %d is no status, at most %d", i,
                           (int)in->status, STATUS_BUSY);
    if (out->status == STATUS_NONE) out->status = STATUS_ONLINE;
    return MUSTER_OK;
}

static enum muster_code read_defaults(struct call *call, const Muster__V1__TouchRequest *request,
                                      struct defaults *out) {
    enum muster_code code = check_scope(call, request->scope, &out->scope);
    if (code != MUSTER_OK) return code;
    out->ttl_ms = request->ttl_ms == 0 ? call->node->ttl_ms : request->ttl_ms;
    return check_range(call, out->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, (struct path){.field = "ttl_ms"});
}

enum muster_code call_touch(struct call *call, const Muster__V1__TouchRequest *request) {
    struct defaults defaults;
    enum muster_code code = read_defaults(call, request, &defaults);
    if (code == MUSTER_OK) code = check_count(call, request->n_beats, 1, MUSTER_BEATS_MAX, "beats");
    if (code != MUSTER_OK) return code;
    struct beat *beats = arena_take(call->arena, request->n_beats, sizeof *beats);
    if (beats == NULL) return call_too_large(call, "beats");
    uint32_t least_ttl_ms = MUSTER_TTL_MAX_MS;
    for (size_t i = 0; i < request->n_beats; i++) {
        if ((code = read_beat(call, request->beats[i], i, &defaults, &beats[i])) != MUSTER_OK) return code;
        if (beats[i].ttl_ms < least_ttl_ms) least_ttl_ms = beats[i].ttl_ms;
    }

    struct touched touched;
    struct refusal why = {0};
    uint64_t now_ms = node_lock(call->node, call->now);
    uint64_t stamp = hlc_next(&call->node->hlc, now_ms);
    code = roll_touch(call->node->roll, beats, request->n_beats, stamp, now_ms, NULL, &touched, &why);
    node_unlock(call->node);
    if (code != MUSTER_OK) {
        char where[CALL_WHERE_BYTES];
        snprintf(where, sizeof where, "beats[%zu]", why.index);
        return call_refused_by_roll(call, code, &why, where);
    }

    Muster__V1__TouchResponse *response = arena_take(call->arena, 1, sizeof *response);
    if (response == NULL) return call_too_large(call, "beats");
    muster__v1__touch_response__init(response);
    response->joined = touched.joined;
    response->ttl_ms = least_ttl_ms;
    response->stamp = stamp;
    call->reply.response_case = MUSTER__V1__REPLY__RESPONSE_TOUCH;
    call->reply.touch = response;
    return MUSTER_OK;
}
