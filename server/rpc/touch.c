#include "calls.h"
#include "touch_codec.h"

#include <stdio.h>

enum muster_code call_touch(struct call *call, struct text body) {
    struct touch_fields fields;
    struct touch_answer answer;
    struct touched touched;
    struct refusal why = {0};
    enum muster_code code = touch_decode(call, body, &fields, &answer.ttl_ms);
    if (code != MUSTER_OK) return code;
    struct beat_outcome *each = arena_take(call->arena, fields.count, sizeof *each);
    char *out = arena_take(call->arena, 1, TOUCH_RESPONSE_BYTES_MAX(fields.count));
    if (each == NULL || out == NULL) return call_too_large(call, "beats");

    struct turn turn = node_begin(call->node, call->now);
    answer.stamp = hlc_next(turn.hlc, turn.now_ms);
    code = roll_touch_each(turn.roll, fields.beats, fields.count, answer.stamp, turn.now_ms, turn_effects(&turn),
                           &touched, each, &why);
    if (code != MUSTER_OK) turn_note_refused(&turn, fields.count);
    node_commit(&turn, code == MUSTER_OK ? &touched : NULL);
    if (code != MUSTER_OK) {
        char where[CALL_WHERE_BYTES];
        snprintf(where, sizeof where, "beats[%zu]", why.index);
        return call_refused_by_roll(call, code, &why, where);
    }
    answer = (struct touch_answer){.joined = touched.joined,
                                   .ttl_ms = answer.ttl_ms,
                                   .stamp = answer.stamp,
                                   .displaced = touched.displaced,
                                   .unknown = touched.unknown,
                                   .each = each,
                                   .count = fields.count};
    call->body = touch_encode(&answer, out);
    return MUSTER_OK;
}
