#include "rpc_door.h"
#include "envelope.h"
#include "muster/limits.h"
#include "net/rpc_seat.h"
#include "sp_side.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Messages a little above the limit are still taken, to be answered with what is wrong; larger ones end the
 * connection. */
enum { RPC_PAYLOAD_BYTES_MAX = 2 * MUSTER_MESSAGE_BYTES_MAX + SP_HEADER_BYTES_MAX };

/* Where the answer to a parked request goes. */
struct reply_slot {
    struct stream *stream; /* its slot may have another stream by then: compare the id */
    bool is_ipc;
    uint8_t header_len;
    uint8_t header[SP_HEADER_BYTES_MAX];
};

/* A Touch that waits for the commit of its loop. */
struct touch_ticket {
    struct stream *stream;
    struct text header; /* borrowed, as its request is */
};

/* What a loop answers with. */
struct door_seat {
    struct rpc_seat *seat;
    struct touch_ticket tickets[TOUCH_GROUP_MAX];
};

struct rpc_door {
    struct rpc *rpc;
    struct loops *loops;
    struct watch_task *watch_task;
    struct door *door;
    struct watch_door watch_door;
    struct door_seat *seats[LOOPS_MAX]; /* one a loop */
};

/* ---- replies ---- */

/* What precedes the body of a reply. */
struct rpc_head {
    uint8_t bytes[SP_PREFIX_BYTES_MAX + SP_HEADER_BYTES_MAX + ENVELOPE_HEAD_BYTES_MAX];
};

static struct text write_head(bool is_ipc, struct text header, enum method method, const struct response *response,
                              struct rpc_head *out) {
    uint8_t envelope[ENVELOPE_HEAD_BYTES_MAX];
    size_t len = envelope_head(method, response, envelope);
    size_t at = sp_prefix_write(is_ipc, header.len + len + response->body.len, out->bytes);
    memcpy(out->bytes + at, header.data, header.len);
    memcpy(out->bytes + at + header.len, envelope, len);
    return (struct text){(char *)out->bytes, (uint32_t)(at + header.len + len)};
}

static void send_response(struct stream *stream, struct text header, enum method method,
                          const struct response *response) {
    struct rpc_head head;
    stream_send(stream, write_head(stream_is_ipc(stream), header, method, response, &head), response->body);
}

/* ---- touches: all of a turn are one call of the roll ---- */

static struct door_seat *seat_of(struct stream *stream) {
    const struct rpc_door *door = stream_context(stream);
    return door->seats[stream_loop(stream)];
}

static void answer_touch(void *context, void *ticket_of, const struct response *response) {
    const struct touch_ticket *ticket = ticket_of;
    (void)context;
    send_response(ticket->stream, ticket->header, METHOD_TOUCH, response);
}

static void rpc_commit(void *context, unsigned loop) {
    const struct rpc_door *door = context;
    rpc_seat_commit(door->seats[loop]->seat, answer_touch, NULL);
}

/* What a stream carries: the group that it last put a touch into, and whether it ever parked a watch. */
static bool has_touches(struct stream *stream) {
    return (uintptr_t)*stream_data(stream) >> 1 == rpc_seat_group(seat_of(stream)->seat);
}

static bool has_parked(struct stream *stream) {
    return ((uintptr_t)*stream_data(stream) & 1) != 0;
}

static void set_carried(struct stream *stream, uint64_t group, bool parked) {
    *stream_data(stream) = (void *)((uintptr_t)group << 1 | (uintptr_t)parked);
}

static bool gather_touch(struct stream *stream, struct text header, const struct request *request) {
    struct door_seat *seat = seat_of(stream);
    struct touch_ticket *ticket = &seat->tickets[rpc_seat_next(seat->seat, stream)];
    if (!rpc_seat_gather(seat->seat, stream, request, ticket)) return false;
    *ticket = (struct touch_ticket){stream, header};
    set_carried(stream, rpc_seat_group(seat->seat), has_parked(stream));
    stream_borrow(stream);
    return true;
}

/* ---- requests ---- */

static struct reply_slot *make_slot(struct stream *stream, struct text header) {
    struct reply_slot *slot = malloc(sizeof *slot);
    if (slot == NULL) return NULL;
    *slot = (struct reply_slot){.stream = stream, .is_ipc = stream_is_ipc(stream), .header_len = (uint8_t)header.len};
    memcpy(slot->header, header.data, header.len);
    return slot;
}

/* Whether a watch was parked; the answer is in *out otherwise. */
static bool park_watch(struct stream *stream, struct text header, const struct request *request, struct response *out) {
    struct rpc_door *door = stream_context(stream);
    struct reply_slot *slot = make_slot(stream, header);
    if (slot == NULL) {
        stream_end(stream, STREAM_MEMORY);
        return true;
    }
    const struct waiter waiter = {.reply_slot = slot, .connection = stream_id(stream), .door = &door->watch_door};
    if (rpc_answer(door->rpc, rpc_seat_worker(seat_of(stream)->seat), request, stream_now(stream), &waiter, out)) {
        free(slot);
        return false;
    }
    set_carried(stream, 0, true);
    return true;
}

static void answer_request(struct stream *stream, struct text header, struct request *request, size_t rest) {
    struct rpc_door *door = stream_context(stream);
    struct response response;
    request->stalled_ms = (uint32_t)stream_stale_ms(stream);
    if (request->method == METHOD_TOUCH && gather_touch(stream, header, request)) return;
    if (has_touches(stream)) stream_commit(stream); /* in the order in which they came */
    stream_answered(stream);
    if (method_entry(request->method)->writes) {
        stream_look(stream, rest); /* right before it takes effect */
        request->stalled_ms = (uint32_t)stream_stale_ms(stream);
    }
    if (request->method != METHOD_WATCH)
        rpc_answer(door->rpc, rpc_seat_worker(seat_of(stream)->seat), request, stream_now(stream), NULL, &response);
    else if (park_watch(stream, header, request, &response)) return;
    send_response(stream, header, request->method, &response);
}

