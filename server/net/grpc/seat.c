/* A loop's share of the door: what happens once a turn, for the connections and calls that have something due. Nothing
 * here looks at all of them. */
#include "grpc_door_internal.h"

#include <stdlib.h>

struct grpc_seat *seat_new(struct grpc_door *door, unsigned loop) {
    struct grpc_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL) return NULL;
    seat->door = door;
    seat->loop = loop;
    seat->turn = 1;
    seat->calls_max = (door->config.calls_max + loops_count(door->loops) - 1) / loops_count(door->loops);
    seat->coder = coder_new();
    for (size_t i = 0; i < WAIT_LISTS; i++) TAILQ_INIT(&seat->waits[i]);
    if (seat->coder != NULL && session_memory_open(&seat->memory, door->config.connections_max)) return seat;
    seat_free(seat);
    return NULL;
}

void seat_free(struct grpc_seat *seat) {
    if (seat == NULL) return;
    coder_free(seat->coder);
    session_memory_close(&seat->memory);
    free(seat->deadlines);
    free(seat);
}

static void seat_expire(struct grpc_seat *seat, uint64_t now_ms) {
    struct grpc_call *call;
    while ((call = deadline_first(seat)) != NULL && call->deadline_ms <= now_ms) {
        deadline_remove(seat, call);
        call_expire(call);
    }
}

static void seat_end_turn(struct grpc_seat *seat) {
    const struct grpc_door_config *config = &seat->door->config;
    for (size_t i = 0; i < config->service_count; i++) {
        const struct grpc_service *service = &config->services[i];
        if (service->turn_ends != NULL) service->turn_ends(service->service, seat->loop, seat->now);
    }
}

static void seat_flush(struct grpc_seat *seat) {
    struct connection *connection;
    while ((connection = SLIST_FIRST(&seat->dirty)) != NULL) {
        SLIST_REMOVE_HEAD(&seat->dirty, dirty_link);
        connection->is_dirty = false;
        connection_flush(connection);
        if (!TAILQ_EMPTY(&connection->held) && !connection_is_full(connection)) connection_release(connection);
    }
}

/* A service may send more when it is told, and then is told again in the next turn. */
static bool seat_tell_drained(struct grpc_seat *seat) {
    struct call_stack due = seat->drained;
    struct grpc_call *call;
    bool is_any_due = !SLIST_EMPTY(&due);
    while ((call = SLIST_FIRST(&due)) != NULL) {
        SLIST_REMOVE_HEAD(&due, drained_link);
        seat->drained = due;
        call->is_drained_due = false;
        if (!call->is_finished) call->method->drained(call->service->service, call);
        due = seat->drained;
    }
    return is_any_due;
}

/* Most calls are over by now, and never enter the heap. */
static void seat_keep_young(struct grpc_seat *seat) {
    struct grpc_call *call;
    while ((call = LIST_FIRST(&seat->young)) != NULL) {
        LIST_REMOVE(call, young_link);
        call->is_young = false;
        if (!call->is_finished && !deadline_add(seat, call))
            call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for deadlines is short");
    }
}

uint64_t seat_step(struct grpc_seat *seat, struct instant now) {
    seat_count_time(seat, now);
    seat_expire(seat, now.now_ms);
    uint64_t next_ms = seat_end_waits(seat);
    seat_end_turn(seat);
    seat_flush(seat);
    if (seat_tell_drained(seat)) seat_flush(seat);
    seat_keep_young(seat);
    const struct grpc_call *next = deadline_first(seat);
    if (!SLIST_EMPTY(&seat->dirty) || !SLIST_EMPTY(&seat->drained)) return now.now_ms;
    return next != NULL && next->deadline_ms < next_ms ? next->deadline_ms : next_ms;
}
