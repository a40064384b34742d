/* Watch over gRPC: the parked watch is a stream, whose answers are the messages of the call. */
#include "muster/limits.h"
#include "presence_service_internal.h"

#include <stdatomic.h>
#include <stdlib.h>

enum {
    /* While more of a call waits to be sent its watch gets no answer: what changes meanwhile is one answer, later. */
    WATCH_UNSENT_BYTES_MAX = 4096,
    /* The same of all calls of a connection: past twice as many its other calls would have to wait. */
    WATCH_UNSENT_OF_ALL_MAX = STREAM_OUT_BYTES_MAX / 2,
};

/* Where the answers go. Two own it: the call, while it is open, and the watch, until its last answer. */
struct watch_slot {
    atomic_uint owners;
    atomic_bool is_awaited; /* the pump found no room */
    struct grpc_handle *handle;
    uint64_t connection;
};

static struct watch_slot *make_slot(struct grpc_call *call) {
    struct watch_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL) return NULL;
    slot->connection = stream_id(grpc_call_stream(call));
    slot->handle = grpc_call_handle(call);
    atomic_store(&slot->owners, 2);
    if (slot->handle != NULL) return slot;
    free(slot);
    return NULL;
}

static void slot_release(struct watch_slot *slot) {
    if (atomic_fetch_sub(&slot->owners, 1) > 1) return;
    grpc_handle_release(slot->handle);
    free(slot);
}

/* ---- the call, on its loop ---- */

void presence_watch_open(struct presence_service *presence, struct grpc_call *call, const struct request *request) {
    static const char short_memory[] = "memory for watches is short";
    struct response response;
    struct rpc_seat *seat = presence->seats[grpc_call_loop(call)];
    struct watch_slot *slot = make_slot(call);
    if (slot == NULL) {
        grpc_call_finish(call, MUSTER_RESOURCE_EXHAUSTED, text_of(short_memory));
        return;
    }
    const struct waiter waiter = {.reply_slot = slot,
                                  .connection = grpc_call_id(call), /* of calls: each is hung up alone */
                                  .door = &presence->watch_door,
                                  .is_stream = true};
    *grpc_call_data(call) = slot;
    if (!rpc_answer(presence->rpc, rpc_seat_worker(seat), request, grpc_call_now(call), &waiter, &response)) return;
    *grpc_call_data(call) = NULL;
    slot_release(slot); /* what the watch would have */
    slot_release(slot);
    grpc_call_answer(call, response.code, response.message, response.body);
}

void presence_watch_drained(void *context, struct grpc_call *call) {
    struct presence_service *presence = context;
    struct watch_slot *slot = *grpc_call_data(call);
    if (slot == NULL || !atomic_exchange(&slot->is_awaited, false)) return;
    pump_has_room(rpc_watches(presence->rpc), &presence->watch_door, grpc_call_id(call));
}

void presence_watch_closed(void *context, struct grpc_call *call) {
    struct presence_service *presence = context;
    struct watch_slot *slot = *grpc_call_data(call);
    if (slot == NULL) return;
    *grpc_call_data(call) = NULL;
    pump_hang_up(rpc_watches(presence->rpc), &presence->watch_door, grpc_call_id(call));
    slot_release(slot);
}

/* ---- the watch, on the pump's thread ---- */

static bool watch_has_room(void *context, const struct waiter *waiter) {
    struct presence_service *presence = context;
    struct watch_slot *slot = waiter->reply_slot;
    atomic_store(&slot->is_awaited, true); /* before it looks: what is sent meanwhile is heard of */
    if (grpc_handle_unsent(slot->handle) > WATCH_UNSENT_BYTES_MAX) return false;
    if (!watch_task_promise_room(presence->watch_task, slot->connection, grpc_handle_unsent_of_all(slot->handle),
                                 WATCH_UNSENT_OF_ALL_MAX))
        return false;
    atomic_store(&slot->is_awaited, false);
    return true;
}

static void deliver_response(struct presence_service *presence, struct watch_slot *slot,
                             const struct response *response, bool is_last) {
    if (response->code == MUSTER_OK) {
        watch_task_keep_promise(presence->watch_task, slot->connection, response->body.len);
        grpc_handle_send(slot->handle, response->body);
    }
    if (is_last) grpc_handle_finish(slot->handle, response->code, response->message);
}

static void watch_deliver(void *context, const struct waiter *waiter, const struct response *response, bool is_last) {
    struct presence_service *presence = context;
    struct watch_slot *slot = waiter->reply_slot;
    if (response != NULL) deliver_response(presence, slot, response, is_last);
    if (is_last) slot_release(slot);
}

struct watch_door presence_watch_door(struct presence_service *presence) {
    return (struct watch_door){.context = presence, .has_room = watch_has_room, .deliver = watch_deliver};
}