/* The node stops: clients go elsewhere. Touches that came before take effect, and are answered, first. */
static void refuse_request(struct stream *stream, struct text header) {
    if (has_touches(stream)) stream_commit(stream);
    stream_answered(stream);
    send_response(stream, header, METHOD_NONE, &rpc_seat_stops);
}

static void rpc_message(struct stream *stream, const struct sp_frame *frame, size_t rest) {
    const struct text header = {(const char *)frame->payload,
                                (uint32_t)sp_header_len(frame->payload, frame->payload_len)};
    const struct text call = {header.data + header.len, (uint32_t)frame->payload_len - header.len};
    struct envelope_refusal refusal;
    struct request request;
    if (header.len == 0) { /* a reply needs the id */
        sp_end_broken(stream);
        return;
    }
    stream_asked(stream);
    if (stream_must_refuse(stream)) {
        refuse_request(stream, header);
        return;
    }
    if (envelope_open(call, &request, &refusal)) {
        answer_request(stream, header, &request, rest);
        return;
    }
    if (has_touches(stream)) stream_commit(stream); /* replies come in order */
    stream_answered(stream);
    send_response(stream, header, METHOD_NONE, &refusal.response);
}

static const struct sp_side rpc_side = {
    .own = SP_REP, .other = SP_REQ, .payload_bytes_max = RPC_PAYLOAD_BYTES_MAX, .message = rpc_message};

static void rpc_opened(struct stream *stream) {
    sp_opened(&rpc_side, stream);
}

static struct taken rpc_take(struct stream *stream, const uint8_t *bytes, size_t len) {
    return sp_take(&rpc_side, stream, bytes, len);
}

static void rpc_closed(struct stream *stream) {
    struct rpc_door *door = stream_context(stream);
    if (has_parked(stream)) pump_hang_up(rpc_watches(door->rpc), &door->watch_door, stream_id(stream));
}

static const struct protocol rpc_protocol = {
    .name = "rpc", .opened = rpc_opened, .take = rpc_take, .closed = rpc_closed, .commit = rpc_commit};

/* ---- answers to parked requests ---- */

/* By the pump, as is `deliver_answer`, unless it is without an answer. */
static bool waiter_has_room(void *context, const struct waiter *waiter) {
    struct rpc_door *door = context;
    const struct reply_slot *slot = waiter->reply_slot;
    return watch_task_promise_room(door->watch_task, waiter->connection, stream_unsent(slot->stream),
                                   STREAM_OUT_BYTES_MAX);
}

static void deliver_answer(void *context, const struct waiter *waiter, const struct response *response, bool is_last) {
    struct rpc_door *door = context;
    struct reply_slot *slot = waiter->reply_slot;
    assert(is_last);
    (void)is_last;
    if (response != NULL) {
        struct rpc_head space;
        const struct text header = {(char *)slot->header, slot->header_len};
        const struct text head = write_head(slot->is_ipc, header, METHOD_WATCH, response, &space);
        watch_task_keep_promise(door->watch_task, waiter->connection, head.len + response->body.len);
        stream_send_later(slot->stream, waiter->connection, head, response->body);
    }
    free(slot);
}

/* ---- opening and closing ---- */

static bool make_seats(struct rpc_door *door) {
    for (unsigned i = 0; i < loops_count(door->loops); i++) {
        struct door_seat *seat = door->seats[i] = calloc(1, sizeof *seat);
        if (seat == NULL || (seat->seat = rpc_seat_new(door->rpc)) == NULL) return false;
    }
    return true;
}

static void free_rpc_door(struct rpc_door *door) {
    for (unsigned i = 0; i < LOOPS_MAX && door->seats[i] != NULL; i++) {
        rpc_seat_free(door->seats[i]->seat);
        free(door->seats[i]);
    }
    free(door);
}

struct rpc_door *rpc_door_open(struct loops *loops, const struct rpc_door_config *config, struct error *error) {
    (void)error_fail_memory(error);
    struct rpc_door *door = calloc(1, sizeof *door);
    if (door == NULL) return NULL;
    door->rpc = config->rpc;
    door->loops = loops;
    door->watch_task = config->watch_task;
    door->watch_door = (struct watch_door){.context = door, .has_room = waiter_has_room, .deliver = deliver_answer};
    if (!make_seats(door)) goto fail;
    const struct door_config of_door = {.protocol = &rpc_protocol,
                                        .context = door,
                                        .urls = config->urls,
                                        .url_count = config->url_count,
                                        .tls = config->tls,
                                        .connections_max = config->connections_max != 0 ? config->connections_max
                                                                                        : MUSTER_CONNECTIONS_DEFAULT,
                                        .counts = config->counts,
                                        .connections_per_address = config->connections_per_address,
                                        .unread_ms = config->unread_ms,
                                        .unfinished_ms = config->unfinished_ms,
                                        .idle_ms = config->idle_ms};
    if ((door->door = door_open(loops, &of_door, error)) == NULL) goto fail;
    return door;

fail:
    free_rpc_door(door);
    return NULL;
}

struct door *rpc_door_door(const struct rpc_door *door) {
    return door->door;
}

void rpc_door_close(struct rpc_door *door) {
    if (door == NULL) return;
    door_close(door->door);
    free_rpc_door(door);
}
