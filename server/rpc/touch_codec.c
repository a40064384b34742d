#include "touch_codec.h"
#include "common/protobuf.h"
#include "muster/limits.h"
#include "validate.h"

/* Field numbers of the contract (presence.proto). */
enum { TOUCH_JOINED = 1, TOUCH_TTL, TOUCH_STAMP, TOUCH_UNKNOWN, TOUCH_DISPLACED };

/* ---- the request ------------------------------------------------------------------------------------------------- */

/* What beats get that leave out their scope or TTL. */
struct touch_defaults {
    struct text scope;
    uint32_t ttl_ms;
};

/* A refresh keeps status and state: it must not seem to set them. */
static enum muster_code validate_refresh(struct call *call, const struct beat *beat, size_t i) {
    if (beat->status != STATUS_NONE)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].status: must be unset where refresh is set", i);
    if (beat->state.len > 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].state: must be empty where refresh is set", i);
    return MUSTER_OK;
}

/* Validates a beat and fills in what it leaves out. */
static enum muster_code complete_beat(struct call *call, struct beat *beat, size_t i,
                                      const struct touch_defaults *defaults) {
    enum muster_code code = validate_id(call, beat->user, (struct path){"beats", i, "user"});
    if (code != MUSTER_OK) return code;
    if (beat->session.len > 0 &&
        (code = validate_id(call, beat->session, (struct path){"beats", i, "session"})) != MUSTER_OK)
        return code;
    if (beat->scope.len == 0) beat->scope = defaults->scope;
    else if ((code = validate_id(call, beat->scope, (struct path){"beats", i, "scope"})) != MUSTER_OK) return code;
    if (beat->ttl_ms == 0) beat->ttl_ms = defaults->ttl_ms;
    else if ((code = validate_range(call, beat->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS,
                                    (struct path){"beats", i, "ttl_ms"})) != MUSTER_OK)
        return code;
    if (beat->state.len > MUSTER_STATE_BYTES_MAX)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].state: %u bytes, at most %d", i, beat->state.len,
                           MUSTER_STATE_BYTES_MAX);
    if (beat->is_refresh) return validate_refresh(call, beat, i);
    if (beat->status == STATUS_NONE) beat->status = STATUS_ONLINE;
    return MUSTER_OK;
}

static enum muster_code read_defaults(struct call *call, const struct touch_fields *fields,
                                      struct touch_defaults *out) {
    enum muster_code code = validate_scope(call, fields->scope, &out->scope);
    if (code != MUSTER_OK) return code;
    out->ttl_ms = fields->ttl_ms == 0 ? call->node->ttl_ms : fields->ttl_ms;
    return validate_range(call, out->ttl_ms, MUSTER_TTL_MIN_MS, MUSTER_TTL_MAX_MS, (struct path){.field = "ttl_ms"});
}

enum muster_code touch_complete(struct call *call, const struct touch_fields *fields, uint32_t *least_ttl_ms) {
    struct touch_defaults defaults;
    enum muster_code code = read_defaults(call, fields, &defaults);
    if (code == MUSTER_OK) code = validate_count(call, fields->count, 1, MUSTER_BEATS_MAX, "beats");
    *least_ttl_ms = MUSTER_TTL_MAX_MS;
    for (size_t i = 0; i < fields->count && code == MUSTER_OK; i++) {
        code = complete_beat(call, &fields->beats[i], i, &defaults);
        if (fields->beats[i].ttl_ms < *least_ttl_ms) *least_ttl_ms = fields->beats[i].ttl_ms;
    }
    return code;
}

/* Decodes with protobuf-c what decode_hot left to it. */
static enum muster_code decode_unusual_touch(struct call *call, struct text body, struct touch_fields *fields) {
    arena_reset(call->arena, WORKER_BYTES_KEPT);
    const Muster__V1__TouchRequest *request = call_decode(call, &muster__v1__touch_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    enum muster_code code = validate_count(call, request->n_beats, 1, MUSTER_BEATS_MAX, "beats");
    if (code != MUSTER_OK) return code;
    *fields = (struct touch_fields){text_of_field(request->scope), request->ttl_ms, NULL, request->n_beats};
    if ((fields->beats = arena_take(call->arena, fields->count, sizeof *fields->beats)) == NULL)
        return call_too_large(call, "beats");
    for (size_t i = 0; i < fields->count; i++) {
        const Muster__V1__Beat *in = request->beats[i];
        int status = (int)in->status;
        if (status < STATUS_NONE || status > STATUS_BUSY)
            return call_refuse(call, MUSTER_INVALID_ARGUMENT, "beats[%zu].status: %d is no status, at most %d", i,
                               status, STATUS_BUSY);
        fields->beats[i] = (struct beat){.scope = text_of_field(in->scope),
                                         .user = text_of_field(in->user),
                                         .session = text_of_field(in->session),
                                         .state = text_of_field(in->state),
                                         .ttl_ms = in->ttl_ms,
                                         .status = (uint8_t)status,
                                         .is_refresh = in->refresh != 0};
    }
    return MUSTER_OK;
}

enum muster_code touch_decode(struct call *call, struct text body, struct touch_fields *fields,
                              uint32_t *least_ttl_ms) {
    struct beat *beats = arena_take(call->arena, MUSTER_BEATS_MAX, sizeof *beats);
    enum muster_code code = MUSTER_OK;
    if (beats == NULL || !decode_hot_touch(body, beats, MUSTER_BEATS_MAX, fields))
        code = decode_unusual_touch(call, body, fields);
    return code == MUSTER_OK ? touch_complete(call, fields, least_ttl_ms) : code;
}

/* ---- the response ------------------------------------------------------------------------------------------------ */

/* The indexes of the unknown refreshes, packed. */
static uint8_t *put_unknown(uint8_t *at, const struct touch_answer *answer) {
    size_t bytes = 0;
    for (size_t i = 0; i < answer->count; i++)
        if (answer->each[i].is_unknown) bytes += pb_varint_size(i);
    at = pb_put_length(at, TOUCH_UNKNOWN, bytes);
    for (size_t i = 0; i < answer->count; i++)
        if (answer->each[i].is_unknown) at = pb_put_varint(at, i);
    return at;
}

struct text touch_encode(const struct touch_answer *answer, char *out) {
    uint8_t *at = pb_put_number((uint8_t *)out, TOUCH_JOINED, answer->joined);
    at = pb_put_number(at, TOUCH_TTL, answer->ttl_ms);
    at = pb_put_number(at, TOUCH_STAMP, answer->stamp);
    if (answer->unknown > 0) at = put_unknown(at, answer);
    at = pb_put_number(at, TOUCH_DISPLACED, answer->displaced);
    return (struct text){out, (uint32_t)(at - (uint8_t *)out)};
}
