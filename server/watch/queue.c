#include "watches_internal.h"

#include <string.h>

uint64_t queue_wakes_ms(const struct watch *watch) {
    bool is_paced = watch->state == WATCH_PENDING && watch->due_ms < watch->deadline_ms;
    return is_paced ? watch->due_ms : watch->deadline_ms;
}

static void heap_put(struct watches *watches, size_t at, struct watch *watch) {
    watches->heap[at] = watch;
    watch->heap_at = at;
}

static void heap_rise(struct watches *watches, size_t at) {
    struct watch *watch = watches->heap[at];
    for (; at > 0 && queue_wakes_ms(watch) < queue_wakes_ms(watches->heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap_put(watches, at, watches->heap[(at - 1) / 2]);
    heap_put(watches, at, watch);
}

static void heap_sink(struct watches *watches, size_t at) {
    struct watch *watch = watches->heap[at];
    for (size_t child; (child = 2 * at + 1) < watches->heap_count; at = child) {
        if (child + 1 < watches->heap_count &&
            queue_wakes_ms(watches->heap[child + 1]) < queue_wakes_ms(watches->heap[child]))
            child++;
        if (queue_wakes_ms(watch) <= queue_wakes_ms(watches->heap[child])) break;
        heap_put(watches, at, watches->heap[child]);
    }
    heap_put(watches, at, watch);
}

bool queue_reserve(struct watches *watches) {
    const struct allocator *a = &watches->allocator;
    if (watches->parked < watches->heap_capacity) return true;
    size_t capacity = watches->heap_capacity == 0 ? 64 : watches->heap_capacity * 2;
    struct watch **heap = a->allocate(a->context, capacity * sizeof *heap);
    if (heap == NULL) return false;
    if (watches->heap_count > 0) memcpy(heap, watches->heap, watches->heap_count * sizeof *heap);
    a->release(a->context, watches->heap, watches->heap_capacity * sizeof *heap);
    watches->heap = heap;
    watches->heap_capacity = capacity;
    return true;
}

/* There is room: queue_reserve counts who is taken as well. */
void queue_add(struct watches *watches, struct watch *watch) {
    heap_put(watches, watches->heap_count++, watch);
    heap_rise(watches, watch->heap_at);
}

void queue_remove(struct watches *watches, struct watch *watch) {
    struct watch *last = watches->heap[--watches->heap_count];
    if (last == watch) return;
    heap_put(watches, watch->heap_at, last);
    heap_rise(watches, last->heap_at);
    heap_sink(watches, last->heap_at);
}

void queue_advance(struct watches *watches, struct watch *watch) {
    heap_rise(watches, watch->heap_at);
}
