#include "touch_group.h"
#include "node/cluster.h"
#include "touch_codec.h"

#include <assert.h>
#include <stdlib.h>

/* What came of one request. */
struct touch_outcome {
    void *ticket;
    uint64_t stamp;
    enum muster_code code;
    struct refusal why;
};

struct touch_group {
    struct call call; /* for validation and refusals */
    size_t count;
    struct beat beats[TOUCH_GROUP_MAX]; /* complete; the texts are the requests' */
    struct beat_outcome each[TOUCH_GROUP_MAX];
    struct touch_outcome outcomes[TOUCH_GROUP_MAX];
};

struct touch_group *touch_group_new(struct rpc *rpc) {
    struct touch_group *group = calloc(1, sizeof *group);
    if (group == NULL) return NULL;
    group->call.rpc = rpc;
    group->call.node = rpc->node;
    return group;
}

void touch_group_free(struct touch_group *group) {
    assert(group == NULL || group->count == 0);
    free(group);
}

size_t touch_group_count(const struct touch_group *group) {
    return group->count;
}

bool touch_group_add(struct touch_group *group, const struct request *request, void *ticket) {
    struct touch_fields fields;
    uint32_t ttl_ms;
    if (request->method != METHOD_TOUCH || request->stalled_ms > 0 || group->count == TOUCH_GROUP_MAX) return false;
    if (request->token.len > MUSTER_TOKEN_BYTES_MAX || request->body.len > MUSTER_MESSAGE_BYTES_MAX) return false;
    if (!node_takes_writes(group->call.node)) return false;
    if (!decode_hot_touch(request->body, &group->beats[group->count], 1, &fields)) return false;
    if (touch_complete(&group->call, &fields, &ttl_ms) != MUSTER_OK) return false;
    group->outcomes[group->count++].ticket = ticket;
    return true;
}

/* Applies n beats from `first` on, under one stamp; all or none. */
static bool apply_beats(struct touch_group *group, struct turn *turn, size_t first, size_t n, struct touched *touched) {
    struct touch_outcome *outcomes = &group->outcomes[first];
    struct refusal why;
    uint64_t stamp = hlc_next(turn->hlc, turn->now_ms);
    enum muster_code code = roll_touch_each(turn->roll, &group->beats[first], n, stamp, turn->now_ms,
                                            turn_effects(turn), touched, &group->each[first], &why);
    for (size_t i = 0; i < n; i++) {
        outcomes[i].stamp = stamp;
        outcomes[i].code = code;
    }
    if (code != MUSTER_OK) outcomes[0].why = why;
    return code == MUSTER_OK;
}

/* Applies each beat as a call of its own, since the roll refuses beats together for what only some of them lack: where
 * it is full, for example, known members may still be touched. Refusals are rare. Returns whether any was applied. */
static bool apply_beats_singly(struct touch_group *group, struct turn *turn, struct touched *touched) {
    bool has_effect = false;
    *touched = (struct touched){.refresh_by_ms = UINT64_MAX};
    for (size_t i = 0; i < group->count; i++) {
        struct touched of_one;
        if (!apply_beats(group, turn, i, 1, &of_one)) {
            turn_note_refused(turn, 1);
            continue;
        }
        has_effect = true;
        touched->is_news |= of_one.is_news;
        if (of_one.refresh_by_ms < touched->refresh_by_ms) touched->refresh_by_ms = of_one.refresh_by_ms;
    }
    return has_effect;
}

static void answer_one(struct touch_group *group, size_t i, touch_answer_fn *each, void *context) {
    const struct touch_outcome *outcome = &group->outcomes[i];
    struct response response = {.code = outcome->code};
    char body[TOUCH_RESPONSE_BYTES_MAX(1)];
    if (outcome->code == MUSTER_OK) {
        const struct beat_outcome *did = &group->each[i];
        const struct touch_answer answer = {.joined = did->joined,
                                            .ttl_ms = group->beats[i].ttl_ms,
                                            .stamp = outcome->stamp,
                                            .displaced = did->displaced,
                                            .unknown = did->is_unknown,
                                            .each = did,
                                            .count = 1};
        response.body = touch_encode(&answer, body);
    } else {
        call_refused_by_roll(&group->call, outcome->code, &outcome->why, "beats[0]");
        response.message = text_of(group->call.message);
    }
    each(context, outcome->ticket, &response);
}

void touch_group_commit(struct touch_group *group, struct instant now, touch_answer_fn *each, void *context) {
    struct touched touched;
    if (group->count == 0) return;
    struct turn turn = node_begin(group->call.node, now);
    bool has_effect =
        apply_beats(group, &turn, 0, group->count, &touched) || apply_beats_singly(group, &turn, &touched);
    node_commit(&turn, has_effect ? &touched : NULL);
    for (size_t i = 0; i < group->count; i++) answer_one(group, i, each, context);
    group->count = 0;
}

void touch_group_refuse(struct touch_group *group, uint32_t stalled_ms, touch_answer_fn *each, void *context) {
    const struct response refusal = {.code = call_refuse_stalled(&group->call, stalled_ms),
                                     .message = text_of(group->call.message)};
    for (size_t i = 0; i < group->count; i++) each(context, group->outcomes[i].ticket, &refusal);
    group->count = 0;
}
