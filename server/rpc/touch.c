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
    char *out = arena_take(call->arena, 1, TOUCH_RESPONSE_BYTES_MAX);
    if (out == NULL) return call_too_large(call, "beats");

    struct turn turn = node_begin(call->node, call->now);
    answer.stamp = hlc_next(turn.hlc, turn.now_ms);
    code = roll_touch(turn.roll, fields.beats, fields.count, answer.stamp, turn.now_ms, turn_effects(&turn), &touched,
                      &why);
    node_commit(&turn, code == MUSTER_OK ? &touched : NULL);
    if (code != MUSTER_OK) {
        char where[CALL_WHERE_BYTES];
        snprintf(where, sizeof where, "beats[%zu]", why.index);
        return call_refused_by_roll(call, code, &why, where);
    }
    answer.joined = touched.joined;
    call->body = touch_encode(&answer, out);
    return MUSTER_OK;
}
