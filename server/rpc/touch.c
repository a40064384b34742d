#include "calls.h"
#include "muster/limits.h"
#include "validate.h"

#include <stdio.h>

/* What the beats of a request that leave something out take. */
struct defaults {
    struct text scope;
    uint32_t ttl_ms;
};

/* Checks a beat and fills in what it leaves out. */
static enum muster_code complete_beat(struct call *call, struct beat *beat, size_t i, const struct defaults *defaults) {
    enum muster_code code = check_id(call, beat->user, (struct path){"beats", i, "user"});
    if (code != MUSTER_OK) return code;
    if (beat->session.len > 0 &&
        (code = check_id(call, beat->session, (struct path){"beats", i, "session"})) != MUSTER_OK)
        return code;
    if (beat->scope.len == 0) beat->scope = defaults->scope;
    else if ((code = check_id(call, beat->scope, (struct path){"beats", i, "scope"})) != MUSTER_OK) return code;
    if (beat->ttl_ms == 0) beat->ttl_ms = defaults->ttl_ms;
    else if ((code = check_range(call, beat->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS,
                                 (struct path){"beats", i, "ttl_ms"})) != MUSTER_OK)
        return code;
    if (beat->state.len > MUSTER_STATE_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].state: %u bytes, at most %d", i, beat->state.len,
                           MUSTER_STATE_BYTES_MAX);
    if (beat->status == STATUS_NONE) beat->status = STATUS_ONLINE;
    return MUSTER_OK;
}

static enum muster_code read_defaults(struct call *call, const struct touch_fields *fields, struct defaults *out) {
    enum muster_code code = check_scope(call, fields->scope, &out->scope);
    if (code != MUSTER_OK) return code;
    out->ttl_ms = fields->ttl_ms == 0 ? call->node->ttl_ms : fields->ttl_ms;
    return check_range(call, out->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, (struct path){.field = "ttl_ms"});
}

/* *least_ttl_ms: of all beats, once what they leave out is filled in. */
static enum muster_code complete(struct call *call, const struct touch_fields *fields, uint32_t *least_ttl_ms) {
    struct defaults defaults;
    enum muster_code code = read_defaults(call, fields, &defaults);
    if (code == MUSTER_OK) code = check_count(call, fields->count, 1, MUSTER_BEATS_MAX, "beats");
    *least_ttl_ms = MUSTER_TTL_MAX_MS;
    for (size_t i = 0; i < fields->count && code == MUSTER_OK; i++) {
        code = complete_beat(call, &fields->beats[i], i, &defaults);
        if (fields->beats[i].ttl_ms < *least_ttl_ms) *least_ttl_ms = fields->beats[i].ttl_ms;
    }
    return code;
}

enum muster_code call_touch_fields(struct call *call, const struct touch_fields *fields) {
    uint32_t least_ttl_ms;
    enum muster_code code = complete(call, fields, &least_ttl_ms);
    if (code != MUSTER_OK) return code;

    struct touched touched;
    struct refusal why = {0};
    uint64_t now_ms = node_lock(call->node, call->now);
    uint64_t stamp = hlc_next(&call->node->hlc, now_ms);
    code = roll_touch(call->node->roll, fields->beats, fields->count, stamp, now_ms, node_effects(call->node), &touched,
                      &why);
    if (code == MUSTER_OK) node_unlock_told(call->node, &touched);
    else node_unlock(call->node);
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

enum muster_code call_touch(struct call *call, const Muster__V1__TouchRequest *request) {
    struct touch_fields fields = {text_of_field(request->scope), request->ttl_ms, NULL, request->n_beats};
    enum muster_code code = check_count(call, request->n_beats, 1, MUSTER_BEATS_MAX, "beats");
    if (code != MUSTER_OK) return code;
    if ((fields.beats = arena_take(call->arena, fields.count, sizeof *fields.beats)) == NULL)
        return call_too_large(call, "beats");
    for (size_t i = 0; i < fields.count; i++) {
        const Muster__V1__Beat *in = request->beats[i];
        int status = (int)in->status;
        if (status < STATUS_NONE || status > STATUS_BUSY)
            return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].status: %d is no status, at most %d", i,
                               status, STATUS_BUSY);
        fields.beats[i] = (struct beat){.scope = text_of_field(in->scope),
                                        .user = text_of_field(in->user),
                                        .session = text_of_field(in->session),
                                        .state = text_of_field(in->state),
                                        .ttl_ms = in->ttl_ms,
                                        .status = (uint8_t)status};
    }
    return call_touch_fields(call, &fields);
}
