/* The calls of a seat that have a deadline: a binary heap, from 1; the first is due first. */
#include "grpc_door_internal.h"

#include <assert.h>
#include <stdlib.h>

enum { HEAP_CALLS_MIN = 64 };

static void heap_put(struct grpc_seat *seat, size_t at, struct grpc_call *call) {
    seat->deadlines[at] = call;
    call->heap_at = at;
}

static void heap_rise(struct grpc_seat *seat, size_t at, struct grpc_call *call) {
    for (; at > 1 && call->deadline_ms < seat->deadlines[at / 2]->deadline_ms; at /= 2)
        heap_put(seat, at, seat->deadlines[at / 2]);
    heap_put(seat, at, call);
}

static void heap_sink(struct grpc_seat *seat, size_t at, struct grpc_call *call) {
    for (size_t below; (below = at * 2) <= seat->deadline_count; at = below) {
        if (below < seat->deadline_count &&
            seat->deadlines[below + 1]->deadline_ms < seat->deadlines[below]->deadline_ms)
            below++;
        if (call->deadline_ms <= seat->deadlines[below]->deadline_ms) break;
        heap_put(seat, at, seat->deadlines[below]);
    }
    heap_put(seat, at, call);
}

bool deadline_add(struct grpc_seat *seat, struct grpc_call *call) {
    assert(call->heap_at == 0);
    if (seat->deadline_count + 1 >= seat->deadline_capacity) {
        size_t capacity = seat->deadline_capacity == 0 ? HEAP_CALLS_MIN : seat->deadline_capacity * 2;
        struct grpc_call **deadlines = realloc(seat->deadlines, capacity * sizeof *deadlines);
        if (deadlines == NULL) return false;
        seat->deadlines = deadlines;
        seat->deadline_capacity = capacity;
    }
    heap_rise(seat, ++seat->deadline_count, call);
    return true;
}

void deadline_remove(struct grpc_seat *seat, struct grpc_call *call) {
    size_t at = call->heap_at;
    if (at == 0) return;
    call->heap_at = 0;
    struct grpc_call *last = seat->deadlines[seat->deadline_count--];
    if (last == call) return;
    if (at > 1 && last->deadline_ms < seat->deadlines[at / 2]->deadline_ms) heap_rise(seat, at, last);
    else heap_sink(seat, at, last);
}

struct grpc_call *deadline_first(const struct grpc_seat *seat) {
    return seat->deadline_count > 0 ? seat->deadlines[1] : NULL;
}
