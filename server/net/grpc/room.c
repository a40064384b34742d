/* Room for what connections keep: parts of messages, and answers. It is counted against what all connections may own
 * together; where that is used up, those make room who keep it for longest: first whose answers are not read, then
 * whose requests are not finished. */
#include "grpc_door_internal.h"
#include "muster/limits.h"

enum { REQUESTS_LOOKED_AT = 64 }; /* most keep nothing */

static bool drop_answers(struct connection *victim, const struct connection *needy) {
    struct grpc_call *call;
    if (victim == needy) return false;
    stream_end(victim->stream, STREAM_UNREAD);
    LIST_FOREACH(call, &victim->calls, link) response_drop(call);
    return true;
}

static bool make_room_of_answers(struct grpc_seat *seat, const struct connection *needy, enum wait_list list,
                                 size_t bytes) {
    struct wait *wait, *next;
    for (wait = TAILQ_FIRST(&seat->waits[list]); wait != NULL; wait = next) {
        next = TAILQ_NEXT(wait, link);
        if (!drop_answers(WAIT_OWNER(wait, struct connection, read_wait), needy)) continue;
        if (stream_take_bytes(needy->stream, bytes)) return true;
    }
    return false;
}

static bool call_keeps_bytes(const struct grpc_call *call) {
    return call->reader_counted > 0 || call->kept != NULL || call->head.headers_counted > 0;
}

static bool make_room_of_requests(struct grpc_seat *seat, const struct connection *needy, size_t bytes) {
    struct wait *wait = TAILQ_FIRST(&seat->waits[WAIT_REQUEST]), *next;
    for (unsigned i = 0; i < REQUESTS_LOOKED_AT && wait != NULL; i++, wait = next) {
        struct grpc_call *call = WAIT_OWNER(wait, struct grpc_call, wait);
        next = TAILQ_NEXT(wait, link);
        if (call->connection == needy || !call_keeps_bytes(call)) continue;
        call_await_nothing(call);
        call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short, and the request was not finished");
        call_drop_request(call);
        if (stream_take_bytes(needy->stream, bytes)) return true;
    }
    return false;
}

static bool make_room(const struct connection *needy, size_t bytes) {
    struct grpc_seat *seat = needy->seat;
    return make_room_of_answers(seat, needy, WAIT_FULL, bytes) ||
           make_room_of_answers(seat, needy, WAIT_UNREAD, bytes) || make_room_of_requests(seat, needy, bytes) ||
           stream_make_room(needy->stream, bytes);
}

/* How many answers wait is limited elsewhere: held.c. */
bool connection_take_answer(struct connection *connection, size_t bytes) {
    return stream_take_bytes(connection->stream, bytes) || make_room(connection, bytes);
}

void connection_give_answer(struct connection *connection, size_t bytes) {
    stream_give_bytes(connection->stream, bytes);
}

bool connection_take_bytes(struct connection *connection, size_t bytes) {
    if (bytes > MUSTER_GRPC_CONNECTION_BYTES_MAX - connection->owned) return false;
    if (!stream_take_bytes(connection->stream, bytes) && !make_room(connection, bytes)) return false;
    connection->owned += bytes;
    return true;
}

void connection_give_bytes(struct connection *connection, size_t bytes) {
    connection->owned -= bytes;
    stream_give_bytes(connection->stream, bytes);
}
