#include "calls.h"
#include "muster/limits.h"
#include "validate.h"

/* A departure that is valid, with its scope filled in. Which sessions linger is found in the turn. */
struct departure {
    struct text scope, user, session;
    bool all_sessions;
};

/* The beats that end what the departures name, and the departures that end nothing which is live here. */
struct endings {
    struct beat *beats;
    size_t count;
    uint32_t *unknown;
    size_t unknown_count;
};

static enum muster_code read_departure(struct call *call, const Muster__V1__Departure *in, size_t i, struct text scope,
                                       struct departure *out) {
    *out = (struct departure){scope, text_of_field(in->user), text_of_field(in->session), in->all_sessions != 0};
    enum muster_code code = validate_id(call, out->user, (struct path){"departures", i, "user"});
    if (code == MUSTER_OK) code = validate_optional_id(call, out->session, (struct path){"departures", i, "session"});
    if (code != MUSTER_OK) return code;
    if (out->all_sessions && out->session.len > 0)
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "departures[%zu].session: must be empty with all_sessions",
                           i);
    if (in->scope.len == 0) return MUSTER_OK;
    out->scope = text_of_field(in->scope);
    return validate_id(call, out->scope, (struct path){"departures", i, "scope"});
}

static enum muster_code read_departures(struct call *call, const Muster__V1__LeaveRequest *request,
                                        struct departure **out) {
    struct text scope;
    enum muster_code code = validate_scope(call, text_of_field(request->scope), &scope);
    if (code == MUSTER_OK) code = validate_count(call, request->n_departures, 1, MUSTER_BEATS_MAX, "departures");
    if (code == MUSTER_OK)
        code = validate_range(call, request->linger_ms, 0, MUSTER_LINGER_MAX_MS, (struct path){.field = "linger_ms"});
    if (code != MUSTER_OK) return code;
    if ((*out = arena_take(call->arena, request->n_departures, sizeof **out)) == NULL)
        return call_too_large(call, "departures");
    for (size_t i = 0; i < request->n_departures && code == MUSTER_OK; i++)
        code = read_departure(call, request->departures[i], i, scope, &(*out)[i]);
    return code;
}

static bool append(struct endings *endings, struct beat beat) {
    if (endings->count == MUSTER_BEATS_MAX) return false;
    endings->beats[endings->count++] = beat;
    return true;
}

/* Views of the roll are not valid while beats are applied: their texts are copied first. */
static bool append_linger(struct call *call, const struct departure *from, const struct session_view *live,
                          uint32_t linger_ms, struct endings *endings) {
    struct beat beat = {.scope = from->scope, .user = from->user, .ttl_ms = linger_ms, .status = live->status};
    return arena_copy(call->arena, live->session, &beat.session) && arena_copy(call->arena, live->state, &beat.state) &&
           append(endings, beat);
}

/* A linger keeps the status and state of a live session. It makes no other session live: those leave at once. A leave
 * of all sessions is a register of the user: it also ends what this node does not know of yet, and spares those that
 * linger, since they have its stamp. */
static bool append_departure(struct call *call, const struct turn *turn, const struct departure *from,
                             uint32_t linger_ms, struct endings *endings, bool *is_known) {
    struct session_view live[MUSTER_SESSIONS_MAX];
    size_t n = roll_sessions(turn->roll, from->scope, from->user, turn->now_ms, live);
    *is_known = false;
    for (size_t i = 0; i < n; i++) {
        if (!from->all_sessions && !text_equal(live[i].session, from->session)) continue;
        *is_known = true;
        if (linger_ms > 0 && !append_linger(call, from, &live[i], linger_ms, endings)) return false;
    }
    if (from->all_sessions) return append(endings, beat_of_leave(from->scope, from->user));
    if (*is_known && linger_ms > 0) return true;
    return append(
        endings,
        (struct beat){.scope = from->scope, .user = from->user, .session = from->session, .status = STATUS_ONLINE});
}

static enum muster_code append_departures(struct call *call, const struct turn *turn,
                                          const struct departure *departures, const Muster__V1__LeaveRequest *request,
                                          struct endings *endings) {
    for (size_t i = 0; i < request->n_departures; i++) {
        bool is_known;
        if (!append_departure(call, turn, &departures[i], request->linger_ms, endings, &is_known))
            return call_refuse(call, MUSTER_RESOURCE_EXHAUSTED,
                               "departures: let more sessions linger than one request may, at most %d",
                               MUSTER_BEATS_MAX);
        if (!is_known) endings->unknown[endings->unknown_count++] = (uint32_t)i;
    }
    return MUSTER_OK;
}

/* Applies the departures, whole or not at all. *touched: for node_commit. */
static enum muster_code apply_endings(struct call *call, struct turn *turn, const struct departure *departures,
                                      const Muster__V1__LeaveRequest *request, Muster__V1__LeaveResponse *response,
                                      struct endings *endings, struct touched *touched) {
    *touched = (struct touched){.refresh_by_ms = UINT64_MAX};
    if (request->stamp != 0 && !hlc_plausible(turn->hlc, request->stamp, turn->now_ms))
        return call_refuse(call, MUSTER_INVALID_ARGUMENT, "stamp: is of no touch, more than %d h ahead",
                           (int)(HLC_CARRIED_AHEAD_MAX_MS / (60 * 60 * 1000)));
    enum muster_code code = append_departures(call, turn, departures, request, endings);
    if (code != MUSTER_OK) return code;
    if (request->stamp != 0) hlc_observe_carried(turn->hlc, request->stamp, turn->now_ms);
    response->stamp = hlc_next(turn->hlc, turn->now_ms);
    struct refusal why = {0};
    code = roll_touch(turn->roll, endings->beats, endings->count, response->stamp, turn->now_ms, turn_effects(turn),
                      touched, &why);
    if (code != MUSTER_OK) return call_refused_by_roll(call, code, &why, "departures");
    response->left = touched->left;
    response->unknown = endings->unknown;
    response->n_unknown = endings->unknown_count;
    return MUSTER_OK;
}

enum muster_code call_leave(struct call *call, struct text body) {
    const Muster__V1__LeaveRequest *request = call_decode(call, &muster__v1__leave_request__descriptor, body);
    if (request == NULL) return MUSTER_INVALID_ARGUMENT;
    struct departure *departures = NULL;
    struct endings endings = {0};
    struct touched touched;
    enum muster_code code = read_departures(call, request, &departures);
    if (code != MUSTER_OK) return code;
    Muster__V1__LeaveResponse *response = arena_take(call->arena, 1, sizeof *response);
    endings.beats = arena_take(call->arena, MUSTER_BEATS_MAX, sizeof *endings.beats);
    endings.unknown = arena_take(call->arena, request->n_departures, sizeof *endings.unknown);
    if (response == NULL || endings.beats == NULL || endings.unknown == NULL) return call_too_large(call, "departures");
    muster__v1__leave_response__init(response);

    struct turn turn = node_begin(call->node, call->now);
    code = apply_endings(call, &turn, departures, request, response, &endings, &touched);
    node_commit(&turn, code == MUSTER_OK ? &touched : NULL);
    if (code != MUSTER_OK) return code;

    return call_encode(call, &response->base, "reply");
}
