#include "event_queue.h"

#include <stdlib.h>
#include <string.h>

struct packet *packet_new(const uint8_t *bytes, size_t len) {
    struct packet *packet = malloc(sizeof *packet + len);
    if (packet == NULL) abort();
    packet->references = 1;
    packet->len = len;
    memcpy(packet->bytes, bytes, len);
    return packet;
}

struct packet *packet_of(struct text bytes) {
    return packet_new((const uint8_t *)bytes.data, bytes.len);
}

struct packet *packet_keep(struct packet *packet) {
    packet->references++;
    return packet;
}

void packet_drop(struct packet *packet) {
    if (packet != NULL && --packet->references == 0) free(packet);
}

static bool is_before(const struct event *a, const struct event *b) {
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void event_queue_add(struct event_queue *event_queue, struct event event) {
    if (event_queue->count == event_queue->capacity) {
        event_queue->capacity = event_queue->capacity == 0 ? 256 : event_queue->capacity * 2;
        event_queue->events = realloc(event_queue->events, event_queue->capacity * sizeof *event_queue->events);
        if (event_queue->events == NULL) abort();
    }
    event.order = event_queue->order++;
    size_t i = event_queue->count++;
    for (; i > 0 && is_before(&event, &event_queue->events[(i - 1) / 2]); i = (i - 1) / 2)
        event_queue->events[i] = event_queue->events[(i - 1) / 2];
    event_queue->events[i] = event;
}

bool event_queue_next(struct event_queue *event_queue, uint64_t until_ms, struct event *out) {
    if (event_queue->count == 0 || event_queue->events[0].at_ms > until_ms) return false;
    *out = event_queue->events[0];
    struct event last = event_queue->events[--event_queue->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < event_queue->count; i = child) {
        if (child + 1 < event_queue->count && is_before(&event_queue->events[child + 1], &event_queue->events[child]))
            child++;
        if (!is_before(&event_queue->events[child], &last)) break;
        event_queue->events[i] = event_queue->events[child];
    }
    event_queue->events[i] = last;
    return true;
}

void event_queue_free(struct event_queue *event_queue) {
    event_queue_clear(event_queue);
    free(event_queue->events);
    *event_queue = (struct event_queue){0};
}

void event_queue_clear(struct event_queue *event_queue) {
    for (size_t i = 0; i < event_queue->count; i++) packet_drop(event_queue->events[i].packet);
    free(event_queue->events);
    *event_queue = (struct event_queue){0};
}
