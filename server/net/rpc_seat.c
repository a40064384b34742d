#include "rpc_seat.h"

#include <stdlib.h>

const struct response rpc_seat_stops = {.code = MUSTER_UNAVAILABLE,
                                        .message = {"the node stops", sizeof "the node stops" - 1}};

struct rpc_seat {
    struct worker *worker;
    struct touch_group *touches;
    struct stream *first; /* the stream of the first request of the group */
    uint64_t group;
};

struct rpc_seat *rpc_seat_new(struct rpc *rpc) {
    struct rpc_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL) return NULL;
    seat->group = 1;
    seat->worker = worker_new();
    seat->touches = touch_group_new(rpc);
    if (seat->worker != NULL && seat->touches != NULL) return seat;
    rpc_seat_free(seat);
    return NULL;
}

void rpc_seat_free(struct rpc_seat *seat) {
    if (seat == NULL) return;
    worker_free(seat->worker);
    touch_group_free(seat->touches);
    free(seat);
}

struct worker *rpc_seat_worker(struct rpc_seat *seat) {
    return seat->worker;
}

uint64_t rpc_seat_group(const struct rpc_seat *seat) {
    return seat->group;
}

size_t rpc_seat_next(struct rpc_seat *seat, struct stream *stream) {
    if (touch_group_count(seat->touches) == TOUCH_GROUP_MAX) stream_commit(stream);
    return touch_group_count(seat->touches);
}

bool rpc_seat_gather(struct rpc_seat *seat, struct stream *stream, const struct request *request, void *ticket) {
    if (!touch_group_add(seat->touches, request, ticket)) return false;
    if (touch_group_count(seat->touches) == 1) seat->first = stream;
    return true;
}

void rpc_seat_commit(struct rpc_seat *seat, touch_answer_fn *each, void *context) {
    if (touch_group_count(seat->touches) == 0) return;
    uint32_t stalled_ms = (uint32_t)stream_gap_ms(seat->first); /* right before they take effect */
    if (stalled_ms > 0) touch_group_refuse(seat->touches, stalled_ms, each, context);
    else touch_group_commit(seat->touches, stream_now(seat->first), each, context);
    seat->group++;
}
