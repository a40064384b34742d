#include "watches_internal.h"

#include <assert.h>
#include <string.h>

uint64_t queue_wakes_ms(const struct watch *watch) {
    bool is_paced = watch->state == WATCH_PENDING && watch->due_ms < watch->deadline_ms;
    return is_paced ? watch->due_ms : watch->deadline_ms;
}

static void queue_put(struct watches *watches, size_t at, struct watch *watch) {
    watches->queue[at] = watch;
    watch->queue_at = at;
}

static void queue_rise(struct watches *watches, size_t at) {
    struct watch *watch = watches->queue[at];
    for (; at > 0 && queue_wakes_ms(watch) < queue_wakes_ms(watches->queue[(at - 1) / 2]); at = (at - 1) / 2)
        queue_put(watches, at, watches->queue[(at - 1) / 2]);
    queue_put(watches, at, watch);
}

static void queue_sink(struct watches *watches, size_t at) {
    struct watch *watch = watches->queue[at];
    for (size_t child; (child = 2 * at + 1) < watches->queue_count; at = child) {
        if (child + 1 < watches->queue_count &&
            queue_wakes_ms(watches->queue[child + 1]) < queue_wakes_ms(watches->queue[child]))
            child++;
        if (queue_wakes_ms(watch) <= queue_wakes_ms(watches->queue[child])) break;
        queue_put(watches, at, watches->queue[child]);
    }
    queue_put(watches, at, watch);
}

bool queue_reserve(struct watches *watches) {
    const struct allocator *a = &watches->allocator;
    if (watches->parked < watches->queue_capacity) return true;
    size_t capacity = watches->queue_capacity == 0 ? 64 : watches->queue_capacity * 2;
    struct watch **queue = a->allocate(a->context, capacity * sizeof *queue);
    if (queue == NULL) return false;
    if (watches->queue_count > 0) memcpy(queue, watches->queue, watches->queue_count * sizeof *queue);
    a->release(a->context, watches->queue, watches->queue_capacity * sizeof *queue);
    watches->queue = queue;
    watches->queue_capacity = capacity;
    return true;
}

/* There is room: queue_reserve counts taken watches as well. */
void queue_add(struct watches *watches, struct watch *watch) {
    assert(watches->queue_count < watches->queue_capacity);
    queue_put(watches, watches->queue_count++, watch);
    queue_rise(watches, watch->queue_at);
}

void queue_remove(struct watches *watches, struct watch *watch) {
    assert(watch->queue_at < watches->queue_count && watches->queue[watch->queue_at] == watch);
    struct watch *last = watches->queue[--watches->queue_count];
    if (last == watch) return;
    queue_put(watches, watch->queue_at, last);
    queue_rise(watches, last->queue_at);
    queue_sink(watches, last->queue_at);
}

void queue_advance(struct watches *watches, struct watch *watch) {
    queue_rise(watches, watch->queue_at);
}
