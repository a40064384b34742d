#include "agenda.h"

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

void agenda_add(struct agenda *agenda, struct event event) {
    if (agenda->count == agenda->capacity) {
        agenda->capacity = agenda->capacity == 0 ? 256 : agenda->capacity * 2;
        agenda->events = realloc(agenda->events, agenda->capacity * sizeof *agenda->events);
        if (agenda->events == NULL) abort();
    }
    event.order = agenda->order++;
    size_t i = agenda->count++;
    for (; i > 0 && is_before(&event, &agenda->events[(i - 1) / 2]); i = (i - 1) / 2)
        agenda->events[i] = agenda->events[(i - 1) / 2];
    agenda->events[i] = event;
}

bool agenda_next(struct agenda *agenda, uint64_t until_ms, struct event *out) {
    if (agenda->count == 0 || agenda->events[0].at_ms > until_ms) return false;
    *out = agenda->events[0];
    struct event last = agenda->events[--agenda->count];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < agenda->count; i = child) {
        if (child + 1 < agenda->count && is_before(&agenda->events[child + 1], &agenda->events[child])) child++;
        if (!is_before(&agenda->events[child], &last)) break;
        agenda->events[i] = agenda->events[child];
    }
    agenda->events[i] = last;
    return true;
}

void agenda_free(struct agenda *agenda) {
    agenda_clear(agenda);
    free(agenda->events);
    *agenda = (struct agenda){0};
}

void agenda_clear(struct agenda *agenda) {
    for (size_t i = 0; i < agenda->count; i++) packet_drop(agenda->events[i].packet);
    free(agenda->events);
    *agenda = (struct agenda){0};
}
