#include "timers.h"

#include <assert.h>
#include <stdlib.h>

enum { TIMERS_CAPACITY_MIN = 16 };

void timers_free(struct timers *timers) {
    free(timers->heap);
    *timers = (struct timers){0};
}

bool timers_reserve(struct timers *timers) {
    if (timers->reserved == timers->capacity) {
        size_t capacity = timers->capacity == 0 ? TIMERS_CAPACITY_MIN : 2 * timers->capacity;
        struct timer **heap = realloc(timers->heap, capacity * sizeof *heap);
        if (heap == NULL) return false;
        timers->heap = heap;
        timers->capacity = capacity;
    }
    timers->reserved++;
    return true;
}

static void heap_put(struct timers *timers, size_t at, struct timer *timer) {
    timers->heap[at] = timer;
    timer->at = at + 1;
}

static void heap_sift_up(struct timers *timers, size_t at) {
    struct timer *timer = timers->heap[at];
    for (; at > 0; at = (at - 1) / 2) {
        struct timer *parent = timers->heap[(at - 1) / 2];
        if (parent->due_ms <= timer->due_ms) break;
        heap_put(timers, at, parent);
    }
    heap_put(timers, at, timer);
}

static void heap_sift_down(struct timers *timers, size_t at) {
    struct timer *timer = timers->heap[at];
    for (size_t child; (child = 2 * at + 1) < timers->count; at = child) {
        if (child + 1 < timers->count && timers->heap[child + 1]->due_ms < timers->heap[child]->due_ms) child++;
        if (timer->due_ms <= timers->heap[child]->due_ms) break;
        heap_put(timers, at, timers->heap[child]);
    }
    heap_put(timers, at, timer);
}

void timers_set(struct timers *timers, struct timer *timer, uint64_t due_ms) {
    uint64_t before_ms = timer->due_ms;
    if (timer_is_set(timer) && before_ms == due_ms) return;
    timer->due_ms = due_ms;
    if (timer_is_set(timer)) {
        if (due_ms < before_ms) heap_sift_up(timers, timer->at - 1);
        else heap_sift_down(timers, timer->at - 1);
        return;
    }
    assert(timers->count < timers->reserved);
    timers->heap[timers->count] = timer;
    heap_sift_up(timers, timers->count++);
}

void timers_clear(struct timers *timers, struct timer *timer) {
    if (!timer_is_set(timer)) return;
    size_t at = timer->at - 1;
    struct timer *last = timers->heap[--timers->count];
    timer->at = 0;
    if (last == timer) return;
    heap_put(timers, at, last);
    heap_sift_up(timers, at);
    heap_sift_down(timers, last->at - 1);
}

uint64_t timers_next_ms(const struct timers *timers) {
    return timers->count == 0 ? UINT64_MAX : timers->heap[0]->due_ms;
}

struct timer *timers_take_due(struct timers *timers, uint64_t now_ms) {
    if (timers_next_ms(timers) > now_ms) return NULL;
    struct timer *timer = timers->heap[0];
    timers_clear(timers, timer);
    return timer;
}
