/* Calls that wait because the answers of their connection are not read: what they get is kept as it came, and neither
 * handled nor given back to the windows of HTTP/2. So a connection owns at most one window of them besides its answers.
 * They go on in the order in which they were held. */
#include "grpc_door_internal.h"

bool connection_is_full(const struct connection *connection) {
    return connection->unsent > STREAM_OUT_BYTES_MAX;
}

bool call_must_wait(const struct grpc_call *call) {
    if (call->is_held) return true;
    if (call->is_finished) return false;
    return !TAILQ_EMPTY(&call->connection->held) || connection_is_full(call->connection);
}

static bool keep_held(struct grpc_call *call, const uint8_t *bytes, size_t len) {
    struct connection *connection = call->connection;
    if (len == 0) return true;
    if (!connection_take_bytes(connection, len)) return false;
    uint8_t *room = outbox_add(&call->held, len);
    if (room != NULL) memcpy(room, bytes, len);
    else connection_give_bytes(connection, len);
    return room != NULL;
}

void call_hold(struct grpc_call *call, const uint8_t *bytes, size_t len, bool is_end) {
    struct connection *connection = call->connection;
    call->is_end_held |= is_end;
    if (call->held_stale_ms == 0) call->held_stale_ms = stream_stale_ms(connection->stream);
    if (!call->is_held) {
        call->is_held = true;
        call->held_ms = grpc_call_now(call).now_ms;
        call_await_nothing(call);
        TAILQ_INSERT_TAIL(&connection->held, call, held_link);
    }
    if (keep_held(call, bytes, len)) return;
    (void)nghttp2_session_consume(connection->session, call->stream_id, len);
    call_fail(call, MUSTER_RESOURCE_EXHAUSTED, "memory for messages is short");
}

static void take_held(struct grpc_call *call) {
    TAILQ_REMOVE(&call->connection->held, call, held_link);
    call->is_held = false;
}

static void free_held(struct connection *connection, struct outbox *held) {
    connection_give_bytes(connection, outbox_len(held));
    outbox_free(held);
}

static void release_call(struct grpc_call *call) {
    struct connection *connection = call->connection;
    struct outbox held = call->held;
    call->held = (struct outbox){0};
    take_held(call);
    if (outbox_len(&held) > 0) {
        call_receive(call, held.bytes, outbox_len(&held));
        (void)nghttp2_session_consume(connection->session, call->stream_id, outbox_len(&held));
    }
    call_keep_request(call);
    if (call->is_end_held) call_half_close(call);
    else if (!call->is_finished && call->method->is_request_one) call_await_request(call);
    call->held_ms = call->held_stale_ms = 0;
    stream_commit(connection->stream); /* before the bytes go */
    free_held(connection, &held);
}

void connection_release(struct connection *connection) {
    struct grpc_call *call;
    while (!connection_is_full(connection) && (call = TAILQ_FIRST(&connection->held)) != NULL) release_call(call);
    connection_wake(connection);
}

void call_drop_held(struct grpc_call *call) {
    struct connection *connection = call->connection;
    if (!call->is_held) return;
    take_held(call);
    (void)nghttp2_session_consume_connection(connection->session, outbox_len(&call->held));
    free_held(connection, &call->held);
}
